//! Discriminators to tests: what a profile says at the end of a discriminator's path is what makes a member of a slice.

use std::sync::Arc;

use super::compile::{binding, targets};
use super::compile_profile::Compiler;
use super::model::{self, Expect, Test};
use crate::fhir::facts::{Element, Strength};

impl Compiler<'_> {
    /// How a discriminator knows the members of a slice.
    pub(super) fn tests(&self, slice: &Element, kind: &str, written: &str) -> Vec<Test> {
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
        Some(bound) if bound.strength == Strength::Required => Some(Expect::Bound(bound.set)),
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
