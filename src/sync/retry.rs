//! From a verdict to the next step: one pure function and its four small parts.
//!
//! The schedule is a list that an operator can read aloud. A failure that says nothing about the
//! message is charged to the partner and uses up nothing (architecture, invariant 11). Once an attempt
//! was unclear, only acceptance, a positive read-back or a person makes it clear again (contracts
//! section 6). Nothing here sends, stores or reads a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::fault::{self, Mutant};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Charge, Verdict};

/// When and how often a message is tried. A snapshot of it travels with each job, so that changing
/// the config never wakes old jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Seconds to wait after each failed attempt; when they are used up the job parks.
    pub schedule_s: Vec<u64>,
    /// Jitter, per cent to either side.
    pub jitter_percent: u8,
    /// Seconds at least after an overload (a time-out, 429).
    pub overload_s: u64,
    /// Seconds that a partner is left alone after an outage, before it is probed.
    pub outage_s: u64,
    /// Outages in a row after which a partner is left alone; what fails before waits by itself.
    pub outages_max: u32,
    /// Seconds that a partner may ask us to stay away, at most: a slip of its clock or its units must not
    /// silence it for years.
    pub retry_after_max_s: u64,
    /// How often an unclear outcome is asked about before the job parks.
    pub asks_max: u32,
    /// Seconds between asking.
    pub ask_every_s: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            schedule_s: vec![5, 300, 1800, 7200, 18000, 36000, 36000],
            jitter_percent: 20,
            overload_s: 30,
            outage_s: 15,
            outages_max: 1,
            retry_after_max_s: 86_400,
            asks_max: 12,
            ask_every_s: 5,
        }
    }
}

impl Policy {
    /// How long a partner asks us to stay away, as far as it is believed.
    #[must_use]
    pub fn asked_away(&self, answer: &Answer) -> Option<Duration> {
        let most = Duration::from_secs(self.retry_after_max_s);
        answer.retry_after.map(|asked| asked.min(most))
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing more: the partner has it.
    Done(Reason),
    /// Again, not before.
    Wait {
        /// Not before.
        until: Time,
        /// Why.
        reason: Reason,
    },
    /// Ask the partner, not before.
    Ask {
        /// Not before.
        until: Time,
        /// Why.
        reason: Reason,
    },
    /// A person must look.
    Park(Reason),
}

/// What [`decide`] needs to know of the job.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Attempts charged to the message before this one.
    pub attempts: u32,
    /// Questions before this one that did not settle what they were about.
    pub asks: u32,
    /// Whether an earlier attempt was `Unsure` and nothing settled it.
    pub unsure: bool,
    /// Whether this answer is to a question, not to a send.
    pub asking: bool,
    /// Whether the partner can be asked about this effect.
    pub can_ask: bool,
    /// Last send: past it, nothing waits.
    pub deadline: Option<Time>,
}

/// A step, and what it costs whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What happens next.
    pub step: Step,
    /// Whether the attempt is charged to the message's schedule.
    pub charged: bool,
    /// Whether the outcome is (still) unclear.
    pub unsure: bool,
    /// Pause the partner until then, and probe.
    pub pause_until: Option<Time>,
}

/// What a verdict means for a job. `jitter` is in -100..=100 and scales the policy's jitter.
#[must_use]
pub fn decide(facts: &Facts, answer: &Answer, policy: &Policy, now: Time, jitter: i8) -> Decision {
    let decision = match answer.verdict {
        Verdict::Accepted | Verdict::Pending => Decision {
            step: Step::Done(answer.reason),
            charged: false,
            unsure: false,
            pause_until: None,
        },
        Verdict::Refused | Verdict::Busy | Verdict::Unsure => {
            if answer.charge == Charge::Partner {
                outage(facts, answer, policy, now)
            } else if facts.asking {
                asked(facts, answer, policy, now, jitter)
            } else {
                sent(facts, answer, policy, now, jitter)
            }
        }
    };
    Decision {
        step: within_deadline(decision.step, facts, decision.unsure),
        ..decision
    }
}

/// The partner is down, not the message bad: pause it, and try the same again after.
fn outage(facts: &Facts, answer: &Answer, policy: &Policy, now: Time) -> Decision {
    let until = now.plus(
        policy
            .asked_away(answer)
            .unwrap_or(Duration::from_secs(policy.outage_s)),
    );
    let reason = answer.reason;
    Decision {
        step: if facts.asking {
            Step::Ask { until, reason }
        } else {
            Step::Wait { until, reason }
        },
        charged: false,
        unsure: facts.unsure,
        pause_until: Some(until),
    }
}

