//! Workers: claim, send, report; the store's decisions carried out, one lease at a time.
//!
//! A slow partner holds up nobody but itself: each has its own room, and what is in flight there does
//! not count against the others. Everything here can be killed at any moment: leases run out, and
//! what was in flight is asked about.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Time;
use crate::fault::{self, Mutant};
use crate::ids::{PartnerId, TenantId};
use crate::sync::attempt::Attempt;
use crate::sync::house::House;
use crate::sync::inbound::Inbound;
use crate::sync::job::Claimed;
use crate::sync::people::{again, replay};
use crate::sync::ports::{ClaimRequest, StoreError};
use crate::sync::reason::Reason;
use crate::sync::room::Seat;

/// How long bytes may lie received before they count as left behind by a crash.
const LEFT_AFTER: Duration = Duration::from_secs(60);
/// How often what is not work is done: leases, left bytes, old keys.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// How often replays are looked at.
const REPLAYING: Duration = Duration::from_secs(1);
/// Every so many rounds of housekeeping, from the first on: denials are decided anew.
const DENIALS_EVERY: u64 = 720;
/// The shortest nap, where something is due but held back by what will wake us anyway.
const IDLE_MIN: Duration = Duration::from_millis(25);

/// A worker: as many partners' jobs at once as they have room for.
#[derive(Clone)]
pub struct Worker {
    inbound: Inbound,
    /// Claims that brought something.
    turn: Arc<AtomicU64>,
}

impl Worker {
    /// A worker of the house that these doors belong to.
    #[must_use]
    pub fn new(inbound: Inbound) -> Self {
        Worker {
            inbound,
            turn: Arc::default(),
        }
    }

    fn house(&self) -> &Arc<House> {
        self.inbound.house()
    }

