//! Rules `slice-min`, `slice-max`, `slice-closed`, `slice-order`, and `slice-not-checked` where a slice's
//! members cannot be told.
//!
//! Members are known by their discriminators only. A value that is in no slice is fine in an open
//! slicing; a value that is in one must meet what the slice says.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::fixed_pattern::{equal, holds};
use super::model::{Expect, Node, Slice, Slicing, Test, extension_of};
use super::profile::Item;
use super::terminology::Answer;
use crate::issue::Severity;

impl<'a> Check<'a> {
    /// Sorts items into slices and checks each slice.
    pub(super) fn slicing(
        &mut self,
        node: &'a Node,
        slicing: &'a Slicing,
        items: &[Item<'a>],
        at: &At<'_>,
    ) {
        let named = at.name(&node.name);
        let unclear = |slice: &Slice| {
            slice
                .tests
                .iter()
                .any(|test| matches!(test.expect, Expect::Unclear))
        };
        let mut members: Vec<Vec<Item<'a>>> = vec![Vec::new(); slicing.slices.len()];
        let mut last = 0;
        let mut outside = false;
        for item in items {
            let mut first = None;
            for (index, slice) in slicing.slices.iter().enumerate() {
                if unclear(slice) || !self.member(slice, *item, &named) {
                    continue;
                }
                members[index].push(*item);
                first = first.or(Some(index));
                self.at_item(&slice.node, *item, &named);
            }
            match first {
                Some(_) if outside && slicing.at_end => {
                    let words = "what is in no slice must come after all that is";
                    self.error("structure", "slice-order", &named, words);
                }
                Some(index) if slicing.ordered && index < last => {
                    let words = "slices must come in the profile's order";
                    self.error("structure", "slice-order", &named, words);
                }
                Some(index) => last = index,
                None => {
                    outside = true;
                    if !slicing.open && !slicing.slices.iter().any(unclear) {
                        let words = self.closest(slicing, *item, &named);
                        let here = match item.index {
                            Some(index) => named.index(index),
                            None => named,
                        };
                        self.error("structure", "slice-closed", &here, words);
                    }
                }
            }
        }
        for (slice, members) in slicing.slices.iter().zip(members) {
            // Sliced again: its members among themselves.
            if let Some(inner) = slice.node.slicing.as_ref().filter(|_| !members.is_empty()) {
                self.slicing(&slice.node, inner, &members, at);
            }
            let count = members.len();
            if unclear(slice) {
                if slice.node.min > 0 {
                    let words = format!(
                        "not checked: members of slice {} cannot be told",
                        slice.name
                    );
                    self.say(
                        Severity::Warning,
                        "not-supported",
                        "slice-not-checked",
                        &named,
                        words,
                    );
                }
                continue;
            }
            let number = u32::try_from(count).unwrap_or(u32::MAX);
            if number < slice.node.min {
                let known_by: Vec<&str> = slice.tests.iter().map(|test| &*test.written).collect();
                let words = format!(
                    "needs at least {} in slice {}:{} (known by {}), has {count}",
                    slice.node.min,
                    node.name,
                    slice.name,
                    known_by.join(", ")
                );
                self.error("required", "slice-min", at, words);
            }
            if number > slice.node.max {
                let words = format!(
                    "allows at most {} in slice {}:{}, has {count}",
                    slice.node.max, node.name, slice.name
                );
                self.error("structure", "slice-max", at, words);
            }
        }
    }

    fn member(&mut self, slice: &'a Slice, item: Item<'a>, at: &At<'_>) -> bool {
        slice.tests.iter().all(|test| self.passes(test, item, at))
    }

    fn passes(&mut self, test: &'a Test, item: Item<'a>, at: &At<'_>) -> bool {
        if test.path.is_empty() {
            match &test.expect {
                Expect::Types(codes) => {
                    let kind = item.value.and_then(|value| value.get("resourceType"));
                    let kind = kind.and_then(Value::as_str).unwrap_or(item.code);
                    return codes.iter().any(|code| **code == *kind);
                }
                Expect::Exists(wanted) => return *wanted,
                _ => {}
            }
        }
        let Some(value) = item.value else {
            return false;
        };
        let found = self.reached(&test.path, value);
        match &test.expect {
            Expect::Fixed(fixed) => found.iter().any(|own| equal(fixed, own)),
            Expect::Pattern(pattern) => found.iter().any(|own| holds(pattern, own)),
            Expect::Bound(set) => found.iter().any(|own| self.answer(set, own) == Answer::In),
            Expect::Exists(wanted) => found.is_empty() != *wanted,
            Expect::Types(codes) => {
                let kinds: Vec<Option<String>> =
                    if test.path.last().is_some_and(|step| &**step == "resolve()") {
                        let held = self.reached(&test.path[..test.path.len() - 1], value);
                        held.iter().map(|own| self.kind_of_target(own)).collect()
                    } else {
                        found
                            .iter()
                            .map(|own| {
                                own.get("resourceType")
                                    .and_then(Value::as_str)
                                    .map(str::to_owned)
                            })
                            .collect()
                    };
                kinds
                    .iter()
                    .flatten()
                    .any(|kind| codes.iter().any(|code| **code == **kind))
                    || self.choice_fits(&test.path, value, codes)
            }
            Expect::Profiles(urls) => found.into_iter().any(|own| self.meets(urls, own, at)),
            Expect::Unclear => false,
        }
    }

    /// Whether the last step is a choice that has one of these types.
    fn choice_fits(&self, path: &[Box<str>], value: &'a Value, codes: &[Box<str>]) -> bool {
        let Some((last, before)) = path.split_last() else {
            return false;
        };
        self.reached(before, value).iter().any(|own| {
            codes
                .iter()
                .any(|code| own.get(super::compile::choice_key(last, code)).is_some())
        })
    }

    /// The values at the end of the steps.
    fn reached(&self, path: &[Box<str>], value: &'a Value) -> Vec<&'a Value> {
        let mut at = vec![value];
        for step in path {
            let mut next = Vec::new();
            for value in at {
                if &**step == "resolve()" {
                    next.extend(self.resolve(value));
                    continue;
                }
                let Value::Object(map) = value else { continue };
                if let Some(url) = extension_of(step) {
                    let all = map.get("extension").and_then(Value::as_array);
                    let of_url =
                        |each: &&Value| each.get("url").and_then(Value::as_str) == Some(url);
                    next.extend(all.into_iter().flatten().filter(of_url));
                    continue;
                }
                let own = map.get(&**step).or_else(|| {
                    map.iter().find_map(|(key, value)| {
                        let rest = key.strip_prefix(&**step)?;
                        rest.starts_with(|c: char| c.is_ascii_uppercase())
                            .then_some(value)
                    })
                });
                match own {
                    Some(Value::Array(items)) => next.extend(items),
                    Some(value) => next.push(value),
                    None => {}
                }
            }
            at = next;
        }
        at
    }

    /// Which slice comes closest, and by which discriminator it fails.
    fn closest(&mut self, slicing: &'a Slicing, item: Item<'a>, at: &At<'_>) -> String {
        let mut best: Option<(usize, &Slice, &Test)> = None;
        for slice in &slicing.slices {
            let mut passed = 0;
            let mut failed = None;
            for test in &slice.tests {
                if self.passes(test, item, at) {
                    passed += 1;
                } else {
                    failed = failed.or(Some(test));
                }
            }
            if let Some(failed) = failed
                && best.is_none_or(|(most, _, _)| passed > most)
            {
                best = Some((passed, slice, failed));
            }
        }
        match best {
            Some((_, slice, test)) => format!(
                "in no slice, and no others are allowed; closest is {}, which differs at {}",
                slice.name, test.written
            ),
            None => "in no slice, and no others are allowed".to_owned(),
        }
    }
}
