//! Rules `binding-required`, `binding-extensible`, `binding-preferred`, `code-unknown`, `unit-unknown`,
//! `system-relative`; `binding-not-checked` where nobody here can tell whether a code is in a required or
//! extensible set. A preferred set that cannot be told is passed over: nothing depends on it.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::model::Binding;
use super::terminology::Answer;
use crate::fhir::facts::Strength;
use crate::fhir::system;
use crate::issue::Severity;

impl Check<'_> {
    /// A bound value: a code, a Coding, a CodeableConcept, a Quantity, a string or URI.
    pub(super) fn binding(&mut self, binding: &Binding, value: &Value, at: &At<'_>) {
        // Units are given by sets that lag behind practice (oxygen flow in L/min beside a vital sign):
        // a unit outside of its set is told, and keeps nothing out.
        let quantity = value.get("value").is_some();
        let answer = self.answer(&binding.set, value);
        let (severity, rule, strength) = match (binding.strength, answer) {
            (_, Answer::In) | (Strength::Example, _) | (Strength::Preferred, Answer::Unknown) => {
                return;
            }
            (Strength::Required | Strength::Extensible, Answer::Unknown) => {
                let words = format!(
                    "not checked: the codes of the value set {} are not all here",
                    binding.set
                );
                let rule = "binding-not-checked";
                self.say(Severity::Information, "not-supported", rule, at, words);
                return;
            }
            (Strength::Required, Answer::Out) if !quantity => {
                (Severity::Error, "binding-required", "required")
            }
            (Strength::Required | Strength::Extensible, Answer::Out) => {
                (Severity::Warning, "binding-extensible", "extensible")
            }
            (Strength::Preferred, Answer::Out) => {
                (Severity::Information, "binding-preferred", "preferred")
            }
        };
        let words = format!("no code of the {strength} value set {}", binding.set);
        self.say(severity, "code-invalid", rule, at, words);
    }

    /// A code that only has extensions is no code of a required set.
    pub(super) fn no_code(&mut self, binding: Option<&Binding>, at: &At<'_>) {
        if binding.is_some_and(|binding| binding.strength == Strength::Required) {
            let words = "a code of a required value set is needed, there are only extensions";
            self.error("code-invalid", "binding-required", at, words);
        }
    }

    /// Whether a value is in a set; one coding of a concept is enough.
    pub(super) fn answer(&self, set: &str, value: &Value) -> Answer {
        let terminology = &self.core.terminology;
        let text = |value: &'_ Value, key: &str| -> Option<String> {
            value.get(key).and_then(Value::as_str).map(str::to_owned)
        };
        match value {
            Value::String(code) => terminology.ask(set, None, code),
            Value::Object(map) if map.contains_key("coding") => {
                let mut out = Answer::Out;
                for coding in map
                    .get("coding")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                {
                    match self.answer(set, coding) {
                        Answer::In => return Answer::In,
                        Answer::Unknown => out = Answer::Unknown,
                        Answer::Out => {}
                    }
                }
                out
            }
            Value::Object(_) => match (text(value, "system"), text(value, "code")) {
                (Some(system), Some(code)) => terminology.ask(set, Some(&system), &code),
                _ => Answer::Out,
            },
            // Of a wrong type: another rule's matter.
            _ => Answer::In,
        }
    }

    /// A system is an address of its own: `loinc` says nothing to anybody. Of several codings of a
    /// concept another one may say it, so that there it keeps nothing out.
    pub(super) fn absolute_system(&mut self, value: &Value, severity: Severity, at: &At<'_>) {
        let system = value.get("system").and_then(Value::as_str);
        if system.is_some_and(|system| !system.is_empty() && !system.contains(':')) {
            let words = "the system must be an absolute address";
            self.say(severity, "code-invalid", "system-relative", at, words);
        }
    }

    /// A code must be one of its system, where all of the system's codes are known.
    pub(super) fn coding_of_system(&mut self, coding: &Value, element: &str, at: &At<'_>) {
        let text = |key: &str| coding.get(key).and_then(Value::as_str);
        let (Some(system), Some(code)) = (text("system"), text("code")) else {
            return;
        };
        let severity = match element {
            "coding" => Severity::Warning,
            _ => Severity::Error,
        };
        self.absolute_system(coding, severity, at);
        if self.core.terminology.of_system(system, code) == Answer::Out {
            // Units that UCUM does not know are everywhere, R4's own examples among them.
            if system == system::UCUM {
                let words = "the unit is none of UCUM's";
                self.say(Severity::Warning, "code-invalid", "unit-unknown", at, words);
                return;
            }
            let words = "the code is none of its code system's";
            self.error("code-invalid", "code-unknown", at, words);
        }
    }
}
