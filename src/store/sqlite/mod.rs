//! SQLite, embedded: one file, one writer thread that commits in groups, readers beside it (WAL).
//!
//! One process at a time: the lock file beside the database says who has it. A reply is given only
//! after the commit with `synchronous = FULL`.

mod admit;
mod anew;
mod audit;
mod backup;
mod blocked;
mod checkpoint;
mod claim;
mod counts;
mod crosswalk;
mod database;
mod denials;
mod desk;
mod effects;
mod find;
mod gather;
mod held_back;
mod jobs;
mod keeping;
mod lanes;
mod makers;
mod people;
mod raw;
mod read;
mod readers;
mod refusals;
mod replay;
mod report;
mod restored;
mod rows;
mod schema;
mod seal;
mod second;
mod space;
mod steer;
#[cfg(test)]
mod tests;
mod versions;
mod views;
mod writer;

use std::time::Duration;

use async_trait::async_trait;

pub use self::backup::{BackupError, backup, restore};
pub use self::database::Sqlite;
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
impl Store for Sqlite {
    async fn admit(&self, admission: Admission) -> Result<Admitted, StoreError> {
        // What is decided about jobs that are here belongs to delivering, for which the last room is kept.
        let brings =
            !admission.answers && (admission.version.is_some() || !admission.jobs.is_empty());
        if brings {
            self.takes_in("admit")?;
        }
        self.writer
            .call("admit", move |c| {
                if brings {
                    space::within_limit(c)?;
                }
                admit::admit(c, &admission)
            })
            .await
    }

    async fn receive(
        &self,
        tenant: &TenantId,
        raw: NewRaw,
        now: Time,
    ) -> Result<Received, StoreError> {
        self.takes_in("receive")?;
        let tenant = tenant.clone();
        self.writer
            .call("receive", move |c| {
                space::within_limit(c)?;
                raw::receive(c, &tenant, &raw, now)
            })
            .await
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
        let (tenant, raw) = (tenant.clone(), raw.clone());
        self.writer
            .call("settle_raw", move |c| {
                raw::settle(
                    c,
                    &tenant,
                    &raw,
                    state,
                    &issues,
                    unmatched.as_ref(),
                    given.as_ref(),
                )
            })
            .await
    }

    async fn raw(&self, tenant: &TenantId, raw: &RawId) -> Result<Option<StoredRaw>, StoreError> {
        self.read("raw", |c| raw::get(c, tenant, raw))
    }

    async fn raws_left(
        &self,
        tenant: &TenantId,
        before: Time,
        limit: usize,
    ) -> Result<Vec<RawId>, StoreError> {
        self.read("raws_left", |c| raw::left(c, tenant, before, limit))
    }

    async fn idempotent(
        &self,
        tenant: &TenantId,
        caller: &str,
        key: &str,
    ) -> Result<Option<(Hash, Given)>, StoreError> {
        self.read("idempotent", |c| read::idempotent(c, tenant, caller, key))
    }

