//! The verbs of a store: each is one call of the writer, or one query, or a few that see one moment.

use std::time::Duration;

use async_trait::async_trait;

use super::failure::Failure;
use super::readers::Params;
use super::rows::{self, get, text};
use super::writer::Work;
use super::{Postgres, admit, claim, keeping, locks, people, raw, read, report, views};
use crate::clock::Time;
use crate::ids::{Hash, JobId, PartnerId, RawId, TenantId};
use crate::issue::Issue;
use crate::sync::job::{Chain, ChainJob, Claimed, VersionRef};
use crate::sync::ports::{
    Act, Admission, Admitted, ClaimRequest, CrosswalkRow, Denial, Finding, Given, Keep, NewRaw,
    RawState, Received, Refusal, Report, Reported, ResourceRow, Restored, Status, Store,
    StoreError, StoredRaw, StoredVersion, Story,
};
use crate::sync::reason::Reason;

#[async_trait]
impl Store for Postgres {
    async fn admit(&self, admission: Admission) -> Result<Admitted, StoreError> {
        self.write_one("admit", admit::work(&admission), admit::answer)
            .await
    }

    async fn receive(
        &self,
        tenant: &TenantId,
        raw: NewRaw,
        now: Time,
    ) -> Result<Received, StoreError> {
        let rows = self
            .writer
            .call("receive", raw::receive(tenant, &raw, now))
            .await?;
        raw::received(&rows).map_err(|e| e.error("receive"))
    }

    async fn settle_raw(
        &self,
        tenant: &TenantId,
        raw: &RawId,
        state: RawState,
        issues: Vec<Issue>,
        unmatched: Option<(PartnerId, String)>,
        given: Option<Given>,
    ) -> Result<(), StoreError> {
        let work = raw::settle(
            tenant,
            raw,
            state,
            &issues,
            unmatched.as_ref(),
            given.as_ref(),
        );
        self.write("settle_raw", work).await
    }

