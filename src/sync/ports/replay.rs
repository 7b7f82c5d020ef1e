//! The seam to a store for replays: jobs found in accepted order, one job whole, and the steps of a
//! replay, each of them one transaction.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;
use crate::clock::Time;
use crate::ids::JobId;
use crate::sync::job::{ChainJob, Effect, LaneKey, NewJob, VersionRef};

/// Where a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// Jobs are being made, so many a second.
    Running,
    /// A person stopped it: what it made and was not sent yet is cancelled.
    Cancelling,
    /// It was stopped.
    Cancelled,
    /// It went through all of them.
    Done,
}

impl ReplayState {
    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ReplayState::Running => "running",
            ReplayState::Cancelling => "cancelling",
            ReplayState::Cancelled => "cancelled",
            ReplayState::Done => "done",
        }
    }

    /// The state of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<ReplayState> {
        [
            ReplayState::Running,
            ReplayState::Cancelling,
            ReplayState::Cancelled,
            ReplayState::Done,
        ]
        .into_iter()
        .find(|s| s.as_str() == word)
    }
}

/// How many were left out, by the word that says why.
pub type Skips = BTreeMap<String, u64>;

/// A replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// Its id: whoever starts it chooses it, or is given one.
    pub id: String,
    /// Which jobs; names a partner.
    pub filter: JobFilter,
    /// Where it is.
    pub state: ReplayState,
    /// Jobs a second, at most.
    pub rate: u32,
    /// The place in accepted order up to which jobs were looked at.
    pub cursor: i64,
    /// The newest job there was when it began: later ones are none of its.
    pub upto: i64,
    /// New jobs made.
    pub made: u64,
    /// Parked jobs that were let go again.
    pub retried: u64,
    /// Jobs that fit and were left out.
    pub skipped: Skips,
    /// Who, why, when.
    pub deed: DeedView,
    /// When something was done last.
    pub changed: Time,
}

/// A replay to be begun.
#[derive(Clone, Debug)]
pub struct NewReplay {
    /// Its id.
    pub id: String,
    /// Which jobs; names a partner.
    pub filter: JobFilter,
    /// Jobs a second, at most.
    pub rate: u32,
}

/// What became of a beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It runs.
    New(Replay),
    /// It was begun before: this is how it is. Nothing was done.
    Known(Replay),
    /// Another replay has this id.
    OtherThere,
}

/// A job that fits, found in accepted order.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its place in accepted order.
    pub seq: i64,
    /// The job.
    pub job: JobView,
    /// Whether a later job of the record at the partner stands or has arrived: then the older content
    /// must not follow it.
    pub newer: bool,
}

/// One job with its bytes and all that a job made of it takes over.
#[derive(Clone, Debug)]
pub struct WholeJob {
    /// The job as its chain has it.
    pub job: ChainJob,
    /// The line that it stands in.
    pub lane: LaneKey,
    /// Its chain.
    pub chain: crate::sync::job::Chain,
    /// The client it concerns.
    pub client: Option<String>,
    /// 0 cancel … 4 backfill.
    pub priority: u8,
    /// Last send.
    pub deadline: Option<Time>,
    /// Whether the gate is asked at each attempt.
    pub guarded: bool,
    /// When it was accepted.
    pub accepted: Time,
    /// Why it is where it is.
    pub reason: Option<crate::sync::reason::Reason>,
    /// Whether any attempt was ever unclear.
    pub ever_unsure: bool,
    /// Whether any attempt was ever refused.
    pub ever_refused: bool,
    /// Its effects with their payloads.
    pub effects: Vec<Effect>,
}

/// One job of a replay.
#[derive(Clone, Debug)]
pub enum Again {
    /// A new job of a done one, if nothing newer stands by then.
    Make {
        /// The done one.
        source: JobId,
        /// What it brings.
        record: VersionRef,
        /// The new one.
        job: Box<NewJob>,
    },
    /// A parked one is let go, as [`Act::Retry`] does it.
    Retry(JobId),
}

/// A step of a replay: what it makes and how far it got, in one transaction. Refused if the replay is
/// not running, or its cursor is not `from`: another node did it.
#[derive(Clone, Debug)]
pub struct ReplayStep {
    /// Which.
    pub id: String,
    /// Where the step began.
    pub from: i64,
    /// Where the next one begins.
    pub to: i64,
    /// What to do.
    pub again: Vec<Again>,
    /// What was left out.
    pub skipped: Skips,
    /// Whether that was all.
    pub ended: bool,
    /// The next step, not before.
    pub next: Time,
    /// Now.
    pub now: Time,
}
