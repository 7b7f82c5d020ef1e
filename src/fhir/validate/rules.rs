//! The rules by name: stable ids, what each means, and which of them nobody may lower.
//!
//! An issue's rule is one of these, or the key of an invariant that was loaded (`obs-6`). Ids are part of
//! the interface: configs name them, senders group by them. One that is in no table cannot be said: a
//! test reads the source, and a debug build stops at it.

use std::collections::BTreeMap;

use super::Validator;
use super::invariant::Invariant;
use super::model::Node;
use crate::issue::{Issue, Severity};

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: &'static str,
    /// How bad it is where nobody says otherwise. In places where R4 itself says less (one of several codings, a
    /// limit that was reached) an issue says so.
    pub severity: Severity,
    /// Whether it is about the form that a reader needs to read FHIR at all. Such a fault is never let
    /// pass, whatever a config says.
    pub form: bool,
    /// What it asks for, in words.
    pub what: &'static str,
}

const fn form(id: &'static str, what: &'static str) -> Rule {
    Rule {
        id,
        severity: Severity::Error,
        form: true,
        what,
    }
}

const fn error(id: &'static str, what: &'static str) -> Rule {
    Rule {
        id,
        severity: Severity::Error,
        form: false,
        what,
    }
}

const fn warning(id: &'static str, what: &'static str) -> Rule {
    Rule {
        severity: Severity::Warning,
        ..error(id, what)
    }
}

const fn note(id: &'static str, what: &'static str) -> Rule {
    Rule {
        severity: Severity::Information,
        ..error(id, what)
    }
}

