//! Facts of definitions: what a StructureDefinition, ValueSet or CodeSystem rules, without its prose.
//!
//! All sources (the embedded artefact, packages, loose files) become these types before anything is
//! compiled. Nothing here checks a resource, and no text meant for people is kept.

mod read;
pub(super) mod reduce;
mod snapshot;
mod terminology;

use std::sync::Arc;

use serde_json::Value;

/// All that was read, in order; a later definition of the same address replaces an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// Types, profiles and extensions.
    pub structures: Vec<Structure>,
    /// Value sets.
    pub sets: Vec<SetFacts>,
    /// Code systems.
    pub systems: Vec<SystemFacts>,
    /// Questionnaires, whole, by address.
    pub questionnaires: Vec<(String, Arc<Value>)>,
    /// Profiles that an implementation guide gives to every resource of a type: (type, address).
    pub global: Vec<(String, String)>,
}

/// A type, a profile or an extension.
#[derive(Clone, Debug, Default)]
pub struct Structure {
    /// Canonical address.
    pub url: String,
    /// Business version, may be empty.
    pub version: String,
    /// What it describes.
    pub kind: Kind,
    /// The type that it is or constrains: `Observation`, `Extension`.
    pub type_name: String,
    /// Canonical address of what it is derived from, may be empty.
    pub base: String,
    /// Whether it constrains its base (a profile) rather than defining a type.
    pub profile: bool,
    /// Whether instances name a type derived from it.
    pub is_abstract: bool,
    /// Elements of the snapshot; empty until generated where only a differential was given.
    pub elements: Vec<Element>,
    /// Elements of the differential, kept only where there was no snapshot.
    pub differential: Vec<Element>,
    /// Where an extension may stand: (kind: `element`, `extension`, `fhirpath`; expression).
    pub contexts: Vec<(String, String)>,
    /// What must hold of whatever holds the extension, in FHIRPath.
    pub context_invariants: Vec<String>,
}

/// What a structure describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A primitive data type.
    Primitive,
    /// A data type with elements.
    #[default]
    Complex,
    /// A resource.
    Resource,
}

/// One element of a structure.
#[derive(Clone, Debug, Default)]
pub struct Element {
    /// Id with slice names: `Observation.category:VSCat.coding`.
    pub id: String,
    /// Path: `Observation.category.coding`.
    pub path: String,
    /// Name of the slice that starts here, may be empty.
    pub slice: String,
    /// Least number of occurrences; `None` in a differential that does not say.
    pub min: Option<u32>,
    /// Greatest number; [`u32::MAX`] for `*`.
    pub max: Option<u32>,
    /// What the base element allows at most: above 1 means an array in JSON.
    pub base_max: Option<u32>,
    /// Allowed types.
    pub types: Vec<TypeFacts>,
    /// Id of the element whose content this one shares.
    pub content: String,
    /// Fixed value.
    pub fixed: Option<Arc<Value>>,
    /// Pattern.
    pub pattern: Option<Arc<Value>>,
    /// Strength and address of the bound value set; the address is empty where none is given.
    pub binding: Option<(Strength, String)>,
    /// Invariants.
    pub constraints: Vec<Constraint>,
    /// How the element is sliced.
    pub slicing: Option<SlicingFacts>,
    /// Greatest length of a string.
    pub max_length: Option<usize>,
    /// Whether it changes the meaning of what holds it.
    pub modifier: bool,
    /// Least value (numbers and dates).
    pub min_value: Option<Arc<Value>>,
    /// Greatest value.
    pub max_value: Option<Arc<Value>>,
}

/// An allowed type of an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeFacts {
    /// Type name: `CodeableConcept`, `Reference`, `string`.
    pub code: String,
    /// Profiles of the type, any of which must hold.
    pub profiles: Vec<String>,
    /// For references and canonicals: profiles or types of the target, any of which must hold.
    pub targets: Vec<String>,
    /// How what is referred to must be at hand: `contained`, `bundled`, `referenced`.
    pub aggregation: Vec<String>,
}

