//! What a value set says of a code, offline: in, out, or cannot be told. Never guesses.
//!
//! Sets are expanded when they are first asked for, and kept for good.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::filter::filtered;
use crate::fhir::facts::{Include, SetFacts, SystemFacts};
use crate::fhir::system;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The code is in the set.
    In,
    /// It is not.
    Out,
    /// Nobody here can tell.
    Unknown,
}

/// All sets and systems.
#[derive(Debug, Default)]
pub(super) struct Terminology {
    sets: HashMap<Box<str>, Entry>,
    systems: HashMap<Box<str>, System>,
}

#[derive(Debug)]
struct Entry {
    facts: SetFacts,
    expanded: OnceLock<Expanded>,
}

#[derive(Debug)]
struct System {
    facts: SystemFacts,
    codes: OnceLock<HashSet<Box<str>>>,
}

#[derive(Clone, Debug, Default)]
struct Expanded {
    codes: HashMap<Box<str>, HashSet<Box<str>>>,
    /// Systems all of whose codes are meant, but whose codes are not here.
    open: HashSet<Box<str>>,
    /// Something in it could not be worked out at all.
    unclear: bool,
    /// Systems of which something may be excluded that could not be worked out.
    doubted: HashSet<Box<str>>,
    /// The same, of any system.
    doubtful: bool,
}

impl Terminology {
    /// Takes facts in; a later one of the same address replaces an earlier one.
    pub(super) fn new(sets: Vec<SetFacts>, systems: Vec<SystemFacts>) -> Self {
        let mut out = Terminology::default();
        let asked: HashSet<Box<str>> = sets
            .iter()
            .flat_map(|set| set.include.iter().chain(&set.exclude))
            .flat_map(|part| &part.filters)
            .map(|(property, ..)| property.as_str().into())
            .collect();
        for facts in sets {
            let versioned = format!("{}|{}", facts.url, facts.version);
            let entry = |facts| Entry {
                facts,
                expanded: OnceLock::new(),
            };
            if !facts.version.is_empty() {
                out.sets.insert(versioned.into(), entry(facts.clone()));
            }
            out.sets.insert(facts.url.as_str().into(), entry(facts));
        }
        for mut facts in systems {
            // Nobody else asks for them.
            facts
                .properties
                .retain(|(_, name, _)| asked.contains(name.as_str()));
            facts.properties.shrink_to_fit();
            let url: Box<str> = facts.url.as_str().into();
            let better = facts.complete
                || out
                    .systems
                    .get(&url)
                    .is_none_or(|known| !known.facts.complete);
            if better {
                let codes = OnceLock::new();
                out.systems.insert(url, System { facts, codes });
            }
        }
        out
    }

    fn entry(&self, url: &str) -> Option<&Entry> {
        let plain = url.split('|').next().unwrap_or(url);
        self.sets.get(url).or_else(|| self.sets.get(plain))
    }

    fn set(&self, url: &str) -> Option<&Expanded> {
        let entry = self.entry(url)?;
        let expand = || self.expand(&entry.facts, &mut vec![&entry.facts.url]);
        Some(entry.expanded.get_or_init(expand))
    }

