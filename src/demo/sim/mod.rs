//! Simulated partners, for the demo and for tests: real HTTP servers on loopback that keep what they get.
//!
//! Each tells its [`Journal`] of every request, one JSON line each, so that others can recount what
//! arrived; each counts for itself what it got twice and out of order. A simulated partner is strict
//! where real ones are, and knows nothing of the gateway's insides.

pub mod clinic;
pub mod door;
pub mod ehr;
pub mod faults;
pub mod journal;
pub mod laboratory;
pub mod loopback;
pub mod order;
pub mod pharmacy;

pub use clinic::ClinicSim;
pub use door::Door;
pub use ehr::EhrSim;
pub use faults::{Fault, Faults};
pub use journal::{Journal, JournalLine};
pub use laboratory::LabSim;
pub use loopback::{Loopback, Peer, Switch};
pub use pharmacy::PharmacySim;
