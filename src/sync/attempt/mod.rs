//! One claimed job in a worker's hands: effect by effect from the first open one, or several in one request,
//! to its settlement.
//!
//! Before each send: the gate (invariant 4; again before each request where what it rests on has changed),
//! the bytes (contracts section 5), the signature (section 8), the crosswalk, the lease. After each send:
//! one report that holds the attempt, what is done now and the next state in one transaction
//! (invariant 3). Never sends with a lease that may have run out; never decides what an answer means (see
//! [`retry::decide`](crate::sync::retry::decide)).

mod asking;
mod look;
mod outcome;
mod rest;
mod together;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use together::Went;

use crate::clock::Time;
use crate::fault::{self, Mutant, Point};
use crate::sync::house::{House, Member, Tenant};
use crate::sync::inbound::Inbound;
use crate::sync::job::{Claimed, Effect, Reach, State};
use crate::sync::ports::{EffectDone, Report, Reported, Rows, Settle, StoreError};
use crate::sync::reason::Reason;
use crate::sync::retry::Policy;
use crate::sync::room::Seat;

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
    /// What has become of its effects since it was claimed.
    pub since: Mutex<Since>,
}

/// Effects by what has become of them since their job was claimed.
#[derive(Debug, Default)]
pub struct Since {
    /// Done.
    done: BTreeSet<u32>,
    /// Something of theirs is at the partner; whether it is what they bring is not known yet.
    there: BTreeSet<u32>,
    /// Whether the partner was asked anything.
    asked: bool,
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
            return self.held(hold).await;
        }
        // What the gate is asked by: what comes since is seen before the next effect.
        let mut grounds = self.grounds().await?;
        if let Some(hold) = self.look(grounds.as_ref()).await? {
            return self.held(hold).await;
        }
        let (mut begun, mut alone_below) = (false, 0);
        let (mut not_needed, mut next) = (Vec::new(), 0);
        while let Some(effect) = self.open_from(next) {
            // What another job was told meanwhile ends it with what has left by then. Its first request is the
            // claim's to allow: a person may have resumed the partner since.
            let asked = self.since().asked;
            if asked && self.member.room.is_left_alone(self.house.clock.monotonic()) {
                let waits = Hold::Settle(State::Waiting, Reason::PartnerPaused, false);
                return self.held(waits).await;
            }
            // So does a consent that is revoked while the job is sent.
            if std::mem::replace(&mut begun, true) {
                let now = self.grounds().await?;
                if now != grounds
                    && let Some(hold) = self.look(now.as_ref()).await?
                {
                    return self.held(hold).await;
                }
                grounds = now;
            }
            let mut rows = None;
            if effect.n >= alone_below {
                match self.together(effect, &mut not_needed).await? {
                    Went::Over => return Ok(()),
                    Went::Sent(below) => {
                        alone_below = below;
                        continue;
                    }
                    Went::Alone(looked) => rows = looked,
                }
            }
            next = effect.n + 1;
            let last = self.open_from(next).is_none();
            if !self.one(effect, rows, last, &mut not_needed).await? {
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

    /// Its turn came too late, or its partner got into trouble before it came: nothing of it was sent, and
    /// it is due again.
    ///
    /// # Errors
    /// The store's.
    pub async fn give_back(&self) -> Result<(), StoreError> {
        let reason = Reason::PartnerPaused;
        if self.job.state == State::Asking {
            self.settle(State::Asking, reason, true, Reach::Maybe)
                .await?;
            return Ok(());
        }
        self.held(Hold::Settle(State::Waiting, reason, false)).await
    }

    /// One effect. Whether the next one is to be sent. `rows`: its own and others', where they were just
    /// read. `not_needed`: effects before it that turned out so, told with the next outcome.
    async fn one(
        &self,
        effect: &Effect,
        rows: Option<Rows>,
        last: bool,
        not_needed: &mut Vec<EffectDone>,
    ) -> Result<bool, StoreError> {
        let rows = match rows {
            Some(rows) => rows,
            None => self.rows(&[effect]).await?,
        };
        if self.skips(effect, &rows).await? {
            not_needed.push(EffectDone::not_needed(effect.n));
            if last {
                self.nothing_to_send(std::mem::take(not_needed)).await?;
            }
            return Ok(!last);
        }
        if let Some(hold) = self.ready(effect, &rows) {
            self.held(hold).await?;
            return Ok(false);
        }
        if fault::mutant(Mutant::DoneBeforeDelivery) {
            self.report(Some(self.done(Reason::Delivered))).await?;
        }
        fault::here(Point::BeforePost);
        let heard = self.timed(effect, &rows, false).await;
        fault::here(Point::AfterPost);
        let not_needed = std::mem::take(not_needed);
        self.conclude(effect, last, heard, not_needed).await
    }

    /// The last of the job's effects needed nothing: it is done.
    async fn nothing_to_send(&self, not_needed: Vec<EffectDone>) -> Result<(), StoreError> {
        self.taken_back().await?;
        let report = Report {
            done: not_needed,
            settle: Some(self.done(Reason::NotNeeded)),
            ..self.empty(self.house.clock.now())
        };
        if self.house.store.report(report).await? == Reported::Stored {
            self.merged().await?;
        }
        Ok(())
    }

    async fn held(&self, hold: Hold) -> Result<(), StoreError> {
        if let Hold::Settle(state, reason, held) = hold {
            let reach = match self.job.unsure {
                true => Reach::Maybe,
                false => self.reach(),
            };
            let settle = self.to(state, reason, held, self.job.unsure, reach);
            let settle = self.rests(settle).await?;
            self.report(Some(settle)).await?;
        }
        Ok(())
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something is still to be done for an effect.
    fn is_open(&self, effect: &Effect) -> bool {
        !effect.done && !self.since().done.contains(&effect.n)
    }

    /// The first open effect from this place on.
    fn open_from(&self, n: u32) -> Option<&Effect> {
        let mut effects = self.job.effects.iter();
        effects.find(|e| e.n >= n && self.is_open(e))
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
        self.report(Some(self.to(state, reason, false, unsure, reach)))
            .await
    }

    async fn report(&self, settle: Option<Settle>) -> Result<Reported, StoreError> {
        let report = Report {
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
            done: Vec::new(),
            settle: None,
            pause: None,
            opens_after: 1,
            partner_well: false,
            now,
        }
    }
}
