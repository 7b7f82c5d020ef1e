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

/// What the contract of a kind says against a value: pointers and rules.
pub(crate) fn against_contract(kind: Kind, record: &Value) -> Vec<String> {
    crate::record::contract::check(kind, record)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|i| format!("{} ({})", i.path, i.rule))
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

/// All leaves of a value, as JSON pointers.
fn leaves(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                leaves(value, &format!("{at}/{key}"), out);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                leaves(value, &format!("{at}/{i}"), out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push(at.to_owned());
        }
    }
}

/// The value that a FHIRPath of `made` names (`Type.a[0].b`).
fn element<'v>(resource: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .skip(1)
        .try_fold(resource, |at, step| match step.split_once('[') {
            Some((name, index)) => at
                .get(name)?
                .get(index.trim_end_matches(']').parse::<usize>().ok()?),
            None => at.get(step),
        })
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

/// Takes what is declared lost out of a record.
fn without_losses(value: &Value, losses: &[(&str, &str)], at: &str) -> Option<Value> {
    if !at.is_empty() && lost(losses, at) {
        return None;
    }
    Some(match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter_map(|(k, v)| {
                    Some((k.clone(), without_losses(v, losses, &format!("{at}/{k}"))?))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .filter_map(|(i, v)| without_losses(v, losses, &format!("{at}/{i}")))
                .collect(),
        ),
        other => other.clone(),
    })
}

pub(crate) type FromFhirFn =
    fn(&[Value], &MapEnv) -> Result<crate::record::FromFhir, Vec<crate::issue::Issue>>;

/// The laws of a map, on one record: every field is carried or said not to be; what is said to be
/// made is there; the way back gives the record, the declared losses aside, and overlooks nothing of
/// ours.
pub(crate) fn law<M: Mapping>(
    name: &str,
    record: &M,
    context: &Context,
    from_fhir: FromFhirFn,
    losses: &[(&str, &str)],
) {
    let env = MapEnv::example();
    let mapped = record.to_fhir(context, &env);
    assert!(!any_error(&mapped.issues), "{name}: {:?}", mapped.issues);
    let value = serde_json::to_value(record).expect("JSON");
    let mut all = Vec::new();
    leaves(&value, "", &mut all);
    for leaf in &all {
        let covers = |p: &str| leaf == p || leaf.starts_with(&format!("{p}/"));
        let carried = mapped.made.iter().any(|m| covers(&m.from));
        let dropped = mapped.not_carried.iter().any(|n| covers(&n.pointer));
        assert!(
            carried || dropped,
            "{name}: nobody says what became of {leaf}"
        );
        if dropped && !carried {
            assert!(lost(losses, leaf), "{name}: {leaf} is no declared loss");
        }
    }
    for made in &mapped.made {
        let resource = mapped
            .resources
            .iter()
            .find(|r| r.part == made.part)
            .unwrap_or_else(|| panic!("{name}: no part {}", made.part));
        assert!(
            element(&resource.value, &made.element).is_some_and(|v| !v.is_null()),
            "{name}: {} is not there",
            made.element
        );
        assert!(
            value.pointer(&made.from).is_some(),
            "{name}: no field {}",
            made.from
        );
    }
    let bundle: Vec<Value> = mapped.resources.iter().map(|r| r.value.clone()).collect();
    assert!(bundle.iter().all(|r| r["id"].is_string()), "{name}");
    let back = from_fhir(&bundle, &env).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    assert_eq!(
        without_losses(&value, losses, ""),
        without_losses(&back.record, losses, ""),
        "{name}"
    );
    assert!(back.issues.is_empty(), "{name}: {:?}", back.issues);
}

/// Whether a record cannot be mapped because nobody says whose it is.
pub(crate) fn nobodys<M: Mapping>(record: &M, context: &Context) -> bool {
    let mapped = record.to_fhir(context, &MapEnv::example());
    mapped.issues.iter().any(|i| i.rule == "context-client")
}

