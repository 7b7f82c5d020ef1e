//! How long the writer lets calls gather before it commits them together.
//!
//! A commit costs the same whatever it holds: each page that it touched is written, then the disk is
//! waited for. Where calls come fast, a moment's wait puts many into one; where they come slowly, or one
//! after the other, nobody is made to wait.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;

/// Calls that are hoped for in a commit.
const HOPED: f64 = 16.0;
/// The longest wait.
const NAP_MAX: Duration = Duration::from_millis(4);
/// Calls a second below which nobody waits.
const BUSY_PER_S: f64 = 400.0;
/// Share of the newest interval in the rate.
const NEWEST: f64 = 0.125;
/// Groups without a wait after a fruitless one: doubled each time, up to 2 to the power of this.
const DOUBLINGS_MAX: u32 = 8;

/// What is known of how calls come.
pub(super) struct Gather {
    clock: Arc<dyn Clock>,
    /// When the last group was taken.
    last: Duration,
    /// Calls a second.
    rate: f64,
    /// Groups for which there is no wait.
    skip: u32,
    /// Waits in a row that brought nobody.
    fruitless: u32,
}

impl Gather {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Gather {
            last: clock.monotonic(),
            clock,
            rate: 0.0,
            skip: 0,
            fruitless: 0,
        }
    }

    /// How long to wait for others, now that a first call is there.
    pub(super) fn nap(&mut self) -> Duration {
        if self.rate < BUSY_PER_S {
            return Duration::ZERO;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Duration::ZERO;
        }
        Duration::from_secs_f64(HOPED / self.rate).min(NAP_MAX)
    }

    /// A group was taken after such a wait.
    pub(super) fn took(&mut self, calls: usize, nap: Duration) {
        let now = self.clock.monotonic();
        let since = now.saturating_sub(self.last).as_secs_f64().max(1e-6);
        self.last = now;
        let calls_f = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
        self.rate += (calls_f / since - self.rate) * NEWEST;
        if nap.is_zero() {
            return;
        }
        if calls > 1 {
            self.fruitless = 0;
        } else {
            self.fruitless = (self.fruitless + 1).min(DOUBLINGS_MAX);
            self.skip = 1 << self.fruitless;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Manual, Time};

    /// Runs groups of `calls`, `gap` apart; the waits in microseconds.
    fn naps(groups: usize, calls: usize, gap: Duration) -> Vec<u128> {
        let clock = Arc::new(Manual::at(Time::from_micros(0)));
        let mut gather = Gather::new(clock.clone());
        (0..groups)
            .map(|_| {
                let nap = gather.nap();
                clock.advance(gap);
                gather.took(calls, nap);
                nap.as_micros()
            })
            .collect()
    }

    #[test]
    fn many_callers_are_waited_for_and_few_are_not() {
        let busy = naps(100, 8, Duration::from_millis(4));
        assert!(busy[60..].iter().all(|n| *n == 4000), "{busy:?}");
        let fast = naps(100, 16, Duration::from_millis(2));
        assert!(
            fast[60..].iter().all(|n| (1990..2300).contains(n)),
            "{fast:?}"
        );
        let slow = naps(100, 1, Duration::from_millis(5));
        assert!(slow.iter().all(|n| *n == 0), "{slow:?}");
    }

    #[test]
    fn one_caller_who_asks_again_and_again_is_hardly_ever_made_to_wait() {
        let lone = naps(10_000, 1, Duration::from_millis(1));
        let waited = lone.iter().filter(|n| **n > 0).count();
        assert!((1..60).contains(&waited), "{waited}");
    }
}
