//! The seam to a store for the people who run the gateway: looking for jobs and lanes, what holds a job
//! back, stopping a partner or a patient. Plain values; what a person does is kept with who and why.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize, Serializer};

use super::*;
use crate::clock::Time;
use crate::ids::{JobId, MessageId, PartnerId, TenantId};
use crate::sync::job::{Chain, State, VersionRef};
use crate::sync::reason::Reason;

/// Who does something, and why in their words (kept sealed, never logged).
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// The name of their token.
    pub who: &'a str,
    /// In their words.
    pub why: &'a str,
}

/// One thing that holds a waiting job back at this moment. A job that waits (or asks) and has none of
/// them is claimed next, in the order of claims, as soon as its partner has room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Blocker {
    /// A worker has it in hand until then, at the longest.
    InHand {
        /// When the lease ends.
        until: Time,
    },
    /// No consent covers the receiver.
    Consent,
    /// A pharmacy has not confirmed this cancel.
    Cancel {
        /// The cancel's message.
        message: MessageId,
        /// The cancel's job, where there is one.
        job: Option<JobId>,
        /// When silence parks what waits.
        until: Time,
    },
    /// Another job of its lane goes first.
    Lane {
        /// Which.
        job: JobId,
        /// Where that one is.
        state: State,
    },
    /// It refers to something that is on its way to this partner.
    Needs {
        /// What.
        kind: String,
        /// Its id.
        record: String,
        /// The job that brings it.
        job: JobId,
        /// Where that one is.
        state: State,
    },
    /// A merge of its patient is on its way.
    Merge {
        /// The merge's job.
        job: JobId,
        /// Where that one is.
        state: State,
    },
    /// Another job makes its patient at this partner, which does not know them yet.
    Patient {
        /// Which.
        job: JobId,
        /// Where that one is.
        state: State,
    },
    /// An administrator stopped its patient.
    Hold {
        /// Who.
        who: String,
        /// Since when.
        since: Time,
        /// At this partner only, or at all of them.
        everywhere: bool,
    },
    /// Its partner is paused: by a person, or because it does not answer.
    Pause {
        /// Why.
        reason: Reason,
        /// When it is probed next; `None`: until a person ends it.
        until: Option<Time>,
    },
    /// Its partner is being drained, and it was accepted after that began.
    Drain,
    /// It is not due: its schedule, or the partner asked us to stay away.
    Due {
        /// Not before.
        at: Time,
        /// What made it wait.
        reason: Option<Reason>,
    },
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blocker::InHand { until } => write!(f, "in hand: a worker has it until {until}"),
            Blocker::Consent => f.write_str("gate: no consent covers this receiver"),
            Blocker::Cancel {
                message,
                job: Some(job),
                ..
            } => write!(f, "cancel: job {job} (message {message}) is not confirmed"),
            Blocker::Cancel { message, .. } => {
                write!(f, "cancel: message {message} is not confirmed")
            }
            Blocker::Lane { job, state } => {
                write!(f, "lane: job {job} goes first ({})", state.as_str())
            }
            Blocker::Needs {
                kind,
                record,
                job,
                state,
            } => write!(
                f,
                "needs: job {job} brings {kind}/{record} ({})",
                state.as_str()
            ),
            Blocker::Merge { job, state } => write!(
                f,
                "hold: a merge of the patient is on its way, job {job} ({})",
                state.as_str()
            ),
            Blocker::Patient { job, state } => write!(
                f,
                "patient: job {job} makes the patient there first ({})",
                state.as_str()
            ),
            Blocker::Hold {
                who,
                everywhere: true,
                ..
            } => write!(f, "hold: {who} stopped the patient at all partners"),
            Blocker::Hold { who, .. } => write!(f, "hold: {who} stopped the patient"),
            Blocker::Pause { reason, .. } => write!(f, "pause: {}", reason.as_str()),
            Blocker::Drain => f.write_str("drain: the partner takes nothing newer"),
            Blocker::Due { at, reason: None } => write!(f, "due: not before {at}"),
            Blocker::Due {
                at,
                reason: Some(reason),
            } => write!(f, "due: not before {at} ({})", reason.as_str()),
        }
    }
}

/// Blockers with the sentence beside each.
pub(super) fn with_text<S: Serializer>(blockers: &[Blocker], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        blocker: &'a Blocker,
        text: String,
    }
    to.collect_seq(blockers.iter().map(|blocker| Said {
        blocker,
        text: blocker.to_string(),
    }))
}

/// Which jobs are looked for; what is `None` does not matter. Never by anything of a patient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFilter {
    /// Where they go.
    pub partner: Option<PartnerId>,
    /// Where they are.
    pub state: Option<State>,
    /// Why they are there.
    pub reason: Option<Reason>,
    /// The kind of record that they bring.
    pub kind: Option<String>,
    /// The id of the record, with its kind.
    pub record: Option<String>,
    /// Accepted at or after.
    pub since: Option<Time>,
    /// Accepted before.
    pub until: Option<Time>,
    /// One job, by its id.
    pub job: Option<JobId>,
}

impl JobFilter {
    /// Whether a job is one of them.
    #[must_use]
    pub fn fits(&self, job: &JobView) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w == is);
        self.partner.as_ref().is_none_or(|p| *p == job.partner)
            && self.state.is_none_or(|s| s == job.state)
            && self.reason.is_none_or(|r| Some(r) == job.reason)
            && same(&self.kind, &job.record.kind)
            && same(&self.record, &job.record.id)
            && self.since.is_none_or(|t| job.accepted >= t)
            && self.until.is_none_or(|t| job.accepted < t)
            && self.job.as_ref().is_none_or(|id| *id == job.id)
    }
}

