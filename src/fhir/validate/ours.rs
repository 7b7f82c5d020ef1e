//! Our own profiles and extensions: the files of `fhir-profiles/ours`, embedded.
//!
//! The list is kept by a test: `UPDATE_FIXTURES=1 cargo test --lib ours` writes it anew.

use crate::fhir::facts::Definitions;

/// File name and content.
// list
const FILES: &[(&str, &str)] = &[
    (
        "care-plan-aftercare.json",
        include_str!("../../../fhir-profiles/ours/care-plan-aftercare.json"),
    ),
    (
        "care-plan-decision.json",
        include_str!("../../../fhir-profiles/ours/care-plan-decision.json"),
    ),
    (
        "care-plan-declined-to-sign.json",
        include_str!("../../../fhir-profiles/ours/care-plan-declined-to-sign.json"),
    ),
    (
        "care-plan-family.json",
        include_str!("../../../fhir-profiles/ours/care-plan-family.json"),
    ),
    (
        "care-plan-intervention.json",
        include_str!("../../../fhir-profiles/ours/care-plan-intervention.json"),
    ),
    (
        "care-plan-phase.json",
        include_str!("../../../fhir-profiles/ours/care-plan-phase.json"),
    ),
    (
        "care-plan-review.json",
        include_str!("../../../fhir-profiles/ours/care-plan-review.json"),
    ),
    (
        "care-plan-signed-on.json",
        include_str!("../../../fhir-profiles/ours/care-plan-signed-on.json"),
    ),
    (
        "care-plan-state.json",
        include_str!("../../../fhir-profiles/ours/care-plan-state.json"),
    ),
    (
        "care-team-lead.json",
        include_str!("../../../fhir-profiles/ours/care-team-lead.json"),
    ),
    (
        "client-merge-event.json",
        include_str!("../../../fhir-profiles/ours/client-merge-event.json"),
    ),
    (
        "consent-may-receive.json",
        include_str!("../../../fhir-profiles/ours/consent-may-receive.json"),
    ),
    (
        "consent-revoked-in-writing.json",
        include_str!("../../../fhir-profiles/ours/consent-revoked-in-writing.json"),
    ),
    (
        "consent-revoked-on.json",
        include_str!("../../../fhir-profiles/ours/consent-revoked-on.json"),
    ),
    (
        "dispense-fill-number.json",
        include_str!("../../../fhir-profiles/ours/dispense-fill-number.json"),
    ),
    (
        "dispense-received-at.json",
        include_str!("../../../fhir-profiles/ours/dispense-received-at.json"),
    ),
    (
        "dispense-refills-left.json",
        include_str!("../../../fhir-profiles/ours/dispense-refills-left.json"),
    ),
    (
        "dispense-source.json",
        include_str!("../../../fhir-profiles/ours/dispense-source.json"),
    ),
    (
        "dispense-status.json",
        include_str!("../../../fhir-profiles/ours/dispense-status.json"),
    ),
    (
        "episode-discharge-disposition.json",
        include_str!("../../../fhir-profiles/ours/episode-discharge-disposition.json"),
    ),
    (
        "episode-level-of-care.json",
        include_str!("../../../fhir-profiles/ours/episode-level-of-care.json"),
    ),
    (
        "episode-part2-program.json",
        include_str!("../../../fhir-profiles/ours/episode-part2-program.json"),
    ),
    (
        "episode-primary-problem.json",
        include_str!("../../../fhir-profiles/ours/episode-primary-problem.json"),
    ),
    (
        "episode-step-down-date.json",
        include_str!("../../../fhir-profiles/ours/episode-step-down-date.json"),
    ),
    (
        "evaluation-episode.json",
        include_str!("../../../fhir-profiles/ours/evaluation-episode.json"),
    ),
    (
        "evaluation-medication.json",
        include_str!("../../../fhir-profiles/ours/evaluation-medication.json"),
    ),
    (
        "evaluation-substance.json",
        include_str!("../../../fhir-profiles/ours/evaluation-substance.json"),
    ),
    (
        "goal-baseline.json",
        include_str!("../../../fhir-profiles/ours/goal-baseline.json"),
    ),
    (
        "goal-progress.json",
        include_str!("../../../fhir-profiles/ours/goal-progress.json"),
    ),
    (
        "iop-careplan.json",
        include_str!("../../../fhir-profiles/ours/iop-careplan.json"),
    ),
    (
        "iop-careteam.json",
        include_str!("../../../fhir-profiles/ours/iop-careteam.json"),
    ),
    (
        "iop-goal.json",
        include_str!("../../../fhir-profiles/ours/iop-goal.json"),
    ),
    (
        "iop-medication.json",
        include_str!("../../../fhir-profiles/ours/iop-medication.json"),
    ),
    (
        "iop-medicationdispense.json",
        include_str!("../../../fhir-profiles/ours/iop-medicationdispense.json"),
    ),
    (
        "iop-medicationrequest.json",
        include_str!("../../../fhir-profiles/ours/iop-medicationrequest.json"),
    ),
    (
        "iop-observation.json",
        include_str!("../../../fhir-profiles/ours/iop-observation.json"),
    ),
    (
        "iop-order-event.json",
        include_str!("../../../fhir-profiles/ours/iop-order-event.json"),
    ),
    (
        "iop-provenance-signature.json",
        include_str!("../../../fhir-profiles/ours/iop-provenance-signature.json"),
    ),
    (
        "medication-request-class.json",
        include_str!("../../../fhir-profiles/ours/medication-request-class.json"),
    ),
    (
        "medication-request-decline.json",
        include_str!("../../../fhir-profiles/ours/medication-request-decline.json"),
    ),
    (
        "medication-request-epcs.json",
        include_str!("../../../fhir-profiles/ours/medication-request-epcs.json"),
    ),
    (
        "medication-request-episode.json",
        include_str!("../../../fhir-profiles/ours/medication-request-episode.json"),
    ),
    (
        "medication-request-history.json",
        include_str!("../../../fhir-profiles/ours/medication-request-history.json"),
    ),
    (
        "medication-request-pdmp-checked-on.json",
        include_str!("../../../fhir-profiles/ours/medication-request-pdmp-checked-on.json"),
    ),
    (
        "medication-request-period.json",
        include_str!("../../../fhir-profiles/ours/medication-request-period.json"),
    ),
    (
        "medication-request-pharmacy-note.json",
        include_str!("../../../fhir-profiles/ours/medication-request-pharmacy-note.json"),
    ),
    (
        "medication-request-review-due.json",
        include_str!("../../../fhir-profiles/ours/medication-request-review-due.json"),
    ),
    (
        "medication-request-state.json",
        include_str!("../../../fhir-profiles/ours/medication-request-state.json"),
    ),
    (
        "medication-request-supervisor.json",
        include_str!("../../../fhir-profiles/ours/medication-request-supervisor.json"),
    ),
    (
        "medication-request-taper-step.json",
        include_str!("../../../fhir-profiles/ours/medication-request-taper-step.json"),
    ),
    (
        "medication-schedule.json",
        include_str!("../../../fhir-profiles/ours/medication-schedule.json"),
    ),
    (
        "medication-strength.json",
        include_str!("../../../fhir-profiles/ours/medication-strength.json"),
    ),
    (
        "medication-tty.json",
        include_str!("../../../fhir-profiles/ours/medication-tty.json"),
    ),
    (
        "observation-edition.json",
        include_str!("../../../fhir-profiles/ours/observation-edition.json"),
    ),
    (
        "observation-episode.json",
        include_str!("../../../fhir-profiles/ours/observation-episode.json"),
    ),
    (
        "observation-order.json",
        include_str!("../../../fhir-profiles/ours/observation-order.json"),
    ),
    (
        "order-event-changed-element.json",
        include_str!("../../../fhir-profiles/ours/order-event-changed-element.json"),
    ),
    (
        "order-event-message-id.json",
        include_str!("../../../fhir-profiles/ours/order-event-message-id.json"),
    ),
    (
        "order-event-outside-status.json",
        include_str!("../../../fhir-profiles/ours/order-event-outside-status.json"),
    ),
    (
        "order-event-partner.json",
        include_str!("../../../fhir-profiles/ours/order-event-partner.json"),
    ),
    (
        "order-event-relates-to.json",
        include_str!("../../../fhir-profiles/ours/order-event-relates-to.json"),
    ),
    (
        "order-event-source.json",
        include_str!("../../../fhir-profiles/ours/order-event-source.json"),
    ),
    (
        "record-version.json",
        include_str!("../../../fhir-profiles/ours/record-version.json"),
    ),
    (
        "redisclosure-notice.json",
        include_str!("../../../fhir-profiles/ours/redisclosure-notice.json"),
    ),
];
// end of list

