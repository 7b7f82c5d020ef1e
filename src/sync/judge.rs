//! What becomes of what the validator found: the house's word on a rule, and each partner's own.
//!
//! Pure. A rule is raised or lowered by its id; what nobody has a word on stays as it is: an error blocks, a
//! warning warns, a note is not mentioned. A fault of form blocks whatever anybody says: what is sealed can be read.

use std::collections::BTreeMap;

use crate::fhir::validate::rules;
use crate::ids::PartnerId;
use crate::issue::{Issue, Severity};
use crate::sync::reason::Reason;

/// What becomes of an issue, from the mildest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Nothing is said.
    Ignore,
    /// It passes, and is told as a warning.
    Warn,
    /// It is kept from the partner until a person lets it go.
    Park,
    /// It does not pass.
    Block,
}

/// The words of a config, with what each means.
pub const ACTIONS: &[(&str, Action)] = &[
    ("block", Action::Block),
    ("park", Action::Park),
    ("warn", Action::Warn),
    ("ignore", Action::Ignore),
];

/// Somebody's words on rules, by the rule's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rulings(BTreeMap<String, Action>);

impl Rulings {
    /// The house's where its config says nothing: that a narrative is good practice (dom-6) is no news of a
    /// record.
    #[must_use]
    pub fn house() -> Self {
        Rulings(BTreeMap::from([("dom-6".to_owned(), Action::Ignore)]))
    }

    /// Adds a word, in the place of an earlier one on the same rule.
    pub fn set(&mut self, rule: &str, action: Action) {
        self.0.insert(rule.to_owned(), action);
    }

    /// The word on a rule.
    #[must_use]
    pub fn on(&self, rule: &str) -> Option<Action> {
        self.0.get(rule).copied()
    }

    /// The rules that there are words on.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What becomes of an issue: by the word on its rule, else as bad as it is.
    #[must_use]
    pub fn action(&self, issue: &Issue) -> Action {
        let usual = match issue.severity {
            Severity::Error => Action::Block,
            Severity::Warning => Action::Warn,
            Severity::Information => Action::Ignore,
        };
        match self.on(&issue.rule) {
            _ if rules::is_form(issue) => Action::Block,
            Some(action) => action,
            None => usual,
        }
    }
}

/// Who has a word on what goes out: the house, and the partners that would get it.
#[derive(Clone, Debug)]
pub struct Judge<'a> {
    /// The house's words.
    pub house: &'a Rulings,
    /// The receivers with theirs.
    pub receivers: Vec<(&'a PartnerId, &'a Rulings)>,
}

impl Judge<'_> {
    /// What becomes of an issue at each receiver.
    fn at_receivers(&self, issue: &Issue) -> impl Iterator<Item = (&PartnerId, Action)> {
        let house = self.house.action(issue);
        let form = rules::is_form(issue);
        self.receivers.iter().map(move |(id, own)| {
            let word = own.on(&issue.rule).filter(|_| !form);
            (*id, word.unwrap_or(house))
        })
    }

    /// Whether an issue keeps a record out altogether: the house blocks it, and binds somebody: a receiver
    /// without a word of its own, or nobody gets the record.
    #[must_use]
    pub fn refuses(&self, issue: &Issue) -> bool {
        let without = |(_, own): &(&PartnerId, &Rulings)| own.on(&issue.rule).is_none();
        rules::is_form(issue)
            || (self.house.action(issue) == Action::Block
                && (self.receivers.is_empty() || self.receivers.iter().any(without)))
    }

    /// What remains of the issues to be told, each as bad as it is here, and from whom they keep the record.
    #[must_use]
    pub fn weigh(&self, found: Vec<Issue>) -> (Vec<Issue>, Kept) {
        let mut told = Vec::new();
        let mut kept = Kept::new();
        for mut issue in found {
            let refuses = self.refuses(&issue);
            let mut worst = match self.receivers.is_empty() {
                true => self.house.action(&issue),
                false => Action::Ignore,
            };
            let mut from = Vec::new();
            for (id, action) in self.at_receivers(&issue) {
                worst = worst.max(action);
                if action >= Action::Park && !refuses {
                    from.push(id.as_str());
                    let own = kept.entry(id.clone()).or_insert(action);
                    *own = action.max(*own);
                }
            }
            if worst == Action::Ignore {
                continue;
            }
            if !from.is_empty() {
                issue.message =
                    format!("{} (keeps it from {})", issue.message, from.join(", ")).into();
            }
            issue.severity = match refuses {
                true => Severity::Error,
                false => Severity::Warning,
            };
            told.push(issue);
        }
        (told, kept)
    }
}

/// Who has a word on a relay to one receiver, who is asked first: the source, the receiver, the route, the house.
#[derive(Clone, Copy, Debug)]
pub struct Relays<'a> {
    /// The words of who sent it.
    pub source: Option<&'a Rulings>,
    /// The words of who would get it.
    pub receiver: &'a Rulings,
    /// Whether the route lets everything go on as it is.
    pub as_it_is: bool,
    /// The house's words.
    pub house: &'a Rulings,
}

