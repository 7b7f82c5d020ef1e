//! The store as the nodes see it: a turn before each call and after each write, calls that fail before or
//! after their commit, and a look at every commit. Several nodes share the store behind it, as they would
//! share PostgreSQL: leases go by its clock, not by theirs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fhir_gateway::clock::Time;
use fhir_gateway::ids::{Hash, JobId, PartnerId, RawId, TenantId};
use fhir_gateway::issue::Issue;
use fhir_gateway::sync::job::{Chain, ChainJob, Claimed, VersionRef};
use fhir_gateway::sync::ports::{
    Act, Admission, Admitted, ClaimRequest, CrosswalkRow, Denial, Finding, Given, Keep, NewRaw,
    RawState, Received, Refusal, Report, Reported, ResourceRow, Restored, Status, Store,
    StoreError, StoredRaw, StoredVersion, Story,
};
use fhir_gateway::sync::reason::Reason;

use super::mutant::{Mutant, Sabotage};
use super::turns::{Hands, Turns, What, at_once};
use super::watch::Watch;

/// How often calls fail, of 1000.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoreFaults {
    pub(crate) before: u32,
    pub(crate) after: u32,
}

/// What all nodes' views of the store share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) hands: Arc<Hands>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) faults: Mutex<StoreFaults>,
    pub(crate) rng: Mutex<fastrand::Rng>,
    pub(crate) sabotage: Sabotage,
    /// Whether the plain EHR has its patients made by us, or knows them.
    pub(crate) makes_patients: bool,
    /// Whether the first EHR wants all of a patient in one lane.
    pub(crate) by_patient: bool,
    /// Whether the first EHR takes transactions.
    pub(crate) transactions: bool,
    /// Whether the first EHR understands chained search parameters.
    pub(crate) chains: bool,
}

/// One node's view.
pub(crate) struct Base {
    pub(crate) node: usize,
    pub(crate) shared: Arc<Shared>,
}

impl Base {
    fn below(&self, of_1000: u32) -> bool {
        let mut rng = self
            .shared
            .rng
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        of_1000 > 0 && rng.u32(..1000) < of_1000
    }

    fn faults(&self) -> StoreFaults {
        *self
            .shared
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self, call: &'static str, after: bool) {
        let what = What {
            node: self.node,
            call,
            after,
        };
        self.shared.turns.turn(what).await;
    }

    async fn before(&self, call: &'static str) -> Result<(), StoreError> {
        self.turn(call, false).await;
        if self.below(self.faults().before) {
            self.shared.watch.store_failed();
            return Err(failed(call));
        }
        Ok(())
    }

    async fn read<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.before(call).await?;
        at_once(work)
    }

    async fn write<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.before(call).await?;
        let done = at_once(work);
        self.after(call, done).await
    }

    async fn after<T>(
        &self,
        call: &'static str,
        done: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.shared.watch.committed(call);
        if done.is_ok() && self.below(self.faults().after) {
            self.shared.watch.store_failed();
            return Err(failed(call));
        }
        self.turn(call, true).await;
        done
    }
}

fn failed(operation: &'static str) -> StoreError {
    StoreError::Failed {
        operation,
        cause: "the simulation said so".into(),
    }
}

#[async_trait]
impl Store for Base {
    async fn admit(&self, mut admission: Admission) -> Result<Admitted, StoreError> {
        self.before("admit").await?;
        let s = &self.shared;
        if s.sabotage.is(Mutant::AckBeforeCommit) && self.below(100) {
            return Ok(Admitted::Stored);
        }
        s.sabotage.admission(&mut admission);
        let seen = admission.clone();
        let done = at_once(s.store.admit(admission));
        s.watch.admitted(&seen, done.as_ref().ok());
        self.after("admit", done).await
    }

    async fn receive(
        &self,
        tenant: &TenantId,
        raw: NewRaw,
        now: Time,
    ) -> Result<Received, StoreError> {
        let work = self.shared.store.receive(tenant, raw, now);
        self.write("receive", work).await
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
        let s = &self.shared.store;
        let work = s.settle_raw(tenant, raw, state, issues, unmatched, given);
        self.write("settle_raw", work).await
    }

