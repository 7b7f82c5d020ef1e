//! The table, and the baseline that it may not fall behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::differences::Differences;

/// What was counted: of so many, so many as wished.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Count {
    good: usize,
    of: usize,
}

/// All figures of a run.
pub(crate) struct Figures {
    rows: Vec<(&'static str, Count, f64, f64)>,
    pub(crate) differences: Differences,
    pub(crate) verbose: bool,
    begun: Instant,
    last: Instant,
}

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/conformance")
        .join(name)
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs the time")]
fn now() -> Instant {
    Instant::now()
}

impl Figures {
    pub(crate) fn new(verbose: bool) -> Figures {
        Figures {
            rows: Vec::new(),
            differences: Differences::read(&file("differences.toml")),
            verbose,
            begun: now(),
            last: now(),
        }
    }

    /// Adds a row: its name, how many are as wished of how many, and the goal in per cent.
    pub(crate) fn row(&mut self, name: &'static str, good: usize, of: usize, goal: f64) {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = now();
        self.rows.push((name, Count { good, of }, goal, seconds));
    }

    /// Prints the table, compares, and says how it went.
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites the baseline"
    )]
    pub(crate) fn finish(self) -> ExitCode {
        let (unexplained, stale) = self.differences.left();
        let path = file("baseline.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
        let baseline: BTreeMap<String, usize> = serde_json::from_str(&text).expect("baseline.json");
        let mut next = baseline.clone();
        let mut failed = Vec::new();
        println!(
            "\n{:<44} {:>13} {:>8} {:>7} {:>9} {:>7}",
            "measure", "count", "share", "goal", "baseline", "s"
        );
        for (name, count, goal, seconds) in &self.rows {
            let share = 100.0 * count.good as f64 / count.of.max(1) as f64;
            let before = baseline.get(*name).copied();
            println!(
                "{name:<44} {:>13} {share:>7.2}% {goal:>6.1}% {:>9} {seconds:>7.1}",
                format!("{}/{}", count.good, count.of),
                before.map_or_else(|| "-".to_owned(), |before| before.to_string()),
            );
            if before.is_some_and(|before| count.good < before) {
                failed.push(format!("{name} fell behind its baseline"));
            }
            next.insert((*name).to_owned(), count.good.max(before.unwrap_or(0)));
        }
        println!(
            "differences explained in differences.toml: {}, not explained: {unexplained}",
            self.differences.explained()
        );
        if unexplained > 0 {
            let words = "cases differ from the Java validator without a reason in differences.toml";
            failed.push(format!("{unexplained} {words}"));
        }
        failed.extend(stale);
        println!("{:.0} s in all", self.begun.elapsed().as_secs_f64());
        if std::env::var("UPDATE_BASELINE").is_ok() && failed.is_empty() {
            let text = serde_json::to_string_pretty(&next).expect("JSON");
            std::fs::write(&path, text + "\n").expect("the baseline");
        }
        for line in &failed {
            println!("FAILED: {line}");
        }
        ExitCode::from(u8::from(!failed.is_empty()))
    }
}
