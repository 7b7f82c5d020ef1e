//! What the play says while it runs: plain lines, each with the seconds since it began.
//!
//! With `--json` they go to standard error, so that standard output holds the one line of JSON. A reader
//! that went away is no reason to stop.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;

/// Where lines go. Cheap to clone.
#[derive(Clone)]
pub struct Say {
    clock: Arc<dyn Clock>,
    begun: Duration,
    to_stderr: bool,
}

impl Say {
    /// Begins to count seconds.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, to_stderr: bool) -> Self {
        Say {
            begun: clock.monotonic(),
            clock,
            to_stderr,
        }
    }

    /// Seconds since the play began.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let since = self.clock.monotonic().saturating_sub(self.begun);
        // Tenths are enough for people and scripts.
        f64::from(u32::try_from(since.as_millis() / 100).unwrap_or(u32::MAX)) / 10.0
    }

    /// A line with its second.
    pub fn step(&self, line: &str) {
        self.line(&format!("{:>5.1} s  {line}", self.seconds()));
    }

    /// A line.
    pub fn line(&self, line: &str) {
        let text = format!("{line}\n");
        let _ = if self.to_stderr {
            std::io::stderr().lock().write_all(text.as_bytes())
        } else {
            std::io::stdout().lock().write_all(text.as_bytes())
        };
    }

    /// The one line of JSON, to standard output.
    ///
    /// # Errors
    /// It could not be written: whoever asked for it must hear of that.
    pub fn json(&self, line: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(format!("{line}\n").as_bytes())?;
        out.flush()
    }
}
