//! A consent: who may have what, for what, until when; or that it was withdrawn.

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::{Consent, ConsentKind, FamilyMember, Purpose, Scope};
