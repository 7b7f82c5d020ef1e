//! One broken record per rule of the context kinds and plans, made from a good one; each is a folder
//! under `fixtures/rejected`. And the FHIR that the good ones become, kept beside them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::issue::Issue;
use crate::record::{Kind, MapEnv, contract};

/// What is done to `{"record", "context"}`.
type Break = fn(&mut Value);

/// Kind, name of the case, the good fixture, what is done to it, and the rules and places that must be
/// told, exactly.
type Broken = (
    Kind,
    &'static str,
    &'static str,
    Break,
    &'static [(&'static str, &'static str)],
);

fn remove(value: &mut Value, parent: &str, key: &str) {
    if let Some(Value::Object(map)) = value.pointer_mut(parent) {
        map.shift_remove(key);
    }
}

#[rustfmt::skip]
const BROKEN: &[Broken] = &[
    (Kind::Client, "birth-future", "C-1001", |v| v["record"]["birth_date"] = json!("2026-11-25"),
        &[("date-not-future", "/birth_date")]),
    (Kind::Staff, "npi", "S-01", |v| v["record"]["npi"] = json!("1003000135"),
        &[("npi-check-digit", "/npi")]),
    (Kind::Staff, "dea", "S-01", |v| v["record"]["dea_no"] = json!("AF1234564"),
        &[("dea-check-digit", "/dea_no")]),
    (Kind::Pharmacy, "npi", "PH-01", |v| v["record"]["npi"] = json!("1003000127"),
        &[("npi-check-digit", "/npi")]),
    (Kind::Laboratory, "npi", "L-01", |v| v["record"]["npi"] = json!("2003000127"),
        &[("npi-check-digit", "/npi")]),
    (Kind::Episode, "dates", "E-1012", |v| v["record"]["admit_date"] = json!("2026-11-17"),
        &[("dates-in-order", "/discharge_date"), ("dates-in-order", "/step_down_date")]),
    (Kind::Episode, "before-birth", "E-1006", |v| v["record"]["admit_date"] = json!("1999-01-01"),
        &[("dates-in-order", "/admit_date")]),
    (Kind::Consent, "expires-before", "CO-1003", |v| v["record"]["expires_on"] = json!("2026-10-04"),
        &[("dates-in-order", "/expires_on")]),
    (Kind::Consent, "revoked-before", "CO-1008", |v| v["record"]["revoked_on"] = json!("2026-08-16"),
        &[("dates-in-order", "/revoked_on")]),
    (Kind::Consent, "signed-future", "CO-1001", |v| v["record"]["signed_on"] = json!("2026-12-01"),
        &[("date-not-future", "/signed_on")]),
    (Kind::Consent, "family-purpose", "CO-1001", |v| v["record"]["purpose"] = json!(["treatment", "family"]),
        &[("consent-purpose", "/purpose")]),
    (Kind::ClientMerge, "itself", "M-01", |v| v["record"]["merged_client_no"] = json!("C-1007"),
        &[("merge-itself", "/merged_client_no")]),
    (Kind::Evaluation, "future", "EV-1007", |v| v["record"]["date"] = json!("2026-11-30"),
        &[("date-not-future", "/date")]),
    (Kind::Evaluation, "problem-twice", "EV-1001", |v| v["record"]["problems"][1]["no"] = json!(1),
        &[("problem-no-unique", "/problems/1/no")]),
    (Kind::Evaluation, "active-resolved", "EV-1011", |v| v["record"]["problems"][1]["status"] = json!("active"),
        &[("problem-active", "/problems/1/resolved_date")]),
    (Kind::Evaluation, "onset-after", "EV-1001", |v| v["record"]["problems"][0]["onset_date"] = json!("2026-09-08"),
        &[("dates-in-order", "/problems/0/onset_date")]),
    (Kind::Evaluation, "evaluator", "EV-1001", |v| remove(v, "/context", "staff"),
        &[("staff-unknown", "/evaluator_staff_id")]),
    (Kind::Evaluation, "other-substance", "EV-1002", |v| v["record"]["substance_history"][0]["substance"] = json!("other"),
        &[("substance-detail", "/substance_history/0/detail")]),
    (Kind::CarePlan, "nobodys", "draft-minimal", |v| { remove(v, "/record", "episode_id"); remove(v, "/context", "episode"); },
        &[("client-known", "/episode_id")]),
    (Kind::CarePlan, "other-client", "draft-minimal", |v| v["record"]["client_no"] = json!("C-1001"),
        &[("client-episode", "/client_no")]),
    (Kind::CarePlan, "signed-and-declined", "full-opioid", |v| v["record"]["declined_to_sign"] = json!(true),
        &[("signed-or-declined", "/declined_to_sign")]),
    (Kind::CarePlan, "dates", "full-opioid", |v| { v["record"]["end"] = json!("2026-09-08"); v["record"]["reviews"][1]["date"] = json!("2026-10-04"); },
        &[("dates-in-order", "/end"), ("dates-in-order", "/reviews/1/date")]),
    (Kind::CarePlan, "review-future", "full-opioid", |v| v["record"]["reviews"][1]["date"] = json!("2026-11-25"),
        &[("date-not-future", "/reviews/1/date")]),
    (Kind::CarePlan, "goal-twice", "bipolar-lithium", |v| v["record"]["goals"][1]["id"] = json!("g1"),
        &[("part-known", "/interventions/0/goals/1"), ("part-unique", "/goals/1/id")]),
    (Kind::CarePlan, "phase-unknown", "full-opioid", |v| v["record"]["interventions"][0]["phase"] = json!("ph9"),
        &[("part-known", "/interventions/0/phase")]),
    (Kind::CarePlan, "two-phases", "full-opioid", |v| v["record"]["phases"][2]["state"] = json!("current"),
        &[("phase-current", "/phases")]),
    (Kind::CarePlan, "problem-unknown", "full-opioid", |v| v["record"]["problems"][1]["no"] = json!(9),
        &[("problem-known", "/problems/1/no")]),
    (Kind::CarePlan, "medication-without-order", "depression", |v| remove(v, "/record/interventions/0", "linked_order_no"),
        &[("medication-order", "/interventions/0/linked_order_no")]),
    (Kind::CarePlan, "other-unnamed", "depression", |v| remove(v, "/record/interventions/2", "text"),
        &[("other-text", "/interventions/2/text")]),
    (Kind::CarePlan, "missed-without-reason", "full-opioid", |v| remove(v, "/record/interventions/4", "missed_reason"),
        &[("missed-reason", "/interventions/4/missed_reason")]),
    (Kind::CarePlan, "reason-without-miss", "full-opioid", |v| v["record"]["interventions"][0]["missed_reason"] = json!("x"),
        &[("missed-reason", "/interventions/0/missed_reason")]),
    (Kind::CarePlan, "decision-by-nobody", "full-opioid", |v| v["record"]["reviews"][0]["decisions"][0]["by_staff_id"] = json!("S-99"),
        &[("staff-unknown", "/reviews/0/decisions/0/by_staff_id")]),
    (Kind::CarePlan, "two-leads", "full-opioid", |v| v["record"]["team"][1]["lead"] = json!(true),
        &[("team-lead", "/team")]),
    (Kind::CarePlan, "family-without-consent", "full-opioid", |v| remove(v, "/record/family", "consent_id"),
        &[("family-consent", "/family/consent_id")]),
    (Kind::CarePlan, "family-consent-revoked", "taper-family-revoked", |v| v["record"]["family"]["involved"] = json!(true),
        &[("family-consent", "/family/consent_id")]),
    (Kind::CarePlan, "family-consent-of-another-sort", "full-opioid", |v| v["record"]["family"]["consent_id"] = json!("CO-1001"),
        &[("family-consent", "/family/consent_id")]),
    (Kind::CarePlan, "family-consent-of-another-client", "full-opioid", |v| v["context"]["consents"][1]["client_no"] = json!("C-1004"),
        &[("family-consent", "/family/consent_id")]),
    (Kind::CarePlan, "family-session-uninvolved", "full-opioid", |v| v["record"]["family"]["involved"] = json!(false),
        &[("family-consent", "/interventions/3/kind")]),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON")
}

