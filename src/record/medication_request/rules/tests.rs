//! One broken order per rule, made from a good one; each is a folder under `fixtures/rejected`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::record::medication_request::MedicationRequest;
use crate::record::{Context, MapEnv, Mapping};

type Break = fn(&mut Value);
type Broken = (
    &'static str,
    &'static str,
    Break,
    &'static [(&'static str, &'static str)],
);

/// Name of the case, the good fixture it is made from, what is done to `record` and `context`, and the
/// rules and places that must be told, exactly. The signature is made anew, so that only the named
/// rule breaks.
#[rustfmt::skip]
const BROKEN: &[Broken] = &[
    ("schedule-table", "buprenorphine-naloxone-weekly", |v| v["record"]["drug"]["schedule"] = json!("2"),
        &[("schedule-table", "/drug/schedule")]),
    ("schedule-table-not-controlled", "buprenorphine-naloxone-weekly", |v| v["record"]["drug"]["schedule"] = json!("NC"),
        &[("schedule-table", "/drug/schedule")]),
    ("schedule-missing", "lithium", |v| remove(v, "/record/drug", "schedule"),
        &[("schedule-missing", "/drug/schedule")]),
    ("drug-tty", "sertraline", |v| v["record"]["drug"]["tty"] = json!("SBD"),
        &[("drug-tty", "/drug/tty")]),
    ("drug-ingredient", "sertraline", |v| { v["record"]["drug"]["rxcui"] = json!("36437"); v["record"]["drug"]["tty"] = json!("IN"); },
        &[("drug-ingredient", "/drug/rxcui")]),
    ("refills-schedule-two", "methadone-pain-first", |v| v["record"]["refills"] = json!(1),
        &[("refills-schedule", "/refills")]),
    ("refills-schedule-three", "buprenorphine-naloxone-weekly", |v| { v["record"]["refills"] = json!(6); v["record"]["days_supply"] = json!(28); },
        &[("refills-schedule", "/refills")]),
    ("refills-schedule-four", "alprazolam-np-supervised", |v| v["record"]["refills"] = json!(6),
        &[("refills-schedule", "/refills")]),
    ("days-supply-schedule", "methadone-pain-first", |v| { v["record"]["days_supply"] = json!(91); v["record"]["qty"] = json!(273); },
        &[("days-supply-schedule", "/days_supply")]),
    ("days-supply-series", "methadone-pain-second", |v| { v["record"]["days_supply"] = json!(61); v["record"]["qty"] = json!(183); },
        &[("days-supply-schedule", "/days_supply")]),
    ("earliest-fill", "methadone-pain-second", |v| remove(v, "/record", "earliest_fill_date"),
        &[("earliest-fill", "/earliest_fill_date")]),
    ("six-months-expiry", "alprazolam-np-supervised", |v| v["record"]["expires_on"] = json!("2027-05-22"),
        &[("six-months", "/expires_on")]),
    ("six-months-first-fill", "alprazolam-np-supervised", |v| { v["record"]["earliest_fill_date"] = json!("2027-05-22"); v["record"]["refills"] = json!(0); },
        &[("six-months", "/earliest_fill_date"), ("six-months-refills", "/refills")]),
    ("six-months-old", "lorazepam-prn", |v| { v["record"]["epcs"]["signed_at"] = json!("2026-05-23T12:00:00-04:00"); },
        &[("six-months", "/epcs/signed_at")]),
    ("six-months-refills", "buprenorphine-naloxone-weekly", |v| { v["record"]["refills"] = json!(5); v["record"]["days_supply"] = json!(40); v["record"]["qty"] = json!(80); },
        &[("six-months-refills", "/refills")]),
    ("epcs-missing", "lorazepam-prn", |v| { remove(v, "/record", "epcs"); v["record"]["signed_at"] = json!("2026-11-23T14:20:00-05:00"); },
        &[("epcs-missing", "/epcs")]),
    ("epcs-factors", "lorazepam-prn", |v| v["record"]["epcs"]["factor2"] = json!("knowledge"),
        &[("epcs-factors", "/epcs/factor2")]),
    ("epcs-hash", "buprenorphine-naloxone-weekly", |v| { v["record"]["qty"] = json!(57); v["keep"] = json!(true); },
        &[("epcs-hash", "/epcs/signature_hash"), ("quantity-days-supply", "/qty")]),
    ("epcs-registration", "lorazepam-prn", |v| v["record"]["epcs"]["dea_no"] = json!("AF1234563"),
        &[("epcs-registration", "/epcs/dea_no")]),
    ("dea-check-digit", "lorazepam-prn", |v| { v["record"]["epcs"]["dea_no"] = json!("MO2345679"); v["context"]["prescriber"]["dea_no"] = json!("MO2345679"); },
        &[("dea-check-digit", "/epcs/dea_no")]),
    ("npi-check-digit", "sertraline", |v| v["context"]["prescriber"]["npi"] = json!("1003000135"),
        &[("npi-check-digit", "/prescriber_staff_id")]),
    ("prescriber-npi", "sertraline", |v| remove(v, "/context/prescriber", "npi"),
        &[("prescriber-npi", "/prescriber_staff_id")]),
    ("prescriber-missing", "lithium", |v| { remove(v, "/record", "prescriber_staff_id"); remove(v, "/context", "prescriber"); },
        &[("prescriber-missing", "/prescriber_staff_id")]),
    ("signed-field-strength", "lorazepam-prn", |v| remove(v, "/record/drug", "strength_text"),
        &[("signed-field", "/drug/strength_text")]),
    ("signed-field-address", "lorazepam-prn", |v| remove(v, "/context/client", "address"),
        &[("signed-field", "/episode_id")]),
    ("methadone-retail", "methadone-pain-first", |v| v["record"]["indication_code"] = json!("F11.20"),
        &[("methadone-otp", "/delivery")]),
    ("methadone-unstated", "methadone-pain-first", |v| remove(v, "/record", "indication_code"),
        &[("methadone-otp", "/delivery")]),
    ("methadone-by-name", "lithium", |v| { v["record"]["drug"]["label"] = json!("Methadose 10 mg tablet"); v["record"]["indication_code"] = json!("F11.20"); },
        &[("methadone-otp", "/delivery")]),
    ("delivery-pharmacy", "methadone-otp", |v| v["record"]["pharmacy_id"] = json!("PH-01"),
        &[("delivery-pharmacy", "/pharmacy_id")]),
    ("pharmacy-field", "sertraline", |v| { remove(v, "/record", "refills"); remove(v, "/record", "sig_text"); },
        &[("pharmacy-field", "/refills"), ("pharmacy-field", "/sig_text")]),
    ("signature-missing", "sertraline", |v| remove(v, "/record", "signed_at"),
        &[("signature-missing", "/signed_at")]),
    ("signature-future", "sertraline", |v| { v["record"]["signed_at"] = json!("2026-11-26T00:00:00-05:00"); v["record"]["start_date"] = json!("2026-11-27"); },
        &[("signature-future", "/signed_at")]),
    ("client-missing", "sertraline", |v| remove(v, "/record", "episode_id"),
        &[("client-missing", "/episode_id")]),
    ("client-episode", "sertraline", |v| v["record"]["client_no"] = json!("C-1001"),
        &[("client-episode", "/client_no")]),
    ("decline-missing", "naltrexone-declined", |v| remove(v, "/record", "decline"),
        &[("decline-missing", "/decline")]),
    ("decline-state", "naltrexone-declined", |v| v["record"]["state"] = json!("proposed"),
        &[("decline-state", "/decline")]),
    ("decline-education", "naltrexone-declined", |v| v["record"]["decline"]["education_given"] = json!(false),
        &[("decline-education", "/decline/education_given")]),
    ("state-reason", "quetiapine-on-hold", |v| remove(v, "/record", "state_reason"),
        &[("state-reason", "/state_reason")]),
    ("dates-stop", "clonazepam-taper", |v| v["record"]["stop_date"] = json!("2026-11-23"),
        &[("dates-order", "/stop_date")]),
    ("dates-expiry", "methadone-pain-second", |v| v["record"]["expires_on"] = json!("2026-12-21"),
        &[("dates-order", "/expires_on")]),
    ("dates-before-signature", "methadone-pain-first", |v| v["record"]["earliest_fill_date"] = json!("2026-11-22"),
        &[("dates-order", "/earliest_fill_date")]),
    ("dates-history", "sertraline-solution", |v| v["record"]["history"][1]["at"] = json!("2026-11-18T00:00:00Z"),
        &[("dates-order", "/history/1/at")]),
    ("dates-decline", "naltrexone-declined", |v| v["record"]["decline"]["date"] = json!("2026-11-25"),
        &[("dates-order", "/decline/date")]),
    ("dates-monitoring", "lorazepam-prn", |v| v["record"]["pdmp_checked_on"] = json!("2026-11-25"),
        &[("dates-order", "/pdmp_checked_on")]),
    ("start-before-signature", "sertraline", |v| v["record"]["start_date"] = json!("2026-11-19"),
        &[("start-before-signature", "/start_date")]),
    ("taper-steps", "clonazepam-taper", |v| remove(v, "/record", "taper_steps"),
        &[("taper-steps", "/taper_steps")]),
    ("taper-order", "clonazepam-taper", |v| v["record"]["taper_steps"][1]["day_from"] = json!(7),
        &[("taper-order", "/taper_steps/1/day_from")]),
    ("dose-range", "lorazepam-prn", |v| v["record"]["dose_max"] = json!(0.5),
        &[("dose-range", "/dose_max")]),
    ("quantity-fixed", "sertraline", |v| v["record"]["qty"] = json!(60),
        &[("quantity-days-supply", "/qty")]),
    ("quantity-taper", "clonazepam-taper", |v| v["record"]["qty"] = json!(90),
        &[("quantity-days-supply", "/qty")]),
];

