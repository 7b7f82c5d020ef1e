//! A stage: partners, a clinic, and the real gateway as a child process on a folder of its own, that can be
//! killed and started again; then everything that the checker wants to know.

mod books;
mod folder;
mod setup;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};

use crate::check::{Evidence, Found, Wrong, check};
use crate::clinic::Clinic;
use crate::cluster::Cluster;
use crate::door::Door;
use crate::look::{Look, Watch};
use crate::partner::ehr::Ehr;
use crate::partner::pharmacy::Pharmacy;
use crate::partner::{Keep, Partner};
use books::{book, teller};
use folder::Folder;
use setup::At;
pub(crate) use setup::{EHR, PHARMACY, STRICT, Setup, UNKNOWING};

/// Megabytes that the process may grow to.
const RSS_MB_MAX: u64 = 400;
/// What comes to rest sooner than this is not worth a word.
const LONG: Duration = Duration::from_secs(10);
/// An attempt that began before a partner's word of caution was heard goes on for as long as a request may
/// take; this much later the last of it has come in, on a machine with other things to do.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// How long it may take to listen.
const START: Duration = Duration::from_secs(40);

/// The stage.
pub(crate) struct Stage {
    setup: Setup,
    folder: Folder,
    pub(crate) clock: Arc<System>,
    pub(crate) clinic: Clinic,
    pub(crate) door: Door,
    partners: Vec<Partner>,
    tellers: Vec<tokio::task::JoinHandle<()>>,
    /// The child of each node.
    children: Vec<Option<Child>>,
    /// Whether it is started without the planted bug.
    sound: bool,
    pub(crate) kills: u64,
    /// What was done besides kills and to others than partners.
    pub(crate) faults: u64,
    rss_kb: u64,
    notes: Vec<String>,
    watch: Arc<Mutex<Watch>>,
    watcher: Option<tokio::task::JoinHandle<()>>,
}

/// What came of a stage.
pub(crate) struct Outcome {
    pub(crate) found: Found,
    pub(crate) messages: u64,
    pub(crate) kills: u64,
    pub(crate) faults: u64,
    /// Requests by which several things took effect at once.
    pub(crate) transactions: u64,
    pub(crate) rss_mb: u64,
    /// What was measured beside.
    pub(crate) notes: Vec<String>,
}

