//! What definitions become before anything is checked: shapes of types, trees of profiles.
//!
//! Immutable once built. A shape rules what a type may hold; a profile's tree holds only what the
//! profile says beyond its type, so that a check walks no further than it must.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::invariant::Invariant;
use super::primitive::Primitive;
use crate::fhir::facts::Strength;
use crate::fhir::path::TypeId;

/// Index of a shape.
pub(super) type ShapeId = usize;

/// The elements of a type or backbone.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// `Observation`, `Observation.component`, `Quantity`.
    pub path: Box<str>,
    /// Elements in the order of the definition.
    pub elements: Vec<Element>,
    /// JSON property names, sorted by length and bytes.
    pub names: Vec<(Box<str>, Named)>,
    /// What expressions know it as.
    pub kind: TypeId,
    /// Whether it is the type Extension.
    pub is_extension: bool,
    /// A bit for each element that must be there.
    pub required: u128,
    /// Invariants of the type or backbone.
    pub constraints: Vec<Invariant>,
    /// Of a resource: whether its rules look at the literal part of references.
    pub literal: OnceLock<bool>,
}

/// What a JSON property stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    /// Index of the element.
    pub element: u16,
    /// Index of its type.
    pub kind: u16,
    /// Whether it is the `_name` that goes with a primitive.
    pub companion: bool,
}

impl Shape {
    /// Looks a property up.
    pub(super) fn named(&self, key: &str) -> Option<Named> {
        let order = |name: &str| name.len().cmp(&key.len()).then_with(|| name.cmp(key));
        let found = self.names.binary_search_by(|(name, _)| order(name)).ok()?;
        Some(self.names[found].1)
    }
}

impl Shape {
    /// The element's name that a name is most like: at most two letters otherwise.
    pub(super) fn like(&self, name: &str) -> Option<&str> {
        let names = self.names.iter().map(|(own, _)| &**own);
        let near = names.filter_map(|own| Some((letters_between(own, name)?, own)));
        near.min().map(|(_, own)| own)
    }
}

/// How many letters two names differ by, if by two at most.
fn letters_between(a: &str, b: &str) -> Option<usize> {
    if a.len().abs_diff(b.len()) > 2 || b.len() > 64 || a.len().min(b.len()) < 4 {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row.last().copied().filter(|letters| *letters <= 2)
}

/// An element of a type.
#[derive(Debug)]
pub(super) struct Element {
    /// Name without `[x]`.
    pub name: Box<str>,
    /// Whether the name is followed by a type.
    pub choice: bool,
    /// Whether it is an array in JSON.
    pub array: bool,
    /// Least number.
    pub min: u32,
    /// Greatest number.
    pub max: u32,
    /// Allowed types.
    pub types: Vec<Type>,
    /// Bound value set.
    pub binding: Option<Binding>,
    /// Fixed value (the address of an extension, for one).
    pub fixed: Option<Arc<Value>>,
    /// Pattern.
    pub pattern: Option<Arc<Value>>,
    /// Greatest length.
    pub max_length: Option<usize>,
    /// Invariants that stand at this element.
    pub constraints: Vec<Invariant>,
}

/// A type that an element may have.
#[derive(Debug)]
pub(super) struct Type {
    /// Type name.
    pub code: Box<str>,
    /// JSON property name.
    pub key: Box<str>,
    /// JSON property name of the companion.
    pub companion: Box<str>,
    /// What is inside.
    pub content: Content,
    /// What expressions know it as.
    pub kind: TypeId,
    /// Data type profiles, any of which must hold.
    pub profiles: Vec<Box<str>>,
    /// Targets of a reference, any of which must hold.
    pub targets: Vec<Target>,
}

/// What a type's value is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    /// A JSON scalar.
    Primitive(Primitive),
    /// An object with the elements of a shape.
    Shape(ShapeId),
    /// A whole resource.
    Resource,
    /// Of a type that is not known: nothing is checked inside.
    Unknown,
}

/// What a reference may point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Resource type; `Resource` for any.
    pub kind: Box<str>,
    /// Profile, where it is not the type itself.
    pub profile: Option<Box<str>>,
}

/// A bound value set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    /// How strongly.
    pub strength: Strength,
    /// Address, perhaps with a version.
    pub set: Box<str>,
}

/// A compiled profile or extension.
#[derive(Debug)]
pub(super) struct Profile {
    /// `url|version`.
    pub name: Arc<str>,
    /// Type that it constrains.
    pub kind: Box<str>,
    /// What expressions know that type as.
    pub kind_id: TypeId,
    /// What it says beyond its type.
    pub root: Node,
    /// For extensions: where it may stand.
    pub contexts: Vec<(String, String)>,
    /// For extensions: the places among those that FHIRPath tells.
    pub context_paths: Vec<Invariant>,
    /// For extensions: what must hold of whatever holds it.
    pub context_invariants: Vec<Invariant>,
    /// For extensions: whether it changes the meaning of what holds it.
    pub modifier: bool,
    /// Whether it looks at the literal part of references.
    pub literal: OnceLock<bool>,
}