fn remove(v: &mut Value, parent: &str, key: &str) {
    if let Some(Value::Object(map)) = v.pointer_mut(parent) {
        map.shift_remove(key);
    }
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn good(case: &str) -> Value {
    let path = fixtures().join(format!("medication-request/{case}/record.json"));
    serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON")
}

fn read(whole: &Value) -> (MedicationRequest, Context) {
    (
        serde_json::from_value(whole["record"].clone()).expect("an order"),
        serde_json::from_value(whole["context"].clone()).expect("a context"),
    )
}

fn broken(from: &str, how: Break) -> Value {
    let mut whole = good(from);
    how(&mut whole);
    let keep = whole
        .as_object_mut()
        .expect("an object")
        .shift_remove("keep");
    let (order, context) = read(&whole);
    if keep.is_none() && order.epcs.is_some() {
        whole["record"]["epcs"]["signature_hash"] = json!(order.signature_hash(&context));
    }
    whole
}

#[test]
fn good_orders_break_no_rule() {
    let env = MapEnv::example();
    for entry in std::fs::read_dir(fixtures().join("medication-request")).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let case = name.to_str().expect("a name");
        let (order, context) = read(&good(case));
        let issues = order.rules(&context, &env);
        assert!(issues.is_empty(), "{case}: {issues:?}");
    }
}

