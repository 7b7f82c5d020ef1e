//! Rules `extension-url`, `extension-context`, `extension-modifier`, `extension-type`,
//! `extension-unknown`: where an extension may stand, and that nobody is asked to pass over a meaning
//! that they do not know.
//!
//! An extension whose definition is known is checked against it; one that is not known is carried. A
//! place that is wrong is noted at the element that holds the extension, as the profile's rule.

use serde_json::Value;

use super::at::{At, Step};
use super::check::Check;
use super::model::{Content, Element, Profile, Shape};
use crate::fhir::path::{Node, PathError, TypeId};

/// Resources with an address of their own (`CanonicalResource`, which R4 does not name yet).
const CANONICAL: &[&str] = &[
    "ActivityDefinition",
    "CapabilityStatement",
    "ChargeItemDefinition",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "EffectEvidenceSynthesis",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "GraphDefinition",
    "ImplementationGuide",
    "Library",
    "Measure",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "PlanDefinition",
    "Questionnaire",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "RiskEvidenceSynthesis",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "TerminologyCapabilities",
    "TestScript",
    "ValueSet",
];

impl<'a> Check<'a> {
    /// All extensions of one element: `holder` is the shape that has them, `code` its type, `parent`
    /// the value that holds them.
    pub(super) fn extensions(
        &mut self,
        value: &'a Value,
        code: &str,
        holder: &Shape,
        element: &Element,
        parent: &'a Value,
        at: &At<'_>,
    ) {
        let modifier = &*element.name == "modifierExtension";
        let named = at.name(&element.name);
        for (index, each) in value.as_array().into_iter().flatten().enumerate() {
            let here = named.index(index);
            if let Some(url) = each.get("url").and_then(Value::as_str) {
                let place = Place {
                    code,
                    holder,
                    parent,
                    above: at,
                };
                self.extension(each, url, modifier, &place, &here);
            }
        }
    }

    fn extension(
        &mut self,
        value: &'a Value,
        url: &str,
        modifier: bool,
        place: &Place<'a, '_>,
        at: &At<'_>,
    ) {
        let core = self.core;
        if !url.contains(':') {
            if place.code != "Extension" {
                let words = "the address of an extension must be absolute";
                self.error("invalid", "extension-url", at, words);
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
            } else if core.known_extensions_only {
                let words = "an extension that is not known here, where only known ones may stand";
                self.error("not-supported", "extension-unknown", at, words);
            }
            return;
        };
        if profile.modifier != modifier {
            let words = if modifier {
                format!("{} stands as a modifier, but is none", profile.name)
            } else {
                format!(
                    "{} changes the meaning of what holds it: belongs into modifierExtension",
                    profile.name
                )
            };
            self.error("invalid", "extension-modifier", at, words);
        }
        if !self.allowed_here(profile, place) {
            let meant: Vec<&str> = profile.contexts.iter().map(|(_, at)| &**at).collect();
            let words = format!(
                "holds the extension {}, which is meant for {} only",
                profile.name,
                meant.join(", ")
            );
            self.error("invalid", "extension-context", place.above, words);
        } else {
            self.fits_its_holder(profile, value, place);
        }
        if self.extension_type(profile, value, at) {
            self.under(profile, value, at);
        }
    }

    /// What the definition asks of the holder beyond where it stands.
    fn fits_its_holder(&mut self, profile: &'a Profile, value: &'a Value, place: &Place<'a, '_>) {
        for asked in &profile.context_invariants {
            // Of a primitive only its companion is at hand.
            if &*place.holder.path == "Element" {
                let error = PathError::not_checked("what it stands on is a primitive");
                self.undecided(asked, &error, place.above);
                continue;
            }
            let extension = Node::element(Some(value), None, self.extension_kind());
            match self.truth(asked, place.node(), Some(extension)) {
                Ok(true) => {}
                Ok(false) => {
                    let words = format!(
                        "holds the extension {}, which is meant for what meets {} only",
                        profile.name,
                        asked.text()
                    );
                    self.error("invalid", "extension-context", place.above, words);
                }
                Err(error) => self.undecided(asked, &error, place.above),
            }
        }
    }

    /// What expressions know an extension as.
    fn extension_kind(&self) -> TypeId {
        self.core.types.id("Extension").unwrap_or_default()
    }

