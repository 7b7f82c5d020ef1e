//! What profiles and extensions ask for beside slices: strengths, how targets are at hand, where extensions stand, and
//! what their invariants ask the validator.

use serde_json::{Value, json};

use super::*;

const CORE: &str = "http://hl7.org/fhir/StructureDefinition";

fn loaded(definitions: &[Value]) -> Validator {
    let mut all = Definitions::default();
    definitions.iter().for_each(|each| all.add(each));
    let validator = Validator::load(Options {
        definitions: all,
        ..Options::default()
    });
    assert_eq!(validator.unusable(), [""; 0]);
    validator
}

/// A profile `http://a.test/p` of a type, or an extension of that address.
fn profile(kind: &str, more: Value, elements: Value) -> Value {
    let family = if kind == "Extension" {
        "complex-type"
    } else {
        "resource"
    };
    let mut out = json!({"resourceType": "StructureDefinition", "url": "http://a.test/p", "version": "1",
        "kind": family, "abstract": false, "type": kind, "derivation": "constraint",
        "baseDefinition": format!("{CORE}/{kind}"), "differential": {"element": elements}});
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
    }
    out
}

/// Rules that are broken as errors, with their places.
fn errors(validator: &Validator, resource: &Value) -> Vec<(String, String)> {
    let issues = validator.check(resource, &[]).into_iter();
    issues
        .filter(Issue::is_error)
        .map(|issue| (issue.rule.into_owned(), issue.path))
        .collect()
}

fn observation(more: Value) -> Value {
    let mut out = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "meta": {"profile": ["http://a.test/p"]}});
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
    }
    out
}

#[test]
fn a_differential_may_say_the_strength_alone() {
    let validator = loaded(&[profile(
        "Observation",
        json!({}),
        json!([{"id": "Observation.category", "path": "Observation.category", "binding": {"strength": "required"}}]),
    )]);
    let of = |code: &str| {
        let coding = json!({"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": code});
        observation(json!({"category": [{"coding": [coding]}]}))
    };
    assert_eq!(errors(&validator, &of("laboratory")), []);
    let broken = (
        "binding-required".to_owned(),
        "Observation.category[0]".to_owned(),
    );
    let found = validator.check(&of("other"), &[]);
    assert!(
        errors(&validator, &of("other")).contains(&broken),
        "{found:?}"
    );
    // Nothing is bound where there is neither a set of its own nor one of the base.
    let validator = loaded(&[profile(
        "Observation",
        json!({}),
        json!([{"id": "Observation.issued", "path": "Observation.issued", "binding": {"strength": "required"}}]),
    )]);
    let issued = observation(json!({"issued": "2026-01-01T00:00:00Z"}));
    assert_eq!(errors(&validator, &issued), []);
}

#[test]
fn what_is_referred_to_is_at_hand_as_the_profile_asks() {
    let asks = |allowed: &[&str]| {
        let kind = json!({"code": "Reference", "targetProfile": [format!("{CORE}/Patient")], "aggregation": allowed});
        let subject =
            json!({"id": "Observation.subject", "path": "Observation.subject", "type": [kind]});
        loaded(&[profile("Observation", json!({}), json!([subject]))])
    };
    let inside = observation(
        json!({"contained": [{"resourceType": "Patient", "id": "a"}],
        "subject": {"reference": "#a"}}),
    );
    let outside = observation(json!({"subject": {"reference": "Patient/a"}}));
    let bundle = |id: &str| {
        let entry = |kind: &str, resource: &Value| json!({"fullUrl": format!("http://a.test/{kind}"), "resource": resource});
        let patient = json!({"resourceType": "Patient", "id": id});
        json!({"resourceType": "Bundle", "type": "collection", "entry": [
            entry("Observation/o", &{
                let mut own = outside.clone();
                own["id"] = "o".into();
                own
            }),
            entry(&format!("Patient/{id}"), &patient)]})
    };
    for (allowed, resource, passes) in [
        (&["contained"][..], &inside, true),
        (&["contained"], &outside, false),
        (&["referenced"], &outside, true),
        (&["referenced"], &inside, false),
        (&["bundled"], &bundle("a"), true),
        (&["bundled"], &bundle("b"), false),
        (&["bundled"], &inside, false),
        (&["bundled", "contained"], &inside, true),
        (&["bundled", "referenced"], &bundle("b"), true),
    ] {
        let found = errors(&asks(allowed), resource);
        assert_eq!(found.is_empty(), passes, "{allowed:?} {found:?}");
        assert!(
            found
                .iter()
                .all(|(rule, _)| rule == "reference-aggregation"),
            "{found:?}"
        );
    }
}

