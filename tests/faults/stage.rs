//! A stage: partners, a clinic, and the real gateway as a child process on a folder of its own, that can be
//! killed and started again; then everything that the checker wants to know.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};
use fhir_gateway::fault::Mutant;
use fhir_gateway::web::TokenHash;

use crate::check::{Book, Evidence, Found, Wrong, check};
use crate::clinic::Clinic;
use crate::door::Door;
use crate::look::{Look, Watch};
use crate::partner::ehr::Ehr;
use crate::partner::pharmacy::Pharmacy;
use crate::partner::{Keep, Partner};

/// An EHR that honours `If-None-Exist`, in the order of each record.
pub(crate) const EHR: &str = "ehr-a";
/// One that is searched first, in the order of each patient.
pub(crate) const STRICT: &str = "ehr-b";
/// A pharmacy that answers 220 to a message that it has had.
pub(crate) const PHARMACY: &str = "pharmacy-a";
/// One that takes it for another prescription.
pub(crate) const UNKNOWING: &str = "pharmacy-b";

/// What is routed to an EHR.
const TO_EHR: [&str; 4] = ["medication-request", "observation", "care-plan", "client"];
/// Megabytes that the process may grow to.
const RSS_MB_MAX: u64 = 400;
/// How long it may take to listen.
const START: Duration = Duration::from_secs(40);

/// How a stage is set up.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) partners: &'static [&'static str],
    pub(crate) patients: usize,
    pub(crate) lease_s: u64,
    pub(crate) timeout_ms: u64,
    /// Seconds after each failed attempt.
    pub(crate) schedule_s: &'static [u64],
    /// Where the database is, if not in the stage's folder.
    pub(crate) data: Option<PathBuf>,
    /// Further lines for the block of a partner.
    pub(crate) more: Vec<(&'static str, String)>,
    pub(crate) mutant: Option<Mutant>,
}

impl Setup {
    pub(crate) fn new(name: &'static str, seed: u64, mutant: Option<Mutant>) -> Self {
        Setup {
            name,
            seed,
            partners: &[EHR, STRICT, PHARMACY],
            patients: 6,
            lease_s: 4,
            timeout_ms: 800,
            schedule_s: &[1; 30],
            data: None,
            more: Vec::new(),
            mutant,
        }
    }
}

