//! The order of two quantities, where they can be compared.

use std::cmp::Ordering;

use serde_json::Value;

use super::questionnaire::text;
use crate::decimal::Decimal;

/// How one quantity compares with another; `None` without coded units of one kind.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    let number = |value: &Value| match value.get("value")? {
        Value::Number(number) => Decimal::parse(number.as_str()),
        _ => None,
    };
    let coded =
        |value: &Value| !text(value, "code").is_empty() && !text(value, "system").is_empty();
    if !coded(a) || !coded(b) || text(a, "system") != text(b, "system") {
        return None;
    }
    (text(a, "code") == text(b, "code"))
        .then(|| number(a)?.partial_cmp(&number(b)?))
        .flatten()
}
