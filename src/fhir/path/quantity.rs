//! Quantities: a value with a UCUM unit or a calendar word, and what may be compared with what.
//!
//! Units are converted by the UCUM library, exactly, to 28 digits. Calendar words up to weeks equal
//! their UCUM units; years and months are only equivalent to UCUM's (`1 year ~ 1 'a'`), because their
//! length varies (N1, "Time-valued Quantities"). A FHIR Quantity counts if its system is UCUM; one of
//! another system compares with its like unit only, one with a comparator with nothing.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;
use serde_json::Value;

use super::ast::calendar_word;
use super::item::{Node, decimal};
use crate::fhir::system;

/// A quantity.
#[derive(Clone, Debug)]
pub struct Quantity<'a> {
    /// The number.
    pub value: Decimal,
    /// UCUM code, or calendar word in the singular.
    pub unit: Cow<'a, str>,
    /// Whether the unit is a calendar word.
    pub calendar: bool,
}

/// Longest unit that is looked at, in bytes.
const UNIT_MAX: usize = 200;

/// UCUM's code of a calendar word.
pub(super) fn ucum_of(word: &str) -> &str {
    match word {
        "year" => "a",
        "month" => "mo",
        "week" => "wk",
        "day" => "d",
        "hour" => "h",
        "minute" => "min",
        "second" => "s",
        "millisecond" => "ms",
        other => other,
    }
}

impl<'a> Quantity<'a> {
    /// A number without a unit.
    pub(super) fn plain(value: Decimal) -> Self {
        Quantity {
            value,
            unit: Cow::Borrowed("1"),
            calendar: false,
        }
    }

    /// A quantity with a unit; `'month'` in quotes counts as the calendar word.
    pub(super) fn new(value: Decimal, unit: impl Into<Cow<'a, str>>, calendar: bool) -> Self {
        let unit = unit.into();
        match calendar_word(&unit) {
            Some(word) => Quantity {
                value,
                unit: Cow::Borrowed(word),
                calendar: true,
            },
            None => Quantity {
                value,
                unit,
                calendar,
            },
        }
    }

    /// The quantity that a FHIR Quantity means.
    pub(super) fn of_node(node: &Node<'a>) -> Option<Self> {
        let object = node.value?.as_object()?;
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        if object.contains_key("comparator") {
            return None;
        }
        let Value::Number(number) = object.get("value")? else {
            return None;
        };
        let value = decimal(number.as_str())?;
        let unit = match (text("system"), text("code"), text("unit")) {
            (Some(system::UCUM), Some(code), _) => Cow::Borrowed(code),
            (_, Some(code), _) => Cow::Owned(format!("{{{code}}}")),
            (_, None, Some(unit)) => Cow::Owned(format!("{{{unit}}}")),
            (_, None, None) => Cow::Borrowed("1"),
        };
        Some(Quantity {
            value,
            unit,
            calendar: false,
        })
    }

