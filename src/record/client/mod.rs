//! A person in care. Belongs to no episode; who they are goes along with what is sent of them.
//!
//! | field | Patient |
//! |---|---|
//! | `client_no`, `version` | `identifier`, extension `record-version` |
//! | `name` | `name[0]` (official) |
//! | `birth_date`, `gender` | `birthDate`, `gender` |
//! | `address`, `phone`, `email` | `address[0]`, `telecom` |

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::Client;
