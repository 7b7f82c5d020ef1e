//! How long the writer lets calls gather before it commits them together.
//!
//! A commit costs nearly the same whatever it holds: each page that it touched is written, then the disk is
//! waited for. Where calls come fast, a wait of about as long as a group takes puts twice as many into one;
//! where they come slowly, or one after the other, nobody is made to wait.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;

/// Calls that are hoped for in a commit.
const HOPED: f64 = 32.0;
/// The longest wait.
const NAP_MAX: Duration = Duration::from_millis(8);
/// Calls a second below which nobody waits.
const BUSY_PER_S: f64 = 400.0;
/// Share of the newest group in the rate and in what a group takes.
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
    /// What a group takes, its commit included, in seconds.
    takes: f64,
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
            takes: 0.0,
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
        Duration::from_secs_f64((HOPED / self.rate).min(self.takes)).min(NAP_MAX)
    }

    /// The group that was taken is through.
    pub(super) fn through(&mut self) {
        let took = self.clock.monotonic().saturating_sub(self.last);
        self.takes += (took.as_secs_f64() - self.takes) * NEWEST;
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

    /// Runs groups of `calls`, `gap` apart, of which each takes `takes`; the waits in microseconds.
    fn naps(groups: usize, calls: usize, gap: Duration, takes: Duration) -> Vec<u128> {
        let clock = Arc::new(Manual::at(Time::from_micros(0)));
        let mut gather = Gather::new(clock.clone());
        (0..groups)
            .map(|_| {
                let nap = gather.nap();
                clock.advance(gap.saturating_sub(takes));
                gather.took(calls, nap);
                clock.advance(takes);
                gather.through();
                nap.as_micros()
            })
            .collect()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn many_callers_are_waited_for_and_few_are_not() {
        let busy = naps(100, 8, 8 * MS, 3 * MS);
        let all = |naps: &[u128], from: u128, to: u128| naps.iter().all(|n| (from..to).contains(n));
        assert!(
            all(&busy[60..], 2990, 3001),
            "as long as a group takes: {busy:?}"
        );
        let slow_disk = naps(100, 32, 40 * MS, 30 * MS);
        assert!(
            all(&slow_disk[60..], 8000, 8001),
            "never too long: {slow_disk:?}"
        );
        let fast = naps(100, 16, MS, MS);
        assert!(all(&fast[60..], 900, 1001), "{fast:?}");
        let very_fast = naps(100, 64, MS, MS);
        assert!(
            all(&very_fast[80..], 490, 520),
            "until there are enough: {very_fast:?}"
        );
        let slow = naps(100, 1, 5 * MS, MS);
        assert!(all(&slow, 0, 1), "{slow:?}");
    }

    #[test]
    fn one_caller_who_asks_again_and_again_is_hardly_ever_made_to_wait() {
        let lone = naps(10_000, 1, MS, MS);
        let waited = lone.iter().filter(|n| **n > 0).count();
        assert!((1..60).contains(&waited), "{waited}");
    }
}
