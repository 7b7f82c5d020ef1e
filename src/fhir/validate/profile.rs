//! A profile's tree beside a value: rules `type`, `type-profile`, and the same rules as for types
//! (cardinality, fixed, pattern, binding, reference) where the profile is stricter.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::model::{Key, Node};
use crate::fhir::path::TypeId;

/// One occurrence of an element.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    /// Its value.
    pub value: Option<&'a Value>,
    /// Its `_name` companion.
    pub companion: Option<&'a Value>,
    /// Type name, where it is known.
    pub code: &'a str,
    /// What expressions know the type as.
    pub kind: TypeId,
    /// Place in its array.
    pub index: Option<usize>,
}

impl<'a> Check<'a> {
    /// Checks what a profile says of the elements inside a value.
    pub(super) fn children(&mut self, nodes: &'a [Node], value: &'a Value, at: &At<'_>) {
        if !value.is_object() {
            return;
        }
        for node in nodes {
            let items = items(node, value);
            let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
            if count < node.min {
                self.too_few(node.min, items.len(), &node.name, at);
            }
            let named = at.name(&node.name);
            self.at_most(items.len(), node.max, &node.name, at);
            for item in &items {
                self.at_item(node, *item, &named);
            }
            if let Some(slicing) = &node.slicing {
                self.slicing(node, slicing, &items, at);
            }
        }
    }

    /// Calls [`Check::item`] with the place of the item.
    pub(super) fn at_item(&mut self, node: &'a Node, item: Item<'a>, named: &At<'_>) {
        let typed = named.of_type(item.code);
        let here = if node.choice { &typed } else { named };
        match item.index {
            Some(index) => self.item(node, item, &here.index(index)),
            None => self.item(node, item, here),
        }
    }

    /// One occurrence beside what the profile says of it.
    fn item(&mut self, node: &'a Node, item: Item<'a>, at: &At<'_>) {
        if let Some(only) = &node.only
            && !only.iter().any(|code| **code == *item.code)
        {
            let words = format!("the profile allows {}, not {}", only.join(", "), item.code);
            self.error("structure", "type", at, words);
            return;
        }
        self.invariants(&node.constraints, item.value, item.companion, item.kind, at);
        if let Some(value) = item.value {
            if let Some(fixed) = &node.fixed {
                self.fixed(fixed, value, at);
            }
            if let Some(pattern) = &node.pattern {
                self.pattern(pattern, value, at);
            }
            if let Some(binding) = &node.binding {
                self.binding(binding, value, at);
            }
            self.length(node.max_length, value, at);
            self.range(node, value, at);
            self.aggregation(&node.aggregation, value, at);
            if let Some((_, targets)) = node.targets.iter().find(|(code, _)| **code == *item.code) {
                self.targets(value, targets, at);
            }
            let kind = value
                .get("resourceType")
                .and_then(Value::as_str)
                .unwrap_or(item.code);
            let fits = |code: &str| code == kind || matches!(code, "Resource" | "DomainResource");
            if let Some((_, urls)) = node.profiles.iter().find(|(code, _)| fits(code)) {
                self.one_of(urls, value, at);
            }
            if value.is_object() {
                self.children(&node.children, value, at);
                return;
            }
        }
        if let Some(companion) = item.companion {
            self.children(&node.children, companion, at);
        } else if node.children.iter().any(|child| child.min > 0) {
            for child in node.children.iter().filter(|child| child.min > 0) {
                self.too_few(child.min, 0, &child.name, at);
            }
        }
    }

    /// A value must meet one of these profiles of its data type.
    pub(super) fn one_of(&mut self, urls: &'a [Box<str>], value: &'a Value, at: &At<'_>) {
        let core = self.core;
        if let [only] = urls {
            if let Some(profile) = core.model.profiles.get(only) {
                self.under_entered(profile, value, at);
            }
        } else if !self.meets(urls, value, at) {
            let words = "meets none of the profiles that are allowed for it";
            self.error("structure", "type-profile", at, words);
        }
    }

    /// Rule `max-length`.
    pub(super) fn length(&mut self, max: Option<usize>, value: &Value, at: &At<'_>) {
        if let (Some(max), Value::String(text)) = (max, value)
            && text.len() > max
            && text.chars().count() > max
        {
            let words = format!("longer than {max} characters");
            self.error("too-long", "max-length", at, words);
        }
    }
}

/// The occurrences of an element in an object.
pub(super) fn items<'a>(node: &'a Node, value: &'a Value) -> Vec<Item<'a>> {
    let mut out = Vec::new();
    for Key {
        name,
        companion,
        code,
        kind,
    } in &node.keys
    {
        let kind = *kind;
        let own = value.get(&**name).filter(|own| !own.is_null());
        let beside = value.get(&**companion).filter(|own| !own.is_null());
        let list = |value: Option<&'a Value>| value.and_then(Value::as_array);
        match (own, beside) {
            (None, None) => {}
            _ if list(own).is_some() || list(beside).is_some() => {
                let own = list(own).map_or(&[][..], Vec::as_slice);
                let beside = list(beside).map_or(&[][..], Vec::as_slice);
                for index in 0..own.len().max(beside.len()) {
                    out.push(Item {
                        value: own.get(index).filter(|own| !own.is_null()),
                        companion: beside.get(index).filter(|own| !own.is_null()),
                        code,
                        kind,
                        index: Some(index),
                    });
                }
            }
            _ => out.push(Item {
                value: own,
                companion: beside,
                code,
                kind,
                index: None,
            }),
        }
    }
    out
}
