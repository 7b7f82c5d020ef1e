//! StructureDefinition to facts. Reads what it knows and passes over the rest.

use std::sync::Arc;

use serde_json::Value;

use super::{Constraint, Element, Kind, SlicingFacts, Strength, Structure, TypeFacts, list, text};

const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";

impl Structure {
    /// Reads a StructureDefinition; `None` for logical models and for what has no address.
    #[must_use]
    pub fn read(resource: &Value) -> Option<Structure> {
        let kind = match resource.get("kind").and_then(Value::as_str)? {
            "primitive-type" => Kind::Primitive,
            "complex-type" => Kind::Complex,
            "resource" => Kind::Resource,
            _ => return None,
        };
        let elements = |part: &str| -> Vec<Element> {
            resource
                .get(part)
                .map(|part| list(part, "element").iter().map(Element::read).collect())
                .unwrap_or_default()
        };
        let snapshot = elements("snapshot");
        let url = text(resource, "url");
        (!url.is_empty()).then(|| Structure {
            url,
            version: text(resource, "version"),
            kind,
            type_name: text(resource, "type"),
            base: text(resource, "baseDefinition"),
            profile: resource.get("derivation").and_then(Value::as_str) == Some("constraint"),
            is_abstract: resource.get("abstract") == Some(&Value::Bool(true)),
            differential: if snapshot.is_empty() {
                elements("differential")
            } else {
                Vec::new()
            },
            elements: snapshot,
            contexts: list(resource, "context")
                .iter()
                .map(|context| (text(context, "type"), text(context, "expression")))
                .collect(),
            context_invariants: list(resource, "contextInvariant")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        })
    }
}

impl Element {
    fn read(element: &Value) -> Element {
        let path = text(element, "path");
        let number = |key: &str| element.get(key).and_then(Value::as_u64);
        let id = text(element, "id");
        Element {
            id: if id.is_empty() { path.clone() } else { id },
            path,
            slice: text(element, "sliceName"),
            min: number("min").and_then(|min| u32::try_from(min).ok()),
            max: element.get("max").and_then(most),
            base_max: element
                .get("base")
                .and_then(|base| base.get("max"))
                .and_then(most),
            types: list(element, "type").iter().map(TypeFacts::read).collect(),
            content: text(element, "contentReference")
                .rsplit('#')
                .next()
                .unwrap_or_default()
                .to_owned(),
            fixed: prefixed(element, "fixed"),
            pattern: prefixed(element, "pattern"),
            min_value: prefixed(element, "minValue"),
            max_value: prefixed(element, "maxValue"),
            binding: element.get("binding").and_then(binding),
            constraints: list(element, "constraint")
                .iter()
                .filter_map(constraint)
                .collect(),
            slicing: element.get("slicing").map(|slicing| SlicingFacts {
                discriminators: list(slicing, "discriminator")
                    .iter()
                    .map(|each| (text(each, "type"), text(each, "path")))
                    .collect(),
                rules: text(slicing, "rules"),
                ordered: slicing.get("ordered") == Some(&Value::Bool(true)),
            }),
            max_length: number("maxLength").and_then(|max| usize::try_from(max).ok()),
            modifier: element.get("isModifier") == Some(&Value::Bool(true)),
        }
    }
}

impl TypeFacts {
    fn read(value: &Value) -> TypeFacts {
        let strings = |key: &str| {
            list(value, key)
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        let mut code = text(value, "code");
        if code.starts_with("http://hl7.org/fhirpath/") {
            code = list(value, "extension")
                .iter()
                .find(|extension| text(extension, "url") == FHIR_TYPE)
                .and_then(|extension| {
                    extension
                        .get("valueUrl")
                        .or_else(|| extension.get("valueUri"))?
                        .as_str()
                })
                .unwrap_or("string")
                .to_owned();
        }
        TypeFacts {
            code,
            profiles: strings("profile"),
            targets: strings("targetProfile"),
            aggregation: strings("aggregation"),
        }
    }
}

fn most(value: &Value) -> Option<u32> {
    match value.as_str()? {
        "*" => Some(u32::MAX),
        number => number.parse().ok(),
    }
}

fn prefixed(element: &Value, prefix: &str) -> Option<Arc<Value>> {
    element.as_object()?.iter().find_map(|(key, value)| {
        let rest = key.strip_prefix(prefix)?;
        rest.starts_with(|c: char| c.is_ascii_uppercase())
            .then(|| Arc::new(value.clone()))
    })
}

/// Strength and set. A differential may say the strength alone, of the set that its base binds.
fn binding(value: &Value) -> Option<(Strength, String)> {
    let strength = match value.get("strength").and_then(Value::as_str)? {
        "required" => Strength::Required,
        "extensible" => Strength::Extensible,
        "preferred" => Strength::Preferred,
        _ => Strength::Example,
    };
    Some((strength, text(value, "valueSet")))
}

fn constraint(value: &Value) -> Option<Constraint> {
    let expression = text(value, "expression");
    (!expression.is_empty()).then(|| Constraint {
        key: text(value, "key"),
        error: value.get("severity").and_then(Value::as_str) != Some("warning"),
        expression,
        source: text(value, "source"),
        human: text(value, "human"),
    })
}
