//! Faults against the real binary, and a checker of what must hold all the same: `tests/faults.sh`.
//!
//!     tests/faults.sh              the long version
//!     tests/faults.sh --short      the one of tests/run.sh
//!     tests/faults.sh --mutant M   with a planted bug: exits 1, and says what it broke
//!     tests/faults.sh --seed N     the same draws again
//!     tests/faults.sh --only S     one scenario
//!     tests/faults.sh --postgres   with any of these: a PostgreSQL for all but what is about the files of a SQLite
//!
//! What is random here is when things happen; how the machine schedules them is not drawn from the seed.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a proof that cannot go on must stop, and says what it found"
)]

mod check;
mod clinic;
#[expect(
    dead_code,
    reason = "one file for all tests that want a PostgreSQL; these need less of it"
)]
#[path = "../postgres/cluster.rs"]
mod cluster;
mod door;
mod look;
mod partner;
mod scenario;
mod stage;

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use fhir_gateway::clock::{Clock, System};
use fhir_gateway::fault::Mutant;
use serde_json::json;

use check::{Broken, Found, Wrong};
use scenario::{ALL, Run, Scenario};
use stage::Outcome;

/// Scenarios at once: most of their time they wait.
const AT_ONCE: usize = 4;

/// One thing to be run.
struct Task {
    scenario: &'static Scenario,
    run: Run,
}

/// What came of it.
struct Done {
    mutant: Option<Mutant>,
    outcome: Outcome,
}

impl Done {
    /// Whether the planted bug was seen by the invariant that it breaks.
    fn caught(&self) -> bool {
        let breaks = self.mutant.map(|mutant| scenario::shows(mutant).1);
        breaks.is_some_and(|wrong| self.outcome.found.count(wrong) > 0)
    }
}

struct Args {
    long: bool,
    seed: u64,
    mutant: Option<Mutant>,
    only: Option<String>,
    /// Scenarios that would take a SQLite get a PostgreSQL.
    postgres: bool,
}

impl Args {
    fn read() -> Result<Self, String> {
        let mut args = Args {
            long: true,
            seed: fastrand::u64(..1 << 32),
            mutant: None,
            only: None,
            postgres: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--short" => args.long = false,
                "--postgres" => args.postgres = true,
                "--seed" => args.seed = value()?.parse().map_err(|_| "--seed wants a number")?,
                "--only" => args.only = Some(value()?),
                "--mutant" => {
                    let name = value()?;
                    let found = Mutant::ALL.into_iter().find(|m| m.as_str() == name);
                    let names = || Mutant::ALL.map(Mutant::as_str).join(", ");
                    args.mutant = Some(found.ok_or_else(|| format!("one of {}", names()))?);
                }
                other => return Err(format!("{other} means nothing here")),
            }
        }
        Ok(args)
    }
}

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(why) => {
            println!("faults: {why}");
            return ExitCode::from(2);
        }
    };
    if !cfg!(feature = "faults") {
        println!("faults: needs the feature `faults`; run tests/faults.sh");
        return ExitCode::from(2);
    }
    println!("seed {}", args.seed);
    let run = |mutant, postgres| Run {
        seed: args.seed,
        long: args.long,
        mutant,
        postgres,
    };
    let mut tasks: Vec<Task> = Vec::new();
    if let Some(mutant) = args.mutant {
        tasks.push(Task {
            scenario: scenario::shows(mutant).0,
            run: run(Some(mutant), args.postgres),
        });
    } else {
        let wanted = |s: &&Scenario| args.only.as_ref().is_none_or(|name| name == s.name);
        tasks.extend(ALL.iter().filter(wanted).map(|scenario| Task {
            scenario,
            run: run(None, args.postgres),
        }));
        if args.only.is_none() {
            let stores = match scenario::has_postgres() {
                true => &scenario::OF_STORES[..],
                false => &[],
            };
            let each = Mutant::ALL.into_iter().map(|mutant| (mutant, false));
            let again = stores.iter().map(|mutant| (*mutant, true));
            tasks.extend(each.chain(again).map(|(mutant, postgres)| Task {
                scenario: scenario::shows(mutant).0,
                run: run(Some(mutant), postgres),
            }));
        }
    }
    let done = play(tasks);
    conclude(&done)
}

