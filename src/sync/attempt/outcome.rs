//! What was heard of a request, and what is written of it: one report that holds the attempt, what is done
//! now, and where the job goes.

use std::time::Duration;

use super::{Attempt, LEASE_MARGIN};
use crate::clock::Time;
use crate::fault::{self, Point};
use crate::sync::job::{Claimed, Effect, Reach, State};
use crate::sync::ports::{
    AttemptRow, Delivery, EffectDone, Report, Reported, Rows, Settle, StoreError,
};
use crate::sync::reason::Reason;
use crate::sync::retry::{self, Decision, Facts, Step};
use crate::sync::verdict::{Answer, Charge, Verdict};

/// Bytes of a partner's answer that are kept.
const ANSWER_MAX: usize = 64 << 10;

/// What was heard of a send or a question.
pub(super) struct Heard {
    pub(super) asking: bool,
    pub(super) answer: Answer,
    pub(super) started: Time,
    pub(super) took: Duration,
}

/// What is written of a request.
pub(super) struct Outcome {
    /// The effect it was of, or the first of those.
    pub(super) effect: u32,
    /// How many it was of.
    pub(super) together: usize,
    /// What is done now.
    pub(super) done: Vec<EffectDone>,
    /// Where the job goes.
    pub(super) settle: Option<Settle>,
}

/// What a request cost whom.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    /// Whether it is charged to the message's schedule.
    charged: bool,
    /// The partner is left alone until then.
    pause_until: Option<Time>,
}

impl Cost {
    pub(super) fn of(decision: &Decision) -> Self {
        Cost {
            charged: decision.charged,
            pause_until: decision.pause_until,
        }
    }
}

