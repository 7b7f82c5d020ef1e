//! What holds for every kind that others lean on: contract, model, rules. Fixtures are the table.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::issue::any_error;
use crate::record::{Context, Kind, MapEnv, Mapping};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All cases of a kind: name, record, context.
pub(crate) fn cases(folder: &str) -> Vec<(String, Value, Context)> {
    let mut cases: Vec<_> = std::fs::read_dir(root().join(folder))
        .expect("fixtures of the kind")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.join("record.json").exists())
        .map(|path| {
            let text = std::fs::read(path.join("record.json")).expect("readable");
            let mut case: Value = serde_json::from_slice(&text).expect("JSON");
            let context = serde_json::from_value(case["context"].take()).expect("a context");
            let name = path
                .file_name()
                .expect("name")
                .to_string_lossy()
                .into_owned();
            (name, case["record"].take(), context)
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

/// What the contract of a kind says against a value: pointers.
pub(crate) fn against_contract(kind: Kind, record: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(kind.schema()).expect("a schema is JSON");
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema compiles")
        .iter_errors(record)
        .map(|e| format!("{} ({})", e.instance_path(), e.schema_path()))
        .collect()
}

/// The fixtures of a kind, typed; each passes its contract, reads, writes back the same, and breaks
/// no rule.
pub(crate) fn sound<M: Mapping + DeserializeOwned>() -> Vec<(String, M, Context)> {
    let cases = cases(M::KIND.as_str());
    assert!(!cases.is_empty());
    cases
        .into_iter()
        .map(|(name, value, context)| {
            let wrong = against_contract(M::KIND, &value);
            assert!(wrong.is_empty(), "{name}: {wrong:?}");
            let record: M = serde_json::from_value(value.clone())
                .unwrap_or_else(|e| panic!("{name}: the model does not read it: {e}"));
            let back = serde_json::to_value(&record).expect("JSON");
            assert_eq!(value, back, "{name}");
            let issues = record.rules(&context, &MapEnv::example());
            assert!(!any_error(&issues), "{name}: {issues:?}");
            (name, record, context)
        })
        .collect()
}

#[test]
fn fixtures_of_the_context_kinds_keep_their_contracts_and_rules() {
    assert!(sound::<super::client::Client>().len() >= 12);
    assert!(sound::<super::staff::Staff>().len() >= 8);
    assert!(sound::<super::pharmacy::Pharmacy>().len() >= 2);
    sound::<super::laboratory::Laboratory>();
    assert!(sound::<super::evaluation::Evaluation>().len() >= 4);
    assert!(sound::<super::episode::Episode>().len() >= 12);
    assert!(sound::<super::consent::Consent>().len() >= 12);
    sound::<super::client_merge::ClientMerge>();
}

#[test]
fn every_client_of_the_fixtures_carries_the_canary() {
    for (name, client, _) in sound::<super::client::Client>() {
        assert!(client.name.last.starts_with("Canary"), "{name}");
    }
}

#[test]
fn an_unknown_field_a_wrong_type_and_a_bad_code_are_refused_by_every_contract() {
    for kind in [
        Kind::Client,
        Kind::Staff,
        Kind::Pharmacy,
        Kind::Laboratory,
        Kind::Episode,
        Kind::Consent,
        Kind::ClientMerge,
        Kind::Evaluation,
    ] {
        for (name, value, _) in cases(kind.as_str()) {
            let mut extra = value.clone();
            extra["no_such_field"] = Value::Null;
            assert!(!against_contract(kind, &extra).is_empty(), "{kind} {name}");
            for field in value.as_object().expect("object").keys() {
                let mut wrong = value.clone();
                wrong[field] = serde_json::json!({"not": ["this"]});
                let found = against_contract(kind, &wrong);
                assert!(
                    found.iter().any(|p| p.starts_with(&format!("/{field}"))),
                    "{kind} {name} {field}: {found:?}"
                );
            }
        }
    }
}
