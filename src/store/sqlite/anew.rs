//! What people have made anew, as the trait has it. No SQL here.

use async_trait::async_trait;

use super::{Sqlite, replay, second};
use crate::clock::Time;
use crate::ids::{JobId, TenantId};
use crate::sync::ports::{
    Anew, Begun, By, Candidate, JobFilter, NewProposal, NewReplay, Proposal, Replay, ReplayStep,
    StandIn, StoreError, WholeJob,
};

/// [`By`] that can go to the writer.
struct Owned(String, String);

impl Owned {
    fn of(by: By<'_>) -> Self {
        Owned(by.who.to_owned(), by.why.to_owned())
    }

    fn by(&self) -> By<'_> {
        By {
            who: &self.0,
            why: &self.1,
        }
    }
}

#[async_trait]
impl Anew for Sqlite {
    async fn candidates(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        span: (i64, i64),
        limit: usize,
    ) -> Result<(Vec<Candidate>, i64), StoreError> {
        self.read("candidates", |c| {
            replay::candidates(c, tenant.as_str(), filter, span, limit)
        })
    }

    async fn whole(&self, tenant: &TenantId, job: &JobId) -> Result<Option<WholeJob>, StoreError> {
        self.read_at_once("whole", |c| replay::whole(c, tenant.as_str(), job))
    }

    async fn replay_begin(
        &self,
        tenant: &TenantId,
        new: NewReplay,
        by: By<'_>,
        now: Time,
    ) -> Result<Begun, StoreError> {
        let (tenant, by) = (tenant.clone(), Owned::of(by));
        self.writer
            .call("replay_begin", move |c| {
                replay::begin(c, tenant.as_str(), &new, by.by(), now)
            })
            .await
    }

    async fn replay(&self, tenant: &TenantId, id: &str) -> Result<Option<Replay>, StoreError> {
        self.read("replay", |c| replay::one(c, tenant.as_str(), id))
    }

    async fn replays(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Replay>, StoreError> {
        self.read("replays", |c| replay::replays(c, tenant.as_str(), limit))
    }

    async fn replays_due(&self, now: Time) -> Result<Vec<(TenantId, Replay)>, StoreError> {
        self.read("replays_due", |c| replay::due(c, now))
    }

    async fn replay_step(&self, tenant: &TenantId, step: ReplayStep) -> Result<bool, StoreError> {
        let tenant = tenant.clone();
        self.writer
            .call("replay_step", move |c| replay::step(c, &tenant, &step))
            .await
    }

    async fn replay_stop(
        &self,
        tenant: &TenantId,
        id: &str,
        by: By<'_>,
        now: Time,
    ) -> Result<bool, StoreError> {
        let (tenant, id, by) = (tenant.clone(), id.to_owned(), Owned::of(by));
        self.writer
            .call("replay_stop", move |c| {
                replay::stop(c, tenant.as_str(), &id, by.by(), now)
            })
            .await
    }

    async fn replay_sweep(&self, tenant: &TenantId, id: &str, now: Time) -> Result<(), StoreError> {
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.writer
            .call("replay_sweep", move |c| {
                replay::sweep(c, tenant.as_str(), &id, now)
            })
            .await
    }

    async fn stand_in(
        &self,
        tenant: &TenantId,
        stand_in: StandIn,
        by: By<'_>,
    ) -> Result<bool, StoreError> {
        let (tenant, by) = (tenant.clone(), Owned::of(by));
        self.writer
            .call("stand_in", move |c| {
                second::stand_in(c, tenant.as_str(), &stand_in, by.by())
            })
            .await
    }

    async fn propose(
        &self,
        tenant: &TenantId,
        new: NewProposal,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError> {
        let (tenant, by) = (tenant.clone(), Owned::of(by));
        self.writer
            .call("propose", move |c| {
                second::propose(c, tenant.as_str(), &new, by.by(), now)
            })
            .await
    }

    async fn proposals(
        &self,
        tenant: &TenantId,
        limit: usize,
    ) -> Result<Vec<Proposal>, StoreError> {
        self.read("proposals", |c| {
            second::proposals(c, tenant.as_str(), limit)
        })
    }

    async fn decide(
        &self,
        tenant: &TenantId,
        id: &str,
        second: &str,
        confirms: bool,
        now: Time,
    ) -> Result<Option<Proposal>, StoreError> {
        let (tenant, id, second) = (tenant.clone(), id.to_owned(), second.to_owned());
        self.writer
            .call("decide", move |c| {
                second::decide(c, tenant.as_str(), &id, (&second, confirms), now)
            })
            .await
    }
}
