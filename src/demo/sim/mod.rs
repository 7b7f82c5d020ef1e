//! Simulated partners, for the demo and for tests: real HTTP servers on loopback that keep what they get.
//!
//! Each tells its [`Journal`] of every request, one JSON line each, so that others can recount what
//! arrived; each counts for itself what it got twice and out of order. A simulated partner is strict
//! where real ones are, and knows nothing of the gateway's insides.

pub mod journal;
pub mod loopback;

pub use journal::{Journal, JournalLine};
pub use loopback::{Loopback, Peer, Switch};
