//! The validator as a whole: one broken thing each, by rule and place.

use serde_json::{Value, json};

use super::*;
use crate::issue::Severity;

fn observation() -> Value {
    json!({
        "resourceType": "Observation", "id": "a", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-01-02T10:00:00Z",
        "valueQuantity": {"value": 14.20, "system": "http://unitsofmeasure.org", "code": "g/dL"}
    })
}

fn blood_pressure() -> Value {
    let part = |code: &str, value: u32| {
        json!({
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
        })
    };
    json!({
        "resourceType": "Observation", "status": "final",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2026-01-02",
        "component": [part("8480-6", 120), part("8462-4", 80)]
    })
}

/// The errors of a resource, as (rule, path).
fn errors(validator: &Validator, resource: &Value) -> Vec<(String, String)> {
    let issues = validator.check(resource, &[]).into_iter();
    issues
        .filter(|issue| issue.severity == Severity::Error)
        .map(|issue| (issue.rule.into_owned(), issue.path))
        .collect()
}

/// A resource with one place set, or removed for null.
fn with(mut resource: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = resource.pointer_mut(parent).expect("the parent");
    match (parent, value) {
        (Value::Object(map), Value::Null) => {
            map.shift_remove(key);
        }
        (Value::Object(map), value) => {
            map.insert(key.to_owned(), value);
        }
        (Value::Array(items), value) => items[key.parse::<usize>().expect("an index")] = value,
        _ => panic!("neither object nor array"),
    }
    resource
}

#[test]
fn what_is_sound_passes() {
    let validator = Validator::standard();
    assert_eq!(errors(&validator, &observation()), []);
    assert_eq!(errors(&validator, &blood_pressure()), []);
    let checked = validator.certify(observation(), &[]).expect("passes");
    assert_eq!(
        checked.profiles(),
        ["http://hl7.org/fhir/StructureDefinition/Observation|4.0.1"]
    );
    assert_eq!(checked.resource().to_string(), observation().to_string());
}

#[test]
fn one_broken_thing_is_found_by_its_rule_at_its_place() {
    let validator = Validator::standard();
    let o = observation;
    let bp = blood_pressure;
    let extension = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace";
    for (resource, rule, path) in [
        (
            with(o(), "/status", Value::Null),
            "cardinality-min",
            "Observation",
        ),
        (
            with(o(), "/status", json!("sound")),
            "binding-required",
            "Observation.status",
        ),
        (
            with(o(), "/status", json!(["final"])),
            "array",
            "Observation.status",
        ),
        (
            with(o(), "/stauts", json!("final")),
            "unknown-element",
            "Observation",
        ),
        (
            with(o(), "/resourceType", json!("Observatoin")),
            "resource-type",
            "Resource",
        ),
        (
            with(o(), "/category", json!({})),
            "array",
            "Observation.category",
        ),
        (
            with(o(), "/category", json!([])),
            "empty-array",
            "Observation.category",
        ),
        (
            with(o(), "/category", json!([{}])),
            "empty-object",
            "Observation.category[0]",
        ),
        (
            with(o(), "/category", json!([null])),
            "null",
            "Observation.category[0]",
        ),
        (
            with(o(), "/valueString", json!("x")),
            "choice",
            "Observation",
        ),
        (
            with(o(), "/valueQuantity/value", json!("14")),
            "primitive-decimal",
            "Observation.value.ofType(Quantity).value",
        ),
        (
            with(o(), "/effectiveDateTime", json!("2026-02-30")),
            "primitive-dateTime",
            "Observation.effective.ofType(dateTime)",
        ),
        (
            with(o(), "/subject/reference", json!("Medication/m")),
            "reference-target",
            "Observation.subject",
        ),
        (
            with(o(), "/subject/reference", json!("#nobody")),
            "reference-contained",
            "Observation.subject",
        ),
        (
            with(o(), "/subject/reference", json!("a b")),
            "reference-form",
            "Observation.subject",
        ),
        (
            with(
                o(),
                "/contained",
                json!([{"resourceType": "Patient", "id": "p"}]),
            ),
            "dom-3",
            "Observation.contained[0]",
        ),
        (
            with(
                o(),
                "/extension",
                json!([{"url": "plain", "valueString": "x"}]),
            ),
            "extension-url",
            "Observation.extension[0]",
        ),
        (
            with(
                o(),
                "/extension",
                json!([{"url": extension, "valueAddress": {"city": "x"}}]),
            ),
            "extension-context",
            "Observation",
        ),
        (
            with(
                o(),
                "/modifierExtension",
                json!([{"url": "http://example.org/x", "valueString": "x"}]),
            ),
            "extension-unknown",
            "Observation.modifierExtension[0]",
        ),
        (
            with(
                o(),
                "/text",
                json!({"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><script/></div>"}),
            ),
            "narrative",
            "Observation.text.div",
        ),
        (
            with(
                o(),
                "/code/coding/0",
                json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "nonsense"}),
            ),
            "code-unknown",
            "Observation.code.coding[0]",
        ),
        (
            with(bp(), "/category", Value::Null),
            "cardinality-min",
            "Observation",
        ),
        (
            with(bp(), "/category/0/coding/0/code", json!("laboratory")),
            "slice-min",
            "Observation",
        ),
        (
            with(bp(), "/component/1/code/coding/0/code", json!("8480-6")),
            "slice-max",
            "Observation",
        ),
        (
            with(bp(), "/component/0/valueQuantity/code", json!("Pa")),
            "fixed",
            "Observation.component[0].value.ofType(Quantity).code",
        ),
        (
            with(bp(), "/component/0/valueQuantity/unit", Value::Null),
            "cardinality-min",
            "Observation.component[0].value.ofType(Quantity)",
        ),
    ] {
        let found = errors(&validator, &resource);
        let wanted = (rule.to_owned(), path.to_owned());
        assert!(found.contains(&wanted), "{wanted:?} not in {found:?}");
    }
}

