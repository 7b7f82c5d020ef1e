//! Rules `fixed` and `pattern`. Numbers are compared by value and scale as they are written.

use serde_json::Value;

use super::at::At;
use super::check::Check;

impl Check<'_> {
    /// The value must be this one, with nothing more.
    pub(super) fn fixed(&mut self, fixed: &Value, value: &Value, at: &At<'_>) {
        if !equal(fixed, value) {
            let words = "differs from the fixed value that the profile gives";
            self.error("value", "fixed", at, words);
        }
    }

    /// The value must hold all that the pattern holds.
    pub(super) fn pattern(&mut self, pattern: &Value, value: &Value, at: &At<'_>) {
        if !holds(pattern, value) {
            let words = "does not hold what the profile's pattern gives";
            self.error("value", "pattern", at, words);
        }
    }
}

/// Whether two values are the same; the order of properties has no meaning.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    a == b
}

/// Whether a value holds a pattern: each property, and each array item in some item.
pub(super) fn holds(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::Object(pattern), Value::Object(value)) => pattern
            .iter()
            .all(|(key, inner)| value.get(key).is_some_and(|own| holds(inner, own))),
        (Value::Array(pattern), Value::Array(value)) => pattern
            .iter()
            .all(|inner| value.iter().any(|own| holds(inner, own))),
        _ => pattern == value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_asks_for_a_part_and_a_fixed_value_for_all() {
        let pattern = json!({"coding": [{"system": "s", "code": "c"}]});
        let more = json!({"coding": [{"code": "x"}, {"code": "c", "system": "s", "display": "d"}], "text": "t"});
        assert!(holds(&pattern, &more) && !equal(&pattern, &more));
        assert!(!holds(
            &pattern,
            &json!({"coding": [{"system": "s"}, {"code": "c"}]})
        ));
        assert!(equal(
            &pattern,
            &json!({"coding": [{"code": "c", "system": "s"}]})
        ));
    }
}
