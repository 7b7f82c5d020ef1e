//! The SCRIPT side of the fixtures: `script.xml` beside each order that makes a message, and beside what
//! came back by one. Stored with an element to a line; nothing else differs from what is sent.
//!
//! `UPDATE_FIXTURES=1 cargo test --test it script` writes the orders' side anew. What came back is written
//! by hand, and read.

use fhir_gateway::demo::sim::pharmacy::violations;
use fhir_gateway::issue::any_error;
use fhir_gateway::partner::ncpdp_script::{Letter, from_script, to_script, xml};
use fhir_gateway::record::{Kind, MapEnv, Record};
use serde_json::Value;

use crate::fixtures::{Case, cases, kept, updating};

/// What no SCRIPT message says, or what a door adds.
const LOSSES: &[(&str, &str)] = &[
    ("/event_id", "intake gives it"),
    ("/fill_no", "intake gives it"),
    ("/version", "intake gives it"),
    ("/client_no", "the order says it"),
    ("/pharmacy_id", "the order says it"),
    ("/partner", "the door knows it"),
    ("/fill_number", "pharmacies do not tell it"),
    ("/refills_left", "pharmacies differ in what they put there"),
    ("/drug/local_code", "the clinic's own"),
    ("/drug/strength_text", "within the description"),
    ("/drug/form", "within the description"),
    ("/drug/route", "within the directions"),
];

fn lines(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    text.replace("><", ">\n<") + "\n"
}

fn letter<'a>(case: &'a Case, env: &'a MapEnv) -> Letter<'a> {
    Letter {
        env,
        context: &case.context,
        message: "01KAJ8Z2Q0M4T6V8X0Y2",
        now: env.now,
        relates_to: Some("01KAJ8Z2Q0M4T6V8X0Y1"),
        notice: None,
    }
}

#[test]
fn orders_become_the_messages_that_are_expected() {
    let env = MapEnv::example();
    let mut messages = 0;
    for case in cases()
        .into_iter()
        .filter(|c| c.kind == Kind::MedicationRequest)
    {
        let name = case.name();
        let path = case.folder.join("script.xml");
        let Ok((bytes, issues)) = to_script(&case.record, &letter(&case, &env)) else {
            assert!(!path.exists(), "{name} makes no message");
            continue;
        };
        assert!(!any_error(&issues), "{name}: {issues:?}");
        let root = xml::read(&bytes).expect("XML");
        assert_eq!(violations(&root), Vec::<String>::new(), "{name}");
        if updating() {
            std::fs::write(&path, lines(&bytes)).expect("a fixture can be written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(expected, lines(&bytes), "{name}: record → SCRIPT");
        messages += 1;
        sent_no_more_than_it_must(&case, &bytes, &root);
    }
    assert!(messages >= 14, "only {messages} messages");
}

/// What a pharmacy never gets of an order (domain facts, 4.3).
fn sent_no_more_than_it_must(case: &Case, bytes: &[u8], root: &xml::Node) {
    let name = case.name();
    let Record::MedicationRequest(order) = &case.record else {
        return;
    };
    for element in [
        "Diagnosis",
        "SubstanceUse",
        "AllergyOrAdverseEvent",
        "ElectronicMail",
    ] {
        assert!(root.find(element).is_none(), "{name}: {element}");
    }
    let text = String::from_utf8_lossy(bytes);
    let client = case.context.client.as_ref().expect("a client");
    let secrets = [
        order.indication_code.as_deref(),
        order.indication_text.as_deref(),
        order.note.as_deref(),
        order.evaluation_id.as_deref(),
        order.episode_id.as_deref(),
        Some(client.client_no.as_str()),
        client.email.as_deref(),
    ];
    for secret in secrets.into_iter().flatten() {
        assert!(!text.contains(secret), "{name}: tells what it need not");
    }
    let cancel = root.find("CancelRx").is_some();
    if let (true, Some(address)) = (cancel, &client.address) {
        assert!(
            !text.contains(&address.line1),
            "{name}: a cancel needs no address"
        );
    }
    assert_eq!(
        root.find("DigitalSignatureIndicator").is_some(),
        order.is_controlled() && !cancel,
        "{name}"
    );
}

#[test]
fn what_came_back_is_read_as_expected() {
    let env = MapEnv::example();
    let mut read = 0;
    for case in cases() {
        let path = case.folder.join("script.xml");
        if !matches!(case.kind, Kind::OrderEvent | Kind::Dispense) || !path.exists() {
            continue;
        }
        let name = case.name();
        let bytes = std::fs::read(&path).expect("a fixture");
        let root = xml::read(&bytes).expect("XML");
        assert_eq!(violations(&root), Vec::<String>::new(), "{name}");
        let (record, warnings) =
            from_script(&bytes, &env).unwrap_or_else(|i| panic!("{name}: {i:?}"));
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
        assert_eq!(record.kind(), case.kind, "{name}");
        let mut ours: Value = case.record.to_json();
        if ours.get("message_id").is_none() && case.kind == Kind::OrderEvent {
            ours["message_id"] = root.text_at("Header/MessageID").map(Value::from).into();
        }
        assert_eq!(
            kept(&ours, LOSSES),
            kept(&record.to_json(), LOSSES),
            "{name}: SCRIPT → record"
        );
        read += 1;
    }
    assert!(read >= 9, "only {read} messages that came back");
}
