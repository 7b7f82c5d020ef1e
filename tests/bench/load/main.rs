//! Load: how many records a second the gateway accepts, and accepts and delivers to three partners,
//! beside the bare limit of the same machine in the same minutes.
//!
//! The gateway is the real binary in a process of its own; so are the bare server (`bare`) and the three
//! partners (`receivers`); the callers are here. Runs are interleaved, each on a fresh database after a
//! warm-up, and the medians are printed: a table, then one JSON line. `tests/load.sh` runs it.
//!
//! Then what long lines do: one patient with twenty thousand jobs, and a million for a partner that
//! returns.
//!
//! `load [--short] [--runs N] [--records N] [--clients N] [--gateway FILE]`: `--short` lets a hundred
//! thousand wait; another binary than the one built with it, to compare. `--rates` leaves the long lines
//! out, `--lines` the rates.

#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot go on must stop"
)]

mod backlog;
mod bare;
mod client;
mod clinic;
mod folder;
mod gateway;
mod long_lane;
mod machine;
#[path = "../mix.rs"]
mod mix;
mod receivers;
mod seed;
#[path = "../steps.rs"]
mod steps;

use std::io::BufRead;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use backlog::{Drained, Template};
use client::{Connection, Flood, flood, get, post};
use clinic::Clinic;
use fhir_gateway::clock::{Clock, System};
use folder::Folder;
use gateway::Gateway;
use long_lane::Lane;
use machine::Cpu;
use seed::Seed;
use serde_json::{Map, Value, json};
use steps::{Bench, Steps};

/// As the gateway has it, so that the bare server is no slower for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests at once at a partner.
pub(crate) const AT_ONCE: usize = 16;
/// Copies of the fixtures' clients.
const COPIES: usize = 10;

/// What is asked for.
struct Args {
    runs: usize,
    records: usize,
    clients: usize,
    gateway: PathBuf,
    /// Jobs that wait for the partner that returns.
    waiting: u64,
    /// For how long a rate of draining is taken.
    span: Duration,
    rates: bool,
    lines: bool,
}

impl Args {
    fn read(words: &[String]) -> Self {
        let number = |name: &str, otherwise: usize| {
            let at = words.iter().position(|w| w == name);
            at.and_then(|n| words.get(n + 1)?.parse().ok())
                .unwrap_or(otherwise)
        };
        let said = |name: &str| words.iter().any(|w| w == name);
        let short = said("--short");
        Args {
            waiting: if short { 100_000 } else { 1_000_000 },
            span: Duration::from_secs(30),
            rates: !said("--lines"),
            lines: !said("--rates"),
            runs: number("--runs", 3),
            records: number("--records", 3000),
            clients: number("--clients", 64),
            gateway: words
                .iter()
                .position(|w| w == "--gateway")
                .and_then(|n| words.get(n + 1))
                .map_or_else(
                    || PathBuf::from(env!("CARGO_BIN_EXE_fhir-gateway")),
                    PathBuf::from,
                ),
        }
    }

    fn warm(&self) -> usize {
        self.records / 4
    }
}

/// A child of this program in another role; killed when dropped.
struct Role {
    child: Child,
    /// The words of its first line.
    said: Vec<String>,
}

