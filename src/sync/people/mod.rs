//! What people do to deliveries: everything that a button or a command sets going and that is more than
//! one verb of the store.
//!
//! Decides and reads; writes only by verbs that keep who did it and why. Never shows a value of a record.

mod partners;

pub(in crate::sync) use partners::again;
pub use partners::{PartnerState, overview, probe, unused};
