//! The seam to a store. SQLite now; PostgreSQL has to pass the same conformance suite.
//!
//! Every method names a tenant, except those by which workers serve all of them. A call that writes
//! is one transaction (group commit joins several calls into one commit; each call's outcome is its
//! own). What is returned was committed.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use crate::clock::Time;
use crate::ids::{Hash, JobId, MessageId, PartnerId, RawId, TenantId};
use crate::issue::Issue;
use crate::sync::job::{Chain, ChainJob, Claimed, NewJob, State, VersionRef};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Remote, Verdict};

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room, or the queue to the writer is full: try later (503 or 507).
    #[error("the store is full or overloaded during {0}")]
    Full(&'static str),
    /// It failed; nothing of the call is stored.
    #[error("the store failed during {operation}")]
    Failed {
        /// What it was doing.
        operation: &'static str,
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The answer that a sender got, kept to be given again to exact repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// HTTP status.
    pub status: u16,
    /// Body, JSON.
    pub body: Vec<u8>,
}

/// Bytes that came in by a door.
#[derive(Clone, Debug)]
pub struct NewRaw {
    /// Our id.
    pub id: RawId,
    /// `clinic:{caller}` or the partner's id.
    pub door: String,
    /// The sender's id, where there is one; (tenant, door, sender id) is unique.
    pub sender_id: Option<String>,
    /// Media type.
    pub media_type: String,
    /// The bytes, as they came.
    pub bytes: Vec<u8>,
    /// Keyed hash of the bytes.
    pub hash: Hash,
}

/// What became of raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RawState {
    /// Stored, not yet worked on (a crash between leaves it so; intake takes it up again).
    Received,
    /// Became a record, an event, a relay, or an echo without news.
    Done,
    /// Could not be understood: kept, shown.
    Parked,
    /// Waits for its patient to be linked.
    Unmatched,
}

impl RawState {
    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RawState::Received => "received",
            RawState::Done => "done",
            RawState::Parked => "parked",
            RawState::Unmatched => "unmatched",
        }
    }

    /// The state of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<RawState> {
        [
            RawState::Received,
            RawState::Done,
            RawState::Parked,
            RawState::Unmatched,
        ]
        .into_iter()
        .find(|s| s.as_str() == word)
    }
}

/// Stored raw bytes.
#[derive(Clone, Debug)]
pub struct StoredRaw {
    /// What came in.
    pub raw: NewRaw,
    /// When.
    pub received: Time,
    /// What became of it.
    pub state: RawState,
    /// Why it is parked.
    pub issues: Vec<Issue>,
    /// What the sender was told, once it was told.
    pub given: Option<Given>,
}

/// Whether raw bytes are new.
#[derive(Clone, Debug)]
pub enum Received {
    /// They are.
    New,
    /// The same sender id (or, without one, the same bytes within the last 7 days) was stored before.
    /// Same id with other bytes is a repeat of the id: the first answer stands, and the row is flagged.
    Repeat(Box<StoredRaw>),
}

/// One record version, as stored.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// Which.
    pub record: VersionRef,
    /// The chain it belongs to.
    pub chain: Chain,
    /// The client it concerns.
    pub client: Option<String>,
    /// The record, JSON bytes in the shape of its contract.
    pub body: Vec<u8>,
    /// The versions of the context that were used.
    pub context: Vec<VersionRef>,
    /// Keyed hash of the canonical content.
    pub hash: Hash,
    /// Who brought it: `clinic`, or a partner's id.
    pub origin: String,
    /// When it was accepted.
    pub accepted: Time,
    /// What the sender was told.
    pub given: Given,
}

/// A new version of a record.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Which.
    pub record: VersionRef,
    /// The chain it belongs to.
    pub chain: Chain,
    /// The client it concerns.
    pub client: Option<String>,
    /// The record, JSON bytes.
    pub body: Vec<u8>,
    /// The versions of the context that were used.
    pub context: Vec<VersionRef>,
    /// Keyed hash of the canonical content; decides whether a repeat is exact.
    pub hash: Hash,
    /// Who brought it: `clinic`, or a partner's id.
    pub origin: String,
    /// Whether the clinic hears of it in its feed (all that it did not bring itself).
    pub in_feed: bool,
}

