//! Rules `value-min`, `value-max`: the least and the greatest value that a profile allows.

use std::cmp::Ordering;

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::model::Node;
use super::questionnaire::text;
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

    /// A date beside now and a duration.
    fn beside_now(&self, span: &Value, date: &str, wrong: Ordering) -> Option<Ordering> {
        let count = span.get("value").and_then(Value::as_i64)?;
        let span = match text(span, "code") {
            "a" => jiff::Span::new().try_years(count),
            "mo" => jiff::Span::new().try_months(count),
            "wk" => jiff::Span::new().try_weeks(count),
            "d" => jiff::Span::new().try_days(count),
            _ => return None,
        }
        .ok()?;
        let now = self.core.now()?.date_in(&jiff::tz::TimeZone::UTC).civil();
        let last = match wrong {
            Ordering::Greater => now.checked_add(span).ok()?.to_string(),
            _ => return None,
        };
        let own = date.get(..10).unwrap_or(date);
        Some(own.cmp(last.get(..own.len()).unwrap_or(&last)))
    }

    fn limit(
        &mut self,
        limit: &Value,
        value: &Value,
        wrong: Ordering,
        rule: &'static str,
        at: &At<'_>,
    ) {
        let found = if let (Value::Object(_), Value::String(date)) = (limit, value) {
            // So long from now: how FHIR's tools write a limit that moves.
            self.beside_now(limit, date, wrong)
        } else if limit.is_object() {
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
                    "value-not-checked",
                    at,
                    words,
                );
            }
        }
    }
}
