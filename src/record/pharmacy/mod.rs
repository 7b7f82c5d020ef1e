//! A pharmacy that fills orders. Directory: no label.
//!
//! | field | Organization |
//! |---|---|
//! | `pharmacy_id`, `version` | `identifier`, extension `record-version` |
//! | `ncpdp_id`, `npi`, `dea_no` | `identifier`, each by its system |
//! | `name`, `phone`, `address` | `name`, `telecom`, `address[0]` |

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::Pharmacy;
