//! What expressions work on: places in a resource, borrowed, and values that were made.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::Value;
use smallvec::SmallVec;

use super::quantity::Quantity;
use super::temporal::{Temporal, TemporalKind};
use super::types::{Form, TypeId, Types};

/// A collection, in order.
pub type Items<'a> = SmallVec<[Item<'a>; 2]>;

/// One item of a collection.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// A place in a resource.
    Node(Node<'a>),
    /// `System.Boolean`.
    Boolean(bool),
    /// `System.Integer`.
    Integer(i64),
    /// `System.Decimal`.
    Decimal(Decimal),
    /// `System.String`.
    Text(Cow<'a, str>),
    /// `System.Date`, `System.DateTime` or `System.Time`.
    Temporal(Temporal),
    /// `System.Quantity`.
    Quantity(Box<Quantity<'a>>),
    /// What `type()` gives: namespace and name.
    Type(&'static str, Cow<'a, str>),
}

/// A place in a resource: its JSON, and what type it has. A primitive may have its companion
/// (`_name`) beside its value, or instead of it.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub(super) value: Option<&'a Value>,
    pub(super) companion: Option<&'a Value>,
    pub(super) kind: TypeId,
}

impl<'a> Node<'a> {
    /// A resource: it names its type.
    #[must_use]
    pub fn resource(types: &Types, value: &'a Value) -> Self {
        Node {
            value: Some(value),
            companion: None,
            kind: resource_type(types, value).unwrap_or(TypeId::UNKNOWN),
        }
    }

    /// An element of a known type; for a primitive, with what stands under `_name`.
    #[must_use]
    pub fn element(value: Option<&'a Value>, companion: Option<&'a Value>, kind: TypeId) -> Self {
        Node {
            value: value.filter(|value| !value.is_null()),
            companion: companion.filter(|value| !value.is_null()),
            kind,
        }
    }

    /// Its JSON; for a primitive without a value, nothing.
    #[must_use]
    pub fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// What stands under `_name`.
    #[must_use]
    pub fn companion(&self) -> Option<&'a Value> {
        self.companion
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> TypeId {
        self.kind
    }

    /// The JSON object that holds its elements.
    pub(super) fn object(&self) -> Option<&'a serde_json::Map<String, Value>> {
        self.value
            .and_then(Value::as_object)
            .or_else(|| self.companion.and_then(Value::as_object))
    }

    /// The value of a primitive; nothing for objects.
    pub(super) fn primitive(&self, types: &Types) -> Option<Item<'a>> {
        let form = types.shape(self.kind).form;
        match self.value? {
            Value::Bool(value) => Some(Item::Boolean(*value)),
            Value::Number(number) => number_item(number, form),
            Value::String(text) => {
                let temporal = match form {
                    Form::Date => Temporal::date(text),
                    Form::DateTime => Temporal::date_time(text),
                    Form::Time => Temporal::time(text),
                    _ => None,
                };
                Some(match temporal {
                    Some(value) => Item::Temporal(value),
                    None => Item::Text(Cow::Borrowed(text)),
                })
            }
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// The type that a resource names.
pub(super) fn resource_type(types: &Types, value: &Value) -> Option<TypeId> {
    types.named(value.get("resourceType")?.as_str()?)
}

fn number_item<'a>(number: &serde_json::Number, form: Form) -> Option<Item<'a>> {
    if form != Form::Decimal
        && let Some(value) = number.as_i64()
    {
        return Some(Item::Integer(value));
    }
    decimal(number.as_str()).map(Item::Decimal)
}

/// Reads a decimal; beyond 28 digits it is rounded, beyond the range there is none.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    text.parse().ok()
}

impl<'a> Item<'a> {
    /// The item with what it owns borrowed.
    pub(super) fn borrowed(item: &'a Item<'static>) -> Item<'a> {
        match item {
            Item::Text(text) => Item::Text(Cow::Borrowed(text)),
            Item::Type(space, name) => Item::Type(space, Cow::Borrowed(name)),
            Item::Quantity(quantity) => Item::Quantity(Box::new(Quantity {
                value: quantity.value,
                unit: Cow::Borrowed(&quantity.unit),
                calendar: quantity.calendar,
            })),
            other => other.clone(),
        }
    }

    /// Whether it is a primitive that has no value, only a companion: there is nothing to work on.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self, Item::Node(node) if node.value.is_none())
    }

    /// The system value of a primitive; other items as they are.
    pub(super) fn simple(self, types: &Types) -> Item<'a> {
        match &self {
            Item::Node(node) => node.primitive(types).unwrap_or(self),
            _ => self,
        }
    }

    /// The type's name as the official suite writes it: `string`, `code`, `Quantity`.
    #[must_use]
    pub fn type_name(&self, types: &'a Types) -> &'a str {
        match self {
            Item::Node(node) if node.kind == TypeId::UNKNOWN => match node.value {
                Some(Value::Bool(_)) => "boolean",
                Some(Value::Number(number)) if number.is_i64() => "integer",
                Some(Value::Number(_)) => "decimal",
                Some(Value::String(_)) => "string",
                _ => "Element",
            },
            Item::Node(node) => types.name(node.kind),
            Item::Boolean(_) => "boolean",
            Item::Integer(_) => "integer",
            Item::Decimal(_) => "decimal",
            Item::Text(_) => "string",
            Item::Temporal(value) => match value.kind {
                TemporalKind::Date => "date",
                TemporalKind::DateTime => "dateTime",
                TemporalKind::Time => "time",
            },
            Item::Quantity(_) => "Quantity",
            Item::Type(..) => "TypeInfo",
        }
    }

    /// The item as JSON. Resources and elements as they stand; quantities as text (`1 'mg'`).
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Item::Node(node) => node.value.cloned().unwrap_or(Value::Null),
            Item::Boolean(value) => Value::Bool(*value),
            Item::Integer(value) => Value::from(*value),
            Item::Decimal(value) => value.to_string().parse().map_or(Value::Null, Value::Number),
            Item::Text(text) => Value::String(text.to_string()),
            Item::Temporal(value) => Value::String(value.to_string()),
            Item::Quantity(quantity) => Value::String(quantity.to_string()),
            Item::Type(space, name) => {
                serde_json::json!({"namespace": space, "name": name})
            }
        }
    }
}
