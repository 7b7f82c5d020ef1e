//! A consent: who may have what, for what, until when; or that it was withdrawn.

mod model;

pub use model::{Consent, ConsentKind, FamilyMember, Purpose, Scope};
