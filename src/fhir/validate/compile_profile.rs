//! Profiles and extensions to trees that hold only what they say beyond their type.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::compile::{CORE, Kinds, binding, targets};
use super::invariant::Invariant;
use super::model::{Content, Key, Model, Node, Profile, ShapeId, Slice, Slicing, Target};
use crate::fhir::facts::{Element, SlicingFacts, Structure};
use crate::fhir::path::{TypeId, Types};

/// Compiles one profile or extension; `None` if its type is not known.
pub(super) fn profile(
    structure: &Structure,
    model: &Model,
    kinds: &Kinds,
    types: &Types,
    structures: &HashMap<&str, &Structure>,
) -> Option<Profile> {
    let root = structure.elements.first()?;
    let shape = *model.types.get(structure.type_name.as_str())?;
    let mut below: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut slices: HashMap<&str, Vec<usize>> = HashMap::new();
    let ids: HashSet<&str> = structure.elements.iter().map(|each| &*each.id).collect();
    for (index, element) in structure.elements.iter().enumerate().skip(1) {
        let Some((parent, last)) = element.id.rsplit_once('.') else {
            continue;
        };
        match last.split_once(':') {
            Some((name, slice)) => {
                let whole = &element.id[..parent.len() + 1 + name.len()];
                // A slice of a slice (`a/b`) belongs to the slice that it divides further.
                let outer = slice.rsplit_once('/').map(|(outer, _)| outer);
                let outer = outer.map(|outer| &element.id[..whole.len() + 1 + outer.len()]);
                let of = outer.filter(|outer| ids.contains(outer)).unwrap_or(whole);
                slices.entry(of).or_default().push(index);
            }
            None => below.entry(parent).or_default().push(index),
        }
    }
    let compiler = Compiler {
        elements: &structure.elements,
        below,
        slices,
        model,
        kinds,
        structures,
        own: structure.url.starts_with(CORE),
    };
    let own = &model.shapes[shape];
    let mut node = Node {
        name: structure.type_name.as_str().into(),
        max: u32::MAX,
        children: compiler.children(&root.id, Some(shape)),
        ..Node::default()
    };
    node.constraints = root
        .constraints
        .iter()
        .filter(|each| own.constraints.iter().all(|known| *known.key != *each.key))
        .filter_map(Invariant::new)
        .collect();
    let version = &structure.version;
    let name = if version.is_empty() {
        structure.url.clone()
    } else {
        format!("{}|{version}", structure.url)
    };
    Some(Profile {
        name: name.into(),
        kind: structure.type_name.as_str().into(),
        kind_id: types.id(&structure.type_name).unwrap_or_default(),
        root: node,
        contexts: structure.contexts.clone(),
        context_paths: structure
            .contexts
            .iter()
            .filter(|(kind, _)| kind == "fhirpath")
            .map(|(_, path)| Invariant::of_place(path))
            .collect(),
        context_invariants: structure
            .context_invariants
            .iter()
            .map(|text| Invariant::of_place(text))
            .collect(),
        modifier: root.modifier,
        literal: OnceLock::new(),
    })
}

/// A profile while it is compiled.
pub(super) struct Compiler<'a> {
    pub(super) elements: &'a [Element],
    pub(super) below: HashMap<&'a str, Vec<usize>>,
    pub(super) slices: HashMap<&'a str, Vec<usize>>,
    model: &'a Model,
    pub(super) kinds: &'a Kinds,
    /// All structures, for what a profile takes from others.
    pub(super) structures: &'a HashMap<&'a str, &'a Structure>,
    /// Whether the profile is R4's own.
    own: bool,
}