/// A place in a list of jobs: where a page ended. (accepted, accepted order).
pub type JobPlace = (Time, i64);

/// One page of a list. Where a list is long and few fit, a page may hold fewer than were asked for, or
/// none, and still have a next one: so no page looks at more than so many rows.
#[derive(Clone, Debug)]
pub struct Page<T, P> {
    /// What was found.
    pub found: Vec<T>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<P>,
}

/// What a person did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeedView {
    /// What: `retry`, `cancel`, `pause`…
    pub what: String,
    /// Who.
    pub who: String,
    /// In their words.
    pub why: String,
    /// When.
    pub at: Time,
}

/// How another job belongs to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tie {
    /// An earlier job of the record at the partner.
    Earlier,
    /// A later job of the record at the partner.
    Later,
    /// The job that a person had replayed, rerouted or edited to make this one.
    MadeFrom,
    /// A job that a person made of this one.
    MadeInto,
}

/// Another job that belongs to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TiedJob {
    /// How.
    pub tie: Tie,
    /// Which.
    pub job: JobId,
    /// Where it goes.
    pub partner: PartnerId,
    /// The version that it brings.
    pub version: u64,
    /// Where it is.
    pub state: State,
}

/// Everything about one job but its bytes.
#[derive(Clone, Debug, Serialize)]
pub struct JobSheet {
    /// The job, with effects, attempts and what holds it back.
    #[serde(flatten)]
    pub job: JobView,
    /// The line that it stands in.
    pub lane: String,
    /// Its chain.
    pub chain: Chain,
    /// 0 cancel … 4 backfill.
    pub priority: u8,
    /// Last send.
    pub deadline: Option<Time>,
    /// Whether the gate is asked at each attempt.
    pub guarded: bool,
    /// What people did to it, oldest first.
    pub acts: Vec<DeedView>,
    /// Jobs that belong to it.
    pub ties: Vec<TiedJob>,
}

/// A lane with jobs in it.
#[derive(Clone, Debug, Serialize)]
pub struct LaneView {
    /// Whose.
    pub partner: PartnerId,
    /// Its key.
    pub lane: String,
    /// Jobs that stand in it.
    pub jobs: u64,
    /// The first of them, with what holds it back.
    pub head: JobView,
}

/// A place in the list of lanes, biggest first: (jobs, partner, key).
pub type LanePlace = (u64, PartnerId, String);

/// What a person does to a partner. Effective on the next claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steer {
    /// Nothing is claimed until a person says so.
    Pause,
    /// Ends a pause, whatever its cause, and a drain.
    Resume,
    /// What was accepted before now goes on as ever, with its retries; what was accepted later waits
    /// until the partner is resumed, cancels too. Ends a pause by a person.
    Drain,
    /// A pause by outage is over now, so that the next probe decides.
    Probe,
}

impl Steer {
    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Steer::Pause => "pause",
            Steer::Resume => "resume",
            Steer::Drain => "drain",
            Steer::Probe => "probe",
        }
    }
}

/// How a partner was steered.
#[derive(Clone, Debug, Serialize)]
pub struct SteerView {
    /// Which.
    pub partner: PartnerId,
    /// Whether it is being drained, and whether all that was accepted before has gone as far as it
    /// can: what is left waits for a person, a consent or something newer.
    pub drained: Option<bool>,
    /// The last thing that a person did to it.
    pub last: Option<DeedView>,
}

/// An administrator's hold on a patient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldView {
    /// Whom: the clinic's number.
    pub client: String,
    /// At which partner; `None`: at all.
    pub partner: Option<PartnerId>,
    /// Who, why, when.
    #[serde(flatten)]
    pub deed: DeedView,
}

/// What people look at and do.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Jobs that fit, open and parked ones oldest first, else newest first; without effects and
    /// attempts, with what holds each back at `now`.
    async fn jobs(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobPlace>,
        limit: usize,
        now: Time,
    ) -> Result<Page<JobView, JobPlace>, StoreError>;

    /// One job.
    async fn job(
        &self,
        tenant: &TenantId,
        job: &JobId,
        now: Time,
    ) -> Result<Option<JobSheet>, StoreError>;

    /// Lanes that have jobs in them, biggest first.
    async fn lanes(
        &self,
        tenant: &TenantId,
        partner: Option<&PartnerId>,
        after: Option<LanePlace>,
        limit: usize,
        now: Time,
    ) -> Result<Page<LaneView, LanePlace>, StoreError>;

    /// The jobs that stand in a lane, in the order in which they go, at most `limit`.
    async fn lane(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        lane: &str,
        limit: usize,
        now: Time,
    ) -> Result<Vec<JobView>, StoreError>;

    /// A person steers a partner.
    async fn steer(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        steer: Steer,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError>;

    /// How partners were steered; those that ever were.
    async fn steered(&self, tenant: &TenantId) -> Result<Vec<SteerView>, StoreError>;

    /// A person stops a patient's jobs at one partner or at all (`on`), or lets them go. Cancels go on.
    /// `false`: it was so already.
    async fn hold(
        &self,
        tenant: &TenantId,
        client: &str,
        partner: Option<&PartnerId>,
        on: bool,
        by: By<'_>,
        now: Time,
    ) -> Result<bool, StoreError>;

    /// The holds that stand, oldest first, at most `limit`.
    async fn holds(&self, tenant: &TenantId, limit: usize) -> Result<Vec<HoldView>, StoreError>;
}

/// What a job brings, in a word or two: for lists.
#[must_use]
pub fn named(record: &VersionRef) -> String {
    format!("{}/{} v{}", record.kind, record.id, record.version)
}
