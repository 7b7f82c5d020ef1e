//! What each step of an acceptance costs, one thread, warm: `cargo bench --bench micro`. Microseconds of
//! a record, on average over the mix's records of a kind; the median of several rounds.

#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot go on must stop"
)]

mod mix;
mod steps;

use fhir_gateway::record::Kind;
use steps::{Bench, Steps};

fn main() {
    let folder = std::env::temp_dir().join(format!("fhir-gateway-micro-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let bench = Bench::new(&folder);
    println!("profiles compiled in {:.0} ms", bench.compiled_ms);
    println!(
        "{:20} {:>7} {:>8} {:>7} {:>7} {:>7} {:>7}",
        "µs a record", "read", "contract", "rules", "map", "check", "encode"
    );
    for (name, kind) in [
        ("medication-request", Some(Kind::MedicationRequest)),
        ("observation", Some(Kind::Observation)),
        ("care-plan", Some(Kind::CarePlan)),
        ("the mix", None),
    ] {
        let Steps {
            read,
            contract,
            rules,
            map,
            check,
            encode,
        } = bench.steps(kind);
        println!(
            "{name:20} {read:7.1} {contract:8.1} {rules:7.1} {map:7.1} {check:7.1} {encode:7.1}"
        );
    }
    let _ = std::fs::remove_dir_all(folder);
}
