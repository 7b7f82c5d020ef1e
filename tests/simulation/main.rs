//! The deterministic simulation at length: thousands of seeds, one line at the end.
//!
//!     cargo test --profile measure --test simulation                    3000 seeds from 1
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
use std::sync::atomic::{AtomicU64, Ordering};

use sim::{Kit, Mutant, Tally};

/// Seeds of an ordinary run.
const SEEDS: u64 = 3000;

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
    // A run is one thread, and knows nothing of others: so many at once as there are cores.
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(from);
    let play = || {
        let (mut sum, mut failed) = (Tally::default(), 0);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                return (sum, failed);
            }
            match sim::run(kit, seed, None) {
                Ok(tally) => sum.add(&tally),
                Err(wrong) => {
                    failed += 1;
                    println!(
                        "seed {seed}: {}\n  again: cargo test --profile measure --test simulation -- seed {seed}",
                        wrong.what
                    );
                }
            }
        }
    };
    let (mut sum, mut failed) = (Tally::default(), 0);
    std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(play)).collect();
        for player in players {
            let (tally, wrong) = player.join().expect("a player comes to its end");
            sum.add(&tally);
            failed += wrong;
        }
    });
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