    /// Works until told to stop; then finishes what it has in hand.
    pub async fn run(&self, stop: CancellationToken) {
        let mut tasks: JoinSet<()> = JoinSet::new();
        let mut beside: JoinSet<()> = JoinSet::new();
        let (worker, until) = (self.clone(), stop.clone());
        beside.spawn(async move { worker.keep_house_until(until).await });
        let (worker, until) = (self.clone(), stop.clone());
        beside.spawn(async move { worker.replay_until(until).await });
        while !stop.is_cancelled() {
            let lease_ends = self.lease_ends();
            match self.claim().await {
                Ok(jobs) => {
                    for (job, seat) in jobs {
                        let worker = self.clone();
                        tasks.spawn(async move { worker.process(&job, lease_ends, seat).await });
                    }
                }
                Err(error) => tracing::warn!(%error, "claiming failed"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.idle() => {}
                () = self.house().freed.notified() => {}
                // Without it leases would not be rescued: whoever runs this sees that it ended.
                Some(ended) = beside.join_next() => {
                    ended_one(ended, "housekeeping ended badly");
                    break;
                }
            }
            while let Some(ended) = tasks.try_join_next() {
                ended_one(ended, "a delivery task ended badly");
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended_one(ended, "a delivery task ended badly");
        }
        if !stop.is_cancelled() {
            beside.abort_all();
        }
        while let Some(ended) = beside.join_next().await {
            ended_one(ended, "housekeeping ended badly");
        }
    }

    /// One step a second of every replay that runs.
    async fn replay_until(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = replay::step_due(&self.inbound.acceptor).await {
                tracing::warn!(%error, "replaying failed");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(REPLAYING) => {}
            }
        }
    }

    async fn keep_house_until(&self, stop: CancellationToken) {
        for round in 0_u64.. {
            if stop.is_cancelled() {
                return;
            }
            if let Err(error) = self.keep_house().await {
                tracing::warn!(%error, "housekeeping failed");
            }
            if round % DENIALS_EVERY == 0
                && let Err(error) = self.decide_denials().await
            {
                tracing::warn!(%error, "denials could not be decided anew");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(HOUSEKEEPING) => {}
            }
        }
    }

    /// Until something may be due: the store says so, or the next due time, or the poll.
    async fn idle(&self) {
        let house = self.house();
        let poll = house.settings.poll;
        let wait = match house.store.next_due().await {
            Ok(Some(due)) => due.since(house.clock.now()).clamp(IDLE_MIN, poll),
            Ok(None) | Err(_) => poll,
        };
        let now = house.clock.monotonic();
        let by_rate = house.partners.values().filter_map(|m| m.room.waits(now));
        let wait = by_rate.min().map_or(wait, |w| w.min(wait).max(IDLE_MIN));
        tokio::select! {
            () = house.store.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// One round to its end: leases rescued, bytes taken up, probes, everything due claimed, sent and
    /// settled. How many jobs it had in hand. For tests: nothing runs on after it.
    ///
    /// # Errors
    /// The store's.
    pub async fn step(&self) -> Result<usize, StoreError> {
        self.keep_house().await?;
        replay::step_due(&self.inbound.acceptor).await?;
        let lease_ends = self.lease_ends();
        let jobs = self.claim().await?;
        let count = jobs.len();
        let all = jobs
            .into_iter()
            .map(|(job, seat)| async move { self.process(&job, lease_ends, seat).await });
        futures_util::future::join_all(all).await;
        Ok(count)
    }

    /// When a lease that is asked for now ends: counted from before the claim, however long that takes.
    fn lease_ends(&self) -> Duration {
        let house = self.house();
        house.clock.monotonic() + house.settings.lease
    }

    async fn keep_house(&self) -> Result<(), StoreError> {
        let house = self.house();
        let now = house.clock.now();
        let rescued = house.store.rescue(now).await.map(|rescued| {
            if rescued > 0 {
                tracing::warn!(rescued, "leases ran out: their outcome is unclear");
            }
        });
        // One that fails keeps none of the others from being done.
        let resumed = self.inbound.resume(now.minus(LEFT_AFTER)).await;
        let probed = self.probe().await;
        let pruned = house.store.prune(now, &house.settings.keep).await;
        rescued
            .and(resumed.map(drop))
            .and(probed)
            .and(pruned.map(drop))
    }

    /// What the gate denied, decided anew: a consent may have begun today, or a crash may have come
    /// between a consent and what it allows.
    ///
    /// # Errors
    /// The store's.
    pub async fn decide_denials(&self) -> Result<usize, StoreError> {
        let house = self.house();
        let mut made = 0;
        for tenant in house.tenants.values() {
            for client in house.store.denied_clients(&tenant.id).await? {
                made += self
                    .inbound
                    .acceptor
                    .decide_denials(tenant, &client, house.clock.now())
                    .await?;
            }
        }
        Ok(made)
    }

    /// Asks partners whose pause has ended whether they are there; one that is not stays paused.
    async fn probe(&self) -> Result<(), StoreError> {
        let house = self.house();
        let now = house.clock.now();
        let due = house.store.take_probes(now, house.settings.lease).await?;
        let all = due.iter().map(|(t, p)| self.probe_one(t, p, now));
        for result in futures_util::future::join_all(all).await {
            result?;
        }
        Ok(())
    }

    async fn probe_one(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        asked: Time,
    ) -> Result<(), StoreError> {
        let house = self.house();
        let Some(member) = house.member(tenant, partner) else {
            return Ok(());
        };
        let answer = member.partner.probe().await;
        let pause = again(&answer, &member.policy, house.clock.now());
        tracing::info!(%partner, well = pause.is_none(), reason = answer.reason.as_str(), "probe");
        house.store.probed(tenant, partner, asked, pause).await
    }

    /// Jobs that are due, each with its seat at the partner.
    async fn claim(&self) -> Result<Vec<(Claimed, Option<Seat>)>, StoreError> {
        let house = self.house();
        let now = house.clock.monotonic();
        let room = house
            .partners
            .iter()
            .map(|(name, member)| (name.0.clone(), name.1.clone(), member.room.free(now)))
            .filter(|(_, _, free)| *free > 0)
            .collect();
        let request = ClaimRequest {
            worker: house.settings.node.clone(),
            now: house.clock.now(),
            lease: if fault::mutant(Mutant::ShortLease) {
                Duration::from_millis(100)
            } else {
                house.settings.lease
            },
            room,
            turn: self.turn.load(Ordering::Relaxed),
        };
        let jobs = house.store.claim(request).await?;
        self.turn
            .fetch_add(u64::from(!jobs.is_empty()), Ordering::Relaxed);
        let seated = jobs.into_iter().map(|job| {
            let member = house.member(&job.tenant, &job.partner);
            let seat = member.map(|member| member.room.enter(&house.clock));
            (job, seat)
        });
        Ok(seated.collect())
    }

    /// Works on one job; what fails leaves it to its lease.
    async fn process(&self, job: &Claimed, lease_ends: Duration, mut seat: Option<Seat>) {
        let house = self.house();
        let (Some(tenant), Some(member)) = (
            house.tenants.get(&job.tenant),
            house.member(&job.tenant, &job.partner),
        ) else {
            return;
        };
        let goes = match &mut seat {
            Some(seat) => seat.turn().await,
            None => true,
        };
        let attempt = Attempt {
            house,
            tenant,
            member,
            job,
            doors: &self.inbound,
            lease_ends,
            seat: Mutex::new(seat),
            since: Mutex::default(),
        };
        let done = match goes && !attempt.lease_is_over() {
            true => attempt.run().await,
            false => attempt.give_back().await,
        };
        if let Err(error) = done {
            tracing::warn!(job = %job.id, %error, reason = Reason::LeaseLost.as_str(),
                "the outcome could not be written: the lease settles it");
        }
    }
}

fn ended_one(ended: Result<(), tokio::task::JoinError>, words: &'static str) {
    if let Err(error) = ended
        && !error.is_cancelled()
    {
        tracing::error!(panic = error.is_panic(), "{words}");
    }
}
