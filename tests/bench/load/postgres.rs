//! One, two and four node processes on one PostgreSQL that waits for its disk: what they take in and
//! deliver in a second, and whose CPU that takes.

use std::net::SocketAddr;
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};
use serde_json::{Map, Value, json};

use super::client::flood_all;
use super::cluster::Cluster;
use super::folder::Folder;
use super::gateway::{Gateway, config};
use super::machine::{self, Cpu};
use super::rates::Run;
use super::rates::median;
use super::{Args, Requests};

/// As a server that is to keep what it was given.
const SAFE: &str =
    "fsync = on\nfull_page_writes = on\nsynchronous_commit = on\nshared_buffers = 256MB";

/// Nodes on a database of their own.
struct Nodes<'a> {
    cluster: &'a Cluster,
    database: String,
    gateways: Vec<(Gateway, Folder)>,
    asking: tokio_postgres::Client,
}

/// A run, and the CPU of the server in it, in microseconds a record.
struct Shared {
    run: Run,
    server_us: f64,
}

/// Measures and prints all of it; gives it by its keys. Nothing where there is no server to be had.
pub(crate) async fn measure(
    args: &Args,
    requests: &Requests,
    partners: &[String],
) -> Map<String, Value> {
    let Some(cluster) = Cluster::start(SAFE) else {
        return Map::new();
    };
    let nodes = || args.nodes.iter().copied();
    let mut accept: Vec<Vec<Shared>> = nodes().map(|_| Vec::new()).collect();
    let mut deliver: Vec<Vec<Shared>> = nodes().map(|_| Vec::new()).collect();
    for run in 0..args.runs {
        for (n, nodes) in nodes().enumerate() {
            for (delivers, all) in [(false, &mut accept), (true, &mut deliver)] {
                let name = format!("load_{run}_{nodes}_{delivers}");
                let started = Nodes::start(args, &cluster, name, nodes, partners).await;
                all[n].push(started.run(args, requests, delivers).await);
            }
        }
    }
    let mut told = Vec::new();
    for ((nodes, accept), deliver) in nodes().zip(&accept).zip(&deliver) {
        let middle = |runs: &[Shared], of: &dyn Fn(&Shared) -> f64| median(runs, of);
        let (a, d) = (
            middle(accept, &|s| s.run.per_s),
            middle(deliver, &|s| s.run.per_s),
        );
        let node_us = [
            middle(accept, &|s| s.run.cpu_us),
            middle(deliver, &|s| s.run.cpu_us),
        ];
        let server_us = [
            middle(accept, &|s| s.server_us),
            middle(deliver, &|s| s.server_us),
        ];
        let p99_ms = middle(accept, &|s| s.run.p99_ms);
        println!(
            "PostgreSQL, {nodes} nodes: accept {a:.0} a second, p99 {p99_ms:.0} ms, CPU µs nodes {:.0}, server {:.0}; \
             accept and deliver {d:.0} a second, CPU µs nodes {:.0}, server {:.0}",
            node_us[0], server_us[0], node_us[1], server_us[1]
        );
        told.push(json!({
            "nodes": nodes,
            "accept_per_s": a.round(),
            "accept_p99_ms": p99_ms.round(),
            "accept_cpu_us": {"nodes": node_us[0].round(), "server": server_us[0].round()},
            "deliver_per_s": d.round(),
            "deliver_cpu_us": {"nodes": node_us[1].round(), "server": server_us[1].round()},
        }));
    }
    Map::from_iter([("postgres".to_owned(), Value::from(told))])
}

impl<'a> Nodes<'a> {
    /// Starts so many on a new database.
    async fn start(
        args: &Args,
        cluster: &'a Cluster,
        database: String,
        nodes: usize,
        partners: &[String],
    ) -> Self {
        cluster.sql("postgres", &format!("CREATE DATABASE {database}"));
        let mut gateways = Vec::new();
        for n in 0..nodes {
            let folder = Folder::new(&format!("node-{n}"));
            let text = config(partners, "").replace(
                "path = \"gateway.db\"\n",
                &format!(
                    "url = \"{}\"\n[delivery]\nnode = \"node-{n}\"\n",
                    cluster.address(&database)
                ),
            );
            let count = partners.len();
            let gateway = Gateway::start_with(&args.gateway, &folder.0, &text, count).await;
            gateways.push((gateway, folder));
        }
        let address = cluster.address(&database);
        let (asking, traffic) = tokio_postgres::connect(&address, tokio_postgres::NoTls)
            .await
            .expect("a connection");
        tokio::spawn(traffic);
        Nodes {
            cluster,
            database,
            gateways,
            asking,
        }
    }

    async fn run(self, args: &Args, requests: &Requests, delivers: bool) -> Shared {
        let addresses: Vec<SocketAddr> = self.gateways.iter().map(|(g, _)| g.address).collect();
        if !delivers {
            self.gateways[0].0.pause_all().await;
        }
        for kind in &requests.leant_on {
            flood_all(&addresses, 16, kind).await;
        }
        flood_all(&addresses, args.clients, &requests.warm).await;
        if delivers {
            self.delivered().await;
        }
        let postmaster = self.sql("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)");
        let postmaster: u32 = postmaster.parse().expect("a process");
        let cpu = || {
            let nodes: Duration = self
                .gateways
                .iter()
                .map(|(g, _)| Cpu::of(g.pid()).all)
                .sum();
            (nodes, machine::cpu_of_family(postmaster))
        };
        let clock = System::default();
        let (before, begun) = (cpu(), clock.monotonic());
        let mut flood = flood_all(&addresses, args.clients, &requests.counted).await;
        if delivers {
            self.delivered().await;
            flood.took = clock.monotonic() - begun;
        }
        let after = cpu();
        let of_nodes = Cpu {
            all: after.0.saturating_sub(before.0),
            ..Cpu::default()
        };
        let rss_mb = machine::rss_mb(self.gateways[0].0.pid());
        let server = after.1.saturating_sub(before.1);
        Shared {
            run: Run::of(&flood, of_nodes, args.records, rss_mb),
            server_us: server.as_secs_f64() * 1e6 / args.records as f64,
        }
    }

    fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.database, sql)
    }

    /// Until every job has been delivered. Asked by one connection that stays: whoever connects anew for
    /// each question costs the server more than a record does.
    async fn delivered(&self) {
        const SQL: &str = "SELECT
           coalesce(sum(n) FILTER (WHERE state IN ('waiting', 'sending', 'asking')), 0)::bigint,
           coalesce(sum(n) FILTER (WHERE state = 'parked'), 0)::bigint FROM fhir_gateway.count";
        let clock = System::default();
        let patience = clock.monotonic() + Duration::from_secs(300);
        let counts = self.asking.prepare(SQL).await.expect("a question");
        loop {
            let row = self.asking.query_one(&counts, &[]).await;
            let row = row.expect("two numbers");
            let (open, parked): (i64, i64) = (row.get(0), row.get(1));
            assert_eq!(parked, 0, "jobs were parked");
            if open == 0 {
                return;
            }
            assert!(clock.monotonic() < patience, "{open} jobs are left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Nodes<'_> {
    fn drop(&mut self) {
        self.gateways.clear();
        if !std::thread::panicking() {
            let sql = format!("DROP DATABASE {} WITH (FORCE)", self.database);
            self.cluster.sql("postgres", &sql);
        }
    }
}
