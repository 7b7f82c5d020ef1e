//! Rules beyond structure: one broken thing each, by rule and place; and the switches.

use serde_json::{Value, json};

use super::*;
use crate::clock::{Manual, Time};
use crate::fhir::facts::Definitions;

/// All issues of a resource, as (rule, path, whether an error).
fn issues(validator: &Validator, resource: &Value) -> Vec<(String, String, bool)> {
    validator
        .check(resource, &[])
        .into_iter()
        .map(|issue| (issue.rule.to_string(), issue.path.clone(), issue.is_error()))
        .collect()
}

fn holds(validator: &Validator, resource: &Value, rule: &str, path: &str, error: bool) {
    let found = issues(validator, resource);
    let wanted = (rule.to_owned(), path.to_owned(), error);
    assert!(found.contains(&wanted), "{wanted:?} not in {found:?}");
}

fn observation(more: Value) -> Value {
    let mut out = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}});
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
    }
    out
}

#[test]
fn invariants_hold_or_are_told_by_their_key() {
    let validator = Validator::standard();
    let quantity = json!({"value": 1, "unit": "x", "code": "kg"});
    let period = json!({"start": "2026-02-01", "end": "2026-01-01"});
    for (more, rule, path) in [
        (
            json!({"dataAbsentReason": {"text": "x"}, "valueString": "x"}),
            "obs-6",
            "Observation",
        ),
        (
            json!({"valueQuantity": quantity}),
            "qty-3",
            "Observation.value.ofType(Quantity)",
        ),
        (
            json!({"effectivePeriod": period}),
            "per-1",
            "Observation.effective.ofType(Period)",
        ),
        (
            json!({"referenceRange": [{"appliesTo": [{"text": "x"}]}]}),
            "obs-3",
            "Observation.referenceRange[0]",
        ),
        (
            json!({"subject": {"id": "a"}}),
            "ele-1",
            "Observation.subject",
        ),
        (
            json!({"_issued": {"id": "a"}}),
            "ele-1",
            "Observation.issued",
        ),
        (
            json!({"extension": [{"url": "http://example.org/x"}]}),
            "ext-1",
            "Observation.extension[0]",
        ),
    ] {
        holds(&validator, &observation(more), rule, path, true);
    }
    holds(
        &validator,
        &observation(json!({})),
        "dom-6",
        "Observation",
        false,
    );
    let sound = observation(
        json!({"effectivePeriod": {"start": "2026-01-01", "end": "2026-02-01"},
        "_issued": {"extension": [{"url": "http://example.org/x", "valueString": "x"}]}}),
    );
    assert!(
        !issues(&validator, &sound)
            .iter()
            .any(|(_, _, error)| *error)
    );
}

#[test]
fn what_keeps_nothing_out_is_a_warning() {
    let validator = Validator::standard();
    let unit = json!({"value": 1, "system": "http://unitsofmeasure.org", "code": "tablets"});
    for (more, rule, path) in [
        (
            json!({"valueQuantity": unit}),
            "unit-unknown",
            "Observation.value.ofType(Quantity)",
        ),
        (
            json!({"valueString": "a\u{1}"}),
            "control-character",
            "Observation.value.ofType(string)",
        ),
        (
            json!({"code": {"coding": [{"system": "loinc", "code": "1"}]}}),
            "system-relative",
            "Observation.code.coding[0]",
        ),
    ] {
        holds(&validator, &observation(more), rule, path, false);
    }
}

#[test]
fn extensions_addresses_and_links_by_the_switches() {
    let strict = Validator::load(Options {
        known_extensions_only: true,
        example_addresses: false,
        ..Options::default()
    });
    let open = Validator::standard();
    let stranger =
        observation(json!({"extension": [{"url": "http://example.org/x", "valueString": "x"}]}));
    assert!(!issues(&open, &stranger).iter().any(|(_, _, error)| *error));
    holds(
        &strict,
        &stranger,
        "extension-unknown",
        "Observation.extension[0]",
        true,
    );
    holds(
        &strict,
        &stranger,
        "example-address",
        "Observation.extension[0].url",
        true,
    );
    let absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    let wrong = observation(json!({"extension": [{"url": absent, "valueString": "x"}]}));
    holds(
        &open,
        &wrong,
        "extension-type",
        "Observation.extension[0]",
        true,
    );
    let link = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"#nowhere\">x</a></div>";
    let lost = observation(json!({"text": {"status": "generated", "div": link}}));
    holds(&open, &lost, "narrative-link", "Observation.text.div", true);
}

