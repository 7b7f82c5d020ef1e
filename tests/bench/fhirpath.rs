//! How long a compiled invariant takes on the official R4 examples: `cargo bench --bench fhirpath`.
//!
//! Needs the shared material (`GATEWAY_SHARED`, default `../shared`) and `zstd`. For each invariant,
//! every example of its type is evaluated in turn, many times; a round's time is divided by its
//! evaluations, and the median of the rounds is printed, with the example that takes longest. dom-3
//! does its work only where something is contained, so those examples stand on a line of their own.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot run must stop, and it measures by the machine's clock"
)]

use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use fhir_gateway::fhir::path::{Env, Expression, Node, Types};
use serde_json::Value;

const OBS_6: &str = "dataAbsentReason.empty() or value.empty()";
const OBS_7: &str = "value.empty() or \
    component.code.where(coding.intersect(%resource.code.coding).exists()).empty()";
const DOM_3: &str = "contained.where((('#'+id in (%resource.descendants().reference | \
    %resource.descendants().as(canonical) | %resource.descendants().as(uri) | \
    %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or \
    descendants().where(as(canonical) = '#').exists() or \
    descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()";

/// Rounds, of which the median counts.
const ROUNDS: usize = 9;

fn corpus(kind: &str) -> Option<Vec<Value>> {
    let root = std::env::var("GATEWAY_SHARED").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let file = root.join(format!("conformance/corpus/{kind}.ndjson.zst"));
    let output = Command::new("zstd").arg("-dc").arg(file).output().ok()?;
    let lines = output
        .stdout
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty());
    let mut out = Vec::new();
    for line in lines {
        let mut line: Value = serde_json::from_slice(line).expect("a line of JSON");
        if line["src"]
            .as_str()
            .is_some_and(|src| src.starts_with("hl7.fhir.r4.examples"))
        {
            out.push(line["resource"].take());
        }
    }
    Some(out)
}

/// Nanoseconds that this thread has had a processor: on a busy machine the clock on the wall counts
/// others' work. Where it cannot be had, the clock on the wall.
fn used() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match stat
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok())
    {
        Some(nanos) => nanos,
        None => START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e9,
    }
}

/// Microseconds for one evaluation of each resource in turn, divided by their number.
fn round(expression: &Expression, resources: &[&Value], times: usize) -> f64 {
    let types = Types::r4();
    let start = used();
    for _ in 0..times {
        for resource in resources {
            let env = Env::new(types).resource(resource);
            let node = Node::resource(types, resource);
            black_box(expression.holds(&env, node)).expect("evaluates");
        }
    }
    let all = (used() - start) / 1e3;
    all / (times * resources.len()) as f64
}

fn report(name: &str, text: &str, resources: &[&Value]) {
    if resources.is_empty() {
        println!("{name}: no examples");
        return;
    }
    let expression = Expression::compile(text).expect("compiles");
    let once = round(&expression, resources, 100) * resources.len() as f64 / 1e6;
    let times = (0.1 / once.max(1e-5)).ceil() as usize;
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| round(&expression, resources, times))
        .collect();
    rounds.sort_by(f64::total_cmp);
    // A first look finds the slowest example, a longer one says how long it takes.
    let (_, slowest) = resources
        .iter()
        .map(|resource| (round(&expression, &[*resource], 20_000), resource))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .expect("an example");
    let mut longer: Vec<f64> = (0..5)
        .map(|_| round(&expression, &[*slowest], 30_000))
        .collect();
    longer.sort_by(f64::total_cmp);
    println!(
        "{name:<24} {:>8.3} µs  (median of {ROUNDS} rounds over {} examples; {:.3} to {:.3}; \
         slowest {:.3} on {})",
        rounds[ROUNDS / 2],
        resources.len(),
        rounds[0],
        rounds[ROUNDS - 1],
        longer[2],
        slowest["id"].as_str().unwrap_or_default(),
    );
}

fn main() {
    let mut all = Vec::new();
    for kind in ["Observation", "MedicationRequest", "CarePlan"] {
        let Some(found) = corpus(kind).filter(|found| !found.is_empty()) else {
            println!("SKIPPED: the shared material or zstd is not there (set GATEWAY_SHARED)");
            return;
        };
        all.extend(found);
    }
    let observations: Vec<&Value> = all
        .iter()
        .filter(|each| each["resourceType"] == "Observation")
        .collect();
    let every: Vec<&Value> = all.iter().collect();
    let containing: Vec<&Value> = all
        .iter()
        .filter(|each| each["contained"].is_array())
        .collect();
    report("obs-6", OBS_6, &observations);
    report("obs-7", OBS_7, &observations);
    report("dom-3", DOM_3, &every);
    report("dom-3, with contained", DOM_3, &containing);
    let start = Instant::now();
    black_box(Types::new(&fhir_gateway::fhir::artefact::embedded()));
    println!(
        "types from the artefact    {:>6.1} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
}
