//! How fast the validator is: `cargo bench --bench validate`.
//!
//! The speed set of the shared material, one thread, warm, on parsed values, all checks; the median of
//! several rounds, by the processor's time where the system tells it (on a busy machine the clock on the
//! wall counts others' work). Beside it what parsing costs, the time from nothing to the first verdict, and the
//! memory held after all of it. `-- soak N` validates N million times and prints the memory as it goes.

#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot go on must stop"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use fhir_gateway::fhir::package::{Caps, Package};
use fhir_gateway::fhir::validate::{Options, Validator};
use fhir_gateway::json::{self, Limits};
use serde_json::Value;

const ROUNDS: usize = 9;

#[expect(clippy::disallowed_methods, reason = "a measurement needs the time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "measurements find the shared material by this variable"
)]
fn shared() -> PathBuf {
    std::env::var("GATEWAY_SHARED").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    )
}

/// The lines of the corpus, as (source, resource's text).
fn corpus() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for kind in ["MedicationRequest", "Observation", "CarePlan"] {
        let path = shared().join(format!("conformance/corpus/{kind}.ndjson.zst"));
        let bytes = std::fs::read(path).expect("the corpus");
        let mut child = Command::new("zstd")
            .args(["-dc", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the zstd command");
        let mut input = child.stdin.take().expect("its input");
        let feed = std::thread::spawn(move || input.write_all(&bytes));
        let text = child.wait_with_output().expect("its output").stdout;
        feed.join().expect("fed").expect("written");
        for line in String::from_utf8(text).expect("UTF-8").lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let source = line["src"].as_str().unwrap_or_default().to_owned();
            out.push((source, line["resource"].to_string()));
        }
    }
    out
}

fn us_core() -> Package {
    let bytes = std::fs::read(shared().join("packages/hl7.fhir.us.core-7.0.0.tgz"));
    Package::read(&bytes.expect("US Core 7.0.0"), &Caps::default()).expect("a package")
}

fn with_us_core() -> Validator {
    Validator::load(Options {
        packages: vec![us_core()],
        ..Options::default()
    })
}

/// Seconds that this thread has had a processor; by the wall where that is not told.
fn processor(since: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.map_or_else(|| since.elapsed().as_secs_f64(), |n| n / 1e9)
}

/// Memory of this process in MB: held now, and the most so far.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or(0)
            / 1024
    };
    (kilobytes("VmRSS:"), kilobytes("VmHWM:"))
}

/// The median of rounds, each the time for all, in microseconds a resource.
fn median(count: usize, mut round: impl FnMut()) -> f64 {
    round();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let wall = now();
            let begun = processor(wall);
            for _ in 0..20 {
                round();
            }
            (processor(wall) - begun) * 1e6 / 20.0 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn measure(name: &str, validator: &Validator, texts: &[&String], goal: f64) {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let values: Vec<Value> = texts
        .iter()
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect();
    let mut errors = 0;
    let checked = median(values.len(), || {
        errors = 0;
        for value in &values {
            errors += usize::from(
                validator
                    .check(value, &[])
                    .iter()
                    .any(|issue| issue.is_error()),
            );
        }
    });
    let read = median(texts.len(), || {
        for text in texts {
            json::read(text.as_bytes(), &Limits::default()).expect("JSON");
        }
    });
    let kilobytes = bytes as f64 / 1024.0 / texts.len() as f64;
    println!(
        "{name}: {checked:.2} µs a resource (goal {goal}), {:.2} µs a kB; parsing {read:.2} µs beside it; \
         {} resources of {kilobytes:.1} kB, {errors} with errors",
        checked / kilobytes,
        texts.len()
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    if !shared().join("conformance").is_dir() {
        println!("SKIPPED: no shared material (set GATEWAY_SHARED); nothing was measured");
        return;
    }
    let first = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"meta":{"profile":
        ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]}}"#;
    let first: Value = serde_json::from_str(first).expect("JSON");
    let begun = now();
    let before = processor(begun);
    let validator = with_us_core();
    let loaded = begun.elapsed();
    let issues = validator.check(&first, &[]).len();
    let (rss, most) = memory();
    println!(
        "start to first verdict, R4 + US Core 7.0.0: {:.3} s on the processor, {:.3} s by the wall (loading \
         {:.3} s; goal 0.3), {issues} issues; memory {rss} MB, at most {most} MB (goal 80)",
        processor(begun) - before,
        begun.elapsed().as_secs_f64(),
        loaded.as_secs_f64()
    );
    let all = corpus();
    let of = |source: &str| -> Vec<&String> {
        let fits = all.iter().filter(|(own, _)| own.starts_with(source));
        fits.map(|(_, text)| text).collect()
    };
    if let [word, millions] = arguments.as_slice()
        && word == "soak"
    {
        let values: Vec<Value> = all
            .iter()
            .map(|(_, text)| serde_json::from_str(text).expect("JSON"))
            .collect();
        let total = millions.parse::<usize>().expect("a number of millions") * 1_000_000;
        let mut done = 0;
        while done < total {
            for _ in 0..(1_000_000 / values.len()).max(1) {
                for value in &values {
                    std::hint::black_box(validator.check(value, &[]));
                }
                done += values.len();
            }
            let (rss, most) = memory();
            println!("{done} validations: memory {rss} MB, at most {most} MB");
        }
        return;
    }
    let standard = Validator::standard();
    measure(
        "R4 examples, base",
        &standard,
        &of("hl7.fhir.r4.examples"),
        12.0,
    );
    measure(
        "US Core 7.0.0 examples, their profiles",
        &validator,
        &of("hl7.fhir.us.core#7.0.0"),
        40.0,
    );
    let (rss, most) = memory();
    println!("memory at the end {rss} MB, at most {most} MB (with two validators and the corpus)");
}
