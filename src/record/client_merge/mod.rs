//! Two clients are one person.
//!
//! | field | Patient of the survivor, Patient of the other one (`merged`) |
//! |---|---|
//! | `survivor_client_no`, `merged_client_no` | `identifier` and `link` (replaces, replaced-by), under the clients' own ids |
//! | `merge_id`, `version`, `merged_on` | extension `client-merge-event` on `link` |

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::ClientMerge;
