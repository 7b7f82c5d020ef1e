//! One claimed job in a worker's hands: effect by effect, from the first open one, to its settlement.
//!
//! Before each send: the gate (invariant 4; again before each effect where what it rests on has changed),
//! the bytes (contracts section 5), the signature (section 8), the crosswalk, the lease. After each send: one report that holds the attempt, the effect's
//! outcome and the next state in one transaction (invariant 3). Never sends with a lease that may
//! have run out; never decides what an answer means (see [`retry::decide`]).

mod look;
mod rest;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Time;
use crate::fault::{self, Mutant, Point};
use crate::sync::house::{House, Member, Tenant};
use crate::sync::inbound::Inbound;
use crate::sync::job::{Claimed, Effect, Find, Reach, State};
use crate::sync::ports::{
    AttemptRow, Delivery, EffectDone, Report, Reported, Rows, Settle, StoreError,
};
use crate::sync::reason::Reason;
use crate::sync::retry::{self, Decision, Facts, Policy, Step};
use crate::sync::room::Seat;
use crate::sync::verdict::{Answer, Charge, Verdict};

/// Bytes of a partner's answer that are kept.
const ANSWER_MAX: usize = 64 << 10;
/// How long before its end a lease is not trusted any more.
pub const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// One claimed job, and what is needed to settle it.
pub struct Attempt<'a> {
    /// The house.
    pub house: &'a House,
    /// Whose.
    pub tenant: &'a Tenant,
    /// To whom.
    pub member: &'a Member,
    /// The job.
    pub job: &'a Claimed,
    /// Who hears what an answer tells of the record.
    pub doors: &'a Inbound,
    /// When it must not be sent any more, by the monotonic clock.
    pub lease_ends: Duration,
    /// Its place at the partner, until nothing more is to be sent.
    pub seat: Mutex<Option<Seat>>,
}

/// What was heard of a send or a question.
struct Heard {
    asking: bool,
    answer: Answer,
    started: Time,
    took: Duration,
}

/// What keeps a job from being sent now.
enum Hold {
    /// It waits or parks, for this reason; the gate's hold is one.
    Settle(State, Reason, bool),
    /// The lease may have run out: say nothing more.
    Lost,
}