    /// Reads `1 'mg'`, `1 day`, `1`.
    pub(super) fn parse(text: &str) -> Option<Quantity<'static>> {
        let text = text.trim();
        let end = text
            .char_indices()
            .find(|(at, c)| {
                !(c.is_ascii_digit() || *c == '.' || (*at == 0 && matches!(c, '+' | '-')))
            })
            .map_or(text.len(), |(at, _)| at);
        let (number, unit) = text.split_at(end);
        let plain = number.trim_start_matches(['+', '-']);
        let well = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let fits = match plain.split_once('.') {
            Some((whole, fraction)) => well(whole) && well(fraction),
            None => well(plain),
        };
        let value: Decimal = fits.then(|| number.parse().ok())??;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(Quantity::plain(value));
        }
        if let Some(code) = unit
            .strip_prefix('\'')
            .and_then(|unit| unit.strip_suffix('\''))
        {
            let whole = !code.is_empty() && !code.contains('\'');
            return whole.then(|| Quantity::new(value, code.to_owned(), false));
        }
        calendar_word(unit).map(|word| Quantity::new(value, word, true))
    }

    fn code(&self) -> &str {
        if self.calendar {
            ucum_of(&self.unit)
        } else {
            &self.unit
        }
    }

    /// Whether the unit is a calendar word for years or months.
    fn varies(&self) -> bool {
        self.calendar && matches!(&*self.unit, "year" | "month")
    }

    /// Whether both units are of one kind, so that values can be compared.
    pub(super) fn comparable(&self, other: &Quantity<'_>) -> bool {
        if self.code() == other.code() {
            return true;
        }
        match (canonical(self.code()), canonical(other.code())) {
            (Some(a), Some(b)) => a.unit == b.unit,
            _ => false,
        }
    }

    /// Compares; `None` where the units do not go together. `loose`: years and months count as
    /// UCUM's.
    pub(super) fn compare(&self, other: &Quantity<'_>, loose: bool) -> Option<Ordering> {
        if self.unit == other.unit && self.calendar == other.calendar {
            return Some(self.value.cmp(&other.value));
        }
        if self.varies() && other.varies() {
            let months = |q: &Quantity<'_>| {
                let factor = if &*q.unit == "year" { 12 } else { 1 };
                q.value.checked_mul(Decimal::from(factor))
            };
            return Some(months(self)?.cmp(&months(other)?));
        }
        if (self.varies() || other.varies()) && !loose {
            return None;
        }
        let (a, b) = (canonical(self.code())?, canonical(other.code())?);
        if a.unit != b.unit {
            return None;
        }
        let whole = |value: Decimal, unit: &Canonical| {
            let value = value.checked_mul(unit.factor)?.checked_add(unit.offset)?;
            value.round_sf(24)
        };
        Some(whole(self.value, &a)?.cmp(&whole(other.value, &b)?))
    }

    /// The value in the other's unit, for adding and subtracting.
    pub(super) fn value_in(&self, other: &Quantity<'_>) -> Option<Decimal> {
        if self.unit == other.unit {
            return Some(self.value);
        }
        if self.varies() != other.varies() {
            return None;
        }
        let (from, to) = (canonical(self.code())?, canonical(other.code())?);
        if from.unit != to.unit || from.offset != to.offset {
            return None;
        }
        self.value.checked_mul(from.factor)?.checked_div(to.factor)
    }

    /// The product, units multiplied.
    pub(super) fn times(&self, other: &Quantity<'_>) -> Option<Quantity<'static>> {
        let unit = match (self.code(), other.code()) {
            (unit, "1") | ("1", unit) => unit.to_owned(),
            (a, b) => format!("{}.{}", grouped(a), grouped(b)),
        };
        made(self.value.checked_mul(other.value)?, unit)
    }

    /// The quotient, units divided; `None` for a division by zero.
    pub(super) fn divided(&self, other: &Quantity<'_>) -> Option<Quantity<'static>> {
        let unit = match (self.code(), other.code()) {
            (unit, "1") => unit.to_owned(),
            (a, b) if a == b => "1".to_owned(),
            (a, b) => format!("{}/{}", grouped(a), grouped(b)),
        };
        made(self.value.checked_div(other.value)?.normalize(), unit)
    }
}

fn made(value: Decimal, unit: String) -> Option<Quantity<'static>> {
    (unit.len() <= UNIT_MAX).then_some(Quantity {
        value,
        unit: Cow::Owned(unit),
        calendar: false,
    })
}

fn grouped(unit: &str) -> Cow<'_, str> {
    if unit.contains(['.', '/']) {
        Cow::Owned(format!("({unit})"))
    } else {
        Cow::Borrowed(unit)
    }
}

/// A unit in base units: a value times the factor, plus the offset.
struct Canonical {
    unit: String,
    factor: Decimal,
    offset: Decimal,
}

fn canonical(unit: &str) -> Option<Canonical> {
    if unit.len() > UNIT_MAX {
        return None;
    }
    let unit = if unit.is_empty() { "1" } else { unit };
    // What was not UCUM stands in braces, which UCUM would read as a number.
    if unit.starts_with('{') {
        return None;
    }
    let found = octofhir_ucum::get_canonical_units(unit).ok()?;
    Some(Canonical {
        factor: decimal(&found.factor.to_string())?,
        offset: decimal(&found.offset.to_string())?,
        unit: found.unit,
    })
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.calendar {
            write!(f, "{} {}", self.value, self.unit)
        } else {
            write!(f, "{} '{}'", self.value, self.unit)
        }
    }
}
