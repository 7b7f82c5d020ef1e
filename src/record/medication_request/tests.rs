//! The contract and the maps of orders: fixtures, generated orders, foreign FHIR.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::fhir::package::{Caps, Package};
use crate::fhir::shared;
use crate::fhir::validate::{Options, Validator};
use crate::record::context_tests::{against_contract, laws, sound};
use crate::record::drug;

#[test]
fn fixtures_keep_contract_and_rules_and_come_back_from_fhir() {
    assert!(sound::<MedicationRequest>().len() >= 12);
    laws::<MedicationRequest>(from_fhir, LOSSES);
}

/// Every closed list of the model, and where the contract repeats it.
#[test]
fn the_lists_of_the_contract_are_those_of_the_model() {
    let schema: Value = serde_json::from_str(Kind::MedicationRequest.schema()).expect("JSON");
    let list = |pointer: &str| -> BTreeSet<String> {
        schema
            .pointer(pointer)
            .and_then(Value::as_array)
            .unwrap_or_else(|| panic!("{pointer}"))
            .iter()
            .map(|v| v.as_str().expect("a code").to_owned())
            .collect()
    };
    macro_rules! same {
        ($ty:ty, $($pointer:literal),+) => {
            $(assert_eq!(
                list($pointer),
                <$ty>::ALL.iter().map(|c| c.as_str().to_owned()).collect::<BTreeSet<_>>(),
                "{}", $pointer
            );)+
        };
    }
    same!(DrugClass, "/properties/class/enum");
    same!(Frequency, "/properties/frequency_code/enum");
    same!(Delivery, "/properties/delivery/enum");
    same!(
        State,
        "/properties/state/enum",
        "/properties/history/items/properties/state/enum"
    );
    same!(DispenseLimit, "/properties/dispense_limit/enum");
    same!(YesNo, "/properties/substitute_ok/enum");
    same!(ReasonCode, "/properties/state_reason/properties/code/enum");
    same!(
        DeclineReason,
        "/properties/decline/properties/reason_code/enum"
    );
    same!(Factor, "/properties/epcs/properties/factor1/enum");
    same!(drug::Unit, "/$defs/unit/enum");
    same!(drug::Route, "/$defs/drug/properties/route/enum");
    same!(drug::Schedule, "/$defs/drug/properties/schedule/enum");
    same!(drug::Tty, "/$defs/drug/properties/tty/enum");
    let counted: BTreeSet<String> = drug::Unit::ALL
        .iter()
        .filter(|u| u.ncit().is_some())
        .map(|u| u.as_str().to_owned())
        .collect();
    assert_eq!(list("/$defs/quantityUnit/enum"), counted);
}

#[test]
fn the_signed_content_is_strings_and_a_change_of_it_changes_hash_and_key() {
    fn only_strings(value: &Value) -> bool {
        match value {
            Value::String(_) => true,
            Value::Object(map) => map.values().all(only_strings),
            _ => false,
        }
    }
    for (name, order, context) in sound::<MedicationRequest>() {
        assert!(only_strings(&order.signed_content(&context)), "{name}");
        let (hash, key) = (order.signature_hash(&context), order.content_key());
        let mut same = order.clone();
        same.version += 1;
        same.state = State::Acked;
        same.review_due = None;
        same.qty = same.qty.map(|q| {
            let text = q.text().to_owned();
            let more = if text.contains('.') { "0" } else { ".0" };
            crate::decimal::Decimal::parse(&(text + more)).expect("a number")
        });
        assert_eq!(same.content_key(), key, "{name}");
        assert_eq!(same.signature_hash(&context), hash, "{name}");
        let mut other = order.clone();
        other.refills = Some(order.refills.unwrap_or(0) + 1);
        assert_ne!(other.content_key(), key, "{name}");
        assert_ne!(other.signature_hash(&context), hash, "{name}");
    }
}