/// Their definitions.
pub(super) fn definitions() -> Definitions {
    let mut out = Definitions::default();
    for (name, text) in FILES {
        let read = serde_json::from_str(text).map(|value| out.add(&value));
        debug_assert!(read.is_ok(), "{name} is JSON");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fhir::validate::Validator;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites expected files"
    )]
    fn the_list_is_the_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<String> = std::fs::read_dir(root.join("fhir-profiles/ours"))
            .into_iter()
            .flatten()
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name.ends_with(".json"))
            .collect();
        names.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        if std::env::var("UPDATE_FIXTURES").is_ok() && listed != names {
            let file = root.join("src/fhir/validate/ours.rs");
            let text = std::fs::read_to_string(&file).expect("this file");
            let (before, rest) = text.split_once("// list\n").expect("the list's begin");
            let (_, after) = rest.split_once("// end of list\n").expect("its end");
            let mut list = String::from("const FILES: &[(&str, &str)] = &[\n");
            for name in &names {
                list += &format!(
                    "    (\n        \"{name}\",\n        include_str!(\"../../../fhir-profiles/ours/{name}\"),\n    ),\n"
                );
            }
            list += "];\n";
            let text = format!("{before}// list\n{list}// end of list\n{after}");
            std::fs::write(&file, text).expect("writes");
            return;
        }
        assert_eq!(listed, names, "UPDATE_FIXTURES=1 writes the list anew");
    }

    #[test]
    fn every_definition_of_ours_can_be_used() {
        let validator = Validator::standard();
        assert_eq!(validator.unusable(), [""; 0]);
        for structure in definitions().structures {
            assert!(
                validator.knows(&structure.url),
                "{} is not compiled",
                structure.url
            );
        }
    }
}
