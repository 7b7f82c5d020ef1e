//! Units of UCUM, by the UCUM library: whether a code is one, and the order of two quantities.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use serde_json::Value;

use super::questionnaire::text;
use crate::fhir::system;

/// The longest unit that is looked at.
const UNIT_MAX: usize = 200;

/// Units that are met all the time.
const COMMON: &[&str] = &[
    "%", "/min", "1", "Cel", "[degF]", "[in_i]", "[lb_av]", "a", "cm", "d", "g", "g/dL", "h", "kg",
    "kg/m2", "m", "mL", "meq/L", "mg", "mg/dL", "min", "mm[Hg]", "mmol/L", "mo", "s", "ug", "wk",
];

/// Whether a code is one of UCUM's.
pub(super) fn is_unit(code: &str) -> bool {
    COMMON.binary_search(&code).is_ok()
        || (!code.is_empty() && code.len() <= UNIT_MAX && octofhir_ucum::validate(code).is_ok())
}

/// How one quantity compares with another; `None` without coded units of one kind.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    let number = |value: &Value| match value.get("value")? {
        Value::Number(number) => decimal(number.as_str()),
        _ => None,
    };
    let (own, other) = (text(a, "code"), text(b, "code"));
    let system = text(a, "system");
    if own.is_empty() || other.is_empty() || system.is_empty() || system != text(b, "system") {
        return None;
    }
    let (a, b) = (number(a)?, number(b)?);
    if own == other {
        return a.partial_cmp(&b);
    }
    if system != system::UCUM {
        return None;
    }
    let ((kind, a), (other_kind, b)) = (canonical(own, a)?, canonical(other, b)?);
    (kind == other_kind).then(|| a.partial_cmp(&b))?
}

/// A value in base units, and those.
fn canonical(unit: &str, value: Decimal) -> Option<(String, Decimal)> {
    if unit.len() > UNIT_MAX {
        return None;
    }
    let found = octofhir_ucum::get_canonical_units(unit).ok()?;
    let factor = decimal(&found.factor.to_string())?;
    let offset = decimal(&found.offset.to_string())?;
    let value = value.checked_mul(factor)?.checked_add(offset)?;
    Some((found.unit, value))
}

fn decimal(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn quantity(value: i32, code: &str) -> Value {
        json!({"value": value, "system": "http://unitsofmeasure.org", "code": code})
    }

    #[test]
    fn units_of_one_kind_compare_and_others_do_not() {
        let ask = |a, b, c, d| order(&quantity(a, b), &quantity(c, d));
        assert_eq!(ask(10_000, "m", 5, "km"), Some(Ordering::Greater));
        assert_eq!(ask(1, "kg", 1_000, "g"), Some(Ordering::Equal));
        assert_eq!(ask(1, "kg", 1, "km"), None);
        assert_eq!(ask(1, "nonsense", 1, "kg"), None);
        assert_eq!(
            order(&json!({"value": 1, "unit": "kg"}), &quantity(1, "kg")),
            None
        );
    }

    #[test]
    fn a_unit_is_one_of_ucum_or_is_not() {
        assert!(COMMON.is_sorted());
        for unit in COMMON
            .iter()
            .chain(&["10*3/uL", "{score}", "mg/kg/d", "mm[Hg]", "[iU]"])
        {
            assert!(
                octofhir_ucum::validate(unit).is_ok() && is_unit(unit),
                "{unit}"
            );
        }
        for unit in ["", "tablet", "mgs", "kg//m", &"m".repeat(300)] {
            assert!(!is_unit(unit), "{unit}");
        }
    }
}
