//! Resources inside others: `contained` and the entries of a Bundle, each checked as a resource of its
//! own. Rules `contained-nested`, `bundle-full-url`.

use serde_json::Value;

use super::at::At;
use super::check::Check;

impl<'a> Check<'a> {
    /// A resource that stands in an element of another.
    pub(super) fn inner(&mut self, element: &str, value: &'a Value, at: &At<'_>) {
        if element == "contained" {
            if value.get("contained").is_some() {
                let words = "what is contained contains nothing itself";
                self.error("structure", "contained-nested", at, words);
            }
            self.resource(value, &[], at);
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
}