#[test]
fn a_bundle_is_whole() {
    let validator = Validator::standard();
    let links = json!({"resourceType": "Bundle", "type": "searchset",
        "link": [{"relation": "self", "url": "a:b"}, {"relation": "self", "url": "a:c"}]});
    holds(&validator, &links, "bundle-link", "Bundle.link[1]", true);
    let entry = |url: &str, resource: Value| json!({"fullUrl": url, "resource": resource});
    let patient = |id: &str| json!({"resourceType": "Patient", "id": id, "active": true});
    let named = json!({"resourceType": "Bundle", "type": "collection",
        "entry": [entry("http://a.test/Patient/1", patient("2"))]});
    holds(
        &validator,
        &named,
        "bundle-full-url",
        "Bundle.entry[0]",
        true,
    );
    let document = |entries: Vec<Value>| {
        let mut all = vec![entry(
            "http://a.test/Composition/c",
            json!({"resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "x"},
                "date": "2026-01-01", "title": "x", "author": [{"display": "x"}],
                "subject": {"reference": "Patient/1"}}),
        )];
        all.extend(entries);
        json!({"resourceType": "Bundle", "type": "document", "timestamp": "2026-01-01T00:00:00Z",
            "identifier": {"system": "urn:x:y", "value": "1"}, "entry": all})
    };
    let whole = document(vec![entry("http://a.test/Patient/1", patient("1"))]);
    assert!(
        !issues(&validator, &whole)
            .iter()
            .any(|(_, _, error)| *error)
    );
    let place = "Bundle.entry[0].resource.subject";
    holds(
        &validator,
        &document(Vec::new()),
        "bundle-reference",
        place,
        true,
    );
    let twice = document(vec![
        entry("http://a.test/Patient/1", patient("1")),
        entry("http://b.test/Patient/1", patient("1")),
    ]);
    holds(&validator, &twice, "bundle-reference", place, true);
}

#[test]
fn a_response_answers_its_questionnaire() {
    let mut definitions = Definitions::default();
    definitions.add(&json!({"resourceType": "Questionnaire", "url": "http://a.test/q", "status": "active", "item": [
        {"linkId": "a", "type": "choice", "required": true, "answerOption": [{"valueCoding": {"code": "y"}}]},
        {"linkId": "b", "type": "integer", "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/maxValue", "valueInteger": 10}],
         "enableWhen": [{"question": "a", "operator": "exists", "answerBoolean": true}]},
        {"linkId": "c", "type": "group", "item": [{"linkId": "d", "type": "string"}]}]}));
    let validator = Validator::load(Options {
        definitions,
        ..Options::default()
    });
    let response = |items: Value| {
        json!({"resourceType": "QuestionnaireResponse", "questionnaire": "http://a.test/q|1",
            "status": "completed", "item": items})
    };
    let yes = json!({"linkId": "a", "answer": [{"valueCoding": {"code": "y"}}]});
    let sound = response(
        json!([yes, {"linkId": "b", "answer": [{"valueInteger": 3}]},
        {"linkId": "c", "item": [{"linkId": "d", "answer": [{"valueString": "x"}]}]}]),
    );
    assert!(
        !issues(&validator, &sound)
            .iter()
            .any(|(_, _, error)| *error)
    );
    let item = "QuestionnaireResponse.item";
    for (items, rule, path) in [
        (
            json!([{"linkId": "c", "item": [{"linkId": "d"}]}]),
            "questionnaire-required",
            "QuestionnaireResponse".to_owned(),
        ),
        (
            json!([{"linkId": "z"}]),
            "questionnaire-link",
            format!("{item}[0]"),
        ),
        (
            json!([{"linkId": "b", "answer": [{"valueInteger": 1}]}]),
            "questionnaire-enable",
            format!("{item}[0]"),
        ),
        (
            json!([{"linkId": "a", "answer": [{"valueCoding": {"code": "n"}}]}]),
            "questionnaire-option",
            format!("{item}[0].answer[0].value.ofType(Coding)"),
        ),
        (
            json!([{"linkId": "a", "answer": [{"valueInteger": 1}]}]),
            "questionnaire-answer",
            format!("{item}[0].answer[0].value.ofType(integer)"),
        ),
        (
            json!([yes, {"linkId": "b", "answer": [{"valueInteger": 11}]}]),
            "questionnaire-limit",
            format!("{item}[1].answer[0].value.ofType(integer)"),
        ),
        (
            json!([{"linkId": "c", "answer": [{"valueInteger": 1}]}]),
            "questionnaire-type",
            format!("{item}[0]"),
        ),
        (
            json!([{"linkId": "b"}, yes]),
            "questionnaire-order",
            format!("{item}[1]"),
        ),
        (
            json!([yes, yes]),
            "questionnaire-repeats",
            format!("{item}[1]"),
        ),
    ] {
        holds(&validator, &response(items), rule, &path, true);
    }
}

