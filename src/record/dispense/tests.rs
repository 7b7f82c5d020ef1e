//! Fills: fixtures, laws, rules, foreign FHIR.

use serde_json::{Value, json};

use super::*;
use crate::record::context_tests::{against_contract, laws, sound};

#[test]
fn fills_come_back_from_fhir_as_they_went() {
    assert!(sound::<Dispense>().len() >= 9);
    laws::<Dispense>(from_fhir, LOSSES);
}

#[test]
fn the_lists_of_the_contract_are_those_of_the_model() {
    let schema: Value = serde_json::from_str(Kind::Dispense.schema()).expect("JSON");
    let list = |pointer: &str| schema.pointer(pointer).cloned().expect("a list");
    let codes = |all: Vec<&str>| json!(all);
    assert_eq!(
        list("/properties/status/enum"),
        codes(Status::ALL.iter().map(|c| c.as_str()).collect())
    );
    assert_eq!(
        list("/properties/source/enum"),
        codes(Source::ALL.iter().map(|c| c.as_str()).collect())
    );
    assert_eq!(
        list("/properties/reason/properties/code/enum"),
        codes(ReasonCode::ALL.iter().map(|c| c.as_str()).collect())
    );
}

#[test]
fn each_rule_of_a_fill_bites() {
    type Break = fn(&mut Value);
    #[rustfmt::skip]
    let table: &[(&str, &str, Break)] = &[
        ("fill-date", "full", |v| { v.as_object_mut().expect("o").shift_remove("fill_date"); }),
        ("fill-future", "full", |v| v["fill_date"] = json!("2026-11-26")),
        ("fill-before-order", "full", |v| v["fill_date"] = json!("2026-11-19")),
        ("fill-six-months", "partial", |v| v["fill_date"] = json!("2027-05-24")),
        ("fill-beyond-refills", "full", |v| v["fill_number"] = json!(6)),
        ("fill-beyond-quantity", "full", |v| v["qty"] = json!(31)),
    ];
    let env = MapEnv::example();
    for (name, fill, context) in sound::<Dispense>() {
        assert!(fill.rules(&context, &env).is_empty(), "{name}");
        let mut later = context.clone();
        if name == "full" {
            later.orders[0].earliest_fill_date = crate::clock::Date::parse("2026-12-01");
            let issues = fill.rules(&later, &env);
            assert!(
                issues.iter().any(|i| i.rule == "fill-too-early"),
                "{issues:?}"
            );
        }
        for (rule, _, how) in table.iter().filter(|(_, from, _)| *from == name) {
            let mut value = serde_json::to_value(&fill).expect("JSON");
            how(&mut value);
            let broken: Dispense = serde_json::from_value(value).expect("a fill");
            let issues = broken.rules(&context, &env);
            assert!(issues.iter().any(|i| i.rule == *rule), "{rule}: {issues:?}");
        }
    }
}

#[test]
fn a_foreign_dispense_of_our_order_is_read_and_one_of_nobodys_is_not() {
    let env = MapEnv::example();
    let order = env.reference("MedicationRequest", Kind::MedicationRequest, "RX-1", "");
    let foreign = json!({
        "resourceType": "MedicationDispense", "id": "d1", "status": "completed",
        "medicationCodeableConcept": {"text": "sertraline 50 mg"},
        "authorizingPrescription": [order],
        "whenHandedOver": "2026-11-20T10:00:00Z",
        "quantity": {"value": 30.0, "unit": "tablet"},
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "RFP"}]},
    });
    let read = from_fhir(std::slice::from_ref(&foreign), &env).expect("a fill");
    assert!(against_contract(Kind::Dispense, &read.record).is_empty());
    assert_eq!(read.record["order_no"], "RX-1");
    assert_eq!(read.record["status"], "partially_filled");
    assert_eq!(read.record["fill_date"], "2026-11-20");
    assert_eq!(read.record["drug"]["label"], "sertraline 50 mg");
    let mut orphan = foreign.clone();
    orphan["authorizingPrescription"] = json!([{"reference": "MedicationRequest/9"}]);
    let refused = from_fhir(&[orphan], &env).expect_err("no order");
    assert_eq!(refused[0].rule, "order-unknown");
    let mut unknown = foreign;
    unknown["status"] = json!("unknown");
    assert!(from_fhir(&[unknown], &env).is_err());
}

#[test]
fn all_pass_our_profiles_and_us_core() {
    crate::record::medication_request::tests::conform::<Dispense>();
}

#[test]
fn all_become_the_fhir_of_their_fixtures() {
    crate::record::medication_request::tests::bundles::<Dispense>();
}