/// Runs everything: what may run beside others first, the rest alone.
fn play(tasks: Vec<Task>) -> Vec<Done> {
    let (alone, beside): (VecDeque<Task>, VecDeque<Task>) =
        tasks.into_iter().partition(|t| t.scenario.alone);
    let done = Mutex::new(Vec::new());
    for (queue, at_once) in [(beside, AT_ONCE), (alone, 1)] {
        let queue = Mutex::new(queue);
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    loop {
                        let next = queue
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .pop_front();
                        let Some(task) = next else { return };
                        let one = play_one(&task);
                        done.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(one);
                    }
                });
            }
        });
    }
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn play_one(task: &Task) -> Done {
    let clock = System::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = runtime
        .expect("threads")
        .block_on((task.scenario.play)(task.run));
    let Scenario {
        matrix,
        name,
        about,
        ..
    } = task.scenario;
    let took = clock.monotonic().as_secs_f64();
    let mut text = format!(
        "{matrix:3} {name:10} {took:6.1}s {:5} messages {:3} kills {:5} faults {:5} transactions {:4} MB  {about}",
        outcome.messages, outcome.kills, outcome.faults, outcome.transactions, outcome.rss_mb
    );
    let done = Done {
        mutant: task.run.mutant,
        outcome,
    };
    let mut shown: Vec<&Broken> = done.outcome.found.broken.iter().collect();
    if let Some(mutant) = done.mutant {
        let (_, breaks) = scenario::shows(mutant);
        let word = if done.caught() {
            "caught"
        } else {
            "NOT CAUGHT"
        };
        text = format!(
            "    {name:10} {took:6.1}s  mutant {}{}: {word}",
            mutant.as_str(),
            if task.run.postgres {
                " of PostgreSQL"
            } else {
                ""
            }
        );
        if done.caught() {
            shown.retain(|broken| broken.wrong == breaks);
            shown.truncate(1);
        }
    }
    for note in done.outcome.notes.iter().filter(|_| done.mutant.is_none()) {
        text.push_str(&format!("\n      {note}"));
    }
    for broken in shown {
        let n = done.outcome.found.count(broken.wrong);
        text.push_str(&format!(
            "\n      {:?} ({n}): {}",
            broken.wrong, broken.says
        ));
    }
    println!("{text}");
    done
}
/// The last line, and whether all of it holds.
fn conclude(done: &[Done]) -> ExitCode {
    let mut found = Found::default();
    let (mut messages, mut kills, mut faults) = (0, 0, 0);
    // Caught is what was caught in each store that it was planted in.
    let mut bugs: BTreeMap<&str, bool> = BTreeMap::new();
    for one in done {
        let Done { mutant, outcome } = one;
        messages += outcome.messages;
        kills += outcome.kills;
        faults += outcome.faults;
        match mutant {
            None => found.extend(outcome.found.clone()),
            Some(mutant) => {
                let all = bugs.entry(mutant.as_str()).or_insert(true);
                *all &= one.caught();
            }
        }
    }
    let mutants = bugs.len();
    let caught = bugs.values().filter(|all| **all).count();
    let one = done.len() == 1 && mutants == 1;
    let holds = found.broken.is_empty() && caught == mutants && !one;
    println!(
        "{}",
        json!({
            "messages": messages,
            "kills": kills,
            "faults": faults,
            "lost": found.count(Wrong::Lost),
            "duplicate_effects": found.count(Wrong::Doubled),
            "order_violations": found.count(Wrong::Disordered) + found.count(Wrong::Overlapped),
            "mutants": mutants,
            "mutants_caught": caught,
        })
    );
    // With one planted bug alone, being caught is what fails, as it would in anybody's hands.
    if holds || (one && caught == 0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
