//! Arguments of `serve` that only a build with the feature `faults` has: where the process dies, which bug
//! is planted, how far the clock is off.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use crate::clock::{Clock, System, Time};
use crate::fault::{self, Mutant, Plan};

/// How often the clock's file is read.
const LOOK: Duration = Duration::from_millis(20);

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct FaultArgs {
    /// Where the process dies: POINT[:PASSAGE[:kill|hang|fail[:MILLISECONDS]]]. For tests of the gateway.
    #[arg(long, value_name = "PLAN")]
    fault: Vec<String>,
    /// A planted bug, by name. For tests of those tests.
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// Pages that the database may have, at most. For tests of a full disk where none can be mounted.
    #[arg(long, value_name = "N")]
    pages_max: Option<u32>,
    /// A file that says by how many seconds the wall clock is wrong; read again and again.
    #[arg(long, value_name = "FILE")]
    clock_file: Option<PathBuf>,
}

impl FaultArgs {
    /// Arms what was asked for, before anything is started; the clock to run by.
    pub(super) fn arm(&self) -> anyhow::Result<Arc<dyn Clock>> {
        let plans: Vec<Plan> = self
            .fault
            .iter()
            .map(|text| Plan::parse(text).with_context(|| format!("no such fault: {text}")))
            .collect::<anyhow::Result<_>>()?;
        fault::arm(plans);
        if let Some(name) = &self.mutant {
            let mutant = Mutant::ALL.into_iter().find(|m| m.as_str() == name);
            fault::plant(mutant.with_context(|| format!("no such mutant: {name}"))?);
        }
        if let Some(most) = self.pages_max {
            fault::limit_pages(most);
        }
        Ok(match &self.clock_file {
            Some(file) => Arc::new(Wrong::by(file)),
            None => Arc::new(System::default()),
        })
    }
}

/// The machine's clock, wrong by what a file says. Time that only goes forward is not touched.
struct Wrong {
    system: System,
    micros: Arc<AtomicI64>,
}

impl Wrong {
    fn by(file: &Path) -> Self {
        let micros = Arc::new(AtomicI64::new(told(file).unwrap_or(0)));
        let (file, set) = (file.to_owned(), micros.clone());
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LOOK);
                if let Some(told) = told(&file) {
                    set.store(told, Ordering::Relaxed);
                }
            }
        });
        Wrong {
            system: System::default(),
            micros,
        }
    }
}

fn told(file: &Path) -> Option<i64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.trim().parse::<i64>().ok()?.checked_mul(1_000_000)
}

impl Clock for Wrong {
    fn now(&self) -> Time {
        let now = self.system.now().micros();
        Time::from_micros(now.saturating_add(self.micros.load(Ordering::Relaxed)))
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}
