//! Conversions, and what an item's type is.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::Value;

use super::compare::as_quantity;
use super::error::PathError;
use super::eval::{Flow, MORE, Run, Scope, Sink, wrong_type};
use super::func::Func;
use super::item::Item;
use super::op::Call;
use super::quantity::Quantity;
use super::temporal::{Precision, Temporal, TemporalKind};
use super::type_test;

/// Hands on what a conversion gives.
pub(super) fn each<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    if call.func == Func::Type {
        return run.each(&call.input, scope, &mut |item| sink(type_of(run, &item)));
    }
    let Some(item) = run.single(&call.input, scope)? else {
        return MORE;
    };
    let converted = match call.func {
        Func::GetValue => match item {
            Item::Node(node) => node.primitive(run.types),
            other => Some(other),
        },
        Func::ToText | Func::ConvertsToText => to_text(run, &item)?,
        Func::ToQuantity | Func::ConvertsToQuantity => {
            let unit = match call.args.first() {
                Some(unit) => run.single(unit, scope)?,
                None => None,
            };
            to_quantity(run, item, unit)?
        }
        func => {
            let item = item.simple(run.types);
            match func {
                Func::ToBoolean | Func::ConvertsToBoolean => to_boolean(&item),
                Func::ToInteger | Func::ConvertsToInteger => to_integer(&item),
                Func::ToDecimal | Func::ConvertsToDecimal => to_decimal(&item),
                Func::ToDate | Func::ConvertsToDate => to_date(&item),
                Func::ToDateTime | Func::ConvertsToDateTime => to_date_time(&item),
                Func::ToTime | Func::ConvertsToTime => to_time(&item),
                other => return Err(wrong_type(other, "something else")),
            }
        }
    };
    let asks = matches!(
        call.func,
        Func::ConvertsToBoolean
            | Func::ConvertsToInteger
            | Func::ConvertsToDecimal
            | Func::ConvertsToDate
            | Func::ConvertsToDateTime
            | Func::ConvertsToTime
            | Func::ConvertsToText
            | Func::ConvertsToQuantity
    );
    match converted {
        _ if asks => sink(Item::Boolean(converted.is_some())),
        Some(item) => sink(item),
        None => MORE,
    }
}

fn type_of<'a>(run: &Run<'a>, item: &Item<'a>) -> Item<'a> {
    match (type_test::system_name(item), item) {
        (Some(name), _) => Item::Type("System", Cow::Borrowed(name)),
        (None, Item::Node(_)) => Item::Type("FHIR", Cow::Borrowed(item_name(run, item))),
        (None, _) => Item::Type("System", Cow::Borrowed("TypeInfo")),
    }
}

fn item_name<'a>(run: &Run<'a>, item: &Item<'a>) -> &'a str {
    match item {
        Item::Node(node) => run.types.name(node.kind()),
        _ => "",
    }
}

/// The text of a primitive or system value, digits kept.
pub(super) fn to_text<'a>(run: &Run<'a>, item: &Item<'a>) -> Result<Option<Item<'a>>, PathError> {
    if let Item::Node(node) = item {
        match node.value {
            Some(Value::String(text)) => return Ok(Some(Item::Text(Cow::Borrowed(text)))),
            Some(Value::Number(number)) => {
                return Ok(Some(Item::Text(Cow::Borrowed(number.as_str()))));
            }
            _ => {}
        }
    }
    let text = match item.clone().simple(run.types) {
        Item::Boolean(value) => value.to_string(),
        Item::Integer(value) => value.to_string(),
        Item::Decimal(value) => value.to_string(),
        Item::Text(text) => return Ok(Some(Item::Text(text))),
        Item::Temporal(value) => value.to_string(),
        Item::Quantity(quantity) => quantity.to_string(),
        other => match as_quantity(run.types, &other) {
            Some(quantity) => quantity.to_string(),
            None => return Ok(None),
        },
    };
    run.text(text).map(Some)
}

