//! What a store shows: partners, jobs, stories, the status of everything.

use serde::Serialize;

use super::*;
use crate::clock::Time;
use crate::ids::{JobId, MessageId, PartnerId, RawId};
use crate::sync::job::{State, VersionRef};
use crate::sync::reason::Reason;
use crate::sync::verdict::Verdict;

/// A partner at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct PartnerView {
    /// Its id.
    pub partner: PartnerId,
    /// Jobs in each of the seven states, by name.
    pub jobs: std::collections::BTreeMap<&'static str, u64>,
    /// Of the waiting: how many were tried before.
    pub retrying: u64,
    /// Of the waiting: how many the gate holds.
    pub held: u64,
    /// Since when the oldest open job has waited.
    pub oldest: Option<Time>,
    /// Paused until then, and why. `Time::NEVER`: by a person.
    pub paused: Option<(Time, Reason)>,
    /// Last time an attempt was accepted.
    pub last_success: Option<Time>,
}

/// Whether a partner is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breaker {
    /// It is.
    Closed,
    /// It failed by itself, or asked us to stay away: not before a time.
    Open,
    /// That time has come: one probe, a read without a patient, decides.
    HalfOpen,
    /// Not before a person says so.
    ByPerson,
}

impl PartnerView {
    /// A partner that has had no job.
    #[must_use]
    pub fn unused(partner: &PartnerId) -> Self {
        PartnerView {
            partner: partner.clone(),
            jobs: State::ALL.iter().map(|s| (s.as_str(), 0)).collect(),
            retrying: 0,
            held: 0,
            oldest: None,
            paused: None,
            last_success: None,
        }
    }

    /// Whether it is called, by its row in the store: the same for all nodes.
    #[must_use]
    pub fn breaker(&self, now: Time) -> Breaker {
        match self.paused {
            None => Breaker::Closed,
            Some((Time::NEVER, _)) => Breaker::ByPerson,
            Some((until, _)) if until <= now => Breaker::HalfOpen,
            Some(_) => Breaker::Open,
        }
    }
}

/// A job at a glance, for lists and for the story.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Where it goes.
    pub partner: PartnerId,
    /// What it brings.
    pub record: VersionRef,
    /// What it does.
    pub purpose: crate::sync::job::Purpose,
    /// Where it is.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// Accepted at.
    pub accepted: Time,
    /// Not before.
    pub due: Time,
    /// Attempts charged.
    pub attempts: u32,
    /// Whether its outcome is unclear.
    pub unsure: bool,
    /// The message it is.
    pub message: Option<MessageId>,
    /// All that holds it back at this moment, exactly.
    #[serde(serialize_with = "super::desk::with_text")]
    pub blocked_by: Vec<Blocker>,
    /// Its effects: (kind, type, our id, done, their id).
    pub effects: Vec<EffectView>,
    /// Its attempts, oldest first.
    pub tries: Vec<TryView>,
}

/// An effect in the story.
#[derive(Clone, Debug, Serialize)]
pub struct EffectView {
    /// Its place.
    pub n: u32,
    /// What it does.
    pub kind: crate::sync::job::EffectKind,
    /// Resource type or message.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Our id.
    pub our_id: String,
    /// Whether it is done.
    pub done: bool,
    /// Their id.
    pub their_id: Option<String>,
}

/// An attempt in the story.
#[derive(Clone, Debug, Serialize)]
pub struct TryView {
    /// The effect; where several went in one request, the first of them.
    pub effect: u32,
    /// How many effects went in the one request.
    pub together: u32,
    /// Whether it was a question.
    pub asked: bool,
    /// When.
    pub started: Time,
    /// How long, milliseconds.
    pub took_ms: u64,
    /// What it meant.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// HTTP status.
    pub status: Option<u16>,
    /// Bytes of their answer.
    pub answer_bytes: u64,
}

/// The whole story of a record.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its versions, newest first.
    pub versions: Vec<StoredVersion>,
    /// Its resources: (type, id, part, version, record version, profiles).
    pub resources: Vec<(String, String, String, u64, u64, String)>,
    /// Its jobs, oldest first.
    pub jobs: Vec<JobView>,
    /// Its denials: (denial, open).
    pub denials: Vec<(Denial, bool)>,
    /// What came back of its chain: records of other kinds, oldest first.
    pub answers: Vec<StoredVersion>,
}

/// The status of everything, for a tenant.
#[derive(Clone, Debug)]
pub struct Status {
    /// Per partner.
    pub partners: Vec<PartnerView>,
    /// The jobs that need looking at (parked, asking, retrying, held, waiting past a minute), oldest
    /// first, at most `limit`.
    pub jobs: Vec<JobView>,
    /// Raw messages that are parked, oldest first, at most `limit`: (id, door, since, rules).
    pub parked_raw: Vec<(RawId, String, Time, Vec<String>)>,
    /// Patients to be linked.
    pub unmatched: Vec<Unmatched>,
    /// Refusals counted, most first: (refusal, count, last).
    pub refusals: Vec<(Refusal, u64, Time)>,
    /// Open denials.
    pub denials_open: u64,
    /// Record versions stored.
    pub versions: u64,
    /// Jobs ever made, by routing and by people (replays, reroutes, edits): equals the sum over the
    /// seven states.
    pub jobs_made: u64,
    /// Of those: how many people made.
    pub jobs_by_people: u64,
    /// What the last self-check found.
    pub audited: Audited,
}
