//! From a verdict to the next step: one pure function.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Charge, Verdict};

/// When and how often a message is tried. A snapshot of it travels with each job, so that changing
/// the config never wakes old jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Seconds after each failed attempt; when they are used up the job parks.
    pub schedule_s: Vec<u64>,
    /// Jitter, per cent to either side.
    pub jitter_percent: u8,
    /// Seconds at least after an overload (429, time-out).
    pub overload_s: u64,
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
            asks_max: 12,
            ask_every_s: 5,
        }
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
    /// Times it was asked about before this one.
    pub asks: u32,
    /// Whether an earlier attempt was `Unsure` and nothing settled it.
    pub unsure: bool,
    /// Whether this answer is to a question, not to a send.
    pub asking: bool,
    /// Whether the partner can be asked about this effect.
    pub can_ask: bool,
    /// Last send.
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

/// What a verdict means for a job. Pure: `jitter` is in -100..=100 and scales the policy's jitter.
#[must_use]
pub fn decide(facts: &Facts, answer: &Answer, policy: &Policy, now: Time, jitter: i8) -> Decision {
    let plain = |step| Decision {
        step,
        charged: false,
        unsure: false,
        pause_until: None,
    };
    let _ = (jitter, policy, now, facts);
    match answer.verdict {
        Verdict::Accepted | Verdict::Pending => plain(Step::Done(answer.reason)),
        Verdict::Refused => plain(Step::Park(answer.reason)),
        Verdict::Busy | Verdict::Unsure => match answer.charge {
            Charge::Partner | Charge::Message => plain(Step::Wait {
                until: now.plus(Duration::from_secs(5)),
                reason: answer.reason,
            }),
        },
    }
}