/// What an answer to a question means.
fn asked(facts: &Facts, answer: &Answer, policy: &Policy, now: Time, jitter: i8) -> Decision {
    let step = match answer.verdict {
        Verdict::Busy if answer.reason == Reason::NotThere => {
            match delay(policy, facts.attempts, jitter) {
                Some(wait) => Step::Wait {
                    until: now.plus(wait),
                    reason: Reason::NotThere,
                },
                None => Step::Park(Reason::Exhausted),
            }
        }
        Verdict::Refused => Step::Park(answer.reason),
        _ => ask_again(facts, answer, policy, now),
    };
    Decision {
        step,
        charged: false,
        unsure: true,
        pause_until: None,
    }
}

/// What an answer to a send means.
fn sent(facts: &Facts, answer: &Answer, policy: &Policy, now: Time, jitter: i8) -> Decision {
    let unsure =
        (facts.unsure || answer.verdict == Verdict::Unsure) && !fault::mutant(Mutant::RetryUnsure);
    let step = if unsure {
        if facts.can_ask {
            ask_again(facts, answer, policy, now)
        } else {
            Step::Park(Reason::Unclear)
        }
    } else if answer.verdict == Verdict::Refused {
        Step::Park(answer.reason)
    } else {
        match delay(policy, facts.attempts + 1, jitter) {
            Some(wait) => Step::Wait {
                until: now.plus(floor(wait, answer, policy)),
                reason: answer.reason,
            },
            None => Step::Park(Reason::Exhausted),
        }
    };
    Decision {
        step,
        charged: true,
        unsure,
        pause_until: None,
    }
}

fn ask_again(facts: &Facts, answer: &Answer, policy: &Policy, now: Time) -> Step {
    if facts.asks >= policy.asks_max {
        return Step::Park(Reason::Unclear);
    }
    // The first questions come soon, later ones ever further apart: every, 2x, 4x … 64x.
    let factor = 1u64 << facts.asks.min(6);
    let wait = Duration::from_secs(policy.ask_every_s * factor);
    Step::Ask {
        until: now.plus(wait.max(policy.asked_away(answer).unwrap_or_default())),
        reason: answer.reason,
    }
}

/// The wait after the n-th charged attempt (from 1), jittered; `None` when the schedule is used up.
fn delay(policy: &Policy, attempts: u32, jitter: i8) -> Option<Duration> {
    let index = usize::try_from(attempts.max(1) - 1).ok()?;
    let base = Duration::from_secs(*policy.schedule_s.get(index)?);
    let share = i64::from(jitter.clamp(-100, 100)) * i64::from(policy.jitter_percent.min(100));
    let micros = i64::try_from(base.as_micros()).ok()?;
    let moved = micros.saturating_add(micros / 10_000 * share);
    Some(Duration::from_micros(u64::try_from(moved).unwrap_or(0)))
}

/// Never sooner than they asked for, nor than an overload deserves.
fn floor(wait: Duration, answer: &Answer, policy: &Policy) -> Duration {
    let overload = if matches!(answer.reason, Reason::TimedOut | Reason::Throttled) {
        Duration::from_secs(policy.overload_s)
    } else {
        Duration::ZERO
    };
    wait.max(overload)
        .max(policy.asked_away(answer).unwrap_or_default())
}

