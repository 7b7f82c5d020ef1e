//! What workers and people do to jobs: claims, reports, acts; refusals counted.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Time;
use crate::ids::{JobId, PartnerId, TenantId};
use crate::sync::job::State;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Remote, Verdict};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who asks: a name of the node, for people.
    pub worker: String,
    /// Now.
    pub now: Time,
    /// How long the lease lasts.
    pub lease: Duration,
    /// (tenant, partner, how many at most): partners with room. Paused partners are left out by the
    /// store until their pause is ended: by a person, by a probe, or by an answer to what was in flight.
    pub room: Vec<(TenantId, PartnerId, usize)>,
    /// How many claims of the worker brought something before: some jobs are taken by age, so that
    /// nothing waits for ever behind what is more urgent.
    pub turn: u64,
}

/// Of so many jobs, one is taken by age.
const BY_AGE: u64 = 4;

impl ClaimRequest {
    /// Of a partner's room, how much is for the oldest ready jobs, whatever their priority.
    #[must_use]
    pub fn by_age(&self, room: usize) -> usize {
        let (each, turn) = (BY_AGE as usize, (self.turn % BY_AGE) as usize);
        room / each + usize::from(turn >= each - room % each)
    }
}

/// An attempt, as a row.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// The effect it was of; where several went in one request, the first of them.
    pub effect: u32,
    /// How many effects went in the one request.
    pub together: u32,
    /// `send` or `ask`.
    pub asked: bool,
    /// When it began.
    pub started: Time,
    /// How long it took.
    pub took: Duration,
    /// What it meant.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// HTTP status.
    pub status: Option<u16>,
    /// Whether it was charged to the message.
    pub charged: bool,
    /// Their answer, capped; sealed by the store.
    pub body: Vec<u8>,
}

/// What an effect came to: written before the next request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectDone {
    /// Which.
    pub effect: u32,
    /// What they call it: makes or renews the crosswalk row of (type, our id) of the effect.
    pub remote: Option<Remote>,
}

impl EffectDone {
    /// One that turned out not to be needed: nothing was sent.
    #[must_use]
    pub const fn not_needed(effect: u32) -> Self {
        EffectDone {
            effect,
            remote: None,
        }
    }
}

/// A worker's report on a claimed job; refused if the lease was lost.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whose.
    pub tenant: TenantId,
    /// Which job.
    pub job: JobId,
    /// The lease's token.
    pub token: i64,
    /// The attempt, if there was one.
    pub attempt: Option<AttemptRow>,
    /// The effects that are done now: what the partner has, and what turned out not to be needed.
    pub done: Vec<EffectDone>,
    /// Where the job goes; `None`: it stays claimed and the next effect is sent.
    pub settle: Option<Settle>,
    /// The partner failed by itself: leave it alone until then, and probe.
    pub pause: Option<(Time, Reason)>,
    /// Such failures in a row after which that is done.
    pub opens_after: u32,
    /// The partner answered like one that is well: ends a pause by outage.
    pub partner_well: bool,
    /// Now.
    pub now: Time,
}

/// Where a settled job goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The state: anything but `Sending`.
    pub state: State,
    /// Not before (waiting, asking).
    pub due: Time,
    /// Why.
    pub reason: Reason,
    /// Whether the gate holds it: it leaves its lane until the client's consents change.
    pub held: bool,
    /// Whether its outcome is unclear and unsettled.
    pub unsure: bool,
    /// How far it has got.
    pub reach: crate::sync::job::Reach,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// Committed.
    Stored,
    /// The lease was lost: nothing was written; another decides.
    LeaseLost,
}

/// What a person does to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Parked (or waiting): try again now, the schedule from its start. Refused for a job whose
    /// outcome is unclear (resolve it first), for one that waits for a cancel's confirmation, and for
    /// one whose record has a newer job at the partner that was not cancelled or replaced: that goes.
    Retry,
    /// Waiting, asking or parked: never send it.
    Cancel,
    /// Unclear: the partner has it. What else the job brings is sent.
    ResolveThere,
    /// Unclear: the partner does not have it. It is sent again; a prescription parks until somebody
    /// retries it; what a newer job of the record replaces is superseded.
    ResolveNotThere,
}

/// A refused input, counted (contracts section 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Refusal {
    /// Kind name.
    pub kind: String,
    /// The rule.
    pub rule: String,
    /// JSON pointer.
    pub pointer: String,
    /// Who sent it.
    pub caller: String,
}

/// A patient whom a partner named and who matches none of ours, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// Who named them.
    pub partner: PartnerId,
    /// Their id.
    pub their_id: String,
    /// How many inbound messages wait for it.
    pub waiting: u64,
    /// Since when.
    pub since: Time,
}
