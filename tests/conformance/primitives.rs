//! Primitive types, a value at a time, as the value of an extension.

use serde_json::Value;

use crate::faults::{errors, shown};
use crate::figures::Figures;
use crate::material::Material;

pub(crate) fn run(material: &Material, figures: &mut Figures) {
    let validator = material.validator(&[]);
    let text = material.bytes("conformance/primitives/google-fhir-r4-primitives.ndjson");
    let text = String::from_utf8(text).expect("UTF-8");
    let (mut right, mut all) = (0, 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let case: Value = serde_json::from_str(line).expect("a line of JSON");
        let kind = case["type"].as_str().expect("a type");
        let json = case["json"].as_str().expect("JSON");
        let valid = case["valid"] == Value::Bool(true);
        let mut found = errors(&validator, resource(kind, json).as_bytes());
        // What a narrative must say is a rule of Narrative (txt-1, txt-2), not of its primitive.
        found.retain(|issue| !issue.rule.starts_with("narrative"));
        all += 1;
        let agree = found.is_empty() == valid;
        right += usize::from(agree);
        if !agree && !figures.differences.met("primitives", line) && figures.verbose {
            println!("DIFFERS {line}{}", shown(&found));
        }
    }
    figures.differences.ran("primitives");
    figures.row("primitives", right, all, 100.0);
}

/// A resource around the value. `null` has a place in FHIR's JSON only where an array lines up with
/// another one, so it is tried there: the value is absent and its companion is not.
fn resource(kind: &str, json: &str) -> String {
    let mut name = String::new();
    for word in kind.split('_') {
        let (first, rest) = word.split_at(1);
        name += &first.to_uppercase();
        name += rest;
    }
    let around =
        |inner: String| format!(r#"{{"resourceType": "Basic", "code": {{"text": "x"}}, {inner}}}"#);
    let beside = r#"{"extension": [{"url": "http://example.org/why", "valueCode": "x"}]}"#;
    match (kind, json) {
        ("xhtml", _) => around(format!(
            r#""text": {{"status": "generated", "div": {json}}}"#
        )),
        // A choice that may refer to anything, and what the case itself refers to.
        ("reference", _) => {
            let contained = if json.contains("#p1") {
                r#", "contained": [{"resourceType": "Patient", "id": "p1", "active": true}]"#
            } else {
                ""
            };
            around(format!(
                r#""extension": [{{"url": "http://example.org/x", "valueReference": {json}}}]{contained}"#
            ))
        }
        (_, "null") => around(format!(
            r#""extension": [{{"url": "http://example.org/x", "value{name}": null, "_value{name}": {beside}}}]"#
        )),
        _ => around(format!(
            r#""extension": [{{"url": "http://example.org/x", "value{name}": {json}}}]"#
        )),
    }
}
