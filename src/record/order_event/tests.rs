//! Events of orders: fixtures, laws, foreign Tasks.

use serde_json::{Value, json};

use super::*;
use crate::record::context_tests::{laws, sound};

#[test]
fn events_come_back_from_fhir_as_they_went() {
    assert!(sound::<OrderEvent>().len() >= 9);
    laws::<OrderEvent>(from_fhir, LOSSES);
}

#[test]
fn the_lists_of_the_contract_are_those_of_the_model() {
    let schema: Value = serde_json::from_str(Kind::OrderEvent.schema()).expect("JSON");
    let events: Vec<&str> = EventKind::ALL.iter().map(|c| c.as_str()).collect();
    let sources: Vec<&str> = EventSource::ALL.iter().map(|c| c.as_str()).collect();
    assert_eq!(schema["properties"]["event"]["enum"], json!(events));
    assert_eq!(schema["properties"]["source"]["enum"], json!(sources));
}

#[test]
fn a_task_that_is_no_event_of_an_order_of_ours_is_refused() {
    let env = MapEnv::example();
    let ours = env.reference("MedicationRequest", Kind::MedicationRequest, "RX-1", "");
    let event = json!({"coding": [{"system": "https://clinic.example/code/order-event", "code": "verified"}]});
    let task = json!({
        "resourceType": "Task", "id": "t", "status": "accepted", "intent": "order",
        "code": event, "focus": ours, "lastModified": "2026-11-20T10:00:00Z",
    });
    let read = from_fhir(std::slice::from_ref(&task), &env).expect("an event");
    assert_eq!(read.record["event"], "verified");
    assert_eq!(read.record["source"], "fhir");
    for (key, value, rule) in [
        (
            "focus",
            json!({"reference": "MedicationRequest/9"}),
            "order-unknown",
        ),
        ("code", json!({"text": "something"}), "event-unknown"),
        ("lastModified", json!("2026-11"), "event-unknown"),
        ("resourceType", json!("Patient"), "resource-type"),
    ] {
        let mut bad = task.clone();
        bad[key] = value;
        assert_eq!(from_fhir(&[bad], &env).expect_err("refused")[0].rule, rule);
    }
}

#[test]
fn all_pass_our_profiles_and_us_core() {
    crate::record::medication_request::tests::conform::<OrderEvent>();
}

#[test]
fn all_become_the_fhir_of_their_fixtures() {
    crate::record::medication_request::tests::bundles::<OrderEvent>();
}
