//! Whether the literal part of references matters to what is checked.
//!
//! A reference may lose its `reference` and stand by its identifier and its type alone. What the rules say
//! of a resource is the same for both forms, unless one of them looks at that part: an expression that
//! names it, follows it, or compares whole references; a profile that says something of it. Told from the
//! definitions, once each, and never too seldom: where it cannot be told, it matters.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Validator;
use super::invariant::Invariant;
use super::model::{Content, Model, Node, Profile, Shape, ShapeId};
use super::vitals;

/// Words by which an expression may come to the literal part.
const LOOKS: &[&str] = &[
    "reference",
    "resolve",
    "children",
    "descendants",
    "conformsTo",
    "repeat",
];
/// What may follow a reference that is only asked whether it is there.
const ONLY_THERE: &[&str] = &[".exists()", ".empty()", ".count()"];
/// How deep profiles are followed into each other.
const DEPTH_MAX: u8 = 8;

impl Validator {
    /// Whether [`Validator::check`] may say otherwise of the resource without the literal part of those
    /// references that have an identifier and a type beside it.
    #[must_use]
    pub fn sees_literal(&self, resource: &Value, profiles: &[&str]) -> bool {
        let model = &self.core.model;
        let kind = resource.get("resourceType").and_then(Value::as_str);
        let Some((kind, shape)) = kind.and_then(|kind| model.resources.get_key_value(kind)) else {
            return true;
        };
        let own = &model.shapes[*shape];
        if *own.literal.get_or_init(|| of_type(model, *shape)) {
            return true;
        }
        let mut urls: Vec<&str> = profiles.to_vec();
        let claimed = resource.pointer("/meta/profile").and_then(Value::as_array);
        urls.extend(claimed.into_iter().flatten().filter_map(Value::as_str));
        if &**kind == "Observation" {
            urls.extend(vitals::profiles(resource));
        }
        let global = &self.core.global;
        urls.extend(
            global
                .iter()
                .filter(|(own, _)| *own == **kind)
                .map(|(_, url)| &**url),
        );
        extended(resource, &mut urls) || urls.iter().any(|url| of_profile(model, url, 0))
    }
}

/// Types of an extension's value that hold no reference and look at none.
const PLAIN: &[&str] = &[
    "valueCoding",
    "valueCodeableConcept",
    "valueQuantity",
    "valuePeriod",
    "valueRange",
    "valueRatio",
    "valueDuration",
    "valueAge",
    "valueMoney",
];

/// Collects the addresses of the extensions in a value; whether there is something in it that only a run
/// can tell of.
fn extended<'a>(value: &'a Value, urls: &mut Vec<&'a str>) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, inner)| {
            if matches!(key.as_str(), "extension" | "modifierExtension") {
                let all = inner.as_array().into_iter().flatten();
                urls.extend(all.filter_map(|each| each.get("url")?.as_str()));
            }
            key == "contained"
                || (map.contains_key("url")
                    && key.starts_with("value")
                    && inner.is_object()
                    && !PLAIN.contains(&key.as_str()))
                || extended(inner, urls)
        }),
        Value::Array(items) => items.iter().any(|inner| extended(inner, urls)),
        _ => false,
    }
}

/// All shapes inside one, itself first; not what may be the value of an extension.
fn inside(model: &Model, shape: ShapeId) -> Vec<&Shape> {
    let mut seen = BTreeSet::from([shape]);
    let mut open = vec![shape];
    let mut out = Vec::new();
    while let Some(next) = open.pop() {
        let shape = &model.shapes[next];
        out.push(shape);
        for kind in shape.elements.iter().flat_map(|element| &element.types) {
            if let Content::Shape(inner) = kind.content
                && !model.shapes[inner].is_extension
                && seen.insert(inner)
            {
                open.push(inner);
            }
        }
    }
    out
}

/// Names of the elements inside a type that may be references.
fn references<'a>(shapes: &[&'a Shape]) -> BTreeSet<&'a str> {
    let all = shapes.iter().flat_map(|shape| &shape.elements);
    all.filter(|element| element.types.iter().any(|kind| &*kind.code == "Reference"))
        .map(|element| &*element.name)
        .collect()
}

/// Whether the rules of a resource type look at it.
fn of_type(model: &Model, shape: ShapeId) -> bool {
    let shapes = inside(model, shape);
    let names = references(&shapes);
    shapes.iter().any(|shape| {
        let own = |all: &[Invariant]| all.iter().any(|each| looks(each.text(), &names));
        own(&shape.constraints)
            || shape.elements.iter().any(|element| {
                let held = element.types.iter().any(|kind| &*kind.code == "Reference");
                (held && !element.constraints.is_empty())
                    || own(&element.constraints)
                    || names_it(element.fixed.as_deref())
                    || names_it(element.pattern.as_deref())
                    || element
                        .types
                        .iter()
                        .flat_map(|kind| &kind.profiles)
                        .any(|url| of_profile(model, url, 1))
            })
    })
}

