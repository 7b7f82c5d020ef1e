//! Whether an item has a type.
//!
//! `is` accepts what derives from the type. `as` and `ofType` narrow: among primitives to the very
//! type (a `code` is a `string`, but `as(string)` does not take it), among others to what derives
//! from it.

use serde_json::Value;

use super::ast::TypeName;
use super::error::PathError;
use super::eval::is_unknown;
use super::item::Item;
use super::temporal::TemporalKind;
use super::types::{TypeId, Types};

/// A type, looked up.
pub(super) struct Test<'n> {
    system: Option<&'n str>,
    fhir: Option<TypeId>,
}

const SYSTEM: &[&str] = &[
    "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity",
];

impl<'n> Test<'n> {
    /// Looks the type up.
    pub(super) fn new(types: &Types, name: &'n TypeName) -> Result<Self, PathError> {
        let system = match name.space.as_deref() {
            Some("FHIR") => None,
            Some(_) => Some(&*name.name),
            None => SYSTEM.contains(&&*name.name).then_some(&*name.name),
        };
        let fhir = match name.space.as_deref() {
            Some("System") => None,
            _ => types.named(&name.name),
        };
        if system.is_none() && fhir.is_none() {
            return Err(PathError::execution(format!(
                "no type is called {}",
                name.name
            )));
        }
        Ok(Test { system, fhir })
    }

    /// Whether the item is of the type.
    pub(super) fn is(&self, types: &Types, item: &Item<'_>) -> bool {
        match item {
            Item::Node(node) if is_unknown(node.kind) => {
                self.system.is_some_and(|name| match node.value {
                    Some(Value::Bool(_)) => name == "Boolean",
                    Some(Value::Number(number)) if number.is_i64() => name == "Integer",
                    Some(Value::Number(_)) => name == "Decimal",
                    Some(Value::String(_)) => name == "String",
                    _ => false,
                })
            }
            Item::Node(node) => self
                .fhir
                .is_some_and(|wanted| types.is_a(node.kind, wanted)),
            other => self.system == system_name(other),
        }
    }

    /// Whether `as` and `ofType` let the item through.
    pub(super) fn narrows(&self, types: &Types, item: &Item<'_>) -> bool {
        match item {
            Item::Node(node) if !is_unknown(node.kind) => self.fhir.is_some_and(|wanted| {
                node.kind == wanted
                    || (!types.shape(wanted).form.is_primitive() && types.is_a(node.kind, wanted))
            }),
            other => self.is(types, other),
        }
    }
}

/// The name of a system value's type.
pub(super) fn system_name(item: &Item<'_>) -> Option<&'static str> {
    Some(match item {
        Item::Boolean(_) => "Boolean",
        Item::Integer(_) => "Integer",
        Item::Decimal(_) => "Decimal",
        Item::Text(_) => "String",
        Item::Temporal(value) => match value.kind {
            TemporalKind::Date => "Date",
            TemporalKind::DateTime => "DateTime",
            TemporalKind::Time => "Time",
        },
        Item::Quantity(_) => "Quantity",
        Item::Node(_) | Item::Type(..) => return None,
    })
}