/// The stage.
pub(crate) struct Stage {
    setup: Setup,
    folder: tempdir::Folder,
    pub(crate) clock: Arc<System>,
    pub(crate) clinic: Clinic,
    pub(crate) door: Door,
    partners: Vec<Partner>,
    tellers: Vec<tokio::task::JoinHandle<()>>,
    child: Option<Child>,
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
        let folder = tempdir::Folder::new(setup.name);
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
        let address = free_address();
        let door = Door {
            address,
            token: "clinic-token".to_owned(),
        };
        let stage = Stage {
            clinic: Clinic::new(door.clone(), clock.clone(), setup.patients, setup.seed),
            tellers: partners
                .iter()
                .map(|p| teller(p.clone(), address))
                .collect(),
            setup,
            folder,
            clock,
            door,
            partners,
            child: None,
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

    /// Writes the config, with these addresses instead of partners' own.
    pub(crate) fn configure(&self, addresses: &[(&str, String)]) {
        let file = self.folder.path().join("gateway.toml");
        std::fs::write(file, self.config(addresses)).expect("a config");
    }

    fn config(&self, addresses: &[(&str, String)]) -> String {
        let setup = &self.setup;
        let mut text = format!(
            "[server]\nlisten = \"{}\"\ndrain_ms = 2000\n[store]\npath = \"{}\"\nfree_mb_min = 1\n\
             [log]\nfilter = \"info\"\n\
             [delivery]\nlease_s = {}\npoll_ms = 50\ncancel_silence_s = 86400\n\
             [retry]\nschedule_s = {:?}\noverload_s = 1\noutage_s = 1\nask_every_s = 0\nasks_max = 500\n\
             [[tenants]]\nid = \"clinic\"\nbase = \"https://clinic.example\"\nzone = \"America/New_York\"\n\
             key_file = \"tenant.key\"\n",
            self.door.address,
            self.database().display(),
            setup.lease_s,
            setup.schedule_s,
        );
        let mut rights = vec!["submit", "read", "operate"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        for partner in &self.partners {
            let name = partner.name();
            let told = addresses.iter().find(|(n, _)| *n == name);
            let base = told.map_or_else(
                || format!("http://{}", partner.address()),
                |(_, address)| address.clone(),
            );
            let block = match name {
                EHR => format!(
                    "kind = \"ehr-fhir\"\nurl = \"{base}/fhir\"\ncreate = \"conditional\"\npatients = \"created\"\n"
                ),
                STRICT => format!(
                    "kind = \"ehr-fhir\"\nurl = \"{base}/fhir\"\norder = \"patient\"\npatients = \"created\"\n"
                ),
                PHARMACY => format!(
                    "kind = \"ncpdp-script\"\nurl = \"{base}/script\"\nncpdp_ids = [\"7701630\"]\n\
                     duplicates = \"answers-220\"\n"
                ),
                _ => format!(
                    "kind = \"ncpdp-script\"\nurl = \"{base}/script\"\nncpdp_ids = [\"7701648\"]\n"
                ),
            };
            let kinds: &[&str] = match name {
                EHR | STRICT => &TO_EHR,
                _ => &TO_EHR[..1],
            };
            let _ = write!(
                text,
                "[[partners]]\nid = \"{name}\"\ntimeout_ms = {}\n{block}",
                setup.timeout_ms
            );
            for (_, line) in setup.more.iter().filter(|(n, _)| *n == name) {
                let _ = writeln!(text, "{line}");
            }
            let _ = write!(text, "[[routes]]\nto = \"{name}\"\nkinds = {kinds:?}\n");
            rights.push(format!("inbound:{name}"));
        }
        let hash = TokenHash::of(&self.door.token).hex();
        let _ = write!(
            text,
            "[[tokens]]\nname = \"clinic\"\nsha256 = \"{hash}\"\nrights = {rights:?}\n"
        );
        text
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

    pub(crate) fn look(&self) -> Look {
        Look::at(&self.database()).expect("a database")
    }

    /// Starts the gateway with these arguments and waits until it answers; `false`: it ended before.
    pub(crate) async fn start(&mut self, args: &[String]) -> bool {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("gateway.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_fhir-gateway"));
        command
            .args(["serve", "--config", "gateway.toml", "--until-input-ends"])
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"));
        if let Some(mutant) = self.setup.mutant.filter(|_| !self.sound) {
            command.args(["--mutant", mutant.as_str()]);
        }
        self.child = Some(command.spawn().expect("the gateway"));
        let begun = self.clock.monotonic();
        loop {
            if self.ended() {
                return false;
            }
            if matches!(self.door.get("/ready").await, Ok((200, _))) {
                return true;
            }
            let took = self.clock.monotonic().saturating_sub(begun);
            assert!(
                took < START,
                "the gateway of {} does not start",
                self.setup.name
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
        let runs = self.start(&[]).await;
        assert!(runs, "the gateway ended at once: {}", self.last_words());
        self.clinic.open().await;
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("gateway.log"));
        let log = log.unwrap_or_default();
        let from = log.lines().count().saturating_sub(5);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }

    /// Remembers a figure.
    pub(crate) fn note(&mut self, says: String) {
        self.notes.push(says);
    }

    /// Whether the child has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        let Some(child) = &mut self.child else {
            return true;
        };
        let over = child.try_wait().expect("the child").is_some();
        if over {
            self.child = None;
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
        self.measure();
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("ended");
            self.kills += 1;
        }
    }

    /// Sends a signal to the child.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("a child").id().to_string();
        let told = Command::new("kill").args([name, &pid]).status();
        assert!(told.is_ok_and(|s| s.success()), "kill {name}");
    }

