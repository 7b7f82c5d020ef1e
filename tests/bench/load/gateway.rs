//! The gateway under load: the real binary, started, filled, measured, stopped.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};
use fhir_gateway::web::TokenHash;
use rusqlite::{Connection as Database, OpenFlags};

use super::client::{Connection, flood, get, post};
use super::machine::{self, Cpu};
use super::rates::Run;
use super::{AT_ONCE, Args, Requests, bare};

/// The callers' token.
pub(crate) const TOKEN: &str = "load-token";

/// A gateway that runs; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first yes of `/ready`.
    pub(crate) cold_ms: f64,
    partners: usize,
}

impl Gateway {
    /// Starts one on a fresh folder, with these partners.
    pub(crate) async fn start(program: &Path, folder: &Path, partners: &[String]) -> Self {
        Self::start_with(program, folder, &config(partners, ""), partners.len()).await
    }

    /// Starts one on a folder, with this config.
    pub(crate) async fn start_with(
        program: &Path,
        folder: &Path,
        text: &str,
        partners: usize,
    ) -> Self {
        std::fs::write(folder.join("tenant.key"), [7; 32]).expect("a key");
        let config = folder.join("gateway.toml");
        let _ = std::fs::remove_file(folder.join("address"));
        std::fs::write(&config, text).expect("a config");
        let address_file = folder.join("address");
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let clock = System::default();
        let begun = clock.monotonic();
        let child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .arg("--address-file")
            .arg(&address_file)
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the gateway");
        let address = loop {
            let written = std::fs::read_to_string(&address_file).ok();
            if let Some(address) = written.and_then(|a| a.parse().ok()) {
                break address;
            }
            assert!(
                clock.monotonic() - begun < Duration::from_secs(30),
                "it does not start"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        let mut connection = Connection::open(address).await;
        while connection.ask(&get("/ready")).await.0 != 200 {}
        Gateway {
            child,
            folder: folder.to_owned(),
            address,
            cold_ms: (clock.monotonic() - begun).as_secs_f64() * 1e3,
            partners,
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Nothing is delivered from now on.
    pub(crate) async fn pause_all(&self) {
        let mut connection = Connection::open(self.address).await;
        for n in 0..self.partners {
            let path = format!("/partners/{}/pause", bare::name(n));
            let (status, _) = connection
                .ask(&post(&path, TOKEN, b"{\"why\":\"load\"}"))
                .await;
            assert_eq!(status, 200);
        }
    }

    /// The accept rate.
    pub(crate) async fn accept(&self, args: &Args, requests: &Requests) -> Run {
        self.fill(requests).await;
        flood(self.address, args.clients, &requests.warm).await;
        let before = Cpu::of(self.child.id());
        let flood = flood(self.address, args.clients, &requests.counted).await;
        let cpu = Cpu::of(self.child.id()).since(before);
        Run::of(&flood, cpu, args.records, machine::rss_mb(self.child.id()))
    }

    /// The rate of records that are accepted and delivered to all.
    pub(crate) async fn deliver(&self, args: &Args, requests: &Requests) -> Run {
        self.fill(requests).await;
        self.delivered().await;
        flood(self.address, args.clients, &requests.warm).await;
        self.delivered().await;
        let clock = System::default();
        let before = Cpu::of(self.child.id());
        let begun = clock.monotonic();
        let mut flood = flood(self.address, args.clients, &requests.counted).await;
        self.delivered().await;
        flood.took = clock.monotonic() - begun;
        let cpu = Cpu::of(self.child.id()).since(before);
        Run::of(&flood, cpu, args.records, machine::rss_mb(self.child.id()))
    }

    async fn fill(&self, requests: &Requests) {
        for kind in &requests.leant_on {
            flood(self.address, 16, kind).await;
        }
    }

    /// Until every job has been delivered.
    async fn delivered(&self) {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let path = self.folder.join("gateway.db");
        let db = Database::open_with_flags(path, flags).expect("its database");
        let clock = System::default();
        let begun = clock.monotonic();
        loop {
            let (open, parked): (i64, i64) = db
                .query_row(
                    "SELECT ifnull(sum(n) FILTER (WHERE state IN ('waiting', 'sending', 'asking')), 0),
                            ifnull(sum(n) FILTER (WHERE state = 'parked'), 0) FROM count",
                    [],
                    |r| Ok((r.get(0)?, r.get(1)?)),
                )
                .expect("counts");
            assert_eq!(parked, 0, "jobs were parked");
            if open == 0 {
                return;
            }
            assert!(
                clock.monotonic() - begun < Duration::from_secs(120),
                "{open} jobs are left"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops it in order, so that its database is whole.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.is_ok_and(|s| s.success()));
        let _ = self.child.wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A config with these partners, each with these further keys.
pub(crate) fn config(partners: &[String], keys: &str) -> String {
    let hash = TokenHash::of(TOKEN).hex();
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"gateway.db\"\n[[tenants]]\nid = \"clinic\"\n\
         base = \"https://clinic.example\"\nzone = \"America/New_York\"\nkey_file = \"tenant.key\"\n\
         [[tokens]]\nname = \"load\"\nsha256 = \"{hash}\"\nrights = [\"submit\", \"operate\"]\n"
    );
    for (n, address) in partners.iter().enumerate() {
        let name = bare::name(n);
        let _ = write!(
            text,
            "[[partners]]\nid = \"{name}\"\nkind = \"ehr-fhir\"\nurl = \"http://{address}/fhir\"\n\
             create = \"conditional\"\ntransaction_entries_max = 100\nchained_search = true\n\
             patients = \"created\"\nconcurrency_max = {AT_ONCE}\n{keys}\
             [[routes]]\nto = \"{name}\"\n\
             kinds = [\"medication-request\", \"observation\", \"care-plan\", \"client\"]\n"
        );
    }
    text
}