/// The laws on all fixtures of a kind, and on each of them without each thing it need not have.
pub(crate) fn laws<M: Mapping + DeserializeOwned>(from_fhir: FromFhirFn, losses: &[(&str, &str)]) {
    let mut tried = 0;
    for (name, record, context) in sound::<M>() {
        law(&name, &record, &context, from_fhir, losses);
        let value = serde_json::to_value(&record).expect("JSON");
        let mut droppable = Vec::new();
        members(&value, "", &mut droppable);
        for pointer in droppable {
            let mut less = value.clone();
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            if let Some(Value::Object(map)) = less.pointer_mut(parent) {
                map.shift_remove(key);
            }
            if against_contract(M::KIND, &less).is_empty() {
                let record: M = serde_json::from_value(less).expect("the model reads it");
                if nobodys(&record, &context) {
                    continue;
                }
                law(
                    &format!("{name} without {pointer}"),
                    &record,
                    &context,
                    from_fhir,
                    losses,
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 0 || M::KIND == Kind::ClientMerge);
}

/// All members of objects in a value, as JSON pointers.
pub(crate) fn members(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push(format!("{at}/{key}"));
                members(value, &format!("{at}/{key}"), out);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                members(value, &format!("{at}/{i}"), out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn records_of_the_context_kinds_come_back_from_fhir_as_they_went() {
    laws::<super::client::Client>(super::client::from_fhir, &[]);
    laws::<super::staff::Staff>(super::staff::from_fhir, &[]);
    laws::<super::pharmacy::Pharmacy>(super::pharmacy::from_fhir, &[]);
    laws::<super::laboratory::Laboratory>(super::laboratory::from_fhir, &[]);
    laws::<super::episode::Episode>(super::episode::from_fhir, &[]);
    laws::<super::consent::Consent>(super::consent::from_fhir, &[]);
    laws::<super::client_merge::ClientMerge>(super::client_merge::from_fhir, &[]);
    laws::<super::evaluation::Evaluation>(super::evaluation::from_fhir, &[]);
}

/// All resources that the fixtures of a kind become.
fn resources<M: Mapping + DeserializeOwned>(out: &mut Vec<(String, Option<&'static str>, Value)>) {
    for (name, record, context) in sound::<M>() {
        let mapped = record.to_fhir(&context, &MapEnv::example());
        for resource in mapped.resources {
            let name = format!("{} {name} {}", M::KIND, resource.part);
            out.push((name, resource.profile, resource.value));
        }
    }
}

#[test]
fn what_the_fixtures_become_passes_r4_our_profiles_and_us_core_where_it_claims_them() {
    use crate::fhir::package::{Caps, Package};
    use crate::fhir::validate::{Options, Validator};

    let mut made = Vec::new();
    resources::<super::client::Client>(&mut made);
    resources::<super::staff::Staff>(&mut made);
    resources::<super::pharmacy::Pharmacy>(&mut made);
    resources::<super::laboratory::Laboratory>(&mut made);
    resources::<super::episode::Episode>(&mut made);
    resources::<super::consent::Consent>(&mut made);
    resources::<super::client_merge::ClientMerge>(&mut made);
    resources::<super::evaluation::Evaluation>(&mut made);
    resources::<super::care_plan::CarePlan>(&mut made);
    assert!(made.len() > 90);

    let mut validators = vec![Validator::standard()];
    if let Some(tgz) = crate::fhir::shared::read("packages/hl7.fhir.us.core-7.0.0.tgz") {
        let package = Package::read(&tgz, &Caps::default()).expect("a package");
        validators.push(Validator::load(Options {
            packages: vec![package],
            ..Options::default()
        }));
    }
    let mut wrong = Vec::new();
    for validator in &validators {
        for (name, profile, value) in &made {
            let profiles: Vec<&str> = profile.iter().copied().collect();
            assert!(
                profiles.iter().all(|p| validator.knows(p)),
                "{name}: its profile is unknown"
            );
            for issue in validator.check(value, &profiles) {
                if issue.is_error() {
                    wrong.push(format!(
                        "{name}: {} {} {}",
                        issue.path, issue.rule, issue.message
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The check can fail: what our profiles want beyond R4 is missed when it is gone.
    for (name, profile, value) in made.iter().filter(|(_, profile, _)| profile.is_some()) {
        let mut less = value.clone();
        if let Value::Object(map) = &mut less {
            map.shift_remove("identifier");
            map.shift_remove("category");
        }
        let profiles: Vec<&str> = profile.iter().copied().collect();
        assert!(any_error(&validators[0].check(&less, &profiles)), "{name}");
    }
}
