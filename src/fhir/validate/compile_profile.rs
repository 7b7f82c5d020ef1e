//! Profiles and extensions to trees that hold only what they say beyond their type.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use super::compile::{CORE, Kinds, binding, targets};
use super::invariant::Invariant;
use super::model::{
    self, Content, Expect, Key, Model, Node, Profile, ShapeId, Slice, Slicing, Target, Test,
};
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
        modifier: root.modifier,
        literal: OnceLock::new(),
    })
}

struct Compiler<'a> {
    elements: &'a [Element],
    below: HashMap<&'a str, Vec<usize>>,
    slices: HashMap<&'a str, Vec<usize>>,
    model: &'a Model,
    kinds: &'a Kinds,
    /// All structures, for what a profile takes from others.
    structures: &'a HashMap<&'a str, &'a Structure>,
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

    fn tests(&self, slice: &Element, kind: &str, written: &str) -> Vec<Test> {
        let steps: Vec<String> = steps(written);
        let test = |path: &[String], expect| Test {
            path: path.iter().map(|step| step.as_str().into()).collect(),
            written: written.into(),
            expect,
        };
        let reached = self.reach(slice, &steps);
        match kind {
            "exists" => {
                let absent = reached.iter().any(|each| each.max == Some(0));
                vec![test(&steps, Expect::Exists(!absent))]
            }
            "type" => {
                let codes = |each: &&Element| -> Vec<Box<str>> {
                    let resolved = steps.last().is_some_and(|last| last == "resolve()");
                    let kinds = each.types.iter().flat_map(|kind| {
                        if resolved && !kind.targets.is_empty() {
                            targets(kind, self.kinds)
                                .into_iter()
                                .map(|one| one.kind)
                                .collect()
                        } else {
                            vec![Box::from(kind.code.as_str())]
                        }
                    });
                    kinds.collect()
                };
                let codes = reached.first().map(codes).unwrap_or_default();
                vec![test(&steps, Expect::Types(codes))]
            }
            "profile" => {
                let urls: Vec<Box<str>> = reached
                    .first()
                    .map(|each| {
                        each.types
                            .iter()
                            .flat_map(|kind| kind.profiles.iter().chain(&kind.targets))
                            .map(|url| url.as_str().into())
                            .collect()
                    })
                    .unwrap_or_default();
                vec![test(&steps, Expect::Profiles(urls))]
            }
            _ => {
                if let Some(found) = reached.iter().find_map(|each| says(each)) {
                    return vec![test(&steps, found)];
                }
                if let Some(url) = slice.types.first().and_then(|kind| kind.profiles.first())
                    && written == "url"
                {
                    let plain = url.split('|').next().unwrap_or(url);
                    return vec![test(&steps, Expect::Fixed(Arc::new(plain.into())))];
                }
                if let Some(found) = self.above(slice, &steps) {
                    return vec![test(&steps, found)];
                }
                let mut out = Vec::new();
                for each in &reached {
                    self.inside(each, &steps, written, &mut out);
                }
                if out.is_empty() {
                    out.push(test(&steps, Expect::Unclear));
                }
                out
            }
        }
    }

    /// The elements at the end of the steps, those of inner slices too.
    fn reach(&self, from: &Element, steps: &[String]) -> Vec<&Element> {
        let mut at: Vec<&str> = vec![&from.id];
        for (n, step) in steps.iter().enumerate() {
            let mut next = Vec::new();
            if let Some(url) = model::extension_of(step) {
                for id in at {
                    next.extend(self.extension(id, url));
                }
                // What the profile leaves to the extension's own definition.
                let rest = &steps[n + 1..];
                let inner = next.iter().any(|id| self.below.contains_key(id));
                if !inner && !rest.is_empty() {
                    return self.defined(url, rest);
                }
                at = next;
                continue;
            }
            if step.ends_with(')') {
                continue;
            }
            for id in at {
                for index in self.below.get(id).map_or(&[][..], Vec::as_slice) {
                    let child = &self.elements[*index];
                    let last = child.path.rsplit('.').next().unwrap_or_default();
                    if last.strip_suffix("[x]").unwrap_or(last) == step {
                        next.push(child.id.as_str());
                        let inner = self.slices.get(child.id.as_str());
                        for index in inner.into_iter().flatten() {
                            next.push(self.elements[*index].id.as_str());
                        }
                    }
                }
            }
            at = next;
        }
        at.into_iter()
            .filter_map(|id| self.elements.iter().find(|each| each.id == id))
            .collect()
    }

    /// Ids of the slices of an element's extensions that are of this address.
    fn extension(&self, id: &str, url: &str) -> Vec<&str> {
        let below = self.below.get(id).into_iter().flatten();
        let all = below.map(|index| &self.elements[*index]);
        let named = all.filter(|each| each.path.ends_with("xtension"));
        let slices = named
            .filter_map(|each| self.slices.get(&*each.id))
            .flatten();
        let of_url = |each: &&Element| {
            let kind = each.types.first();
            let profiles = kind.into_iter().flat_map(|kind| &kind.profiles);
            profiles
                .into_iter()
                .any(|own| own.split('|').next() == Some(url))
        };
        let slices = slices.map(|index| &self.elements[*index]).filter(of_url);
        slices.map(|each| &*each.id).collect()
    }

    /// What an extension's own definition says at the end of the steps.
    fn defined(&self, url: &str, steps: &[String]) -> Vec<&Element> {
        let Some(structure) = self.structures.get(url) else {
            return Vec::new();
        };
        let path = format!("Extension.{}", steps.join("."));
        let fits = |each: &&Element| each.path.replace("[x]", "") == path;
        structure.elements.iter().filter(fits).collect()
    }

    /// What a fixed value or pattern higher up says at the end of the steps.
    fn above(&self, from: &Element, steps: &[String]) -> Option<Expect> {
        for cut in (0..steps.len()).rev() {
            for each in self.reach(from, &steps[..cut]) {
                let Some(value) = each.fixed.as_ref().or(each.pattern.as_ref()) else {
                    continue;
                };
                let mut at = &**value;
                for step in &steps[cut..] {
                    at = at
                        .get(step.as_str())
                        .map(|next| next.get(0).unwrap_or(next))?;
                }
                return Some(Expect::Pattern(Arc::new(at.clone())));
            }
        }
        None
    }

    /// Fixed values of what lies below the discriminator's element.
    fn inside(&self, from: &Element, steps: &[String], written: &str, out: &mut Vec<Test>) {
        let mut open: Vec<(&str, Vec<String>)> = vec![(&from.id, steps.to_vec())];
        while let Some((id, path)) = open.pop() {
            let below = self.below.get(id).into_iter().flatten();
            let sliced = self.slices.get(id).into_iter().flatten();
            for (index, deeper) in below
                .map(|at| (at, true))
                .chain(sliced.map(|at| (at, false)))
            {
                let child = &self.elements[*index];
                let last = child.path.rsplit('.').next().unwrap_or_default();
                let mut path = path.clone();
                if deeper {
                    path.push(last.strip_suffix("[x]").unwrap_or(last).to_owned());
                }
                if child.fixed.is_some() || child.pattern.is_some() {
                    if let Some(expect) = says(child) {
                        out.push(Test {
                            path: path.iter().map(|step| step.as_str().into()).collect(),
                            written: written.into(),
                            expect,
                        });
                    }
                } else {
                    open.push((&child.id, path));
                }
            }
        }
    }
}

/// What an element's own fixed value, pattern or required binding says.
fn says(element: &Element) -> Option<Expect> {
    if let Some(fixed) = &element.fixed {
        return Some(Expect::Fixed(Arc::clone(fixed)));
    }
    if let Some(pattern) = &element.pattern {
        return Some(Expect::Pattern(Arc::clone(pattern)));
    }
    match binding(element) {
        Some(bound) if bound.strength == crate::fhir::facts::Strength::Required => {
            Some(Expect::Bound(bound.set))
        }
        _ => None,
    }
}

/// A discriminator's steps: `$this` is none, `ofType()` none, `resolve()` its own.
fn steps(written: &str) -> Vec<String> {
    if written == "$this" {
        return Vec::new();
    }
    // A dot inside of brackets (an extension's address) divides nothing.
    let mut inside = 0_u32;
    let dot = |c: char| {
        match c {
            '(' => inside += 1,
            ')' => inside = inside.saturating_sub(1),
            _ => {}
        }
        c == '.' && inside == 0
    };
    written
        .split(dot)
        .filter(|step| !step.is_empty() && *step != "$this" && !step.starts_with("ofType("))
        .map(str::to_owned)
        .collect()
}

fn same(a: &[Box<str>], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| **a == **b)
}
