//! The structural pass as JSON Schema: generated from the same shapes, run by `jsonschema`.
//!
//! One document holds a definition per shape; each resource type is entered by its own reference, so
//! that a fault costs one type's branch and not all of them. What a schema cannot say (calendars,
//! required primitives that have only a companion) stays with the walk.
//!
//! Decision: the walk is what runs. See [`super`] for the figures; the schema is for partners and is
//! held against the walk by a test.

use serde_json::{Map, Value, json};

use super::Validator;
use super::model::{Content, Element, Model, Node, Shape, Type};
use super::primitive::Primitive;

impl Validator {
    /// One JSON Schema (2020-12) for a resource type, or for the type that a profile constrains with
    /// what the profile says of its own elements; `None` for what is not known.
    ///
    /// Structure only: names, JSON kinds, arrays, cardinalities, lexical forms; of a profile the
    /// cardinalities and fixed scalars. No value sets, no slices, no invariants: what the schema refuses the
    /// validator refuses, not the other way round.
    #[must_use]
    pub fn schema(&self, kind: &str) -> Option<Value> {
        let model = &self.core.model;
        let profile = model.profiles.get(kind);
        let kind = profile.map_or(kind, |profile| &profile.kind);
        let root = *model.resources.get(kind)?;
        let mut definitions = Map::new();
        let mut open = vec![root, model.element];
        while let Some(id) = open.pop() {
            let shape = &model.shapes[id];
            if definitions.contains_key(&*shape.path) {
                continue;
            }
            definitions.insert(shape.path.to_string(), object(model, shape));
            for each in shape.elements.iter().flat_map(|element| &element.types) {
                if let Content::Shape(inner) = each.content {
                    open.push(inner);
                }
            }
        }
        let mut out = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": reference(kind),
            "$defs": definitions,
        });
        let all: Vec<Value> = profile
            .into_iter()
            .flat_map(|profile| profile.root.children.iter().filter_map(narrowed))
            .collect();
        if !all.is_empty() {
            out["allOf"] = Value::Array(all);
        }
        Some(out)
    }
}

