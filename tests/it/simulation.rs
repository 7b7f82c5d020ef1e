//! Some seeds of the deterministic simulation at each test run; thousands of them, and every planted bug,
//! run by `cargo test --profile measure --test simulation`.

#[path = "../simulation/sim/mod.rs"]
mod sim;

use sim::{Kit, Mutant, Tally};

/// Seeds of each run.
const SEEDS: u64 = 25;
/// Steps that are shown of a seed that fails.
const STEPS: usize = 300;
/// Seeds that once found a bug of the gateway, each with what it was.
const REMEMBERED: &[(u64, &str)] = &[];

fn holds(kit: &Kit, seed: u64) -> Tally {
    sim::run(kit, seed, None).unwrap_or_else(|first| {
        let told = sim::replay(kit, seed, None).err();
        let trace = told.map(|w| w.trace).unwrap_or_default();
        let trace = trace[trace.len().saturating_sub(STEPS)..].join("\n");
        panic!(
            "seed {seed}: {}\n{trace}\nagain: cargo test --profile measure --test simulation -- seed {seed}",
            first.what
        );
    })
}

#[test]
fn everything_holds_in_every_seed() {
    let kit = Kit::new();
    for (seed, _) in REMEMBERED {
        holds(&kit, *seed);
    }
    let mut sum = Tally::default();
    for seed in 1..=SEEDS {
        sum.add(&holds(&kit, seed));
    }
    // A calm run would show nothing.
    let trouble = [sum.faults, sum.crashes, sum.leases_lost];
    assert!(trouble.iter().all(|n| *n > SEEDS / 2), "{sum:?}");
    assert!(sum.attempts > 10 * SEEDS, "{sum:?}");
}

#[test]
fn a_seed_is_the_same_run_again() {
    let kit = Kit::new();
    for seed in [3, 5, 8] {
        let digest = || sim::run(&kit, seed, None).map(|t| (t.steps, t.digest));
        assert_eq!(digest().expect("it holds"), digest().expect("it holds"));
    }
}

#[test]
fn planted_bugs_are_found() {
    let kit = Kit::new();
    for mutant in Mutant::ALL {
        assert!(sim::found(&kit, mutant).is_some(), "{mutant:?} was missed");
    }
}
