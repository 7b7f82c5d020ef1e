//! Load: how many records a second the gateway accepts, and accepts and delivers to three partners,
//! beside the bare limit of the same machine in the same minutes.
//!
//! The gateway is the real binary in a process of its own; so are the bare server (`bare`) and the three
//! partners (`receivers`); the callers are here. Runs are interleaved, each on a fresh database after a
//! warm-up, and the medians are printed: a table, then one JSON line. `tests/load.sh` runs it.
//!
//! Then what long lines do: one patient with twenty thousand jobs, and a million for a partner that
//! returns. Then one, two and four nodes on one PostgreSQL.
//!
//! `load [--short] [--runs N] [--records N] [--clients N] [--gateway FILE]`: `--short` lets a hundred
//! thousand wait; another binary than the one built with it, to compare. Of `--rates`, `--lines` and
//! `--postgres` only what is named is measured; `--nodes N` has so many share the PostgreSQL, and no other
//! number.

#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot go on must stop"
)]

mod backlog;
mod bare;
mod client;
mod clinic;
#[expect(dead_code, reason = "tests use more of it")]
#[path = "../../postgres/cluster.rs"]
mod cluster;
mod folder;
mod gateway;
mod lines;
mod long_lane;
mod machine;
#[path = "../mix.rs"]
mod mix;
mod postgres;
mod rates;
mod receivers;
mod seed;
#[path = "../steps.rs"]
mod steps;

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use client::post;
use clinic::Clinic;
use folder::Folder;
use lines::Lines;
use rates::Rates;
use seed::Seed;
use serde_json::{Map, Value};

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
    postgres: bool,
    /// How many nodes share a PostgreSQL, one number after the other.
    nodes: Vec<usize>,
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
        let all = !["--rates", "--lines", "--postgres"].iter().any(|p| said(p));
        let part = |name: &str| all || said(name);
        Args {
            waiting: if short { 100_000 } else { 1_000_000 },
            span: Duration::from_secs(30),
            rates: part("--rates"),
            lines: part("--lines"),
            postgres: part("--postgres"),
            nodes: match number("--nodes", 0) {
                0 => vec![1, 2, 4],
                n => vec![n],
            },
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
        ["bare", folder, seed, requests, partners @ ..] => {
            let names: Vec<String> = (0..receivers::PARTNERS).map(bare::name).collect();
            let seed = Seed::read(Path::new(seed), &names);
            let requests = bare::Requests::of(requests);
            let partners = partners.iter().map(|p| (*p).to_owned()).collect();
            runtime.block_on(bare::run(
                Path::new(folder),
                seed,
                requests,
                partners,
                AT_ONCE,
            ));
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
    let mut told = Map::new();
    if args.rates {
        told.extend(
            Rates::measure(args, &home.0, &requests, partners)
                .await
                .print(),
        );
    }
    if args.lines {
        told.extend(Lines::measure(args, &requests, partners).await.print());
    }
    if args.postgres {
        told.extend(postgres::measure(args, &requests, partners).await);
    }
    println!("{}", Value::Object(told));
}

fn round(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}