fn to_boolean(item: &Item<'_>) -> Option<Item<'static>> {
    let value = match item {
        Item::Boolean(value) => *value,
        Item::Integer(1) => true,
        Item::Integer(0) => false,
        Item::Decimal(value) if *value == Decimal::ONE => true,
        Item::Decimal(value) if value.is_zero() => false,
        Item::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => true,
            "false" | "f" | "no" | "n" | "0" | "0.0" => false,
            _ => return None,
        },
        _ => return None,
    };
    Some(Item::Boolean(value))
}

/// Whether the text is digits, perhaps with a sign, perhaps with a fraction.
fn is_number(text: &str, fraction: bool) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match digits.split_once('.') {
        Some((whole, part)) => fraction && well(whole) && well(part),
        None => well(digits),
    }
}

fn to_integer(item: &Item<'_>) -> Option<Item<'static>> {
    match item {
        Item::Integer(value) => Some(Item::Integer(*value)),
        Item::Boolean(value) => Some(Item::Integer(i64::from(*value))),
        Item::Text(text) if is_number(text, false) => text.parse().ok().map(Item::Integer),
        _ => None,
    }
}

fn to_decimal(item: &Item<'_>) -> Option<Item<'static>> {
    match item {
        Item::Decimal(value) => Some(Item::Decimal(*value)),
        Item::Integer(value) => Some(Item::Decimal(Decimal::from(*value))),
        Item::Boolean(value) => Some(Item::Decimal(Decimal::from(u8::from(*value)))),
        Item::Text(text) if is_number(text, true) => text.parse().ok().map(Item::Decimal),
        _ => None,
    }
}

fn to_date(item: &Item<'_>) -> Option<Item<'static>> {
    let value = match item {
        Item::Temporal(value) if value.kind != TemporalKind::Time => value.to_date(),
        Item::Text(text) => {
            Temporal::date(text).or_else(|| Temporal::date_time(text).map(Temporal::to_date))?
        }
        _ => return None,
    };
    Some(Item::Temporal(value))
}

fn to_date_time(item: &Item<'_>) -> Option<Item<'static>> {
    let value = match item {
        Item::Temporal(value) if value.kind != TemporalKind::Time => Temporal {
            kind: TemporalKind::DateTime,
            ..*value
        },
        Item::Text(text) => Temporal::date_time(text)?,
        _ => return None,
    };
    Some(Item::Temporal(value))
}

fn to_time(item: &Item<'_>) -> Option<Item<'static>> {
    match item {
        Item::Temporal(value) if value.kind == TemporalKind::Time => Some(Item::Temporal(*value)),
        Item::Text(text) => Temporal::time(text).map(Item::Temporal),
        _ => None,
    }
}

fn to_quantity<'a>(
    run: &Run<'a>,
    item: Item<'a>,
    unit: Option<Item<'a>>,
) -> Result<Option<Item<'a>>, PathError> {
    let quantity = match item.simple(run.types) {
        Item::Boolean(value) => Some(Quantity::plain(Decimal::from(u8::from(value)))),
        Item::Text(text) => Quantity::parse(&text),
        other => as_quantity(run.types, &other),
    };
    let Some(quantity) = quantity else {
        return Ok(None);
    };
    let wanted = match unit.map(|unit| unit.simple(run.types)) {
        None => return Ok(Some(Item::Quantity(Box::new(quantity)))),
        Some(Item::Text(unit)) => Quantity::new(Decimal::ONE, unit, false),
        Some(_) => return Err(PathError::execution("a unit is a text")),
    };
    Ok(quantity.value_in(&wanted).map(|value| {
        Item::Quantity(Box::new(Quantity {
            value: value.normalize(),
            ..wanted
        }))
    }))
}

/// Whether a date has a time of day.
pub(super) fn is_timed(value: Temporal) -> bool {
    value.precision >= Precision::Hour
}
