//! Resources inside others: `contained` and the entries of a Bundle, each checked as a resource of its
//! own. Rules `contained-nested`, `dom-3`.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::narrative::any_string;

impl<'a> Check<'a> {
    /// A resource that stands in an element of another.
    pub(super) fn inner(&mut self, element: &str, value: &'a Value, at: &At<'_>) {
        if element == "contained" {
            if value.get("contained").is_some() {
                let words = "what is contained contains nothing itself";
                self.error("structure", "contained-nested", at, words);
            }
            self.orphan(value, at);
            let outer = std::mem::replace(&mut self.inside, true);
            self.resource(value, &[], at);
            self.inside = outer;
            return;
        }
        let outer = (self.root, self.bundle);
        if self.root.get("resourceType").and_then(Value::as_str) == Some("Bundle") {
            self.bundle = Some(self.root);
        }
        self.root = value;
        self.resource(value, &[], at);
        (self.root, self.bundle) = outer;
    }

    /// dom-3, by hand: R4's own expression goes over the whole resource for each contained one.
    fn orphan(&mut self, value: &Value, at: &At<'_>) {
        let Some(id) = value.get("id").and_then(Value::as_str) else {
            return;
        };
        let named = |text: &str| text.strip_prefix('#') == Some(id);
        if !any_string(self.root, &named) && !any_string(value, &|text| text == "#") {
            let words =
                "is contained, but nothing refers to it, and it refers to nothing around it";
            self.error("invariant", "dom-3", at, words);
        }
    }
}