/// All of them, form first; invariants aside.
pub const ALL: &[Rule] = &[
    form("json-syntax", "the text is JSON"),
    form("json-bytes", "the text is no longer than the limit"),
    form(
        "json-depth",
        "objects and arrays are nested no deeper than the limit",
    ),
    form("json-digits", "numbers have no more digits than the limit"),
    form("json-exponent", "exponents of numbers are within the limit"),
    form("json-key", "no key is one that the reader keeps for itself"),
    form("json-duplicate-key", "a key stands once in its object"),
    form("json-object", "a resource is a JSON object"),
    form("resource-type", "resourceType names a resource type of R4"),
    form(
        "type",
        "a value is of the JSON kind and the type of its element",
    ),
    error("unknown-element", "R4 knows every element"),
    form(
        "array",
        "what may be there several times is an array, and nothing else is",
    ),
    form(
        "null",
        "null stands only in an array of primitives, for a value whose extensions stand beside it",
    ),
    form("empty-array", "an array has at least one item"),
    form("empty-object", "an object has at least one element"),
    error(
        "choice",
        "of an element with a choice of types there is one",
    ),
    error("primitive-base64Binary", "base64Binary as R4 writes it"),
    error("primitive-boolean", "boolean as R4 writes it"),
    error("primitive-canonical", "canonical as R4 writes it"),
    error("primitive-code", "code as R4 writes it"),
    error("primitive-date", "date as R4 writes it, of the calendar"),
    error(
        "primitive-dateTime",
        "dateTime as R4 writes it, of the calendar",
    ),
    error("primitive-decimal", "decimal as R4 writes it"),
    error("primitive-id", "id as R4 writes it"),
    error(
        "primitive-instant",
        "instant as R4 writes it, of the calendar",
    ),
    error("primitive-integer", "integer as R4 writes it"),
    error("primitive-markdown", "markdown as R4 writes it"),
    error("primitive-oid", "oid as R4 writes it"),
    error("primitive-positiveInt", "positiveInt as R4 writes it"),
    error("primitive-string", "string as R4 writes it"),
    error("primitive-time", "time as R4 writes it"),
    error("primitive-unsignedInt", "unsignedInt as R4 writes it"),
    error("primitive-uri", "uri as R4 writes it"),
    error("primitive-url", "url as R4 writes it"),
    error("primitive-uuid", "uuid as R4 writes it"),
    error("primitive-xhtml", "xhtml as R4 writes it"),
    error(
        "cardinality-min",
        "an element that must be there is there often enough",
    ),
    error(
        "cardinality-max",
        "an element is there no more often than it may be",
    ),
    error("fixed", "a value is the fixed one"),
    error("pattern", "a value holds all that the pattern asks for"),
    error("value-min", "a value is not below the least one"),
    error("value-max", "a value is not above the greatest one"),
    error("max-length", "a text is no longer than it may be"),
    error(
        "type-profile",
        "a value meets one of the data type profiles of its element",
    ),
    error(
        "binding-required",
        "a code is one of the required value set",
    ),
    warning(
        "binding-extensible",
        "a code is one of the extensible value set, if one of its codes applies",
    ),
    note(
        "binding-preferred",
        "a code is one of the preferred value set",
    ),
    error("code-unknown", "a code is one of its code system"),
    warning("unit-unknown", "a unit that says so is one of UCUM's"),
    error("system-relative", "a system is an absolute address"),
    error(
        "reference-target",
        "a reference points at a type that it may point at",
    ),
    error(
        "reference-contained",
        "a local reference points at a contained resource that is there",
    ),
    error(
        "reference-profile",
        "what a reference points at meets one of the profiles asked for",
    ),
    error(
        "reference-form",
        "a reference is an address, relative or absolute",
    ),
    error(
        "reference-aggregation",
        "what is referred to is at hand in the way that the profile asks for",
    ),
    error("slice-min", "a slice has as many members as it needs"),
    error("slice-max", "a slice has no more members than it may have"),
    error(
        "slice-closed",
        "in a closed slicing every value is in a slice",
    ),
    error(
        "slice-order",
        "slices stand in the order of the profile, and the rest after them",
    ),
    error("extension-url", "an extension has an absolute address"),
    error(
        "extension-context",
        "an extension stands where its definition lets it",
    ),
    error(
        "extension-modifier",
        "what changes the meaning of its element stands in modifierExtension, and nothing else does",
    ),
    error(
        "extension-type",
        "an extension's value is of a type that its definition allows",
    ),
    error("extension-unknown", "a modifier extension is known here"),
    error("ele-1", "an element has a value or elements of its own"),
    error("ext-1", "an extension has either a value or extensions"),
    error("dom-3", "something refers to each contained resource"),
    error("contained-nested", "a contained resource contains none"),
    error(
        "narrative",
        "a narrative keeps to the XHTML that FHIR allows",
    ),
    error(
        "narrative-link",
        "a narrative's local links and images are there",
    ),
    error(
        "attachment-size",
        "an attachment's size is that of its data",
    ),
    error(
        "bundle-full-url",
        "entries have full addresses that agree with their resources",
    ),
    error(
        "bundle-reference",
        "a bundle's references to its own entries can be followed",
    ),
    error(
        "bundle-link",
        "what begins a document or message is its first entry, and all else hangs together with it",
    ),
    error(
        "code-system-property",
        "a concept's properties are declared, and of their type",
    ),
    error(
        "definition-path",
        "a definition's elements have the paths of their type",
    ),
    error(
        "questionnaire-link",
        "an answer's item is one of the questionnaire",
    ),
    error(
        "questionnaire-order",
        "items stand in the questionnaire's order",
    ),
    error(
        "questionnaire-repeats",
        "an item that does not repeat stands once",
    ),
    error("questionnaire-required", "a required item is answered"),
    error(
        "questionnaire-enable",
        "an item that is not enabled is not answered",
    ),
    error(
        "questionnaire-type",
        "an item is a group or a question, as the questionnaire says",
    ),
    error(
        "questionnaire-occurs",
        "an item stands as often as the questionnaire asks for",
    ),
    error("questionnaire-answer", "an answer is of its item's type"),
    error(
        "questionnaire-option",
        "an answer is one of its item's options",
    ),
    error(
        "questionnaire-limit",
        "an answer is within its item's limits",
    ),
    error(
        "profile-type",
        "a profile that is asked for or claimed is one of the resource's type",
    ),
    warning(
        "profile-unknown",
        "a claimed profile is known here; one that is asked for has to be",
    ),
    error(
        "example-address",
        "no address is one of an example host, where that is asked for",
    ),
    warning("control-character", "a text holds no control character"),
    note(
        "binding-not-checked",
        "whether a code is in its value set could be told",
    ),
    warning("slice-not-checked", "who belongs to a slice could be told"),
    note("invariant-not-checked", "an invariant could be decided"),
    note("value-not-checked", "a limit on a value could be decided"),
    note(
        "questionnaire-not-checked",
        "the questionnaire, or what its answers must be of, is known here",
    ),
];

