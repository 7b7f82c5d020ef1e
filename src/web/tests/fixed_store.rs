//! A store of fixed answers: shows the doors what a test wants them to see, and remembers what people
//! did. What no door asks for fails.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

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

/// What it answers and what it was told.
pub(super) struct Fixed {
    pub(super) status: Status,
    pub(super) story: Option<Story>,
    pub(super) feed: Vec<(i64, StoredVersion)>,
    pub(super) known_client: Option<StoredVersion>,
    pub(super) well: bool,
    /// What people did, in words.
    pub(super) done: Mutex<Vec<String>>,
}

impl Fixed {
    pub(super) fn note(&self, text: String) {
        self.done.lock().expect("no test panics with it").push(text);
    }
}

pub(super) fn no<T>(operation: &'static str) -> Result<T, StoreError> {
    Err(StoreError::Failed {
        operation,
        cause: "a store of fixed answers".into(),
    })
}

#[async_trait]
impl Store for Fixed {
    async fn newest(
        &self,
        _: &TenantId,
        names: &[(String, String)],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError> {
        let known = self.known_client.as_ref();
        Ok(names
            .iter()
            .map(|(k, id)| {
                known
                    .filter(|v| v.record.kind == *k && v.record.id == *id)
                    .cloned()
            })
            .collect())
    }

    async fn link(
        &self,
        _: &TenantId,
        row: CrosswalkRow,
        client: Option<String>,
        _: Time,
    ) -> Result<(), StoreError> {
        self.note(format!("link {} {} {client:?}", row.partner, row.their_id));
        Ok(())
    }

    async fn probed(
        &self,
        _: &TenantId,
        _: &PartnerId,
        _: Time,
        _: Option<(Time, Reason)>,
    ) -> Result<(), StoreError> {
        no("probed")
    }

    async fn pause(
        &self,
        _: &TenantId,
        _: &PartnerId,
        _: Option<(Time, Reason)>,
    ) -> Result<(), StoreError> {
        no("pause")
    }

    async fn act(
        &self,
        _: &TenantId,
        job: &JobId,
        act: Act,
        who: &str,
        why: &str,
        _: Time,
    ) -> Result<bool, StoreError> {
        self.note(format!("{act:?} {job} by {who}: {why}"));
        Ok(self.status.jobs.iter().any(|j| j.id == *job))
    }

    async fn feed(
        &self,
        _: &TenantId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, StoredVersion)>, StoreError> {
        Ok(self
            .feed
            .iter()
            .filter(|(p, _)| *p > after)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn story(&self, _: &TenantId, _: &str, id: &str) -> Result<Option<Story>, StoreError> {
        let story = self.story.clone();
        Ok(story.filter(|s| s.versions.iter().any(|v| v.record.id == id)))
    }

    async fn status(&self, _: &TenantId, _: Time, _: usize) -> Result<Status, StoreError> {
        Ok(self.status.clone())
    }

    async fn check(&self) -> Result<(), StoreError> {
        if self.well { Ok(()) } else { no("check") }
    }

    async fn admit(&self, _: Admission) -> Result<Admitted, StoreError> {
        no("admit")
    }

    async fn receive(&self, _: &TenantId, _: NewRaw, _: Time) -> Result<Received, StoreError> {
        no("receive")
    }

    async fn settle_raw(
        &self,
        _: &TenantId,
        _: &RawId,
        _: RawState,
        _: Vec<Issue>,
        _: Option<(PartnerId, String)>,
        _: Option<Given>,
    ) -> Result<(), StoreError> {
        no("settle_raw")
    }

    async fn raw(&self, _: &TenantId, _: &RawId) -> Result<Option<StoredRaw>, StoreError> {
        no("raw")
    }

    async fn raws_left(&self, _: &TenantId, _: Time, _: usize) -> Result<Vec<RawId>, StoreError> {
        no("raws_left")
    }

    async fn idempotent(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
    ) -> Result<Option<(Hash, Given)>, StoreError> {
        no("idempotent")
    }

    async fn versions(
        &self,
        _: &TenantId,
        _: &[VersionRef],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError> {
        no("versions")
    }

    async fn consents(&self, _: &TenantId, _: &str) -> Result<Vec<StoredVersion>, StoreError> {
        no("consents")
    }

    async fn resources(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
    ) -> Result<Vec<ResourceRow>, StoreError> {
        no("resources")
    }

    async fn resource_versions(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
        _: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        no("resource_versions")
    }

    async fn resource_owner(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        no("resource_owner")
    }

    async fn chain(&self, _: &TenantId, _: &Chain) -> Result<Vec<ChainJob>, StoreError> {
        no("chain")
    }

    async fn referred_to(&self, _: &TenantId, _: &str, _: &str) -> Result<bool, StoreError> {
        no("referred_to")
    }

    async fn job_of_message(
        &self,
        _: &TenantId,
        _: &PartnerId,
        _: &str,
    ) -> Result<Option<ChainJob>, StoreError> {
        no("job_of_message")
    }

    async fn denials(&self, _: &TenantId, _: &str) -> Result<Vec<Denial>, StoreError> {
        no("denials")
    }

    async fn denied_clients(&self, _: &TenantId) -> Result<Vec<String>, StoreError> {
        no("denied clients")
    }

    async fn crosswalk(
        &self,
        _: &TenantId,
        _: &PartnerId,
        _: &[(String, String)],
    ) -> Result<Vec<CrosswalkRow>, StoreError> {
        no("crosswalk")
    }

    async fn crosswalk_back(
        &self,
        _: &TenantId,
        _: &PartnerId,
        _: &str,
        _: &str,
    ) -> Result<Option<CrosswalkRow>, StoreError> {
        no("crosswalk_back")
    }

    async fn claim(&self, _: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        no("claim")
    }

    async fn report(&self, _: Report) -> Result<Reported, StoreError> {
        no("report")
    }

    async fn rescue(&self, _: Time) -> Result<u64, StoreError> {
        no("rescue")
    }

    async fn open_jobs(&self, _: &TenantId) -> Result<Vec<(PartnerId, u64)>, StoreError> {
        no("open_jobs")
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        no("next_due")
    }

    async fn take_probes(
        &self,
        _: Time,
        _: Duration,
    ) -> Result<Vec<(TenantId, PartnerId)>, StoreError> {
        no("take_probes")
    }

    async fn count_refusals(
        &self,
        _: &TenantId,
        _: Vec<Refusal>,
        _: Time,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn prune(&self, _: Time, _: &Keep) -> Result<u64, StoreError> {
        no("prune")
    }
    async fn audit(&self, _: Time, _: Duration) -> Result<Vec<Finding>, StoreError> {
        no("audit")
    }
    async fn mark_restored(&self, _: Time) -> Result<Restored, StoreError> {
        no("mark_restored")
    }
    async fn restored(&self) -> Result<Option<Time>, StoreError> {
        no("restored")
    }
}
