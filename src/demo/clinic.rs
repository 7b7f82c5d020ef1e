//! The clinic's system: hands its records in, each with an `Idempotency-Key`, until it has a clear
//! answer, and keeps a ledger of what it was told.
//!
//! The ledger is one side of the recount; what partners received is the other. Neither asks the
//! gateway's database.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::clock::{Clock, Time};
use crate::demo::days::{Expect, Step};
use crate::demo::sim::Door;
use crate::record::Kind;

/// A record version that was accepted: there was a 202.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Kind.
    pub kind: Kind,
    /// Id.
    pub id: String,
    /// Version.
    pub version: u64,
    /// When it was handed in first.
    pub sent: Time,
    /// When the answer came.
    pub at: Time,
    /// The record.
    pub record: Value,
}

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `kind/id/version`.
    pub name: String,
    /// The rules that refused it, in the order of the answer.
    pub rules: Vec<String>,
    /// What the first of them says.
    pub words: String,
}

/// The clinic's system. Cheap to clone.
#[derive(Clone)]
pub struct ClinicSystem {
    door: Door,
    clock: Arc<dyn Clock>,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Default)]
struct Ledger {
    taken: Vec<Taken>,
    refused: Vec<Refused>,
    odd: Vec<String>,
}

impl ClinicSystem {
    /// A clinic with this door.
    #[must_use]
    pub fn new(door: Door, clock: Arc<dyn Clock>) -> Self {
        ClinicSystem {
            door,
            clock,
            ledger: Arc::default(),
        }
    }

    /// Hands a record in, and notes what came of it.
    pub async fn submit(&self, step: &Step) {
        let name = format!("{}/{}/{}", step.kind, step.id, step.version);
        let key = match step.expect {
            Expect::Accepted => name.clone(),
            Expect::Refused(rule) => format!("{name}/{rule}"),
        };
        let body = step.record.to_string().into_bytes();
        let sent = self.clock.now();
        let heard = self
            .door
            .hand_in(
                &format!("/records/{}", step.kind),
                "application/json",
                &[("idempotency-key", key)],
                &body,
            )
            .await;
        let now = self.clock.now();
        let mut ledger = self.ledger();
        let Some(heard) = heard else {
            ledger.odd.push(format!("{name}: no answer"));
            return;
        };
        if heard.status == 202 {
            ledger.taken.push(Taken {
                kind: step.kind,
                id: step.id.clone(),
                version: step.version,
                sent,
                at: now,
                record: step.record.clone(),
            });
            if let Expect::Refused(rule) = step.expect {
                ledger
                    .odd
                    .push(format!("{name}: accepted, and {rule} should refuse it"));
            }
            return;
        }
        let (rules, words) = problem(&heard.body);
        let odd = match step.expect {
            Expect::Refused(rule) => !rules.iter().any(|r| r == rule),
            Expect::Accepted => true,
        };
        if odd {
            ledger.odd.push(format!(
                "{name}: answered {} ({})",
                heard.status,
                rules.join(", ")
            ));
        }
        ledger.refused.push(Refused { name, rules, words });
    }

    /// The door, to look at what the gateway says.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The accepted record versions, in the order of their answers.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.ledger().taken.clone()
    }

    /// How many were accepted and refused so far.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let ledger = self.ledger();
        (ledger.taken.len(), ledger.refused.len())
    }

    /// The refused records and the rules that refused them.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        self.ledger().refused.clone()
    }

    /// What was not as expected.
    #[must_use]
    pub fn odd(&self) -> Vec<String> {
        self.ledger().odd.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rules of a problem, and what the first of them says.
fn problem(body: &[u8]) -> (Vec<String>, String) {
    let problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let issues = problem["issues"].as_array().map(Vec::as_slice);
    let errors = || {
        issues
            .unwrap_or_default()
            .iter()
            .filter(|i| i["severity"] != "warning")
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rules: Vec<String> = errors().map(|i| text(&i["rule"])).collect();
    rules.dedup();
    let words = errors().next().map(|i| text(&i["message"]));
    (rules, words.unwrap_or_default())
}
