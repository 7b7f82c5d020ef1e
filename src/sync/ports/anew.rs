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
    ) -> Result<(Vec<Candidate>, i64), StoreError> {
        let _ = (tenant, filter, span, limit);
        none("candidates")
    }

    /// One job with its bytes.
    async fn whole(&self, tenant: &TenantId, job: &JobId) -> Result<Option<WholeJob>, StoreError> {
        let _ = (tenant, job);
        none("whole")
    }

    /// Begins a replay, once: of the jobs that there are now.
    async fn replay_begin(
        &self,
        tenant: &TenantId,
        new: NewReplay,
        by: By<'_>,
        now: Time,
    ) -> Result<Begun, StoreError> {
        let _ = (tenant, new, by, now);
        none("replay_begin")
    }

    /// One replay.
    async fn replay(&self, tenant: &TenantId, id: &str) -> Result<Option<Replay>, StoreError> {
        let _ = (tenant, id);
        none("replay")
    }

    /// Replays, newest first, at most `limit`.
    async fn replays(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Replay>, StoreError> {
        let _ = (tenant, limit);
        none("replays")
    }

    /// Replays of all tenants whose next step is due.
    async fn replays_due(&self, now: Time) -> Result<Vec<(TenantId, Replay)>, StoreError> {
        let _ = now;
        Ok(Vec::new())
    }

    /// Carries out a step; `false` if another did, or the replay does not run.
    async fn replay_step(&self, tenant: &TenantId, step: ReplayStep) -> Result<bool, StoreError> {
        let _ = (tenant, step);
        none("replay_step")
    }

    /// Stops a running replay; `false` if none of that id runs.
    async fn replay_stop(
        &self,
        tenant: &TenantId,
        id: &str,
        by: By<'_>,
        now: Time,
    ) -> Result<bool, StoreError> {
        let _ = (tenant, id, by, now);
        none("replay_stop")
    }

    /// Cancels some of what a stopped replay made and was never tried; when none is left, the replay ends.
    async fn replay_sweep(&self, tenant: &TenantId, id: &str, now: Time) -> Result<(), StoreError> {
        let _ = (tenant, id, now);
        none("replay_sweep")
    }

    /// Puts a job in for another; `false` if what was seen has moved.
    async fn stand_in(
        &self,
        tenant: &TenantId,
        stand_in: StandIn,
        by: By<'_>,
    ) -> Result<bool, StoreError> {
        let _ = (tenant, stand_in, by);
        none("stand_in")
    }

    /// Keeps what one person proposes.
    async fn propose(
        &self,
        tenant: &TenantId,
        new: NewProposal,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError> {
        let _ = (tenant, new, by, now);
        none("propose")
    }

    /// Open proposals, oldest first, at most `limit`.
    async fn proposals(
        &self,
        tenant: &TenantId,
        limit: usize,
    ) -> Result<Vec<Proposal>, StoreError> {
        let _ = (tenant, limit);
        Ok(Vec::new())
    }

    /// Confirms or rejects an open proposal, once; `None`: there is none, or whoever confirms it proposed
    /// it.
    async fn decide(
        &self,
        tenant: &TenantId,
        id: &str,
        second: &str,
        confirms: bool,
        now: Time,
    ) -> Result<Option<Proposal>, StoreError> {
        let _ = (tenant, id, second, confirms, now);
        none("decide")
    }
}

fn none<T>(operation: &'static str) -> Result<T, StoreError> {
    Err(StoreError::Failed {
        operation,
        cause: "this store makes nothing anew".into(),
    })
}
