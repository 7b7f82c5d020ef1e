//! Filters of a value set over a code system that is here: which codes pass. Where that cannot be told nothing is
//! guessed.

use std::collections::{HashMap, HashSet};

use regex::RegexBuilder;

use crate::fhir::facts::SystemFacts;

/// Bytes that a compiled pattern may take.
const PATTERN_MAX: usize = 1 << 20;

/// The codes of a system that pass all filters (property, operator, value); `None` for one that is not understood, or
/// whose property is said of no code here.
pub(super) fn filtered(
    facts: &SystemFacts,
    filters: &[(String, String, String)],
) -> Option<HashSet<Box<str>>> {
    let mut kept: Vec<usize> = (0..facts.codes.len()).collect();
    for (property, op, value) in filters {
        if matches!(property.as_str(), "concept" | "code")
            && let Some((related, wanted)) = relatives(facts, op, value)
        {
            kept.retain(|at| related.contains(at) == wanted);
            continue;
        }
        let values = values(facts, property)?;
        let of = |at: &usize| values.get(at).map_or(&[][..], Vec::as_slice);
        let any = |at: &usize, fits: &dyn Fn(&str) -> bool| of(at).iter().any(|own| fits(own));
        let listed = |own: &str| value.split(',').any(|one| one.trim() == own);
        match op.as_str() {
            // Of what is silent nobody knows whether it is false.
            "=" if value == "false" && kept.iter().any(|at| of(at).is_empty()) => return None,
            "=" => kept.retain(|at| any(at, &|own| own == value)),
            "in" => kept.retain(|at| any(at, &listed)),
            "not-in" => kept.retain(|at| !any(at, &listed)),
            "exists" => kept.retain(|at| of(at).is_empty() == (value == "false")),
            "regex" => {
                let pattern = RegexBuilder::new(&format!("^(?:{value})$"))
                    .size_limit(PATTERN_MAX)
                    .build()
                    .ok()?;
                kept.retain(|at| any(at, &|own| pattern.is_match(own)));
            }
            _ => return None,
        }
    }
    let codes = kept.into_iter().map(|at| facts.codes[at].0.as_str().into());
    Some(codes.collect())
}

/// The codes that an operator of the hierarchy means, and whether it keeps them or all others.
fn relatives(facts: &SystemFacts, op: &str, code: &str) -> Option<(HashSet<usize>, bool)> {
    let own = || {
        let all = facts.codes.iter().enumerate();
        all.filter(|(_, (each, _))| each == code).map(|(at, _)| at)
    };
    let mut found = match op {
        "is-a" | "descendent-of" | "is-not-a" => descendants(facts, own().collect()),
        "generalizes" => ancestors(facts, own().collect()),
        _ => return None,
    };
    match op {
        "descendent-of" => own().for_each(|at| {
            found.remove(&at);
        }),
        _ => found.extend(own()),
    }
    Some((found, op != "is-not-a"))
}

fn descendants(facts: &SystemFacts, mut open: Vec<usize>) -> HashSet<usize> {
    let mut below: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, (_, parents)) in facts.codes.iter().enumerate() {
        for parent in parents
            .iter()
            .filter_map(|parent| usize::try_from(*parent).ok())
        {
            below.entry(parent).or_default().push(at);
        }
    }
    let mut found = HashSet::new();
    while let Some(at) = open.pop() {
        for child in below.get(&at).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

fn ancestors(facts: &SystemFacts, mut open: Vec<usize>) -> HashSet<usize> {
    let mut found = HashSet::new();
    while let Some(at) = open.pop() {
        let parents = facts.codes.get(at).map_or(&[][..], |(_, parents)| parents);
        for parent in parents
            .iter()
            .filter_map(|parent| usize::try_from(*parent).ok())
        {
            if found.insert(parent) {
                open.push(parent);
            }
        }
    }
    found
}

/// The values of a property by the codes that have it; `None` if none has.
fn values<'a>(facts: &'a SystemFacts, property: &str) -> Option<HashMap<usize, Vec<&'a str>>> {
    let code = |at: u32| {
        let place = usize::try_from(at).ok()?;
        facts.codes.get(place).map(|(code, _)| code.as_str())
    };
    let mut out: HashMap<usize, Vec<&str>> = HashMap::new();
    for (at, (own, parents)) in facts.codes.iter().enumerate() {
        match property {
            "concept" | "code" => out.entry(at).or_default().push(own),
            "parent" => {
                for parent in parents.iter().filter_map(|parent| code(*parent)) {
                    out.entry(at).or_default().push(parent);
                }
            }
            "child" => {
                for parent in parents.iter().filter_map(|at| usize::try_from(*at).ok()) {
                    out.entry(parent).or_default().push(own);
                }
            }
            _ => {}
        }
    }
    for (at, name, value) in &facts.properties {
        if name == property
            && let Ok(at) = usize::try_from(*at)
        {
            out.entry(at).or_default().push(value);
        }
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_operator_keeps_what_it_means() {
        let system = json!({"resourceType": "CodeSystem", "url": "s", "content": "complete", "concept": [
            {"code": "a", "concept": [
                {"code": "b", "property": [{"code": "kind", "valueCode": "x"}, {"code": "old", "valueBoolean": true}]},
                {"code": "c1", "property": [{"code": "kind", "valueString": "y"}]}]},
            {"code": "d", "property": [{"code": "parent", "valueCode": "b"}, {"code": "kind", "valueCoding": {"code": "x"}}]}]});
        let facts = SystemFacts::read(&system).expect("facts");
        let ask = |filters: &[(&str, &str, &str)]| -> Option<String> {
            let owned: Vec<_> = filters
                .iter()
                .map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned()))
                .collect();
            let mut codes: Vec<_> = filtered(&facts, &owned)?.into_iter().collect();
            codes.sort();
            Some(codes.join(" "))
        };
        for (property, op, value, kept) in [
            ("concept", "is-a", "b", "b d"),
            ("concept", "descendent-of", "a", "b c1 d"),
            ("concept", "is-not-a", "b", "a c1"),
            ("concept", "generalizes", "d", "a b d"),
            ("concept", "=", "b", "b"),
            ("code", "in", "a, d", "a d"),
            ("code", "not-in", "a,d", "b c1"),
            ("code", "regex", "[a-c]", "a b"),
            ("code", "regex", "c.", "c1"),
            ("kind", "=", "x", "b d"),
            ("kind", "in", "x,y", "b c1 d"),
            ("kind", "not-in", "x", "a c1"),
            ("kind", "exists", "true", "b c1 d"),
            ("kind", "exists", "false", "a"),
            ("old", "=", "true", "b"),
            ("parent", "=", "a", "b c1"),
            ("child", "exists", "false", "c1 d"),
        ] {
            assert_eq!(
                ask(&[(property, op, value)]).as_deref(),
                Some(kept),
                "{property} {op} {value}"
            );
        }
        assert_eq!(
            ask(&[("concept", "is-a", "a"), ("kind", "=", "y")]).as_deref(),
            Some("c1")
        );
        for unknown in [
            ("colour", "=", "red"),
            ("old", "=", "false"),
            ("kind", "is-a", "x"),
            ("code", "regex", "("),
            ("code", "near", "a"),
        ] {
            assert_eq!(ask(&[unknown]), None, "{unknown:?}");
        }
    }
}
