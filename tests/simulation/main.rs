//! The deterministic simulation at length: a thousand seeds or more, one line at the end.
//!
//!     cargo test --profile measure --test simulation                    1000 seeds from 1
//!     cargo test --profile measure --test simulation -- 500 9000        500 seeds from 9000
//!     cargo test --profile measure --test simulation -- seed 4711       one seed, with its steps
//!     cargo test --profile measure --test simulation -- mutants         every planted bug is found
//!
//! A seed that fails is told at once, with the command that plays it again, and ends the run with status 1.

#![expect(
    clippy::expect_used,
    reason = "a simulation that cannot go on must stop"
)]

mod sim;

use std::process::ExitCode;

use sim::{Kit, Mutant, Tally};

/// Seeds of an ordinary run.
const SEEDS: u64 = 1000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let number = |at: usize| words.get(at).and_then(|w| w.parse::<u64>().ok());
    let kit = Kit::new();
    match words.first().map(String::as_str) {
        Some("seed") => one(&kit, number(1).unwrap_or(1)),
        Some("mutants") => bites(&kit),
        _ => many(&kit, number(1).unwrap_or(1), number(0).unwrap_or(SEEDS)),
    }
}

fn one(kit: &Kit, seed: u64) -> ExitCode {
    match sim::replay(kit, seed, None) {
        Ok(tally) => {
            println!("{tally:?}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            for step in &wrong.trace {
                println!("{step}");
            }
            println!("seed {seed}: {}", wrong.what);
            ExitCode::FAILURE
        }
    }
}

fn many(kit: &Kit, from: u64, count: u64) -> ExitCode {
    let mut sum = Tally::default();
    let mut failed = 0;
    for seed in from..from + count {
        match sim::run(kit, seed, None) {
            Ok(tally) => sum.add(&tally),
            Err(wrong) => {
                failed += 1;
                println!("seed {seed}: {}", wrong.what);
                println!("  again: cargo test --profile measure --test simulation -- seed {seed}");
            }
        }
    }
    println!(
        "{{\"seeds\":{count},\"failed\":{failed},\"steps\":{},\"acknowledged\":{},\"attempts\":{},\
         \"faults\":{},\"crashes\":{},\"leases_lost\":{},\"simulated_days\":{}}}",
        sum.steps,
        sum.acknowledged,
        sum.attempts,
        sum.faults,
        sum.crashes,
        sum.leases_lost,
        sum.seconds / 86_400
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether each planted bug is found.
fn bites(kit: &Kit) -> ExitCode {
    let mut missed = 0;
    for mutant in Mutant::ALL {
        match sim::found(kit, mutant) {
            Some((seed, what)) => println!("{mutant:?}: seed {seed}: {what}"),
            None => {
                missed += 1;
                println!("{mutant:?}: MISSED");
            }
        }
    }
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