#[test]
fn limits_of_values_and_of_time_are_kept() {
    let mut definitions = Definitions::default();
    definitions.add(&json!({"resourceType": "StructureDefinition", "url": "http://a.test/p", "version": "1",
        "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [
            {"id": "Patient.birthDate", "path": "Patient.birthDate",
             "maxValueDuration": {"value": 1, "system": "http://unitsofmeasure.org", "code": "a"}},
            {"id": "Patient.multipleBirthInteger", "path": "Patient.multipleBirthInteger", "minValueInteger": 2}]}}));
    // 2020-09-13.
    let clock: Arc<dyn Clock> = Arc::new(Manual::at(Time::from_micros(1_600_000_000_000_000)));
    let validator = Validator::load(Options {
        definitions,
        clock: Some(clock),
        ..Options::default()
    });
    let patient = |date: &str, number: u32| {
        json!({"resourceType": "Patient", "meta": {"profile": ["http://a.test/p"]}, "birthDate": date,
            "multipleBirthInteger": number})
    };
    let sound = patient("2021-09-12", 2);
    assert!(
        !issues(&validator, &sound)
            .iter()
            .any(|(_, _, error)| *error)
    );
    holds(
        &validator,
        &patient("2021-09-14", 2),
        "value-max",
        "Patient.birthDate",
        true,
    );
    let place = "Patient.multipleBirth.ofType(integer)";
    holds(
        &validator,
        &patient("2020-01-01", 1),
        "value-min",
        place,
        true,
    );
}

#[test]
fn definitions_and_attachments_are_checked_too() {
    let validator = Validator::standard();
    let profile = json!({"resourceType": "StructureDefinition", "url": "http://a.test/p", "name": "P", "status": "draft",
        "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.nom", "path": "Patient.nom"}]}});
    holds(
        &validator,
        &profile,
        "definition-path",
        "StructureDefinition.differential.element[0]",
        true,
    );
    let system = json!({"resourceType": "CodeSystem", "status": "active", "content": "complete",
        "property": [{"code": "a", "type": "code"}, {"code": "a", "type": "code"}],
        "concept": [{"code": "x", "property": [{"code": "a", "valueInteger": 1}]}]});
    holds(
        &validator,
        &system,
        "code-system-property",
        "CodeSystem.property[1]",
        true,
    );
    holds(
        &validator,
        &system,
        "code-system-property",
        "CodeSystem.concept[0].property[0]",
        true,
    );
    let media = json!({"resourceType": "Media", "status": "completed",
        "content": {"contentType": "text/plain", "data": "YWJj", "size": 4}});
    holds(&validator, &media, "attachment-size", "Media.content", true);
}
