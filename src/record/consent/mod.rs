//! A consent: who may have what, for what, until when; or that it was withdrawn. What it permits, the
//! gate says (`src/consent`), not this folder.
//!
//! | field | Consent |
//! |---|---|
//! | `consent_id`, `version` | `identifier`, extension `record-version` |
//! | `client_no` | `patient` |
//! | `kind` | `category[0]` (local list `consent-kind`); scope, policy and label follow from it |
//! | `granted_to[]` | `provision.actor`, by identifier `{base}/id/party` |
//! | `info_scope[]`, `purpose[]` | `provision.class` (local list `info-scope`), `provision.purpose` |
//! | `signed_on`, `expires_on` | `dateTime`, `provision.period` |
//! | `revoked_on`, `revoked_in_writing` | extensions `consent-revoked-…`; `status` is inactive |
//! | `family_member` | a contained RelatedPerson, `provision.actor` with extension `consent-may-receive` |

mod from_fhir;
mod model;
pub(crate) mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::{Consent, ConsentKind, FamilyMember, Purpose, Scope};