/// What a profile says of an element beyond its type.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Name without `[x]`.
    pub name: Box<str>,
    /// Whether the name is followed by a type.
    pub choice: bool,
    /// Properties that carry the element.
    pub keys: Vec<Key>,
    /// Least number.
    pub min: u32,
    /// Greatest number.
    pub max: u32,
    /// Type names, where fewer than the type allows.
    pub only: Option<Vec<Box<str>>>,
    /// Fixed value.
    pub fixed: Option<Arc<Value>>,
    /// Pattern.
    pub pattern: Option<Arc<Value>>,
    /// Bound value set.
    pub binding: Option<Binding>,
    /// Greatest length.
    pub max_length: Option<usize>,
    /// Data type profiles by type name.
    pub profiles: Vec<(Box<str>, Vec<Box<str>>)>,
    /// Targets of references by type name, where they differ from the type's.
    pub targets: Vec<(Box<str>, Vec<Target>)>,
    /// How what is referred to must be at hand: `contained`, `bundled`, `referenced`; empty for any.
    pub aggregation: Vec<Box<str>>,
    /// Least value.
    pub min_value: Option<Arc<Value>>,
    /// Greatest value.
    pub max_value: Option<Arc<Value>>,
    /// Invariants.
    pub constraints: Vec<Invariant>,
    /// How it is sliced, and into what.
    pub slicing: Option<Slicing>,
    /// Elements inside.
    pub children: Vec<Node>,
}

/// A JSON property that carries an element.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub name: Box<str>,
    /// That of the companion.
    pub companion: Box<str>,
    /// Type name.
    pub code: Box<str>,
    /// What expressions know the type as.
    pub kind: TypeId,
}

impl Node {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.min == 0
            && self.max == u32::MAX
            && self.only.is_none()
            && self.fixed.is_none()
            && self.pattern.is_none()
            && self.binding.is_none()
            && self.max_length.is_none()
            && self.profiles.is_empty()
            && self.targets.is_empty()
            && self.aggregation.is_empty()
            && self.min_value.is_none()
            && self.max_value.is_none()
            && self.constraints.is_empty()
            && self.slicing.is_none()
            && self.children.is_empty()
    }
}

/// Slices of an element.
#[derive(Debug)]
pub(super) struct Slicing {
    /// Whether values outside of all slices are allowed.
    pub open: bool,
    /// Whether such values must come last.
    pub at_end: bool,
    /// Whether slices come in the order of their definition.
    pub ordered: bool,
    /// The slices.
    pub slices: Vec<Slice>,
}

/// A slice.
#[derive(Debug)]
pub(super) struct Slice {
    /// Its name.
    pub name: Box<str>,
    /// What it says.
    pub node: Node,
    /// How its members are known; all must hold. Empty: cannot be told.
    pub tests: Vec<Test>,
}

/// One test of a slice's membership.
#[derive(Debug)]
pub(super) struct Test {
    /// Steps from the value: element names, `resolve()`, `extension('…')`; empty for the value itself.
    pub path: Vec<Box<str>>,
    /// The discriminator as the definition writes it.
    pub written: Box<str>,
    /// What is expected there.
    pub expect: Expect,
}

impl Test {
    /// The discriminator, with what the definition expects there where that is a word.
    pub(super) fn words(&self) -> String {
        let expected = match &self.expect {
            Expect::Fixed(value) | Expect::Pattern(value) => value.as_str().unwrap_or_default(),
            Expect::Bound(set) => set,
            _ => "",
        };
        match expected {
            "" => self.written.to_string(),
            expected => format!("{} = {expected}", self.written),
        }
    }
}

/// The address in a discriminator's step `extension('…')`.
pub(super) fn extension_of(step: &str) -> Option<&str> {
    let inner = step.strip_prefix("extension(")?.strip_suffix(')')?;
    Some(inner.trim_matches(['\'', '"']))
}

/// What a discriminator expects.
#[derive(Debug)]
pub(super) enum Expect {
    /// A value equal to this.
    Fixed(Arc<Value>),
    /// A value that holds this.
    Pattern(Arc<Value>),
    /// A code of this set.
    Bound(Box<str>),
    /// A value of one of these types.
    Types(Vec<Box<str>>),
    /// Presence, or absence.
    Exists(bool),
    /// Conformance to one of these profiles.
    Profiles(Vec<Box<str>>),
    /// Cannot be told from the definition.
    Unclear,
}

/// All that was compiled.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Shapes.
    pub shapes: Vec<Shape>,
    /// Types by name: shape of complex types and resources.
    pub types: HashMap<Box<str>, ShapeId>,
    /// What each type is derived from.
    pub bases: HashMap<Box<str>, Box<str>>,
    /// Names of resource types that can be instances.
    pub resources: HashMap<Box<str>, ShapeId>,
    /// Profiles by address, without version and with `|version`.
    pub profiles: HashMap<Box<str>, Arc<Profile>>,
    /// The shape that a primitive's companion has.
    pub element: ShapeId,
}
