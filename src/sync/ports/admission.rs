//! Everything that one accepted submission writes, in one transaction.

use serde::Serialize;

use super::*;
use crate::clock::Time;
use crate::ids::{Hash, JobId, MessageId, PartnerId, RawId, TenantId};
use crate::sync::job::{NewJob, State, VersionRef};
use crate::sync::reason::Reason;

/// A change of another job that comes with an admission; refused if the job is no longer in `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Which.
    pub job: JobId,
    /// The state it must be in.
    pub from: State,
    /// The state it gets: `Superseded`, `Cancelled`, `Waiting` or `Parked`.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

/// What the deciders saw of a chain: (id, state, reach, unsure) of each of its jobs, in any order.
pub type Seen = Vec<(JobId, State, crate::sync::job::Reach, bool)>;

/// A denial by the gate: shown, and decided anew when the client's consents change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// What was denied.
    pub record: VersionRef,
    /// To whom.
    pub partner: PartnerId,
    /// Whose record.
    pub client: Option<String>,
    /// Why: the gate's word.
    pub why: String,
}

/// Everything that one accepted submission writes, in one transaction.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Whose.
    pub tenant: TenantId,
    /// `Idempotency-Key`: (caller, key, keyed hash of the body). Kept 7 days.
    pub idempotency: Option<(String, String, Hash)>,
    /// The raw bytes, where they are not stored yet.
    pub raw: Option<NewRaw>,
    /// The stored raw bytes that this settles (partners' doors), and the state they get. Refused as
    /// [`Admitted::RawSettled`] if they are no longer `Received` or `Unmatched`.
    pub settles_raw: Option<(RawId, RawState)>,
    /// Whether it is what a partner said about a job: taken in while a report of an attempt is.
    pub answers: bool,
    /// The record version. `None`: jobs for a version that is stored (a denial decided anew).
    pub version: Option<NewVersion>,
    /// The version of the record that was the newest when this was decided (`None`: there was none).
    /// Refused as [`Admitted::Moved`] if that has changed.
    pub head: Option<u64>,
    /// Its resources.
    pub resources: Vec<ResourceRow>,
    /// What the deciders saw of the chain; refused as [`Admitted::Moved`] if it has changed.
    pub seen: Seen,
    /// What happens to other jobs.
    pub transitions: Vec<Transition>,
    /// The jobs. `record` of each is `for_record`.
    pub jobs: Vec<NewJob>,
    /// The record version that the jobs bring.
    pub for_record: VersionRef,
    /// Denials to be noted; with a version, older ones of the record are settled, whoever they name.
    /// Refused as [`Admitted::Moved`] if a consent of the client is stored that the version's context
    /// does not name: nobody would decide the denial anew.
    pub denials: Vec<Denial>,
    /// Open denials of `for_record` that this settles: partners.
    pub denials_settled: Vec<PartnerId>,
    /// Waiting jobs that the gate held and that are to be decided anew: of this client.
    pub wakes_client: Option<String>,
    /// A pharmacy's answer to a cancel: (the cancel's message id, approved). Noted on the cancel's
    /// job; jobs that await it are released (approved) or parked with `CancelDenied`.
    pub confirms: Option<(MessageId, bool)>,
    /// Patients (client numbers) held per partner until the given job of this admission is done. What
    /// that job waits for itself, directly or through others, is not held.
    pub holds: Vec<(PartnerId, String, JobId)>,
    /// Crosswalk rows that came with it (a relay, an echo's id).
    pub crosswalk: Vec<CrosswalkRow>,
    /// What the sender is told, and told again at exact repeats.
    pub given: Given,
    /// The time it is accepted at.
    pub now: Time,
}

/// What became of an admission. In this order: idempotency key, exact repeat, version order, moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Committed.
    Stored,
    /// The key or the exact content was accepted before: this is what was said. Nothing was written.
    Repeat(Given),
    /// The key was used with another body (422).
    KeyReused,
    /// A lower version, or the same version with other content (409); the newest version stored.
    Conflict(u64),
    /// The chain, the head or a job has moved since it was looked at: decide again.
    Moved,
    /// The raw bytes were settled by somebody else.
    RawSettled,
}
