//! Steps through a resource: elements by name, choices by their properties, children, descendants.

use serde_json::{Map, Value};

use super::error::PathError;
use super::eval::{DONE, Flow, MORE, Run, Sink};
use super::item::{Item, Node, resource_type};
use super::types::{Form, TypeId, Types};

/// Whether the name stands for the node itself: its type, or one that it derives from.
pub(super) fn is_named(types: &Types, node: Node<'_>, name: &str) -> bool {
    if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return false;
    }
    *types.name(node.kind) == *name
        || types
            .named(name)
            .is_some_and(|wanted| types.is_a(node.kind, wanted))
}

/// Objects of at most this many properties are looked through; larger ones are asked by hash.
const SMALL: usize = 24;

fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if object.len() <= SMALL {
        let mut all = object.iter();
        all.find(|(key, _)| **key == *name).map(|(_, value)| value)
    } else {
        object.get(name)
    }
}

/// A property and its companion.
fn pair<'a>(object: &'a Map<String, Value>, name: &str) -> (Option<&'a Value>, Option<&'a Value>) {
    let mut value = None;
    let mut companion = None;
    for (key, inner) in object {
        if key.len() == name.len() {
            if *key == *name {
                value = Some(inner);
            }
        } else if key.len() == name.len() + 1 && is_companion(key, name) {
            companion = Some(inner);
        }
    }
    (value, companion)
}

fn is_companion(key: &str, name: &str) -> bool {
    key.strip_prefix('_').is_some_and(|rest| rest == name)
}

/// Hands on what an item has under a name.
pub(super) fn step<'a>(
    run: &Run<'a>,
    item: &Item<'a>,
    name: &str,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    match item {
        Item::Node(node) => child(run, *node, name, sink),
        Item::Type(space, own) => match name {
            "namespace" => sink(Item::Text((*space).into())),
            "name" => sink(Item::Text(own.clone())),
            _ => MORE,
        },
        Item::Quantity(quantity) => match name {
            "value" => sink(Item::Decimal(quantity.value)),
            "unit" | "code" => sink(Item::Text(quantity.unit.clone())),
            _ => MORE,
        },
        _ => MORE,
    }
}

/// Hands on the elements of a name.
pub(super) fn child<'a>(
    run: &Run<'a>,
    parent: Node<'a>,
    name: &str,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    run.spend(1)?;
    let Some(object) = parent.object() else {
        return MORE;
    };
    let types = run.types;
    let shape = types.shape(parent.kind);
    if shape.form == Form::Unknown {
        return unknown_child(run, object, name, sink);
    }
    let Some(field) = shape.field(name) else {
        return MORE;
    };
    if let [(key, kind)] = field.types.as_slice()
        && !field.choice
    {
        return if types.shape(*kind).form.is_primitive() {
            let (value, companion) = pair(object, key);
            give(run, value, companion, *kind, sink)
        } else {
            give(run, get(object, key), None, *kind, sink)
        };
    }
    for (key, value) in object {
        let bare = key.strip_prefix('_').unwrap_or(key);
        if bare.len() <= name.len() || !bare.starts_with(name) {
            continue;
        }
        let Some((_, kind)) = field.types.iter().find(|(own, _)| **own == *bare) else {
            continue;
        };
        let flow = if bare.len() == key.len() {
            let companion = if types.shape(*kind).form.is_primitive() {
                pair(object, key).1
            } else {
                None
            };
            give(run, Some(value), companion, *kind, sink)?
        } else if object.contains_key(bare) {
            continue;
        } else {
            give(run, None, Some(value), *kind, sink)?
        };
        if flow.is_break() {
            return DONE;
        }
    }
    MORE
}

/// An element of something whose type is not known: the property itself, or a choice whose property
/// ends in the name of a type.
fn unknown_child<'a>(
    run: &Run<'a>,
    object: &'a Map<String, Value>,
    name: &str,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    let (value, companion) = pair(object, name);
    if value.is_some() || companion.is_some() {
        return give(run, value, companion, TypeId::UNKNOWN, sink);
    }
    for (key, value) in object {
        let Some(rest) = key.strip_prefix(name) else {
            continue;
        };
        let types = run.types;
        let kind = types.named(rest).or_else(|| {
            let mut chars = rest.chars();
            let first = chars.next()?.to_ascii_lowercase();
            types.named(&format!("{first}{}", chars.as_str()))
        });
        if let Some(kind) = kind
            && rest.starts_with(|c: char| c.is_ascii_uppercase())
            && give(run, Some(value), pair(object, key).1, kind, sink)?.is_break()
        {
            return DONE;
        }
    }
    MORE
}

