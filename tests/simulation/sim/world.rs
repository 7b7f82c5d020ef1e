//! The run: what can happen, and the dice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fhir_gateway::ids::{PartnerId, TenantId};
use fhir_gateway::sync::intake::{Outcome, Submission};

use super::base::Shared;
use super::ehr::Ehr;
use super::network::{Event, Network};
use super::node::{self, Alive, Node};
use super::pharmacy::Pharmacy;
use super::records::{History, Version};
use super::turns::Tasks;
use super::{BEGIN, Kit, PARTNERS, TENANT, Tally};

/// Steps of trouble, at most, before everything heals.
const STEPS: u32 = 1500;
/// Tasks in which a node's worker goes its rounds, at most.
const ROUNDS_MAX: usize = 2;
/// Records of which the clinic hands something in at once, at most.
const SUBMITS_MAX: usize = 4;

/// A record of the clinic's: what is still to come, what is on its way, what was acknowledged.
pub(crate) struct Line {
    pub(crate) left: History,
    /// The node that has it in hand.
    pub(crate) busy: Option<usize>,
    pub(crate) known: Vec<Version>,
}

/// What somebody outside was told.
pub(crate) enum Told {
    Submitted(usize, Outcome),
    Received(usize, String, bool),
}

pub(crate) struct World<'a> {
    pub(crate) kit: &'a Kit,
    pub(crate) rng: fastrand::Rng,
    pub(crate) shared: Arc<Shared>,
    pub(crate) network: Arc<Network>,
    pub(crate) tasks: Tasks,
    pub(crate) nodes: Vec<Node>,
    pub(crate) ehrs: [Ehr; 2],
    pub(crate) pharmacies: [Pharmacy; 2],
    pub(crate) hook: BTreeSet<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) inbox: Arc<Mutex<Vec<Told>>>,
    pub(crate) tally: Tally,
    pub(crate) trace: Option<&'a mut Vec<String>>,
}

/// Steps that a trace keeps.
const TRACE_MAX: usize = 40_000;

/// Hands a version in at a node.
pub(crate) async fn hand_in(alive: &Alive, version: &Version) -> Outcome {
    let key = format!("{}-{}-{}", version.kind, version.id, version.version);
    let submission = Submission {
        caller: "clinic-system",
        kind: version.kind,
        idempotency_key: Some(&key),
        media_type: "application/json",
        body: &version.body,
    };
    alive
        .intake
        .submit(&TenantId::new(TENANT), submission)
        .await
}

