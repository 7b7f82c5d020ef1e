//! Resources inside others: `contained` and the entries of a Bundle, each checked as a resource of its
//! own. Rules `contained-nested`, `dom-3`, `bundle-link`, `bundle-full-url`, `bundle-reference`.
//!
//! What R4 states as invariants of Bundle (a transaction's requests, a document's Composition, a
//! message's header, unique addresses) is left to those.

use serde_json::Value;

use super::at::{At, Step};
use super::check::Check;
use super::narrative::any_string;
use super::questionnaire::{list, text};

/// Relations of which a page has one link.
const ONCE: &[&str] = &["self", "first", "last", "next", "previous"];

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
        self.entered(value, |check| check.resource(value, &[], at));
    }

    /// Does something with a resource inside the one being checked: it is then what references and
    /// expressions start from, with the Bundle around it.
    pub(super) fn entered<T>(&mut self, value: &'a Value, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = (self.root, self.current, self.bundle);
        if self.root.get("resourceType").and_then(Value::as_str) == Some("Bundle") {
            self.bundle = Some(self.root);
        }
        (self.root, self.current) = (value, value);
        let out = work(self);
        (self.root, self.current, self.bundle) = outer;
        out
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

    /// A Bundle as a whole.
    pub(super) fn bundle(&mut self, value: &'a Value, at: &At<'_>) {
        let links = list(value, "link");
        let named = at.name("link");
        for (index, link) in links.iter().enumerate() {
            let relation = text(link, "relation");
            let before = links.iter().take(index);
            if ONCE.contains(&relation)
                && before
                    .into_iter()
                    .any(|other| text(other, "relation") == relation)
            {
                let words = "a link of this relation may stand once only";
                self.error("structure", "bundle-link", &named.index(index), words);
            }
        }
        let named = at.name("entry");
        for (index, entry) in list(value, "entry").iter().enumerate() {
            let url = text(entry, "fullUrl");
            if !url.is_empty() && !url.contains(':') {
                let words = "the address of an entry must be absolute";
                self.error("invalid", "bundle-full-url", &named.index(index), words);
            }
            let resource = entry.get("resource").unwrap_or(&Value::Null);
            let (kind, id) = (text(resource, "resourceType"), text(resource, "id"));
            let mut parts = url.rsplit('/');
            let (own_id, own_kind) = (parts.next(), parts.next());
            if !id.is_empty() && own_kind == Some(kind) && own_id != Some(id) {
                let words = "the address of the entry names another id than its resource";
                self.error("invalid", "bundle-full-url", &named.index(index), words);
            }
        }
    }

    /// A reference from an entry of a Bundle: found once, and found at all where the Bundle must be
    /// whole (a document's Composition, what a message is about).
    pub(super) fn in_bundle(&mut self, value: &'a Value, at: &At<'_>) {
        let Some(bundle) = self.bundle else { return };
        let reference = text(value, "reference");
        if reference.is_empty() || reference.starts_with('#') {
            return;
        }
        let found = entries(bundle, reference).count();
        if found > 1 {
            let words = "several entries of the bundle are what it refers to";
            self.error("invalid", "bundle-reference", at, words);
            return;
        }
        let mut names = at.steps().into_iter().filter_map(|step| match step {
            Step::Name(name) => Some(name),
            _ => None,
        });
        let first = names.nth(self.above).unwrap_or_default();
        let whole = match (text(bundle, "type"), self.kind) {
            ("document", "Composition") => first != "relatesTo" && first != "extension",
            ("message", "MessageHeader") => first == "focus",
            _ => false,
        };
        if found == 0 && whole && !self.inside {
            let words = "no entry of the bundle is what it refers to";
            self.error("not-found", "bundle-reference", at, words);
        }
    }
}

/// The resources of a Bundle that a reference may mean: by `fullUrl`, relative ones by its end, and by
/// version where one is named.
pub(super) fn entries<'a>(
    bundle: &'a Value,
    reference: &str,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    let plain = reference.split('#').next().unwrap_or(reference);
    let (plain, version) = match plain.split_once("/_history/") {
        Some((plain, version)) => (plain.to_owned(), Some(version.to_owned())),
        None => (plain.to_owned(), None),
    };
    let absolute = plain.contains("://") || plain.starts_with("urn:");
    list(bundle, "entry").iter().filter_map(move |entry| {
        let url = entry.get("fullUrl").and_then(Value::as_str)?;
        let same = url == plain
            || (!absolute
                && url
                    .strip_suffix(plain.as_str())
                    .is_some_and(|rest| rest.ends_with('/')));
        let resource = entry.get("resource").filter(|_| same)?;
        let own = resource.pointer("/meta/versionId").and_then(Value::as_str);
        version
            .as_deref()
            .is_none_or(|version| own == Some(version))
            .then_some(resource)
    })
}
