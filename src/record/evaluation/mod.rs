//! The initial evaluation.

mod from_fhir;
mod model;
mod rules;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::{
    Evaluation, Problem, ProblemStatus, Substance, SubstanceUse, UseFrequency, UseRoute,
};
