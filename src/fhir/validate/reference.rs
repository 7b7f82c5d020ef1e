//! Rules `reference-target`, `reference-contained`, `reference-form`, `reference-profile`,
//! `reference-aggregation`: what a reference points at,
//! judged by its text, by `type`, by what is contained and by the Bundle around. Nothing is fetched.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::model::Target;

impl<'a> Check<'a> {
    /// A Reference beside the targets that its type allows.
    pub(super) fn reference(&mut self, value: &'a Value, targets: &'a [Target], at: &At<'_>) {
        if let Some(text) = value.get("reference").and_then(Value::as_str) {
            if let Some(id) = text.strip_prefix('#')
                && self.contained(id).is_none()
                && !(id.is_empty() && self.inside)
            {
                let words = "refers to a contained resource that is not there";
                self.error("invalid", "reference-contained", at, words);
                return;
            }
            let bare = self.core.model.resources.contains_key(text);
            if text.bytes().any(|b| b.is_ascii_whitespace()) || text.ends_with('/') || bare {
                let words = "a reference is a URL, or a type and an id";
                self.error("invalid", "reference-form", at, words);
                return;
            }
        }
        self.in_bundle(value, at);
        self.targets(value, targets, at);
        self.stated_type(value, targets, at);
    }

    /// A Reference beside a list of targets, of its type or of a profile.
    pub(super) fn targets(&mut self, value: &'a Value, targets: &'a [Target], at: &At<'_>) {
        if targets.is_empty() || targets.iter().any(|target| &*target.kind == "Resource") {
            return;
        }
        let Some(kind) = self.kind_of_target(value) else {
            return;
        };
        if !targets.iter().any(|target| *target.kind == *kind) {
            let mut kinds: Vec<&str> = targets.iter().map(|target| &*target.kind).collect();
            kinds.dedup();
            let mut words = format!("may refer to {} only", kinds.join(", "));
            // What is no type came with the input.
            if self.core.model.resources.contains_key(kind.as_str()) {
                words += &format!(", not to {kind}");
            }
            self.error("structure", "reference-target", at, words);
            return;
        }
        let fitting = || targets.iter().filter(|target| *target.kind == *kind);
        if fitting().any(|target| target.profile.is_none()) {
            return;
        }
        if let Some(resolved) = self.resolve(value) {
            let met = targets
                .iter()
                .filter_map(|target| target.profile.as_ref())
                .any(|url| self.meets(std::slice::from_ref(url), resolved, at));
            if !met {
                let words = "what it refers to meets none of the profiles that are allowed";
                self.error("structure", "reference-profile", at, words);
            }
        }
    }

    /// Rule `reference-aggregation`: how what is referred to must be at hand.
    pub(super) fn aggregation(&mut self, allowed: &[Box<str>], value: &'a Value, at: &At<'_>) {
        let text = value.get("reference").and_then(Value::as_str);
        let Some(text) = text.filter(|_| !allowed.is_empty()) else {
            return;
        };
        let met = allowed.iter().any(|kind| match &**kind {
            "contained" => text.starts_with('#'),
            // Of a resource that came alone nobody can tell what was around it.
            "bundled" => {
                !text.starts_with('#') && (self.bundle.is_none() || self.resolve(value).is_some())
            }
            "referenced" => !text.starts_with('#'),
            _ => true,
        });
        if !met {
            let words = format!("what it refers to must be {}", allowed.join(" or "));
            self.error("structure", "reference-aggregation", at, words);
        }
    }

    /// `type` must be a type, agree with the text, and be allowed.
    fn stated_type(&mut self, value: &'a Value, targets: &[Target], at: &At<'_>) {
        let Some(stated) = value.get("type").and_then(Value::as_str) else {
            return;
        };
        if stated.contains(':') {
            return;
        }
        let allowed = targets
            .iter()
            .any(|target| &*target.kind == "Resource" || *target.kind == *stated);
        let differs = self
            .kind_of_target(value)
            .is_some_and(|kind| kind != stated);
        if differs || (!targets.is_empty() && !allowed) {
            let words = "the stated type differs from the reference, or is not allowed here";
            self.error("structure", "reference-target", at, words);
        }
    }

    /// The type of what a reference points at, as far as it can be told.
    pub(super) fn kind_of_target(&self, value: &'a Value) -> Option<String> {
        if let Some(resolved) = self.resolve(value) {
            return resolved.get("resourceType")?.as_str().map(str::to_owned);
        }
        let known = |kind: &str| self.core.model.resources.contains_key(kind);
        let text = value
            .get("reference")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let plain = text.split(['?', '#', '|']).next().unwrap_or_default();
        let plain = plain.split("/_history/").next().unwrap_or(plain);
        let mut parts = plain.rsplit('/');
        let (_, kind) = (parts.next(), parts.next());
        let by_text = kind.filter(|kind| known(kind));
        let stated = value.get("type").and_then(Value::as_str);
        by_text
            .or_else(|| stated.filter(|kind| known(kind)))
            .map(str::to_owned)
    }

    /// The resource that a reference points at, where it is in the same document.
    pub(super) fn resolve(&self, value: &'a Value) -> Option<&'a Value> {
        let text = value
            .get("reference")
            .map_or(value, |inner| inner)
            .as_str()?;
        if text == "#" {
            return Some(self.root);
        }
        if let Some(id) = text.strip_prefix('#') {
            return self.contained(id);
        }
        super::bundle::entries(self.bundle?, text).next()
    }

    fn contained(&self, id: &str) -> Option<&'a Value> {
        let contained = self.root.get("contained")?.as_array()?;
        contained
            .iter()
            .find(|each| each.get("id").and_then(Value::as_str) == Some(id))
    }
}