/// A mapped resource, as a row: history and search are read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRow {
    /// Resource type.
    pub resource_type: String,
    /// Our id; stable across versions. The resource's version counts up in the store.
    pub id: String,
    /// The part of the record.
    pub part: String,
    /// The profiles it passed, comma-separated.
    pub profiles: String,
    /// The resource.
    pub bytes: Vec<u8>,
}

/// A row of the crosswalk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrosswalkRow {
    /// Whose name for it.
    pub partner: PartnerId,
    /// Resource type.
    pub resource_type: String,
    /// Our id.
    pub our_id: String,
    /// Their id.
    pub their_id: String,
    /// Their version, where known.
    pub their_version: Option<String>,
}

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
    /// Denials to be noted.
    pub denials: Vec<Denial>,
    /// Open denials of `for_record` that this settles: partners.
    pub denials_settled: Vec<PartnerId>,
    /// Waiting jobs that the gate held and that are to be decided anew: of this client.
    pub wakes_client: Option<String>,
    /// A pharmacy's answer to a cancel: (the cancel's message id, approved). Noted on the cancel's
    /// job; jobs that await it are released (approved) or parked with `CancelDenied`.
    pub confirms: Option<(MessageId, bool)>,
    /// Patients (client numbers) held per partner until the given job of this admission is done.
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
    /// store, except for one probe's worth when their pause has ended.
    pub room: Vec<(TenantId, PartnerId, usize)>,
}

/// An attempt, as a row.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// The effect it was of.
    pub effect: u32,
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

/// What an effect came to: written before the next effect is sent.
#[derive(Clone, Debug)]
pub struct EffectDone {
    /// Which.
    pub effect: u32,
    /// What they call it: makes or renews the crosswalk row of (type, our id) of the effect.
    pub remote: Option<Remote>,
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
    /// The effect that is done now, if one is.
    pub effect_done: Option<EffectDone>,
    /// Where the job goes; `None`: it stays claimed and the next effect is sent.
    pub settle: Option<Settle>,
    /// Pause the partner until then, and probe.
    pub pause: Option<(Time, Reason)>,
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
    /// outcome is unclear: resolve it first.
    Retry,
    /// Waiting, asking or parked: never send it.
    Cancel,
    /// Unclear: the partner has it.
    ResolveThere,
    /// Unclear: the partner does not have it; it may be retried.
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
    /// What holds it back at this moment, exactly: jobs (lane or needs), a hold, a pause, the gate.
    pub blocked_by: Vec<String>,
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
    /// The effect.
    pub effect: u32,
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
    /// Jobs ever made by routing: equals the sum over the seven states.
    pub jobs_made: u64,
}