impl Relays<'_> {
    /// The issues that leave what was sent parked; without any, how firmly it is kept from the receiver.
    #[must_use]
    pub fn weigh(&self, found: &[Issue]) -> (Vec<Issue>, Option<Action>) {
        let mut refused = Vec::new();
        let mut kept = None;
        for issue in found {
            let of_source = self.source.and_then(|source| source.on(&issue.rule));
            match (of_source, self.receiver.on(&issue.rule)) {
                (Some(Action::Block | Action::Park), _) => refused.push(issue.clone()),
                (_, Some(action)) if action >= Action::Park => kept = kept.max(Some(action)),
                (Some(_), _) | (_, Some(_)) => {}
                (None, None) if self.as_it_is => {}
                (None, None) if self.house.action(issue) >= Action::Park => {
                    refused.push(issue.clone());
                }
                (None, None) => {}
            }
        }
        (refused, kept)
    }
}

/// Why a job is parked that a rule keeps back.
#[must_use]
pub fn reason(action: Action) -> Reason {
    match action {
        Action::Block => Reason::RuleBlocks,
        Action::Park | Action::Warn | Action::Ignore => Reason::RuleParks,
    }
}

/// Partners that something is kept from, and how firmly: [`Action::Park`] or [`Action::Block`].
pub type Kept = BTreeMap<PartnerId, Action>;

#[cfg(test)]
mod tests {
    use super::*;

    fn rulings(words: &[(&str, Action)]) -> Rulings {
        let mut out = Rulings::default();
        words
            .iter()
            .for_each(|(rule, action)| out.set(rule, *action));
        out
    }

    fn error(rule: &'static str) -> Issue {
        Issue::error("value", rule, "X", "words")
    }

    #[test]
    fn without_a_word_an_error_refuses_and_a_note_is_not_mentioned() {
        let house = Rulings::house();
        let judge = Judge {
            house: &house,
            receivers: Vec::new(),
        };
        let mut note = error("binding-preferred");
        note.severity = Severity::Information;
        let narrative = Issue::warning("invariant", "dom-6", "X", "words");
        let warning = Issue::warning("value", "unit-unknown", "X", "words");
        let (told, kept) = judge.weigh(vec![error("fixed"), note, narrative, warning]);
        let told: Vec<_> = told.iter().map(|i| (i.severity, i.rule.as_ref())).collect();
        assert_eq!(
            told,
            [
                (Severity::Error, "fixed"),
                (Severity::Warning, "unit-unknown")
            ]
        );
        assert!(kept.is_empty());
    }

    #[test]
    fn a_partner_speaks_for_itself_only() {
        let house = rulings(&[("fixed", Action::Warn), ("pattern", Action::Block)]);
        let (north, south) = (PartnerId::new("north"), PartnerId::new("south"));
        let strict = rulings(&[("fixed", Action::Block), ("choice", Action::Park)]);
        let mild = rulings(&[("pattern", Action::Warn), ("choice", Action::Ignore)]);
        let judge = Judge {
            house: &house,
            receivers: vec![(&north, &strict), (&south, &mild)],
        };
        assert!(!judge.refuses(&error("fixed")));
        assert!(judge.refuses(&error("pattern")), "north has no word on it");
        assert!(
            !judge.refuses(&error("choice")),
            "both have a word of their own"
        );
        let (told, kept) = judge.weigh(vec![error("fixed"), error("choice")]);
        assert_eq!(kept, Kept::from([(north.clone(), Action::Block)]));
        assert!(told.iter().all(|i| i.severity == Severity::Warning));
        assert!(
            told[0].message.ends_with("(keeps it from north)"),
            "{}",
            told[0].message
        );
        // Alone, the mild one decides.
        let alone = Judge {
            receivers: vec![(&south, &mild)],
            ..judge
        };
        assert!(!alone.refuses(&error("pattern")));
    }

    #[test]
    fn of_a_relay_the_source_is_asked_before_the_receiver_and_both_before_the_route() {
        let none = Rulings::default();
        let say = |action| rulings(&[("fixed", action)]);
        let (block, warn) = (say(Action::Block), say(Action::Warn));
        let weigh = |source: &Rulings, receiver: &Rulings, as_it_is| {
            let relays = Relays {
                source: Some(source),
                receiver,
                as_it_is,
                house: &none,
            };
            let (refused, kept) = relays.weigh(&[error("fixed")]);
            (refused.len(), kept)
        };
        assert_eq!(weigh(&none, &none, false), (1, None));
        assert_eq!(weigh(&none, &none, true), (0, None));
        assert_eq!(weigh(&block, &warn, true), (1, None));
        assert_eq!(weigh(&warn, &block, true), (0, Some(Action::Block)));
        assert_eq!(weigh(&none, &block, true), (0, Some(Action::Block)));
        assert_eq!(weigh(&warn, &none, false), (0, None));
        assert_eq!(weigh(&none, &warn, false), (0, None));
    }

    #[test]
    fn form_blocks_whatever_anybody_says() {
        let house = rulings(&[("type", Action::Ignore)]);
        let north = PartnerId::new("north");
        let judge = Judge {
            house: &house,
            receivers: vec![(&north, &house)],
        };
        let broken = Issue::error("structure", "type", "X", "words");
        assert!(judge.refuses(&broken));
        let (told, kept) = judge.weigh(vec![broken]);
        assert!(told[0].is_error() && kept.is_empty());
        assert_eq!(
            house.action(&Issue::error("structure", "primitive-date", "X", "w")),
            Action::Block
        );
    }
}
