//! Why a call did not happen, without a word of what it carried: a server's own text and detail quote
//! values ("Key (id)=(…) already exists"), so only its code and the names of ours that it blames go on.

use std::sync::Arc;

use tokio_postgres::error::{DbError, SqlState};

use crate::sync::ports::StoreError;

/// Why.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// No room at the server, or too much is going on.
    Full,
    /// Others were in the way (a deadlock, a lock that took too long): the same again may go.
    Again(Arc<str>),
    /// The connection is gone. Whether a commit in hand took place is not known.
    Gone(Arc<str>),
    /// Anything else: the same again would fail again.
    Other(Arc<str>),
}

impl Failure {
    pub(super) fn other(text: &str) -> Self {
        Failure::Other(text.into())
    }

    pub(super) fn gone(text: &str) -> Self {
        Failure::Gone(text.into())
    }

    /// What there is to say of it.
    pub(super) fn text(&self) -> &str {
        match self {
            Failure::Full => "it has no room",
            Failure::Again(text) | Failure::Gone(text) | Failure::Other(text) => text,
        }
    }

    /// As the core hears of it.
    pub(super) fn error(&self, operation: &'static str) -> StoreError {
        match self {
            Failure::Full => StoreError::Full(operation),
            Failure::Again(text) | Failure::Gone(text) | Failure::Other(text) => {
                StoreError::Failed {
                    operation,
                    cause: text.as_ref().into(),
                }
            }
        }
    }

    /// Whether it is only the echo of another failure in the same transaction.
    pub(super) fn is_echo(error: &tokio_postgres::Error) -> bool {
        error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(told) => of_server(told),
            None if error.is_closed() => Failure::gone("the connection to the database is gone"),
            // The driver's own words name what it did, and no values; an I/O error is its cause.
            None if std::error::Error::source(&error)
                .is_some_and(|cause| cause.is::<std::io::Error>()) =>
            {
                Failure::gone("the connection to the database broke")
            }
            None => Failure::Other(error.to_string().into()),
        }
    }
}

fn of_server(told: &DbError) -> Failure {
    let code = told.code();
    let mut text = format!("the database says {}", code.code());
    for (what, name) in [
        ("constraint", told.constraint()),
        ("table", told.table()),
        ("routine", told.routine()),
    ] {
        if let Some(name) = name {
            text.push_str(&format!(", {what} {name}"));
        }
    }
    let text: Arc<str> = text.into();
    match code.code() {
        "40001" | "40P01" | "55P03" => Failure::Again(text),
        // Shut down, crashed, starting up; a server that has become a standby takes no writes.
        "57P01" | "57P02" | "57P03" | "57P05" | "25006" => Failure::Gone(text),
        c if c.starts_with("08") => Failure::Gone(text),
        c if c.starts_with("53") => Failure::Full,
        _ => Failure::Other(text),
    }
}

/// What is wrong when a connection is made: nothing of ours was sent, so the server's words go on, too.
pub(super) fn at_start(error: &tokio_postgres::Error) -> Failure {
    let text: Arc<str> = match error.as_db_error() {
        Some(told) => format!("{} ({})", told.message(), told.code().code()).into(),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}").into(),
            None => error.to_string().into(),
        },
    };
    match error.as_db_error().map(|t| t.code().code()) {
        // A password, a role, a database, a rule: trying again helps nobody.
        Some(code) if code.starts_with("28") || code.starts_with("3D") => Failure::Other(text),
        _ => Failure::Gone(text),
    }
}