#[test]
fn an_unknown_claimed_profile_is_a_warning_and_an_unknown_asked_one_an_error() {
    let validator = Validator::standard();
    let claimed = with(
        observation(),
        "/meta",
        json!({"profile": ["http://example.org/p"]}),
    );
    let issues = validator.check(&claimed, &[]);
    assert!(
        issues
            .iter()
            .any(|issue| issue.rule == "profile-unknown" && !issue.is_error())
    );
    let issues = validator.check(&observation(), &["http://example.org/p"]);
    assert!(
        issues
            .iter()
            .any(|issue| issue.rule == "profile-unknown" && issue.is_error())
    );
}

#[test]
fn no_issue_holds_a_value_or_a_name_that_came_with_the_input() {
    let validator = Validator::standard();
    let mut broken = with(observation(), "/Canaryquill", json!("Canaryquill"));
    for pointer in [
        "/status",
        "/subject/reference",
        "/effectiveDateTime",
        "/valueQuantity/code",
    ] {
        broken = with(broken, pointer, json!("Canary quill "));
    }
    broken = with(
        broken,
        "/extension",
        json!([{"url": "Canaryquill", "valueCanary": 1}]),
    );
    let issues = validator.check(&broken, &[]);
    assert!(issues.len() > 4);
    assert!(!format!("{issues:?}").contains("Canary"), "{issues:?}");
}

#[test]
fn a_differential_becomes_a_profile_that_is_enforced() {
    let mut definitions = crate::fhir::facts::Definitions::default();
    definitions.add(&json!({
        "resourceType": "StructureDefinition", "url": "http://example.org/p", "version": "1",
        "kind": "resource", "abstract": false, "type": "Observation", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
        "differential": {"element": [
            {"id": "Observation", "path": "Observation"},
            {"id": "Observation.category", "path": "Observation.category", "min": 1, "slicing": {
                "discriminator": [{"type": "pattern", "path": "$this"}], "rules": "open"}},
            {"id": "Observation.category:lab", "path": "Observation.category", "sliceName": "lab", "min": 1,
             "max": "1", "patternCodeableConcept": {"coding": [{"code": "laboratory"}]}},
            {"id": "Observation.valueQuantity", "path": "Observation.valueQuantity", "min": 1},
            {"id": "Observation.valueQuantity.code", "path": "Observation.valueQuantity.code", "min": 1,
             "fixedCode": "g/dL"},
            {"id": "Observation.code.coding", "path": "Observation.code.coding", "max": "1"}
        ]}
    }));
    let validator = Validator::load(Options {
        definitions,
        ..Options::default()
    });
    assert_eq!(validator.unusable().len(), 0);
    let sound = with(
        observation(),
        "/category",
        json!([{"coding": [{"code": "laboratory"}]}]),
    );
    let rules = |resource: &Value| -> Vec<String> {
        let issues = validator
            .check(resource, &["http://example.org/p"])
            .into_iter();
        issues
            .filter(Issue::is_error)
            .map(|issue| issue.rule.into_owned())
            .collect()
    };
    assert_eq!(rules(&sound), [""; 0]);
    assert!(
        validator
            .certify(sound.clone(), &["http://example.org/p"])
            .expect("passes")
            .profiles()
            .contains(&"http://example.org/p|1".to_owned())
    );
    for (pointer, value, rule) in [
        ("/category/0/coding/0/code", json!("other"), "slice-min"),
        ("/category", Value::Null, "cardinality-min"),
        ("/valueQuantity/code", json!("kg"), "fixed"),
        ("/valueQuantity/code", Value::Null, "cardinality-min"),
        (
            "/code/coding",
            json!([{"code": "a"}, {"code": "b"}]),
            "cardinality-max",
        ),
    ] {
        let found = rules(&with(sound.clone(), pointer, value));
        assert!(
            found.contains(&rule.to_owned()),
            "{pointer} {rule} not in {found:?}"
        );
    }
}

