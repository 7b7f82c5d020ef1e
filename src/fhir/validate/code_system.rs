//! Rule `code-system-property`: a CodeSystem's properties are defined once, and a concept's are of the
//! type that they were defined with.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::questionnaire::{choice, list, text};

impl<'a> Check<'a> {
    /// A CodeSystem as a whole.
    pub(super) fn code_system(&mut self, value: &'a Value, at: &At<'_>) {
        let properties = list(value, "property");
        let named = at.name("property");
        for (index, property) in properties.iter().enumerate() {
            let twice = |key: &str| {
                let own = text(property, key);
                let before = properties.iter().take(index);
                !own.is_empty() && before.into_iter().any(|other| text(other, key) == own)
            };
            if twice("code") || twice("uri") {
                let words = "a property of this code or address is already defined";
                self.error(
                    "invalid",
                    "code-system-property",
                    &named.index(index),
                    words,
                );
            }
        }
        self.concepts(properties, value, at);
    }

    fn concepts(&mut self, properties: &'a [Value], holder: &'a Value, at: &At<'_>) {
        let named = at.name("concept");
        for (index, concept) in list(holder, "concept").iter().enumerate() {
            let here = named.index(index);
            let inner = here.name("property");
            for (index, own) in list(concept, "property").iter().enumerate() {
                let code = text(own, "code");
                let defined = properties.iter().find(|each| text(each, "code") == code);
                let kind = choice(own, "value").map_or("", |(kind, _)| kind);
                let fits = defined.is_none_or(|each| {
                    let wanted = text(each, "type");
                    wanted.eq_ignore_ascii_case(kind) || wanted.is_empty() || kind.is_empty()
                });
                if !fits {
                    let words = "the property is of another type than it was defined with";
                    self.error(
                        "invalid",
                        "code-system-property",
                        &inner.index(index),
                        words,
                    );
                }
            }
            self.concepts(properties, concept, &here);
        }
    }
}
