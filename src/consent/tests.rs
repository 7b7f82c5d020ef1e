//! The gate's table, and its law: without an active covering consent nothing of Part 2 is allowed.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::record::Context;
use crate::record::context_tests::cases;

const TODAY: &str = "2026-11-24";

fn day(text: &str) -> Date {
    Date::parse(text).expect("a date")
}

fn fixture(id: &str) -> Consent {
    let (_, value, _) = cases("consent")
        .into_iter()
        .find(|(name, _, _)| name == id)
        .expect("the fixture");
    serde_json::from_value(value).expect("a consent")
}

fn part2(scope: Option<Scope>) -> Labels {
    Labels {
        personal: true,
        part2: true,
        scope,
    }
}

fn ask(consents: &[&str], party: &str, class: &str, kind: Kind, scope: Scope) -> Decision {
    let consents: Vec<Consent> = consents.iter().map(|id| fixture(id)).collect();
    decide(&Question {
        party,
        class,
        purpose: Purpose::Treatment,
        kind,
        labels: &part2(Some(scope)),
        consents: &consents,
        today: day(TODAY),
    })
}

/// Consents, party, class, kind, scope; the consent it rests on, or why not.
type Row = (
    &'static [&'static str],
    &'static str,
    &'static str,
    Kind,
    Scope,
    Result<&'static str, &'static str>,
);

#[test]
fn the_table_of_the_gate() {
    use Kind::{CarePlan, Evaluation, MedicationRequest, Observation};
    let rows: &[Row] = &[
        (
            &["CO-1001"],
            "ehr-north",
            "treating_providers",
            CarePlan,
            Scope::Careplan,
            Ok("CO-1001"),
        ),
        (
            &["CO-1001"],
            "main-pharmacy",
            "pharmacies",
            MedicationRequest,
            Scope::MedOrders,
            Ok("CO-1001"),
        ),
        (
            &["CO-1001"],
            "main-pharmacy",
            "pharmacies",
            Evaluation,
            Scope::Evaluation,
            Err("class-kind"),
        ),
        (
            &["CO-1001"],
            "main-pharmacy",
            "pharmacies",
            Observation,
            Scope::Uds,
            Err("class-kind"),
        ),
        (
            &["CO-1001"],
            "court",
            "",
            CarePlan,
            Scope::Careplan,
            Err("consent-receiver"),
        ),
        (
            &["CO-1005"],
            "ehr-north",
            "treating_providers",
            CarePlan,
            Scope::Careplan,
            Ok("CO-1005"),
        ),
        (
            &["CO-1005"],
            "ehr-south",
            "treating_providers",
            CarePlan,
            Scope::Careplan,
            Err("consent-receiver"),
        ),
        (
            &["CO-1005"],
            "ehr-north",
            "treating_providers",
            Observation,
            Scope::Uds,
            Err("consent-scope"),
        ),
        (
            &["CO-1006"],
            "ehr-north",
            "treating_providers",
            CarePlan,
            Scope::Careplan,
            Err("consent-expired"),
        ),
        (
            &["CO-1008"],
            "ehr-north",
            "treating_providers",
            CarePlan,
            Scope::Careplan,
            Err("consent-revoked"),
        ),
        (
            &["CO-1006", "CO-1001"],
            "ehr-north",
            "treating_providers",
            CarePlan,
            Scope::Careplan,
            Ok("CO-1001"),
        ),
        // The family's, education's and telehealth's consents are nobody's licence to receive.
        (
            &["CO-1101", "CO-1201", "CO-1202"],
            "ehr-north",
            "treating_providers",
            CarePlan,
            Scope::Careplan,
            Err("consent-none"),
        ),
        (
            &[],
            "ehr-north",
            "treating_providers",
            CarePlan,
            Scope::Careplan,
            Err("consent-none"),
        ),
    ];
    for (consents, party, class, kind, scope, expected) in rows {
        let got = match ask(consents, party, class, *kind, *scope) {
            Decision::Allow { consent_id, notice } => {
                assert!(notice.is_some_and(|n| n.starts_with("42 CFR part 2 prohibits")));
                Ok(consent_id.expect("what it rests on"))
            }
            Decision::Deny { why } => Err(why),
        };
        let expected = expected.map(str::to_owned);
        assert_eq!(got, expected, "{consents:?} {party} {kind}");
    }
}

