//! A bearer token, looked up at each attempt, so that one that was changed on disk needs no restart.
//!
//! Must never show the token: neither in an error nor by `Debug`.

use std::path::PathBuf;

use crate::phi::Secret;
use crate::sync::reason::Reason;
use crate::sync::verdict::Answer;

/// Where a credential comes from.
#[derive(Clone, Debug, Default)]
pub enum Credential {
    /// None is needed.
    #[default]
    None,
    /// From the config.
    Fixed(Secret<String>),
    /// The first line of a file, read at each attempt.
    File(PathBuf),
}

impl Credential {
    /// The credential as it is now; `None` where none is needed.
    ///
    /// # Errors
    /// The partner's outage ([`Reason::Token`]), where the file cannot be read or is empty.
    pub async fn read(&self) -> Result<Option<Secret<String>>, Answer> {
        match self {
            Credential::None => Ok(None),
            Credential::Fixed(token) => Ok(Some(token.clone())),
            Credential::File(path) => {
                let text = tokio::fs::read_to_string(path).await.unwrap_or_default();
                match text.lines().next().map(str::trim) {
                    Some(line) if !line.is_empty() => Ok(Some(Secret::new(line.to_owned()))),
                    _ => Err(Answer::outage(Reason::Token)),
                }
            }
        }
    }
}
