//! The rates beside the bare limit: measured in turns, printed as medians.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};
use serde_json::{Map, Value, json};

use super::bare::Requests as Sends;
use super::client::{Connection, Flood, flood, get};
use super::folder::Folder;
use super::gateway::Gateway;
use super::machine::{self, Cpu};
use super::seed::Seed;
use super::steps::{Bench, Steps};
use super::{Args, Requests, Role, receivers, round};

/// One measured run.
pub(crate) struct Run {
    pub(crate) per_s: f64,
    p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Microseconds of CPU a record.
    pub(crate) cpu_us: f64,
    writer_us: f64,
    rss_mb: f64,
}

impl Run {
    /// Of these requests.
    pub(crate) fn of(flood: &Flood, cpu: Cpu, records: usize, rss_mb: f64) -> Self {
        let each = |d: Duration| d.as_secs_f64() * 1e6 / records as f64;
        Run {
            per_s: flood.rate(),
            p50_ms: flood.percentile_ms(50),
            p99_ms: flood.percentile_ms(99),
            cpu_us: each(cpu.all),
            writer_us: each(cpu.writer),
            rss_mb,
        }
    }
}

/// The middle of the runs.
pub(crate) fn median<R>(runs: &[R], of: impl Fn(&R) -> f64) -> f64 {
    let mut all: Vec<f64> = runs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// All that was measured.
pub(crate) struct Rates {
    accept: Vec<Run>,
    bare: Vec<Run>,
    deliver: Vec<Run>,
    /// With one request to each partner.
    bare_deliver: Vec<Run>,
    /// With a request for each resource.
    bare_each: Vec<Run>,
    /// Resources that go to partners of a record.
    sends: f64,
    /// Requests in which they go.
    requests: f64,
    cold_ms: f64,
    synced: f64,
    steps: Steps,
    compiled_ms: f64,
}

impl Rates {
    /// Measures them, in turns.
    pub(crate) async fn measure(
        args: &Args,
        home: &Path,
        requests: &Requests,
        partners: &[String],
    ) -> Self {
        let bench = Bench::new(home);
        let seed = home.join("seed.db");
        let mut rates = Rates {
            accept: Vec::new(),
            bare: Vec::new(),
            deliver: Vec::new(),
            bare_deliver: Vec::new(),
            bare_each: Vec::new(),
            sends: 0.0,
            requests: 0.0,
            cold_ms: 0.0,
            synced: machine::fdatasync_per_s(home),
            steps: bench.steps(None),
            compiled_ms: bench.compiled_ms,
        };
        let mut cold = Vec::new();
        for run in 0..args.runs {
            let folder = Folder::new("gateway");
            let gateway = Gateway::start(&args.gateway, &folder.0, partners).await;
            cold.push(gateway.cold_ms);
            gateway.pause_all().await;
            rates.accept.push(gateway.accept(args, requests).await);
            gateway.stop();
            if run == 0 {
                Seed::keep(&folder.0.join("gateway.db"), &seed);
                rates.sends = Seed::sends(&seed);
            }
            drop(folder);
            let bare = |partners, sends| bare_run(args, requests, &seed, partners, sends);
            rates.bare.push(bare(&[], Sends::One).await);

            let folder = Folder::new("gateway");
            let gateway = Gateway::start(&args.gateway, &folder.0, partners).await;
            cold.push(gateway.cold_ms);
            rates.deliver.push(gateway.deliver(args, requests).await);
            gateway.stop();
            rates.requests = Seed::requests(&folder.0.join("gateway.db"));
            drop(folder);
            rates.bare_deliver.push(bare(partners, Sends::One).await);
            rates.bare_each.push(bare(partners, Sends::Each).await);
        }
        cold.sort_by(f64::total_cmp);
        rates.cold_ms = cold[cold.len() / 2];
        rates
    }

    /// Prints the rates; gives them by their keys.
    pub(crate) fn print(&self) -> Map<String, Value> {
        let f = self;
        println!(
            "{:24} {:>9} {:>9} {:>9} {:>9} {:>11}",
            "median of runs", "per s", "p50 ms", "p99 ms", "CPU µs", "of it SQL"
        );
        for (name, runs) in [
            ("accept", &f.accept),
            ("  bare limit", &f.bare),
            ("accept and deliver", &f.deliver),
            ("  bare, one request each", &f.bare_deliver),
            ("  bare, one a resource", &f.bare_each),
        ] {
            let m = |of: fn(&Run) -> f64| median(runs, of);
            println!(
                "{name:24} {:9.0} {:9.1} {:9.1} {:9.0} {:11.0}",
                m(|r| r.per_s),
                m(|r| r.p50_ms),
                m(|r| r.p99_ms),
                m(|r| r.cpu_us),
                m(|r| r.writer_us)
            );
            let each: Vec<String> = runs.iter().map(|r| format!("{:.0}", r.per_s)).collect();
            println!("{:24} {:>9}", "", each.join(" "));
        }
        let s = f.steps;
        let parse = s.read + s.contract;
        let encode = s.encode * receivers::PARTNERS as f64;
        println!(
            "a record's steps alone, µs: read {:.0}, contract {:.0}, rules {:.0}, map {:.0}, check {:.0}, encode for {} {encode:.0}",
            s.read,
            s.contract,
            s.rules,
            s.map,
            s.check,
            receivers::PARTNERS
        );
        let accepted = median(&f.accept, |r| r.per_s);
        let limit = median(&f.bare, |r| r.per_s);
        let delivered = median(&f.deliver, |r| r.per_s);
        let deliver_limit = median(&f.bare_deliver, |r| r.per_s);
        let each_limit = median(&f.bare_each, |r| r.per_s);
        let cpu = median(&f.accept, |r| r.cpu_us);
        let sql = median(&f.accept, |r| r.writer_us);
        println!(
            "cold start {:.0} ms (profiles {:.0}); resident {:.0} MB; fdatasync {:.0} a second",
            f.cold_ms,
            f.compiled_ms,
            median(&f.accept, |r| r.rss_mb),
            f.synced
        );
        println!(
            "accept {:.0} % of the limit; accept and deliver {:.0} %; {:.0} % of a limit that makes a request \
         for each resource; {:.1} resources a record in {:.1} requests",
            100.0 * accepted / limit,
            100.0 * delivered / deliver_limit,
            100.0 * delivered / each_limit,
            f.sends,
            f.requests
        );
        let other = cpu - sql - parse - s.rules - s.map - s.check - encode;
        let figures = json!({
            "accept_per_s": accepted.round(),
            "accept_ratio": round(accepted / limit),
            "accept_p50_ms": round(median(&f.accept, |r| r.p50_ms)),
            "accept_p99_ms": round(median(&f.accept, |r| r.p99_ms)),
            "bare_per_s": limit.round(),
            "bare_p99_ms": round(median(&f.bare, |r| r.p99_ms)),
            "deliver_per_s": delivered.round(),
            "deliver_ratio": round(delivered / deliver_limit),
            "bare_deliver_per_s": deliver_limit.round(),
            "deliver_ratio_one_a_resource": round(delivered / each_limit),
            "bare_deliver_per_s_one_a_resource": each_limit.round(),
            "resources_per_record": round(f.sends),
            "requests_per_record": round(f.requests),
            "deliver_cpu_us_per_record": median(&f.deliver, |r| r.cpu_us).round(),
            "cpu_us_per_record": cpu.round(),
            "cpu_us_split": {
                "parse": parse.round(),
                "rules": s.rules.round(),
                "map": s.map.round(),
                "check": s.check.round(),
                "encode": encode.round(),
                "sql": sql.round(),
                "other": other.round(),
            },
            "cold_start_ms": f.cold_ms.round(),
            "accept_rss_mb": median(&f.accept, |r| r.rss_mb).round(),
            "fdatasync_per_s": f.synced.round(),
        });
        figures.as_object().cloned().unwrap_or_default()
    }
}

async fn bare_run(
    args: &Args,
    requests: &Requests,
    seed: &Path,
    partners: &[String],
    sends: Sends,
) -> Run {
    let folder = Folder::new("bare");
    let mut words = vec![
        "bare",
        folder.0.to_str().expect("text"),
        seed.to_str().expect("text"),
        sends.word(),
    ];
    words.extend(partners.iter().map(String::as_str));
    let role = Role::start(&words);
    let pid = role.child.id();
    let address: SocketAddr = role.said[0].parse().expect("an address");
    flood(address, args.clients, &requests.warm).await;
    let delivers = !partners.is_empty();
    if delivers {
        wait_for(address, args.warm() * receivers::PARTNERS).await;
    }
    let before = Cpu::of(pid);
    let clock = System::default();
    let begun = clock.monotonic();
    let mut flood = flood(address, args.clients, &requests.counted).await;
    if delivers {
        wait_for(address, (args.warm() + args.records) * receivers::PARTNERS).await;
        flood.took = clock.monotonic() - begun;
    }
    let cpu = Cpu::of(pid).since(before);
    Run::of(&flood, cpu, args.records, machine::rss_mb(pid))
}

/// Until the bare server has delivered that many jobs.
async fn wait_for(address: SocketAddr, jobs: usize) {
    let mut connection = Connection::open(address).await;
    loop {
        let (_, body) = connection.ask(&get("/done")).await;
        let done: usize = String::from_utf8_lossy(&body).parse().expect("a number");
        if done >= jobs {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
