//! The contract and the maps of measures: fixtures, generated measures, foreign FHIR.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::record::context_tests::{law, laws, sound};
use crate::record::{MapEnv, contract};

mod corpus;

#[test]
fn fixtures_keep_contract_and_rules_and_come_back_from_fhir() {
    assert!(sound::<Observation>().len() >= 12);
    laws::<Observation>(from_fhir, LOSSES);
}

#[test]
fn the_fixtures_show_every_kind_of_measure() {
    let shown: BTreeSet<MeasureKind> = sound::<Observation>().iter().map(|c| c.1.kind).collect();
    assert_eq!(shown, MeasureKind::ALL.iter().copied().collect());
}

/// Every closed list of the model, and where the contract repeats it.
#[test]
fn the_lists_of_the_contract_are_those_of_the_model() {
    let schema: Value = serde_json::from_str(Kind::Observation.schema()).expect("JSON");
    let list = |pointer: &str| -> BTreeSet<String> {
        let all = schema.pointer(pointer).and_then(Value::as_array);
        all.unwrap_or_else(|| panic!("{pointer}"))
            .iter()
            .map(|v| v.as_str().expect("a code").to_owned())
            .collect()
    };
    macro_rules! same {
        ($($ty:ty => $pointer:literal),+ $(,)?) => {
            $(assert_eq!(
                list($pointer),
                <$ty>::ALL.iter().map(|c| c.as_str().to_owned()).collect::<BTreeSet<_>>(),
                "{}", $pointer
            );)+
        };
    }
    same!(
        MeasureKind => "/properties/kind/enum",
        Status => "/properties/status/enum",
        Absent => "/$defs/absent/enum",
        Finding => "/$defs/finding/enum",
        SpecimenKind => "/$defs/specimen/properties/kind/enum",
        Panel => "/$defs/uds/properties/panel/enum",
        Analyte => "/$defs/analyte/properties/analyte/enum",
        Test => "/$defs/lab/properties/test/enum",
        Flag => "/$defs/lab/properties/flag/enum",
        Instrument => "/$defs/score/properties/instrument/enum",
        Vital => "/$defs/vital/properties/sign/enum",
        Action => "/$defs/sideEffect/properties/action/enum",
        AdherenceMethod => "/$defs/adherence/properties/method/enum",
    );
}

fn fixture(case: &str) -> (Observation, Context) {
    let found = sound::<Observation>().into_iter().find(|c| c.0 == case);
    let (_, record, context) = found.expect("a fixture");
    (record, context)
}

fn mapped(case: &str) -> Mapped {
    let (record, context) = fixture(case);
    record.to_fhir(&context, &MapEnv::example())
}

fn part<'m>(mapped: &'m Mapped, part: &str) -> &'m Value {
    let found = mapped.resources.iter().find(|r| r.part == part);
    &found.expect("a part").value
}

#[test]
fn a_screen_is_a_panel_and_a_confirmation_names_its_screen() {
    let mapped = mapped("uds-confirmed");
    let parts: Vec<&str> = mapped.resources.iter().map(|r| r.part.as_str()).collect();
    assert_eq!(
        parts[..3],
        ["", "analyte/buprenorphine", "confirm/buprenorphine"]
    );
    let panel = part(&mapped, "");
    let members = panel["hasMember"].as_array().expect("members").len();
    assert_eq!(members, mapped.resources.len() - 1);
    assert!(panel.get("valueQuantity").is_none());
    let screen = part(&mapped, "analyte/buprenorphine");
    assert_eq!(screen["code"]["coding"][0]["code"], "93494-3");
    assert_eq!(screen["interpretation"][0]["coding"][0]["code"], "POS");
    let confirm = part(&mapped, "confirm/buprenorphine");
    assert_eq!(confirm["code"]["coding"][0]["code"], "16208-1");
    let id = screen["id"].as_str().expect("an id");
    assert_eq!(
        confirm["derivedFrom"][0]["reference"],
        format!("Observation/{id}")
    );
    assert_eq!(
        confirm["component"][1]["valueQuantity"]["value"].to_string(),
        "72.50"
    );
    assert_eq!(
        part(&mapped, "analyte/ethyl_glucuronide")["dataAbsentReason"]["coding"][0]["code"],
        "not-performed"
    );
}

#[test]
fn what_was_skipped_has_a_reason_and_no_total() {
    let mapped = mapped("phq9-skipped");
    let skipped = &part(&mapped, "item/3")["dataAbsentReason"];
    assert_eq!(skipped["coding"][0]["code"], "asked-declined");
    let total = part(&mapped, "total");
    assert!(total.get("valueQuantity").is_none());
    assert_eq!(total["dataAbsentReason"]["coding"][0]["code"], "unknown");
}

#[test]
fn a_blood_pressure_has_both_components_even_if_one_could_not_be_heard() {
    let mapped = mapped("blood-pressure-no-diastolic");
    let value = part(&mapped, "");
    assert_eq!(value["component"][0]["code"]["coding"][0]["code"], "8480-6");
    assert_eq!(value["component"][0]["valueQuantity"]["code"], "mm[Hg]");
    assert_eq!(value["component"][1]["code"]["coding"][0]["code"], "8462-4");
    assert!(value["component"][1]["dataAbsentReason"].is_object());
    assert!(value.get("valueQuantity").is_none());
}

#[test]
fn an_error_is_entered_in_error_in_every_part() {
    let (mut record, context) = fixture("phq9");
    record.status = Status::Error;
    let mapped = record.to_fhir(&context, &MapEnv::example());
    assert_eq!(mapped.resources.len(), 11);
    for resource in &mapped.resources {
        assert_eq!(
            resource.value["status"], "entered-in-error",
            "{}",
            resource.part
        );
    }
}

