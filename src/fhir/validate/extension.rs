//! Rules `extension-url`, `extension-context`, `extension-modifier`, `extension-unknown`: where an
//! extension may stand, and that nobody is asked to pass over a meaning that they do not know.
//!
//! An extension whose definition is known is checked against it; one that is not known is carried.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::model::{Element, Profile, Shape};

impl<'a> Check<'a> {
    /// All extensions of one element: `holder` is the shape that has them, `code` its type.
    pub(super) fn extensions(
        &mut self,
        value: &'a Value,
        code: &str,
        holder: &Shape,
        element: &Element,
        at: &At<'_>,
    ) {
        let modifier = &*element.name == "modifierExtension";
        let named = at.name(&element.name);
        for (index, each) in value.as_array().into_iter().flatten().enumerate() {
            let here = named.index(index);
            if let Some(url) = each.get("url").and_then(Value::as_str) {
                self.extension(each, url, modifier, code, holder, &here);
            }
        }
    }

    fn extension(
        &mut self,
        value: &'a Value,
        url: &str,
        modifier: bool,
        code: &str,
        holder: &Shape,
        at: &At<'_>,
    ) {
        let core = self.core;
        let inner = code == "Extension";
        if !url.contains(':') {
            if !inner {
                let words = "the address of an extension must be absolute";
                self.error("invalid", "extension-url", &at.name("url"), words);
            }
            return;
        }
        let Some(profile) = core
            .model
            .profiles
            .get(url)
            .filter(|known| &*known.kind == "Extension")
        else {
            if modifier {
                let words =
                    "a modifier extension that is not known: its meaning cannot be passed over";
                self.error("not-supported", "extension-unknown", at, words);
            }
            return;
        };
        if profile.modifier != modifier {
            let words = if modifier {
                "stands as a modifier, but is none"
            } else {
                "changes the meaning of what holds it: belongs into modifierExtension"
            };
            self.error("invalid", "extension-modifier", at, words);
        }
        if !self.allowed_here(profile, value, code, holder, at) {
            let words = "the extension is not meant for what holds it";
            self.error("invalid", "extension-context", at, words);
        }
        self.under(profile, value, at);
    }

    fn allowed_here(
        &self,
        profile: &Profile,
        _value: &Value,
        code: &str,
        holder: &Shape,
        at: &At<'_>,
    ) -> bool {
        if profile.contexts.is_empty() {
            return true;
        }
        let names = at.names();
        // The last name is the extension's own; what is above the resource does not count.
        let own = &names[self.above.saturating_sub(1)..names.len().saturating_sub(1)];
        let Some((root, below)) = own.split_first() else {
            return true;
        };
        let root = if self.above > 1 { None } else { Some(*root) };
        profile.contexts.iter().any(|(kind, expression)| {
            if kind != "element" {
                return true;
            }
            let expression = expression.split('|').next().unwrap_or(expression);
            if expression == "Element" {
                return true;
            }
            if matches!(expression, "Resource" | "DomainResource") {
                return below.is_empty();
            }
            if expression == code || expression == &*holder.path {
                return true;
            }
            let mut steps = expression
                .split('.')
                .map(|step| step.trim_end_matches("[x]"));
            let first = steps.next().unwrap_or_default();
            let rest: Vec<&str> = steps.collect();
            if rest.is_empty() {
                return false;
            }
            let resource = self.core.model.resources.contains_key(first);
            if resource {
                rest == below && root.is_none_or(|root| root == first)
            } else {
                below.ends_with(&rest)
            }
        })
    }
}
