//! Types to shapes.

use std::collections::{HashMap, HashSet};

use super::invariant::Invariant;
use super::model::{Binding, Content, Element, Model, Named, Shape, ShapeId, Target, Type};
use super::primitive::Primitive;
use crate::fhir::facts::{self, Constraint, Kind, Strength, Structure};
use crate::fhir::path::{TypeId, Types};

/// Where R4's own definitions live.
pub(super) const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Type names by the address of the structure that defines or constrains them.
pub(super) type Kinds = HashMap<String, String>;

/// Compiles all types.
pub(super) fn types(structures: &HashMap<&str, &Structure>, kinds: &Kinds, types: &Types) -> Model {
    let mut model = Model::default();
    let mut all: Vec<&Structure> = structures
        .values()
        .copied()
        .filter(|each| !each.profile && each.kind != Kind::Primitive)
        .collect();
    all.sort_by(|a, b| a.url.cmp(&b.url));
    // Every path with children gets a shape, so that content can be shared and types can recurse.
    let mut ids: HashMap<&str, ShapeId> = HashMap::new();
    for structure in &all {
        let mut parents: HashSet<&str> = HashSet::new();
        for element in &structure.elements {
            if let Some((parent, _)) = element.path.rsplit_once('.') {
                parents.insert(parent);
            }
        }
        for element in &structure.elements {
            if parents.contains(element.path.as_str()) {
                ids.entry(&element.path).or_insert_with(|| {
                    model.shapes.push(Shape {
                        path: element.path.as_str().into(),
                        kind: types.id(&element.path).unwrap_or_default(),
                        is_extension: element.path == "Extension",
                        ..Shape::default()
                    });
                    model.shapes.len() - 1
                });
            }
        }
    }
    for structure in &all {
        let Some(&id) = ids.get(structure.type_name.as_str()) else {
            continue;
        };
        let name: Box<str> = structure.type_name.as_str().into();
        if structure.kind == Kind::Resource && !structure.is_abstract {
            model.resources.insert(name.clone(), id);
        }
        if let Some(base) = structure.base.strip_prefix(CORE) {
            model.bases.insert(name.clone(), base.into());
        }
        model.types.insert(name, id);
        for element in &structure.elements {
            let Some((parent, name)) = element.path.rsplit_once('.') else {
                let all = inherited(structure, structures);
                model.shapes[id].constraints = Invariant::all(&all);
                continue;
            };
            let Some(&above) = ids.get(parent) else {
                continue;
            };
            let is_resource_id = structure.kind == Kind::Resource
                && element.path.matches('.').count() == 1
                && name == "id";
            let made = compiled(element, name, &ids, kinds, types, is_resource_id);
            model.shapes[above].elements.push(made);
            if let Some(&own) = ids.get(element.path.as_str()) {
                model.shapes[own].constraints = Invariant::all(&element.constraints);
            }
        }
    }
    for shape in &mut model.shapes {
        index(shape);
    }
    model.element = model.types.get("Element").copied().unwrap_or_default();
    model
}

/// Invariants of a type and of all that it is derived from.
fn inherited(structure: &Structure, all: &HashMap<&str, &Structure>) -> Vec<Constraint> {
    let mut out: Vec<Constraint> = Vec::new();
    let mut next = Some(structure);
    while let Some(each) = next {
        for constraint in each
            .elements
            .first()
            .map_or(&[][..], |root| &root.constraints)
        {
            if out.iter().all(|own| own.key != constraint.key) {
                out.push(constraint.clone());
            }
        }
        next = all.get(each.base.as_str()).copied();
    }
    out
}

fn index(shape: &mut Shape) {
    for (at, element) in shape.elements.iter().enumerate() {
        let Ok(number) = u16::try_from(at) else {
            continue;
        };
        if element.min > 0 && at < 128 {
            shape.required |= 1 << at;
        }
        for (kind, each) in element.types.iter().enumerate() {
            let Ok(kind) = u16::try_from(kind) else {
                continue;
            };
            let mut named = Named {
                element: number,
                kind,
                companion: false,
            };
            shape.names.push((each.key.clone(), named));
            if matches!(each.content, Content::Primitive(_)) {
                named.companion = true;
                shape.names.push((each.companion.clone(), named));
            }
        }
    }
    shape
        .names
        .sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
}

