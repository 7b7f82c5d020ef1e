//! The seam to a store for what one person proposes and another confirms, and for a job that a person has
//! stand in for another.

use serde::Serialize;

use super::*;
use crate::clock::Time;
use crate::ids::JobId;
use crate::sync::job::{NewJob, State, VersionRef};

/// What was proposed: waits for a second person, or was decided.
#[derive(Clone, Debug, Serialize)]
pub struct Proposal {
    /// Its id.
    pub id: String,
    /// What: `edit`, `resolve-there`, `resolve-not-there`, `retry`, `replay`.
    pub what: String,
    /// The job, or the replay.
    pub about: String,
    /// Exactly what, as JSON; may hold values of a record, so it is sealed and not shown.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// Who proposed it, why, when.
    pub deed: DeedView,
}

/// A proposal to be kept.
#[derive(Clone, Debug)]
pub struct NewProposal {
    /// Its id.
    pub id: String,
    /// What.
    pub what: String,
    /// The job, or the replay.
    pub about: String,
    /// Exactly what.
    pub body: Vec<u8>,
}

/// A job that a person has stand in for another: edited, or at another partner. Refused if the source is
/// not as it was seen, is unclear, or something newer of the record stands; or if the record has a job at
/// the new one's partner already that stands or has arrived.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// The job it stands in for.
    pub source: JobId,
    /// The state in which that was seen.
    pub from: State,
    /// What becomes of that: superseded, cancelled; `None`: it stays.
    pub to: Option<State>,
    /// What the new one brings.
    pub record: VersionRef,
    /// The record's newest version when that was decided: if another has come since, it is refused.
    pub head: Option<u64>,
    /// The new one.
    pub job: NewJob,
    /// `edit` or `reroute`.
    pub how: &'static str,
    /// Now.
    pub now: Time,
}
