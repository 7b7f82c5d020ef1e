//! The field names that stand in the contracts: what a pointer may be counted and shown by.
//!
//! A name that a sender made up may be a value that was typed into the wrong place, and there is no end
//! of them; so it must never stand in a count, a page or an answer about a document that was not read.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;

use crate::record::Kind;

fn words() -> &'static BTreeSet<String> {
    static WORDS: OnceLock<BTreeSet<String>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let mut words = BTreeSet::new();
        for kind in Kind::ALL {
            let schema: Option<Value> = serde_json::from_str(kind.schema()).ok();
            schema.iter().for_each(|s| gather(s, &mut words));
        }
        words
    })
}

fn gather(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if let ("properties", Value::Object(named)) = (name.as_str(), inner) {
                    words.extend(named.keys().cloned());
                }
                gather(inner, words);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A JSON pointer into a record as far as the contracts know its names: the first step that is a name
/// of nobody's, and what follows it, is `*`. Array indices are `*`, too, so that issues can be counted
/// together.
#[must_use]
pub fn countable(pointer: &str) -> String {
    cut(pointer, true)
}

/// The same with its array indices.
#[must_use]
pub fn in_words(pointer: &str) -> String {
    cut(pointer, false)
}

fn cut(pointer: &str, count: bool) -> String {
    let mut out = String::new();
    for step in pointer.split('/').skip(1) {
        let index = !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
        let known = if index {
            step.len() <= 9
        } else {
            words().contains(step)
        };
        out.push('/');
        out.push_str(if !known || (index && count) {
            "*"
        } else {
            step
        });
        if !known {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_told_as_far_as_the_contracts_know_its_names() {
        assert_eq!(countable("/steps/12/dose_amount"), "/steps/*/dose_amount");
        assert_eq!(in_words("/steps/12/dose_amount"), "/steps/12/dose_amount");
        assert_eq!(countable("/steps/12/Ada Canary/x"), "/steps/*/*");
        assert_eq!(in_words("/canary/x"), "/*");
        assert_eq!(
            in_words("/3155550101"),
            "/*",
            "a number may be a telephone's"
        );
        assert_eq!(countable(""), "");
    }
}
