//! A whole gateway in this process, for tests: its own folder and database, a clock that the test moves
//! (or the machine's), fake partners on loopback, callers with tokens, and the captured log.
//!
//! When a [`Gateway`] is dropped it is looked over: no job may be left sending, the counts must add up,
//! no fake partner may have had a request that the test did not expect, and no name of a fixture's
//! client (`Canary…`) may stand in the log or the metrics.

mod fake;
mod log;
mod place;
mod wait;

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fhir_gateway::app::{self, Drive, Running};
use fhir_gateway::clock::{Clock, Manual, System, Time};
use fhir_gateway::config::{Config, Place};
use fhir_gateway::ids::TenantId;
use fhir_gateway::partner::wire::{Ask, Credential, Http, HttpSettings};
use fhir_gateway::phi::Secret;
use fhir_gateway::store::sqlite;
use fhir_gateway::sync::house::House;
use fhir_gateway::sync::ports::Store;
use fhir_gateway::telemetry;
use fhir_gateway::web::TokenHash;
use serde_json::Value;

pub(crate) use fake::Fake;

use crate::cluster::Database;

pub(crate) use place::only_embedded;
pub(crate) use wait::until;

/// The one tenant.
pub(crate) const TENANT: &str = "clinic";
/// The tenant's key.
pub(crate) const TENANT_KEY: [u8; 32] = [7; 32];
/// 2026-11-24T12:00:00Z, where a [`Manual`] clock begins.
pub(crate) const BEGIN: Time = Time::from_micros(1_795_521_600_000_000);

