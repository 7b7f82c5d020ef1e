//! Snapshots from differentials: a walk over the base, with the differential laid over it.
//!
//! Handles what profiles use: overlays, new slices (with their own children), slices of choices
//! (`value[x]:valueQuantity`, or `valueQuantity` for short), and steps into a data type. It reads
//! facts only, so a generated snapshot has no texts.

use std::collections::{HashMap, HashSet};

use super::{Element, Structure};

/// Elements of one snapshot at most; the largest published ones have some hundreds.
const ELEMENTS_MAX: usize = 20_000;

/// Steps of an element's id at most (names, and slices of slices), so that what walks down an id ends on any stack.
const STEPS_MAX: usize = 60;

/// Fills `elements` where only a differential was given. Returns what has no known base, or would be too large.
pub(super) fn complete(structures: &mut [Structure]) -> Vec<String> {
    let mut at: HashMap<String, usize> = HashMap::new();
    for (index, structure) in structures.iter().enumerate() {
        at.insert(structure.url.clone(), index);
    }
    let mut failed = Vec::new();
    let mut tried = HashSet::new();
    for (index, structure) in structures.iter_mut().enumerate() {
        if too_large(&structure.elements) || too_large(&structure.differential) {
            structure.elements.clear();
            structure.differential.clear();
            tried.insert(index);
            failed.push(structure.url.clone());
        }
    }
    for index in 0..structures.len() {
        one(index, structures, &at, &mut failed, &mut tried);
    }
    failed
}

fn one(
    index: usize,
    all: &mut [Structure],
    at: &HashMap<String, usize>,
    failed: &mut Vec<String>,
    tried: &mut HashSet<usize>,
) {
    if !all[index].elements.is_empty() || !tried.insert(index) {
        return;
    }
    let base_url = all[index].base.clone();
    let base = at.get(without_version(&base_url)).copied();
    if let Some(base) = base {
        one(base, all, at, failed, tried);
    }
    let base = base
        .map(|base| all[base].elements.clone())
        .unwrap_or_default();
    if base.is_empty() {
        failed.push(all[index].url.clone());
        return;
    }
    let differential = std::mem::take(&mut all[index].differential);
    let url = all[index].url.clone();
    let made = Overlay {
        all,
        at,
        out: base,
        url: url.clone(),
    }
    .run(&differential);
    match too_large(&made) {
        true => failed.push(url),
        false => all[index].elements = made,
    }
}

fn too_large(elements: &[Element]) -> bool {
    let steps = |each: &Element| each.id.matches(['.', '/']).count();
    elements.len() > ELEMENTS_MAX || elements.iter().any(|each| steps(each) > STEPS_MAX)
}

/// An address without `|version`.
fn without_version(url: &str) -> &str {
    url.split('|').next().unwrap_or(url)
}

struct Overlay<'a> {
    all: &'a [Structure],
    at: &'a HashMap<String, usize>,
    out: Vec<Element>,
    url: String,
}