#[test]
fn an_extension_stands_where_its_definition_says() {
    let value = json!({"id": "Extension.value[x]", "path": "Extension.value[x]", "type": [{"code": "integer"}]});
    let validator = |more: Value| loaded(&[profile("Extension", more, json!([value]))]);
    let own = |value: u32| json!([{"url": "http://a.test/p", "valueInteger": value}]);
    let meant = |kind: &str, expression: &str| json!({"context": [{"type": kind, "expression": expression}]});
    let patient = |more: Value| {
        let mut out = json!({"resourceType": "Patient", "active": true});
        if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
            out.extend(more);
        }
        out
    };
    let mut guarded = meant("element", "Patient");
    guarded["contextInvariant"] = json!(["active or %extension.value = 7"]);
    for (definition, resource, place) in [
        (
            meant("element", "Patient"),
            patient(json!({"extension": own(1)})),
            "",
        ),
        (
            meant("element", "Observation"),
            patient(json!({"extension": own(1)})),
            "Patient",
        ),
        // A path from the resource, and what is true where it stands.
        (
            meant("fhirpath", "Patient.name"),
            patient(json!({"name": [{"extension": own(1)}]})),
            "",
        ),
        (
            meant("fhirpath", "Patient.name"),
            patient(json!({"address": [{"extension": own(1)}]})),
            "Patient.address[0]",
        ),
        (
            meant("fhirpath", "birthDate"),
            patient(json!({"birthDate": "1970", "_birthDate": {"extension": own(1)}})),
            "",
        ),
        (
            meant("fhirpath", "use = 'home'"),
            patient(json!({"address": [{"use": "home", "extension": own(1)}]})),
            "",
        ),
        (
            meant("fhirpath", "use = 'home'"),
            patient(json!({"address": [{"use": "work", "extension": own(1)}]})),
            "Patient.address[0]",
        ),
        (guarded.clone(), patient(json!({"extension": own(1)})), ""),
        (
            guarded.clone(),
            patient(json!({"active": false, "extension": own(7)})),
            "",
        ),
        (
            guarded,
            patient(json!({"active": false, "extension": own(1)})),
            "Patient",
        ),
    ] {
        let found = errors(&validator(definition.clone()), &resource);
        let wanted = match place {
            "" => Vec::new(),
            place => vec![("extension-context".to_owned(), place.to_owned())],
        };
        assert_eq!(found, wanted, "{definition} {resource}");
    }
    // R4's own.
    let list = |mode: &str| {
        let change = json!({"url": format!("{CORE}/list-changeBase"), "valueReference": {"reference": "List/a"}});
        json!({"resourceType": "List", "status": "current", "mode": mode, "extension": [change]})
    };
    let standard = Validator::standard();
    assert_eq!(errors(&standard, &list("changes")), []);
    let broken = ("extension-context".to_owned(), "List".to_owned());
    assert_eq!(errors(&standard, &list("working")), [broken]);
}

#[test]
fn invariants_ask_for_sets_and_profiles() {
    let asks = |expression: &str| {
        let rule = json!({"key": "own-1", "severity": "error", "human": "as asked", "expression": expression});
        let root = json!({"id": "Observation", "path": "Observation", "constraint": [rule]});
        loaded(&[profile("Observation", json!({}), json!([root]))])
    };
    let resource = observation(
        json!({"contained": [{"resourceType": "Patient", "id": "a"}],
        "subject": {"reference": "#a"}}),
    );
    for (expression, passes) in [
        (
            "status.memberOf('http://hl7.org/fhir/ValueSet/observation-status')",
            true,
        ),
        (
            "status.memberOf('http://hl7.org/fhir/ValueSet/request-status')",
            false,
        ),
        (
            "subject.resolve().conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')",
            true,
        ),
        (
            "subject.resolve().conformsTo('http://hl7.org/fhir/StructureDefinition/Group')",
            false,
        ),
        (
            "conformsTo('http://hl7.org/fhir/StructureDefinition/bp').not()",
            true,
        ),
        (
            "contained.first().select(%resource.status = %rootResource.status)",
            true,
        ),
    ] {
        let found = errors(&asks(expression), &resource);
        let broken = ("own-1".to_owned(), "Observation".to_owned());
        let wanted = if passes { Vec::new() } else { vec![broken] };
        assert_eq!(found, wanted, "{expression}");
    }
    // A set that nobody has is told, and neither passes nor fails.
    let found = asks("status.memberOf('http://a.test/none')").check(&resource, &[]);
    assert!(
        found
            .iter()
            .any(|issue| issue.rule == "invariant-not-checked"),
        "{found:?}"
    );
    assert!(!any_error(&found));
}

#[test]
fn a_definition_that_is_too_large_or_too_deep_is_given_up() {
    let unusable = |elements: Value, whole: bool| {
        let mut definition = profile("Questionnaire", json!({}), elements);
        if whole {
            definition["snapshot"] = definition["differential"].take();
        }
        let mut all = Definitions::default();
        all.add(&definition);
        let validator = Validator::load(Options {
            definitions: all,
            ..Options::default()
        });
        let unusable = validator.unusable() == ["http://a.test/p"];
        assert_ne!(unusable, validator.knows("http://a.test/p"));
        unusable
    };
    let one = |id: &str| json!({"id": id, "path": id, "max": "1"});
    let items = |steps: usize| one(&format!("Questionnaire{}", ".item".repeat(steps)));
    assert!(!unusable(json!([items(30)]), false));
    for whole in [false, true] {
        // A stack for each step would be gone long before this.
        assert!(unusable(json!([items(300_000)]), whole));
        let resliced = format!("Questionnaire.item:a{}", "/a".repeat(300_000));
        assert!(unusable(json!([one(&resliced)]), whole));
        let many: Vec<Value> = (0..20_001)
            .map(|n| one(&format!("Questionnaire.item:s{n}")))
            .collect();
        assert!(unusable(json!(many), whole));
    }
}