/// A store.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes an admission, or says why not. Checks, in this order: idempotency key, exact repeat of
    /// any stored version, version order, head and chain as they were seen.
    async fn admit(&self, admission: Admission) -> Result<Admitted, StoreError>;

    /// A partner's door: stores the bytes before anything else is done with them.
    async fn receive(
        &self,
        tenant: &TenantId,
        raw: NewRaw,
        now: Time,
    ) -> Result<Received, StoreError>;

    /// Settles raw bytes that make no record: parked with issues, unmatched, or done (an echo without
    /// news). `given`: what the sender was told.
    async fn settle_raw(
        &self,
        tenant: &TenantId,
        raw: &RawId,
        state: RawState,
        issues: Vec<Issue>,
        unmatched: Option<(PartnerId, String)>,
        given: Option<Given>,
    ) -> Result<(), StoreError>;

    /// Raw bytes by id.
    async fn raw(&self, tenant: &TenantId, raw: &RawId) -> Result<Option<StoredRaw>, StoreError>;

    /// Raw bytes to be taken up again after a crash: received before `before` and not settled.
    async fn raws_left(
        &self,
        tenant: &TenantId,
        before: Time,
        limit: usize,
    ) -> Result<Vec<RawId>, StoreError>;

    /// What was said to an idempotency key: (hash of the body, answer).
    async fn idempotent(
        &self,
        tenant: &TenantId,
        caller: &str,
        key: &str,
    ) -> Result<Option<(Hash, Given)>, StoreError>;

    /// The newest version of each (kind, id), in order.
    async fn newest(
        &self,
        tenant: &TenantId,
        names: &[(String, String)],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError>;

    /// The given versions, in order.
    async fn versions(
        &self,
        tenant: &TenantId,
        records: &[VersionRef],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError>;

    /// The newest version of every consent of a client.
    async fn consents(
        &self,
        tenant: &TenantId,
        client: &str,
    ) -> Result<Vec<StoredVersion>, StoreError>;

    /// The latest row of every resource that any version of the record made, also of parts that newer
    /// versions lack.
    async fn resources(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Vec<ResourceRow>, StoreError>;

    /// The record that a resource of ours belongs to: (kind, record id).
    async fn resource_owner(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
    ) -> Result<Option<(String, String)>, StoreError>;

    /// All jobs of a chain, at all partners, oldest first.
    async fn chain(&self, tenant: &TenantId, chain: &Chain) -> Result<Vec<ChainJob>, StoreError>;

    /// Whether any other record version's job refers to this record (job needs or stored context).
    async fn referred_to(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<bool, StoreError>;

    /// The job of a message of ours at a partner.
    async fn job_of_message(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        message: &str,
    ) -> Result<Option<ChainJob>, StoreError>;

    /// Open denials of a client's records.
    async fn denials(&self, tenant: &TenantId, client: &str) -> Result<Vec<Denial>, StoreError>;

    /// Crosswalk rows of (type, our id) at a partner; those that exist.
    async fn crosswalk(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        ours: &[(String, String)],
    ) -> Result<Vec<CrosswalkRow>, StoreError>;

    /// Our id of (type, their id) at a partner.
    async fn crosswalk_back(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        resource_type: &str,
        their_id: &str,
    ) -> Result<Option<CrosswalkRow>, StoreError>;

    /// Writes a crosswalk row by hand (a linked patient); raw messages that waited for it go back to
    /// `Received`, jobs of the patient parked for its identity go back to waiting.
    async fn link(
        &self,
        tenant: &TenantId,
        row: CrosswalkRow,
        client: Option<String>,
        now: Time,
    ) -> Result<(), StoreError>;

    /// Claims due jobs: heads of their lanes, nothing of the lane in flight, needs met, patient not
    /// held, partner not paused. Asking jobs that are due are claimed too (their state stays).
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError>;

    /// A worker's report.
    async fn report(&self, report: Report) -> Result<Reported, StoreError>;

    /// Leases that ran out: their jobs become asking, unsure. Jobs whose awaited confirmation is
    /// overdue park with `CancelSilent`; waiting jobs past their deadline whose outcome is not unclear
    /// park with `PastDeadline`, their partner paused or not. How many leases were rescued.
    async fn rescue(&self, now: Time) -> Result<u64, StoreError>;

    /// Returns when something was committed that may have made work (or for no reason at all): a hint
    /// for workers, who look at [`Store::next_due`] anyway.
    async fn changed(&self) {
        std::future::pending().await
    }

    /// When the next job is due, if one is.
    async fn next_due(&self) -> Result<Option<Time>, StoreError>;

    /// Partners whose pause by outage has ended and that want a probe.
    async fn probes_due(&self, now: Time) -> Result<Vec<(TenantId, PartnerId)>, StoreError>;

    /// Pauses a partner (until, why) or ends its pause.
    async fn pause(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        pause: Option<(Time, Reason)>,
    ) -> Result<(), StoreError>;

    /// A person's act on a job; `false` if its state does not allow it.
    async fn act(
        &self,
        tenant: &TenantId,
        job: &JobId,
        act: Act,
        who: &str,
        why: &str,
        now: Time,
    ) -> Result<bool, StoreError>;

    /// Counts a refused input.
    async fn count_refusals(
        &self,
        tenant: &TenantId,
        refusals: Vec<Refusal>,
        now: Time,
    ) -> Result<(), StoreError>;

    /// The clinic's feed after a position, in commit order: (position, version).
    async fn feed(
        &self,
        tenant: &TenantId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, StoredVersion)>, StoreError>;

    /// The whole story of a record; `None` if there is no such record.
    async fn story(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Option<Story>, StoreError>;

    /// The status of everything.
    async fn status(
        &self,
        tenant: &TenantId,
        now: Time,
        limit: usize,
    ) -> Result<Status, StoreError>;

    /// Drops what may be dropped: idempotency keys past 7 days. How many.
    async fn prune(&self, now: Time) -> Result<u64, StoreError>;

    /// Whether it answers at all (readiness).
    async fn check(&self) -> Result<(), StoreError>;
}
