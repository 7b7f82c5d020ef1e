//! The recount: what the clinic was told against what its partners received, from their own ledgers and
//! the journal. Pure.
//!
//! The gateway's database is asked nothing. Its stories are read only where something that should be at
//! a partner is not there: then the gateway must say where it is and why. That it says so does not make
//! it so: what it calls done must be in the partner's journal.

mod content;
mod ehr;
mod inbound;
mod pharmacy;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil;
use serde_json::Value;

use crate::clock::{Instant, Time};
use crate::demo::clinic::Taken;
use crate::demo::sim::JournalLine;
use crate::demo::sim::laboratory::Reported;
use crate::record::Kind;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Accepted, due at a partner, not there, and nobody says where it is.
    Lost,
    /// There twice, after what the partner itself takes for a repeat.
    Doubled,
    /// An older version after a newer one.
    Disordered,
    /// There, and should not be: never accepted, or no consent covers it.
    Undue,
}

/// One thing that is wrong, in a sentence that names records and no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What sort of thing.
    pub wrong: Wrong,
    /// What it is about.
    pub what: String,
}

/// A message of SCRIPT that took effect at the pharmacy, repeats aside, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its MessageID.
    pub message: String,
    /// The clinic's number of the order.
    pub order_no: String,
    /// What it asked for.
    pub ask: Ask,
}

/// What a message asks of the pharmacy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To dispense.
    NewRx,
    /// To take a prescription back.
    Cancel {
        /// The message that it takes back.
        of: String,
        /// Whether the pharmacy did.
        approved: bool,
    },
}

/// What the pharmacy sent to the gateway and has its receipt for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The order that it is about.
    pub order_no: String,
    /// What it becomes: `dispense`, or the event (`verified`, `cancel_approved`…).
    pub what: &'static str,
}

/// A job, as the gateway tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Whither.
    pub partner: String,
    /// The version that it brings.
    pub version: u64,
    /// `copy`, `newrx`, `cancel`.
    pub purpose: String,
    /// One of the seven states.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Why, in words.
    pub words: Option<String>,
    /// Its message.
    pub message: Option<String>,
    /// How its attempts ended: (verdict, whether it was a question).
    pub tries: Vec<(String, bool)>,
}

impl Job {
    /// Whether nothing more will happen by itself or by a person.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == "done"
    }
}

/// A record's story, as the gateway tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Its own jobs.
    pub jobs: Vec<Job>,
    /// What the gate denied: version, partner, why, still so.
    pub denials: Vec<(u64, String, String, bool)>,
}

/// A record: kind and id.
pub type Name = (Kind, String);

/// Everything that is known from outside, and the gateway's stories.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What the clinic was told yes to.
    pub taken: Vec<Taken>,
    /// What partners and the clinic received.
    pub journal: Vec<JournalLine>,
    /// What the EHR keeps.
    pub kept: Vec<Value>,
    /// What took effect at the pharmacy.
    pub scripts: Vec<Script>,
    /// What the pharmacy sent.
    pub answered: Vec<Answered>,
    /// What the laboratory sent.
    pub reported: Vec<Reported>,
    /// What the clinic's webhook was told, repeats aside.
    pub told: Vec<Value>,
    /// What the clinic read in its feed.
    pub fed: Vec<Value>,
    /// The gateway's stories.
    pub stories: BTreeMap<Name, Story>,
    /// The day of the play, in the clinic's zone.
    pub today: civil::Date,
}

impl Evidence {
    /// The newest accepted version of a record.
    fn newest(&self, kind: Kind, id: &str) -> Option<&Taken> {
        self.taken
            .iter()
            .filter(|t| t.kind == kind && t.id == id)
            .max_by_key(|t| t.version)
    }

    /// The newest accepted version of each record of a kind.
    fn newest_of(&self, kind: Kind) -> Vec<&Taken> {
        let ids: BTreeSet<&str> = self
            .taken
            .iter()
            .filter(|t| t.kind == kind)
            .map(|t| t.id.as_str())
            .collect();
        ids.into_iter()
            .filter_map(|id| self.newest(kind, id))
            .collect()
    }

    /// A record's jobs at a partner.
    fn jobs(&self, kind: Kind, id: &str, partner: &str) -> Vec<&Job> {
        self.stories
            .get(&(kind, id.to_owned()))
            .map(|s| s.jobs.iter().filter(|j| j.partner == partner).collect())
            .unwrap_or_default()
    }

    /// Whether the gateway still denies a version to a partner.
    fn denied(&self, kind: Kind, id: &str, version: u64, partner: &str) -> bool {
        self.stories.get(&(kind, id.to_owned())).is_some_and(|s| {
            s.denials
                .iter()
                .any(|(v, p, _, open)| *v == version && p == partner && *open)
        })
    }
}

/// Recounts everything.
#[must_use]
pub fn recount(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Found::default();
    ehr::recount(evidence, &mut found);
    content::recount(evidence, &mut found);
    pharmacy::recount(evidence, &mut found);
    inbound::recount(evidence, &mut found);
    found.0
}

/// The findings so far.
#[derive(Debug, Default)]
struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, wrong: Wrong, what: impl Into<String>) {
        let what = what.into();
        if !self.0.iter().any(|f| f.wrong == wrong && f.what == what) {
            self.0.push(Finding { wrong, what });
        }
    }
}

/// A line that took effect at its partner, whatever was answered.
fn took_effect(line: &JournalLine) -> bool {
    [
        "created",
        "updated",
        "there-already",
        "transaction",
        "accepted",
    ]
    .iter()
    .any(|word| line.outcome.starts_with(word))
}

/// `kind/id/version`.
fn split(record: &str) -> Option<(Kind, &str, u64)> {
    let (name, version) = record.rsplit_once('/')?;
    let (kind, id) = name.split_once('/')?;
    Some((Kind::parse(kind)?, id, version.parse().ok()?))
}

fn time(line: &JournalLine) -> Option<Time> {
    Instant::parse(&line.time).map(|i| i.time())
}