impl Attempt<'_> {
    /// Sends one effect, or asks about it.
    pub(super) async fn timed(&self, effect: &Effect, rows: &Rows, asking: bool) -> Heard {
        let started = self.house.clock.now();
        let delivery = Delivery {
            job: self.job,
            effect,
            rows,
            now: started,
        };
        let partner = &self.member.partner;
        let sent = async {
            if asking {
                partner.ask(&delivery).await
            } else {
                partner.deliver(&delivery).await
            }
        };
        let silent = || Answer::new(Verdict::Unsure, Reason::TimedOut);
        let answer = self.in_time(sent).await.unwrap_or_else(silent);
        self.heard(asking, started, answer)
    }

    /// What a request came to; `None`: it took too long. The partner keeps its own time; this is the belt
    /// to those braces.
    pub(super) async fn in_time<T>(&self, sent: impl Future<Output = T>) -> Option<T> {
        let timeout = Duration::from_millis(self.member.partner.facts().timeout_ms);
        self.member.room.sends();
        self.since().asked = true;
        tokio::time::timeout(timeout + LEASE_MARGIN, sent)
            .await
            .ok()
    }

    /// An answer that has just come.
    pub(super) fn heard(&self, asking: bool, started: Time, answer: Answer) -> Heard {
        let (room, now) = (&self.member.room, self.house.clock.monotonic());
        room.heard(&answer, now);
        if let Some(asked) = self.member.policy.asked_away(&answer) {
            room.stay_away(now + asked);
        }
        Heard {
            asking,
            answer,
            started,
            took: self.house.clock.now().since(started),
        }
    }

    /// Writes what an answer about one effect means. Whether the next one is to be sent.
    pub(super) async fn conclude(
        &self,
        effect: &Effect,
        last: bool,
        heard: Heard,
        not_needed: Vec<EffectDone>,
    ) -> Result<bool, StoreError> {
        let answer = &heard.answer;
        let decision = self.decide(effect, &heard);
        let accepted = matches!(decision.step, Step::Done(_));
        let refused = answer.verdict == Verdict::Refused;
        if accepted || refused {
            // Before the outcome is written: a crash between asks again, and hears it again.
            let told = self.member.partner.told(&effect.what, answer);
            let attempt = refused.then_some(self.job.attempts);
            self.doors
                .told_by_answer(self.tenant, self.job, effect.n, attempt, told)
                .await?;
        }
        let remote = match self.survivor(effect).await? {
            Some(survivor) if accepted => Some(survivor),
            _ => answer.remote.clone(),
        };
        if accepted && last {
            self.taken_back().await?;
        }
        let mut done = not_needed;
        if accepted {
            done.push(EffectDone {
                effect: effect.n,
                remote,
            });
        }
        let settle = match decision.step {
            Step::Done(_) if !last => None,
            Step::Done(reason) => Some(self.done(reason)),
            step => Some(self.rests(self.step(step, &decision)).await?),
        };
        let outcome = Outcome {
            effect: effect.n,
            together: 1,
            done,
            settle,
        };
        let stored = self.write(&heard, Cost::of(&decision), outcome).await?;
        if let (true, true, Some(remote)) = (stored, accepted, heard.answer.remote) {
            self.patient_found(effect, remote).await?;
        }
        if stored && accepted && last {
            self.merged().await?;
        }
        Ok(stored && accepted && !last)
    }

    /// What an answer means for the job, at this effect.
    pub(super) fn decide(&self, effect: &Effect, heard: &Heard) -> Decision {
        let facts = Facts {
            attempts: self.job.attempts,
            asks: self.job.asks,
            unsure: self.job.unsure,
            asking: heard.asking,
            can_ask: self.member.partner.can_ask(&effect.what),
            deadline: self.job.deadline,
        };
        let jitter = fastrand::i8(-100..=100);
        let now = self.house.clock.now();
        retry::decide(&facts, &heard.answer, &self.policy(), now, jitter)
    }

    /// Writes what came of a request. Whether the lease still held.
    pub(super) async fn write(
        &self,
        heard: &Heard,
        cost: Cost,
        of: Outcome,
    ) -> Result<bool, StoreError> {
        let answer = &heard.answer;
        observe(self.job, answer, heard.took);
        if of.settle.is_some() {
            self.leave();
        }
        let row = AttemptRow {
            effect: of.effect,
            together: u32::try_from(of.together).unwrap_or(u32::MAX),
            asked: heard.asking,
            started: heard.started,
            took: heard.took,
            verdict: answer.verdict,
            reason: answer.reason,
            status: answer.status,
            charged: cost.charged,
            body: answer.body.iter().take(ANSWER_MAX).copied().collect(),
        };
        let done: Vec<u32> = of.done.iter().map(|d| d.effect).collect();
        let report = Report {
            attempt: Some(row),
            done: of.done,
            settle: of.settle,
            pause: cost.pause_until.map(|until| (until, answer.reason)),
            // Who asks us to stay away is believed at once.
            opens_after: match answer.retry_after {
                Some(_) => 1,
                None => self.member.policy.outages_max,
            },
            partner_well: answer.charge == Charge::Message && answer.status.is_some(),
            ..self.empty(self.house.clock.now())
        };
        let stored = self.house.store.report(report).await? == Reported::Stored;
        self.since().done.extend(done);
        fault::here(Point::AfterReport);
        Ok(stored)
    }

    /// Where a step leads.
    pub(super) fn step(&self, step: Step, decision: &Decision) -> Settle {
        let now = self.house.clock.now();
        let (state, due, reason) = match step {
            Step::Done(reason) => (State::Done, now, reason),
            Step::Wait { until, reason } => (State::Waiting, until, reason),
            Step::Ask { until, reason } => (State::Asking, until, reason),
            Step::Park(reason) => (State::Parked, now, reason),
        };
        let reach = match state {
            State::Done => Reach::There,
            _ if decision.unsure => Reach::Maybe,
            _ => self.reach(),
        };
        Settle {
            due,
            ..self.to(state, reason, false, decision.unsure, reach)
        }
    }
}

/// Counts an attempt; partner and verdict are from closed lists, no record's name is told.
fn observe(job: &Claimed, answer: &Answer, took: Duration) {
    metrics::counter!("gateway_attempts_total", "tenant" => job.tenant.as_str().to_owned(),
        "partner" => job.partner.as_str().to_owned(),
        "verdict" => answer.verdict.as_str(), "reason" => answer.reason.as_str())
    .increment(1);
    metrics::histogram!("gateway_attempt_seconds", "tenant" => job.tenant.as_str().to_owned(), "partner" => job.partner.as_str().to_owned())
        .record(took.as_secs_f64());
    tracing::info!(job = %job.id, partner = %job.partner, verdict = answer.verdict.as_str(),
        reason = answer.reason.as_str(), status = answer.status, "attempt");
}