/// What a profile says of an element, and of what is inside it.
fn narrowed(node: &Node) -> Option<Value> {
    let names = || node.keys.iter().flat_map(|key| [&key.name, &key.companion]);
    let any = || -> Vec<Value> { names().map(|name| json!({"required": [name]})).collect() };
    if node.max == 0 {
        return Some(json!({"not": {"anyOf": any()}}));
    }
    let mut out = Map::new();
    if node.min > 0 {
        out.insert("anyOf".to_owned(), Value::Array(any()));
    }
    let mut all = Vec::new();
    if node.min > 1 || node.max != u32::MAX {
        let mut array = Map::new();
        // Of one value no array is made, and these say nothing of it.
        array.insert("minItems".to_owned(), json!(node.min));
        if node.max != u32::MAX {
            array.insert("maxItems".to_owned(), json!(node.max));
        }
        all.push(Value::Object(array));
    }
    if let Some(fixed) = node.fixed.as_ref().filter(|fixed| !fixed.is_object()) {
        let only = json!({"enum": [fixed]});
        all.push(json!({"if": {"not": {"type": ["array", "null"]}}, "then": only}));
    }
    let inside: Vec<Value> = node.children.iter().filter_map(narrowed).collect();
    if !inside.is_empty() {
        // Of one value, or of each of several; a primitive has nothing inside.
        let one = json!({"if": {"type": "object"}, "then": {"allOf": inside}});
        all.push(json!({"if": {"type": "array"}, "then": {"items": one}, "else": one}));
    }
    let mut properties = Map::new();
    if !all.is_empty() {
        for key in &node.keys {
            properties.insert(key.name.to_string(), json!({"allOf": all}));
        }
    }
    if !properties.is_empty() {
        out.insert("properties".to_owned(), Value::Object(properties));
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

fn reference(path: &str) -> String {
    format!("#/$defs/{path}")
}

fn object(model: &Model, shape: &Shape) -> Value {
    let mut properties = Map::new();
    let mut all = Vec::new();
    if model.resources.contains_key(&*shape.path) {
        properties.insert("resourceType".to_owned(), json!({"const": shape.path}));
        all.push(json!({"required": ["resourceType"]}));
    } else {
        all.push(json!({"minProperties": 1}));
    }
    for element in &shape.elements {
        let mut names = Vec::new();
        for each in &element.types {
            let primitive = matches!(each.content, Content::Primitive(_));
            properties.insert(each.key.to_string(), property(model, element, each));
            names.push(each.key.to_string());
            if primitive {
                let inner = json!({"$ref": reference("Element")});
                let companion = if element.array {
                    json!({"type": "array", "minItems": 1, "items": {"anyOf": [inner, {"type": "null"}]}})
                } else {
                    inner
                };
                if !element.array {
                    // Null says nothing, and may stand where there is a companion.
                    let value = json!({"properties": {&*each.key: {"not": {"type": "null"}}}});
                    all.push(json!({"anyOf": [value, {"required": [each.companion]}]}));
                }
                properties.insert(each.companion.to_string(), companion);
                names.push(each.companion.to_string());
            }
        }
        if element.min > 0 {
            let any: Vec<Value> = names
                .iter()
                .map(|name| json!({"required": [name]}))
                .collect();
            all.push(json!({"anyOf": any}));
        }
        if element.choice {
            // At most one type: a primitive and its companion count as one.
            for (index, one) in element.types.iter().enumerate() {
                let others: Vec<Value> = element.types[index + 1..]
                    .iter()
                    .map(|other| json!({"required": [other.key]}))
                    .collect();
                if !others.is_empty() {
                    let not = json!({"not": {"anyOf": others}});
                    all.push(json!({"if": {"required": [one.key]}, "then": not}));
                }
            }
        }
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false, "allOf": all})
}

fn property(model: &Model, element: &Element, kind: &Type) -> Value {
    let one = match kind.content {
        Content::Primitive(primitive) => scalar(primitive),
        Content::Shape(id) => json!({"$ref": reference(&model.shapes[id].path)}),
        Content::Resource => json!({"type": "object", "required": ["resourceType"]}),
        Content::Unknown => json!({}),
    };
    let item = if matches!(kind.content, Content::Primitive(_)) {
        json!({"anyOf": [one, {"type": "null"}]})
    } else {
        one
    };
    if !element.array {
        return item;
    }
    let mut out = json!({"type": "array", "minItems": 1, "items": item});
    if element.max != u32::MAX {
        out["maxItems"] = json!(element.max);
    }
    out
}

fn scalar(primitive: Primitive) -> Value {
    let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
    match primitive {
        Primitive::Boolean => json!({"type": "boolean"}),
        Primitive::Decimal => json!({"type": "number"}),
        Primitive::Integer => json!({"type": "integer"}),
        Primitive::PositiveInt => json!({"type": "integer", "minimum": 1}),
        Primitive::UnsignedInt => json!({"type": "integer", "minimum": 0}),
        Primitive::Code => text(r"^[^\s]+(\s[^\s]+)*$"),
        Primitive::Id => text(r"^[A-Za-z0-9\-.]{1,64}$"),
        Primitive::Uri
        | Primitive::Url
        | Primitive::Canonical
        | Primitive::Oid
        | Primitive::Uuid => text(r"^\S+$"),
        Primitive::Date => text(r"^\d{4}(-\d{2}(-\d{2})?)?$"),
        Primitive::DateTime => {
            text(r"^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?$")
        }
        Primitive::Instant => {
            text(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$")
        }
        Primitive::Time => text(r"^\d{2}:\d{2}:\d{2}(\.\d+)?$"),
        _ => json!({"type": "string", "minLength": 1}),
    }
}