#[test]
fn a_consent_holds_from_its_signature_through_its_last_day_until_it_is_revoked() {
    let mut consent = fixture("CO-1003");
    let on = |consent: &Consent, today: &str| {
        decide(&Question {
            party: "ehr-north",
            class: "treating_providers",
            purpose: Purpose::Treatment,
            kind: Kind::CarePlan,
            labels: &part2(Some(Scope::Careplan)),
            consents: std::slice::from_ref(consent),
            today: day(today),
        })
    };
    let deny = |why| Decision::Deny { why };
    assert_eq!(on(&consent, "2026-10-04"), deny("consent-not-yet"));
    assert!(matches!(on(&consent, "2026-10-05"), Decision::Allow { .. }));
    assert!(matches!(on(&consent, "2027-10-04"), Decision::Allow { .. }));
    assert_eq!(on(&consent, "2027-10-05"), deny("consent-expired"));
    consent.revoked_on = Some(day("2026-11-24"));
    consent.revoked_in_writing = Some(false);
    assert!(matches!(on(&consent, "2026-11-23"), Decision::Allow { .. }));
    assert_eq!(on(&consent, "2026-11-24"), deny("consent-revoked"));
}

#[test]
fn what_is_not_under_part_2_goes_by_its_route_alone() {
    let labels = Labels {
        part2: false,
        ..part2(Some(Scope::Careplan))
    };
    let answer = decide(&Question {
        party: "ehr-north",
        class: "treating_providers",
        purpose: Purpose::Treatment,
        kind: Kind::CarePlan,
        labels: &labels,
        consents: &[],
        today: day(TODAY),
    });
    assert_eq!(
        answer,
        Decision::Allow {
            consent_id: None,
            notice: None
        }
    );
}

#[test]
fn a_record_of_no_known_episode_is_labelled_as_part_2() {
    for (name, value, context) in cases("episode") {
        let episode: crate::record::episode::Episode =
            serde_json::from_value(value).expect("an episode");
        let dispense = crate::record::Record::Episode(Box::new(episode.clone()));
        assert_eq!(
            labels(&dispense, &context).part2,
            episode.part2_program,
            "{name}"
        );
        let (_, evaluation, _) = cases("evaluation").swap_remove(0);
        let evaluation = crate::record::Record::Evaluation(Box::new(
            serde_json::from_value(evaluation).expect("an evaluation"),
        ));
        assert!(labels(&evaluation, &Context::default()).part2);
        let beside = Context {
            episode: Some(episode.clone()),
            ..Context::default()
        };
        assert_eq!(labels(&evaluation, &beside).part2, episode.part2_program);
    }
}

#[test]
fn a_measure_needs_the_scope_of_its_sort() {
    for (name, value, context) in cases("observation") {
        let sort = value["kind"].as_str().expect("a kind").to_owned();
        let measure = crate::record::contract::parse(Kind::Observation, &value).expect("a measure");
        let expected = match sort.as_str() {
            "lab" => Scope::Labs,
            "score" | "withdrawal" => Scope::Scores,
            "vital" => Scope::Vitals,
            "side_effect" | "adherence" => Scope::Monitoring,
            _ => Scope::Uds,
        };
        assert_eq!(labels(&measure, &context).scope, Some(expected), "{name}");
    }
}

#[test]
fn labels_stand_beside_others_and_are_written_once() {
    let mut resource = json!({
        "resourceType": "CarePlan", "id": "1",
        "meta": {"profile": ["p"], "security": [{"system": "s", "code": "R"}]},
        "contained": [{"resourceType": "Medication", "id": "m"}],
    });
    apply_labels(&mut resource, &part2(None));
    let once = resource.clone();
    apply_labels(&mut resource, &part2(None));
    assert_eq!(once, resource);
    let codes: Vec<&str> = resource["meta"]["security"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|c| c["code"].as_str())
        .collect();
    assert_eq!(codes, ["R", "R", "42CFRPart2", "ETH", "NORDSCLCD"]);
    assert!(resource["contained"][0].get("meta").is_none());

    let mut bare = json!({"resourceType": "Patient", "id": "1", "active": true});
    apply_labels(&mut bare, &part2(None));
    let keys: Vec<&String> = bare.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["resourceType", "id", "meta", "active"]);
}

