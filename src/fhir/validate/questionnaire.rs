//! Rules `questionnaire-*`: a QuestionnaireResponse beside the Questionnaire that it answers, where that
//! was loaded (`questionnaire-not-checked` otherwise): links and their order, enabled and required items, how many
//! answers, their type, options, limits. What an answer may be is in `answer`.

use std::cmp::Ordering;

use serde_json::Value;

use super::at::At;
use super::check::Check;
use crate::issue::Severity;

/// Items below a value.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let items = value.get(key).and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The value of an extension, by the end of its address.
pub(super) fn extension<'a>(item: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    let end = format!("/{name}");
    list(item, "extension")
        .iter()
        .filter(move |each| text(each, "url").ends_with(&end))
        .filter_map(|each| {
            let mut values = each.as_object()?.iter();
            values.find_map(|(key, value)| key.starts_with("value").then_some(value))
        })
}

/// The value of a choice: its type as the key writes it, and what it is.
pub(super) fn choice<'a>(holder: &'a Value, stem: &str) -> Option<(&'a str, &'a Value)> {
    holder.as_object()?.iter().find_map(|(key, value)| {
        let kind = key.strip_prefix(stem)?;
        kind.starts_with(|c: char| c.is_ascii_uppercase())
            .then_some((kind, value))
    })
}

impl<'a> Check<'a> {
    /// A QuestionnaireResponse as a whole.
    pub(super) fn questionnaire(&mut self, response: &'a Value, at: &At<'_>) {
        let url = text(response, "questionnaire");
        if url.is_empty() {
            return;
        }
        let plain = url.split('|').next().unwrap_or(url);
        let contained = plain.strip_prefix('#').and_then(|id| {
            let mut all = list(response, "contained").iter();
            all.find(|each| text(each, "id") == id)
        });
        let core = self.core;
        let known = core.questionnaires.get(plain).map(|found| &**found);
        let Some(questionnaire) = contained.or(known) else {
            let words = "not checked: the questionnaire is not known here";
            let here = at.name("questionnaire");
            self.say(
                Severity::Information,
                "not-supported",
                "questionnaire-not-checked",
                &here,
                words,
            );
            return;
        };
        let form = Form {
            questionnaire,
            response,
            complete: matches!(text(response, "status"), "completed" | "amended"),
        };
        self.form_items(&form, questionnaire, response, at);
    }

    /// The items of a response, or inside one of its items or answers, beside the form's.
    pub(super) fn form_items(
        &mut self,
        form: &Form<'a>,
        asked: &'a Value,
        given: &'a Value,
        at: &At<'_>,
    ) {
        let asked = list(asked, "item");
        let given = list(given, "item");
        let mut last = 0;
        let mut counts = vec![0_usize; asked.len()];
        let named = at.name("item");
        for (index, item) in given.iter().enumerate() {
            let here = named.index(index);
            let link = text(item, "linkId");
            let Some(place) = asked.iter().position(|each| text(each, "linkId") == link) else {
                let words = if form.has(link) {
                    "the item stands elsewhere in the questionnaire"
                } else {
                    "the questionnaire has no item of this linkId"
                };
                self.error("structure", "questionnaire-link", &here, words);
                continue;
            };
            if place < last {
                let words = "items come in the order of the questionnaire";
                self.error("structure", "questionnaire-order", &here, words);
            }
            last = last.max(place);
            counts[place] += 1;
            let ask = &asked[place];
            if counts[place] == 2 && !(text(ask, "type") == "group" && repeats(ask)) {
                let words = "only one item of this linkId is allowed";
                self.error("structure", "questionnaire-repeats", &here, words);
            }
            if !form.enabled(ask) {
                if !list(item, "answer").is_empty() || !list(item, "item").is_empty() {
                    let words = "is answered, although the questionnaire does not ask it";
                    self.error("structure", "questionnaire-enable", &here, words);
                }
                continue;
            }
            self.form_item(form, ask, item, &here);
        }
        for (ask, count) in asked.iter().zip(counts) {
            if count == 0 && form.needs(ask) {
                let words = "lacks an answer to a required item of the questionnaire";
                self.error("required", "questionnaire-required", at, words);
            }
        }
    }

