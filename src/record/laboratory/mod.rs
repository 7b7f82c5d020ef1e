//! A laboratory that measures. Directory: no label.
//!
//! | field | Organization |
//! |---|---|
//! | `lab_id`, `version` | `identifier`, extension `record-version` |
//! | `clia`, `npi` | `identifier`, each by its system |
//! | `name`, `phone`, `address` | `name`, `telecom`, `address[0]` |

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::Laboratory;
