//! Several effects of a job in one request, where the partner takes them so: all of them or none, and one
//! report of all. What it does not settle goes effect by effect, in the same hands.

use super::outcome::{Cost, Heard, Outcome};
use super::{Attempt, Hold};
use crate::fault::{self, Mutant, Point};
use crate::record::Kind;
use crate::sync::job::{Effect, Purpose};
use crate::sync::ports::{Delivery, EffectDone, Fate, Rows, Settle, StoreError, Together};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Verdict};

/// How it went on with effects that might go together.
pub(super) enum Went {
    /// This one does not go with others; the rows that it was looked at with, if it was.
    Alone(Option<Rows>),
    /// They were sent; those below this place that are still open go by themselves.
    Sent(u32),
    /// The job rests, or the lease is lost.
    Over,
}

/// Effects that go together.
struct Group<'a> {
    effects: Vec<&'a Effect>,
    rows: Rows,
    /// What stands between them and is not needed.
    not_needed: Vec<EffectDone>,
}

impl Group<'_> {
    fn deliveries<'d>(&'d self, attempt: &'d Attempt<'_>) -> Vec<Delivery<'d>> {
        let now = attempt.house.clock.now();
        let of = |effect: &&'d Effect| Delivery {
            job: attempt.job,
            effect,
            rows: &self.rows,
            now,
        };
        self.effects.iter().map(of).collect()
    }
}

impl Attempt<'_> {
    /// Sends the open effects from this one on in one request, as many as the partner takes so. What was
    /// unclear before goes by itself: each answer settles its own effect then.
    pub(super) async fn together(
        &self,
        first: &Effect,
        not_needed: &mut Vec<EffectDone>,
    ) -> Result<Went, StoreError> {
        if self.job.unsure {
            return Ok(Went::Alone(None));
        }
        let group = match self.group(first).await? {
            Ok(group) => group,
            Err(rows) => return Ok(Went::Alone(rows)),
        };
        let mut effects = group.effects.iter();
        match effects.find_map(|effect| self.ready(effect, &group.rows)) {
            None => {}
            Some(Hold::Lost) => return Ok(Went::Over),
            // What is ready before it goes by itself, until it is its turn.
            Some(Hold::Settle(..)) => return Ok(Went::Sent(group.after())),
        }
        if fault::mutant(Mutant::DoneBeforeDelivery) {
            self.report(Some(self.done(Reason::Delivered))).await?;
        }
        let started = self.house.clock.now();
        let deliveries = group.deliveries(self);
        fault::here(Point::BeforePost);
        let sent = self.member.partner.deliver_together(&deliveries);
        let silent = || Together::Failed(Answer::new(Verdict::Unsure, Reason::TimedOut));
        let sent = self.in_time(sent).await.unwrap_or_else(silent);
        fault::here(Point::AfterPost);
        let (answer, fates) = match sent {
            Together::Taken(answer, fates) => (answer, Some(fates)),
            Together::Apart(answer) => (answer, Some(vec![Fate::Open; group.effects.len()])),
            Together::Failed(answer) => (answer, None),
        };
        let heard = self.heard(false, started, answer);
        let mut done = std::mem::take(not_needed);
        done.extend(group.not_needed.iter().cloned());
        let goes_on = match fates {
            Some(fates) => self.taken(&group, &heard, fates, done).await?,
            None => self.failed(&group, &heard, done).await?,
        };
        Ok(match goes_on {
            true => Went::Sent(group.after()),
            false => Went::Over,
        })
    }

    /// The effects that may have gone in one request with this one, without it.
    pub(super) async fn beside<'e>(
        &'e self,
        first: &'e Effect,
    ) -> Result<Vec<&'e Effect>, StoreError> {
        let group = self.group(first).await?;
        Ok(group.map_or(Vec::new(), |group| group.effects[1..].to_vec()))
    }

    /// The effects that go in one request with this one, if any do; else the rows by which that was told.
    async fn group<'e>(
        &'e self,
        first: &'e Effect,
    ) -> Result<Result<Group<'e>, Option<Rows>>, StoreError> {
        let one_by_one = self.job.purpose == Purpose::Cancel
            || self.job.record.kind == Kind::ClientMerge.as_str();
        let open = self.job.effects.iter();
        let open: Vec<&Effect> = open.filter(|e| e.n >= first.n && self.is_open(e)).collect();
        if one_by_one || open.len() < 2 || self.member.partner.facts().together_max < 2 {
            return Ok(Err(None));
        }
        let mut group = Group {
            effects: Vec::new(),
            rows: self.rows(&open).await?,
            not_needed: Vec::new(),
        };
        for effect in open {
            match self.skips(effect, &group.rows).await? {
                true => group.not_needed.push(EffectDone::not_needed(effect.n)),
                false => group.effects.push(effect),
            }
        }
        let many = self.member.partner.together(&group.deliveries(self));
        if many < 2 || group.effects.first().is_none_or(|e| e.n != first.n) {
            return Ok(Err(Some(group.rows)));
        }
        group.effects.truncate(many);
        let after = group.after();
        group.not_needed.retain(|d| d.effect < after);
        Ok(Ok(group))
    }

    /// Writes what became of each.
    async fn taken(
        &self,
        group: &Group<'_>,
        heard: &Heard,
        fates: Vec<Fate>,
        mut done: Vec<EffectDone>,
    ) -> Result<bool, StoreError> {
        for (effect, fate) in group.effects.iter().zip(fates) {
            match fate {
                Fate::Done(remote) => done.push(EffectDone {
                    effect: effect.n,
                    remote: Some(remote),
                }),
                Fate::There => drop(self.since().there.insert(effect.n)),
                Fate::Open => {}
            }
        }
        let ended = |e: &Effect| done.iter().any(|d| d.effect == e.n);
        let all = self
            .job
            .effects
            .iter()
            .all(|e| !self.is_open(e) || ended(e));
        let settle = all.then(|| self.done(heard.answer.reason));
        let outcome = group.outcome(done, settle);
        let stored = self.write(heard, Cost::default(), outcome).await?;
        Ok(stored && !all)
    }

    /// Writes that none of them was taken, or that nobody knows.
    async fn failed(
        &self,
        group: &Group<'_>,
        heard: &Heard,
        done: Vec<EffectDone>,
    ) -> Result<bool, StoreError> {
        let Some(first) = group.effects.first() else {
            return Ok(false);
        };
        let decision = self.decide(first, heard);
        let settle = self.rests(self.step(decision.step, &decision)).await?;
        let outcome = group.outcome(done, Some(settle));
        self.write(heard, Cost::of(&decision), outcome).await?;
        Ok(false)
    }
}

impl Group<'_> {
    /// The place after its last effect.
    fn after(&self) -> u32 {
        self.effects.last().map_or(0, |e| e.n + 1)
    }

    fn outcome(&self, done: Vec<EffectDone>, settle: Option<Settle>) -> Outcome {
        Outcome {
            effect: self.effects.first().map_or(0, |e| e.n),
            together: self.effects.len(),
            done,
            settle,
        }
    }
}