fn compiled(
    element: &facts::Element,
    name: &str,
    ids: &HashMap<&str, ShapeId>,
    kinds: &Kinds,
    known: &Types,
    is_resource_id: bool,
) -> Element {
    let stem = name.strip_suffix("[x]");
    let own = ids.get(element.path.as_str()).copied();
    let shared = ids.get(element.content.as_str()).copied();
    let kind = |path: &str, code: &str| {
        let shared = if own.is_some() {
            known.id(path)
        } else {
            known.id(&element.content)
        };
        shared.or_else(|| known.id(code)).unwrap_or_default()
    };
    let mut types: Vec<Type> = element
        .types
        .iter()
        .map(|each| {
            let code = if is_resource_id {
                "id"
            } else {
                each.code.as_str()
            };
            let key = match stem {
                Some(stem) => choice_key(stem, code),
                None => name.to_owned(),
            };
            let content = if let Some(own) = own.or(shared) {
                Content::Shape(own)
            } else {
                content(code, ids)
            };
            let mut made = one_type(code, &key, content, each, kinds);
            made.kind = kind(&element.path, code);
            made
        })
        .collect();
    if types.is_empty()
        && let Some(shared) = shared
    {
        let backbone = facts::TypeFacts::default();
        types.push(one_type(
            "BackboneElement",
            name,
            Content::Shape(shared),
            &backbone,
            kinds,
        ));
        if let Some(made) = types.last_mut() {
            made.kind = known.id(&element.content).unwrap_or_default();
        }
    }
    let max = element.max.unwrap_or(u32::MAX);
    Element {
        name: stem.unwrap_or(name).into(),
        choice: stem.is_some(),
        array: element.base_max.unwrap_or(max) > 1,
        min: element.min.unwrap_or(0),
        max,
        types,
        binding: binding(element),
        fixed: element.fixed.clone(),
        pattern: element.pattern.clone(),
        max_length: element.max_length,
        constraints: if own.is_some() {
            Vec::new()
        } else {
            Invariant::all(&element.constraints)
        },
    }
}

fn one_type(
    code: &str,
    key: &str,
    content: Content,
    from: &facts::TypeFacts,
    kinds: &Kinds,
) -> Type {
    Type {
        code: code.into(),
        key: key.into(),
        companion: format!("_{key}").into(),
        content,
        kind: TypeId::UNKNOWN,
        profiles: from
            .profiles
            .iter()
            .map(|url| url.as_str().into())
            .collect(),
        targets: targets(from, kinds),
    }
}

fn content(code: &str, ids: &HashMap<&str, ShapeId>) -> Content {
    if let Some(primitive) = Primitive::named(code) {
        Content::Primitive(primitive)
    } else if code == "Resource" {
        Content::Resource
    } else if let Some(id) = ids.get(code) {
        Content::Shape(*id)
    } else {
        Content::Unknown
    }
}

/// `value` and `dateTime` give `valueDateTime`.
pub(super) fn choice_key(stem: &str, code: &str) -> String {
    let mut out = stem.to_owned();
    let mut chars = code.chars();
    out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
    out.extend(chars);
    out
}

/// The bound value set, where there is one and it is bound at all firmly.
pub(super) fn binding(element: &facts::Element) -> Option<Binding> {
    element
        .binding
        .as_ref()
        .filter(|(strength, set)| *strength != Strength::Example && !set.is_empty())
        .map(|(strength, set)| Binding {
            strength: *strength,
            set: set.as_str().into(),
        })
}

/// The targets of a reference; a profile on a type is kept beside the type's name.
pub(super) fn targets(from: &facts::TypeFacts, kinds: &Kinds) -> Vec<Target> {
    from.targets
        .iter()
        .map(|url| {
            let plain = url.split('|').next().unwrap_or(url);
            let core = plain
                .strip_prefix(CORE)
                .filter(|name| kinds.get(plain).is_none_or(|kind| kind == name));
            match (core, kinds.get(plain)) {
                (Some(name), _) => Target {
                    kind: name.into(),
                    profile: None,
                },
                (None, Some(kind)) => Target {
                    kind: kind.as_str().into(),
                    profile: Some(url.as_str().into()),
                },
                // A profile that is not known may be on any type.
                (None, None) => Target {
                    kind: "Resource".into(),
                    profile: None,
                },
            }
        })
        .collect()
}
