//! What FHIRPath needs to know of types: the elements of each, the properties that carry a choice, and
//! what derives from what. Made once from the facts of definitions.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::fhir::artefact;
use crate::fhir::facts::{self, Definitions, Kind, Structure};

/// A type or backbone: cheap to keep and compare. Valid for the [`Types`] that gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TypeId(u32);

impl TypeId {
    /// A type that is not known: any property is an element of it.
    pub const UNKNOWN: TypeId = TypeId(0);
}

/// How the JSON of a type is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// Not known.
    #[default]
    Unknown,
    /// An object.
    Object,
    /// A whole resource, which names its type.
    Resource,
    Boolean,
    Integer,
    Decimal,
    Text,
    Date,
    DateTime,
    Time,
}

impl Form {
    /// Whether the value is a JSON scalar.
    pub(super) fn is_primitive(self) -> bool {
        !matches!(self, Form::Unknown | Form::Object | Form::Resource)
    }

    fn named(name: &str) -> Form {
        match name {
            "boolean" => Form::Boolean,
            "integer" | "unsignedInt" | "positiveInt" | "integer64" => Form::Integer,
            "decimal" => Form::Decimal,
            "date" => Form::Date,
            "dateTime" | "instant" => Form::DateTime,
            "time" => Form::Time,
            _ => Form::Text,
        }
    }
}

/// A type or backbone.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// `Observation`, `code`; of a backbone the type that it derives from.
    pub name: Box<str>,
    /// What it derives from; itself for the roots.
    pub base: u32,
    pub form: Form,
    /// Elements, in the order of the definition.
    pub fields: Vec<Field>,
    /// Element names (without `[x]`).
    names: Table,
    /// JSON property names.
    keys: Table,
}

/// Names with element and type, found by a hash of a few of their bytes.
#[derive(Debug, Default)]
struct Table {
    rows: Vec<(Box<str>, u16, u16)>,
    /// Places in `rows`, one more; a power of two of them, at most half in use.
    slots: Box<[u16]>,
}

impl Table {
    fn new(rows: Vec<(Box<str>, u16, u16)>) -> Table {
        let size = (rows.len() * 2).next_power_of_two();
        let mut slots = vec![0u16; size].into_boxed_slice();
        for (row, (name, ..)) in rows.iter().enumerate() {
            let mut at = spread(name) & (size - 1);
            while slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            slots[at] = u16::try_from(row + 1).unwrap_or(0);
        }
        Table { rows, slots }
    }

    fn get(&self, name: &str) -> Option<(u16, u16)> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = spread(name) & mask;
        loop {
            let row = usize::from(*self.slots.get(at)?).checked_sub(1)?;
            let (own, field, kind) = self.rows.get(row)?;
            if **own == *name {
                return Some((*field, *kind));
            }
            at = (at + 1) & mask;
        }
    }
}

/// Elements of one type differ in their length, or in a byte at the front, middle or end.
fn spread(name: &str) -> usize {
    let bytes = name.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().map_or(0, usize::from);
    let len = bytes.len();
    let mixed = byte(0) ^ (byte(len / 2) << 3) ^ (byte(len.wrapping_sub(1)) << 5);
    (mixed ^ (len << 7)).wrapping_mul(0x9e37_79b1) >> 11
}

/// An element.
#[derive(Debug)]
pub(super) struct Field {
    /// Name without `[x]`.
    pub name: Box<str>,
    pub choice: bool,
    /// JSON property name and type; several only for choices.
    pub types: Vec<(Box<str>, TypeId)>,
}

impl Shape {
    /// The element of a name.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(usize::from(self.names.get(name)?.0))
    }

    /// The type that a JSON property carries.
    pub(super) fn key(&self, key: &str) -> Option<TypeId> {
        let (field, kind) = self.keys.get(key)?;
        let field = self.fields.get(usize::from(field))?;
        Some(field.types.get(usize::from(kind))?.1)
    }
}

/// All types. Immutable, shared by all threads.
#[derive(Debug)]
pub struct Types {
    shapes: Vec<Shape>,
    /// Types by name.
    names: HashMap<Box<str>, TypeId>,
    /// Types and backbones by path.
    paths: HashMap<Box<str>, TypeId>,
    /// `Quantity`.
    quantity: TypeId,
}

