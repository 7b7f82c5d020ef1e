//! The run: what can happen, and the dice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fhir_gateway::ids::{PartnerId, TenantId};
use fhir_gateway::store::sqlite::Sqlite;
use fhir_gateway::sync::intake::{Outcome, Submission};

use super::base::{Shared, StoreFaults};
use super::ehr::Ehr;
use super::mutant::{Mutant, Sabotage};
use super::network::{Event, Network};
use super::node::{self, Alive, Node};
use super::pharmacy::Pharmacy;
use super::records::{self, History, Version};
use super::turns::{Hands, Tasks};
use super::watch::Watch;
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
enum Told {
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
    inbox: Arc<Mutex<Vec<Told>>>,
    pub(crate) tally: Tally,
    trace: Option<&'a mut Vec<String>>,
}

/// Steps that a trace keeps.
const TRACE_MAX: usize = 400;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

fn shared(path: &Path, seed: u64, mutant: Option<Mutant>) -> Arc<Shared> {
    let store = Arc::new(Sqlite::open(path).expect("a store"));
    Arc::new(Shared {
        store,
        turns: Arc::default(),
        hands: Arc::new(Hands::at(BEGIN)),
        watch: Arc::new(Watch::new(path)),
        faults: Mutex::default(),
        rng: Mutex::new(fastrand::Rng::with_seed(seed ^ 0x57)),
        sabotage: Sabotage::of(mutant),
    })
}

/// A store in which what everything leans on was handed in, at peace.
pub(crate) fn template(kit: &Kit) -> PathBuf {
    fastrand::seed(1);
    let path = kit.folder.join("template.db");
    let shared = shared(&path, 1, None);
    let (hands, watch) = (Arc::clone(&shared.hands), Arc::clone(&shared.watch));
    let network = Arc::new(Network::new(1, 0, hands, watch));
    let alive = node::start(kit, 0, 0, &shared, &network);
    runtime().block_on(async {
        for version in records::setup() {
            let mut tasks = Tasks::default();
            let alive = alive.clone();
            tasks.spawn(Some(0), "submit", async move {
                let outcome = hand_in(&alive, &version).await;
                let why = String::from_utf8_lossy(&outcome.body).into_owned();
                assert_eq!(outcome.status, 202, "{}: {why}", version.id);
            });
            while tasks.len() > 0 {
                tasks.run();
                for id in shared.turns.waiting() {
                    shared.turns.grant(id);
                }
            }
        }
    });
    assert_eq!(shared.watch.failure(), None);
    path
}

async fn hand_in(alive: &Alive, version: &Version) -> Outcome {
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

/// Runs a seed, and tells its steps.
pub(crate) fn traced(
    kit: &Kit,
    seed: u64,
    mutant: Option<Mutant>,
    trace: &mut Vec<String>,
) -> Result<Tally, String> {
    begin(kit, seed, mutant, Some(trace))
}

/// Runs a seed.
pub(crate) fn run(kit: &Kit, seed: u64, mutant: Option<Mutant>) -> Result<Tally, String> {
    begin(kit, seed, mutant, None)
}

fn begin(
    kit: &Kit,
    seed: u64,
    mutant: Option<Mutant>,
    trace: Option<&mut Vec<String>>,
) -> Result<Tally, String> {
    fastrand::seed(seed);
    let mut rng = fastrand::Rng::with_seed(seed);
    let path = kit.folder.join(format!("run-{seed}.db"));
    std::fs::copy(&kit.template, &path).expect("room for a store");
    let shared = shared(&path, seed, mutant);
    shared.watch.start();
    // Some seeds are calm, some are mad.
    let wrong = [0, 10, 25, 50][rng.usize(..4)];
    let (hands, watch) = (Arc::clone(&shared.hands), Arc::clone(&shared.watch));
    let network = Arc::new(Network::new(seed ^ 0x4e, wrong, hands, watch));
    let failing = rng.u32(..3) == 0;
    *shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = StoreFaults {
        before: if failing { 5 } else { 0 },
        after: if failing { 10 } else { 0 },
    };
    let nodes = (0..rng.usize(1..4)).map(|_| Node {
        ahead: rng.i64(-3_000_000..3_000_000),
        alive: None,
    });
    let nodes = nodes.collect();
    let lines = records::histories(&mut rng).into_iter().map(|left| Line {
        left,
        busy: None,
        known: Vec::new(),
    });
    let mut world = World {
        kit,
        lines: lines.collect(),
        ehrs: [
            Ehr::new("ehr-strict", true, true),
            Ehr::new("ehr-plain", false, true),
        ],
        pharmacies: [
            Pharmacy::new(PARTNERS[2].id, PARTNERS[2].ncpdp_id, true, seed ^ 0x70),
            Pharmacy::new(PARTNERS[3].id, PARTNERS[3].ncpdp_id, false, seed ^ 0x71),
        ],
        rng,
        shared,
        network,
        tasks: Tasks::default(),
        nodes,
        hook: BTreeSet::new(),
        inbox: Arc::default(),
        tally: Tally::default(),
        trace,
    };
    let done = runtime().block_on(tokio::task::unconstrained(world.live()));
    drop(world);
    for end in ["db", "lock", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(path.with_extension(end));
    }
    done
}

impl World<'_> {
    async fn live(&mut self) -> Result<Tally, String> {
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
            Event::Arrives(request) => {
                let now = self.shared.hands.now();
                let watch = Arc::clone(&self.shared.watch);
                let said = match request.partner {
                    0 | 1 => self.ehrs[request.partner].take(&request, &watch),
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
            let now = self.shared.hands.now().since(BEGIN);
            trace.push(format!("{:>10.3} s  {}", now.as_secs_f64(), words()));
        }
    }
}
