//! The fixtures, each side that exists: `fixtures/<kind>/<case>/{record.json, fhir.json, script.xml}`
//! (the last in `script.rs`) and `fixtures/rejected/<case>/{record.json, issues.json}`.
//!
//! `UPDATE_FIXTURES=1 cargo test --test it fixtures` writes the expected sides anew; read the
//! difference before you keep it.

use std::path::{Path, PathBuf};

use fhir_gateway::fhir::validate::Validator;
use fhir_gateway::issue::{Issue, any_error};
use fhir_gateway::record::{
    self, Context, Kind, MapEnv, Record, care_plan, dispense, exchange, medication_request,
    observation, order_event,
};
use serde_json::Value;

/// A case: its folder, the kind, the record and what it leans on.
pub(crate) struct Case {
    pub(crate) folder: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) record: Record,
    pub(crate) context: Context,
}

impl Case {
    pub(crate) fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        format!("{}/{}", self.kind, name.to_string_lossy())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_FIXTURES").is_some()
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(of)
        .map(|all| all.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    found.retain(|path| path.join("record.json").exists());
    found.sort();
    found
}

fn json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let document = fhir_gateway::json::read(&bytes, &fhir_gateway::json::Limits::default())
        .unwrap_or_else(|issue| panic!("{}: {issue:?}", path.display()));
    assert!(document.duplicates.is_empty(), "{}", path.display());
    document.value
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, format!("{value:#}\n")).expect("a fixture can be written");
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in Kind::ALL {
        for folder in folders(&root().join(kind.as_str())) {
            let (record, context) = exchange::read(kind, &json(&folder.join("record.json")))
                .unwrap_or_else(|issues| panic!("{}: {issues:?}", folder.display()));
            cases.push(Case {
                folder,
                kind,
                record,
                context,
            });
        }
    }
    cases
}

/// The declared losses of a kind.
fn losses(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::MedicationRequest => medication_request::LOSSES,
        Kind::Observation => observation::LOSSES,
        Kind::CarePlan => care_plan::LOSSES,
        Kind::Dispense => dispense::LOSSES,
        Kind::OrderEvent => order_event::LOSSES,
        Kind::Client
        | Kind::Staff
        | Kind::Pharmacy
        | Kind::Laboratory
        | Kind::Episode
        | Kind::Evaluation
        | Kind::Consent
        | Kind::ClientMerge => &[],
    }
}

/// Whether a declared loss covers a pointer (`*` stands for one step).
fn lost(losses: &[(&str, &str)], pointer: &str) -> bool {
    losses.iter().any(|(pattern, _)| {
        let mut steps = pointer.split('/');
        pattern
            .split('/')
            .all(|p| steps.next().is_some_and(|s| p == "*" || p == s))
    })
}

/// All leaves that no declared loss covers: pointer and value, sorted.
fn leaves(value: &Value, at: &str, losses: &[(&str, &str)], out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                leaves(value, &format!("{at}/{key}"), losses, out);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                leaves(value, &format!("{at}/{i}"), losses, out);
            }
        }
        leaf => {
            if !lost(losses, at) {
                out.push((at.to_owned(), leaf.to_string()));
            }
        }
    }
    if at.is_empty() {
        out.sort();
    }
}

pub(crate) fn kept(value: &Value, losses: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    leaves(value, "", losses, &mut out);
    out
}

#[test]
fn every_kind_has_fixtures() {
    let cases = cases();
    for kind in Kind::ALL {
        assert!(cases.iter().any(|c| c.kind == kind), "{kind}");
    }
    let count = |kind| cases.iter().filter(|c| c.kind == kind).count();
    assert!(count(Kind::Client) >= 12 && count(Kind::Observation) >= 12);
}

#[test]
fn records_become_the_fhir_that_is_expected_and_come_back() {
    let env = MapEnv::example();
    let mut compared = 0;
    for case in cases() {
        let name = case.name();
        let mapped = case.record.to_fhir(&case.context, &env);
        assert!(!any_error(&mapped.issues), "{name}: {:?}", mapped.issues);
        let bundle = exchange::to_bundle(&mapped);
        let path = case.folder.join("fhir.json");
        if updating() {
            write(&path, &bundle);
        }
        if path.exists() {
            assert_eq!(json(&path), bundle, "{name}: record → FHIR");
            compared += 1;
        }
        let own: Vec<Value> = exchange::resources(&bundle);
        let back = record::from_fhir(case.kind, &own, &env)
            .unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
        let losses = losses(case.kind);
        assert_eq!(
            kept(&case.record.to_json(), losses),
            kept(&back.record, losses),
            "{name}: FHIR → record"
        );
    }
    assert!(compared >= 12, "only {compared} expected FHIR sides");
}

