//! Rules `value-min`, `value-max`: the least and the greatest value that a profile allows.

use std::cmp::Ordering;

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::model::Node;
use crate::issue::Severity;

impl Check<'_> {
    /// A value beside the limits of an element.
    pub(super) fn range(&mut self, node: &Node, value: &Value, at: &At<'_>) {
        if let Some(min) = &node.min_value {
            self.limit(min, value, Ordering::Less, "value-min", at);
        }
        if let Some(max) = &node.max_value {
            self.limit(max, value, Ordering::Greater, "value-max", at);
        }
    }

    fn limit(
        &mut self,
        limit: &Value,
        value: &Value,
        wrong: Ordering,
        rule: &'static str,
        at: &At<'_>,
    ) {
        let found = if limit.is_object() {
            super::quantity::order(value, limit)
        } else {
            super::questionnaire::order(value, limit)
        };
        match found {
            Some(found) if found != wrong => {}
            Some(_) => {
                let words = match wrong {
                    Ordering::Less => "is less than the profile allows",
                    _ => "is more than the profile allows",
                };
                self.error("value", rule, at, words);
            }
            None => {
                let words = "not checked: cannot be compared with the profile's limit";
                self.say(
                    Severity::Information,
                    "not-supported",
                    "not-checked",
                    at,
                    words,
                );
            }
        }
    }
}
