//! What an EHR sends us.

use super::*;
use crate::sync::ports::{Incoming, RawReceipt};

fn decode(value: &Value) -> Result<Vec<Incoming>, Vec<crate::issue::Issue>> {
    partner("https://ehr.example/fhir", "bundle_entries_max = 3").decode(
        "application/fhir+json; charset=utf-8",
        value.to_string().as_bytes(),
    )
}

fn bundle(bundle_type: &str, entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": bundle_type, "entry": entries})
}

fn entry(resource: Value) -> Value {
    json!({"resource": resource, "request": {"method": "POST", "url": "x"}})
}

#[test]
fn a_resource_comes_as_it_is() {
    let observation = json!({"resourceType": "Observation", "valueQuantity": {"value": 1.50}});
    let incoming = decode(&observation).expect("decoded");
    assert!(matches!(&incoming[..], [Incoming::Resource(r)] if *r == observation));
}

#[test]
fn a_transaction_or_message_comes_whole_and_one_bad_entry_keeps_it_out() {
    let good = entry(json!({"resourceType": "Observation"}));
    for bundle_type in ["transaction", "message"] {
        let incoming =
            decode(&bundle(bundle_type, &[good.clone(), good.clone()])).expect("decoded");
        assert!(matches!(&incoming[..], [Incoming::Whole(all)] if all.len() == 2));
        let bad = json!({"request": {"method": "POST", "url": "x"}});
        let issues = decode(&bundle(bundle_type, &[good.clone(), bad])).expect_err("kept out");
        assert_eq!(issues[0].path, "Bundle.entry[1]");
    }
    let delete = json!({"resource": {"resourceType": "Observation"}, "request": {"method": "DELETE", "url": "x"}});
    let issues = decode(&bundle("transaction", &[good, delete])).expect_err("kept out");
    assert_eq!(issues[0].rule, "entry-method");
}

#[test]
fn a_batch_or_collection_comes_entry_by_entry_and_what_is_no_resource_is_not_lost() {
    for bundle_type in ["batch", "collection", "searchset"] {
        let entries = [
            entry(json!({"resourceType": "Observation"})),
            json!({"fullUrl": "x"}),
        ];
        let incoming = decode(&bundle(bundle_type, &entries)).expect("decoded");
        assert_eq!(incoming.len(), 2);
    }
}

#[test]
fn references_within_a_bundle_are_resolved() {
    let uuid = "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0";
    let entries = [
        json!({"fullUrl": format!("urn:uuid:{uuid}"), "resource": {"resourceType": "Patient"},
            "request": {"method": "POST", "url": "Patient"}}),
        entry(
            json!({"resourceType": "Observation", "subject": {"reference": format!("urn:uuid:{uuid}")}}),
        ),
    ];
    let incoming = decode(&bundle("transaction", &entries)).expect("decoded");
    let [Incoming::Whole(all)] = &incoming[..] else {
        panic!("not whole");
    };
    assert_eq!(all[0]["id"], uuid);
    assert_eq!(all[1]["subject"]["reference"], format!("Patient/{uuid}"));
}

#[test]
fn what_cannot_be_read_says_why_and_no_value() {
    let partner = partner("https://ehr.example/fhir", "bundle_entries_max = 3");
    let many = vec![entry(json!({"resourceType": "Observation", "id": "Canary"})); 4];
    for (media_type, text, rule) in [
        (
            "application/fhir+json",
            "{\"Canary".to_owned(),
            "json-syntax",
        ),
        (
            "application/fhir+json",
            "{\"resourceType\":\"Observation\",\"a\":\"Canary\",\"a\":1}".to_owned(),
            "json-duplicate-key",
        ),
        (
            "application/fhir+json",
            "{\"x\":\"Canary\"}".to_owned(),
            "resource-type",
        ),
        ("application/fhir+xml", "<Canary/>".to_owned(), "fhir-json"),
        (
            "application/json",
            bundle("batch", &many).to_string(),
            "bundle-entries",
        ),
        (
            "application/json",
            bundle("history", &many[..1]).to_string(),
            "bundle-type",
        ),
        (
            "application/json",
            bundle("batch", &[]).to_string(),
            "bundle-empty",
        ),
    ] {
        let issues = partner
            .decode(media_type, text.as_bytes())
            .expect_err("refused");
        assert_eq!(issues[0].rule, rule);
        assert!(!format!("{issues:?}").contains("Canary"));
    }
}

#[test]
fn a_repeat_is_known_by_the_senders_name_of_it() {
    let partner = partner("https://ehr.example/fhir", "");
    let sender = |value: Value| {
        partner
            .envelope("application/fhir+json", value.to_string().as_bytes())
            .sender_id
    };
    assert_eq!(
        sender(json!({"resourceType": "Bundle", "identifier": {"system": "urn:x", "value": "7"}})),
        Some("urn:x|7".into())
    );
    assert_eq!(
        sender(json!({"resourceType": "Observation", "id": "o", "meta": {"versionId": "2"}})),
        Some("Observation/o/2".into())
    );
    assert_eq!(
        sender(json!({"resourceType": "Observation", "id": "o"})),
        None
    );
    assert_eq!(partner.envelope("", b"{").sender_id, None);
}

#[test]
fn the_sender_is_told_that_we_have_it() {
    let partner = partner("https://ehr.example/fhir", "");
    let message = MessageId::new("01M000000000000000AA");
    for (bytes, status) in [
        (&b"{\"resourceType\":\"Observation\"}"[..], 201),
        (b"{\"resourceType\":\"Bundle\"}", 200),
        (b"nothing", 201),
    ] {
        for parked in [false, true] {
            let reply = partner.reply(&RawReceipt {
                id: "01R000000000000000AA",
                sender_id: None,
                message: &message,
                now: NOW,
                parked,
                bytes,
            });
            assert_eq!(reply.status, status);
            let body: Value = serde_json::from_slice(&reply.body).expect("json");
            assert_eq!(body["issue"][0]["severity"], "information");
            assert!(VALIDATOR.certify(body, &[]).is_ok());
        }
    }
}