impl Role {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.as_mut().expect("its words"))
            .read_line(&mut line)
            .expect("a line");
        Role {
            child,
            said: line.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One measured run.
struct Run {
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Microseconds of CPU a record.
    cpu_us: f64,
    writer_us: f64,
    rss_mb: f64,
}

impl Run {
    fn of(flood: &Flood, cpu: Cpu, records: usize, rss_mb: f64) -> Self {
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

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    let mut all: Vec<f64> = runs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads");
    match words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["receivers"] => runtime.block_on(receivers::run()),
        ["bare", folder, seed, partners @ ..] => {
            let names: Vec<String> = (0..receivers::PARTNERS).map(bare::name).collect();
            let seed = Seed::read(Path::new(seed), &names);
            let partners = partners.iter().map(|p| (*p).to_owned()).collect();
            runtime.block_on(bare::run(Path::new(folder), seed, partners, AT_ONCE));
        }
        _ => runtime.block_on(measure(&Args::read(&words))),
    }
}

/// All requests of a run: those to warm up with, and those that count.
struct Requests {
    leant_on: Vec<Arc<Vec<Vec<u8>>>>,
    warm: Arc<Vec<Vec<u8>>>,
    counted: Arc<Vec<Vec<u8>>>,
}

impl Requests {
    fn new(args: &Args) -> Self {
        let clinic = Clinic::read();
        let bytes = |(kind, record): (fhir_gateway::record::Kind, serde_json::Value)| {
            let body = serde_json::to_vec(&record).expect("JSON");
            (
                kind,
                post(&format!("/records/{kind}"), gateway::TOKEN, &body),
            )
        };
        // A kind after the other: what is leant on comes first.
        let mut leant_on: Vec<(fhir_gateway::record::Kind, Vec<Vec<u8>>)> = Vec::new();
        for copy in 0..COPIES {
            for (kind, request) in clinic.leant_on(copy).into_iter().map(bytes) {
                match leant_on.iter_mut().find(|(k, _)| *k == kind) {
                    Some((_, all)) => all.push(request),
                    None => leant_on.push((kind, vec![request])),
                }
            }
        }
        let some = |from: usize, to: usize| {
            Arc::new(
                (from..to)
                    .map(|n| bytes(clinic.record(n, COPIES)).1)
                    .collect(),
            )
        };
        Requests {
            leant_on: leant_on.into_iter().map(|(_, all)| Arc::new(all)).collect(),
            warm: some(0, args.warm()),
            counted: some(args.warm(), args.warm() + args.records),
        }
    }
}

async fn measure(args: &Args) {
    let home = Folder::new("home");
    let requests = Requests::new(args);
    let receivers = Role::start(&["receivers"]);
    let partners = &receivers.said;
    let bench = Bench::new(&home.0);
    let steps = bench.steps(None);
    let synced = machine::fdatasync_per_s(&home.0);
    let mut cold = Vec::new();
    if !args.rates {
        let lines = Lines::measure(args, &requests, partners).await;
        println!("{}", Value::Object(lines.print()));
        return;
    }
    let (mut accept, mut bare) = (Vec::new(), Vec::new());
    let (mut deliver, mut bare_deliver) = (Vec::new(), Vec::new());
    let seed = home.0.join("seed.db");
    for run in 0..args.runs {
        let folder = Folder::new("gateway");
        let gateway = Gateway::start(&args.gateway, &folder.0, partners).await;
        cold.push(gateway.cold_ms);
        gateway.pause_all().await;
        accept.push(gateway.accept(args, &requests).await);
        gateway.stop();
        if run == 0 {
            Seed::keep(&folder.0.join("gateway.db"), &seed);
        }
        drop(folder);
        bare.push(bare_run(args, &requests, &seed, &[]).await);

        let folder = Folder::new("gateway");
        let gateway = Gateway::start(&args.gateway, &folder.0, partners).await;
        cold.push(gateway.cold_ms);
        deliver.push(gateway.deliver(args, &requests).await);
        gateway.stop();
        drop(folder);
        bare_deliver.push(bare_run(args, &requests, &seed, partners).await);
    }
    cold.sort_by(f64::total_cmp);
    let mut told = print(&Figures {
        accept,
        bare,
        deliver,
        bare_deliver,
        cold_ms: cold[cold.len() / 2],
        synced,
        steps,
        compiled_ms: bench.compiled_ms,
    });
    if args.lines {
        let lines = Lines::measure(args, &requests, partners).await;
        told.extend(lines.print());
    }
    println!("{}", Value::Object(told));
}

/// What long lines do.
struct Lines {
    lane: Lane,
    few: Drained,
    many: Drained,
    waiting: u64,
}

impl Lines {
    async fn measure(args: &Args, requests: &Requests, partners: &[String]) -> Self {
        let template = Template::make(&args.gateway, &partners[0], requests).await;
        let lane = long_lane::measure(&template).await;
        let drain = |waiting| {
            let partner = partners[0].as_str();
            backlog::drain(&args.gateway, &template, partner, waiting, args.span)
        };
        Lines {
            lane,
            few: drain(1000).await,
            many: drain(args.waiting).await,
            waiting: args.waiting,
        }
    }

    /// Prints them; gives them by their keys.
    fn print(&self) -> Map<String, Value> {
        let (lane, few, many) = (&self.lane, &self.few, &self.many);
        let ratio = many.per_s / few.per_s;
        println!(
            "one patient with 20,000 waiting: claim p99 {:.1} ms; others' jobs, claim to outcome, p99 {:.1} ms, \
             {:.2} times that without",
            lane.claim_p99_ms, lane.others_p99_ms, lane.others_p99_ratio
        );
        println!(
            "{} jobs waiting for a partner that returns: {:.0} a second, {:.0} % of the {:.0} with 1,000 \
             waiting; resident {:.0} MB; out of order {}",
            self.waiting,
            many.per_s,
            100.0 * ratio,
            few.per_s,
            many.rss_mb,
            few.disorder + many.disorder
        );
        let figures = json!({
            "claim_p99_ms": round(lane.claim_p99_ms),
            "others_p99_ratio": round(lane.others_p99_ratio),
            "drain_ratio": round(ratio),
            "drain_per_s": many.per_s.round(),
            "drain_per_s_few": few.per_s.round(),
            "waiting": self.waiting,
            "rss_mb": many.rss_mb.round(),
            "order_violations": few.disorder + many.disorder,
        });
        figures.as_object().cloned().unwrap_or_default()
    }
}

fn round(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

async fn bare_run(args: &Args, requests: &Requests, seed: &Path, partners: &[String]) -> Run {
    let folder = Folder::new("bare");
    let mut words = vec![
        "bare",
        folder.0.to_str().expect("text"),
        seed.to_str().expect("text"),
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

/// All that was measured.
struct Figures {
    accept: Vec<Run>,
    bare: Vec<Run>,
    deliver: Vec<Run>,
    bare_deliver: Vec<Run>,
    cold_ms: f64,
    synced: f64,
    steps: Steps,
    compiled_ms: f64,
}

/// Prints the rates; gives them by their keys.
fn print(f: &Figures) -> Map<String, Value> {
    println!(
        "{:24} {:>9} {:>9} {:>9} {:>9} {:>11}",
        "median of runs", "per s", "p50 ms", "p99 ms", "CPU µs", "of it SQL"
    );
    for (name, runs) in [
        ("accept", &f.accept),
        ("  bare limit", &f.bare),
        ("accept and deliver", &f.deliver),
        ("  bare limit", &f.bare_deliver),
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
        "accept {:.0} % of the limit; accept and deliver {:.0} %",
        100.0 * accepted / limit,
        100.0 * delivered / deliver_limit
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
