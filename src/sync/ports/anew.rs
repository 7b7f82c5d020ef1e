//! The seam to a store for jobs that people have made anew: replays, jobs that stand in for others, and
//! what waits for a second person.

use async_trait::async_trait;

use super::*;
use crate::clock::Time;
use crate::ids::{JobId, TenantId};

/// What people have made anew.
#[async_trait]
pub trait Anew: Send + Sync {
    /// Jobs that fit, in accepted order, after one place up to another, at most `limit`; and the place up
    /// to which they were looked at, which is past the first one as long as there is more.
    async fn candidates(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        span: (i64, i64),
        limit: usize,
    ) -> Result<(Vec<Candidate>, i64), StoreError>;

    /// One job with its bytes.
    async fn whole(&self, tenant: &TenantId, job: &JobId) -> Result<Option<WholeJob>, StoreError>;

    /// Begins a replay, once: of the jobs that there are now.
    async fn replay_begin(
        &self,
        tenant: &TenantId,
        new: NewReplay,
        by: By<'_>,
        now: Time,
    ) -> Result<Begun, StoreError>;

    /// One replay.
    async fn replay(&self, tenant: &TenantId, id: &str) -> Result<Option<Replay>, StoreError>;

    /// Replays, newest first, at most `limit`.
    async fn replays(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Replay>, StoreError>;

    /// Replays of all tenants whose next step is due.
    async fn replays_due(&self, now: Time) -> Result<Vec<(TenantId, Replay)>, StoreError>;

    /// Carries out a step; `false` if another did, or the replay does not run.
    async fn replay_step(&self, tenant: &TenantId, step: ReplayStep) -> Result<bool, StoreError>;

    /// Stops a running replay; `false` if none of that id runs.
    async fn replay_stop(
        &self,
        tenant: &TenantId,
        id: &str,
        by: By<'_>,
        now: Time,
    ) -> Result<bool, StoreError>;

    /// Cancels some of what a stopped replay made and was never tried; when none is left, the replay ends.
    async fn replay_sweep(&self, tenant: &TenantId, id: &str, now: Time) -> Result<(), StoreError>;

    /// Puts a job in for another; `false` if what was seen has moved.
    async fn stand_in(
        &self,
        tenant: &TenantId,
        stand_in: StandIn,
        by: By<'_>,
    ) -> Result<bool, StoreError>;

    /// Keeps what one person proposes.
    async fn propose(
        &self,
        tenant: &TenantId,
        new: NewProposal,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError>;

    /// Open proposals, oldest first, at most `limit`.
    async fn proposals(&self, tenant: &TenantId, limit: usize)
    -> Result<Vec<Proposal>, StoreError>;

    /// Confirms or rejects an open proposal, once; `None`: there is none, or whoever confirms it proposed
    /// it.
    async fn decide(
        &self,
        tenant: &TenantId,
        id: &str,
        second: &str,
        confirms: bool,
        now: Time,
    ) -> Result<Option<Proposal>, StoreError>;
}