/// How strongly a value set is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Codes must come from the set.
    Required,
    /// Codes come from the set if one of it applies.
    Extensible,
    /// Codes should come from the set.
    Preferred,
    /// The set is an example.
    Example,
}

/// An invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Key: `obs-6`.
    pub key: String,
    /// Whether it is an error (else a warning).
    pub error: bool,
    /// FHIRPath.
    pub expression: String,
    /// Address of the structure that brought it, may be empty.
    pub source: String,
    /// What it means, in the words of its definition; empty in the embedded artefact.
    pub human: String,
}

/// How an element is sliced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlicingFacts {
    /// (kind: `value`, `pattern`, `type`, `profile`, `exists`; path).
    pub discriminators: Vec<(String, String)>,
    /// `open`, `closed` or `openAtEnd`.
    pub rules: String,
    /// Whether slices must come in the order of their definition.
    pub ordered: bool,
}

/// A value set.
#[derive(Clone, Debug, Default)]
pub struct SetFacts {
    /// Canonical address.
    pub url: String,
    /// Business version.
    pub version: String,
    /// What it includes.
    pub include: Vec<Include>,
    /// What it excludes.
    pub exclude: Vec<Include>,
    /// A complete expansion that came with it: (system, code).
    pub expansion: Option<Vec<(String, String)>>,
}

/// One part of a value set.
#[derive(Clone, Debug, Default)]
pub struct Include {
    /// Code system, may be empty.
    pub system: String,
    /// Codes; empty means all, or what the filters say.
    pub codes: Vec<String>,
    /// (property, operator, value).
    pub filters: Vec<(String, String, String)>,
    /// Value sets whose codes are meant (their intersection).
    pub sets: Vec<String>,
}

/// A code system.
#[derive(Clone, Debug, Default)]
pub struct SystemFacts {
    /// Canonical address.
    pub url: String,
    /// Business version.
    pub version: String,
    /// Whether all its codes are here.
    pub complete: bool,
    /// Whether case matters. Where the definition is silent it does.
    pub case_sensitive: bool,
    /// Codes with the indices of their parents.
    pub codes: Vec<(String, Vec<u32>)>,
    /// What else is said of codes, beside their parents: (index of the code, property, value). None of it is in the
    /// embedded artefact.
    pub properties: Vec<(u32, String, String)>,
}

impl Definitions {
    /// Takes in a resource if it is a definition; anything else is passed over.
    pub fn add(&mut self, resource: &Value) {
        match resource.get("resourceType").and_then(Value::as_str) {
            Some("StructureDefinition") => self.structures.extend(Structure::read(resource)),
            Some("ValueSet") => self.sets.extend(SetFacts::read(resource)),
            Some("CodeSystem") => self.systems.extend(SystemFacts::read(resource)),
            Some("Questionnaire") => {
                let url = text(resource, "url");
                self.questionnaires.push((url, Arc::new(resource.clone())));
            }
            Some("ImplementationGuide") => {
                for each in list(resource, "global") {
                    let one = (text(each, "type"), text(each, "profile"));
                    self.global.push(one);
                }
            }
            Some("Bundle") => {
                for entry in list(resource, "entry") {
                    if let Some(inner) = entry.get("resource") {
                        self.add(inner);
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes in all of another.
    pub fn append(&mut self, mut other: Definitions) {
        self.structures.append(&mut other.structures);
        self.sets.append(&mut other.sets);
        self.systems.append(&mut other.systems);
        self.questionnaires.append(&mut other.questionnaires);
        self.global.append(&mut other.global);
    }

    /// Generates the snapshots that are missing. Returns the addresses of structures whose base is
    /// not known: they cannot be used.
    pub fn complete(&mut self) -> Vec<String> {
        snapshot::complete(&mut self.structures)
    }
}

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