/// Hands on what a property holds: its items, each with its companion.
fn give<'a>(
    run: &Run<'a>,
    value: Option<&'a Value>,
    companion: Option<&'a Value>,
    kind: TypeId,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    if let (Some(Value::Array(_)), _) | (_, Some(Value::Array(_))) = (value, companion) {
        let list = |value: Option<&'a Value>| {
            value
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice)
        };
        let (values, companions) = (list(value), list(companion));
        for at in 0..values.len().max(companions.len()) {
            if one(run, values.get(at), companions.get(at), kind, sink)?.is_break() {
                return DONE;
            }
        }
        return MORE;
    }
    one(run, value, companion, kind, sink)
}

fn one<'a>(
    run: &Run<'a>,
    value: Option<&'a Value>,
    companion: Option<&'a Value>,
    kind: TypeId,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    let value = value.filter(|value| !value.is_null());
    let companion = companion.filter(|companion| companion.is_object());
    if value.is_none() && companion.is_none() {
        return MORE;
    }
    run.spend(1)?;
    let kind = match value {
        Some(value) if run.types.shape(kind).form == Form::Resource => {
            resource_type(run.types, value).unwrap_or(kind)
        }
        Some(value @ Value::Object(_)) if kind == TypeId::UNKNOWN => {
            resource_type(run.types, value).unwrap_or(kind)
        }
        _ => kind,
    };
    sink(Item::Node(Node {
        value,
        companion,
        kind,
    }))
}

/// Which elements are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them.
    All,
    /// Those that can have elements themselves.
    Objects,
}

/// Whether a property holds primitives, by its JSON.
fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(items) => !items.iter().any(Value::is_object),
        _ => true,
    }
}

/// Hands on all elements of a node.
pub(super) fn children<'a>(
    run: &Run<'a>,
    parent: Node<'a>,
    wanted: Wanted,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    run.spend(1)?;
    let Some(object) = parent.object() else {
        return MORE;
    };
    let shape = run.types.shape(parent.kind);
    let companions = object.keys().any(|key| key.starts_with('_'));
    for (key, value) in object {
        let (bare, is_companion) = match key.strip_prefix('_') {
            Some(bare) => (bare, true),
            None => (key.as_str(), false),
        };
        if wanted == Wanted::Objects && !companions && is_scalar(value) {
            continue;
        }
        let kind = match shape.key(bare) {
            Some(kind) => kind,
            // Of a known type, what is no element is no child.
            None if shape.form == Form::Unknown && key != "resourceType" => TypeId::UNKNOWN,
            None => continue,
        };
        let flow = if is_companion {
            if object.contains_key(bare) {
                continue;
            }
            give(run, None, Some(value), kind, sink)?
        } else if companions
            && (run.types.shape(kind).form.is_primitive() || kind == TypeId::UNKNOWN)
        {
            give(run, Some(value), companion_of(object, key), kind, sink)?
        } else {
            give(run, Some(value), None, kind, sink)?
        };
        if flow.is_break() {
            return DONE;
        }
    }
    MORE
}

fn companion_of<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut all = object.iter();
    all.find(|(key, _)| key.len() == name.len() + 1 && is_companion(key, name))
        .map(|(_, value)| value)
}

/// Hands on all elements below a node, each before those below it.
pub(super) fn descendants<'a>(
    run: &Run<'a>,
    parent: Node<'a>,
    wanted: Wanted,
    depth: usize,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    if depth > 128 {
        return Err(PathError::limit(
            "the resource is nested deeper than the limit",
        ));
    }
    children(run, parent, wanted, &mut |item| {
        let inner = match &item {
            Item::Node(node) => *node,
            _ => return sink(item),
        };
        if sink(item)?.is_break() {
            return DONE;
        }
        if inner.object().is_none() {
            return MORE;
        }
        descendants(run, inner, wanted, depth + 1, sink)
    })
}