impl Types {
    /// The types of R4 as embedded, made at the first use.
    pub fn r4() -> &'static Types {
        static R4: LazyLock<Types> = LazyLock::new(|| Types::new(&artefact::embedded()));
        &R4
    }

    /// The types that the definitions define; profiles are passed over.
    #[must_use]
    pub fn new(definitions: &Definitions) -> Types {
        let mut last: HashMap<&str, &Structure> = HashMap::new();
        for structure in definitions.structures.iter().filter(|each| !each.profile) {
            last.insert(&structure.url, structure);
        }
        let mut all: Vec<&Structure> = last.into_values().collect();
        all.sort_by(|a, b| a.url.cmp(&b.url));
        let mut types = Types {
            shapes: vec![Shape::default()],
            names: HashMap::new(),
            paths: HashMap::new(),
            quantity: TypeId::UNKNOWN,
        };
        for structure in &all {
            types.announce(structure);
        }
        for structure in &all {
            types.fill(structure);
        }
        types.finish();
        types
    }

    fn add(&mut self, path: &str, name: &str, form: Form) -> TypeId {
        let id = TypeId(u32::try_from(self.shapes.len()).unwrap_or(0));
        self.shapes.push(Shape {
            name: name.into(),
            form,
            base: id.0,
            ..Shape::default()
        });
        self.paths.insert(path.into(), id);
        id
    }

    /// Gives ids to a type and its backbones.
    fn announce(&mut self, structure: &Structure) {
        let name = structure.type_name.as_str();
        let form = match structure.kind {
            Kind::Primitive => Form::named(name),
            Kind::Complex => Form::Object,
            Kind::Resource => Form::Resource,
        };
        let id = self.add(name, name, form);
        self.names.insert(name.into(), id);
        let parents: HashSet<&str> = structure
            .elements
            .iter()
            .filter_map(|element| Some(element.path.rsplit_once('.')?.0))
            .collect();
        for element in &structure.elements {
            let path = element.path.as_str();
            if parents.contains(path) && path.contains('.') {
                let code = element.types.first().map(|each| each.code.as_str());
                self.add(path, code.unwrap_or("BackboneElement"), Form::Object);
            }
        }
    }

    fn fill(&mut self, structure: &Structure) {
        let Some(&own) = self.names.get(structure.type_name.as_str()) else {
            return;
        };
        let base = structure.base.rsplit('/').next().unwrap_or_default();
        if let Some(base) = self.names.get(base).copied() {
            self.shapes[own.0 as usize].base = base.0;
        }
        for element in &structure.elements {
            let Some((parent, name)) = element.path.rsplit_once('.') else {
                continue;
            };
            let Some(&above) = self.paths.get(parent) else {
                continue;
            };
            // The value of a primitive is the primitive itself.
            if structure.kind == Kind::Primitive && name == "value" {
                continue;
            }
            let root = structure.kind == Kind::Resource && parent == structure.type_name;
            let field = self.field(element, name, root && name == "id");
            self.shapes[above.0 as usize].fields.push(field);
            if let Some(&backbone) = self.paths.get(element.path.as_str())
                && let Some(base) = self.names.get(&self.shapes[backbone.0 as usize].name)
            {
                self.shapes[backbone.0 as usize].base = base.0;
            }
        }
    }

    fn field(&self, element: &facts::Element, name: &str, resource_id: bool) -> Field {
        let stem = name.strip_suffix("[x]");
        let shared = self
            .paths
            .get(element.path.as_str())
            .or_else(|| self.paths.get(element.content.as_str()))
            .copied();
        let mut types: Vec<(Box<str>, TypeId)> = element
            .types
            .iter()
            .map(|each| {
                let code = if resource_id {
                    "id"
                } else {
                    each.code.as_str()
                };
                let key = match stem {
                    Some(stem) => choice_key(stem, code),
                    None => name.to_owned(),
                };
                let id = shared.or_else(|| self.names.get(code).copied());
                (key.into(), id.unwrap_or(TypeId::UNKNOWN))
            })
            .collect();
        if types.is_empty() {
            types.push((name.into(), shared.unwrap_or(TypeId::UNKNOWN)));
        }
        Field {
            name: stem.unwrap_or(name).into(),
            choice: stem.is_some(),
            types,
        }
    }

    fn finish(&mut self) {
        self.quantity = self.named("Quantity").unwrap_or_default();
        for shape in &mut self.shapes {
            let (mut names, mut keys) = (Vec::new(), Vec::new());
            for (at, field) in shape.fields.iter().enumerate() {
                let at = u16::try_from(at).unwrap_or(u16::MAX);
                names.push((field.name.clone(), at, 0));
                for (kind, (key, _)) in field.types.iter().enumerate() {
                    let kind = u16::try_from(kind).unwrap_or(u16::MAX);
                    keys.push((key.clone(), at, kind));
                }
            }
            shape.names = Table::new(names);
            shape.keys = Table::new(keys);
        }
    }

    pub(super) fn shape(&self, id: TypeId) -> &Shape {
        &self.shapes[(id.0 as usize).min(self.shapes.len() - 1)]
    }

    /// The type of a name (`Observation`, `code`), or the backbone at a path (`Patient.contact`).
    #[must_use]
    pub fn id(&self, name: &str) -> Option<TypeId> {
        self.names
            .get(name)
            .or_else(|| self.paths.get(name))
            .copied()
    }

    /// The type of a name.
    pub(super) fn named(&self, name: &str) -> Option<TypeId> {
        self.names.get(name).copied()
    }

    /// The type's name: `Observation`, `code`, `BackboneElement`; empty where it is not known.
    #[must_use]
    pub fn name(&self, id: TypeId) -> &str {
        &self.shape(id).name
    }

    /// Whether it is a Quantity, or derives from it.
    pub(super) fn is_quantity(&self, id: TypeId) -> bool {
        id == self.quantity
            || (self.shape(id).base == self.quantity.0 && self.quantity != TypeId::UNKNOWN)
    }

    /// Whether a type is another or derives from it.
    #[must_use]
    pub fn is_a(&self, id: TypeId, other: TypeId) -> bool {
        let mut at = id;
        loop {
            if at == other {
                return true;
            }
            let base = TypeId(self.shape(at).base);
            // A backbone stands beside the type that it derives from.
            if base == at {
                return false;
            }
            at = base;
        }
    }
}

/// `value` and `dateTime` give `valueDateTime`.
fn choice_key(stem: &str, code: &str) -> String {
    let mut out = stem.to_owned();
    let mut chars = code.chars();
    out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
    out.extend(chars);
    out
}