#[test]
fn digits_of_a_value_stay_as_they_were_written() {
    let mapped = mapped("weight");
    let value = &part(&mapped, "")["valueQuantity"]["value"];
    assert_eq!(value.to_string(), "72.50");
}

#[test]
fn without_a_client_nothing_is_made_up() {
    let (record, mut context) = fixture("weight");
    context.client = None;
    let mapped = record.to_fhir(&context, &MapEnv::example());
    assert_eq!(mapped.issues[0].rule, "client-unknown");
    assert!(mapped.resources[0].value.get("subject").is_none());
}

#[test]
fn an_observation_of_theirs_is_read_as_outside_and_tells_what_it_leaves() {
    let theirs = json!({
        "resourceType": "Observation", "id": "abc", "status": "final",
        "category": [{"coding": [{"system": "x", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "userSelected": true}]},
        "subject": {"reference": "Patient/9"}, "effectiveDateTime": "2020",
        "valueQuantity": {"value": 61.0, "unit": "beats"}, "device": {"display": "watch"},
    });
    let read = from_fhir(&[theirs], &MapEnv::example()).expect("reads");
    assert_eq!(read.record["kind"], "outside");
    assert_eq!(
        read.record["outside"]["value"]["quantity"]["value"].to_string(),
        "61.0"
    );
    let left: Vec<&str> = read.issues.iter().map(|i| i.path.as_str()).collect();
    assert_eq!(
        left,
        [
            "Observation.code.coding[0].userSelected",
            "Observation.subject.reference",
            "Observation.device.display"
        ]
    );
    assert!(from_fhir(&[json!({"resourceType": "Patient"})], &MapEnv::example()).is_err());
}

fn decimal() -> impl Strategy<Value = Value> {
    (0u32..9, 0u32..1000, 0usize..4).prop_map(|(whole, rest, digits)| {
        let text = match digits {
            0 => format!("{whole}"),
            n => format!(
                "{whole}.{:0n$}",
                rest % 10u32.pow(u32::try_from(n).unwrap_or(1))
            ),
        };
        serde_json::from_str(&text).expect("a number")
    })
}

fn code<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn generated() -> impl Strategy<Value = Value> {
    let score = (code(Instrument::ALL), any::<u64>()).prop_map(|(instrument, seed)| {
        let mut sum = Some(0);
        let answers: Vec<Value> = instrument
            .items()
            .iter()
            .enumerate()
            .map(|(n, most)| {
                let points = i64::try_from(seed >> (n * 4) & 15).unwrap_or(0);
                let item = n + 1;
                if points > *most {
                    sum = None;
                    json!({"item": item, "skipped": "declined"})
                } else {
                    sum = sum.map(|s| s + points);
                    json!({"item": item, "points": points})
                }
            })
            .collect();
        let kind = if instrument.withdrawal() {
            "withdrawal"
        } else {
            "score"
        };
        let mut score = json!({"instrument": instrument.as_str(), "answers": answers});
        if let (Some(total), true) = (sum, instrument.summed()) {
            score["total"] = json!(total);
            if let Some(band) = instrument.band(total) {
                score["band"] = json!(band);
            }
        }
        json!({"kind": kind, kind: score})
    });
    let uds = (
        code(Panel::ALL),
        proptest::sample::subsequence(Analyte::ALL.to_vec(), 1..8),
        code(Finding::ALL),
        decimal(),
        any::<bool>(),
    )
        .prop_map(|(panel, analytes, found, amount, confirmed)| {
            let analytes: Vec<Value> = analytes
                .iter()
                .map(|a| {
                    let mut one =
                        json!({"analyte": a.as_str(), "screen": found.as_str(), "cutoff": amount});
                    if confirmed {
                        one["confirm"] = json!({"result": "NEG", "value": amount, "method": "GC"});
                    }
                    one
                })
                .collect();
            json!({"kind": "uds", "uds": {"panel": panel.as_str(), "analytes": analytes}})
        });
    let lab = (code(Test::ALL), decimal(), proptest::option::of(decimal())).prop_map(
        |(test, value, hours)| {
            let mut lab = json!({"test": test.as_str(), "value": value, "unit": test.unit()});
            if let Some(hours) = hours {
                lab["hours_post_dose"] = hours;
            }
            json!({"kind": "lab", "lab": lab})
        },
    );
    prop_oneof![score, uds, lab]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_generated_measure_passes_its_contract_and_rules_and_comes_back(
        payload in generated(),
        status in code(Status::ALL),
        note in proptest::option::of("[A-Za-z<>&\"é]{1,40}"),
    ) {
        let (_, context) = fixture("phq9");
        let mut value = json!({
            "measure_id": "M-1", "version": 7, "episode_id": "E-1001", "status": status.as_str(),
            "taken_at": "2026-10-05T09:10:00.125-04:00",
        });
        let map = value.as_object_mut().expect("an object");
        map.extend(payload.as_object().expect("an object").clone());
        if let Some(note) = note {
            map.insert("note".to_owned(), json!(note));
        }
        let record = contract::parse(Kind::Observation, &value)
            .map_err(|issues| TestCaseError::fail(format!("{issues:?}")))?;
        let crate::record::Record::Observation(record) = record else {
            return Err(TestCaseError::fail("another kind"));
        };
        let issues = record.rules(&context, &MapEnv::example());
        prop_assert!(issues.is_empty(), "{issues:?}");
        law("generated", record.as_ref(), &context, from_fhir, LOSSES);
    }
}