#[test]
fn nested_resources_are_checked_and_references_in_a_bundle_resolve() {
    let validator = Validator::standard();
    let entry = |url: &str, resource: Value| json!({"fullUrl": url, "resource": resource});
    let (a, b) = (
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239521",
    );
    let bundle = |inner: Value, other: &str| {
        json!({"resourceType": "Bundle", "type": "collection", "entry": [
            entry(a, inner), entry(b, json!({"resourceType": other}))]})
    };
    let inner = with(observation(), "/subject/reference", json!(b));
    let patient = json!({"resourceType": "Patient", "active": true});
    let sound = with(
        bundle(inner.clone(), "Patient"),
        "/entry/1/resource",
        patient,
    );
    assert_eq!(errors(&validator, &sound), []);
    let medication = json!({"resourceType": "Medication", "status": "active"});
    let wrong = with(sound.clone(), "/entry/1/resource", medication);
    let found = errors(&validator, &wrong);
    assert_eq!(found[0].1, "Bundle.entry[0].resource.subject");
    let broken = with(sound, "/entry/0/resource/status", json!("x"));
    assert_eq!(
        errors(&validator, &broken)[0].1,
        "Bundle.entry[0].resource.status"
    );
}

/// Rules of the walk that the schema states, too.
const STRUCTURAL: &[&str] = &[
    "unknown-element",
    "type",
    "array",
    "null",
    "empty-array",
    "empty-object",
    "choice",
    "cardinality-min",
    "cardinality-max",
    "resource-type",
];

#[test]
fn the_generated_schema_agrees_with_the_walk() {
    let validator = Validator::standard();
    let schema = validator.schema("Observation").expect("a schema");
    let compiled = jsonschema::validator_for(&schema).expect("compiles");
    let mut agreed = [0, 0];
    let mut hold = |resource: &Value| {
        let structural = validator.check(resource, &[]).iter().any(|issue| {
            issue.profile.is_none()
                && !issue.path.contains("contained")
                && (STRUCTURAL.contains(&&*issue.rule) || issue.rule.starts_with("primitive-"))
        });
        // The schema does not know calendars; it must never refuse what the walk takes.
        let by_schema = compiled.is_valid(resource);
        assert!(
            by_schema || structural,
            "the schema refuses what the walk takes: {:?}",
            resource.get("id")
        );
        agreed[usize::from(structural)] += usize::from(by_schema != structural);
    };
    hold(&observation());
    hold(&blood_pressure());
    for (pointer, value) in [
        ("/status", json!(1)),
        ("/stauts", json!("x")),
        ("/status", Value::Null),
        ("/category", json!([])),
        ("/valueString", json!("x")),
        ("/subject", json!([])),
        ("/_status", json!({})),
    ] {
        hold(&with(observation(), pointer, value));
    }
    if let Some(faults) = shared_lines("conformance/corpus/Observation.ndjson.zst") {
        for line in faults {
            hold(&line["resource"]);
        }
    }
    assert!(agreed[0] >= 2 && agreed[1] >= 7, "{agreed:?}");
}

/// The lines of a compressed file of the shared material, by the `zstd` command.
fn shared_lines(path: &str) -> Option<Vec<Value>> {
    use std::io::Write as _;
    let bytes = crate::fhir::shared::read(path)?;
    let mut child = std::process::Command::new("zstd")
        .args(["-dc"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let out = child.wait_with_output().ok()?;
    writer.join().ok()?.ok()?;
    let lines = out
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    Some(
        lines
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect(),
    )
}
