//! Arithmetic and functions on numbers. What overflows or has no result is empty; decimals are exact
//! to 28 digits.

use rust_decimal::{Decimal, MathematicalOps as _, RoundingStrategy};

use super::ast::{Binary, calendar_word};
use super::compare::{self, as_decimal, as_quantity};
use super::error::PathError;
use super::eval::{Flow, MORE, Run, Scope, Sink, wrong_type};
use super::func::Func;
use super::item::Item;
use super::op::{Call, Op};
use super::quantity::Quantity;
use super::temporal::Temporal;

/// Minus an item.
pub(super) fn negated(item: Item<'_>) -> Result<Item<'_>, PathError> {
    match item {
        Item::Integer(value) => Ok(Item::Integer(value.wrapping_neg())),
        Item::Decimal(value) => Ok(Item::Decimal(minus(value))),
        Item::Quantity(quantity) => Ok(Item::Quantity(Box::new(Quantity {
            value: minus(quantity.value),
            ..*quantity
        }))),
        _ => Err(PathError::execution(
            "a minus stands before what is no number",
        )),
    }
}

/// Zero has no sign.
fn minus(value: Decimal) -> Decimal {
    if value.is_zero() { value } else { -value }
}

fn quantity(value: Quantity<'_>) -> Item<'_> {
    Item::Quantity(Box::new(value))
}

/// `+ - * / div mod &`.
pub(super) fn binary<'a>(
    run: &Run<'a>,
    operator: Binary,
    left: &'a Op,
    right: &'a Op,
    scope: &Scope<'a, '_>,
) -> Result<Option<Item<'a>>, PathError> {
    let valued = |item: &Item<'a>| !item.is_bare();
    let left = run.single(left, scope)?.filter(valued);
    let right = run.single(right, scope)?.filter(valued);
    if operator == Binary::Concat {
        let mut out = String::new();
        for item in [left, right].into_iter().flatten() {
            match compare::as_text(run.types, &item) {
                Some(text) => out.push_str(text),
                None => match item {
                    Item::Node(node) => match node.value.and_then(serde_json::Value::as_str) {
                        Some(text) => out.push_str(text),
                        None => return Err(PathError::execution("& joins texts")),
                    },
                    _ => return Err(PathError::execution("& joins texts")),
                },
            }
        }
        return run.text(out).map(Some);
    }
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(None);
    };
    let (left, right) = (left.simple(run.types), right.simple(run.types));
    match (&left, &right) {
        (Item::Integer(a), Item::Integer(b)) => return Ok(integers(operator, *a, *b)),
        (Item::Text(a), Item::Text(b)) if operator == Binary::Add => {
            return run.text(format!("{a}{b}")).map(Some);
        }
        (Item::Temporal(a), _) => {
            if let Some(b) = moved_by(run, &right) {
                return shifted(operator, *a, &b);
            }
        }
        _ => {
            if let (Some(a), Some(b)) = (as_decimal(&left), as_decimal(&right)) {
                return Ok(decimals(operator, a, b));
            }
            if let (Some(a), Some(b)) = (
                as_quantity(run.types, &left),
                as_quantity(run.types, &right),
            ) {
                return quantities(operator, &a, &b);
            }
        }
    }
    Err(PathError::execution(format!(
        "{} works on numbers, quantities and the like of one kind",
        operator.sign()
    )))
}

fn moved_by<'a>(run: &Run<'a>, item: &Item<'a>) -> Option<Quantity<'a>> {
    match item {
        Item::Quantity(_) | Item::Node(_) => as_quantity(run.types, item),
        _ => None,
    }
}

fn integers(operator: Binary, a: i64, b: i64) -> Option<Item<'static>> {
    let value = match operator {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::Div => a.checked_div(b),
        Binary::Mod => a.checked_rem(b),
        _ => return decimals(operator, Decimal::from(a), Decimal::from(b)),
    };
    value.map(Item::Integer)
}

fn whole(value: Decimal) -> Option<Item<'static>> {
    i64::try_from(value.trunc()).ok().map(Item::Integer)
}

