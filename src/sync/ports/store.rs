//! The seam to a store. SQLite now; PostgreSQL has to pass the same conformance suite.
//!
//! Every method names a tenant, except those by which workers serve all of them. A call that writes
//! is one transaction (group commit joins several calls into one commit; each call's outcome is its
//! own). What is returned was committed.

use std::time::Duration;

use async_trait::async_trait;

use super::*;

use crate::clock::Time;
use crate::ids::{Hash, JobId, PartnerId, RawId, TenantId};
use crate::issue::Issue;
use crate::sync::job::{Chain, ChainJob, Claimed, VersionRef};
use crate::sync::reason::Reason;

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room, or the queue to the writer is full: try later (503 or 507).
    #[error("the store is full or overloaded during {0}")]
    Full(&'static str),
    /// It failed; nothing of the call is stored.
    #[error("the store failed during {operation}")]
    Failed {
        /// What it was doing.
        operation: &'static str,
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A store.
#[async_trait]
pub trait Store: Desk + Anew + Send + Sync {
    /// Writes an admission, or says why not. Checks, in this order: idempotency key, exact repeat of
    /// any stored version, version order, head and chain as they were seen.
    async fn admit(&self, admission: Admission) -> Result<Admitted, StoreError>;

    /// A partner's door: stores the bytes before anything else is done with them.
    async fn receive(
        &self,
        tenant: &TenantId,
        raw: NewRaw,
        now: Time,
    ) -> Result<Received, StoreError>;

    /// Settles raw bytes that make no record: parked with issues, unmatched, or done (an echo without
    /// news). `given`: what the sender was told.
    async fn settle_raw(
        &self,
        tenant: &TenantId,
        raw: &RawId,
        state: RawState,
        issues: Vec<Issue>,
        unmatched: Option<(PartnerId, String)>,
        given: Option<Given>,
    ) -> Result<(), StoreError>;

    /// Raw bytes by id.
    async fn raw(&self, tenant: &TenantId, raw: &RawId) -> Result<Option<StoredRaw>, StoreError>;

    /// Raw bytes to be taken up again: received before `before` and not settled (after a crash), or
    /// settled before and received again (their patient was linked), oldest first.
    async fn raws_left(
        &self,
        tenant: &TenantId,
        before: Time,
        limit: usize,
    ) -> Result<Vec<RawId>, StoreError>;

    /// What was said to an idempotency key: (hash of the body, answer).
    async fn idempotent(
        &self,
        tenant: &TenantId,
        caller: &str,
        key: &str,
    ) -> Result<Option<(Hash, Given)>, StoreError>;

    /// The newest version of each (kind, id), in order.
    async fn newest(
        &self,
        tenant: &TenantId,
        names: &[(String, String)],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError>;

    /// The given versions, in order.
    async fn versions(
        &self,
        tenant: &TenantId,
        records: &[VersionRef],
    ) -> Result<Vec<Option<StoredVersion>>, StoreError>;

    /// The newest version of every consent of a client.
    async fn consents(
        &self,
        tenant: &TenantId,
        client: &str,
    ) -> Result<Vec<StoredVersion>, StoreError>;

    /// The latest row of every resource that any version of the record made, also of parts that newer
    /// versions lack.
    async fn resources(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Vec<ResourceRow>, StoreError>;

    /// The record that a resource of ours belongs to: (kind, record id).
    async fn resource_owner(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
    ) -> Result<Option<(String, String)>, StoreError>;

    /// All jobs of a chain, at all partners, oldest first.
    async fn chain(&self, tenant: &TenantId, chain: &Chain) -> Result<Vec<ChainJob>, StoreError>;

    /// Whether any other record version's job refers to this record (job needs or stored context).
    async fn referred_to(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<bool, StoreError>;

    /// The job of a message of ours at a partner.
    async fn job_of_message(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        message: &str,
    ) -> Result<Option<ChainJob>, StoreError>;

    /// Open denials of a client's records.
    async fn denials(&self, tenant: &TenantId, client: &str) -> Result<Vec<Denial>, StoreError>;

    /// The clients who have open denials, each once.
    async fn denied_clients(&self, tenant: &TenantId) -> Result<Vec<String>, StoreError>;

    /// Crosswalk rows of (type, our id) at a partner; those that exist.
    async fn crosswalk(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        ours: &[(String, String)],
    ) -> Result<Vec<CrosswalkRow>, StoreError>;

    /// A resource as the last versions of its record made it, newest first, at most `limit`: (version of
    /// the record, content).
    async fn resource_versions(
        &self,
        tenant: &TenantId,
        resource_type: &str,
        our_id: &str,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Our id of (type, their id) at a partner.
    async fn crosswalk_back(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        resource_type: &str,
        their_id: &str,
    ) -> Result<Option<CrosswalkRow>, StoreError>;

    /// Writes a crosswalk row by hand (a linked patient); raw messages that waited for it go back to
    /// `Received`, jobs of the patient parked for its identity go back to waiting.
    async fn link(
        &self,
        tenant: &TenantId,
        row: CrosswalkRow,
        client: Option<String>,
        now: Time,
    ) -> Result<(), StoreError>;

    /// Claims due jobs: heads of their lanes, nothing of the lane in flight, needs met, patient not
    /// held, partner not paused. Asking jobs that are due are claimed too (their state stays).
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError>;

    /// A worker's report.
    async fn report(&self, report: Report) -> Result<Reported, StoreError>;

    /// Leases that ran out: their jobs become asking, unsure. Jobs whose awaited confirmation is
    /// overdue park with `CancelSilent`; waiting jobs past their deadline whose outcome is not unclear
    /// park with `PastDeadline`, their partner paused or not. How many leases were rescued.
    async fn rescue(&self, now: Time) -> Result<u64, StoreError>;

    /// Returns when something was committed that may have made work (or for no reason at all): a hint
    /// for workers, who look at [`Store::next_due`] anyway.
    async fn changed(&self) {
        std::future::pending().await
    }

    /// Open jobs of each partner of a tenant: waiting, sending, asking.
    async fn open_jobs(&self, tenant: &TenantId) -> Result<Vec<(PartnerId, u64)>, StoreError>;

    /// When the next job is due, if one is.
    async fn next_due(&self) -> Result<Option<Time>, StoreError>;

    /// Partners whose pause by outage has ended and that want a probe. Each is the caller's: of all nodes
    /// nobody else gets it before `lease` is over, or [`Store::probed`] tells what came of it.
    async fn take_probes(
        &self,
        now: Time,
        lease: Duration,
    ) -> Result<Vec<(TenantId, PartnerId)>, StoreError>;

    /// What a probe found of a partner that [`Store::take_probes`] named at `asked`: `None` ends its pause,
    /// else it lasts until then. A pause by a person, or one that an outage began since, stays.
    async fn probed(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        asked: Time,
        again: Option<(Time, Reason)>,
    ) -> Result<(), StoreError>;

    /// Pauses a partner (until, why) or ends its pause, whatever its cause. People do it by
    /// [`Desk::steer`], which keeps who and why.
    async fn pause(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        pause: Option<(Time, Reason)>,
    ) -> Result<(), StoreError>;

    /// A person's act on a job; `false` if its state does not allow it.
    async fn act(
        &self,
        tenant: &TenantId,
        job: &JobId,
        act: Act,
        who: &str,
        why: &str,
        now: Time,
    ) -> Result<bool, StoreError>;

    /// Counts a refused input.
    async fn count_refusals(
        &self,
        tenant: &TenantId,
        refusals: Vec<Refusal>,
        now: Time,
    ) -> Result<(), StoreError>;

    /// The clinic's feed after a position, in commit order: (position, version).
    async fn feed(
        &self,
        tenant: &TenantId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, StoredVersion)>, StoreError>;

    /// The whole story of a record; `None` if there is no such record.
    async fn story(
        &self,
        tenant: &TenantId,
        kind: &str,
        id: &str,
    ) -> Result<Option<Story>, StoreError>;

    /// The status of everything.
    async fn status(
        &self,
        tenant: &TenantId,
        now: Time,
        limit: usize,
    ) -> Result<Status, StoreError>;

    /// Drops what may be dropped, a bounded batch at a time: idempotency keys past 7 days, bodies that are
    /// kept no longer. How many rows it touched.
    async fn prune(&self, now: Time, keep: &Keep) -> Result<u64, StoreError>;

    /// Compares what it keeps twice, looks for what nobody will ever take up, and remembers what it
    /// found (shown by [`Store::status`]). `grace`: how long what is due may lie before that is a fault.
    /// Reads one moment; never mends anything by itself.
    async fn audit(&self, now: Time, grace: Duration) -> Result<Vec<Finding>, StoreError>;

    /// Marks a database that was restored from a backup: whatever has not ended may have been sent since
    /// and becomes unclear; the feed goes on past every position that was ever given. To be called once,
    /// before anything else is done with it.
    async fn mark_restored(&self, now: Time) -> Result<Restored, StoreError>;

    /// When it was last restored from a backup, if ever: what was signed before may have been sent by the
    /// database that was lost.
    async fn restored(&self) -> Result<Option<Time>, StoreError>;

    /// Whether it answers at all (readiness).
    async fn check(&self) -> Result<(), StoreError>;
}
