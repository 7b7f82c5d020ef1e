//! An order for a drug; it becomes a MedicationRequest, with a Provenance for its signature.
//!
//! | field | FHIR |
//! |---|---|
//! | `order_no`, `version` | `identifier`, extension `record-version` |
//! | `client_no` (else the episode's), `episode_id` | `subject`, extension `…-episode` |
//! | `prescriber_staff_id`, `outside_prescriber` | `requester`, `requester.display` |
//! | `supervising_id`, `prior_order_no` | extension `…-supervisor`, `priorPrescription` |
//! | `drug` | contained Medication `drug` (`code`, `form`; extensions `medication-…`) |
//! | `drug.route` | `dosageInstruction.route` |
//! | `class`, `indication_code`, `indication_text` | extension `…-class`, `reasonCode` |
//! | `evaluation_id`, `problem_no` | `reasonReference` (Condition, part `problem/<n>`) |
//! | `dose_amount`, `dose_max`, `dose_unit` | `doseAndRate` (quantity or range, UCUM) |
//! | `frequency_code` | `timing.code`, `timing.repeat` |
//! | `as_needed`, `as_needed_reason`, `max_per_day` | `asNeeded[x]`, `maxDosePerPeriod` |
//! | `taper_steps` | one dosage per step, extension `…-taper-step` |
//! | `sig_text`, `start_date`, `stop_date` | `text`, `timing.repeat.boundsPeriod` (taper: extension `…-period`) |
//! | `qty`, `refills`, `days_supply`, `dispense_limit` | `dispenseRequest` |
//! | `earliest_fill_date`, `expires_on`, `pharmacy_id` | `dispenseRequest.validityPeriod`, `.performer` |
//! | `substitute_ok` | `substitution.allowedBoolean` |
//! | `delivery` | `category`, `reportedBoolean` |
//! | `state`, `state_reason`, `decline` | `status`, `intent`, `statusReason`; extensions `…-state`, `…-decline` |
//! | `signed_at`, `signed_on`, `epcs` | `authoredOn`; Provenance part `signature`, extension `…-epcs` |
//! | `pharmacy_note`, `pdmp_checked_on`, `review_due`, `history` | extensions; `note` is `note` |
//!
//! (`…` is `medication-request`.) The Medication is contained: it travels with the order, and has no
//! life or labels of its own. A declined order is `cancelled`, never `doNotPerform`. A signed order is
//! never edited here; what changed goes back to the prescriber.

mod codes;
#[cfg(test)]
mod corpus_tests;
mod dosage;
mod frequency;
mod from_fhir;
#[cfg(test)]
mod generated_tests;
mod model;
#[cfg(test)]
mod refused_tests;
mod rules;
mod signature;
mod standing;
pub(crate) mod take;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod to_fhir;

pub(crate) use dosage::read_quantity;
pub(crate) use from_fhir::read_days;
pub use from_fhir::{LOSSES, from_fhir};
pub use model::{
    Decline, DeclineReason, Delivery, DispenseLimit, DrugClass, Epcs, Factor, Frequency,
    HistoryEntry, MedicationRequest, ReasonCode, State, StateReason, TaperStep, YesNo,
};
pub use standing::{Signed, Standing};

use crate::issue::Issue;
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

impl Mapping for MedicationRequest {
    const KIND: Kind = Kind::MedicationRequest;

    fn id(&self) -> &str {
        &self.order_no
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        let mut link = |kind, id: &Option<String>, pointer: &str, role| {
            if let Some(id) = id {
                links.push(Link {
                    kind,
                    id: id.clone(),
                    pointer: pointer.to_owned(),
                    role,
                });
            }
        };
        link(Kind::Client, &self.client_no, "/client_no", Role::Client);
        link(
            Kind::Episode,
            &self.episode_id,
            "/episode_id",
            Role::Episode,
        );
        link(
            Kind::Evaluation,
            &self.evaluation_id,
            "/evaluation_id",
            Role::Evaluation,
        );
        link(
            Kind::Staff,
            &self.prescriber_staff_id,
            "/prescriber_staff_id",
            Role::Prescriber,
        );
        link(
            Kind::Staff,
            &self.supervising_id,
            "/supervising_id",
            Role::Staff,
        );
        link(
            Kind::Pharmacy,
            &self.pharmacy_id,
            "/pharmacy_id",
            Role::Pharmacy,
        );
        link(
            Kind::MedicationRequest,
            &self.prior_order_no,
            "/prior_order_no",
            Role::Order,
        );
        for (n, entry) in self.history.iter().enumerate() {
            link(
                Kind::Staff,
                &entry.staff_id,
                &format!("/history/{n}/staff_id"),
                Role::Staff,
            );
        }
        links
    }

    fn rules(&self, context: &Context, env: &MapEnv) -> Vec<Issue> {
        rules::check(self, context, env)
    }

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        to_fhir::to_fhir(self, context, env)
    }
}