fn decimals(operator: Binary, a: Decimal, b: Decimal) -> Option<Item<'static>> {
    let value = match operator {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::Divide => a.checked_div(b).map(|value| value.normalize()),
        Binary::Div => return a.checked_div(b).and_then(whole),
        Binary::Mod => a.checked_rem(b),
        _ => None,
    };
    value.map(Item::Decimal)
}

fn quantities<'a>(
    operator: Binary,
    a: &Quantity<'a>,
    b: &Quantity<'a>,
) -> Result<Option<Item<'a>>, PathError> {
    let sum = |value: Option<Decimal>| value.map(|value| quantity(Quantity { value, ..a.clone() }));
    Ok(match operator {
        Binary::Add => sum(b.value_in(a).and_then(|b| a.value.checked_add(b))),
        Binary::Subtract => sum(b.value_in(a).and_then(|b| a.value.checked_sub(b))),
        Binary::Multiply => a.times(b).map(quantity),
        Binary::Divide => a.divided(b).map(quantity),
        _ => return Err(PathError::execution("div and mod work on numbers")),
    })
}

/// A date or time, moved by a quantity of time. UCUM's years and months are no calendar units.
fn shifted(
    operator: Binary,
    from: Temporal,
    by: &Quantity<'_>,
) -> Result<Option<Item<'static>>, PathError> {
    let unit = if by.calendar {
        calendar_word(&by.unit)
    } else {
        match &*by.unit {
            "wk" => Some("week"),
            "d" => Some("day"),
            "h" => Some("hour"),
            "min" => Some("minute"),
            "s" => Some("second"),
            "ms" => Some("millisecond"),
            _ => None,
        }
    };
    let Some(unit) = unit else {
        return Err(PathError::execution("a date moves by units of time only"));
    };
    let value = match operator {
        Binary::Add => by.value,
        Binary::Subtract => -by.value,
        _ => return Err(PathError::execution("a date can be moved, and no more")),
    };
    // Fractions count for seconds only.
    let (value, unit) = if unit == "second" && !value.fract().is_zero() {
        (value.checked_mul(Decimal::from(1000)), "millisecond")
    } else {
        (Some(value), unit)
    };
    let amount = value.and_then(|value| i64::try_from(value.trunc()).ok());
    Ok(amount
        .and_then(|amount| from.add(amount, unit))
        .map(Item::Temporal))
}

/// Hands on what a function on a number gives.
pub(super) fn each<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    if matches!(call.func, Func::Sum | Func::Min | Func::Max | Func::Avg) {
        return match folded(run, call, scope)? {
            Some(item) => sink(item),
            None => MORE,
        };
    }
    let item = run.single(&call.input, scope)?;
    let Some(item) = item.filter(|item| !item.is_bare()) else {
        return MORE;
    };
    let item = item.simple(run.types);
    let arg = match call.args.first() {
        Some(arg) => match run.single(arg, scope)?.map(|arg| arg.simple(run.types)) {
            Some(arg) => Some(arg),
            None if call.func == Func::Round => None,
            None => return MORE,
        },
        None => None,
    };
    let result = match item {
        Item::Integer(_) | Item::Decimal(_) => math(call.func, &item, arg.as_ref())?,
        Item::Quantity(_) | Item::Node(_) => {
            let own = as_quantity(run.types, &item);
            let own = own.ok_or_else(|| wrong_type(call.func, "numbers"))?;
            match math(call.func, &Item::Decimal(own.value), arg.as_ref())? {
                Some(value) => as_decimal(&value).map(|value| quantity(Quantity { value, ..own })),
                None => None,
            }
        }
        _ => return Err(wrong_type(call.func, "numbers")),
    };
    match result {
        Some(item) => sink(item),
        None => MORE,
    }
}

/// What series and roots give, without the noise of their last digits.
fn settled(value: Decimal) -> Item<'static> {
    Item::Decimal(value.round_dp(16).normalize())
}

