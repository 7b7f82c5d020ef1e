//! A definition cut down to its facts, still in FHIR's own shape: what the artefact is made of.
//!
//! The lists of kept keys are lists of what stays; all else goes, texts for people first of all.

use serde_json::{Map, Value};

const STRUCTURE: &[&str] = &[
    "resourceType",
    "url",
    "version",
    "kind",
    "abstract",
    "type",
    "baseDefinition",
    "derivation",
    "context",
    "contextInvariant",
];
const ELEMENT: &[&str] = &[
    "id",
    "path",
    "sliceName",
    "min",
    "max",
    "contentReference",
    "maxLength",
];

fn kept(value: &Value, keys: &[&str]) -> Map<String, Value> {
    let mut out = Map::new();
    for key in keys {
        if let Some(inner) = value.get(*key) {
            out.insert((*key).to_owned(), inner.clone());
        }
    }
    out
}

fn each(value: &Value, key: &str, cut: impl Fn(&Value) -> Value) -> Option<(String, Value)> {
    let items = super::list(value, key);
    (!items.is_empty()).then(|| (key.to_owned(), items.iter().map(cut).collect()))
}

/// A StructureDefinition's facts.
pub(crate) fn structure(resource: &Value) -> Value {
    let mut out = kept(resource, STRUCTURE);
    let url = super::text(resource, "url");
    let elements: Vec<Value> = resource
        .get("snapshot")
        .map(|snapshot| super::list(snapshot, "element"))
        .unwrap_or_default()
        .iter()
        .map(|value| element(value, &url))
        .collect();
    let mut snapshot = Map::new();
    snapshot.insert("element".to_owned(), Value::Array(elements));
    out.insert("snapshot".to_owned(), Value::Object(snapshot));
    Value::Object(out)
}

fn element(value: &Value, url: &str) -> Value {
    let mut out = kept(value, ELEMENT);
    if out.get("id") == out.get("path") {
        out.shift_remove("id");
    }
    if let Some(max) = value.get("base").and_then(|base| base.get("max"))
        && value.get("max") != Some(max)
    {
        out.insert(
            "base".to_owned(),
            [("max", max.clone())].into_iter().collect(),
        );
    }
    if value.get("isModifier") == Some(&Value::Bool(true)) {
        out.insert("isModifier".to_owned(), Value::Bool(true));
    }
    out.extend(each(value, "type", |item| {
        let keys = [
            "code",
            "profile",
            "targetProfile",
            "aggregation",
            "extension",
        ];
        Value::Object(kept(item, &keys))
    }));
    // Of an example set the address alone: a profile may say that it binds more firmly.
    if let Some(binding) = value.get("binding") {
        let cut = kept(binding, &["strength", "valueSet"]);
        out.insert("binding".to_owned(), Value::Object(cut));
    }
    if let Some(slicing) = value.get("slicing") {
        let mut cut = kept(slicing, &["ordered", "rules"]);
        cut.extend(each(slicing, "discriminator", |item| {
            Value::Object(kept(item, &["type", "path"]))
        }));
        out.insert("slicing".to_owned(), Value::Object(cut));
    }
    let constraints: Vec<Value> = super::list(value, "constraint")
        .iter()
        .filter(|item| {
            // What every element and every resource has by its type is ruled there, once.
            let key = super::text(item, "key");
            let by_type = ["ele-", "ext-", "dom-"];
            let source = super::text(item, "source");
            source.is_empty()
                || source == url
                || !by_type.iter().any(|prefix| key.starts_with(prefix))
        })
        .map(|item| Value::Object(kept(item, &["key", "severity", "expression"])))
        .collect();
    if !constraints.is_empty() {
        out.insert("constraint".to_owned(), Value::Array(constraints));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let valued = ["fixed", "pattern", "minValue", "maxValue"]
            .iter()
            .any(|prefix| {
                key.strip_prefix(prefix)
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
            });
        if valued {
            out.insert(key.clone(), inner.clone());
        }
    }
    Value::Object(out)
}

/// A ValueSet's facts. Codes stand as plain strings.
pub(crate) fn set(resource: &Value) -> Value {
    let mut out = kept(resource, &["resourceType", "url", "version"]);
    if let Some(compose) = resource.get("compose") {
        let mut cut = Map::new();
        for key in ["include", "exclude"] {
            cut.extend(each(compose, key, |part| {
                let mut out = kept(part, &["system", "filter", "valueSet"]);
                out.extend(each(part, "concept", |concept| {
                    concept.get("code").cloned().unwrap_or_default()
                }));
                Value::Object(out)
            }));
        }
        out.insert("compose".to_owned(), Value::Object(cut));
    }
    Value::Object(out)
}

/// A CodeSystem's facts.
pub(crate) fn system(resource: &Value) -> Value {
    let keys = ["resourceType", "url", "version", "content", "caseSensitive"];
    let mut out = kept(resource, &keys);
    out.extend(each(resource, "concept", concept));
    Value::Object(out)
}

fn concept(value: &Value) -> Value {
    let mut out = kept(value, &["code"]);
    let parents: Vec<Value> = super::list(value, "property")
        .iter()
        .filter(|property| {
            matches!(
                super::text(property, "code").as_str(),
                "parent" | "subsumedBy"
            )
        })
        .map(|property| Value::Object(kept(property, &["code", "valueCode"])))
        .collect();
    if !parents.is_empty() {
        out.insert("property".to_owned(), Value::Array(parents));
    }
    out.extend(each(value, "concept", concept));
    if out.len() == 1 {
        return out.remove("code").unwrap_or_default();
    }
    Value::Object(out)
}