    async fn raw(&self, tenant: &TenantId, raw: &RawId) -> Result<Option<StoredRaw>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(raw.as_str())];
        self.read_one("raw", read::RAW, name, rows::stored_raw)
            .await
    }

    async fn raws_left(
        &self,
        tenant: &TenantId,
        before: Time,
        limit: usize,
    ) -> Result<Vec<RawId>, StoreError> {
        let limit = rows::limit(limit);
        let which: Params<'_> = &[&tenant.as_str(), &before.micros(), &limit];
        self.read("raws_left", read::RAWS_LEFT, which, |r| {
            Ok(RawId::new(get(r, 0)?))
        })
        .await
    }

    async fn idempotent(
        &self,
        tenant: &TenantId,
        caller: &str,
        key: &str,
    ) -> Result<Option<(Hash, Given)>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(caller), &text(key)];
        self.read_one("idempotent", read::IDEMPOTENT, name, |r| {
            Ok((rows::hash(r, 0)?, rows::given(r, 1)?))
        })
        .await
    }

    async fn newest(
        &self,
        tenant: &TenantId,
        names: &[(String, String)],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError> {
        let own = |t: &String| text(t).into_owned();
        let (kinds, ids): (Vec<_>, Vec<_>) = names.iter().map(|(k, i)| (own(k), own(i))).unzip();
        let which: Params<'_> = &[&tenant.as_str(), &kinds, &ids];
        self.read("newest", read::NEWEST, which, rows::stored_version_if)
            .await
    }

    async fn versions(
        &self,
        tenant: &TenantId,
        records: &[VersionRef],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError> {
        let (kinds, ids, numbers) = views::arrays(records);
        let which: Params<'_> = &[&tenant.as_str(), &kinds, &ids, &numbers];
        self.read("versions", read::VERSIONS, which, rows::stored_version_if)
            .await
    }

    async fn consents(
        &self,
        tenant: &TenantId,
        client: &str,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(client)];
        self.read("consents", read::CONSENTS, name, rows::stored_version)
            .await
    }

    async fn resources(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Vec<ResourceRow>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(kind), &text(id)];
        self.read("resources", read::RESOURCES, name, rows::resource)
            .await
    }

    async fn resource_versions(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let limit = rows::limit(limit);
        let which: Params<'_> = &[
            &tenant.as_str(),
            &text(resource_type),
            &text(our_id),
            &limit,
        ];
        self.read("resource_versions", read::RESOURCE_VERSIONS, which, |r| {
            Ok((rows::number(r, 0)?, rows::open(get(r, 1)?)?))
        })
        .await
    }

    async fn resource_owner(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(resource_type), &text(our_id)];
        self.read_one("resource_owner", read::RESOURCE_OWNER, name, |r| {
            Ok((get(r, 0)?, get(r, 1)?))
        })
        .await
    }

    async fn chain(&self, tenant: &TenantId, chain: &Chain) -> Result<Vec<ChainJob>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(&chain.0)];
        self.read("chain", read::CHAIN, name, rows::chain_job).await
    }

    async fn referred_to(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(kind), &text(id)];
        let found = self
            .read_one("referred_to", read::REFERRED_TO, name, |r| get(r, 0))
            .await?;
        Ok(found.unwrap_or(false))
    }

    async fn job_of_message(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        message: &str,
    ) -> Result<Option<ChainJob>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &partner.as_str(), &text(message)];
        self.read_one(
            "job_of_message",
            read::JOB_OF_MESSAGE,
            name,
            rows::chain_job,
        )
        .await
    }

    async fn denials(&self, tenant: &TenantId, client: &str) -> Result<Vec<Denial>, StoreError> {
        let name: Params<'_> = &[&tenant.as_str(), &text(client)];
        self.read("denials", read::DENIALS, name, views::denial)
            .await
    }

    async fn denied_clients(&self, tenant: &TenantId) -> Result<Vec<String>, StoreError> {
        let whose: Params<'_> = &[&tenant.as_str()];
        self.read("denied_clients", read::DENIED_CLIENTS, whose, |r| get(r, 0))
            .await
    }

    async fn crosswalk(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        ours: &[(String, String)],
    ) -> Result<Vec<CrosswalkRow>, StoreError> {
        let own = |t: &String| text(t).into_owned();
        let (types, ids): (Vec<_>, Vec<_>) = ours.iter().map(|(t, i)| (own(t), own(i))).unzip();
        let which: Params<'_> = &[&tenant.as_str(), &partner.as_str(), &types, &ids];
        self.read("crosswalk", read::CROSSWALK, which, rows::crosswalk)
            .await
    }

    async fn crosswalk_back(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        resource_type: &str,
        their_id: &str,
    ) -> Result<Option<CrosswalkRow>, StoreError> {
        let name: Params<'_> = &[
            &tenant.as_str(),
            &partner.as_str(),
            &text(resource_type),
            &text(their_id),
        ];
        self.read_one(
            "crosswalk_back",
            read::CROSSWALK_BACK,
            name,
            rows::crosswalk,
        )
        .await
    }

    async fn link(
        &self,
        tenant: &TenantId,
        row: CrosswalkRow,
        client: Option<String>,
        now: Time,
    ) -> Result<(), StoreError> {
        let work = people::link(tenant, &row, client.as_deref(), now);
        self.write("link", work).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        const OPERATION: &str = "claim";
        // Where nothing is due nobody's lock is taken.
        let all = rows::document(claim::room(&request));
        let which: Params<'_> = &[&all, &request.now.micros()];
        let some: Option<String> = self
            .read_one(
                OPERATION,
                "SELECT claimable($1::text::jsonb, $2)::text",
                which,
                |r| get(r, 0),
            )
            .await?;
        let room = rows::json::<serde_json::Value>(some.as_deref().unwrap_or("[]"))
            .map_err(|e| e.error(OPERATION))?;
        if room.as_array().is_none_or(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let work = claim::work(&request, &room, self.by_caller);
        let rows = self.writer.call(OPERATION, work).await?;
        claim::claimed(&rows).map_err(|e| e.error(OPERATION))
    }

    async fn report(&self, report: Report) -> Result<Reported, StoreError> {
        self.write_one("report", report::work(&report), |r| {
            Ok(if get(r, 0)? {
                Reported::Stored
            } else {
                Reported::LeaseLost
            })
        })
        .await
    }

    async fn rescue(&self, now: Time) -> Result<u64, StoreError> {
        const OPERATION: &str = "rescue";
        let which: Params<'_> = &[&now.micros(), &self.by_caller];
        let all = self
            .read(
                OPERATION,
                "SELECT tenant, partner FROM rescuable($1, $2)",
                which,
                rows::member,
            )
            .await?;
        let mut lost = 0;
        for (tenant, partner) in all {
            let work = report::rescue(&tenant, &partner, now, self.by_caller);
            lost += self
                .write_one(OPERATION, work, |r| rows::number(r, 0))
                .await?;
        }
        Ok(lost)
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn open_jobs(&self, tenant: &TenantId) -> Result<Vec<(PartnerId, u64)>, StoreError> {
        const SQL: &str = "SELECT partner, sum(n)::bigint FROM count WHERE tenant = $1
           AND state IN ('waiting', 'sending', 'asking') GROUP BY partner";
        self.read("open_jobs", SQL, &[&tenant.as_str()], |r| {
            Ok((PartnerId::new(get(r, 0)?), rows::number(r, 1)?))
        })
        .await
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        let due = self
            .read_one("next_due", "SELECT next_due()", &[], |r| {
                rows::time_if(r, 0)
            })
            .await?;
        Ok(due.flatten())
    }

    async fn take_probes(
        &self,
        now: Time,
        lease: Duration,
    ) -> Result<Vec<(TenantId, PartnerId)>, StoreError> {
        const OPERATION: &str = "take_probes";
        // Hardly ever is one due: then nobody's lock is taken.
        let which: Params<'_> = &[&now.micros(), &self.by_caller];
        let due = self
            .read(OPERATION, report::PROBES, which, rows::member)
            .await?;
        let mut taken = Vec::new();
        for (tenant, partner) in due {
            let work = report::take_probe(&tenant, &partner, now, lease, self.by_caller);
            if self.write_one(OPERATION, work, |r| get(r, 0)).await? {
                taken.push((tenant, partner));
            }
        }
        Ok(taken)
    }

    async fn probed(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        asked: Time,
        again: Option<(Time, Reason)>,
    ) -> Result<(), StoreError> {
        let work = report::probed(tenant, partner, asked, again);
        self.write("probed", work).await
    }

    async fn pause(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        pause: Option<(Time, Reason)>,
    ) -> Result<(), StoreError> {
        self.write("pause", report::pause(tenant, partner, pause))
            .await
    }

    async fn act(
        &self,
        tenant: &TenantId,
        job: &JobId,
        act: Act,
        who: &str,
        why: &str,
        now: Time,
    ) -> Result<bool, StoreError> {
        let work = people::act(tenant, job, act, (who, why), now);
        self.write_one("act", work, |r| get(r, 0)).await
    }

    async fn count_refusals(
        &self,
        tenant: &TenantId,
        refusals: Vec<Refusal>,
        now: Time,
    ) -> Result<(), StoreError> {
        let work = raw::count_refusals(tenant, &refusals, now);
        self.write("count_refusals", work).await
    }

    async fn feed(
        &self,
        tenant: &TenantId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, StoredVersion)>, StoreError> {
        // Whoever reads gives positions to what has none yet.
        let t = tenant.as_str();
        let new: Option<bool> = self
            .read_one("feed", read::FEED_NEW, &[&t], |r| get(r, 0))
            .await?;
        if new == Some(true) {
            self.readers
                .rows("feed", "SELECT feed_sequence($1)", &[&t])
                .await?;
        }
        let limit = rows::limit(limit);
        self.read("feed", read::FEED, &[&t, &after, &limit], |r| {
            Ok((get(r, 12)?, rows::stored_version(r)?))
        })
        .await
    }

    async fn story(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Option<Story>, StoreError> {
        let told = async {
            let mut moment = self.readers.moment().await?;
            let story = views::story(&mut moment, tenant, &text(kind), &text(id)).await?;
            moment.end().await?;
            Ok(story)
        };
        told.await.map_err(|e: Failure| e.error("story"))
    }

    async fn status(
        &self,
        tenant: &TenantId,
        now: Time,
        limit: usize,
    ) -> Result<Status, StoreError> {
        let told = async {
            let mut moment = self.readers.moment().await?;
            let status = views::status(&mut moment, tenant, now, limit).await?;
            moment.end().await?;
            Ok(status)
        };
        told.await.map_err(|e: Failure| e.error("status"))
    }

    async fn prune(&self, now: Time, keep: &Keep) -> Result<u64, StoreError> {
        self.keep_house(now, keep).await
    }

    async fn audit(&self, now: Time, grace: Duration) -> Result<Vec<Finding>, StoreError> {
        let looked = async {
            let mut moment = self.readers.moment().await?;
            let found = keeping::look(&mut moment, now, grace, self.by_caller).await?;
            moment.end().await?;
            Ok(found)
        };
        let found = looked.await.map_err(|e: Failure| e.error("audit"))?;
        self.write("audit", keeping::remember(&found, now)).await?;
        Ok(found)
    }

    async fn mark_restored(&self, now: Time) -> Result<Restored, StoreError> {
        self.mark(now).await
    }

    async fn restored(&self) -> Result<Option<Time>, StoreError> {
        self.read_one("restored", read::MOMENT, &[&"restored"], |r| {
            rows::time(r, 0)
        })
        .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        // By the writer, and a server that writes: a standby is no store.
        let work = Work::new(
            "SELECT pg_is_in_recovery()",
            locks::Wish::default(),
            Vec::new(),
        );
        let standby = self.write_one("check", work.quiet(), |r| get(r, 0)).await?;
        if standby {
            return Err(Failure::other("the database is a standby").error("check"));
        }
        Ok(())
    }
}