#[test]
fn standing_follows_state_and_signature() {
    let find = |case: &str| {
        sound::<MedicationRequest>()
            .into_iter()
            .find(|(name, ..)| name == case)
            .expect("a fixture")
            .1
    };
    for (case, standing, key) in [
        ("sertraline", Standing::Live, "active"),
        ("quetiapine-on-hold", Standing::Live, "on-hold"),
        ("naltrexone-declined", Standing::Plain, "none"),
        ("fluoxetine-discontinued", Standing::Ended, "stopped"),
        ("olanzapine-cancelled", Standing::Ended, "cancelled"),
        ("risperidone-entered-in-error", Standing::Ended, "cancelled"),
        ("divalproex-completed", Standing::Completed, "completed"),
    ] {
        let order = find(case);
        assert_eq!(
            (order.standing(), order.standing_key()),
            (standing, key),
            "{case}"
        );
    }
    let mut refused_later = find("sertraline");
    refused_later.state = State::Declined;
    assert_eq!(refused_later.standing(), Standing::Ended);
    let zone = MapEnv::example().zone;
    let by_day = find("methadone-otp");
    assert_eq!(
        by_day.signed_time(&zone).map(|t| t.to_string()).as_deref(),
        Some("2026-10-08T04:00:00Z")
    );
    assert_eq!(
        find("fluoxetine-discontinued")
            .signed_date(&zone)
            .map(|d| d.to_string())
            .as_deref(),
        Some("2026-11-09")
    );
}

#[test]
fn a_foreign_request_becomes_an_outside_order_and_never_a_prescription_of_ours() {
    let env = MapEnv::example();
    let foreign = json!({
        "resourceType": "MedicationRequest", "id": "b5c6e2ae-0000-4000-8000-1234567890ab",
        "identifier": [{"system": "urn:x", "value": "1"}],
        "status": "active", "intent": "order",
        "medicationCodeableConcept": {"coding": [
            {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "312941", "display": "sertraline 50 MG Oral Tablet"}
        ]},
        "subject": {"reference": "Patient/1"},
        "authoredOn": "2026-01-05T08:00:00Z",
        "requester": {"reference": "Practitioner/9", "display": "Dr\n Elsewhere"},
        "dosageInstruction": [{
            "text": "1 tablet daily",
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}], "text": "Oral"},
            "doseAndRate": [{"doseQuantity": {"value": 1.0, "unit": "Tab", "system": "http://unitsofmeasure.org", "code": "{tbl}"}}]
        }],
        "dispenseRequest": {"numberOfRepeatsAllowed": 2, "quantity": {"value": 30, "unit": "tablets"},
            "expectedSupplyDuration": {"value": 30, "unit": "days"}}
    });
    let read = from_fhir(std::slice::from_ref(&foreign), &env).expect("an order");
    assert!(against_contract(Kind::MedicationRequest, &read.record).is_empty());
    for (pointer, expected) in [
        ("/delivery", json!("outside")),
        ("/state", json!("signed")),
        ("/drug/rxcui", json!("312941")),
        ("/drug/route", json!("oral")),
        ("/dose_unit", json!("tablet")),
        ("/frequency_code", json!("QD")),
        ("/refills", json!(2)),
        ("/days_supply", json!(30)),
        ("/outside_prescriber", json!("Dr Elsewhere")),
        ("/signed_at", json!("2026-01-05T08:00:00Z")),
    ] {
        assert_eq!(read.record.pointer(pointer), Some(&expected), "{pointer}");
    }
    let left: Vec<&str> = read.issues.iter().map(|i| i.path.as_str()).collect();
    assert_eq!(
        left,
        [
            "MedicationRequest.identifier[0].system",
            "MedicationRequest.identifier[0].value",
            "MedicationRequest.subject.reference",
            "MedicationRequest.requester.reference",
            "MedicationRequest.dosageInstruction[0].route.coding[0].system",
            "MedicationRequest.dosageInstruction[0].route.coding[0].code",
        ]
    );
    for (key, value) in [
        ("status", json!("unknown")),
        ("doNotPerform", json!(true)),
        (
            "modifierExtension",
            json!([{"url": "urn:x", "valueBoolean": true}]),
        ),
        ("medicationCodeableConcept", json!({})),
    ] {
        let mut bad = foreign.clone();
        bad[key] = value;
        assert!(from_fhir(&[bad], &env).is_err(), "{key}");
    }
}

