//! The initial evaluation: what was found, what was taken, whether medication is indicated and why.
//! Labelled; never for pharmacies.
//!
//! | field | ClinicalImpression, Condition (`problem/<no>`) |
//! |---|---|
//! | `evaluation_id`, `version` | `identifier`, extension `record-version` |
//! | `episode_id` | extension `evaluation-episode`; `subject` is the episode's client |
//! | `date`, `evaluator_staff_id` | `effectiveDateTime`, `date`, `assessor`; in Conditions `recordedDate`, `asserter` |
//! | `problems[]` | `problem` and a Condition each, under the problem's number, which is kept for good |
//! | `substance_history[]` | extension `evaluation-substance` |
//! | `medication_indicated`, `medication_reason` | extension `evaluation-medication` |
//! | `summary` | `summary` |

mod from_fhir;
mod model;
mod rules;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::{
    Evaluation, Problem, ProblemStatus, Substance, SubstanceUse, UseFrequency, UseRoute,
};