#[test]
fn each_broken_order_is_told_by_its_rule_and_place() {
    let env = MapEnv::example();
    let mut wrong = Vec::new();
    for (name, from, how, expected) in BROKEN {
        let whole = broken(from, *how);
        let (order, context) = read(&whole);
        let issues = order.rules(&context, &env);
        let mut told: Vec<(&str, &str)> = issues
            .iter()
            .map(|i| (i.rule.as_ref(), i.path.as_str()))
            .collect();
        told.sort_unstable();
        if told != *expected {
            wrong.push(format!("{name}: {told:?}"));
            continue;
        }
        let told = serde_json::to_value(&issues).expect("JSON");
        if !issues.iter().any(crate::issue::Issue::is_error) {
            continue; // A warning keeps nothing out.
        }
        let folder = fixtures().join(format!("rejected/medication-request-{name}"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::create_dir_all(&folder).expect("a folder");
            for (file, value) in [("record.json", &whole), ("issues.json", &told)] {
                let text = serde_json::to_string_pretty(value).expect("JSON") + "\n";
                std::fs::write(folder.join(file), text).expect("written");
            }
        }
        for (file, value) in [("record.json", &whole), ("issues.json", &told)] {
            let there: Value =
                serde_json::from_slice(&std::fs::read(folder.join(file)).expect("a fixture"))
                    .expect("JSON");
            assert_eq!(there, *value, "{name}/{file}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rule_has_an_order_that_breaks_it() {
    let ids = regex::Regex::new(
        r#"(?:broken|doubtful)\(\s*"([a-z-]+)"|Issue::error\(\s*"[a-z-]+",\s*"([a-z-]+)""#,
    )
    .expect("a pattern");
    let mut rules: BTreeSet<&str> = BTreeSet::from(["npi-check-digit", "dea-check-digit"]);
    for source in [
        include_str!("mod.rs"),
        include_str!("controlled.rs"),
        include_str!("regimen.rs"),
    ] {
        for found in ids.captures_iter(source) {
            let id = found.get(1).or_else(|| found.get(2)).expect("one of them");
            rules.insert(id.as_str());
        }
    }
    assert!(rules.len() > 25, "the pattern finds the rules");
    let broken: BTreeSet<&str> = BROKEN
        .iter()
        .flat_map(|(_, _, _, expected)| expected.iter().map(|(rule, _)| *rule))
        .collect();
    assert_eq!(rules, broken);
}

#[test]
fn what_is_taken_back_gets_through_whatever_was_wrong() {
    let env = MapEnv::example();
    for (name, from, how, _) in BROKEN.iter().copied() {
        let mut whole = broken(from, how);
        whole["record"]["state"] = json!("error");
        whole["record"]["state_reason"] = json!({"code": "mistake"});
        remove(&mut whole, "/record", "decline");
        let (order, context) = read(&whole);
        let stubborn: Vec<_> = order
            .rules(&context, &env)
            .into_iter()
            .filter(|i| !i.rule.starts_with("client-"))
            .collect();
        assert!(stubborn.is_empty(), "{name}: {stubborn:?}");
    }
}
