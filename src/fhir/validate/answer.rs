//! Rules `questionnaire-answer`, `questionnaire-option`, `questionnaire-limit`: whether an answer is of
//! the type that its item asks for, one of its options, and within its limits.

use std::cmp::Ordering;

use serde_json::Value;

use super::at::At;
use super::attachment;
use super::check::Check;
use super::questionnaire::{choice, extension, list, order, same_answer, text};
use super::terminology::Answer;
use crate::issue::Severity;

/// The types of answers to an item's type.
fn types(kind: &str) -> &'static [&'static str] {
    match kind {
        "boolean" => &["Boolean"],
        "decimal" => &["Decimal"],
        "integer" => &["Integer"],
        "date" => &["Date"],
        "dateTime" => &["DateTime"],
        "time" => &["Time"],
        "string" | "text" => &["String"],
        "url" => &["Uri"],
        "choice" => &["Coding"],
        "open-choice" => &["Coding", "String"],
        "attachment" => &["Attachment"],
        "reference" => &["Reference"],
        "quantity" => &["Quantity"],
        _ => &[],
    }
}

impl<'a> Check<'a> {
    /// One answer.
    pub(super) fn answered(&mut self, ask: &'a Value, answer: &'a Value, at: &At<'_>) {
        let Some((kind, value)) = choice(answer, "value") else {
            return;
        };
        let mut code = kind.to_owned();
        let known = self.core.model.types.contains_key(kind);
        if !known && let Some(first) = code.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        let named = at.name("value");
        let here = named.of_type(&code);
        let options = list(ask, "answerOption");
        let wanted = types(text(ask, "type"));
        // A choice may be among options of another type.
        let among = text(ask, "type").ends_with("choice")
            && options
                .iter()
                .any(|option| choice(option, "value").is_some_and(|(own, _)| own == kind));
        if !wanted.is_empty() && !wanted.contains(&kind) && !among {
            let words = format!("the questionnaire asks for {}", wanted.join(" or "));
            self.error("structure", "questionnaire-answer", &here, words);
            return;
        }
        let open = text(ask, "type") == "open-choice" && kind == "String";
        if !options.is_empty() && !open {
            let given = options.iter().any(|option| {
                choice(option, "value").is_some_and(|(_, own)| same_answer(own, value))
            });
            if !given {
                let words = "the answer is none of the questionnaire's options";
                self.error("code-invalid", "questionnaire-option", &here, words);
            }
        }
        let set = text(ask, "answerValueSet");
        if !set.is_empty() && !open && !set.starts_with('#') {
            self.of_set(set, value, at);
        }
        self.limits(ask, value, &here);
        match kind {
            "Quantity" => self.quantity_answer(ask, value, &here),
            "Reference" => self.reference_answer(value, &here),
            _ => {}
        }
    }

    fn of_set(&mut self, set: &str, value: &'a Value, at: &At<'_>) {
        match self.answer(set, value) {
            Answer::In => {}
            Answer::Out => {
                let words = "the answer is no code of the questionnaire's value set";
                self.error("code-invalid", "questionnaire-option", at, words);
            }
            Answer::Unknown => {
                let words = format!("not checked: {set} cannot be decided here");
                self.say(
                    Severity::Information,
                    "not-supported",
                    "questionnaire-not-checked",
                    at,
                    words,
                );
            }
        }
    }

    fn limits(&mut self, ask: &Value, value: &Value, at: &At<'_>) {
        let below = |limit: &Value| order(value, limit) == Some(Ordering::Less);
        let above = |limit: &Value| order(value, limit) == Some(Ordering::Greater);
        let length = value.as_str().map_or(0, |text| text.chars().count());
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let longer = |max: &Value| max.as_u64().is_some_and(|max| length > max);
        let shorter =
            |min: &Value| value.is_string() && min.as_u64().is_some_and(|min| length < min);
        let places = |max: &Value| {
            let digits = match value {
                Value::Number(number) => {
                    number.as_str().split_once('.').map_or(0, |(_, d)| d.len())
                }
                _ => 0,
            };
            max.as_u64()
                .is_some_and(|max| u64::try_from(digits).is_ok_and(|digits| digits > max))
        };
        let size = attachment::size(value);
        let larger = |max: &Value| {
            size.zip(max.as_f64())
                .is_some_and(|(own, max)| own as f64 > max)
        };
        let broken = extension(ask, "minValue").any(below)
            || extension(ask, "maxValue").any(above)
            || ask.get("maxLength").is_some_and(longer)
            || extension(ask, "minLength").any(shorter)
            || extension(ask, "maxDecimalPlaces").any(places)
            || extension(ask, "maxSize").any(larger);
        if broken {
            let words = "the answer is beyond the limits that the questionnaire sets";
            self.error("value", "questionnaire-limit", at, words);
        }
        let mime = extension(ask, "mimeType").filter_map(Value::as_str);
        let kinds: Vec<&str> = mime.collect();
        let own = text(value, "contentType");
        if !kinds.is_empty() && !own.is_empty() && !kinds.contains(&own) {
            let words = "the attachment is of a type that the questionnaire does not ask for";
            self.error("value", "questionnaire-limit", at, words);
        }
    }

    fn quantity_answer(&mut self, ask: &Value, value: &'a Value, at: &At<'_>) {
        let mut units = extension(ask, "questionnaire-unitOption").peekable();
        if units.peek().is_some() && !units.any(|unit| same_unit(unit, value)) {
            let words = "the unit is none of those that the questionnaire offers";
            self.error("code-invalid", "questionnaire-option", at, words);
        }
        let sets = extension(ask, "questionnaire-unitValueSet").filter_map(Value::as_str);
        for set in sets.collect::<Vec<_>>() {
            self.of_set(set, value, at);
        }
        let limits = [
            ("sdc-questionnaire-minQuantity", Ordering::Less),
            ("sdc-questionnaire-maxQuantity", Ordering::Greater),
        ];
        for (name, wrong) in limits {
            for limit in extension(ask, name) {
                match super::quantity::order(value, limit) {
                    Some(found) if found != wrong => {}
                    Some(_) => {
                        let words = "the answer is beyond the limits that the questionnaire sets";
                        self.error("value", "questionnaire-limit", at, words);
                    }
                    None => {
                        let words = "cannot be compared with the limit that the questionnaire sets: \
                                     units of UCUM are needed, of one kind";
                        self.error("value", "questionnaire-limit", at, words);
                    }
                }
            }
        }
    }

    fn reference_answer(&mut self, value: &Value, at: &At<'_>) {
        let reference = text(value, "reference");
        let mut parts = reference.rsplit('/');
        let (_, kind) = (parts.next(), parts.next());
        if let Some(kind) = kind
            && kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.bytes().all(|b| b.is_ascii_alphabetic())
            && !self.core.model.resources.contains_key(kind)
        {
            let words = "refers to something that is no resource type of R4";
            self.error("structure", "reference-target", at, words);
        }
    }
}

fn same_unit(unit: &Value, value: &Value) -> bool {
    text(unit, "code") == text(value, "code") && text(unit, "system") == text(value, "system")
}
