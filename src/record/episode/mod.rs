//! A stay in the programme.

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::{Episode, Program};