/// Callers and their rights; the token of each is `{name}-token`.
const CALLERS: &[(&str, &str)] = &[
    ("clinic-system", r#""submit", "feed""#),
    ("reader", r#""read""#),
    ("admin", r#""operate""#),
];

/// What a gateway is built of.
pub(crate) struct Setup {
    config: String,
    clock: Option<Arc<Manual>>,
    fakes: Vec<Fake>,
    callers: Vec<(String, String)>,
    others: Vec<String>,
}

impl Setup {
    /// No partners, a clock that stands at [`BEGIN`].
    pub(crate) fn new() -> Self {
        Setup {
            config: String::new(),
            clock: Some(Arc::new(Manual::at(BEGIN))),
            fakes: Vec::new(),
            callers: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Another tenant, with callers `{id}-{name}` like the first one's. Blocks of the config have to name
    /// their tenant then.
    pub(crate) fn other_tenant(mut self, id: &str) -> Self {
        self.others.push(id.to_owned());
        self
    }

    /// The machine's clock instead.
    pub(crate) fn system_clock(mut self) -> Self {
        self.clock = None;
        self
    }

    /// More of the config: tables and blocks, as in the manual.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// One more caller, with these rights; its token is `{name}-token`.
    pub(crate) fn caller(mut self, name: &str, rights: &str) -> Self {
        self.callers.push((name.to_owned(), rights.to_owned()));
        self
    }

    /// A partner that is `fake`: its block is `toml` with `{url}` filled in, and a caller
    /// `{id}` may send as it.
    pub(crate) fn partner(mut self, id: &str, fake: &Fake, toml: &str) -> Self {
        self.fakes.push(fake.clone());
        self.partner_at(id, fake.url(), toml)
    }

    /// The same at an address: of a simulated partner, or of nobody.
    pub(crate) fn partner_at(mut self, id: &str, url: &str, toml: &str) -> Self {
        let _ = writeln!(
            self.config,
            "[[partners]]\nid = \"{id}\"\n{}",
            toml.replace("{url}", url)
        );
        self.caller(id, &format!("\"inbound:{id}\""))
    }

    /// A partner at any address: its block is `toml`, and a caller `{id}` may send as it.
    pub(crate) fn block(mut self, id: &str, toml: &str) -> Self {
        let _ = writeln!(self.config, "[[partners]]\nid = \"{id}\"\n{toml}");
        self.caller(id, &format!("\"inbound:{id}\""))
    }

    /// The clock that the gateway will go by.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        match &self.clock {
            Some(manual) => Arc::<Manual>::clone(manual),
            None => Arc::new(System::default()),
        }
    }

    /// Starts it.
    pub(crate) async fn start(self) -> Gateway {
        log::capture();
        let folder = new_folder();
        std::fs::write(folder.join("tenant.key"), TENANT_KEY).expect("a key file");
        let database = place::database();
        let store = database
            .as_ref()
            .map_or("sqlite:gateway.db".to_owned(), Database::address);
        let mut text = format!(
            "{}\n[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{store}\"\nfree_mb_min = 1\n\
             [[tenants]]\nid = \"{TENANT}\"\nbase = \"https://clinic.example\"\nzone = \"America/New_York\"\n\
             key_file = \"tenant.key\"\n",
            self.config
        );
        let callers = CALLERS
            .iter()
            .map(|(n, r)| (TENANT, (*n).to_owned(), (*r).to_owned()));
        let more = self
            .callers
            .iter()
            .map(|(n, r)| (TENANT, n.clone(), r.clone()));
        let others = self.others.iter().flat_map(|id| {
            CALLERS
                .iter()
                .map(move |(n, r)| (id.as_str(), format!("{id}-{n}"), (*r).to_owned()))
        });
        for id in &self.others {
            let _ = writeln!(
                text,
                "[[tenants]]\nid = \"{id}\"\nbase = \"https://{id}.example\"\nzone = \"America/Chicago\"\n\
                 key_file = \"tenant.key\""
            );
        }
        for (tenant, name, rights) in callers.chain(more).chain(others) {
            let hash = TokenHash::of(&format!("{name}-token")).hex();
            let _ = writeln!(
                text,
                "[[tokens]]\ntenant = \"{tenant}\"\nname = \"{name}\"\nsha256 = \"{hash}\"\nrights = [{rights}]"
            );
        }
        let config = Config::parse(&text, &folder).expect("a good config");
        let running = app::start(&config, self.clock(), Drive::ByHand)
            .await
            .expect("a gateway");
        Gateway {
            running: Some(running),
            manual: self.clock,
            folder,
            config,
            fakes: self.fakes,
            clients: Mutex::default(),
            _database: database,
        }
    }
}

/// An answer.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The rules of a problem.
    pub(crate) fn rules(&self) -> Vec<String> {
        let json = self.json();
        let issues = json["issues"].as_array().expect("issues");
        issues
            .iter()
            .map(|i| i["rule"].as_str().expect("a rule").to_owned())
            .collect()
    }
}

/// A gateway that runs; looked over when it is dropped.
pub(crate) struct Gateway {
    running: Option<Running>,
    manual: Option<Arc<Manual>>,
    folder: PathBuf,
    config: Config,
    fakes: Vec<Fake>,
    clients: Mutex<HashMap<String, Http>>,
    /// The last to go.
    _database: Option<Database>,
}

impl Gateway {
    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Its address, without a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.running().address)
    }

    /// The house: what a test does that no door does.
    pub(crate) fn house(&self) -> Arc<House> {
        Arc::clone(&self.running().house)
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, span: Duration) {
        self.manual.as_ref().expect("a clock by hand").advance(span);
    }

    /// Lets the worker do what is due, round after round, until nothing is. How many jobs it had.
    pub(crate) async fn work(&self) -> usize {
        let mut all = 0;
        for _ in 0..1000 {
            let worker = &self.running().worker;
            match worker.step().await.expect("the store answers") {
                0 => {
                    self.is_sound().await;
                    return all;
                }
                n => all += n,
            }
        }
        panic!("the worker never comes to rest");
    }

    /// That the self-check finds nothing, whatever time it is.
    async fn is_sound(&self) {
        let store = &self.running().house.store;
        let ever = Duration::from_secs(1_000_000_000);
        let found = store.audit(BEGIN, ever).await.expect("the store answers");
        assert!(found.is_empty(), "{found:?}");
    }

    /// A backup of its database, as it is now.
    pub(crate) fn back_up(&self) -> PathBuf {
        let to = self.folder.join("backup.db");
        sqlite::backup(self.config.store.file().expect("a file"), &to).expect("a backup");
        to
    }

    /// Its database is lost and this backup put back; then it is started again.
    pub(crate) async fn put_back(&mut self, backup: &std::path::Path) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        let now = self.manual.as_ref().expect("a clock by hand").now();
        sqlite::restore(backup, self.config.store.file().expect("a file"), true, now)
            .await
            .expect("it is put back");
        self.restart().await;
    }

    /// Stops it as a SIGTERM does and starts it again on the same folder.
    pub(crate) async fn restart(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        let clock: Arc<dyn Clock> = match &self.manual {
            Some(manual) => Arc::<Manual>::clone(manual),
            None => Arc::new(System::default()),
        };
        let running = app::start(&self.config, clock, Drive::ByHand)
            .await
            .expect("it starts again");
        self.running = Some(running);
    }

    /// The same with another config.
    pub(crate) async fn restart_with(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.restart().await;
    }

    /// The client of a caller, made once: each reads the system's certificates.
    fn client(&self, caller: &str) -> Http {
        let mut clients = self.clients.lock().expect("nobody panicked here");
        let known = clients.entry(caller.to_owned()).or_insert_with(|| {
            let credential = if caller.is_empty() {
                Credential::None
            } else {
                Credential::Fixed(Secret::new(format!("{caller}-token")))
            };
            Http::new(&HttpSettings {
                credential,
                body_max: 16 << 20,
                ..HttpSettings::default()
            })
            .expect("a client")
        });
        known.clone()
    }

    /// One request, as the caller of that name; nobody if it is empty.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        caller: &str,
        headers: &[(&'static str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Got {
        let http = self.client(caller);
        let url = format!("{}{path}", self.url());
        let ask = Ask {
            method,
            url: reqwest::Url::parse(&url).expect("an address"),
            headers: headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect(),
            body,
        };
        let heard = http.send(ask, BEGIN).await.expect("an answer");
        Got {
            status: heard.status,
            media_type: heard.media_type,
            body: heard.body,
        }
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str, caller: &str) -> Got {
        self.send(reqwest::Method::GET, path, caller, &[], None)
            .await
    }

    /// `POST` of JSON.
    pub(crate) async fn post(&self, path: &str, caller: &str, body: &Value) -> Got {
        let bytes = serde_json::to_vec(body).expect("JSON");
        let body = Some(("application/json", bytes));
        self.send(reqwest::Method::POST, path, caller, &[], body)
            .await
    }

    /// Submits what a fixture leans on, and then its record; all accepted.
    pub(crate) async fn submit_whole(&self, kind: &str, whole: &Value) {
        self.submit_context(&whole["context"]).await;
        self.accepted(kind, &whole["record"]).await;
    }

    /// Submits what a fixture leans on; all accepted.
    pub(crate) async fn submit_context(&self, context: &Value) {
        const ROLES: &[(&str, &str)] = &[
            ("client", "client"),
            ("prescriber", "staff"),
            ("staff", "staff"),
            ("pharmacy", "pharmacy"),
            ("laboratory", "laboratory"),
            ("episode", "episode"),
            ("consents", "consent"),
            ("evaluation", "evaluation"),
            ("orders", "medication-request"),
        ];
        for (role, of) in ROLES {
            let there = match &context[*role] {
                Value::Array(all) => all.clone(),
                Value::Null => Vec::new(),
                one => vec![one.clone()],
            };
            for record in there {
                if *of == "evaluation" {
                    let evaluator = record["evaluator_staff_id"].as_str().expect("who");
                    self.accepted("staff", &fixture("staff", evaluator)).await;
                }
                self.accepted(of, &record).await;
            }
        }
    }

    async fn accepted(&self, kind: &str, record: &Value) {
        let got = self.submit(kind, record).await;
        assert_eq!(got.status, 202, "{kind}: {}", got.text());
    }

    /// Submits a record as the clinic's system.
    pub(crate) async fn submit(&self, kind: &str, record: &Value) -> Got {
        self.post(&format!("/records/{kind}"), "clinic-system", record)
            .await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let store = self.running.take().map(|r| Arc::clone(&r.house.store));
        let failing = std::thread::panicking();
        if let (Some(store), false) = (store, failing) {
            look_over(store, &self.config);
            for fake in &self.fakes {
                let odd = fake.unexpected();
                assert!(odd.is_empty(), "unexpected requests: {odd:?}");
            }
            let seen = log::captured() + &telemetry::measured();
            let at = seen.find("Canary");
            assert!(
                at.is_none(),
                "a client's name stands in the log or the metrics"
            );
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The store's own counts, read by a runtime of their own: a drop cannot wait on the test's. Nor can a
/// connection to a server, whose traffic the test's runtime carries: another store is opened for that.
fn look_over(store: Arc<dyn Store>, config: &Config) {
    let shared = matches!(config.store.place, Place::Postgres(_)).then(|| config.clone());
    let looked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let store = match shared {
                Some(config) => {
                    let clock: Arc<dyn Clock> = Arc::new(System::default());
                    app::open_store(&config, &clock).await.expect("a store")
                }
                None => store,
            };
            store.status(&TenantId::new(TENANT), BEGIN, 100).await
        })
    });
    let status = looked.join().expect("it ends").expect("the store answers");
    let mut sum = 0;
    for p in &status.partners {
        let sending = p.jobs.get("sending").copied().unwrap_or(0);
        assert_eq!(sending, 0, "{}: left sending", p.partner);
        sum += p.jobs.values().sum::<u64>();
    }
    assert_eq!(sum, status.jobs_made, "the counts do not add up");
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("fhir-gateway-it-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The record of a fixture: `fixtures/<kind>/<case>/record.json`.
pub(crate) fn fixture(kind: &str, case: &str) -> Value {
    fixture_whole(kind, case)["record"].take()
}

/// A fixture's record with its context.
pub(crate) fn fixture_whole(kind: &str, case: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = path.join(format!("fixtures/{kind}/{case}/record.json"));
    let bytes = std::fs::read(&path).expect("a fixture");
    serde_json::from_slice(&bytes).expect("JSON")
}
