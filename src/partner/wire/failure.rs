//! What a request that got no answer means.
//!
//! Reads the error's type and its sources, never its text, which may hold an address.

use std::error::Error;
use std::io;

use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Verdict};

/// What a failed request means: name look-up, connect and TLS never reached the partner and are
/// charged to it; what broke later may have been processed.
#[must_use]
pub fn unsent(error: &reqwest::Error) -> Answer {
    if error.is_builder() {
        // No request was made of it: an address that the config let through, or a header that is none.
        return Answer::new(Verdict::Refused, Reason::Unsupported);
    }
    if error.is_connect() || error.is_dns() {
        return Answer::outage(if is_tls(error) {
            Reason::Tls
        } else {
            Reason::Connect
        });
    }
    if error.is_timeout() {
        return Answer::new(Verdict::Unsure, Reason::TimedOut);
    }
    Answer::new(Verdict::Unsure, Reason::Reset)
}

fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An `io::Error` hides what it wraps from `source()`.
        if let Some(inner) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            && is_tls(inner)
        {
            return true;
        }
        next = error.source();
    }
    false
}
