//! What a record is under the law, and how its resources say so (`meta.security`).
//!
//! Labels are set when a record is mapped. A record about a client that belongs to no known episode is
//! labelled as if it were of a Part 2 programme: not knowing is no licence. Full DS4P labels and
//! redacted forms come later; this file never takes content out of a resource.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fhir::system;
use crate::record::consent::{ConsentKind, Scope};
use crate::record::observation::MeasureKind;
use crate::record::{Context, Record};

/// What a record is under the law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Whether it is about a person at all (staff, pharmacies and laboratories are a directory).
    pub personal: bool,
    /// Whether 42 CFR Part 2 holds for it.
    pub part2: bool,
    /// What a consent must cover for it; `None`: any consent for the receiver does (who the client is).
    pub scope: Option<Scope>,
}

/// The labels of a record.
#[must_use]
pub fn labels(record: &Record, context: &Context) -> Labels {
    let of_episode = context.episode.as_ref().is_none_or(|e| e.part2_program);
    let (part2, scope) = match record {
        Record::Staff(_) | Record::Pharmacy(_) | Record::Laboratory(_) => {
            return Labels {
                personal: false,
                part2: false,
                scope: None,
            };
        }
        // Who somebody is belongs to no episode; it becomes Part 2 beside one.
        Record::Client(_) | Record::ClientMerge(_) => (
            context.episode.as_ref().is_some_and(|e| e.part2_program),
            None,
        ),
        // These two name a Part 2 programme's client by being there.
        Record::Consent(consent) => (
            matches!(
                consent.kind,
                ConsentKind::TpoPart2 | ConsentKind::SpecificRelease
            ),
            None,
        ),
        Record::Episode(episode) => (episode.part2_program, Some(Scope::Attendance)),
        Record::Evaluation(_) => (of_episode, Some(Scope::Evaluation)),
        Record::CarePlan(_) => (of_episode, Some(Scope::Careplan)),
        Record::MedicationRequest(_) | Record::Dispense(_) | Record::OrderEvent(_) => {
            (of_episode, Some(Scope::MedOrders))
        }
        Record::Observation(measure) => (of_episode, Some(measure_scope(measure.kind))),
    };
    Labels {
        personal: true,
        part2,
        scope,
    }
}

/// What a consent must cover for a measure. What an outside system measured may be a drug screen, and
/// counts as one.
const fn measure_scope(kind: MeasureKind) -> Scope {
    match kind {
        MeasureKind::Score | MeasureKind::Withdrawal => Scope::Scores,
        MeasureKind::Lab => Scope::Labs,
        MeasureKind::Vital => Scope::Vitals,
        MeasureKind::SideEffect | MeasureKind::Adherence => Scope::Monitoring,
        MeasureKind::Uds | MeasureKind::Outside => Scope::Uds,
    }
}

impl Labels {
    /// The codings for `meta.security`: (system, code). Empty for the directory.
    #[must_use]
    pub fn codings(&self) -> &'static [(&'static str, &'static str)] {
        match (self.personal, self.part2) {
            (false, _) => &[],
            (true, false) => &[(system::CONFIDENTIALITY, "N")],
            (true, true) => &[
                (system::CONFIDENTIALITY, "R"),
                (system::ACT_CODE, "42CFRPart2"),
                (system::ACT_CODE, "ETH"),
                (system::ACT_CODE, "NORDSCLCD"),
            ],
        }
    }
}

/// Writes the labels into a resource's `meta.security`, beside what stands there already. Repeating
/// it changes nothing. Contained resources get none (dom-5).
pub fn apply_labels(resource: &mut Value, labels: &Labels) {
    let codings = labels.codings();
    let Some(object) = resource.as_object_mut() else {
        return;
    };
    if codings.is_empty() {
        return;
    }
    if !object.get("meta").is_some_and(Value::is_object) {
        let at = usize::from(object.contains_key("resourceType"))
            + usize::from(object.contains_key("id"));
        object.shift_insert(at, "meta".to_owned(), json!({}));
    }
    let meta = &mut object["meta"];
    if !meta.get("security").is_some_and(Value::is_array) {
        meta["security"] = json!([]);
    }
    if let Some(security) = meta["security"].as_array_mut() {
        for (system, code) in codings {
            let there = security
                .iter()
                .any(|c| c["system"] == **system && c["code"] == **code);
            if !there {
                security.push(json!({"system": system, "code": code}));
            }
        }
    }
}