impl Compiler<'_> {
    fn children(&self, id: &str, shape: Option<ShapeId>) -> Vec<Node> {
        let below = self.below.get(id).map_or(&[][..], Vec::as_slice);
        below
            .iter()
            .map(|index| self.node(&self.elements[*index], shape, false))
            .filter(|node| !node.is_empty())
            .collect()
    }

    fn node(&self, element: &Element, shape: Option<ShapeId>, is_slice: bool) -> Node {
        let last = element.path.rsplit('.').next().unwrap_or_default();
        let stem = last.strip_suffix("[x]").unwrap_or(last);
        let base = shape.and_then(|shape| {
            let shape = &self.model.shapes[shape];
            shape.elements.iter().find(|each| &*each.name == stem)
        });
        let mut node = Node {
            name: stem.into(),
            choice: last.ends_with("[x]"),
            min: element.min.unwrap_or(0),
            max: element.max.unwrap_or(u32::MAX),
            max_length: element.max_length,
            ..Node::default()
        };
        node.fixed.clone_from(&element.fixed);
        node.pattern.clone_from(&element.pattern);
        node.min_value.clone_from(&element.min_value);
        node.max_value.clone_from(&element.max_value);
        node.binding = binding(element);
        node.constraints = Invariant::all(&element.constraints);
        if self.own {
            node.constraints.iter_mut().for_each(Invariant::mend);
        }
        let Some(base) = base else {
            node.keys.push(Key {
                name: stem.into(),
                companion: format!("_{stem}").into(),
                code: "".into(),
                kind: TypeId::UNKNOWN,
            });
            return node;
        };
        for each in &base.types {
            node.keys.push(Key {
                name: each.key.clone(),
                companion: each.companion.clone(),
                code: each.code.clone(),
                kind: each.kind,
            });
        }
        self.types(&mut node, element, base);
        if !is_slice {
            node.min = if node.min > base.min { node.min } else { 0 };
            node.max = if node.max < base.max {
                node.max
            } else {
                u32::MAX
            };
        }
        if node.binding == base.binding {
            node.binding = None;
        }
        if node.max_length == base.max_length {
            node.max_length = None;
        }
        if node.fixed == base.fixed {
            node.fixed = None;
        }
        let inner = self.inner(element, base);
        let known = |key: &str| {
            base.constraints.iter().any(|each| &*each.key == key)
                || inner.is_some_and(|inner| {
                    let shape = &self.model.shapes[inner];
                    shape.constraints.iter().any(|each| &*each.key == key)
                })
        };
        node.constraints.retain(|each| !known(&each.key));
        node.children = self.children(&element.id, inner);
        if !is_slice || self.slices.contains_key(element.id.as_str()) {
            node.slicing = self.slicing(element, shape);
        }
        node
    }

    /// The shape of what is inside the element, where that is one shape.
    fn inner(&self, element: &Element, base: &super::model::Element) -> Option<ShapeId> {
        let mut found = base.types.iter().filter(|each| {
            element.types.is_empty() || element.types.iter().any(|own| own.code == *each.code)
        });
        match (found.next().map(|each| each.content), found.next()) {
            (Some(Content::Shape(id)), None) => Some(id),
            (Some(Content::Primitive(_)), None) => Some(self.model.element),
            _ => None,
        }
    }

    fn types(&self, node: &mut Node, element: &Element, base: &super::model::Element) {
        if element.types.is_empty() {
            return;
        }
        let codes: Vec<Box<str>> = element
            .types
            .iter()
            .map(|each| each.code.as_str().into())
            .collect();
        if base
            .types
            .iter()
            .any(|each| !codes.contains(&each.code) && &*each.code != "Resource")
            && base.types.len() > 1
        {
            node.only = Some(codes);
        }
        for each in &element.types {
            let allowed = each.aggregation.iter().map(|kind| kind.as_str().into());
            node.aggregation.extend(allowed);
            let known = base.types.iter().find(|known| *known.code == *each.code);
            if each.code != "Extension"
                && !each.profiles.is_empty()
                && known.is_none_or(|known| !same(&known.profiles, &each.profiles))
            {
                let urls = each
                    .profiles
                    .iter()
                    .map(|url| url.as_str().into())
                    .collect();
                node.profiles.push((each.code.as_str().into(), urls));
            }
            let narrowed: Vec<Target> = targets(each, self.kinds);
            if !narrowed.is_empty() && known.is_some_and(|known| known.targets != narrowed) {
                node.targets.push((each.code.as_str().into(), narrowed));
            }
        }
    }

    fn slicing(&self, element: &Element, shape: Option<ShapeId>) -> Option<Slicing> {
        let slices = self.slices.get(element.id.as_str())?;
        let implied = SlicingFacts {
            discriminators: vec![if element.path.ends_with("[x]") {
                ("type".to_owned(), "$this".to_owned())
            } else {
                ("value".to_owned(), "url".to_owned())
            }],
            rules: "open".to_owned(),
            ordered: false,
        };
        let facts = element.slicing.as_ref().unwrap_or(&implied);
        let slices = slices
            .iter()
            .map(|index| {
                let own = &self.elements[*index];
                Slice {
                    name: own.slice.as_str().into(),
                    node: self.node(own, shape, true),
                    tests: facts
                        .discriminators
                        .iter()
                        .flat_map(|(kind, path)| self.tests(own, kind, path))
                        .collect(),
                }
            })
            .collect();
        Some(Slicing {
            open: facts.rules != "closed",
            at_end: facts.rules == "openAtEnd",
            ordered: facts.ordered,
            slices,
        })
    }
}

fn same(a: &[Box<str>], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| **a == **b)
}
