//! What partners that speak HTTP share: one client, one way to read answers, one way to judge failures.
//!
//! A request goes out once: no redirects, no retries in memory, no cookies, no proxy from the
//! environment; the body of an answer is read up to a cap. A transport failure becomes an [`Answer`]:
//! what certainly did not reach the partner (name look-up, connect, TLS) is charged to the partner,
//! what broke after the request was sent is unclear. Nothing here may print a body, an address with
//! ids in it, or a credential, or know what any partner's language means.

mod client;
mod credential;
mod failure;
mod retry_after;
mod status;
#[cfg(test)]
mod tests;

pub use client::{Ask, Carrier, Heard, Http, HttpSettings, cut_off};
pub use credential::Credential;
pub use failure::unsent;
pub use retry_after::retry_after;
pub use status::by_status;

#[cfg(doc)]
use crate::sync::verdict::Answer;
