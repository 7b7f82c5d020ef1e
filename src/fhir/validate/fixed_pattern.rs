//! Rules `fixed` and `pattern`. Numbers are compared by value and scale as they are written.
//!
//! What is told is the profile's value and the kind of the resource's.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::structure::kind_of;

/// Characters of a profile's value that are told at most.
const TOLD_MAX: usize = 160;

impl Check<'_> {
    /// The value must be this one, with nothing more.
    pub(super) fn fixed(&mut self, fixed: &Value, value: &Value, at: &At<'_>) {
        if !equal(fixed, value) {
            let (asked, found) = (told(fixed), other(fixed, value));
            let words = format!("must be {asked}, as the profile fixes it, is {found}");
            self.error("value", "fixed", at, words);
        }
    }

    /// The value must hold all that the pattern holds.
    pub(super) fn pattern(&mut self, pattern: &Value, value: &Value, at: &At<'_>) {
        if !holds(pattern, value) {
            let mut path = String::new();
            let (asked, found) = lacking(pattern, value, &mut path);
            let place = match path.is_empty() {
                true => String::new(),
                false => format!(" at {path}"),
            };
            let words = format!(
                "the profile's pattern asks for {}{place}, where {found} is",
                told(asked)
            );
            self.error("value", "pattern", at, words);
        }
    }
}

/// A value of a profile, written out, cut where it is long.
fn told(value: &Value) -> String {
    let whole = value.to_string();
    match whole.char_indices().nth(TOLD_MAX) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

/// What kind of thing stands where another one is asked for.
fn other(asked: &Value, found: &Value) -> String {
    let kind = kind_of(found);
    match kind.split_once(' ') {
        Some((_, word)) if kind == kind_of(asked) => format!("another {word}"),
        _ => kind.to_owned(),
    }
}

/// The first part of a pattern that a value lacks, and what stands there; `path` leads to it.
fn lacking<'p>(pattern: &'p Value, value: &Value, path: &mut String) -> (&'p Value, String) {
    match (pattern, value) {
        (Value::Object(asked), Value::Object(own)) => {
            let mut parts = asked.iter();
            let part =
                parts.find(|(key, inner)| !own.get(*key).is_some_and(|own| holds(inner, own)));
            let Some((key, inner)) = part else {
                return (pattern, other(pattern, value));
            };
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key);
            match own.get(key) {
                Some(own) => lacking(inner, own, path),
                None => (inner, "nothing".to_owned()),
            }
        }
        (Value::Array(asked), Value::Array(own)) => {
            let lacks = |inner: &&Value| !own.iter().any(|own| holds(inner, own));
            match (asked.iter().find(lacks), own.as_slice()) {
                (Some(inner), [only]) => lacking(inner, only, path),
                (Some(inner), own) => (inner, format!("none of {} items", own.len())),
                (None, _) => (pattern, other(pattern, value)),
            }
        }
        _ => (pattern, other(pattern, value)),
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
        let cases = [
            (
                json!({"coding": [{"system": "s", "code": "x"}]}),
                "\"c\"",
                "coding.code",
                "another text",
            ),
            (
                json!({"coding": [{"code": 1}, {}]}),
                r#"{"system":"s","code":"c"}"#,
                "coding",
                "none of 2 items",
            ),
            (
                json!({"text": "c"}),
                r#"[{"system":"s","code":"c"}]"#,
                "coding",
                "nothing",
            ),
            (json!([]), &pattern.to_string(), "", "an array"),
        ];
        for (value, asked, path, found) in cases {
            let mut at = String::new();
            let (lacks, is) = lacking(&pattern, &value, &mut at);
            assert_eq!(
                (told(lacks).as_str(), at.as_str(), is.as_str()),
                (asked, path, found)
            );
        }
        assert_eq!(other(&json!([1]), &json!([2])), "another array");
        assert_eq!(told(&json!("é".repeat(200))).chars().count(), TOLD_MAX + 1);
        assert!(equal(
            &pattern,
            &json!({"coding": [{"code": "c", "system": "s"}]})
        ));
    }
}
