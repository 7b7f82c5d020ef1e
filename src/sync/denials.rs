//! Denials decided anew, when a client's consents change (contracts section 4).

use crate::clock::Time;
use crate::issue::Issue;
use crate::record::{Kind, Record, contract};

use crate::sync::accept::{Acceptor, MOVES_MAX, admission};
use crate::sync::house::Tenant;
use crate::sync::job::VersionRef;
use crate::sync::ports::{Admission, Admitted, StoreError};
use crate::sync::relay::OTHER;

impl Acceptor {
    /// Decides anew what the gate denied of this client's records: each newest version whose denial is
    /// still open. Returns how many jobs that made.
    ///
    /// # Errors
    /// The store's; what was decided before it stays decided.
    pub async fn decide_denials(
        &self,
        tenant: &Tenant,
        client: &str,
        now: Time,
    ) -> Result<usize, StoreError> {
        let _alone = self.deciding.lock().await;
        let store = self.house().store.as_ref();
        let mut made = 0;
        for denial in store.denials(&tenant.id, client).await? {
            if denial.record.kind == OTHER {
                self.relay_denied(tenant, &denial, now).await?;
                continue;
            }
            let Some(kind) = Kind::parse(&denial.record.kind) else {
                continue;
            };
            for _ in 0..MOVES_MAX {
                let head = self
                    .newest(tenant, &denial.record.kind, &denial.record.id)
                    .await?;
                let Some(head) = head.filter(|h| h.record == denial.record) else {
                    break; // a newer version was decided by itself
                };
                let Ok(record) = contract::from_stored(kind, &head.body) else {
                    break;
                };
                let Ok(work) = self
                    .work(
                        tenant,
                        &record,
                        head.body.clone(),
                        head.hash,
                        &head.origin,
                        now,
                    )
                    .await?
                else {
                    break;
                };
                let earlier = self.before(tenant, kind, &head.record).await?;
                let retracted = self.retracted(&work).await?;
                let decided = self
                    .decide(
                        &work,
                        &head.chain,
                        earlier.as_ref(),
                        &retracted,
                        &head.origin,
                        Some(&denial.partner),
                    )
                    .await?;
                let Ok(dispatched) = decided else { break };
                if !dispatched.denials.is_empty() {
                    break; // denied again: the denial stands
                }
                let jobs = dispatched.jobs.len();
                let admission = Admission {
                    head: Some(head.record.version),
                    denials_settled: vec![denial.partner.clone()],
                    ..admission(&work, dispatched)
                };
                if store.admit(admission).await? != Admitted::Moved {
                    made += jobs;
                    break;
                }
            }
        }
        Ok(made)
    }

    /// What a record would be refused for; writes nothing.
    pub(super) async fn wrong(
        &self,
        tenant: &Tenant,
        record: &Record,
        origin: &str,
        now: Time,
    ) -> Result<Vec<Issue>, StoreError> {
        let body = serde_json::to_vec(&record.to_json()).unwrap_or_default();
        let hash = Acceptor::content_hash(tenant, &body);
        let work = self.work(tenant, record, body, hash, origin, now).await?;
        Ok(work.err().unwrap_or_default())
    }

    /// The version before a stored one.
    async fn before(
        &self,
        tenant: &Tenant,
        kind: Kind,
        record: &VersionRef,
    ) -> Result<Option<Record>, StoreError> {
        // Versions may leave out numbers: the story has them all, newest first.
        let store = &self.house().store;
        let story = store.story(&tenant.id, &record.kind, &record.id).await?;
        let earlier = story.and_then(|s| {
            s.versions
                .into_iter()
                .find(|v| v.record.version < record.version)
        });
        Ok(earlier.and_then(|v| contract::from_stored(kind, &v.body).ok()))
    }
}
