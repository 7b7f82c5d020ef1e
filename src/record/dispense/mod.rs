//! Coming back: what a pharmacy handed over, or did not; it becomes a MedicationDispense.
//!
//! | field | FHIR |
//! |---|---|
//! | `fill_no`, `version` | `identifier[0]`, extension `record-version` |
//! | `pharmacy_rx_no` | `identifier[1]` (`{base}/id/pharmacy-rx-number`) |
//! | `order_no` | `authorizingPrescription` |
//! | `client_no` (else the order's) | `subject` |
//! | `pharmacy_id` | `performer.actor` |
//! | `status` | `status`, extension `dispense-status` |
//! | `reason` | `statusReasonCodeableConcept` |
//! | `source`, `received_at`, `fill_number`, `refills_left` | extensions `dispense-…`; `type` (FF, RF, FFP, RFP) |
//! | `fill_date` | `whenHandedOver`, or `whenPrepared` where nothing was handed over |
//! | `qty`, `days` | `quantity`, `daysSupply` |
//! | `drug` | contained Medication `drug`; without one, what was ordered as `ordered` |
//! | `substituted`, `sig_text`, `note` | `substitution`, `dosageInstruction.text`, `note` |
//!
//! It never changes the order that it answers.

mod from_fhir;
mod model;
mod rules;
#[cfg(test)]
mod tests;
pub(crate) mod to_fhir;

pub use from_fhir::{LOSSES, from_fhir};
pub use model::{Dispense, Reason, ReasonCode, Source, Status};

use crate::issue::Issue;
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

impl Mapping for Dispense {
    const KIND: Kind = Kind::Dispense;

    fn id(&self) -> &str {
        &self.fill_no
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        let link = |kind, id: &str, pointer: &str, role| Link {
            kind,
            id: id.to_owned(),
            pointer: pointer.to_owned(),
            role,
        };
        let mut links = vec![link(
            Kind::MedicationRequest,
            &self.order_no,
            "/order_no",
            Role::Order,
        )];
        if let Some(id) = &self.client_no {
            links.push(link(Kind::Client, id, "/client_no", Role::Client));
        }
        if let Some(id) = &self.pharmacy_id {
            links.push(link(Kind::Pharmacy, id, "/pharmacy_id", Role::Pharmacy));
        }
        links
    }

    fn entered_in_error(&self) -> bool {
        self.status == Status::Error
    }

    fn rules(&self, context: &Context, env: &MapEnv) -> Vec<Issue> {
        rules::check(self, context, env)
    }

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        to_fhir::to_fhir(self, context, env)
    }
}
