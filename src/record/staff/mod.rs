//! A person who cares: prescribers, therapists, nurses, case managers, peers. Directory: no label.
//!
//! | field | Practitioner, PractitionerRole (`role`) |
//! |---|---|
//! | `staff_id`, `version` | `identifier`, extension `record-version` |
//! | `npi`, `dea_no`, `state_license` | `identifier`, each by its system |
//! | `name`, `address` | `name[0]`, `address[0]` |
//! | `role` | `PractitionerRole.code[0]` (local list `staff-role`) |
//! | `phone` | `telecom`, of both |

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::{Staff, StaffRole};