/// Waiting ends at the last send; what is unclear is still asked about.
fn within_deadline(step: Step, facts: &Facts, unsure: bool) -> Step {
    match (step, facts.deadline) {
        (Step::Wait { until, reason }, Some(deadline)) if until > deadline && !unsure => {
            Step::Wait {
                until: deadline,
                reason,
            }
        }
        _ => step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_000_000_000_000);

    fn facts() -> Facts {
        Facts {
            attempts: 0,
            asks: 0,
            unsure: false,
            asking: false,
            can_ask: true,
            deadline: None,
        }
    }

    fn run(facts: Facts, answer: &Answer) -> Decision {
        decide(&facts, answer, &Policy::default(), NOW, 0)
    }

    fn in_s(s: u64) -> Time {
        NOW.plus(Duration::from_secs(s))
    }

    #[test]
    fn a_busy_message_follows_the_schedule_and_then_parks() {
        let busy = Answer::new(Verdict::Busy, Reason::TryLater);
        for (n, s) in Policy::default().schedule_s.iter().enumerate() {
            let d = run(
                Facts {
                    attempts: u32::try_from(n).unwrap(),
                    ..facts()
                },
                &busy,
            );
            assert_eq!(
                d.step,
                Step::Wait {
                    until: in_s(*s),
                    reason: Reason::TryLater
                }
            );
            assert!(d.charged);
        }
        let d = run(
            Facts {
                attempts: 7,
                ..facts()
            },
            &busy,
        );
        assert_eq!(d.step, Step::Park(Reason::Exhausted));
    }

    #[test]
    fn an_outage_pauses_the_partner_and_costs_the_message_nothing() {
        let d = run(
            Facts {
                attempts: 6,
                ..facts()
            },
            &Answer::outage(Reason::Connect),
        );
        assert!(!d.charged && !d.unsure);
        assert_eq!(d.pause_until, Some(in_s(15)));
        let mut throttled = Answer::outage(Reason::Throttled);
        throttled.retry_after = Some(Duration::from_secs(7200));
        assert_eq!(run(facts(), &throttled).pause_until, Some(in_s(7200)));
        throttled.retry_after = Some(Duration::from_secs(10 * 365 * 86_400));
        assert_eq!(run(facts(), &throttled).pause_until, Some(in_s(86_400)));
    }

    #[test]
    fn an_unsure_message_is_asked_about_or_parked_but_never_simply_repeated() {
        let unsure = Answer::new(Verdict::Unsure, Reason::TimedOut);
        assert!(matches!(run(facts(), &unsure).step, Step::Ask { .. }));
        let d = run(
            Facts {
                can_ask: false,
                ..facts()
            },
            &unsure,
        );
        assert_eq!(d.step, Step::Park(Reason::Unclear));
        assert!(d.unsure);
    }

    #[test]
    fn once_unsure_a_later_busy_or_refused_leaves_it_unclear() {
        for verdict in [Verdict::Busy, Verdict::Refused] {
            let answer = Answer::new(verdict, Reason::TryLater);
            let d = run(
                Facts {
                    unsure: true,
                    can_ask: false,
                    ..facts()
                },
                &answer,
            );
            assert_eq!((d.step, d.unsure), (Step::Park(Reason::Unclear), true));
            let d = run(
                Facts {
                    unsure: true,
                    ..facts()
                },
                &answer,
            );
            assert!(matches!(d.step, Step::Ask { .. }) && d.unsure);
        }
        let d = run(
            Facts {
                unsure: true,
                ..facts()
            },
            &Answer::new(Verdict::Accepted, Reason::Delivered),
        );
        assert!(!d.unsure);
    }

    #[test]
    fn asking_settles_resends_or_parks() {
        let asking = Facts {
            asking: true,
            unsure: true,
            attempts: 1,
            ..facts()
        };
        let d = run(asking, &Answer::new(Verdict::Accepted, Reason::FoundThere));
        assert_eq!((d.step, d.unsure), (Step::Done(Reason::FoundThere), false));
        let d = run(asking, &Answer::new(Verdict::Busy, Reason::NotThere));
        assert_eq!(
            d.step,
            Step::Wait {
                until: in_s(5),
                reason: Reason::NotThere
            }
        );
        assert!(d.unsure, "a negative read-back does not make it clear");
        let d = run(
            Facts {
                attempts: 8,
                ..asking
            },
            &Answer::new(Verdict::Busy, Reason::NotThere),
        );
        assert_eq!(d.step, Step::Park(Reason::Exhausted));
        let d = run(
            Facts { asks: 12, ..asking },
            &Answer::new(Verdict::Unsure, Reason::TimedOut),
        );
        assert_eq!(d.step, Step::Park(Reason::Unclear));
    }

    #[test]
    fn a_new_prescription_waits_no_longer_than_its_last_send() {
        let d = run(
            Facts {
                attempts: 3,
                deadline: Some(in_s(60)),
                ..facts()
            },
            &Answer::new(Verdict::Busy, Reason::TryLater),
        );
        assert_eq!(
            d.step,
            Step::Wait {
                until: in_s(60),
                reason: Reason::TryLater
            }
        );
    }

    #[test]
    fn a_partner_that_asks_for_time_gets_it_up_to_the_deadline_and_uncharged() {
        let mut throttled = Answer::outage(Reason::Throttled);
        throttled.retry_after = Some(Duration::from_secs(7200));
        let with = Facts {
            deadline: Some(in_s(60)),
            ..facts()
        };
        let d = run(with, &throttled);
        assert_eq!((d.charged, d.pause_until), (false, Some(in_s(7200))));
        assert_eq!(
            d.step,
            Step::Wait {
                until: in_s(60),
                reason: Reason::Throttled
            }
        );
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let busy = Answer::new(Verdict::Busy, Reason::TryLater);
        for (jitter, s) in [(-100, 240), (0, 300), (100, 360)] {
            let d = decide(
                &Facts {
                    attempts: 1,
                    ..facts()
                },
                &busy,
                &Policy::default(),
                NOW,
                jitter,
            );
            assert_eq!(
                d.step,
                Step::Wait {
                    until: in_s(s),
                    reason: Reason::TryLater
                }
            );
        }
    }
}