/// What our resources are checked with: R4 and our profiles, and US Core 7.0.0 where it is at hand.
fn validators() -> Vec<Validator> {
    let mut all = vec![Validator::standard()];
    if let Some(bytes) = shared::read("packages/hl7.fhir.us.core-7.0.0.tgz") {
        let package = Package::read(&bytes, &Caps::default()).expect("a package");
        all.push(Validator::load(Options {
            packages: vec![package],
            ..Options::default()
        }));
    }
    all
}

/// Every resource of the kind's fixtures passes its profiles, claimed and named.
pub(crate) fn conform<M: Mapping + DeserializeOwned>() {
    let env = MapEnv::example();
    for validator in validators() {
        assert_eq!(validator.unusable(), [""; 0]);
        for (name, record, context) in sound::<M>() {
            for resource in record.to_fhir(&context, &env).resources {
                let profile = resource.profile.expect("a profile of ours");
                assert!(validator.knows(profile), "{profile}");
                let wrong: Vec<_> = validator
                    .check(&resource.value, &[profile])
                    .into_iter()
                    .filter(|i| i.is_error() || i.rule == "extension-unknown")
                    .collect();
                assert!(wrong.is_empty(), "{name} {}: {wrong:#?}", resource.part);
            }
        }
    }
}

#[test]
fn orders_pass_our_profiles_and_us_core() {
    conform::<MedicationRequest>();
}

#[test]
fn the_profiles_of_orders_bite() {
    let validator = Validator::standard();
    let env = MapEnv::example();
    let (_, order, context) = sound::<MedicationRequest>()
        .into_iter()
        .find(|(name, ..)| name == "clonazepam-taper")
        .expect("a fixture");
    let mapped = order.to_fhir(&context, &env);
    type Break = fn(&mut Value);
    let table: &[(&str, usize, Break)] = &[
        ("slice-min", 0, |v| v["category"] = json!([{"text": "x"}])),
        ("slice-min", 0, |v| {
            v["extension"] = json!([{"url": "urn:x", "valueCode": "y"}])
        }),
        ("cardinality-max", 0, |v| v["doNotPerform"] = json!(true)),
        ("cardinality-min", 0, |v| {
            v.as_object_mut().expect("object").shift_remove("subject");
        }),
        ("cardinality-min", 1, |v| {
            v.as_object_mut().expect("object").shift_remove("signature");
        }),
        ("slice-min", 1, |v| {
            v["signature"][0]["extension"][0]["extension"] = json!([
                {"url": "factor1", "valueCode": "knowledge"}
            ])
        }),
    ];
    for (rule, n, how) in table {
        let resource = &mapped.resources[*n];
        let mut broken = resource.value.clone();
        how(&mut broken);
        let issues = validator.check(&broken, &[resource.profile.expect("a profile")]);
        assert!(
            issues.iter().any(|i| i.is_error() && i.rule == *rule),
            "{rule}: {issues:#?}"
        );
    }
}

/// Each case's `fhir.json` is what the record becomes; `UPDATE_FIXTURES=1` writes it.
pub(crate) fn bundles<M: Mapping + DeserializeOwned>() {
    let env = MapEnv::example();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for (name, record, context) in sound::<M>() {
        let entries: Vec<Value> = record
            .to_fhir(&context, &env)
            .resources
            .into_iter()
            .map(|r| json!({"resource": r.value}))
            .collect();
        let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
        let file = root.join(M::KIND.as_str()).join(&name).join("fhir.json");
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            let text = serde_json::to_string_pretty(&bundle).expect("JSON") + "\n";
            std::fs::write(&file, text).expect("written");
        }
        let there: Value =
            serde_json::from_slice(&std::fs::read(&file).expect("a fixture")).expect("JSON");
        assert_eq!(there, bundle, "{name}");
    }
}

#[test]
fn orders_become_the_fhir_of_their_fixtures() {
    bundles::<MedicationRequest>();
}
