//! What the contracts of orders, fills and events refuse: each case is a folder under
//! `fixtures/rejected`.

use std::path::Path;

use serde_json::{Value, json};

use crate::record::Kind;
use crate::record::contract;

type Break = fn(&mut Value);

/// Name, kind, good fixture, what is done to the record, and the rules and places told.
type Refused = (
    &'static str,
    Kind,
    &'static str,
    Break,
    &'static [(&'static str, &'static str)],
);

const ORDER: Kind = Kind::MedicationRequest;

#[rustfmt::skip]
const REFUSED: &[Refused] = &[
    ("unknown-field", ORDER, "sertraline", |r| r["dosage"] = json!("x"),
        &[("schema-additionalProperties", "/dosage")]),
    ("unknown-drug-field", ORDER, "sertraline", |r| r["drug"]["colour"] = json!("x"),
        &[("schema-additionalProperties", "/drug/colour")]),
    ("wrong-type", ORDER, "sertraline", |r| r["refills"] = json!("5"),
        &[("schema-type", "/refills")]),
    ("half-a-refill", ORDER, "sertraline", |r| r["refills"] = json!(0.5),
        &[("schema-type", "/refills")]),
    ("bad-state", ORDER, "sertraline", |r| r["state"] = json!("prescribed"),
        &[("schema-enum", "/state")]),
    ("bad-schedule", ORDER, "sertraline", |r| r["drug"]["schedule"] = json!("1"),
        &[("schema-enum", "/drug/schedule")]),
    ("bad-unit", ORDER, "sertraline", |r| r["qty_unit"] = json!("mg"),
        &[("schema-enum", "/qty_unit")]),
    ("bad-date", ORDER, "sertraline", |r| r["start_date"] = json!("2026-02-30"),
        &[("schema-format", "/start_date")]),
    ("no-offset", ORDER, "sertraline", |r| r["signed_at"] = json!("2026-11-20T10:15:00"),
        &[("schema-format", "/signed_at"), ("schema-pattern", "/signed_at")]),
    ("id-too-long", ORDER, "sertraline", |r| r["order_no"] = json!("RX-2026-000000000000000000000000000000"),
        &[("schema-maxLength", "/order_no"), ("schema-pattern", "/order_no")]),
    ("label-too-long", ORDER, "sertraline", |r| r["drug"]["label"] = json!("x".repeat(106)),
        &[("schema-maxLength", "/drug/label")]),
    ("bad-diagnosis", ORDER, "sertraline", |r| r["indication_code"] = json!("depression"),
        &[("schema-maxLength", "/indication_code"), ("schema-pattern", "/indication_code")]),
    ("no-state", ORDER, "sertraline", |r| { r.as_object_mut().expect("object").shift_remove("state"); },
        &[("schema-required", "/state")]),
    ("quantity-zero", ORDER, "sertraline", |r| r["qty"] = json!(0),
        &[("schema-exclusiveMinimum", "/qty")]),
    ("bad-factor", ORDER, "lorazepam-prn", |r| r["epcs"]["factor1"] = json!("sms"),
        &[("schema-enum", "/epcs/factor1")]),
    ("bad-status", Kind::Dispense, "full", |r| r["status"] = json!("done"),
        &[("schema-enum", "/status")]),
    ("unknown-field", Kind::Dispense, "full", |r| r["patient"] = json!("x"),
        &[("schema-additionalProperties", "/patient")]),
    ("no-order", Kind::Dispense, "full", |r| { r.as_object_mut().expect("object").shift_remove("order_no"); },
        &[("schema-required", "/order_no")]),
    ("bad-event", Kind::OrderEvent, "verified", |r| r["event"] = json!("seen"),
        &[("schema-enum", "/event")]),
    ("bad-moment", Kind::OrderEvent, "verified", |r| r["at"] = json!("yesterday"),
        &[("schema-format", "/at"), ("schema-pattern", "/at")]),
];

#[test]
fn what_breaks_a_contract_is_told_by_rule_and_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for (name, kind, from, how, expected) in REFUSED {
        let read = |file: &Path| -> Value {
            serde_json::from_slice(&std::fs::read(file).expect("a fixture")).expect("JSON")
        };
        let mut whole = read(&root.join(kind.as_str()).join(from).join("record.json"));
        how(&mut whole["record"]);
        let issues = contract::check(*kind, &whole["record"]).expect_err(name);
        let mut told: Vec<(&str, &str)> = issues
            .iter()
            .map(|i| (i.rule.as_ref(), i.path.as_str()))
            .collect();
        told.sort_unstable();
        assert_eq!(told, *expected, "{kind} {name}");
        let issues = serde_json::to_value(&issues).expect("JSON");
        let folder = root.join(format!("rejected/{kind}-{name}"));
        let files = [("record.json", whole), ("issues.json", issues)];
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::create_dir_all(&folder).expect("a folder");
            for (file, value) in &files {
                let text = serde_json::to_string_pretty(value).expect("JSON") + "\n";
                std::fs::write(folder.join(file), text).expect("written");
            }
        }
        for (file, value) in &files {
            assert_eq!(read(&folder.join(file)), *value, "{kind} {name} {file}");
        }
    }
}
