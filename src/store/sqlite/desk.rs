//! What people look at and do, as the trait has it. No SQL here.

use async_trait::async_trait;

use super::{Sqlite, find, steer};
use crate::clock::Time;
use crate::ids::{JobId, PartnerId, TenantId};
use crate::sync::ports::{
    By, Desk, HoldView, JobFilter, JobPlace, JobSheet, JobView, LanePlace, LaneView, Page, Steer,
    SteerView, StoreError,
};

#[async_trait]
impl Desk for Sqlite {
    async fn jobs(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobPlace>,
        limit: usize,
        now: Time,
    ) -> Result<Page<JobView, JobPlace>, StoreError> {
        self.read_at_once("jobs", |c| {
            find::jobs(c, tenant.as_str(), filter, after, limit, now)
        })
    }

    async fn job(
        &self,
        tenant: &TenantId,
        job: &JobId,
        now: Time,
    ) -> Result<Option<JobSheet>, StoreError> {
        self.read_at_once("job", |c| find::sheet(c, tenant.as_str(), job, now))
    }

    async fn lanes(
        &self,
        tenant: &TenantId,
        partner: Option<&PartnerId>,
        after: Option<LanePlace>,
        limit: usize,
        now: Time,
    ) -> Result<Page<LaneView, LanePlace>, StoreError> {
        self.read_at_once("lanes", |c| {
            find::lanes(c, tenant.as_str(), partner, after, limit, now)
        })
    }

    async fn lane(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        lane: &str,
        limit: usize,
        now: Time,
    ) -> Result<Vec<JobView>, StoreError> {
        self.read_at_once("lane", |c| {
            find::lane(c, tenant.as_str(), partner, lane, limit, now)
        })
    }

    async fn steer(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        steer: Steer,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError> {
        let (tenant, partner) = (tenant.clone(), partner.clone());
        let (who, why) = (by.who.to_owned(), by.why.to_owned());
        self.writer
            .call("steer", move |c| {
                let by = By {
                    who: &who,
                    why: &why,
                };
                steer::steer(c, tenant.as_str(), partner.as_str(), steer, by, now)
            })
            .await
    }

    async fn steered(&self, tenant: &TenantId) -> Result<Vec<SteerView>, StoreError> {
        self.read_at_once("steered", |c| steer::steered(c, tenant.as_str()))
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
        let (tenant, client) = (tenant.clone(), client.to_owned());
        let partner = partner.cloned();
        let (who, why) = (by.who.to_owned(), by.why.to_owned());
        self.writer
            .call("hold", move |c| {
                let by = By {
                    who: &who,
                    why: &why,
                };
                let whom = (client.as_str(), partner.as_ref().map_or("", |p| p.as_str()));
                steer::hold(c, tenant.as_str(), whom, on, by, now)
            })
            .await
    }

    async fn holds(&self, tenant: &TenantId, limit: usize) -> Result<Vec<HoldView>, StoreError> {
        self.read("holds", |c| steer::holds(c, tenant.as_str(), limit))
    }
}
