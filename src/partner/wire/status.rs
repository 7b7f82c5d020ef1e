//! What an HTTP status means in any language that partners speak.
//!
//! Only what all of them agree on; the rest is each kind's own business.

use crate::partner::wire::Heard;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Charge, Verdict};

/// The verdict where the status alone settles it: a missing or refused token, 429, 503, a redirect
/// that we do not follow (a log-in or maintenance page), 408, 425, other 5xx. `None` for 2xx and the
/// rest of 4xx and for 501, which each kind reads itself.
///
/// Status, Retry-After and body are carried over.
#[must_use]
pub fn by_status(heard: &Heard) -> Option<Answer> {
    let answer = match heard.status {
        401 => Answer::outage(Reason::Token),
        403 if heard.token_refused => Answer::outage(Reason::Token),
        429 => Answer::outage(Reason::Throttled),
        503 | 300..=399 => Answer::outage(Reason::Unavailable),
        408 | 504 => Answer::new(Verdict::Unsure, Reason::TimedOut),
        425 => Answer::new(Verdict::Busy, Reason::TryLater),
        501 => return None,
        500..=599 => Answer::new(Verdict::Unsure, Reason::ServerError),
        _ => return None,
    };
    Some(heard.fill(answer))
}

impl Heard {
    /// The answer with the status, Retry-After and body that were heard.
    #[must_use]
    pub fn fill(&self, answer: Answer) -> Answer {
        Answer {
            status: Some(self.status),
            retry_after: self.retry_after,
            body: self.body.clone(),
            ..answer
        }
    }

    /// An answer with this verdict and reason, charged to the message.
    #[must_use]
    pub fn answer(&self, verdict: Verdict, reason: Reason) -> Answer {
        self.fill(Answer {
            charge: Charge::Message,
            ..Answer::new(verdict, reason)
        })
    }
}