    async fn newest(
        &self,
        tenant: &TenantId,
        names: &[(String, String)],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError> {
        self.read_at_once("newest", |c| read::newest(c, tenant, names))
    }

    async fn versions(
        &self,
        tenant: &TenantId,
        records: &[VersionRef],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError> {
        self.read_at_once("versions", |c| read::versions(c, tenant, records))
    }

    async fn consents(
        &self,
        tenant: &TenantId,
        client: &str,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        self.read("consents", |c| read::consents(c, tenant, client))
    }

    async fn resources(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Vec<ResourceRow>, StoreError> {
        self.read("resources", |c| read::resources(c, tenant, kind, id))
    }

    async fn resource_versions(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read("resource_versions", |c| {
            read::resource_versions(c, tenant, resource_type, our_id, limit)
        })
    }

    async fn resource_owner(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        self.read("resource_owner", |c| {
            read::resource_owner(c, tenant, resource_type, our_id)
        })
    }

    async fn chain(&self, tenant: &TenantId, chain: &Chain) -> Result<Vec<ChainJob>, StoreError> {
        self.read("chain", |c| read::chain(c, tenant, chain))
    }

    async fn referred_to(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        self.read("referred_to", |c| read::referred_to(c, tenant, kind, id))
    }

    async fn job_of_message(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        message: &str,
    ) -> Result<Option<ChainJob>, StoreError> {
        self.read("job_of_message", |c| {
            read::job_of_message(c, tenant, partner, message)
        })
    }

    async fn denials(&self, tenant: &TenantId, client: &str) -> Result<Vec<Denial>, StoreError> {
        self.read("denials", |c| read::denials(c, tenant, client))
    }

    async fn denied_clients(&self, tenant: &TenantId) -> Result<Vec<String>, StoreError> {
        self.read("denied clients", |c| read::denied_clients(c, tenant))
    }

    async fn crosswalk(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        ours: &[(String, String)],
    ) -> Result<Vec<CrosswalkRow>, StoreError> {
        self.read_at_once("crosswalk", |c| crosswalk::rows(c, tenant, partner, ours))
    }

    async fn crosswalk_back(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        resource_type: &str,
        their_id: &str,
    ) -> Result<Option<CrosswalkRow>, StoreError> {
        self.read("crosswalk_back", |c| {
            crosswalk::back(c, tenant, partner, resource_type, their_id)
        })
    }

    async fn link(
        &self,
        tenant: &TenantId,
        row: CrosswalkRow,
        client: Option<String>,
        now: Time,
    ) -> Result<(), StoreError> {
        let tenant = tenant.clone();
        self.writer
            .call("link", move |c| {
                people::link(c, &tenant, &row, client.as_deref(), now)
            })
            .await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        if !self.read("claim", |c| claim::anything(c, &request))? {
            return Ok(Vec::new());
        }
        let until = self.lease_now(request.now).plus(request.lease);
        let leased = self
            .writer
            .call("claim", move |c| claim::claim(c, &request, until))
            .await?;
        self.read_at_once("claim", |c| Ok(claim::whole(c, leased)))
    }

    async fn report(&self, report: Report) -> Result<Reported, StoreError> {
        self.writer
            .call("report", move |c| report::report(c, &report))
            .await
    }

    async fn rescue(&self, now: Time) -> Result<u64, StoreError> {
        let (leases, latest) = (self.lease_now(now), self.lease_latest());
        self.writer
            .call("rescue", move |c| {
                if let Some(latest) = latest {
                    report::shorten(c, latest)?;
                }
                report::rescue(c, now, leases)
            })
            .await
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn open_jobs(&self, tenant: &TenantId) -> Result<Vec<(PartnerId, u64)>, StoreError> {
        self.read("open_jobs", |c| claim::open_jobs(c, tenant))
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.read("next_due", claim::next_due)
    }

    async fn take_probes(
        &self,
        now: Time,
        lease: Duration,
    ) -> Result<Vec<(TenantId, PartnerId)>, StoreError> {
        // Hardly ever is one due: then nothing is written.
        let leases = self.lease_now(now);
        if !self.read("take_probes", |c| report::is_probe_due(c, now, leases))? {
            return Ok(Vec::new());
        }
        let until = leases.plus(lease);
        self.writer
            .call("take_probes", move |c| {
                report::take_probes(c, now, leases, until)
            })
            .await
    }

    async fn probed(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        asked: Time,
        again: Option<(Time, Reason)>,
    ) -> Result<(), StoreError> {
        let (tenant, partner) = (tenant.clone(), partner.clone());
        self.writer
            .call("probed", move |c| {
                report::probed(c, &tenant, &partner, asked, again)
            })
            .await
    }

    async fn pause(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        pause: Option<(Time, Reason)>,
    ) -> Result<(), StoreError> {
        let (tenant, partner) = (tenant.clone(), partner.clone());
        self.writer
            .call("pause", move |c| report::pause(c, &tenant, &partner, pause))
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
        let (tenant, job) = (tenant.clone(), job.clone());
        let (who, why) = (who.to_owned(), why.to_owned());
        self.writer
            .call("act", move |c| {
                people::act(c, &tenant, &job, act, (&who, &why), now)
            })
            .await
    }

    async fn count_refusals(
        &self,
        tenant: &TenantId,
        refusals: Vec<Refusal>,
        now: Time,
    ) -> Result<(), StoreError> {
        let tenant = tenant.clone();
        self.writer
            .call("count_refusals", move |c| {
                refusals::count(c, &tenant, &refusals, now)
            })
            .await
    }

    async fn feed(
        &self,
        tenant: &TenantId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, StoredVersion)>, StoreError> {
        self.read("feed", |c| read::feed(c, tenant, after, limit))
    }

    async fn story(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Option<Story>, StoreError> {
        self.read_at_once("story", |c| views::story(c, tenant, kind, id))
    }

    async fn status(
        &self,
        tenant: &TenantId,
        now: Time,
        limit: usize,
    ) -> Result<Status, StoreError> {
        self.read_at_once("status", |c| views::status(c, tenant, now, limit))
    }

    async fn prune(&self, now: Time, keep: &Keep) -> Result<u64, StoreError> {
        let (keys, stretches) = self.read("prune", |c| {
            let keys = keeping::any_keys(c, now)?;
            Ok((keys, keeping::next(c, &self.rounds, now, keep)?))
        })?;
        if !keys && stretches.is_empty() {
            return Ok(0);
        }
        self.writer
            .call("prune", move |c| {
                let n = keeping::drop_keys(c, now)? + keeping::drop_bodies(c, &stretches)?;
                Ok(u64::try_from(n).unwrap_or(u64::MAX))
            })
            .await
    }

    async fn audit(&self, now: Time, grace: Duration) -> Result<Vec<Finding>, StoreError> {
        // It takes a second on a million jobs: not on a thread that others wait for.
        let readers = self.readers.clone();
        let leases = self.lease_now(now);
        let looking = move || readers.read_at_once(|c| audit::look(c, now, leases, grace));
        let found = tokio::task::spawn_blocking(looking)
            .await
            .map_err(|e| database::failed("audit", e))?
            .map_err(|e| database::failed("audit", e))?;
        let kept = found.clone();
        self.writer
            .call("audit", move |c| audit::remember(c, now, &kept))
            .await?;
        Ok(found)
    }

    async fn mark_restored(&self, now: Time) -> Result<Restored, StoreError> {
        self.writer
            .call("mark_restored", move |c| restored::mark(c, now))
            .await
    }

    async fn restored(&self) -> Result<Option<Time>, StoreError> {
        self.read("restored", restored::when)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.writer
            .call("check", |c| {
                c.query_row("PRAGMA user_version", [], |r| r.get::<_, i64>(0))
                    .map(drop)
            })
            .await
    }
}
