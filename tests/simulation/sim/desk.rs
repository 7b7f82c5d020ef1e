//! What people look at and press, straight from the shared store: it takes no turn of the seed's.

use async_trait::async_trait;
use fhir_gateway::clock::Time;
use fhir_gateway::ids::{JobId, PartnerId, TenantId};
use fhir_gateway::sync::ports::{
    Anew, Begun, By, Candidate, Desk, HoldView, JobFilter, JobPlace, JobSheet, JobView, LanePlace,
    LaneView, NewProposal, NewReplay, Page, Proposal, Replay, ReplayStep, StandIn, Steer,
    SteerView, StoreError, WholeJob,
};

use super::base::Base;
use super::turns::at_once;

#[async_trait]
impl Desk for Base {
    async fn jobs(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobPlace>,
        limit: usize,
        now: Time,
    ) -> Result<Page<JobView, JobPlace>, StoreError> {
        at_once(self.shared.store.jobs(tenant, filter, after, limit, now))
    }

    async fn job(
        &self,
        tenant: &TenantId,
        job: &JobId,
        now: Time,
    ) -> Result<Option<JobSheet>, StoreError> {
        at_once(self.shared.store.job(tenant, job, now))
    }

    async fn lanes(
        &self,
        tenant: &TenantId,
        partner: Option<&PartnerId>,
        after: Option<LanePlace>,
        limit: usize,
        now: Time,
    ) -> Result<Page<LaneView, LanePlace>, StoreError> {
        at_once(self.shared.store.lanes(tenant, partner, after, limit, now))
    }

    async fn lane(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        lane: &str,
        limit: usize,
        now: Time,
    ) -> Result<Vec<JobView>, StoreError> {
        at_once(self.shared.store.lane(tenant, partner, lane, limit, now))
    }

    async fn steer(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        steer: Steer,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError> {
        at_once(self.shared.store.steer(tenant, partner, steer, by, now))
    }

    async fn steered(&self, tenant: &TenantId) -> Result<Vec<SteerView>, StoreError> {
        at_once(self.shared.store.steered(tenant))
    }

    async fn hold(
        &self,
        tenant: &TenantId,
        client: &str,
        partner: Option<&PartnerId>,
        on: bool,
        by: By<'_>,
        now: Time,
    ) -> Result<bool, StoreError> {
        at_once(self.shared.store.hold(tenant, client, partner, on, by, now))
    }

    async fn holds(&self, tenant: &TenantId, limit: usize) -> Result<Vec<HoldView>, StoreError> {
        at_once(self.shared.store.holds(tenant, limit))
    }
}

#[async_trait]
impl Anew for Base {
    async fn candidates(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        span: (i64, i64),
        limit: usize,
    ) -> Result<(Vec<Candidate>, i64), StoreError> {
        at_once(self.shared.store.candidates(tenant, filter, span, limit))
    }

    async fn whole(&self, tenant: &TenantId, job: &JobId) -> Result<Option<WholeJob>, StoreError> {
        at_once(self.shared.store.whole(tenant, job))
    }

    async fn replay_begin(
        &self,
        tenant: &TenantId,
        new: NewReplay,
        by: By<'_>,
        now: Time,
    ) -> Result<Begun, StoreError> {
        at_once(self.shared.store.replay_begin(tenant, new, by, now))
    }

    async fn replay(&self, tenant: &TenantId, id: &str) -> Result<Option<Replay>, StoreError> {
        at_once(self.shared.store.replay(tenant, id))
    }

    async fn replays(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Replay>, StoreError> {
        at_once(self.shared.store.replays(tenant, limit))
    }

    async fn replays_due(&self, now: Time) -> Result<Vec<(TenantId, Replay)>, StoreError> {
        at_once(self.shared.store.replays_due(now))
    }

    async fn replay_step(&self, tenant: &TenantId, step: ReplayStep) -> Result<bool, StoreError> {
        at_once(self.shared.store.replay_step(tenant, step))
    }

    async fn replay_stop(
        &self,
        tenant: &TenantId,
        id: &str,
        by: By<'_>,
        now: Time,
    ) -> Result<bool, StoreError> {
        at_once(self.shared.store.replay_stop(tenant, id, by, now))
    }

    async fn replay_sweep(&self, tenant: &TenantId, id: &str, now: Time) -> Result<(), StoreError> {
        at_once(self.shared.store.replay_sweep(tenant, id, now))
    }

    async fn stand_in(
        &self,
        tenant: &TenantId,
        stand_in: StandIn,
        by: By<'_>,
    ) -> Result<bool, StoreError> {
        at_once(self.shared.store.stand_in(tenant, stand_in, by))
    }

    async fn propose(
        &self,
        tenant: &TenantId,
        new: NewProposal,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError> {
        at_once(self.shared.store.propose(tenant, new, by, now))
    }

    async fn proposals(
        &self,
        tenant: &TenantId,
        limit: usize,
    ) -> Result<Vec<Proposal>, StoreError> {
        at_once(self.shared.store.proposals(tenant, limit))
    }

    async fn decide(
        &self,
        tenant: &TenantId,
        id: &str,
        second: &str,
        confirms: bool,
        now: Time,
    ) -> Result<Option<Proposal>, StoreError> {
        at_once(self.shared.store.decide(tenant, id, second, confirms, now))
    }
}