/// Whether a profile looks at it. One that is not known says nothing.
fn of_profile(model: &Model, url: &str, depth: u8) -> bool {
    let Some(profile) = model.profiles.get(url) else {
        return false;
    };
    if let Some(known) = profile.literal.get() {
        return *known;
    }
    if depth > DEPTH_MAX {
        return true;
    }
    let answer = looked_at(model, profile, depth);
    *profile.literal.get_or_init(|| answer)
}

fn looked_at(model: &Model, profile: &Profile, depth: u8) -> bool {
    let kind = &*profile.kind;
    let shape = model.resources.get(kind).or_else(|| model.types.get(kind));
    let Some(shape) = shape else {
        return true;
    };
    let names = references(&inside(model, *shape));
    let by_expression = profile.contexts.iter().any(|(how, _)| how == "fhirpath");
    by_expression || kind == "Reference" || node(model, &profile.root, &names, depth)
}

fn node(model: &Model, own: &Node, names: &BTreeSet<&str>, depth: u8) -> bool {
    let is_reference = own.keys.iter().any(|key| &*key.code == "Reference");
    let sliced = own.slicing.iter().flat_map(|slicing| &slicing.slices);
    (&*own.name == "reference")
        || (is_reference
            && (own.fixed.is_some() || own.pattern.is_some() || !own.constraints.is_empty()))
        || names_it(own.fixed.as_deref())
        || names_it(own.pattern.as_deref())
        || own.constraints.iter().any(|each| looks(each.text(), names))
        || own
            .profiles
            .iter()
            .flat_map(|(_, urls)| urls)
            .any(|url| of_profile(model, url, depth + 1))
        || own
            .children
            .iter()
            .any(|child| node(model, child, names, depth))
        || sliced.into_iter().any(|slice| {
            let step = |step: &str| matches!(step, "reference" | "resolve()");
            is_reference
                || slice
                    .tests
                    .iter()
                    .any(|test| test.path.iter().any(|s| step(s)))
                || node(model, &slice.node, names, depth)
        })
}

/// Whether a value names it.
fn names_it(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Object(map)) => {
            map.contains_key("reference") || map.values().any(|inner| names_it(Some(inner)))
        }
        Some(Value::Array(items)) => items.iter().any(|inner| names_it(Some(inner))),
        _ => false,
    }
}

/// Whether an expression may look at it: names it, or does more with a reference than ask whether it is
/// there.
fn looks(text: &str, names: &BTreeSet<&str>) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    while let Some(begin) = rest.find(part) {
        let word = &rest[begin..];
        let end = word.find(|c| !part(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        let only_there = || ONLY_THERE.iter().any(|ask| after.starts_with(ask));
        if LOOKS.contains(&word) || (names.contains(word) && !only_there()) {
            return true;
        }
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_that_only_asks_whether_a_reference_is_there_does_not_look() {
        let names = BTreeSet::from(["subject", "performer"]);
        for text in [
            "subject.exists() and code.exists()",
            "code.coding.intersect(%resource.code.coding).exists()",
            "performer.count() > 1 or value.empty()",
            "preference = 1",
        ] {
            assert!(!looks(text, &names), "{text}");
        }
        for text in [
            "subject.reference.exists()",
            "performer.resolve().ofType(Practitioner).exists()",
            "subject = performer",
            "performer.isDistinct()",
            "descendants().where($this = '#').empty()",
            "iif(true, subject, performer).exists()",
        ] {
            assert!(looks(text, &names), "{text}");
        }
    }

    #[test]
    fn what_is_kept_by_the_types_and_by_our_profiles_is_known() {
        let all = Validator::standard();
        let sees = |resource: Value| all.sees_literal(&resource, &[]);
        assert!(!sees(json!({"resourceType": "Observation"})));
        assert!(!sees(json!({"resourceType": "MedicationRequest"})));
        assert!(!sees(json!({"resourceType": "Provenance"})));
        // ctm-1 follows a member, cpl-3 asks for an element of this name.
        assert!(sees(json!({"resourceType": "CareTeam"})));
        assert!(sees(json!({"resourceType": "CarePlan"})));
        // Only a run can tell.
        assert!(sees(
            json!({"resourceType": "Observation", "contained": []})
        ));
        let extension = json!([{"url": "urn:x", "valueReference": {}}]);
        assert!(sees(
            json!({"resourceType": "Observation", "extension": extension})
        ));
        assert!(sees(json!({"resourceType": "Nothing"})));
    }
}