impl World<'_> {
    /// From the first step to the last count.
    pub(crate) async fn live(&mut self) -> Result<Tally, String> {
        for n in 0..self.nodes.len() {
            self.wake(n);
        }
        self.shared.watch.clock(self.shared.hands.now());
        for _ in 0..STEPS {
            self.step().await;
            self.settle()?;
            if self.lines.iter().all(|l| l.left.is_empty()) && self.rng.u32(..200) == 0 {
                break;
            }
        }
        self.heal().await?;
        self.count_over()?;
        let seen = self.shared.watch.seen();
        self.tally.attempts = seen.attempts;
        self.tally.leases_lost = seen.leases_lost + seen.rescued;
        self.tally.faults = self.network.faults() + seen.store_failures;
        self.tally.seconds = self.shared.hands.now().since(BEGIN).as_secs();
        Ok(self.tally)
    }

    /// One thing that happens; which, the dice say.
    async fn step(&mut self) {
        let moves = self.shared.turns.waiting().len() + self.network.ready().len();
        match self.rng.u32(..100) {
            0..72 if moves > 0 => self.go_on(),
            72..74 => self.trouble(),
            74..76 => self.person(),
            76..90 | 0..40 => self.begin(),
            _ => self.time().await,
        }
    }

    /// Lets one of those who wait go on, whoever came first or last.
    pub(crate) fn go_on(&mut self) {
        let waiting = self.shared.turns.waiting();
        let ready = self.network.ready();
        let which = self.rng.usize(..waiting.len() + ready.len());
        match which.checked_sub(waiting.len()) {
            None => {
                if let Some(what) = self.shared.turns.grant(waiting[which]) {
                    self.note(1, waiting[which], || {
                        let when = if what.after { "after" } else { "does" };
                        format!("node {} {when} {}", what.node, what.call)
                    });
                }
            }
            Some(at) => self.network_goes_on(ready[at]),
        }
    }

    pub(crate) fn network_goes_on(&mut self, id: u64) {
        match self.network.next(id) {
            Event::Arrives { request, twice } => {
                let now = self.shared.hands.now();
                let watch = Arc::clone(&self.shared.watch);
                let said = match request.partner {
                    0 | 1 => {
                        let ehr = &mut self.ehrs[request.partner];
                        let said = ehr.take(&request, &watch);
                        if twice {
                            ehr.take(&request, &watch);
                        }
                        said
                    }
                    2 | 3 => self.pharmacies[request.partner - 2].take(&request, &watch, now),
                    _ => {
                        let name = super::watch::name_of(&request).unwrap_or_default();
                        self.hook.insert(name);
                        super::network::heard(204, Vec::new())
                    }
                };
                self.note(2, id, || {
                    format!(
                        "{}: {} {} of {:?} arrives: {}",
                        PARTNERS[request.partner].id,
                        request.method,
                        request.path.join("/"),
                        super::watch::name_of(&request),
                        said.status
                    )
                });
                self.network.said(id, said);
            }
            Event::Over(how) => self.note(3, id, || format!("request {id}: {how}")),
        }
    }

    /// Somebody begins something.
    fn begin(&mut self) {
        match self.rng.u32(..10) {
            0..3 => self.submit(),
            3..7 => self.round(),
            7 | 8 => self.speak(),
            _ => self.denials(),
        }
    }

    pub(crate) fn living(&mut self) -> Option<(usize, Alive)> {
        let alive: Vec<usize> = (0..self.nodes.len())
            .filter(|n| self.nodes[*n].alive.is_some())
            .collect();
        let n = *alive.get(self.rng.usize(..alive.len().max(1)))?;
        Some((n, self.nodes[n].alive.clone()?))
    }

    /// The clinic hands something in.
    pub(crate) fn submit(&mut self) {
        let free = |l: &&Line| l.busy.is_none() && !l.left.is_empty();
        let busy = self.lines.iter().filter(|l| l.busy.is_some()).count();
        let all = self.lines.iter().filter(free).count();
        if all == 0 || busy >= SUBMITS_MAX {
            return;
        }
        let nth = self.rng.usize(..all);
        let Some((node, alive)) = self.living() else {
            return;
        };
        let at = (0..self.lines.len())
            .filter(|n| free(&&self.lines[*n]))
            .nth(nth)
            .expect("one is free");
        let line = &mut self.lines[at];
        line.busy = Some(node);
        let version = line.left[0].clone();
        if let Some((client, true)) = &version.consent {
            self.shared.watch.consented(client, true);
        }
        self.note(4, at as u64, || {
            format!(
                "{}/{}/{} to node {node}",
                version.kind, version.id, version.version
            )
        });
        let inbox = Arc::clone(&self.inbox);
        self.tasks.spawn(Some(node), "submit", async move {
            let outcome = hand_in(&alive, &version).await;
            let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
            inbox.push(Told::Submitted(at, outcome));
        });
    }

    /// A worker goes a round.
    pub(crate) fn round(&mut self) {
        let Some((node, alive)) = self.living() else {
            return;
        };
        if self.tasks.count(Some(node), "round") >= ROUNDS_MAX {
            return;
        }
        self.note(5, node as u64, || format!("node {node} goes a round"));
        self.tasks.spawn(Some(node), "round", async move {
            let _ = alive.worker.step().await;
        });
    }

    pub(crate) fn denials(&mut self) {
        let Some((node, alive)) = self.living() else {
            return;
        };
        if self.tasks.count(Some(node), "denials") > 0 {
            return;
        }
        self.note(6, node as u64, || {
            format!("node {node} decides denials anew")
        });
        self.tasks.spawn(Some(node), "denials", async move {
            let _ = alive.worker.decide_denials().await;
        });
    }

    /// A pharmacy says something: new, or again.
    pub(crate) fn speak(&mut self) {
        let now = self.shared.hands.now();
        let at = self.rng.usize(..2);
        let count = self.pharmacies[at].prescriptions.len();
        if count > 0 && self.rng.u32(..4) == 0 {
            let which = self.rng.usize(..count);
            self.pharmacies[at].verify(which, now);
        }
        let again = self.rng.u32(..10) == 0;
        let says = &self.pharmacies[at].says;
        let left: Vec<usize> = (0..says.len())
            .filter(|n| again || !says[*n].heard)
            .collect();
        if left.is_empty() {
            return;
        }
        let says = says[left[self.rng.usize(..left.len())]].clone();
        self.say(at, says);
    }

    pub(crate) fn say(&mut self, at: usize, says: super::pharmacy::Says) {
        let Some((node, alive)) = self.living() else {
            return;
        };
        self.note(7, at as u64, || {
            format!("{} says {} to node {node}", PARTNERS[at + 2].id, says.id)
        });
        let inbox = Arc::clone(&self.inbox);
        self.tasks.spawn(Some(node), "say", async move {
            let (tenant, partner) = (TenantId::new(TENANT), PartnerId::new(PARTNERS[at + 2].id));
            let reply = alive
                .inbound
                .receive(&tenant, &partner, "application/xml", &says.bytes)
                .await;
            let heard = matches!(reply, Ok(Some(r)) if r.status < 300);
            let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
            inbox.push(Told::Received(at, says.id, heard));
        });
    }

    /// A node dies or wakes, a partner goes down.
    fn trouble(&mut self) {
        match self.rng.u32(..6) {
            0 | 1 => {
                let n = self.rng.usize(..self.nodes.len());
                if self.nodes[n].alive.take().is_some() {
                    self.die(n);
                }
            }
            2..5 => {
                let n = self.rng.usize(..self.nodes.len());
                self.wake(n);
            }
            _ => {
                let partner = self.rng.usize(..PARTNERS.len());
                let span = Duration::from_secs(self.rng.u64(1..300));
                let until = self.shared.hands.now().plus(span);
                self.network.down(partner, until);
                self.note(8, partner as u64, || {
                    format!("{} is down until {until}", PARTNERS[partner].id)
                });
            }
        }
    }

    fn die(&mut self, n: usize) {
        let dropped = self.tasks.kill(n);
        self.tally.crashes += 1;
        // Whoever waits outside for its answer sends again.
        for line in self.lines.iter_mut().filter(|l| l.busy == Some(n)) {
            line.busy = None;
        }
        self.note(9, n as u64, || {
            format!("node {n} dies with {dropped} tasks")
        });
    }

    /// Starts a node that is dead.
    pub(crate) fn wake(&mut self, n: usize) {
        if self.nodes[n].alive.is_some() {
            return;
        }
        let ahead = self.nodes[n].ahead;
        let alive = node::start(self.kit, n, ahead, &self.shared, &self.network);
        self.note(10, n as u64, || format!("node {n} starts"));
        self.nodes[n].alive = Some(alive.clone());
        self.tasks.spawn(Some(n), "resume", async move {
            while matches!(alive.inbound.resume(alive.house.clock.now()).await, Ok(n) if n > 0) {}
        });
    }

    async fn time(&mut self) {
        let span = match self.rng.u32(..100) {
            0..60 => self.rng.u64(100..8000),
            60..90 => self.rng.u64(10_000..120_000),
            90..99 => self.rng.u64(300_000..1_800_000),
            _ => self.rng.u64(2..26) * 3_600_000,
        };
        self.advance(Duration::from_millis(span)).await;
    }

    /// Time goes on, but not past what has to happen on the network first.
    pub(crate) async fn advance(&mut self, span: Duration) {
        let now = self.shared.hands.now();
        let span = span.min(self.network.latest().since(now));
        if span.is_zero() {
            let due = self.network.ready();
            if let Some(id) = due.first() {
                self.network_goes_on(*id);
            }
            return;
        }
        self.shared.hands.advance(span).await;
        self.shared.watch.clock(self.shared.hands.now());
        self.note(11, span.as_millis() as u64, || format!("{span:?} go by"));
    }

    /// Runs whoever can, hears what was told, and stops at the first thing that is wrong.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.tasks.run();
        let told: Vec<Told> = {
            let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
            inbox.drain(..).collect()
        };
        for told in told {
            match told {
                Told::Submitted(at, outcome) => self.submitted(at, &outcome),
                Told::Received(at, id, heard) => {
                    self.note(12, at as u64, || format!("{id} was received: {heard}"));
                    if heard {
                        self.shared.watch.received(&id);
                        let says = self.pharmacies[at].says.iter_mut();
                        says.filter(|s| s.id == id).for_each(|s| s.heard = true);
                    }
                }
            }
        }
        match self.shared.watch.failure() {
            Some(what) => Err(what),
            None => Ok(()),
        }
    }

    fn submitted(&mut self, at: usize, outcome: &Outcome) {
        self.note(13, u64::from(outcome.status), || {
            format!("line {at}: {}", outcome.status)
        });
        let line = &mut self.lines[at];
        line.busy = None;
        let Some(version) = line.left.front().cloned() else {
            return;
        };
        let body: serde_json::Value = serde_json::from_slice(&outcome.body).unwrap_or_default();
        match outcome.status {
            202 => {
                let jobs = body["jobs"].as_array().cloned().unwrap_or_default();
                let ids = jobs.iter().filter_map(|j| j["id"].as_str());
                let ids: Vec<String> = ids.map(str::to_owned).collect();
                let kind = version.kind.as_str();
                let watch = &self.shared.watch;
                watch.acknowledged(kind, &version.id, version.version, &version.body, &ids);
                if let Some((client, false)) = &version.consent {
                    watch.consented(client, false);
                }
                self.tally.acknowledged += 1;
                line.left.pop_front();
                line.known.push(version);
            }
            503 => {}
            status => {
                let rules = body["issues"].to_string();
                self.shared.watch.fail(format!(
                    "{}/{}/{} was refused with {status}: {rules}",
                    version.kind, version.id, version.version
                ));
            }
        }
    }

    /// Notes that something happened: in the digest, and in words where somebody reads them.
    pub(crate) fn note(&mut self, what: u64, which: u64, words: impl FnOnce() -> String) {
        self.tally.steps += 1;
        let mixed = self.tally.digest ^ (what << 56) ^ which.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.tally.digest = mixed.wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        if let Some(trace) = &mut self.trace {
            if trace.len() >= TRACE_MAX {
                trace.drain(..TRACE_MAX / 4);
            }
            let now = self.shared.hands.now().since(BEGIN).as_secs_f64();
            trace.push(format!("{now:>10.3} s  {}", words()));
            let changed = self.shared.watch.changed();
            trace.extend(changed.map(|row| format!("{now:>10.3} s      {row}")));
        }
    }
}
