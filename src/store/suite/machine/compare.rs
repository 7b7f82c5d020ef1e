//! What is looked at after every step of a history, and at its end.

use std::collections::BTreeMap;

use super::{Outcome, PARTNERS, Pair, RECORDS};
use crate::store::suite::make::*;
use crate::store::suite::model::Job;
use crate::sync::job::State;
use crate::sync::ports::{Act, Steer};

impl Pair<'_> {
    /// Each job is where the model has it; counts add up; the next time is the model's.
    pub(super) async fn compare(&self) {
        let mut found = BTreeMap::new();
        let merges = (0..self.merges).map(|n| (RECORDS.len() + n).to_string());
        let merges = merges.map(|id| chain("client-merge", &id));
        let chains = RECORDS
            .iter()
            .map(|(kind, id, _)| chain(kind, id))
            .chain(merges);
        for chain in chains {
            for j in self.clinic.chain(&chain).await {
                let state = (j.state, j.reach, j.unsure, j.confirmed);
                assert!(found.insert(j.id.as_str().to_owned(), state).is_none());
            }
        }
        let wanted: BTreeMap<_, _> = self
            .model
            .jobs
            .iter()
            .map(|j| (j.id.clone(), (j.state, j.reach, j.unsure, j.confirmed)))
            .collect();
        assert_eq!(found, wanted);

        let (store, tenant) = (self.clinic.store, &self.clinic.tenant);
        let status = store.status(tenant, at(self.now), 0).await.expect("status");
        assert_eq!(status.jobs_made, wanted.len() as u64);
        for (n, partner) in PARTNERS.iter().enumerate() {
            let jobs = || self.model.jobs.iter().filter(|j| j.partner == n);
            let Some(view) = status
                .partners
                .iter()
                .find(|v| v.partner.as_str() == *partner)
            else {
                assert_eq!(jobs().count(), 0);
                continue;
            };
            for state in State::ALL {
                let count = jobs().filter(|j| j.state == state).count() as u64;
                assert_eq!(view.jobs[state.as_str()], count, "{partner} {state:?}");
            }
        }

        self.compare_desk().await;
        let next = store.next_due().await.expect("next_due");
        let wanted = self.model.next_due(self.now);
        match wanted {
            _ if self.model.looks_again(self.now) && next.is_some_and(|t| t <= at(self.now)) => {}
            Some(due) if due > self.now => assert_eq!(next, Some(at(due))),
            Some(_) => assert!(next.is_some_and(|t| t <= at(self.now))),
            None => assert_eq!(next, None),
        }
    }

    /// What is said of waiting jobs is what a claim would do, and lanes have the jobs that stand in them.
    async fn compare_desk(&self) {
        let mut free = Vec::new();
        for state in [State::Waiting, State::Asking] {
            for job in self.clinic.find(state, self.now).await {
                if job.blocked_by.is_empty() {
                    free.push(job.id.as_str().to_owned());
                }
            }
        }
        free.sort_unstable();
        let claimable = (0..2).flat_map(|p| self.model.claimable(p, usize::MAX, self.now));
        let mut wanted: Vec<String> = claimable.map(|seq| format!("J{seq}")).collect();
        wanted.sort_unstable();
        assert_eq!(free, wanted, "what nothing holds back is what is claimed");

        let lanes = self.clinic.lanes(self.now).await;
        for (partner, lane, jobs, head) in &lanes {
            let n = PARTNERS.iter().position(|p| p == partner).expect("known");
            let line = self.model.line(n, lane).len() as u64;
            assert_eq!(*jobs, line, "jobs in {partner} {lane}");
            let first = self.model.head(n, lane).map(|j| j.id.clone());
            assert_eq!(first.as_ref(), Some(head), "the first in {partner} {lane}");
        }
        let mut standing: Vec<_> = self.model.jobs.iter().filter(|j| j.stands()).collect();
        standing.sort_unstable_by_key(|j| (j.partner, &j.lane));
        standing.dedup_by_key(|j| (j.partner, j.lane.clone()));
        assert_eq!(lanes.len(), standing.len(), "lanes");
    }

    /// Everything is let go: nobody is paused, consents come, cancels are approved, partners take all.
    pub(super) async fn let_go(mut self) {
        self.clinic.is_sound().await;
        for partner in 0..2 {
            self.steer(partner, Steer::Resume).await;
        }
        for (client, partner) in self.model.stops.clone() {
            self.hold(client, partner, false).await;
        }
        let most = 2 * self.model.jobs.len() + 4;
        for _ in 0..most {
            self.now += 200;
            for job in std::mem::take(&mut self.claimed) {
                self.report(&job, Outcome::Done, 0).await;
            }
            for client in 0..2 {
                let held = |j: &Job| j.held && j.client == Some(client);
                if self.model.jobs.iter().any(held) {
                    self.consent(client).await;
                }
            }
            let free = |j: &Job| j.merges.is_empty() || j.state != State::Parked;
            let parked: Vec<u64> = self
                .model
                .jobs
                .iter()
                .filter(|j| !free(j))
                .map(|j| j.seq)
                .collect();
            for merge in parked {
                self.act(merge, Act::Cancel).await;
            }
            // Held without a client: a person looks.
            let nobodys = |j: &&Job| j.held && j.client.is_none();
            let nobodys: Vec<u64> = self
                .model
                .jobs
                .iter()
                .filter(nobodys)
                .map(|j| j.seq)
                .collect();
            for job in nobodys {
                self.act(job, Act::Cancel).await;
            }
            self.rescue().await;
            for partner in 0..2 {
                self.claim(partner, 100).await;
            }
            if !self.model.jobs.iter().any(Job::open) {
                self.compare().await;
                return;
            }
        }
        let left: Vec<&Job> = self.model.jobs.iter().filter(|j| j.open()).collect();
        panic!("left waiting: {left:#?}");
    }
}