impl Attempt<'_> {
    /// Works on the job until it is settled or the lease is lost.
    ///
    /// # Errors
    /// The store's; the lease runs out and somebody takes it up again.
    pub async fn run(&self) -> Result<(), StoreError> {
        if self.job.state == State::Asking {
            return self.ask().await;
        }
        if let Some(hold) = self.overtaken().await? {
            return self.held(hold, 0).await;
        }
        // Read before the gate is asked: what comes in between is seen before the next effect.
        let several = self.job.effects.iter().filter(|e| !e.done).count() > 1;
        let mut grounds = match several {
            true => self.grounds().await?,
            false => None,
        };
        if let Some(hold) = self.look().await? {
            return self.held(hold, 0).await;
        }
        let mut begun = false;
        let mut not_needed = Vec::new();
        for (i, effect) in self.job.effects.iter().enumerate() {
            if effect.done {
                continue;
            }
            // A consent that is revoked while the job is sent ends it with what has left by then.
            if std::mem::replace(&mut begun, true) {
                let now = self.grounds().await?;
                if now != grounds
                    && let Some(hold) = self.look().await?
                {
                    return self.held(hold, effect.n).await;
                }
                grounds = now;
            }
            let last = !self.job.effects[i + 1..].iter().any(|e| !e.done);
            if !self.one(effect, last, &mut not_needed).await? {
                return Ok(());
            }
        }
        if self.job.effects.iter().all(|e| e.done) {
            // A node went away between the last effect's row and the job's: only the job is left.
            self.settle(State::Done, Reason::Delivered, false, Reach::There)
                .await?;
        }
        Ok(())
    }

    /// One effect. Whether the next one is to be sent. `not_needed`: effects before it that turned out
    /// so, told with the next outcome.
    async fn one(
        &self,
        effect: &Effect,
        last: bool,
        not_needed: &mut Vec<u32>,
    ) -> Result<bool, StoreError> {
        let rows = self.rows(effect).await?;
        if self.skips(effect, &rows).await? {
            not_needed.push(effect.n);
            if last {
                self.nothing_to_send(std::mem::take(not_needed)).await?;
            }
            return Ok(!last);
        }
        if let Some(hold) = self.ready(effect, &rows) {
            self.held(hold, effect.n).await?;
            return Ok(false);
        }
        if fault::mutant(Mutant::DoneBeforeDelivery) {
            let done = self.done(Reason::Delivered);
            self.report(None, None, Some(done)).await?;
        }
        fault::here(Point::BeforePost);
        let heard = self.timed(effect, &rows, false).await;
        fault::here(Point::AfterPost);
        let not_needed = std::mem::take(not_needed);
        self.conclude(effect, last, heard, not_needed).await
    }

    /// The last of the job's effects needed nothing: it is done.
    async fn nothing_to_send(&self, not_needed: Vec<u32>) -> Result<(), StoreError> {
        self.taken_back().await?;
        let report = Report {
            not_needed,
            settle: Some(self.done(Reason::NotNeeded)),
            ..self.empty(self.house.clock.now())
        };
        if self.house.store.report(report).await? == Reported::Stored {
            self.merged().await?;
        }
        Ok(())
    }

    /// Asks about the effect that may have been sent: the first open one that is not skipped. What is
    /// skipped is told with the outcome of the next one only, so a node that died while it sent leaves
    /// both open.
    async fn ask(&self) -> Result<(), StoreError> {
        let mut not_needed = Vec::new();
        let mut sent = None;
        for effect in self.job.effects.iter().filter(|e| !e.done) {
            let rows = self.rows(effect).await?;
            if !self.skips(effect, &rows).await? {
                sent = Some((effect, rows));
                break;
            }
            not_needed.push(effect.n);
        }
        let Some((effect, rows)) = sent else {
            if not_needed.is_empty() {
                self.settle(State::Done, Reason::FoundThere, false, Reach::There)
                    .await?;
                return Ok(());
            }
            return self.nothing_to_send(not_needed).await;
        };
        let last = !self.job.effects.iter().any(|e| !e.done && e.n > effect.n);
        // To ask by the same message is to send it: not past its last send (contracts section 7), and only
        // where the gate lets it go, for that is a disclosure, which a read is not (section 4).
        let sends = effect.what.find == Find::SameMessage;
        if !self.member.partner.can_ask(&effect.what) || (sends && self.is_past()) {
            self.settle(State::Parked, Reason::Unclear, true, Reach::Maybe)
                .await?;
            return Ok(());
        }
        if sends {
            let hold = match self.look().await? {
                None => self.ready(effect, &rows),
                held => held,
            };
            match hold {
                None => {}
                Some(Hold::Lost) => return Ok(()),
                Some(Hold::Settle(state, reason, held)) => {
                    // Held by the gate: asked about when it opens. Else a person has to look.
                    let state = if held { State::Asking } else { state };
                    let settle = self.to(state, reason, held, true, Reach::Maybe);
                    self.report(None, None, Some(settle)).await?;
                    return Ok(());
                }
            }
        }
        if self.lease_is_over() {
            return Ok(());
        }
        let heard = self.timed(effect, &rows, true).await;
        let goes_on = self.conclude(effect, last, heard, not_needed).await?;
        if goes_on {
            // Found, and more effects are open: they go by the ordinary road, under a new claim.
            let reach = match rest::brings(effect) || self.sent_before(effect.n) {
                true => Reach::Maybe,
                false => Reach::Not,
            };
            self.settle(State::Waiting, Reason::FoundThere, false, reach)
                .await?;
        }
        Ok(())
    }

    async fn timed(&self, effect: &Effect, rows: &Rows, asking: bool) -> Heard {
        let started = self.house.clock.now();
        let delivery = Delivery {
            job: self.job,
            effect,
            rows,
            now: started,
        };
        let timeout = Duration::from_millis(self.member.partner.facts().timeout_ms);
        let (partner, room) = (&self.member.partner, &self.member.room);
        room.sends();
        let sent = async {
            if asking {
                partner.ask(&delivery).await
            } else {
                partner.deliver(&delivery).await
            }
        };
        // The partner keeps its own time; this is the belt to those braces.
        let answer = tokio::time::timeout(timeout + LEASE_MARGIN, sent)
            .await
            .unwrap_or_else(|_| Answer::new(Verdict::Unsure, Reason::TimedOut));
        room.heard(&answer, self.house.clock.monotonic());
        Heard {
            asking,
            answer,
            started,
            took: self.house.clock.now().since(started),
        }
    }

    /// Writes what an answer means. Whether the next effect is to be sent.
    async fn conclude(
        &self,
        effect: &Effect,
        last: bool,
        heard: Heard,
        not_needed: Vec<u32>,
    ) -> Result<bool, StoreError> {
        let Heard {
            asking,
            answer,
            started,
            took,
        } = heard;
        let now = self.house.clock.now();
        let facts = Facts {
            attempts: self.job.attempts,
            asks: self.job.asks,
            unsure: self.job.unsure,
            asking,
            can_ask: self.member.partner.can_ask(&effect.what),
            deadline: self.job.deadline,
        };
        let decision = retry::decide(
            &facts,
            &answer,
            &self.policy(),
            now,
            fastrand::i8(-100..=100),
        );
        observe(self.job, &answer, took);
        let accepted = matches!(decision.step, Step::Done(_));
        let refused = answer.verdict == Verdict::Refused;
        if accepted || refused {
            // Before the outcome is written: a crash between asks again, and hears it again.
            let told = self.member.partner.told(&effect.what, &answer);
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
        let done = accepted.then(|| self.effect_done(effect, remote));
        let settle = match decision.step {
            Step::Done(_) if !last => None,
            Step::Done(reason) => Some(self.done(reason)),
            step => Some(self.rests(self.step(step, &decision, effect.n)).await?),
        };
        let row = AttemptRow {
            effect: effect.n,
            asked: asking,
            started,
            took,
            verdict: answer.verdict,
            reason: answer.reason,
            status: answer.status,
            charged: decision.charged,
            body: answer.body.iter().take(ANSWER_MAX).copied().collect(),
        };
        if settle.is_some() {
            self.leave();
        }
        let report = Report {
            attempt: Some(row),
            effect_done: done,
            not_needed,
            settle,
            pause: decision.pause_until.map(|until| (until, answer.reason)),
            // Who asks us to stay away is believed at once.
            opens_after: match answer.retry_after {
                Some(_) => 1,
                None => self.member.policy.outages_max,
            },
            partner_well: answer.charge == Charge::Message && answer.status.is_some(),
            ..self.empty(now)
        };
        let stored = self.house.store.report(report).await? == Reported::Stored;
        fault::here(Point::AfterReport);
        if let (true, true, Some(remote)) = (stored, accepted, answer.remote) {
            self.patient_found(effect, remote).await?;
        }
        if stored && accepted && last {
            self.merged().await?;
        }
        Ok(stored && accepted && !last)
    }

    /// Where a step leads that was taken at an effect.
    fn step(&self, step: Step, decision: &Decision, at: u32) -> Settle {
        let (state, due, reason) = match step {
            Step::Done(reason) => (State::Done, self.house.clock.now(), reason),
            Step::Wait { until, reason } => (State::Waiting, until, reason),
            Step::Ask { until, reason } => (State::Asking, until, reason),
            Step::Park(reason) => (State::Parked, self.house.clock.now(), reason),
        };
        let reach = if state == State::Done {
            Reach::There
        } else if decision.unsure || self.sent_before(at) {
            Reach::Maybe
        } else {
            Reach::Not
        };
        Settle {
            state,
            due,
            reason,
            held: false,
            unsure: decision.unsure,
            reach,
        }
    }

    async fn held(&self, hold: Hold, at: u32) -> Result<(), StoreError> {
        if let Hold::Settle(state, reason, held) = hold {
            let reach = if self.job.unsure || self.sent_before(at) {
                Reach::Maybe
            } else {
                Reach::Not
            };
            let settle = self.to(state, reason, held, self.job.unsure, reach);
            let settle = self.rests(settle).await?;
            self.report(None, None, Some(settle)).await?;
        }
        Ok(())
    }

    /// Nothing more is sent under this lease: others may take the place.
    fn leave(&self) {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = seat.as_mut() {
            seat.leave();
        }
    }

    fn policy(&self) -> Policy {
        serde_json::from_str(&self.job.policy).unwrap_or_else(|_| self.member.policy.clone())
    }

    fn effect_done(
        &self,
        effect: &Effect,
        remote: Option<crate::sync::verdict::Remote>,
    ) -> EffectDone {
        EffectDone {
            effect: effect.n,
            remote,
        }
    }

    fn done(&self, reason: Reason) -> Settle {
        self.to(State::Done, reason, false, false, Reach::There)
    }

    fn to(&self, state: State, reason: Reason, held: bool, unsure: bool, reach: Reach) -> Settle {
        Settle {
            state,
            due: self.house.clock.now(),
            reason,
            held,
            unsure,
            reach,
        }
    }

    async fn settle(
        &self,
        state: State,
        reason: Reason,
        unsure: bool,
        reach: Reach,
    ) -> Result<Reported, StoreError> {
        self.report(
            None,
            None,
            Some(self.to(state, reason, false, unsure, reach)),
        )
        .await
    }

    async fn report(
        &self,
        attempt: Option<AttemptRow>,
        effect_done: Option<EffectDone>,
        settle: Option<Settle>,
    ) -> Result<Reported, StoreError> {
        let report = Report {
            attempt,
            effect_done,
            settle,
            ..self.empty(self.house.clock.now())
        };
        self.house.store.report(report).await
    }

    fn empty(&self, now: Time) -> Report {
        Report {
            tenant: self.tenant.id.clone(),
            job: self.job.id.clone(),
            token: self.job.token,
            attempt: None,
            effect_done: None,
            not_needed: Vec::new(),
            settle: None,
            pause: None,
            opens_after: 1,
            partner_well: false,
            now,
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