/// Compares a file with what it should hold; with `UPDATE_FIXTURES` writes it first.
fn kept(path: &Path, value: &Value) {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let text = serde_json::to_string_pretty(value).expect("JSON") + "\n";
        std::fs::write(path, text).expect("written");
    }
    assert_eq!(read(path), *value, "{}", path.display());
}

fn broken(case: &Broken) -> (Value, Vec<Issue>) {
    let (kind, name, from, how, _) = case;
    let mut whole = read(
        &fixtures()
            .join(kind.as_str())
            .join(from)
            .join("record.json"),
    );
    how(&mut whole);
    let record = contract::parse(*kind, &whole["record"])
        .unwrap_or_else(|issues| panic!("{kind} {name}: {issues:?}"));
    let context = contract::parse_context(&whole["context"])
        .unwrap_or_else(|issues| panic!("{kind} {name}: {issues:?}"));
    let issues = record.rules(&context, &MapEnv::example());
    (whole, issues)
}

#[test]
fn every_broken_record_is_refused_with_its_rule_and_its_place_and_nothing_else() {
    let mut wrong = Vec::new();
    for case in BROKEN {
        let (kind, name, _, _, expected) = case;
        let (whole, issues) = broken(case);
        let mut told: Vec<(&str, &str)> = issues
            .iter()
            .map(|i| (i.rule.as_ref(), i.path.as_str()))
            .collect();
        told.sort_unstable();
        if told != *expected {
            wrong.push(format!("{kind} {name}: {told:?}"));
            continue;
        }
        let folder = fixtures().join(format!("rejected/{kind}-{name}"));
        kept(&folder.join("record.json"), &whole);
        kept(
            &folder.join("issues.json"),
            &serde_json::to_value(&issues).expect("JSON"),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rule_of_these_kinds_has_a_record_that_breaks_it() {
    let ids = regex::Regex::new(r#"(?:broken\(|Issue::error\(\s*"[a-z-]+",)\s*"([a-z-]+)""#)
        .expect("a pattern");
    let mut rules = BTreeSet::new();
    for source in [
        include_str!("care_plan/rules.rs"),
        include_str!("evaluation/rules.rs"),
        include_str!("client_merge/model.rs"),
        include_str!("consent/model.rs"),
        include_str!("dates.rs"),
        include_str!("registration.rs"),
    ] {
        rules.extend(ids.captures_iter(source).map(|found| found[1].to_owned()));
    }
    assert!(rules.len() > 15, "the pattern finds the rules");
    let tried: BTreeSet<String> = BROKEN
        .iter()
        .flat_map(|(_, _, _, _, expected)| expected.iter().map(|(rule, _)| (*rule).to_owned()))
        .collect();
    assert_eq!(rules, tried);
}

#[test]
fn a_plan_written_by_mistake_is_taken_back_whatever_was_wrong_with_it() {
    for case in BROKEN.iter().filter(|c| c.0 == Kind::CarePlan) {
        let (mut whole, _) = broken(case);
        if case.1 == "nobodys" || case.1 == "other-client" || case.1 == "signed-and-declined" {
            continue;
        }
        whole["record"]["status"] = json!("error");
        let record = contract::parse(Kind::CarePlan, &whole["record"]).expect("a plan");
        let context = contract::parse_context(&whole["context"]).expect("a context");
        assert!(
            record.rules(&context, &MapEnv::example()).is_empty(),
            "{}",
            case.1
        );
    }
}

#[test]
fn an_issue_never_holds_a_value_of_the_record() {
    for case in BROKEN {
        let (whole, issues) = broken(case);
        let told = serde_json::to_string(&issues).expect("JSON");
        assert!(!told.contains("Canary"), "{}", case.1);
        let mut values = Vec::new();
        texts(&whole, &mut values);
        // A code word such as `evaluation` may stand in our own words.
        let code = |v: &str| v.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        for value in values.iter().filter(|v| v.len() > 9 && !code(v)) {
            assert!(!told.contains(value.as_str()), "{} {}", case.0, case.1);
        }
    }
}

fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|v| texts(v, out)),
        Value::Array(items) => items.iter().for_each(|v| texts(v, out)),
        Value::String(text) => out.push(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn the_fhir_beside_each_fixture_is_what_it_becomes() {
    let env = MapEnv::example();
    for kind in [
        Kind::Client,
        Kind::Staff,
        Kind::Pharmacy,
        Kind::Laboratory,
        Kind::Episode,
        Kind::Consent,
        Kind::ClientMerge,
        Kind::Evaluation,
        Kind::CarePlan,
    ] {
        for (name, value, context) in super::context_tests::cases(kind.as_str()) {
            let record = contract::parse(kind, &value).expect("a record");
            let entries: Vec<Value> = record
                .to_fhir(&context, &env)
                .resources
                .into_iter()
                .map(|r| json!({"resource": r.value}))
                .collect();
            let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
            kept(
                &fixtures().join(kind.as_str()).join(name).join("fhir.json"),
                &bundle,
            );
        }
    }
}