/// The rule of this id, if it is in the table.
#[must_use]
pub fn named(id: &str) -> Option<&'static Rule> {
    ALL.iter().find(|rule| rule.id == id)
}

/// Whether an issue is about the form that a reader needs: a rule of that, or a primitive of another JSON kind.
#[must_use]
pub fn is_form(issue: &Issue) -> bool {
    let primitive = issue.code == "structure" && issue.rule.starts_with("primitive-");
    issue.is_error() && (primitive || named(&issue.rule).is_some_and(|rule| rule.form))
}

impl Validator {
    /// Whether an id is a rule's, or the key of an invariant of something that was loaded.
    #[must_use]
    pub fn has_rule(&self, id: &str) -> bool {
        named(id).is_some() || self.invariants().iter().any(|(key, _)| *key == id)
    }

    /// The keys of all invariants that were loaded, each with how bad it is at the worst, by key.
    #[must_use]
    pub fn invariants(&self) -> Vec<(&str, Severity)> {
        let model = &self.core.model;
        let mut all: Vec<&Invariant> = Vec::new();
        for shape in &model.shapes {
            all.extend(&shape.constraints);
            all.extend(shape.elements.iter().flat_map(|each| &each.constraints));
        }
        let mut open: Vec<&Node> = model.profiles.values().map(|each| &each.root).collect();
        while let Some(node) = open.pop() {
            all.extend(&node.constraints);
            open.extend(&node.children);
            let slices = node.slicing.iter().flat_map(|slicing| &slicing.slices);
            open.extend(slices.map(|slice| &slice.node));
        }
        let mut found: BTreeMap<&str, Severity> = BTreeMap::new();
        for each in all {
            let own = found.entry(&each.key).or_insert(each.severity());
            *own = each.severity().max(*own);
        }
        found.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_in_the_words_of_the_interface() {
        for (at, rule) in ALL.iter().enumerate() {
            assert!(
                ALL[..at].iter().all(|other| other.id != rule.id),
                "{}",
                rule.id
            );
            assert!(
                rule.id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            );
            assert!(!rule.what.is_empty() && !rule.what.ends_with('.'));
        }
        let form = |code, rule: &'static str| is_form(&Issue::error(code, rule, "", ""));
        assert!(form("structure", "type") && form("structure", "primitive-date"));
        assert!(!form("value", "primitive-date") && !form("structure", "slice-max"));
    }

    #[test]
    fn keys_of_loaded_invariants_are_rules() {
        let validator = Validator::standard();
        for id in ["obs-6", "dom-6", "vs-1", "ele-1", "binding-required"] {
            assert!(validator.has_rule(id), "{id}");
        }
        for id in ["", "obs", "us-core-1", "binding"] {
            assert!(!validator.has_rule(id), "{id}");
        }
        let found = validator.invariants();
        let of = |key: &str| {
            found
                .iter()
                .find(|(own, _)| *own == key)
                .map(|(_, bad)| *bad)
        };
        assert_eq!(of("obs-6"), Some(Severity::Error));
        assert_eq!(of("dom-6"), Some(Severity::Warning));
    }
}