    /// Ends it in order.
    fn stop(&mut self) {
        self.measure();
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    fn measure(&mut self) {
        let Some(child) = &self.child else { return };
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let status = status.unwrap_or_default();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kb = peak.and_then(|l| l.trim().split(' ').next()?.parse().ok());
        self.rss_kb = self.rss_kb.max(kb.unwrap_or(0));
    }

    /// Looks at every job's state again and again from now on.
    pub(crate) fn watch(&mut self) {
        let (watch, path) = (self.watch.clone(), self.database());
        self.watcher = Some(tokio::spawn(async move {
            loop {
                if let Some(look) = Look::at(&path) {
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
        self.drained(None, drain).await;
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
        if log.unwrap_or_default().contains("Canary") {
            found.add(Wrong::Told, "a patient's name stands in the log");
        }
        if !found.broken.is_empty() && self.setup.mutant.is_none() {
            self.folder.keep();
        }
        for teller in &self.tellers {
            teller.abort();
        }
        Outcome {
            found,
            messages: self.clinic.acknowledged() as u64,
            kills: self.kills,
            faults: self.faults
                + self.kills
                + self.partners.iter().map(Partner::faults).sum::<u64>(),
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
            attempts_max: self.setup.schedule_s.len() as u64 + 1,
            ..Evidence::default()
        };
        self.look().read(&mut evidence);
        evidence
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn book(partner: &Partner) -> Book {
    let lines = partner.book();
    let base = Book {
        partner: partner.name().to_owned(),
        lines,
        ..Book::default()
    };
    match &*partner.keep() {
        Keep::Ehr(ehr) => Book {
            kinds: TO_EHR.map(str::to_owned).to_vec(),
            kept: ehr.all(),
            ..base
        },
        Keep::Pharmacy(pharmacy) => Book {
            kinds: vec![TO_EHR[0].to_owned()],
            pharmacy: true,
            live: pharmacy
                .prescriptions()
                .iter()
                .filter(|rx| rx.live)
                .map(|rx| (rx.order.clone(), rx.message.clone()))
                .collect(),
            live_twice: pharmacy.live_twice.clone(),
            ..base
        },
    }
}

/// Tells the gateway what became of cancels, each until it has heard.
fn teller(partner: Partner, address: SocketAddr) -> tokio::task::JoinHandle<()> {
    let door = Door {
        address,
        token: "clinic-token".to_owned(),
    };
    tokio::spawn(async move {
        let clock = System::default();
        loop {
            let next = match &*partner.keep() {
                Keep::Pharmacy(pharmacy) => pharmacy.to_tell(clock.now()),
                Keep::Ehr(_) => return,
            };
            if let Some((message, bytes)) = next {
                let path = format!("/in/{}", partner.name());
                if let Ok((200..300, _)) = door.tell(&path, &bytes).await
                    && let Keep::Pharmacy(pharmacy) = &mut *partner.keep()
                {
                    pharmacy.told(&message);
                    continue;
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
}

mod tempdir {
    //! A folder that goes with its owner, unless it is to be looked at.

    use std::path::{Path, PathBuf};

    pub(crate) struct Folder {
        path: PathBuf,
        keep: bool,
    }

    impl Folder {
        pub(crate) fn new(name: &str) -> Self {
            let end = fastrand::u64(..);
            let path = std::env::temp_dir().join(format!("gateway-faults-{name}-{end:x}"));
            std::fs::create_dir_all(&path).expect("a folder");
            Folder { path, keep: false }
        }

        pub(crate) fn path(&self) -> &Path {
            &self.path
        }

        pub(crate) fn keep(&mut self) {
            self.keep = true;
            println!("      everything is kept in {}", self.path.display());
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            if !self.keep {
                let _ = std::fs::remove_dir_all(&self.path);
            }
        }
    }
}