#[test]
fn every_field_of_a_fixture_is_carried_or_said_not_to_be() {
    let env = MapEnv::example();
    for case in cases() {
        let mapped = case.record.to_fhir(&case.context, &env);
        for (leaf, _) in kept(&case.record.to_json(), &[]) {
            let covers = |p: &str| leaf == p || leaf.starts_with(&format!("{p}/"));
            assert!(
                mapped.made.iter().any(|m| covers(&m.from))
                    || mapped.not_carried.iter().any(|n| covers(&n.pointer)),
                "{}: nobody says what became of {leaf}",
                case.name()
            );
        }
    }
}

#[test]
fn what_was_entered_in_error_is_taken_back() {
    let mut seen = 0;
    for case in cases() {
        let path = case.folder.join("fhir.json");
        if !path.exists() {
            continue;
        }
        let says = json(&path)["entry"][0]["resource"]["status"] == "entered-in-error";
        let knows = match &case.record {
            Record::MedicationRequest(order) => {
                order.standing() == medication_request::Standing::Ended
            }
            record => record.entered_in_error(),
        };
        assert!(knows || !says, "{}", case.name());
        seen += usize::from(says);
    }
    assert!(seen > 2, "{seen}");
}

#[test]
fn what_fixtures_become_is_valid_fhir() {
    let env = MapEnv::example();
    let validator = Validator::standard();
    let mut wrong = Vec::new();
    for case in cases() {
        for resource in case.record.to_fhir(&case.context, &env).resources {
            let profiles: Vec<&str> = resource.profile.into_iter().collect();
            let unknown = profiles.iter().filter(|profile| !validator.knows(profile));
            wrong.extend(unknown.map(|p| format!("{}: no profile {p}", case.name())));
            let issues = validator.check(&resource.value, &profiles);
            wrong.extend(issues.into_iter().filter(Issue::is_error).map(|issue| {
                let at = format!("{} {}", case.name(), resource.part);
                format!("{at}: {} {} {}", issue.rule, issue.path, issue.message)
            }));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rejected_fixtures_are_refused_for_what_is_expected() {
    let env = MapEnv::example();
    let cases = folders(&root().join("rejected"));
    assert!(cases.len() >= 20);
    for folder in cases {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let kind = Kind::ALL
            .into_iter()
            .filter(|k| name.starts_with(&format!("{k}-")))
            .max_by_key(|k| k.as_str().len())
            .unwrap_or_else(|| panic!("{name} begins with no kind"));
        let found = refused(kind, &json(&folder.join("record.json")), &env);
        assert!(any_error(&found), "{name} is not refused");
        let text = serde_json::to_string(&found).expect("JSON");
        assert!(!text.contains("Canary"), "{name} tells a value");
        let found: Value = serde_json::from_str(&text).expect("JSON");
        let path = folder.join("issues.json");
        if updating() {
            write(&path, &found);
        }
        assert_eq!(json(&path), found, "{name}");
    }
}

/// The issues of a record by its contract, else by its rules; pointers into the record.
fn refused(kind: Kind, value: &Value, env: &MapEnv) -> Vec<Issue> {
    match exchange::read(kind, value) {
        Ok((record, context)) => record.rules(&context, env),
        Err(mut issues) => {
            for issue in &mut issues {
                if let Some(rest) = issue.path.strip_prefix("/record") {
                    issue.path = rest.to_owned();
                }
            }
            issues
        }
    }
}

#[test]
fn a_bundle_brings_the_context_back_with_the_record() {
    let env = MapEnv::example();
    let mut tried = 0;
    for case in cases() {
        if !matches!(
            case.kind,
            Kind::MedicationRequest | Kind::Observation | Kind::CarePlan
        ) {
            continue;
        }
        let name = case.name();
        let mapped = case.record.to_fhir(&case.context, &env);
        let bundle = exchange::to_bundle_with(&mapped, &case.context, &env);
        let resources = exchange::resources(&bundle);
        let (_, context, _) = exchange::from_bundle(case.kind, &resources, &env)
            .unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
        assert_eq!(context.client, case.context.client, "{name}");
        assert_eq!(context.pharmacy, case.context.pharmacy, "{name}");
        assert_eq!(context.episode, case.context.episode, "{name}");
        assert_eq!(context.laboratory, case.context.laboratory, "{name}");
        assert_eq!(context.prescriber, case.context.prescriber, "{name}");
        tried += 1;
    }
    assert!(tried >= 12);
}
