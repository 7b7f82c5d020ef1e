//! Slices by what their extensions say, slices of slices; and sets that cannot be told.

use serde_json::{Value, json};

use super::*;

/// All issues of a resource, as (rule, path).
fn issues(validator: &Validator, resource: &Value) -> Vec<(String, String)> {
    let found = validator.check(resource, &[]).into_iter();
    let found = found.filter(|issue| issue.rule != "dom-6");
    found
        .map(|issue| (issue.rule.to_string(), issue.path))
        .collect()
}

fn loaded(definitions: &[Value]) -> Validator {
    let mut all = Definitions::default();
    definitions.iter().for_each(|each| all.add(each));
    Validator::load(Options {
        definitions: all,
        ..Options::default()
    })
}

fn profile(elements: Value) -> Value {
    json!({"resourceType": "StructureDefinition", "url": "http://a.test/p", "version": "1", "kind": "resource",
        "abstract": false, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": elements}})
}

fn patient(identifiers: Value) -> Value {
    json!({"resourceType": "Patient", "meta": {"profile": ["http://a.test/p"]}, "identifier": identifiers})
}

/// An extension whose value is fixed, where one is given.
fn extension(url: &str, fixed: Option<&str>) -> Value {
    let mut value = json!({"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1,
        "type": [{"code": "code"}]});
    if let Some(fixed) = fixed {
        value["fixedCode"] = fixed.into();
    }
    json!({"resourceType": "StructureDefinition", "url": url, "version": "1", "kind": "complex-type",
        "abstract": false, "type": "Extension", "derivation": "constraint",
        "context": [{"type": "element", "expression": "Element"}],
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "differential": {"element": [{"id": "Extension.url", "path": "Extension.url", "fixedUri": url}, value]}})
}

fn ranked(rank: &str) -> Value {
    json!({"value": "x", "extension": [{"url": "http://a.test/rank", "valueCode": rank}]})
}

fn sliced(discriminator: Value, slices: Vec<Value>) -> Value {
    let mut all = vec![
        json!({"id": "Patient.identifier", "path": "Patient.identifier",
            "slicing": {"discriminator": [discriminator], "rules": "closed"}}),
    ];
    all.extend(slices);
    profile(Value::Array(all))
}

/// A slice of identifiers that have the extension, with what the profile says of its value.
fn slice(name: &str, min: u32, value: Option<&str>) -> Vec<Value> {
    let id = format!("Patient.identifier:{name}");
    let mut all = vec![
        json!({"id": id, "path": "Patient.identifier", "sliceName": name, "min": min, "max": "1"}),
        json!({"id": format!("{id}.extension:rank"), "path": "Patient.identifier.extension", "sliceName": "rank",
            "min": 1, "type": [{"code": "Extension", "profile": ["http://a.test/rank"]}]}),
    ];
    if let Some(value) = value {
        all.push(json!({"id": format!("{id}.extension:rank.value[x]"),
            "path": "Patient.identifier.extension.value[x]", "fixedCode": value}));
    }
    all
}

#[test]
fn slices_are_known_by_what_an_extension_says() {
    let by_value = json!({"type": "value", "path": "extension('http://a.test/rank').value"});
    let slices = [slice("first", 1, Some("1")), slice("second", 0, Some("2"))].concat();
    let rank = extension("http://a.test/rank", None);
    let validator = loaded(&[rank, sliced(by_value.clone(), slices)]);
    let place = "Patient.identifier";
    assert_eq!(
        issues(&validator, &patient(json!([ranked("1"), ranked("2")]))),
        []
    );
    let twice = issues(&validator, &patient(json!([ranked("1"), ranked("1")])));
    assert_eq!(twice, [("slice-max".to_owned(), "Patient".to_owned())]);
    let none = issues(&validator, &patient(json!([ranked("2"), ranked("3")])));
    let closed = ("slice-closed".to_owned(), format!("{place}[1]"));
    assert_eq!(
        none,
        [
            closed.clone(),
            ("slice-min".to_owned(), "Patient".to_owned())
        ]
    );
    // The value is fixed in the extension's own definition.
    let fixed = extension("http://a.test/rank", Some("1"));
    let validator = loaded(&[fixed, sliced(by_value, slice("first", 1, None))]);
    assert_eq!(issues(&validator, &patient(json!([ranked("1")]))), []);
    assert!(issues(&validator, &patient(json!([ranked("1"), ranked("3")]))).contains(&closed));
}

#[test]
fn slices_are_known_by_whether_an_extension_is_there() {
    let by_presence = json!({"type": "exists", "path": "extension('http://a.test/rank')"});
    let mut slices = slice("with", 1, None);
    slices.push(json!({"id": "Patient.identifier:without", "path": "Patient.identifier", "sliceName": "without",
        "max": "1"}));
    slices.push(json!({"id": "Patient.identifier:without.extension:rank", "path": "Patient.identifier.extension",
        "sliceName": "rank", "max": "0", "type": [{"code": "Extension", "profile": ["http://a.test/rank"]}]}));
    let validator = loaded(&[
        extension("http://a.test/rank", None),
        sliced(by_presence, slices),
    ]);
    let plain = || json!({"value": "x"});
    assert_eq!(
        issues(&validator, &patient(json!([ranked("1"), plain()]))),
        []
    );
    let twice = issues(&validator, &patient(json!([ranked("1"), plain(), plain()])));
    assert_eq!(twice, [("slice-max".to_owned(), "Patient".to_owned())]);
    let none = issues(&validator, &patient(json!([plain()])));
    assert_eq!(none, [("slice-min".to_owned(), "Patient".to_owned())]);
}

#[test]
fn a_slice_is_sliced_again_among_its_members() {
    let element = |id: &str, more: Value| {
        let mut out = json!({"id": format!("Patient.{id}"),
            "path": format!("Patient.{}", id.split('.').map(|s| s.split(':').next().unwrap_or(s)).collect::<Vec<_>>().join("."))});
        if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
            out.extend(more);
        }
        out
    };
    let by = |path: &str, rules: &str| json!({"discriminator": [{"type": "value", "path": path}], "rules": rules});
    let validator = loaded(&[profile(json!([
        element("identifier", json!({"slicing": by("system", "open")})),
        element(
            "identifier:own",
            json!({"sliceName": "own", "max": "*", "slicing": by("use", "closed")})
        ),
        element(
            "identifier:own.system",
            json!({"min": 1, "fixedUri": "http://own.test"})
        ),
        element(
            "identifier:own/mrn",
            json!({"sliceName": "own/mrn", "min": 1, "max": "1"})
        ),
        element(
            "identifier:own/mrn.use",
            json!({"min": 1, "fixedCode": "official"})
        ),
        element(
            "identifier:own/old",
            json!({"sliceName": "own/old", "max": "1"})
        ),
        element(
            "identifier:own/old.use",
            json!({"min": 1, "fixedCode": "old"})
        ),
        element("identifier:own/old.period", json!({"min": 1})),
    ]))]);
    let own = |usage: &str| json!({"system": "http://own.test", "value": "x", "use": usage});
    let old = || json!({"system": "http://own.test", "value": "x", "use": "old", "period": {"end": "2020"}});
    let other = || json!({"system": "http://other.test", "value": "x", "use": "temp"});
    let told = |all: Value| issues(&validator, &patient(all));
    let at = |rule: &str, path: &str| (rule.to_owned(), path.to_owned());
    assert_eq!(told(json!([own("official"), other(), old(), other()])), []);
    assert_eq!(
        told(json!([other(), other()])),
        [],
        "without members nothing is asked of them"
    );
    assert_eq!(told(json!([old()])), [at("slice-min", "Patient")]);
    assert_eq!(
        told(json!([own("official"), own("official")])),
        [at("slice-max", "Patient")]
    );
    let odd = told(json!([other(), own("official"), own("temp")]));
    assert_eq!(odd, [at("slice-closed", "Patient.identifier[2]")]);
    let lacking = told(json!([own("official"), own("old")]));
    assert_eq!(lacking, [at("cardinality-min", "Patient.identifier[1]")]);
}

/// A profile whose marital status is bound so.
fn bound(strength: &str, set: &str) -> Value {
    profile(
        json!([{"id": "Patient.maritalStatus", "path": "Patient.maritalStatus",
        "binding": {"strength": strength, "valueSet": set}}]),
    )
}

fn married(code: &str) -> Value {
    json!({"resourceType": "Patient", "meta": {"profile": ["http://a.test/p"]},
        "maritalStatus": {"coding": [{"system": "http://a.test/s", "code": code}]}})
}

fn set(compose: Value) -> Value {
    json!({"resourceType": "ValueSet", "url": "http://a.test/set", "status": "active", "compose": compose})
}

fn system() -> Value {
    json!({"resourceType": "CodeSystem", "url": "http://a.test/s", "status": "active", "content": "complete",
        "caseSensitive": true, "concept": [{"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]})
}

/// What is told of a code in a profile's set, R4's own binding aside.
fn told(strength: &str, compose: &Value, code: &str) -> Vec<(Severity, String)> {
    let validator = loaded(&[
        system(),
        set(compose.clone()),
        bound(strength, "http://a.test/set"),
    ]);
    let found = validator.check(&married(code), &[]).into_iter();
    let of_profile = found.filter(|issue| issue.profile.is_some());
    of_profile
        .map(|issue| (issue.severity, issue.rule.to_string()))
        .collect()
}

#[test]
fn each_strength_says_what_it_may_and_no_set_passes_untold() {
    let known = json!({"include": [{"system": "http://a.test/s"}]});
    let elsewhere =
        json!({"include": [{"system": "http://elsewhere.test"}, {"valueSet": ["http://no.test"]}]});
    let all = |severity, rule: &str| vec![(severity, rule.to_owned())];
    for (strength, severity) in [
        ("required", Severity::Error),
        ("extensible", Severity::Warning),
        ("preferred", Severity::Information),
    ] {
        assert_eq!(told(strength, &known, "a"), []);
        let odd = json!({"include": [{"system": "http://a.test/s", "concept": [{"code": "a"}]}]});
        assert_eq!(
            told(strength, &odd, "c"),
            all(severity, &format!("binding-{strength}"))
        );
        let untold = match strength {
            "preferred" => Vec::new(),
            _ => all(Severity::Information, "binding-not-checked"),
        };
        assert_eq!(told(strength, &elsewhere, "a"), untold);
    }
    assert_eq!(told("example", &known, "x").len(), 0);
}

#[test]
fn what_may_be_excluded_is_not_passed() {
    let whole = json!([{"system": "http://a.test/s"}]);
    let in_set = |exclude: Value, code: &str| {
        let compose = json!({"include": whole, "exclude": exclude});
        let found = told("required", &compose, code);
        found
            .first()
            .map_or("in".to_owned(), |(_, rule)| rule.clone())
    };
    let filter = |op: &str, value: &str| json!([{"system": "http://a.test/s", "filter": [{"property": "concept", "op": op, "value": value}]}]);
    assert_eq!(in_set(filter("is-a", "a"), "b"), "binding-required");
    assert_eq!(in_set(filter("is-a", "a"), "c"), "in");
    assert_eq!(in_set(filter("not-in", "a,b"), "c"), "binding-required");
    assert_eq!(in_set(filter("not-in", "a,b"), "b"), "in");
    // Nobody can tell what these take away.
    let unknown = json!([{"system": "http://a.test/s", "filter": [{"property": "colour", "op": "=", "value": "red"}]}]);
    assert_eq!(in_set(unknown, "a"), "binding-not-checked");
    assert_eq!(
        in_set(json!([{"valueSet": ["http://no.test"]}]), "a"),
        "binding-not-checked"
    );
    // A system that is not here is no part of what is left.
    assert_eq!(
        in_set(json!([{"system": "http://elsewhere.test"}]), "a"),
        "in"
    );
}
