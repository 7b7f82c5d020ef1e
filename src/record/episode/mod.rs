//! A stay in the programme. Whether it is under 42 CFR Part 2 decides for all that belongs to it.
//!
//! | field | EpisodeOfCare |
//! |---|---|
//! | `episode_id`, `version` | `identifier`, extension `record-version` |
//! | `client_no` | `patient` |
//! | `program` | `type[0]` (local list `program`) |
//! | `admit_date`, `discharge_date` | `period`; with a discharge the `status` is finished |
//! | `step_down_date`, `discharge_disposition`, `part2_program`, `primary_problem`, `level_of_care` | extensions `episode-…` |

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::{Episode, Program};