    fn form_item(&mut self, form: &Form<'a>, ask: &'a Value, item: &'a Value, at: &At<'_>) {
        let answers = list(item, "answer");
        match text(ask, "type") {
            "group" | "display" | "question" if !answers.is_empty() => {
                let words = "an item of this type has no answers";
                self.error("structure", "questionnaire-type", at, words);
                return;
            }
            "group" => {
                self.form_items(form, ask, item, at);
                return;
            }
            _ => {}
        }
        if answers.is_empty() && form.needs(ask) {
            let words = "a required item of the questionnaire has no answer";
            self.error("required", "questionnaire-required", at, words);
        }
        if answers.len() > 1 && !repeats(ask) {
            let words = "only one answer is allowed";
            self.error("structure", "questionnaire-repeats", at, words);
        }
        let occurs = |name: &str| extension(ask, name).find_map(Value::as_u64);
        let count = u64::try_from(answers.len()).unwrap_or(u64::MAX);
        let few = occurs("questionnaire-minOccurs").is_some_and(|min| count < min);
        let many = occurs("questionnaire-maxOccurs").is_some_and(|max| count > max);
        if many || (few && count > 0) {
            let words = "has more or fewer answers than the questionnaire allows";
            self.error("structure", "questionnaire-occurs", at, words);
        }
        let named = at.name("answer");
        for (index, answer) in answers.iter().enumerate() {
            let here = named.index(index);
            self.answered(ask, answer, &here);
            self.form_items(form, ask, answer, &here);
        }
    }
}

fn repeats(ask: &Value) -> bool {
    ask.get("repeats") == Some(&Value::Bool(true))
}

/// A questionnaire and the response to it.
pub(super) struct Form<'a> {
    questionnaire: &'a Value,
    response: &'a Value,
    complete: bool,
}

impl<'a> Form<'a> {
    fn has(&self, link: &str) -> bool {
        let mut open = vec![self.questionnaire];
        while let Some(next) = open.pop() {
            for item in list(next, "item") {
                if text(item, "linkId") == link {
                    return true;
                }
                open.push(item);
            }
        }
        false
    }

    /// Whether an item must be answered here.
    fn needs(&self, ask: &Value) -> bool {
        self.complete && ask.get("required") == Some(&Value::Bool(true)) && self.enabled(ask)
    }

    fn enabled(&self, ask: &Value) -> bool {
        let conditions = list(ask, "enableWhen");
        let holds = |condition: &Value| self.holds(condition);
        conditions.is_empty()
            || if text(ask, "enableBehavior") == "all" {
                conditions.iter().all(holds)
            } else {
                conditions.iter().any(holds)
            }
    }

    fn holds(&self, condition: &Value) -> bool {
        let mut answers: Vec<&Value> = Vec::new();
        let mut open = vec![self.response];
        while let Some(next) = open.pop() {
            for item in list(next, "item") {
                if text(item, "linkId") == text(condition, "question") {
                    answers.extend(list(item, "answer"));
                }
                open.push(item);
                open.extend(list(item, "answer"));
            }
        }
        let Some((_, wanted)) = choice(condition, "answer") else {
            return false;
        };
        let operator = text(condition, "operator");
        if operator == "exists" {
            return Value::Bool(!answers.is_empty()) == *wanted;
        }
        answers.iter().any(|answer| {
            let Some((_, own)) = choice(answer, "value") else {
                return false;
            };
            match operator {
                "=" => same_answer(own, wanted),
                "!=" => !same_answer(own, wanted),
                ">" => order(own, wanted) == Some(Ordering::Greater),
                "<" => order(own, wanted) == Some(Ordering::Less),
                ">=" => matches!(
                    order(own, wanted),
                    Some(Ordering::Greater | Ordering::Equal)
                ),
                "<=" => matches!(order(own, wanted), Some(Ordering::Less | Ordering::Equal)),
                _ => false,
            }
        })
    }
}

/// Whether two answers are the same: codings by system and code, numbers by value.
pub(super) fn same_answer(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(_), Value::Object(_)) if a.get("code").is_some() => {
            text(a, "code") == text(b, "code") && text(a, "system") == text(b, "system")
        }
        (Value::Object(_), Value::Object(_)) if a.get("reference").is_some() => {
            text(a, "reference") == text(b, "reference")
        }
        (Value::Number(a), Value::Number(b)) => crate::decimal::Decimal::same_value(a, b),
        _ => a == b,
    }
}

/// The order of numbers, and of dates and times as they are written (those of one zone).
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    let number = |value: &Value| match value {
        Value::Number(number) => crate::decimal::Decimal::parse(number.as_str()),
        _ => None,
    };
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => number(a)?.partial_cmp(&number(b)?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
