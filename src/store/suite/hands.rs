//! How the suite uses the desk: finding, steering, holding.

use super::make::{Clinic, at};
use crate::ids::PartnerId;
use crate::sync::job::State;
use crate::sync::ports::{By, JobFilter, JobView, Steer};

/// Who does everything here.
pub(in crate::store) const ADMIN: By<'static> = By {
    who: "admin",
    why: "because",
};

impl Clinic<'_> {
    /// All jobs in a state, page by page.
    pub(in crate::store) async fn find(&self, state: State, now: i64) -> Vec<JobView> {
        let filter = JobFilter {
            state: Some(state),
            ..JobFilter::default()
        };
        self.find_all(&filter, 7, now).await
    }

    /// All jobs that fit, in pages of so many.
    pub(in crate::store) async fn find_all(
        &self,
        filter: &JobFilter,
        limit: usize,
        now: i64,
    ) -> Vec<JobView> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .store
                .jobs(&self.tenant, filter, after, limit, at(now))
                .await
                .expect("jobs");
            assert!(page.found.len() <= limit);
            all.extend(page.found);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }

    /// All lanes in pages of three: (partner, lane, jobs, head), biggest first.
    pub(in crate::store) async fn lanes(&self, now: i64) -> Vec<(String, String, u64, String)> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .store
                .lanes(&self.tenant, None, after, 3, at(now))
                .await
                .expect("lanes");
            all.extend(page.found.into_iter().map(|l| {
                let (partner, head) = (l.partner.to_string(), l.head.id.to_string());
                (partner, l.lane, l.jobs, head)
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let sizes: Vec<u64> = all.iter().map(|l| l.2).collect();
        assert!(
            sizes.is_sorted_by(|a, b| a >= b),
            "biggest first: {sizes:?}"
        );
        all
    }

    pub(in crate::store) async fn steer(&self, partner: &PartnerId, steer: Steer, now: i64) {
        self.store
            .steer(&self.tenant, partner, steer, ADMIN, at(now))
            .await
            .expect("steer");
    }

    pub(in crate::store) async fn hold(
        &self,
        client: &str,
        partner: Option<&PartnerId>,
        on: bool,
        now: i64,
    ) -> bool {
        self.store
            .hold(&self.tenant, client, partner, on, ADMIN, at(now))
            .await
            .expect("hold")
    }
}