impl Overlay<'_> {
    fn run(mut self, differential: &[Element]) -> Vec<Element> {
        let mut renamed: Vec<(String, String)> = Vec::new();
        let mut narrowed: Vec<(String, String)> = Vec::new();
        for element in differential {
            let mut element = element.clone();
            for (from, to) in &renamed {
                if let Some(rest) = element.id.strip_prefix(from.as_str())
                    && (rest.is_empty() || rest.starts_with(['.', ':']))
                {
                    element.id = format!("{to}{rest}");
                }
            }
            if let Some(index) = self.place(&element.id) {
                self.lay(index, &element);
            } else if let Some((long, slice)) = self.short_choice(&element.id) {
                let only = !several_kinds(&element.id, &slice, &long, differential);
                let base = long
                    .rsplit_once(':')
                    .map_or(&*long, |(base, _)| base)
                    .to_owned();
                let sliced = self
                    .find(&base)
                    .is_some_and(|at| self.out[at].slicing.is_some());
                if only && !sliced && Self::is_inside_a_slice(&base) {
                    // Inside of a slice the choice itself is meant, with one type left.
                    renamed.push((element.id.clone(), base.clone()));
                    element.id.clone_from(&base);
                    if let Some(index) = self.place(&base) {
                        self.lay(index, &element);
                    }
                    self.only_kind(&long, &slice);
                    continue;
                }
                // Only one that must be there leaves no other type, as HL7's publisher has it.
                if only && !sliced && element.min > Some(0) {
                    narrowed.push((long.clone(), slice.clone()));
                }
                renamed.push((element.id.clone(), long.clone()));
                element.id = long;
                element.slice = slice;
                if let Some(index) = self.place(&element.id) {
                    self.lay(index, &element);
                }
            }
        }
        for (long, slice) in narrowed {
            self.only_kind(&long, &slice);
        }
        self.at_least_the_slices();
        self.out
    }

    /// A choice that a differential names by one of its types only has that type.
    fn only_kind(&mut self, long: &str, slice: &str) {
        let Some((base, _)) = long.rsplit_once(':') else {
            return;
        };
        let Some(index) = self.find(base) else { return };
        let stem = base.rsplit('.').next().unwrap_or(base);
        let code = slice
            .strip_prefix(stem.trim_end_matches("[x]"))
            .unwrap_or(slice);
        let least = self.find(long).and_then(|slice| self.out[slice].min);
        let element = &mut self.out[index];
        element.min = element.min.max(least);
        element
            .types
            .retain(|one| one.code.eq_ignore_ascii_case(code));
        if let Some(slicing) = &mut element.slicing {
            "closed".clone_into(&mut slicing.rules);
        }
    }

    fn is_inside_a_slice(id: &str) -> bool {
        id.rsplit_once('.')
            .is_some_and(|(parent, _)| parent.contains(':'))
    }

    /// A sliced extension has at least as many members as its slices ask for.
    fn at_least_the_slices(&mut self) {
        for index in 0..self.out.len() {
            let element = &self.out[index];
            if element.slicing.is_none() || !element.path.ends_with("xtension") {
                continue;
            }
            let slices = self.out.iter().filter(|other| {
                let rest = other.id.strip_prefix(element.id.as_str());
                rest.and_then(|rest| rest.strip_prefix(':'))
                    .is_some_and(|rest| !rest.contains(['.', ':', '/']))
            });
            let least: u32 = slices.filter_map(|slice| slice.min).sum();
            if self.out[index].min < Some(least) {
                self.out[index].min = Some(least);
            }
        }
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.out.iter().position(|element| element.id == id)
    }

    /// `X.valueQuantity` meant as `X.value[x]:valueQuantity`.
    fn short_choice(&self, id: &str) -> Option<(String, String)> {
        let (parent, name) = id.rsplit_once('.')?;
        self.out.iter().find_map(|element| {
            let stem = element
                .id
                .strip_prefix(parent)?
                .strip_prefix('.')?
                .strip_suffix("[x]")?;
            let rest = name.strip_prefix(stem)?;
            let fits = rest.starts_with(|c: char| c.is_ascii_uppercase()) && !stem.contains('.');
            fits.then(|| (format!("{}:{name}", element.id), name.to_owned()))
        })
    }

    /// Where the element of this id stands; made room for, if it can be.
    fn place(&mut self, id: &str) -> Option<usize> {
        if let Some(index) = self.find(id) {
            return Some(index);
        }
        let (parent, last) = id.rsplit_once('.').unwrap_or(("", id));
        if let Some((name, slice)) = last.split_once(':') {
            let whole = if parent.is_empty() {
                name.to_owned()
            } else {
                format!("{parent}.{name}")
            };
            // A slice of a slice (`a/b`) starts from the slice that it refines.
            let origin = match slice.rsplit_once('/') {
                Some((outer, _)) => format!("{whole}:{outer}"),
                None => whole.clone(),
            };
            let from = self.place(&origin)?;
            let mut made = self.out[from].clone();
            made.id = id.to_owned();
            made.slice = slice.to_owned();
            made.slicing = None;
            made.min = Some(0);
            if let Some(stem) = name.strip_suffix("[x]")
                && let Some(code) = slice.strip_prefix(stem)
            {
                made.types.retain(|one| one.code.eq_ignore_ascii_case(code));
                if self.out[from].slicing.is_none() {
                    self.out[from].slicing = Some(super::SlicingFacts {
                        discriminators: vec![("type".to_owned(), "$this".to_owned())],
                        rules: "open".to_owned(),
                        ordered: false,
                    });
                }
            }
            // Extensions are told apart by their addresses, also where nobody says so.
            if name.ends_with("xtension") && self.out[from].slicing.is_none() {
                self.out[from].slicing = Some(super::SlicingFacts {
                    discriminators: vec![("value".to_owned(), "url".to_owned())],
                    rules: "open".to_owned(),
                    ordered: false,
                });
            }
            let end = self.end_of(&whole);
            self.out.insert(end, made);
            return Some(end);
        }
        if parent.is_empty() {
            return None;
        }
        let above = self.place(parent)?;
        self.open(above, parent);
        self.find(id)
    }

    /// The index after the last element that belongs to `id`, slices of it included.
    fn end_of(&self, id: &str) -> usize {
        self.out
            .iter()
            .rposition(|element| {
                element
                    .id
                    .strip_prefix(id)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
            })
            .map_or(self.out.len(), |last| last + 1)
    }

    /// Brings in the children of an element that has none yet.
    fn open(&mut self, index: usize, id: &str) {
        let inside = format!("{id}.");
        if self.out.len() > ELEMENTS_MAX {
            return;
        }
        if self
            .out
            .iter()
            .any(|element| element.id.starts_with(&inside))
        {
            return;
        }
        let element = &self.out[index];
        let unsliced = id.rsplit_once(':').filter(|(_, rest)| !rest.contains('.'));
        let (from, source): (&str, &[Element]) = if let Some((whole, _)) = unsliced
            && self
                .out
                .iter()
                .any(|each| each.id.starts_with(&format!("{whole}.")))
        {
            (whole, &self.out)
        } else if !element.content.is_empty() {
            (&element.content, &self.out)
        } else if let [only] = element.types.as_slice() {
            let profiled = only
                .profiles
                .first()
                .map(|url| without_version(url).to_owned());
            let plain = format!("http://hl7.org/fhir/StructureDefinition/{}", only.code);
            let Some(found) = profiled
                .and_then(|url| self.at.get(&url))
                .filter(|found| !self.all[**found].elements.is_empty())
                .or_else(|| self.at.get(&plain))
            else {
                return;
            };
            let structure = &self.all[*found];
            (&structure.type_name, &structure.elements)
        } else {
            return;
        };
        let dotted = format!("{from}.");
        let children = source.iter().filter_map(|child| {
            let rest = child.id.strip_prefix(&dotted)?;
            Some(Element {
                id: format!("{inside}{rest}"),
                path: format!("{}.{}", element.path, unsliced_path(rest)),
                ..child.clone()
            })
        });
        let children: Vec<Element> = children.collect();
        self.out.splice(index + 1..=index, children);
    }

    /// Lays what the differential says over the element.
    fn lay(&mut self, index: usize, from: &Element) {
        let to = &mut self.out[index];
        to.min = from.min.or(to.min);
        to.max = from.max.or(to.max);
        if !from.types.is_empty() {
            to.types.clone_from(&from.types);
        }
        to.fixed = from.fixed.clone().or(to.fixed.take());
        to.pattern = from.pattern.clone().or(to.pattern.take());
        to.min_value = from.min_value.clone().or(to.min_value.take());
        to.max_value = from.max_value.clone().or(to.max_value.take());
        to.binding = match (from.binding.clone(), to.binding.take()) {
            // Only the strength is said: the set stays.
            (Some((strength, set)), Some((_, own))) if set.is_empty() => Some((strength, own)),
            (said, own) => said.or(own),
        };
        to.slicing = from.slicing.clone().or(to.slicing.take());
        to.max_length = from.max_length.or(to.max_length);
        to.modifier |= from.modifier;
        if to.slice.is_empty() {
            to.slice.clone_from(&from.slice);
        }
        for constraint in &from.constraints {
            if to.constraints.iter().all(|own| own.key != constraint.key) {
                let mut own = constraint.clone();
                if own.source.is_empty() {
                    own.source.clone_from(&self.url);
                }
                to.constraints.push(own);
            }
        }
    }
}

/// Whether the differential says something of the choice itself, or of others of its types.
fn several_kinds(id: &str, slice: &str, long: &str, differential: &[Element]) -> bool {
    let base = long.rsplit_once(':').map_or(long, |(base, _)| base);
    let short = id.strip_suffix(slice).unwrap_or(id);
    let stem = base
        .rsplit('.')
        .next()
        .unwrap_or(base)
        .trim_end_matches("[x]");
    differential.iter().any(|other| {
        let own = other.id.strip_prefix(short).filter(|rest| *rest != slice);
        other.id == base
            || own.is_some_and(|rest| {
                rest.strip_prefix(stem).is_some_and(|kind| {
                    kind.starts_with(|c: char| c.is_ascii_uppercase()) && !kind.contains('.')
                })
            })
    })
}

/// An id's steps without slice names.
fn unsliced_path(id: &str) -> String {
    let steps: Vec<&str> = id
        .split('.')
        .map(|step| step.split(':').next().unwrap_or(step))
        .collect();
    steps.join(".")
}