#[test]
fn the_directory_gets_no_label() {
    let labels = Labels {
        personal: false,
        part2: false,
        scope: None,
    };
    let mut resource = json!({"resourceType": "Practitioner"});
    apply_labels(&mut resource, &labels);
    assert_eq!(resource, json!({"resourceType": "Practitioner"}));
}

const SCOPES: [Scope; 9] = [
    Scope::MedOrders,
    Scope::Uds,
    Scope::Scores,
    Scope::Labs,
    Scope::Vitals,
    Scope::Monitoring,
    Scope::Careplan,
    Scope::Evaluation,
    Scope::Attendance,
];
const PURPOSES: [Purpose; 4] = [
    Purpose::Treatment,
    Purpose::Payment,
    Purpose::Operations,
    Purpose::Family,
];
const WHO: [&str; 5] = [
    "ehr-north",
    "ehr-south",
    "treating_providers",
    "pharmacies",
    "",
];

fn any_day() -> impl Strategy<Value = Date> {
    (10u32..=12, 1u32..=28).prop_map(|(m, d)| day(&format!("2026-{m}-{d:02}")))
}

fn any_consent() -> impl Strategy<Value = Consent> {
    (
        prop::sample::select(vec![
            ConsentKind::TpoPart2,
            ConsentKind::SpecificRelease,
            ConsentKind::FamilyInvolvement,
            ConsentKind::Telehealth,
        ]),
        prop::sample::subsequence(WHO.to_vec(), 0..=WHO.len()),
        prop::sample::subsequence(SCOPES.to_vec(), 0..=SCOPES.len()),
        prop::sample::subsequence(PURPOSES.to_vec(), 0..=PURPOSES.len()),
        any_day(),
        prop::option::of(any_day()),
        prop::option::of(any_day()),
    )
        .prop_map(
            |(kind, who, info_scope, purpose, signed_on, expires_on, revoked_on)| Consent {
                consent_id: "CO-1".to_owned(),
                version: 1,
                client_no: "C-1".to_owned(),
                kind,
                granted_to: who.into_iter().map(str::to_owned).collect(),
                info_scope,
                purpose,
                signed_on,
                expires_on,
                revoked_on,
                revoked_in_writing: None,
                family_member: None,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn without_an_active_covering_consent_nothing_of_part_2_is_ever_allowed(
        consents in prop::collection::vec(any_consent(), 0..4),
        party in prop::sample::select(WHO[..2].to_vec()),
        class in prop::sample::select(WHO[2..].to_vec()),
        scope in prop::sample::select(SCOPES.to_vec()),
        purpose in prop::sample::select(PURPOSES.to_vec()),
        kind in prop::sample::select(Kind::ALL.to_vec()),
        today in any_day(),
    ) {
        // Said anew, in other words than the gate's.
        let holds = consents.iter().any(|c| {
            let discloses = c.kind == ConsentKind::TpoPart2 || c.kind == ConsentKind::SpecificRelease;
            let receiver = c.granted_to.iter().any(|g| !g.is_empty() && (g == party || g == class));
            let alive = c.signed_on <= today
                && c.expires_on.is_none_or(|e| today <= e)
                && c.revoked_on.is_none_or(|r| today < r);
            discloses && receiver && alive
                && c.info_scope.contains(&scope)
                && c.purpose.contains(&purpose)
        });
        let answer = decide(&Question {
            party, class, purpose, kind, labels: &part2(Some(scope)), consents: &consents, today,
        });
        let allowed = matches!(answer, Decision::Allow { .. });
        if allowed {
            prop_assert!(holds);
        }
        if holds && class != "pharmacies" {
            prop_assert!(allowed);
        }
    }
}