    /// A set that another one names. Nothing is kept, so that sets that name each other cannot wait
    /// for each other; `None` in such a circle.
    fn named<'a>(&'a self, url: &str, trail: &mut Vec<&'a str>) -> Option<Expanded> {
        let entry = self.entry(url)?;
        if let Some(ready) = entry.expanded.get() {
            return Some(ready.clone());
        }
        if trail.contains(&entry.facts.url.as_str()) || trail.len() > 16 {
            return None;
        }
        trail.push(&entry.facts.url);
        let out = self.expand(&entry.facts, trail);
        trail.pop();
        Some(out)
    }

    /// Whether a code of a system is in a set. Without a system, any of the set's will do.
    pub(super) fn ask(&self, set: &str, system: Option<&str>, code: &str) -> Answer {
        let Some(set) = self.set(set) else {
            return Answer::Unknown;
        };
        let (found, open) = match system {
            Some(system) => (
                set.codes
                    .get(system)
                    .is_some_and(|codes| self.holds(system, codes, code)),
                set.open.contains(system),
            ),
            None => (
                set.codes.values().any(|codes| codes.contains(code)),
                !set.open.is_empty(),
            ),
        };
        // All of UCUM's codes are here: its grammar tells them.
        if !found && open && system == Some(system::UCUM) {
            return self.of_system(system::UCUM, code);
        }
        let doubted = match system {
            Some(system) => set.doubted.contains(system),
            None => !set.doubted.is_empty(),
        };
        match (found, open || set.unclear) {
            (true, _) if doubted || set.doubtful => Answer::Unknown,
            (true, _) => Answer::In,
            (false, true) => Answer::Unknown,
            (false, false) => Answer::Out,
        }
    }

    fn holds(&self, system: &str, codes: &HashSet<Box<str>>, code: &str) -> bool {
        codes.contains(code)
            || (self
                .systems
                .get(system)
                .is_some_and(|known| !known.facts.case_sensitive)
                && codes.iter().any(|each| each.eq_ignore_ascii_case(code)))
    }

    /// Whether a code is one of its system; `Unknown` if the system's codes are not all here.
    pub(super) fn of_system(&self, system: &str, code: &str) -> Answer {
        if system == system::UCUM {
            return match super::quantity::is_unit(code) {
                true => Answer::In,
                false => Answer::Out,
            };
        }
        let Some(known) = self
            .systems
            .get(system)
            .filter(|known| known.facts.complete)
        else {
            return Answer::Unknown;
        };
        let all = known.codes.get_or_init(|| {
            let codes = known.facts.codes.iter();
            codes.map(|(code, _)| code.as_str().into()).collect()
        });
        if all.is_empty() {
            Answer::Unknown
        } else if self.holds(system, all, code) {
            Answer::In
        } else {
            Answer::Out
        }
    }

    fn expand<'a>(&'a self, facts: &'a SetFacts, trail: &mut Vec<&'a str>) -> Expanded {
        let mut out = Expanded::default();
        if let Some(listed) = &facts.expansion {
            for (system, code) in listed {
                let codes = out.codes.entry(system.as_str().into()).or_default();
                codes.insert(code.as_str().into());
            }
            return out;
        }
        for part in &facts.include {
            let part = self.part(part, trail);
            for (system, codes) in part.codes {
                out.codes.entry(system).or_default().extend(codes);
            }
            out.open.extend(part.open);
            out.unclear |= part.unclear;
            out.doubted.extend(part.doubted);
            out.doubtful |= part.doubtful;
        }
        for given in &facts.exclude {
            let part = self.part(given, trail);
            for (system, codes) in &part.codes {
                if let Some(own) = out.codes.get_mut(system) {
                    own.retain(|code| !codes.contains(code));
                }
            }
            // What is excluded and not all here: a whole system is out, of a part of it nobody can tell.
            let whole = given.filters.is_empty() && given.sets.is_empty();
            for system in part.open {
                if whole {
                    out.codes.remove(&system);
                    out.open.remove(&system);
                } else {
                    out.doubted.insert(system);
                }
            }
            if part.unclear || part.doubtful {
                out.doubtful = true;
            }
            out.doubted.extend(part.doubted);
        }
        out.unclear |= facts.include.is_empty();
        out
    }

    fn part<'a>(&'a self, part: &'a Include, trail: &mut Vec<&'a str>) -> Expanded {
        let mut out = Expanded::default();
        let system: Box<str> = part.system.as_str().into();
        if !part.system.is_empty() {
            if part.codes.is_empty() {
                match self
                    .systems
                    .get(&system)
                    .filter(|known| known.facts.complete)
                {
                    Some(known) if !known.facts.codes.is_empty() => {
                        match filtered(&known.facts, &part.filters) {
                            Some(codes) => {
                                out.codes.insert(system, codes);
                            }
                            None => out.unclear = true,
                        }
                    }
                    _ => {
                        out.open.insert(system);
                    }
                }
            } else {
                let codes = part.codes.iter().map(|code| code.as_str().into());
                out.codes.insert(system, codes.collect());
            }
        }
        for (at, url) in part.sets.iter().enumerate() {
            let Some(other) = self.named(url, trail) else {
                out.unclear = true;
                continue;
            };
            if at == 0 && part.system.is_empty() {
                out = other;
                continue;
            }
            out.unclear |= other.unclear || !other.open.is_empty() || !out.open.is_empty();
            out.doubtful |= other.doubtful;
            out.doubted.extend(other.doubted);
            out.codes.retain(|system, codes| {
                let kept = other.codes.get(system);
                codes.retain(|code| kept.is_some_and(|kept| kept.contains(code)));
                !codes.is_empty()
            });
        }
        out
    }
}