fn math(
    func: Func,
    item: &Item<'_>,
    arg: Option<&Item<'_>>,
) -> Result<Option<Item<'static>>, PathError> {
    let Some(value) = as_decimal(item) else {
        return Ok(None);
    };
    let number = || {
        let arg = arg.and_then(as_decimal);
        arg.ok_or_else(|| wrong_type(func, "numbers"))
    };
    let is_integer = matches!(item, Item::Integer(_));
    Ok(match func {
        Func::Abs => match item {
            Item::Integer(value) => value.checked_abs().map(Item::Integer),
            _ => Some(Item::Decimal(value.abs())),
        },
        Func::Ceiling => whole(value.ceil()),
        Func::Floor => whole(value.floor()),
        Func::Truncate => whole(value),
        Func::Round => {
            let digits = match arg {
                Some(Item::Integer(digits)) => u32::try_from(*digits)
                    .map_err(|_| PathError::execution("round takes no negative precision"))?,
                Some(_) => return Err(wrong_type(func, "whole numbers of digits")),
                None => 0,
            };
            if is_integer {
                return Ok(Some(Item::Integer(match item {
                    Item::Integer(value) => *value,
                    _ => 0,
                })));
            }
            let strategy = RoundingStrategy::MidpointAwayFromZero;
            Some(Item::Decimal(
                value.round_dp_with_strategy(digits.min(28), strategy),
            ))
        }
        Func::Sqrt => value.sqrt().map(settled),
        Func::Exp => value.checked_exp().map(settled),
        Func::Ln => value.checked_ln().map(settled),
        Func::Log => {
            let base = number()?;
            match (value.checked_ln(), base.checked_ln()) {
                (Some(value), Some(base)) => value.checked_div(base).map(settled),
                _ => None,
            }
        }
        Func::Power => {
            let exponent = number()?;
            if value.is_zero() && exponent.is_sign_negative() {
                return Ok(None);
            }
            if exponent.fract().is_zero() {
                let times = i64::try_from(exponent).ok();
                let power = times.filter(|times| times.abs() <= 100_000);
                let power = power.and_then(|times| value.checked_powi(times));
                match power {
                    Some(power) if is_integer && power.fract().is_zero() => whole(power),
                    other => other.map(|power| Item::Decimal(power.normalize())),
                }
            } else if value.is_sign_negative() {
                None
            } else {
                value.checked_powd(exponent).map(settled)
            }
        }
        other => return Err(wrong_type(other, "something else")),
    })
}

/// `sum`, `min`, `max`, `avg`.
fn folded<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
) -> Result<Option<Item<'a>>, PathError> {
    let mut total: Option<Item<'a>> = None;
    let mut count = 0i64;
    let mut lost = false;
    let _ = run.each(&call.input, scope, &mut |item| {
        let item = item.simple(run.types);
        count += 1;
        total = Some(match total.take() {
            None => item,
            Some(before) => match call.func {
                Func::Min | Func::Max => {
                    let order = compare::order(run, &item, &before)?;
                    let wanted = if call.func == Func::Min {
                        std::cmp::Ordering::Less
                    } else {
                        std::cmp::Ordering::Greater
                    };
                    if order == Some(wanted) { item } else { before }
                }
                _ => {
                    let sum = match (&before, &item) {
                        (Item::Integer(a), Item::Integer(b)) => integers(Binary::Add, *a, *b),
                        _ => match (as_decimal(&before), as_decimal(&item)) {
                            (Some(a), Some(b)) => decimals(Binary::Add, a, b),
                            _ => match (
                                as_quantity(run.types, &before),
                                as_quantity(run.types, &item),
                            ) {
                                (Some(a), Some(b)) => quantities(Binary::Add, &a, &b)?,
                                _ => return Err(wrong_type(call.func, "numbers")),
                            },
                        },
                    };
                    match sum {
                        Some(sum) => sum,
                        None => {
                            lost = true;
                            before
                        }
                    }
                }
            },
        });
        MORE
    })?;
    if lost {
        return Ok(None);
    }
    match (call.func, total) {
        (Func::Avg, Some(total)) => {
            let count = Decimal::from(count);
            match as_decimal(&total) {
                Some(sum) => Ok(decimals(Binary::Divide, sum, count)),
                None => match as_quantity(run.types, &total) {
                    Some(sum) => quantities(Binary::Divide, &sum, &Quantity::plain(count)),
                    None => Err(wrong_type(call.func, "numbers")),
                },
            }
        }
        (_, total) => Ok(total),
    }
}
