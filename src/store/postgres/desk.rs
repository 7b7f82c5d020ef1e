//! What people look at and do: a partner steered, a patient held, jobs and lanes found.

use async_trait::async_trait;

use super::locks::Wish;
use super::readers::{Moment, Params};
use super::rows::{self, Read, get, text};
use super::writer::Work;
use super::{Postgres, find};
use crate::clock::Time;
use crate::ids::{JobId, PartnerId, TenantId};
use crate::store::seal::seal;
use crate::sync::ports::{
    By, Desk, HoldView, JobFilter, JobPlace, JobSheet, JobView, LanePlace, LaneView, Page, Steer,
    SteerView, StoreError,
};

/// How partners were steered: partner, whether it is drained and done with that, and the last deed.
const STEERED: &str = "SELECT p.partner, CASE WHEN p.drain IS NOT NULL THEN NOT EXISTS (
     SELECT 1 FROM lane l WHERE l.tenant = p.tenant AND l.partner = p.partner AND l.mode IN (0, 1, 2, 4, 5)
       AND (l.head <= p.drain OR l.succeeds <= p.drain)) END, d.what, d.who, d.why, d.at
   FROM partner p LEFT JOIN LATERAL (SELECT * FROM deed o WHERE o.tenant = p.tenant
     AND o.about = 'partner/' || p.partner ORDER BY o.n DESC LIMIT 1) d ON true
   WHERE p.tenant = $1 AND (p.drain IS NOT NULL OR d.n IS NOT NULL) ORDER BY p.partner";

const HOLDS: &str = "SELECT client, partner, 'hold', who, why, since FROM stop WHERE tenant = $1
   ORDER BY since LIMIT $2";

impl Postgres {
    pub(super) async fn moment(&self, operation: &'static str) -> Result<Moment<'_>, StoreError> {
        self.readers.moment().await.map_err(|e| e.error(operation))
    }

    /// Ends a moment with what was found in it.
    pub(super) async fn over_with<T>(
        operation: &'static str,
        moment: Moment<'_>,
        found: Read<T>,
    ) -> Result<T, StoreError> {
        let found = found.map_err(|e| e.error(operation))?;
        moment.end().await.map_err(|e| e.error(operation))?;
        Ok(found)
    }
}

#[async_trait]
impl Desk for Postgres {
    async fn jobs(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobPlace>,
        limit: usize,
        now: Time,
    ) -> Result<Page<JobView, JobPlace>, StoreError> {
        let mut moment = self.moment("jobs").await?;
        let found = find::jobs(&mut moment, tenant.as_str(), filter, after, limit, now).await;
        Self::over_with("jobs", moment, found).await
    }

    async fn job(
        &self,
        tenant: &TenantId,
        job: &JobId,
        now: Time,
    ) -> Result<Option<JobSheet>, StoreError> {
        let mut moment = self.moment("job").await?;
        let found = find::sheet(&mut moment, tenant.as_str(), job, now).await;
        Self::over_with("job", moment, found).await
    }

    async fn lanes(
        &self,
        tenant: &TenantId,
        partner: Option<&PartnerId>,
        after: Option<LanePlace>,
        limit: usize,
        now: Time,
    ) -> Result<Page<LaneView, LanePlace>, StoreError> {
        let mut moment = self.moment("lanes").await?;
        let found = find::lanes(&mut moment, tenant.as_str(), partner, after, limit, now).await;
        Self::over_with("lanes", moment, found).await
    }

    async fn lane(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        lane: &str,
        limit: usize,
        now: Time,
    ) -> Result<Vec<JobView>, StoreError> {
        let mut moment = self.moment("lane").await?;
        let found = find::lane(&mut moment, tenant.as_str(), partner, lane, limit, now).await;
        Self::over_with("lane", moment, found).await
    }

    async fn steer(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        steer: Steer,
        by: By<'_>,
        now: Time,
    ) -> Result<(), StoreError> {
        let work = Work::new(
            "SELECT steer($1, $2, $3, $4, $5, $6)",
            Wish::default().partner(tenant, partner),
            vec![
                Box::new(tenant.as_str().to_owned()),
                Box::new(partner.as_str().to_owned()),
                Box::new(steer.as_str()),
                Box::new(text(by.who).into_owned()),
                Box::new(seal(by.why.as_bytes())),
                Box::new(now.micros()),
            ],
        );
        self.write("steer", work).await
    }

    async fn steered(&self, tenant: &TenantId) -> Result<Vec<SteerView>, StoreError> {
        self.read("steered", STEERED, &[&tenant.as_str()], |r| {
            let last = match get::<Option<&str>>(r, 2)? {
                Some(_) => Some(find::deed(r, 2)?),
                None => None,
            };
            Ok(SteerView {
                partner: PartnerId::new(get(r, 0)?),
                drained: get(r, 1)?,
                last,
            })
        })
        .await
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
        const PARTNERS: &str = "SELECT DISTINCT partner FROM count WHERE tenant = $1";
        let partners = match partner {
            Some(partner) => vec![partner.clone()],
            None => {
                let each = |r: &_| Ok(PartnerId::new(get(r, 0)?));
                self.read("hold", PARTNERS, &[&tenant.as_str()], each)
                    .await?
            }
        };
        // Admissions of the patient take that name, too: none comes in between at a new partner.
        let mut wish = Wish::default().name("patient", tenant, &[client]);
        for partner in &partners {
            wish = wish.partner(tenant, partner);
        }
        let work = Work::new(
            "SELECT stop_patient($1, $2, $3, $4, $5, $6, $7)",
            wish,
            vec![
                Box::new(tenant.as_str().to_owned()),
                Box::new(text(client).into_owned()),
                Box::new(partner.map_or_else(String::new, |p| p.as_str().to_owned())),
                Box::new(on),
                Box::new(text(by.who).into_owned()),
                Box::new(seal(by.why.as_bytes())),
                Box::new(now.micros()),
            ],
        );
        // Done twice, the second answer would be that it was so already.
        self.write_one("hold", work.once(), |r| get(r, 0)).await
    }

    async fn holds(&self, tenant: &TenantId, limit: usize) -> Result<Vec<HoldView>, StoreError> {
        let which: Params<'_> = &[&tenant.as_str(), &rows::limit(limit)];
        self.read("holds", HOLDS, which, |r| {
            let partner: &str = get(r, 1)?;
            Ok(HoldView {
                client: get(r, 0)?,
                partner: (!partner.is_empty()).then(|| PartnerId::new(partner)),
                deed: find::deed(r, 2)?,
            })
        })
        .await
    }
}
