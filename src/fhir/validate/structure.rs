//! Rules of structure: `unknown-element`, `type`, `array`, `null`, `empty-array`, `empty-object`,
//! `choice`. One walk over what the resource holds, beside the shapes of its types.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::model::{Content, Element, ShapeId, Type};
use super::primitive::{Primitive, control, example};
use crate::issue::Severity;

impl<'a> Check<'a> {
    /// An object with the elements of a shape. `code` is the name of its type.
    pub(super) fn object(&mut self, id: ShapeId, code: &'a str, parent: &'a Value, at: &At<'_>) {
        let valued = std::mem::take(&mut self.valued);
        let Value::Object(map) = parent else {
            let words = format!("an object is expected, not {}", kind_of(parent));
            self.error("structure", "type", at, words);
            return;
        };
        let core = self.core;
        let shape = &core.model.shapes[id];
        let is_resource = core.model.resources.get(&*shape.path) == Some(&id);
        if map.is_empty() {
            self.error(
                "structure",
                "empty-object",
                at,
                "an object with nothing in it",
            );
            return;
        }
        let companions = map.keys().any(|key| key.starts_with('_'));
        let mut seen: u128 = 0;
        for (key, inner) in map {
            if is_resource && key == "resourceType" {
                continue;
            }
            let Some(named) = shape.named(key) else {
                // The name came with the input: what it is like can be said, and where it stands.
                let place = map.keys().position(|own| own == key).unwrap_or_default() + 1;
                let like = shape.like(key).map(|name| format!("; closest is {name}"));
                let words = format!(
                    "{} has no element of this name (key number {place} of it{})",
                    shape.path,
                    like.unwrap_or_default()
                );
                self.error("structure", "unknown-element", at, words);
                continue;
            };
            let element = &shape.elements[usize::from(named.element)];
            let kind = &element.types[usize::from(named.kind)];
            let (value, companion) = if named.companion {
                if map.contains_key(&*kind.key) {
                    continue;
                }
                (None, Some(inner))
            } else if companions {
                (
                    Some(inner),
                    map.get(&*kind.companion).filter(|_| is_primitive(kind)),
                )
            } else {
                (Some(inner), None)
            };
            let bit = 1_u128.checked_shl(u32::from(named.element)).unwrap_or(0);
            if seen & bit != 0 {
                let words = format!("{}[x] may have one type only", element.name);
                self.error("structure", "choice", at, words);
            }
            seen |= bit;
            self.element(element, kind, value, companion, at);
            if &*kind.code == "Extension" {
                self.extensions(inner, code, shape, element, parent, at);
            }
        }
        self.shape_invariants(shape, seen, parent, at);
        if !is_resource && !valued {
            self.something(map, at);
        }
        if shape.is_extension {
            self.value_or_extensions(map, at);
        }
        let missing = shape.required & !seen;
        if missing != 0 {
            self.missing(shape, missing, at);
        }
    }

    fn element(
        &mut self,
        element: &'a Element,
        kind: &'a Type,
        value: Option<&'a Value>,
        companion: Option<&'a Value>,
        at: &At<'_>,
    ) {
        let named = at.name(&element.name);
        let typed = named.of_type(&kind.code);
        let here = if element.choice { &typed } else { &named };
        if !element.array {
            if value.is_some_and(Value::is_array) || companion.is_some_and(Value::is_array) {
                self.error(
                    "structure",
                    "array",
                    here,
                    "one value is expected, not an array",
                );
                return;
            }
            self.value(element, kind, value, companion, here);
            return;
        }
        let (Some(values), Some(companions)) = (items(value), items(companion)) else {
            let found = [value, companion].into_iter().flatten();
            let found = found.map(kind_of).find(|kind| *kind != "an array");
            let words = format!("an array is expected, not {}", found.unwrap_or("nothing"));
            self.error("structure", "array", here, words);
            return;
        };
        let count = values.len().max(companions.len());
        if count == 0 {
            self.error(
                "structure",
                "empty-array",
                here,
                "an array with nothing in it",
            );
        }
        self.at_most(count, element.max, &element.name, at);
        for index in 0..count {
            let here = here.index(index);
            self.value(
                element,
                kind,
                values.get(index),
                companions.get(index),
                &here,
            );
        }
    }

    fn value(
        &mut self,
        element: &'a Element,
        kind: &'a Type,
        value: Option<&'a Value>,
        companion: Option<&'a Value>,
        at: &At<'_>,
    ) {
        let value = value.filter(|value| !value.is_null());
        if companion.is_some_and(Value::is_null) && !element.array {
            self.error("structure", "null", at, "null stands for an object");
        }
        let companion = companion.filter(|value| !value.is_null());
        if value.is_none() && companion.is_none() {
            self.error("structure", "null", at, "null stands for a value");
            return;
        }
        match kind.content {
            Content::Primitive(primitive) => {
                if let Some(value) = value {
                    if let Err(words) = primitive.check(value) {
                        match primitive.is_of_kind(value) {
                            true => self.error("value", primitive.rule(), at, words),
                            false => {
                                let words = format!("{words}, not {}", kind_of(value));
                                self.error("structure", primitive.rule(), at, words);
                            }
                        }
                    } else if primitive == Primitive::Xhtml {
                        self.narrative(value, at);
                    } else if !self.core.example_addresses
                        && primitive.is_address()
                        && value.as_str().is_some_and(example)
                    {
                        let words = "an address of an example host";
                        self.error("invalid", "example-address", at, words);
                    } else if value.as_str().is_some_and(control) {
                        // R4 forbids it in prose, its patterns let it pass, and so do others.
                        let words = "holds a control character, which XML cannot carry";
                        self.say(Severity::Warning, "value", "control-character", at, words);
                    }
                    self.length(element.max_length, value, at);
                }
                if let Some(companion) = companion {
                    self.valued = value.is_some();
                    self.object(self.core.model.element, &kind.code, companion, at);
                }
            }
            Content::Shape(id) => {
                if let Some(value) = value {
                    self.object(id, &kind.code, value, at);
                }
            }
            Content::Resource => {
                if let Some(value) = value {
                    self.inner(&element.name, value, at);
                }
            }
            Content::Unknown => {}
        }
        self.invariants(&element.constraints, value, companion, kind.kind, at);
        let Some(value) = value else {
            self.no_code(element.binding.as_ref(), at);
            return;
        };
        if let Some(fixed) = &element.fixed {
            self.fixed(fixed, value, at);
        }
        if let Some(pattern) = &element.pattern {
            self.pattern(pattern, value, at);
        }
        if let Some(binding) = &element.binding {
            self.binding(binding, value, at);
        }
        match &*kind.code {
            "Coding" | "Quantity" => self.coding_of_system(value, &element.name, at),
            "Identifier" => self.absolute_system(value, Severity::Error, at),
            "Reference" => self.reference(value, &kind.targets, at),
            "Attachment" => self.attachment(value, at),
            _ => {}
        }
        if !kind.profiles.is_empty() {
            self.one_of(&kind.profiles, value, at);
        }
    }
}

/// What kind of thing a value is, in words.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn is_primitive(kind: &Type) -> bool {
    matches!(kind.content, Content::Primitive(_))
}

/// The items of an array; none for nothing; `None` for what is no array.
fn items(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        None => Some(&[]),
        Some(Value::Array(items)) => Some(items),
        Some(_) => None,
    }
}
