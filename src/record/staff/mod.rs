//! A person who cares: prescribers, therapists, nurses, case managers, peers.

mod model;

pub use model::{Staff, StaffRole};
