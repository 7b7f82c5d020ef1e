//! How the writer lets calls gather before it commits them together.
//!
//! A commit costs nearly the same whatever it holds: each page that it touched is written, then the disk is
//! waited for. Where calls come fast, a wait of about as long as a group takes puts twice as many into one.
//! It is made in steps, and ends with the first that brings nobody: then all who could ask wait for this
//! commit. Where calls come slowly, or one after the other, nobody is made to wait.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;

/// Calls that are hoped for in a commit.
const HOPED: usize = 48;
/// The longest wait.
const NAP_MAX: Duration = Duration::from_millis(8);
/// A step of it is as long as so many calls take to come, on average: that nobody comes is hardly chance then.
const STEP_CALLS: f64 = 1.5;
/// The longest step.
const STEP_MAX: Duration = Duration::from_millis(1);
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

    /// Fills a group, which has its first call, with those that are there and those that come meanwhile:
    /// `most` at most.
    pub(super) fn fill<C>(
        &mut self,
        group: &mut Vec<C>,
        most: usize,
        mut next: impl FnMut() -> Option<C>,
        sleep: impl Fn(Duration),
    ) {
        let mut take = |group: &mut Vec<C>| {
            let before = group.len();
            while group.len() < most
                && let Some(call) = next()
            {
                group.push(call);
            }
            group.len() > before
        };
        take(group);
        let mut left = self.nap();
        let step = Duration::from_secs_f64(STEP_CALLS / self.rate.max(BUSY_PER_S)).min(STEP_MAX);
        let (mut waited, mut came) = (false, false);
        while !left.is_zero() && group.len() < HOPED.min(most) {
            let step = step.min(left);
            sleep(step);
            left -= step;
            waited = true;
            if !take(group) {
                break;
            }
            came = true;
        }
        self.took(group.len());
        if came {
            self.fruitless = 0;
        } else if waited {
            self.fruitless = (self.fruitless + 1).min(DOUBLINGS_MAX);
            self.skip = 1 << self.fruitless;
        }
    }

    /// How long to wait for others at most, now that a first call is there.
    fn nap(&mut self) -> Duration {
        if self.rate < BUSY_PER_S {
            return Duration::ZERO;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Duration::ZERO;
        }
        Duration::from_secs_f64((HOPED as f64 / self.rate).min(self.takes)).min(NAP_MAX)
    }

    /// The group that was taken is through.
    pub(super) fn through(&mut self) {
        let took = self.clock.monotonic().saturating_sub(self.last);
        self.takes += (took.as_secs_f64() - self.takes) * NEWEST;
    }

    /// A group of so many was taken.
    fn took(&mut self, calls: usize) {
        let now = self.clock.monotonic();
        let since = now.saturating_sub(self.last).as_secs_f64().max(1e-6);
        self.last = now;
        self.rate += (calls as f64 / since - self.rate) * NEWEST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Manual, Time};

    const MS: Duration = Duration::from_millis(1);

    /// Callers who ask again so long after the last commit, each, and a writer whose groups take so long:
    /// of each group, its size and how long it was waited for.
    fn groups(many: usize, again: &[Duration], takes: Duration) -> Vec<(usize, Duration)> {
        let clock = Arc::new(Manual::at(Time::from_micros(0)));
        let mut gather = Gather::new(clock.clone());
        // When each caller asks next.
        let mut asks: Vec<Duration> = again.to_vec();
        (0..many)
            .map(|_| {
                let first = asks.iter().min().copied().expect("a caller");
                clock.advance(first.saturating_sub(clock.monotonic()));
                let begun = clock.monotonic();
                let mut waiting = Vec::new();
                let mut group = Vec::new();
                let mut take = || {
                    let now = clock.monotonic();
                    let n = asks.iter().position(|at| *at <= now)?;
                    asks[n] = Duration::MAX;
                    waiting.push(n);
                    Some(n)
                };
                group.push(take().expect("the first"));
                gather.fill(&mut group, 128, take, |nap| clock.advance(nap));
                let napped = clock.monotonic() - begun;
                clock.advance(takes);
                gather.through();
                for n in waiting {
                    asks[n] = clock.monotonic() + again[n];
                }
                (group.len(), napped)
            })
            .collect()
    }

    /// So many, one after the other, in that time.
    fn spread(callers: u32, over: Duration) -> Vec<Duration> {
        let each = over.as_micros() as u64 / u64::from(callers);
        (1..=callers)
            .map(|n| Duration::from_micros(each * u64::from(n)))
            .collect()
    }

    #[test]
    fn those_who_come_while_others_still_do_go_with_them() {
        let got = groups(300, &spread(24, 6 * MS), 3 * MS);
        let many = got[100..].iter().filter(|g| g.0 >= 8).count();
        assert!(many > 150, "{got:?}");
        assert!(
            got.iter().all(|g| g.1 <= 3 * MS),
            "as long as a group takes: {got:?}"
        );
    }

    #[test]
    fn when_all_have_come_nobody_waits_on() {
        // All of them ask within a moment of their answers, and then for nothing before the next.
        let got = groups(300, &spread(16, MS / 4), 5 * MS);
        assert!(
            got[100..].iter().all(|g| g.0 == 16 && g.1 < 2 * MS),
            "{got:?}"
        );
    }

    #[test]
    fn enough_are_not_made_to_wait_for_more() {
        let got = groups(300, &spread(128, 2 * MS), 20 * MS);
        assert!(got[100..].iter().all(|g| g.1 < 8 * MS), "{got:?}");
        assert!(
            got[100..].iter().filter(|g| g.0 >= HOPED).count() > 150,
            "{got:?}"
        );
    }

    #[test]
    fn few_are_not_made_to_wait() {
        let slow = groups(100, &[5 * MS], MS);
        assert!(slow.iter().all(|g| g.1.is_zero()), "{slow:?}");
    }

    #[test]
    fn one_caller_who_asks_again_and_again_is_hardly_ever_made_to_wait() {
        let lone = groups(10_000, &[MS / 10], MS);
        let waited = lone.iter().filter(|g| !g.1.is_zero()).count();
        assert!((1..60).contains(&waited), "{waited}");
    }
}
