//! What an attempt means. A partner never returns `Err`: it says one of five things.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sync::reason::Reason;

/// The five.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// They have it.
    Accepted,
    /// They took it; their answer comes later (SCRIPT Status 000), and the record's clock waits for
    /// it, not the job.
    Pending,
    /// Never these bytes: a person must look.
    Refused,
    /// Certainly not processed: safe again. For *asking*: they do not have it.
    Busy,
    /// It may have been processed: ask before repeating.
    Unsure,
}

impl Verdict {
    /// The word, as stored, shown and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Pending => "pending",
            Verdict::Refused => "refused",
            Verdict::Busy => "busy",
            Verdict::Unsure => "unsure",
        }
    }

    /// The verdict of a stored word; of one that this program does not know, `Unsure`.
    #[must_use]
    pub fn parse(word: &str) -> Verdict {
        [
            Verdict::Accepted,
            Verdict::Pending,
            Verdict::Refused,
            Verdict::Busy,
        ]
        .into_iter()
        .find(|v| v.as_str() == word)
        .unwrap_or(Verdict::Unsure)
    }
}

/// Whom a failure is charged to (architecture, invariant 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Charge {
    /// The message: it uses up its schedule.
    Message,
    /// The partner: it says nothing about the message; the partner is paused and probed.
    Partner,
}

/// What the partner calls what it has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Their id.
    pub id: String,
    /// Their version (ETag content), where they tell.
    pub version: Option<String>,
}

/// The outcome of one attempt of one effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub verdict: Verdict,
    /// Why, from the closed list.
    pub reason: Reason,
    /// Whom a failure is charged to.
    pub charge: Charge,
    /// HTTP status, where there was one.
    pub status: Option<u16>,
    /// What they call it.
    pub remote: Option<Remote>,
    /// How long they asked us to stay away.
    pub retry_after: Option<Duration>,
    /// Their answer's body, capped; kept sealed, shown to those who may.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with nothing but a verdict and a reason, charged to the message.
    #[must_use]
    pub fn new(verdict: Verdict, reason: Reason) -> Self {
        Answer {
            verdict,
            reason,
            charge: Charge::Message,
            status: None,
            remote: None,
            retry_after: None,
            body: Vec::new(),
        }
    }

    /// The same, charged to the partner.
    #[must_use]
    pub fn outage(reason: Reason) -> Self {
        Answer {
            charge: Charge::Partner,
            ..Answer::new(Verdict::Busy, reason)
        }
    }
}