fn free_address() -> SocketAddr {
    let mut random = fastrand::Rng::new();
    for _ in 0..500 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, random.u16(15_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port on loopback")
}

impl Stage {
    /// Sets it up: partners run, the gateway does not yet.
    pub(crate) async fn new(setup: Setup) -> Self {
        let clock = Arc::new(System::default());
        let folder = Folder::new(setup.name);
        let mut partners = Vec::new();
        for name in setup.partners {
            let keep = match *name {
                EHR => Keep::Ehr(Ehr::new(true)),
                STRICT => Keep::Ehr(Ehr::new(false)),
                PHARMACY => Keep::Pharmacy(Pharmacy::new("7701630", true)),
                _ => Keep::Pharmacy(Pharmacy::new("7701648", false)),
            };
            partners.push(Partner::start(name, keep, clock.clone(), setup.seed).await);
        }
        let door = Door::to((0..setup.nodes).map(|_| free_address()).collect());
        let children = (0..setup.nodes).map(|_| None).collect();
        let stage = Stage {
            clinic: Clinic::new(door.clone(), clock.clone(), setup.patients, setup.seed),
            tellers: partners
                .iter()
                .map(|p| teller(p.clone(), door.clone()))
                .collect(),
            setup,
            folder,
            clock,
            door,
            partners,
            children,
            sound: false,
            kills: 0,
            faults: 0,
            rss_kb: 0,
            notes: Vec::new(),
            watch: Arc::default(),
            watcher: None,
        };
        std::fs::write(stage.folder.path().join("tenant.key"), [7; 32]).expect("a key");
        stage.configure(&[]);
        stage
    }

    /// Writes the configs, with these addresses instead of partners' own.
    pub(crate) fn configure(&self, addresses: &[(&str, String)]) {
        for node in 0..self.setup.nodes {
            let file = self.folder.path().join(format!("node-{node}.toml"));
            let config = self.setup.config(&At {
                node,
                listen: self.door.address(node),
                database: &self.database(),
                partners: &self.partners,
                addresses,
            });
            std::fs::write(file, config).expect("a config");
        }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        let folder = self.setup.data.as_deref();
        folder.unwrap_or(self.folder.path()).join("gateway.db")
    }

    pub(crate) fn partner(&self, name: &str) -> &Partner {
        let found = self.partners.iter().find(|p| p.name() == name);
        found.expect("a partner of the stage")
    }

    /// The cluster and the database in it.
    pub(crate) fn postgres(&self) -> Option<(&'static Cluster, &'static str)> {
        self.setup.postgres
    }

    pub(crate) fn look(&self) -> Look {
        if let Some((cluster, database)) = self.setup.postgres {
            return Look::Postgres(cluster, database);
        }
        Look::at(&self.database()).expect("a database")
    }

    /// Starts the gateway with these arguments and waits until it answers; `false`: it ended before.
    pub(crate) async fn start(&mut self, args: &[String]) -> bool {
        self.start_node(0, args).await
    }

    /// Starts one of several.
    pub(crate) async fn start_node(&mut self, node: usize, args: &[String]) -> bool {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("gateway.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_fhir-gateway"));
        command
            .args(["serve", "--until-input-ends", "--config"])
            .arg(format!("node-{node}.toml"))
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"));
        if let Some(mutant) = self.setup.mutant.filter(|_| !self.sound) {
            command.args(["--mutant", mutant.as_str()]);
        }
        self.children[node] = Some(command.spawn().expect("the gateway"));
        let door = self.door.of(node);
        let begun = self.clock.monotonic();
        loop {
            if self.node_ended(node) {
                return false;
            }
            if matches!(door.get("/ready").await, Ok((200, _))) {
                return true;
            }
            let took = self.clock.monotonic().saturating_sub(begun);
            assert!(
                took < START,
                "the gateway of {} does not start: {}",
                self.setup.name,
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts it, without any planted bug, and hands in what records lean on.
    pub(crate) async fn open_sound(&mut self) {
        self.sound = true;
        self.open().await;
        self.sound = false;
    }

    /// Starts it and hands in what records lean on.
    pub(crate) async fn open(&mut self) {
        for node in 0..self.setup.nodes {
            let runs = self.start_node(node, &[]).await;
            assert!(runs, "the gateway ended at once: {}", self.last_words());
        }
        self.clinic.open().await;
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("gateway.log"));
        let log = log.unwrap_or_default();
        let from = log.lines().count().saturating_sub(5);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }

    /// Requests so far by which several things took effect at once, and how many of them had no answer that
    /// says so.
    fn transactions(&self) -> (usize, usize) {
        let books: Vec<_> = self.partners.iter().map(Partner::book).collect();
        let all = || books.iter().flatten().filter(|l| l.took.len() > 1);
        (all().count(), all().filter(|l| l.status != 200).count())
    }

    /// Remembers a figure.
    pub(crate) fn note(&mut self, says: String) {
        self.notes.push(says);
    }

    /// Whether one of the children has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        (0..self.setup.nodes).any(|node| self.node_ended(node))
    }

    fn node_ended(&mut self, node: usize) -> bool {
        let Some(child) = &mut self.children[node] else {
            return true;
        };
        let over = child.try_wait().expect("the child").is_some();
        if over {
            self.children[node] = None;
        }
        over
    }

    /// Waits until it has died by itself, at an armed place; whether it did.
    pub(crate) async fn dies(&mut self, within: Duration) -> bool {
        let begun = self.clock.monotonic();
        while !self.ended() {
            if self.clock.monotonic().saturating_sub(begun) > within {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.kills += 1;
        true
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.kill_node(0);
    }

    /// SIGKILL for one of several.
    pub(crate) fn kill_node(&mut self, node: usize) {
        self.measure();
        if let Some(mut child) = self.children[node].take() {
            child.kill().expect("killed");
            child.wait().expect("ended");
            self.kills += 1;
        }
    }

    /// Sends a signal to a child.
    pub(crate) fn signal(&self, node: usize, name: &str) {
        let child = self.children[node].as_ref().expect("a child");
        let told = Command::new("kill")
            .args([name, &child.id().to_string()])
            .status();
        assert!(told.is_ok_and(|s| s.success()), "kill {name}");
    }

    /// Ends all in order.
    fn stop(&mut self) {
        self.measure();
        for mut child in self.children.iter_mut().filter_map(Option::take) {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    fn measure(&mut self) {
        for child in self.children.iter().flatten() {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
            let status = status.unwrap_or_default();
            let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
            let kb = peak.and_then(|l| l.trim().split(' ').next()?.parse().ok());
            self.rss_kb = self.rss_kb.max(kb.unwrap_or(0));
        }
    }

    /// Looks at every job's state again and again from now on.
    pub(crate) fn watch(&mut self) {
        let (watch, path) = (self.watch.clone(), self.database());
        let shared = self.setup.postgres;
        self.watcher = Some(tokio::spawn(async move {
            loop {
                let look = match shared {
                    Some((cluster, database)) => Some(Look::Postgres(cluster, database)),
                    None => Look::at(&path),
                };
                if let Some(look) = look {
                    let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
                    watch.look(&look);
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }));
    }

    /// Waits until something is so; whether it came to be.
    pub(crate) async fn until(&self, within: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let begun = self.clock.monotonic();
        loop {
            if is_so(self) {
                return true;
            }
            if self.clock.monotonic().saturating_sub(begun) > within {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nothing is open any more, at a partner or anywhere; whether that came.
    pub(crate) async fn drained(&self, partner: Option<&str>, within: Duration) -> bool {
        let look = self.look();
        self.until(within, |_| {
            look.counts(partner).is_some_and(|c| c.open == 0)
        })
        .await
    }

    /// Heals everybody, waits until all has come to rest, ends the gateway, and checks everything.
    pub(crate) async fn finish(mut self, drain: Duration, mut found: Found) -> Outcome {
        for partner in &self.partners {
            partner.heal();
        }
        let begun = self.clock.monotonic();
        self.drained(None, drain).await;
        let took = self.clock.monotonic().saturating_sub(begun);
        if took > LONG {
            self.note(format!("came to rest after {took:.1?}"));
        }
        if self.ended() {
            found.add(Wrong::Held, "the gateway ended by itself");
        }
        // Cancels whose pharmacy has not told of them yet come to rest once it has.
        self.stop();
        if let Some(watcher) = self.watcher.take() {
            watcher.abort();
        }
        let mut evidence = self.evidence();
        evidence.rests = true;
        found.extend(check(&evidence));
        for says in self.clinic.refused() {
            found.add(Wrong::Held, says);
        }
        let rss_mb = self.rss_kb / 1024;
        if rss_mb > RSS_MB_MAX {
            found.add(Wrong::Held, format!("the process grew to {rss_mb} MB"));
        }
        let log = std::fs::read_to_string(self.folder.path().join("gateway.log"));
        let log = log.unwrap_or_default();
        if log.contains("the self-check found a fault") {
            found.add(
                Wrong::Miscounted,
                "the gateway's own self-check found a fault",
            );
        }
        if log.contains("Canary") {
            found.add(Wrong::Told, "a patient's name stands in the log");
        }
        if !found.broken.is_empty() && self.setup.mutant.is_none() {
            self.folder.keep();
        }
        for teller in &self.tellers {
            teller.abort();
        }
        let (transactions, unheard) = self.transactions();
        if unheard > 0 {
            self.note(format!(
                "{unheard} transactions took effect, and were answered badly"
            ));
        }
        Outcome {
            found,
            messages: self.clinic.acknowledged() as u64,
            kills: self.kills,
            faults: self.faults
                + self.kills
                + self.partners.iter().map(Partner::faults).sum::<u64>(),
            transactions: transactions as u64,
            rss_mb,
            notes: std::mem::take(&mut self.notes),
        }
    }

    /// What is known now.
    pub(crate) fn evidence(&self) -> Evidence {
        let mut evidence = Evidence {
            sent: self.clinic.sent(),
            books: self.partners.iter().map(book).collect(),
            moved: self
                .watch
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .moved
                .clone(),
            on_its_way: Duration::from_millis(self.setup.timeout_ms) + ON_ITS_WAY,
            attempts_max: self.setup.schedule_s.len() as u64 + 1,
            ..Evidence::default()
        };
        self.look().read(&mut evidence);
        evidence
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for mut child in self.children.iter_mut().filter_map(Option::take) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