    /// Whether the extension's value is of a type that its definition allows.
    fn extension_type(&mut self, profile: &Profile, value: &Value, at: &At<'_>) -> bool {
        let node = profile
            .root
            .children
            .iter()
            .find(|node| &*node.name == "value");
        let Some(only) = node.and_then(|node| node.only.as_ref()) else {
            return true;
        };
        let Value::Object(map) = value else {
            return true;
        };
        let fits = map.keys().all(|key| {
            let Some(own) = key.strip_prefix("value") else {
                return true;
            };
            only.iter().any(|code| own.eq_ignore_ascii_case(code))
        });
        if !fits {
            let words = format!(
                "{} allows a value of type {} only",
                profile.name,
                only.join(", ")
            );
            self.error("structure", "extension-type", at, words);
        }
        fits
    }

    fn allowed_here(&self, profile: &'a Profile, place: &Place<'a, '_>) -> bool {
        // A path that cannot be followed forbids nothing.
        let mut paths = profile.context_paths.iter();
        if paths.any(|path| self.leads_to(path, place.node()).unwrap_or(true)) {
            return true;
        }
        profile.contexts.is_empty()
            || profile.contexts.iter().any(|(kind, expression)| {
                let plain = expression.split('|').next().unwrap_or(expression);
                match kind.as_str() {
                    "element" => self.is_element(plain, place),
                    "extension" => place.parent.get("url").and_then(Value::as_str) == Some(plain),
                    "fhirpath" => false,
                    // A kind of a later FHIR forbids nothing.
                    _ => true,
                }
            })
    }

    /// Whether the holder is the element that a context names: `Element`, a type, or a path from a
    /// type, through whatever holds a value of that type.
    fn is_element(&self, expression: &str, place: &Place<'a, '_>) -> bool {
        if expression == "Element" {
            return true;
        }
        let trails = self.trails(place.above);
        let root = trails.first();
        let at_root = root.is_some_and(|(_, below)| below.is_empty());
        match expression {
            "Resource" => return at_root,
            "DomainResource" => {
                return at_root && place.parent.get("resourceType").is_some();
            }
            "CanonicalResource" | "MetadataResource" => {
                return at_root && root.is_some_and(|(kind, _)| CANONICAL.contains(kind));
            }
            "BackboneElement" => return place.holder.path.contains('.'),
            _ => {}
        }
        if self.is_kind(place.code, expression) || expression == &*place.holder.path {
            return true;
        }
        let mut steps = expression
            .split('.')
            .map(|step| step.trim_end_matches("[x]"));
        let first = steps.next().unwrap_or_default();
        let rest: Vec<&str> = steps.collect();
        trails
            .iter()
            .any(|(kind, below)| self.is_kind(kind, first) && *below == rest)
    }

    /// Whether a type is another one or derived from it.
    fn is_kind(&self, kind: &str, wanted: &str) -> bool {
        let mut next = Some(kind);
        while let Some(kind) = next {
            if kind == wanted {
                return true;
            }
            next = self.core.model.bases.get(kind).map(|base| &**base);
        }
        false
    }

    /// The types on the way to an element, each with the names from there: the resource first.
    fn trails<'b>(&'b self, at: &'b At<'b>) -> Vec<(&'b str, Vec<&'b str>)> {
        let model = &self.core.model;
        let mut out: Vec<(&str, Vec<&str>)> = vec![(self.kind, Vec::new())];
        let mut shape = model.types.get(self.kind).copied();
        // What is above the resource does not count.
        let mut above = self.above;
        for step in at.steps() {
            match step {
                Step::Name(_) if above > 0 => above -= 1,
                _ if above > 0 => {}
                Step::Name(name) => {
                    for (_, below) in &mut out {
                        below.push(name);
                    }
                    let elements = shape.map(|id| &model.shapes[id].elements);
                    let element =
                        elements.and_then(|all| all.iter().find(|each| *each.name == *name));
                    shape = None;
                    if let Some([only]) = element.map(|element| element.types.as_slice()) {
                        if let Content::Shape(id) = only.content {
                            shape = Some(id);
                        }
                        out.push((&only.code, Vec::new()));
                    }
                }
                Step::OfType(code) => {
                    shape = model.types.get(code).copied();
                    out.push((code, Vec::new()));
                }
                Step::Index(_) => {}
            }
        }
        out
    }
}

/// Where an extension stands.
struct Place<'a, 'b> {
    code: &'b str,
    holder: &'b Shape,
    parent: &'a Value,
    above: &'b At<'b>,
}

impl<'a> Place<'a, '_> {
    /// The holder, as expressions know it: of a primitive its companion.
    fn node(&self) -> Node<'a> {
        match &*self.holder.path {
            "Element" => Node::element(None, Some(self.parent), self.holder.kind),
            _ => Node::element(Some(self.parent), None, self.holder.kind),
        }
    }
}