    async fn raw(&self, tenant: &TenantId, raw: &RawId) -> Result<Option<StoredRaw>, StoreError> {
        self.read("raw", self.shared.store.raw(tenant, raw)).await
    }

    async fn raws_left(
        &self,
        tenant: &TenantId,
        before: Time,
        limit: usize,
    ) -> Result<Vec<RawId>, StoreError> {
        let work = self.shared.store.raws_left(tenant, before, limit);
        self.read("raws_left", work).await
    }

    async fn idempotent(
        &self,
        tenant: &TenantId,
        caller: &str,
        key: &str,
    ) -> Result<Option<(Hash, Given)>, StoreError> {
        let work = self.shared.store.idempotent(tenant, caller, key);
        self.read("idempotent", work).await
    }

    async fn newest(
        &self,
        tenant: &TenantId,
        names: &[(String, String)],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError> {
        self.read("newest", self.shared.store.newest(tenant, names))
            .await
    }

    async fn versions(
        &self,
        tenant: &TenantId,
        records: &[VersionRef],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError> {
        self.read("versions", self.shared.store.versions(tenant, records))
            .await
    }

    async fn consents(
        &self,
        tenant: &TenantId,
        client: &str,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        self.read("consents", self.shared.store.consents(tenant, client))
            .await
    }

    async fn resources(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Vec<ResourceRow>, StoreError> {
        self.read("resources", self.shared.store.resources(tenant, kind, id))
            .await
    }

    async fn resource_owner(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        let s = &self.shared.store;
        let work = s.resource_owner(tenant, resource_type, our_id);
        self.read("resource_owner", work).await
    }

    async fn chain(&self, tenant: &TenantId, chain: &Chain) -> Result<Vec<ChainJob>, StoreError> {
        self.read("chain", self.shared.store.chain(tenant, chain))
            .await
    }

    async fn referred_to(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        let work = self.shared.store.referred_to(tenant, kind, id);
        self.read("referred_to", work).await
    }

    async fn job_of_message(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        message: &str,
    ) -> Result<Option<ChainJob>, StoreError> {
        let work = self.shared.store.job_of_message(tenant, partner, message);
        self.read("job_of_message", work).await
    }

    async fn denials(&self, tenant: &TenantId, client: &str) -> Result<Vec<Denial>, StoreError> {
        self.read("denials", self.shared.store.denials(tenant, client))
            .await
    }

    async fn denied_clients(&self, tenant: &TenantId) -> Result<Vec<String>, StoreError> {
        self.read("denied_clients", self.shared.store.denied_clients(tenant))
            .await
    }

    async fn crosswalk(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        ours: &[(String, String)],
    ) -> Result<Vec<CrosswalkRow>, StoreError> {
        let work = self.shared.store.crosswalk(tenant, partner, ours);
        self.read("crosswalk", work).await
    }

    async fn resource_versions(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let s = &self.shared.store;
        let work = s.resource_versions(tenant, resource_type, our_id, limit);
        self.read("resource_versions", work).await
    }

    async fn crosswalk_back(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        resource_type: &str,
        their_id: &str,
    ) -> Result<Option<CrosswalkRow>, StoreError> {
        let s = &self.shared.store;
        let work = s.crosswalk_back(tenant, partner, resource_type, their_id);
        self.read("crosswalk_back", work).await
    }

    async fn link(
        &self,
        tenant: &TenantId,
        row: CrosswalkRow,
        client: Option<String>,
        now: Time,
    ) -> Result<(), StoreError> {
        let work = self.shared.store.link(tenant, row, client, now);
        self.write("link", work).await
    }

    async fn claim(&self, mut request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.before("claim").await?;
        let s = &self.shared;
        request.now = s.hands.now();
        // The house keeps its partners in a map without an order.
        request.room.sort_by(|a, b| a.1.cmp(&b.1));
        s.sabotage.before_claim(&s.watch, request.now);
        let mut done = at_once(s.store.claim(request.clone()));
        if let Ok(claimed) = &mut done {
            s.sabotage.claimed(claimed);
            s.watch.claimed(claimed, request.now, request.lease);
        }
        match done {
            Ok(none) if none.is_empty() => Ok(none),
            done => self.after("claim", done).await,
        }
    }

    async fn report(&self, mut report: Report) -> Result<Reported, StoreError> {
        self.before("report").await?;
        let s = &self.shared;
        s.sabotage.report(&s.watch, &mut report);
        let before = s.watch.before_report(&report);
        let seen = report.clone();
        let done = at_once(s.store.report(report));
        s.watch
            .reported(&before, &seen, done.as_ref().ok().copied());
        self.after("report", done).await
    }

    async fn rescue(&self, _: Time) -> Result<u64, StoreError> {
        self.before("rescue").await?;
        let s = &self.shared;
        let done = at_once(s.store.rescue(s.hands.now()));
        if let Ok(rescued) = &done {
            s.watch.rescued(*rescued);
        }
        self.after("rescue", done).await
    }

    async fn open_jobs(&self, tenant: &TenantId) -> Result<Vec<(PartnerId, u64)>, StoreError> {
        self.read("open_jobs", self.shared.store.open_jobs(tenant))
            .await
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.read("next_due", self.shared.store.next_due()).await
    }

    async fn take_probes(
        &self,
        _: Time,
        lease: Duration,
    ) -> Result<Vec<(TenantId, PartnerId)>, StoreError> {
        self.before("take_probes").await?;
        let now = self.shared.hands.now();
        let done = at_once(self.shared.store.take_probes(now, lease));
        match done {
            Ok(none) if none.is_empty() => Ok(none),
            done => self.after("take_probes", done).await,
        }
    }

    async fn probed(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        asked: Time,
        again: Option<(Time, Reason)>,
    ) -> Result<(), StoreError> {
        let work = self.shared.store.probed(tenant, partner, asked, again);
        self.write("probed", work).await
    }

    async fn pause(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        pause: Option<(Time, Reason)>,
    ) -> Result<(), StoreError> {
        self.before("pause").await?;
        let s = &self.shared;
        let done = match s.sabotage.is(Mutant::PauseForgotten) && pause.is_some() {
            true => Ok(()),
            false => at_once(s.store.pause(tenant, partner, pause)),
        };
        if done.is_ok() {
            s.watch.paused(partner.as_str(), pause.is_some());
        }
        self.after("pause", done).await
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
        self.before("act").await?;
        let s = &self.shared;
        let done = at_once(s.store.act(tenant, job, act, who, why, now));
        if matches!(done, Ok(true)) {
            s.watch.acted(job.as_str(), act);
        }
        self.after("act", done).await
    }

    async fn count_refusals(
        &self,
        tenant: &TenantId,
        refusals: Vec<Refusal>,
        now: Time,
    ) -> Result<(), StoreError> {
        let work = self.shared.store.count_refusals(tenant, refusals, now);
        self.write("count_refusals", work).await
    }

    async fn feed(
        &self,
        tenant: &TenantId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, StoredVersion)>, StoreError> {
        self.read("feed", self.shared.store.feed(tenant, after, limit))
            .await
    }

    async fn story(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Option<Story>, StoreError> {
        self.read("story", self.shared.store.story(tenant, kind, id))
            .await
    }

    async fn status(
        &self,
        tenant: &TenantId,
        now: Time,
        limit: usize,
    ) -> Result<Status, StoreError> {
        self.read("status", self.shared.store.status(tenant, now, limit))
            .await
    }

    async fn prune(&self, now: Time, keep: &Keep) -> Result<u64, StoreError> {
        self.read("prune", self.shared.store.prune(now, keep)).await
    }

    async fn audit(&self, now: Time, grace: Duration) -> Result<Vec<Finding>, StoreError> {
        self.read("audit", self.shared.store.audit(now, grace))
            .await
    }

    async fn mark_restored(&self, now: Time) -> Result<Restored, StoreError> {
        self.write("mark_restored", self.shared.store.mark_restored(now))
            .await
    }

    async fn restored(&self) -> Result<Option<Time>, StoreError> {
        self.read("restored", self.shared.store.restored()).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.read("check", self.shared.store.check()).await
    }
}
