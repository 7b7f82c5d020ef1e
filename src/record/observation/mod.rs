//! A measure (domain.md section 7): a drug screen, a level, a score, a vital sign, a side effect, an
//! adherence check, a withdrawal score, or what an EHR or a laboratory told us (`outside`).
//!
//! One measure is one principal Observation; a screen and a score are panels whose members are parts
//! (`analyte/thc`, `confirm/thc`, `item/3`, `total`). A newer version that lacks a part takes it back
//! (contracts section 5).
//!
//! | field | element |
//! | --- | --- |
//! | `measure_id`, `version` | `identifier`, extension `record-version` |
//! | `kind` | second `category`, local list `measure-kind`; it decides the first one and the profile |
//! | `status` | `status` |
//! | `client_no`, `episode_id`, `order_no` | `subject`, extensions `observation-episode`, `observation-order` |
//! | `taken_at`, `taken_until`, `reported_at` | `effective[x]`, `issued` |
//! | `by_staff`, `by_lab`, `by_client` | `performer` |
//! | `not_taken` | `dataAbsentReason` |
//! | `note` | `note` |
//! | `uds` | panel, `hasMember`, a contained Specimen, local components for its checks |
//! | `score`, `withdrawal` | panel, an Observation per item and one for the total |
//! | `lab`, `vital`, `adherence` | `value[x]` and components |
//! | `side_effect` | `valueCodeableConcept` and components |
//! | `outside` | `category`, `code`, `value[x]`, `component`, `interpretation`, `referenceRange` |
//!
//! Codes without a verified LOINC are local: `{base}/code/<list>`.

mod catalog;
mod from_fhir;
mod instrument;
mod lists;
mod model;
mod outside;
mod rules;
#[cfg(test)]
mod tests;
mod to_fhir;

pub use catalog::{Analyte, Panel, Test, Vital};
pub use from_fhir::from_fhir;
pub use instrument::Instrument;
pub use lists::{
    Absent, Action, AdherenceMethod, Finding, Flag, MeasureKind, SpecimenKind, Status,
};
pub use model::{
    Adherence, AnalyteResult, Answer, Confirmation, Lab, Observation, Score, SideEffect, Specimen,
    Uds, VitalSign, When,
};
pub use outside::{Coded, Component, Concept, Measured, Outside, Quantity, Range, ReferenceRange};

use crate::issue::Issue;
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

/// What the map does not bring over, and why; all else comes back (JSON pointer patterns).
pub const LOSSES: &[(&str, &str)] = &[(
    "/client_no",
    "where an episode is named, the client is the episode's",
)];

impl Mapping for Observation {
    const KIND: Kind = Kind::Observation;

    fn id(&self) -> &str {
        &self.measure_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        [
            (Kind::Client, &self.client_no, "/client_no", Role::Client),
            (
                Kind::Episode,
                &self.episode_id,
                "/episode_id",
                Role::Episode,
            ),
            (Kind::Staff, &self.by_staff, "/by_staff", Role::Staff),
            (Kind::Laboratory, &self.by_lab, "/by_lab", Role::Laboratory),
            (
                Kind::MedicationRequest,
                &self.order_no,
                "/order_no",
                Role::Order,
            ),
        ]
        .into_iter()
        .filter_map(|(kind, id, pointer, role)| {
            Some(Link {
                kind,
                id: id.clone()?,
                pointer: pointer.to_owned(),
                role,
            })
        })
        .collect()
    }

    fn entered_in_error(&self) -> bool {
        self.status == Status::Error
    }

    fn rules(&self, context: &Context, env: &MapEnv) -> Vec<Issue> {
        rules::rules(self, context, env)
    }

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        to_fhir::to_fhir(self, context, env)
    }
}
