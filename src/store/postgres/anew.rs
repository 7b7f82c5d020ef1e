//! What people have made anew, as the trait has it. No SQL here.

use async_trait::async_trait;

use super::failure::Failure;
use super::readers::Params;
use super::rows::{self, get, text};
use super::{Postgres, replay, second};
use crate::clock::Time;
use crate::ids::{JobId, TenantId};
use crate::sync::ports::{
    Anew, Begun, By, Candidate, JobFilter, NewProposal, NewReplay, Proposal, Replay, ReplayStep,
    StandIn, StoreError, WholeJob,
};

#[async_trait]
impl Anew for Postgres {
    async fn candidates(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        span: (i64, i64),
        limit: usize,
    ) -> Result<(Vec<Candidate>, i64), StoreError> {
        let mut moment = self.moment("candidates").await?;
        let found = replay::candidates(&mut moment, tenant.as_str(), filter, span, limit).await;
        Self::over_with("candidates", moment, found).await
    }

    async fn whole(&self, tenant: &TenantId, job: &JobId) -> Result<Option<WholeJob>, StoreError> {
        let mut moment = self.moment("whole").await?;
        let found = replay::whole(&mut moment, tenant.as_str(), job).await;
        Self::over_with("whole", moment, found).await
    }

    async fn replay_begin(
        &self,
        tenant: &TenantId,
        new: NewReplay,
        by: By<'_>,
        now: Time,
    ) -> Result<Begun, StoreError> {
        const OPERATION: &str = "replay_begin";
        let work = replay::begin(tenant, &new, by, now);
        let is_new: bool = self.write_one(OPERATION, work, |r| get(r, 0)).await?;
        let known = self.replay(tenant, &new.id).await?;
        let known = known.ok_or_else(|| Failure::other("no answer").error(OPERATION))?;
        Ok(if is_new {
            Begun::New(known)
        } else if known.filter == new.filter && known.rate == new.rate {
            Begun::Known(known)
        } else {
            Begun::OtherThere
        })
    }

    async fn replay(&self, tenant: &TenantId, id: &str) -> Result<Option<Replay>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(id)];
        self.read_one("replay", replay::ONE, name, replay::replay)
            .await
    }

    async fn replays(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Replay>, StoreError> {
        let which: Params<'_> = &[&tenant.as_str(), &rows::limit(limit)];
        self.read("replays", replay::ALL, which, replay::replay)
            .await
    }

    async fn replays_due(&self, now: Time) -> Result<Vec<(TenantId, Replay)>, StoreError> {
        self.read("replays_due", replay::DUE, &[&now.micros()], |r| {
            Ok((TenantId::new(get(r, replay::TENANT)?), replay::replay(r)?))
        })
        .await
    }

    async fn replay_step(&self, tenant: &TenantId, step: ReplayStep) -> Result<bool, StoreError> {
        self.write_one("replay_step", replay::step(tenant, &step), |r| get(r, 0))
            .await
    }

    async fn replay_stop(
        &self,
        tenant: &TenantId,
        id: &str,
        by: By<'_>,
        now: Time,
    ) -> Result<bool, StoreError> {
        self.write_one("replay_stop", replay::stop(tenant, id, by, now), |r| {
            get(r, 0)
        })
        .await
    }

    async fn replay_sweep(&self, tenant: &TenantId, id: &str, now: Time) -> Result<(), StoreError> {
        // Its filter never changes, and names the partner at which it makes jobs.
        let partner = match self.replay(tenant, id).await? {
            Some(Replay { filter, .. }) => filter.partner,
            None => None,
        };
        match partner {
            Some(partner) => {
                let work = replay::sweep(tenant, id, &partner, now);
                self.write("replay_sweep", work).await
            }
            None => Ok(()),
        }
    }

    async fn stand_in(
        &self,
        tenant: &TenantId,
        stand_in: StandIn,
        by: By<'_>,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "stand_in";
        let name: Params<'_> = &[&tenant.as_str(), &text(stand_in.source.as_str())];
        let client: Option<Option<String>> = self
            .read_one(OPERATION, second::CLIENT, name, |r| get(r, 0))
            .await?;
        let Some(client) = client else {
            return Ok(false);
        };
        let work = second::stand_in(tenant, &stand_in, client.as_deref(), by);
        self.write_one(OPERATION, work, |r| get(r, 0)).await
    }

    async fn propose(
        &self,
        tenant: &TenantId,
        new: NewProposal,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError> {
        self.write("propose", second::propose(tenant, &new, by, now))
            .await
    }

    async fn proposals(
        &self,
        tenant: &TenantId,
        limit: usize,
    ) -> Result<Vec<Proposal>, StoreError> {
        let which: Params<'_> = &[&tenant.as_str(), &rows::limit(limit)];
        self.read("proposals", second::OPEN, which, second::proposal)
            .await
    }

    async fn decide(
        &self,
        tenant: &TenantId,
        id: &str,
        second: &str,
        confirms: bool,
        now: Time,
    ) -> Result<Option<Proposal>, StoreError> {
        const OPERATION: &str = "decide";
        let work = second::decide(tenant, id, (second, confirms), now);
        let rows = self.writer.call(OPERATION, work).await?;
        let decided = rows.first().map(second::proposal).transpose();
        decided.map_err(|e| e.error(OPERATION))
    }
}
