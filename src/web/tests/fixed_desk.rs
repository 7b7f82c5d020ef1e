//! The desk of the store of fixed answers: nothing is found, and what people steer is remembered.

use async_trait::async_trait;

use super::fixed_store::{Fixed, no};
use crate::clock::Time;
use crate::ids::{JobId, PartnerId, TenantId};
use crate::sync::ports::{
    Anew, Begun, By, Candidate, Desk, HoldView, JobFilter, JobPlace, JobSheet, JobView, LanePlace,
    LaneView, NewProposal, NewReplay, Page, Proposal, Replay, ReplayStep, StandIn, Steer,
    SteerView, StoreError, WholeJob,
};

#[async_trait]
impl Desk for Fixed {
    async fn jobs(
        &self,
        _: &TenantId,
        _: &JobFilter,
        _: Option<JobPlace>,
        _: usize,
        _: Time,
    ) -> Result<Page<JobView, JobPlace>, StoreError> {
        no("jobs")
    }

    async fn job(&self, _: &TenantId, _: &JobId, _: Time) -> Result<Option<JobSheet>, StoreError> {
        Ok(None)
    }

    async fn lanes(
        &self,
        _: &TenantId,
        _: Option<&PartnerId>,
        _: Option<LanePlace>,
        _: usize,
        _: Time,
    ) -> Result<Page<LaneView, LanePlace>, StoreError> {
        no("lanes")
    }

    async fn lane(
        &self,
        _: &TenantId,
        _: &PartnerId,
        _: &str,
        _: usize,
        _: Time,
    ) -> Result<Vec<JobView>, StoreError> {
        no("lane")
    }

    async fn steer(
        &self,
        _: &TenantId,
        partner: &PartnerId,
        steer: Steer,
        by: By<'_>,
        _: Time,
    ) -> Result<(), StoreError> {
        self.note(format!("{} {partner} by {}", steer.as_str(), by.who));
        Ok(())
    }

    async fn steered(&self, _: &TenantId) -> Result<Vec<SteerView>, StoreError> {
        no("steered")
    }

    async fn hold(
        &self,
        _: &TenantId,
        _: &str,
        _: Option<&PartnerId>,
        _: bool,
        _: By<'_>,
        _: Time,
    ) -> Result<bool, StoreError> {
        no("hold")
    }

    async fn holds(&self, _: &TenantId, _: usize) -> Result<Vec<HoldView>, StoreError> {
        no("holds")
    }
}

#[async_trait]
impl Anew for Fixed {
    async fn candidates(
        &self,
        _: &TenantId,
        _: &JobFilter,
        _: (i64, i64),
        _: usize,
    ) -> Result<(Vec<Candidate>, i64), StoreError> {
        no("candidates")
    }

    async fn whole(&self, _: &TenantId, _: &JobId) -> Result<Option<WholeJob>, StoreError> {
        no("whole")
    }

    async fn replay_begin(
        &self,
        _: &TenantId,
        _: NewReplay,
        _: By<'_>,
        _: Time,
    ) -> Result<Begun, StoreError> {
        no("replay_begin")
    }

    async fn replay(&self, _: &TenantId, _: &str) -> Result<Option<Replay>, StoreError> {
        no("replay")
    }

    async fn replays(&self, _: &TenantId, _: usize) -> Result<Vec<Replay>, StoreError> {
        Ok(Vec::new())
    }

    async fn replays_due(&self, _: Time) -> Result<Vec<(TenantId, Replay)>, StoreError> {
        Ok(Vec::new())
    }

    async fn replay_step(&self, _: &TenantId, _: ReplayStep) -> Result<bool, StoreError> {
        no("replay_step")
    }

    async fn replay_stop(
        &self,
        _: &TenantId,
        _: &str,
        _: By<'_>,
        _: Time,
    ) -> Result<bool, StoreError> {
        no("replay_stop")
    }

    async fn replay_sweep(&self, _: &TenantId, _: &str, _: Time) -> Result<(), StoreError> {
        no("replay_sweep")
    }

    async fn stand_in(&self, _: &TenantId, _: StandIn, _: By<'_>) -> Result<bool, StoreError> {
        no("stand_in")
    }

    async fn propose(
        &self,
        _: &TenantId,
        _: NewProposal,
        _: By<'_>,
        _: Time,
    ) -> Result<(), StoreError> {
        no("propose")
    }

    async fn proposals(&self, _: &TenantId, _: usize) -> Result<Vec<Proposal>, StoreError> {
        Ok(Vec::new())
    }

    async fn decide(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
        _: bool,
        _: Time,
    ) -> Result<Option<Proposal>, StoreError> {
        no("decide")
    }
}
