//! Replays: jobs brought to their partner once more, one or all that fit, so many a second.
//!
//! A done job is left as it is and a new one is made, tied to it; a parked one is let go again. What is on
//! its way, ended, unclear, or overtaken by something newer is left out, so is a prescription whose earlier
//! one may be live, and in bulk every prescription that a pharmacy has. Each step is one transaction with its cursor: a crash repeats none.

use std::time::Duration;

use super::again::{self, Why};
pub use super::dry::{DryRun, Example, count, dry_run};
use super::second;
use crate::clock::Time;
use crate::ids::{JobId, TenantId};
use crate::sync::accept::Acceptor;
use crate::sync::house::{Member, Tenant};
use crate::sync::job::{Effect, NewEffect, NewJob, Purpose, State};
use crate::sync::ports::{
    Again, Begun, By, Candidate, JobFilter, NewReplay, Replay, ReplayState, ReplayStep, Skips,
    StoreError, WholeJob,
};

/// Pages that one step goes through without finding anything, at most.
const PAGES_MAX: usize = 20;
/// Replayed jobs stand behind everything else.
const BACKFILL: u8 = 4;

/// Why a replay is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The filter names no partner of the tenant, or no such job.
    NoPartner,
    /// The rate is 0 or above the config's highest.
    Rate,
    /// More jobs fit than the config lets one replay have.
    TooMany,
    /// Another replay has this id.
    OtherThere,
    /// Nothing fits that could be sent again.
    Nothing,
}

/// What a replay does with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Anew,
    Retry,
    Skip(Why),
}

/// Decides by what is seen of a job; one that a person names by itself may be a prescription that the
/// pharmacy has, if the pharmacy knows a repeat by its MessageID.
fn classify(c: &Candidate, single: bool, knows_repeats: bool) -> Class {
    let job = &c.job;
    match job.state {
        State::Waiting | State::Sending | State::Asking => Class::Skip("open"),
        State::Cancelled | State::Superseded => Class::Skip("ended"),
        _ if job.unsure => Class::Skip("unclear"),
        _ if c.newer => Class::Skip("newer"),
        _ if second::earlier_may_be_live(job) => Class::Skip("earlier-may-be-live"),
        State::Parked => Class::Retry,
        State::Done if job.purpose == Purpose::NewRx && !(single && knows_repeats) => {
            Class::Skip("new-prescription")
        }
        State::Done => Class::Anew,
    }
}

/// A replay that is asked for, checked against the config.
pub(super) struct Checked<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) member: &'a Member,
}

pub(super) fn check<'a>(
    acceptor: &'a Acceptor,
    tenant: &'a TenantId,
    filter: &JobFilter,
    rate: u32,
) -> Result<Checked<'a>, Unfit> {
    let house = acceptor.house();
    let partner = filter.partner.as_ref().ok_or(Unfit::NoPartner)?;
    let member = house.member(tenant, partner).ok_or(Unfit::NoPartner)?;
    let tenant = house.tenants.get(tenant).ok_or(Unfit::NoPartner)?;
    if rate == 0 || rate > house.settings.people.replay_rate_max {
        return Err(Unfit::Rate);
    }
    Ok(Checked { tenant, member })
}

/// The filter of a replay of one job: that job, at its partner. `None`: no such job.
///
/// # Errors
/// The store's.
pub async fn of_one(
    acceptor: &Acceptor,
    tenant: &TenantId,
    job: &JobId,
) -> Result<Option<JobFilter>, StoreError> {
    let whole = acceptor.house().store.whole(tenant, job).await?;
    Ok(whole.map(|w| JobFilter {
        partner: Some(w.job.partner),
        job: Some(job.clone()),
        ..JobFilter::default()
    }))
}

/// What is done with a job; with its bytes, where it is made anew.
pub(super) async fn class(
    acceptor: &Acceptor,
    asked: &Checked<'_>,
    c: &Candidate,
    single: bool,
) -> Result<(Class, Option<WholeJob>), StoreError> {
    let first = classify(c, single, true);
    if first != Class::Anew {
        return Ok((first, None));
    }
    let store = &acceptor.house().store;
    let whole = store.whole(&asked.tenant.id, &c.job.id).await?;
    let knows_repeats = whole.as_ref().is_some_and(|w| {
        let knows = |e: &Effect| asked.member.partner.can_ask(&e.what);
        !w.ever_unsure && w.effects.iter().all(knows)
    });
    Ok((classify(c, single, knows_repeats), whole))
}

/// Begins a replay; begun before under this id, it is what it is.
///
/// # Errors
/// The store's.
pub async fn begin(
    acceptor: &Acceptor,
    tenant: &TenantId,
    new: NewReplay,
    by: By<'_>,
) -> Result<Result<Begun, Unfit>, StoreError> {
    let house = acceptor.house();
    let known = house.store.replay(tenant, &new.id).await?;
    if known.is_none()
        && let Err(unfit) = count(acceptor, tenant, &new).await?
    {
        return Ok(Err(unfit));
    }
    let now = house.clock.now();
    Ok(
        match house.store.replay_begin(tenant, new, by, now).await? {
            Begun::OtherThere => Err(Unfit::OtherThere),
            begun => Ok(begun),
        },
    )
}

/// One step of every replay that is due: how many jobs it made or let go.
///
/// # Errors
/// The store's; what was written before it stays.
pub async fn step_due(acceptor: &Acceptor) -> Result<usize, StoreError> {
    let house = acceptor.house();
    let now = house.clock.now();
    let mut done = 0;
    for (tenant, replay) in house.store.replays_due(now).await? {
        match replay.state {
            ReplayState::Running => done += step(acceptor, &tenant, &replay, now).await?,
            ReplayState::Cancelling => {
                house.store.replay_sweep(&tenant, &replay.id, now).await?;
            }
            ReplayState::Cancelled | ReplayState::Done => {}
        }
    }
    Ok(done)
}

async fn step(
    acceptor: &Acceptor,
    tenant: &TenantId,
    replay: &Replay,
    now: Time,
) -> Result<usize, StoreError> {
    let house = acceptor.house();
    let store = &house.store;
    let mut step = ReplayStep {
        id: replay.id.clone(),
        from: replay.cursor,
        to: replay.cursor,
        again: Vec::new(),
        skipped: Skips::new(),
        ended: false,
        next: now.plus(Duration::from_secs(1)),
        now,
    };
    let Ok(asked) = check(acceptor, tenant, &replay.filter, 1) else {
        // Its partner left the config: nothing more can be done for it.
        *step.skipped.entry("no-partner".to_owned()).or_default() += 1;
        step.ended = true;
        return Ok(usize::from(store.replay_step(tenant, step).await?));
    };
    let rate = usize::try_from(replay.rate).unwrap_or(1);
    let single = replay.filter.job.is_some();
    for _ in 0..PAGES_MAX {
        let room = rate.saturating_sub(step.again.len());
        let span = (step.to, replay.upto);
        let (found, upto) = store
            .candidates(tenant, &replay.filter, span, room.max(1))
            .await?;
        step.to = upto;
        for c in found {
            match one(acceptor, &asked, &c, single, now).await? {
                Ok(again) => step.again.push(again),
                Err(why) => *step.skipped.entry(why.to_owned()).or_default() += 1,
            }
        }
        step.ended = step.to >= replay.upto;
        if step.ended || step.again.len() >= rate {
            break;
        }
    }
    let n = step.again.len();
    Ok(if store.replay_step(tenant, step).await? {
        n
    } else {
        0
    })
}

async fn one(
    acceptor: &Acceptor,
    asked: &Checked<'_>,
    c: &Candidate,
    single: bool,
    now: Time,
) -> Result<Result<Again, Why>, StoreError> {
    let (class, whole) = class(acceptor, asked, c, single).await?;
    let whole = match (class, whole) {
        (Class::Skip(why), _) => return Ok(Err(why)),
        (Class::Retry, _) => return Ok(Ok(Again::Retry(c.job.id.clone()))),
        (Class::Anew, None) => return Ok(Err("moved")),
        (Class::Anew, Some(whole)) => whole,
    };
    let effects = again::effects(acceptor, asked.tenant, asked.member, &whole, now).await?;
    Ok(effects.map(|effects| Again::Make {
        source: whole.job.id.clone(),
        record: whole.job.record.clone(),
        job: Box::new(made_of(&whole, asked.member, effects, now)),
    }))
}

/// A new job that brings what an old one brought: in its lane, as the same message.
pub(super) fn made_of(
    whole: &WholeJob,
    member: &Member,
    effects: Vec<NewEffect>,
    now: Time,
) -> NewJob {
    NewJob {
        id: JobId::fresh(now),
        partner: whole.job.partner.clone(),
        lane: whole.lane.clone(),
        chain: whole.chain.clone(),
        purpose: whole.job.purpose,
        state: State::Waiting,
        reason: None,
        due: now,
        deadline: whole.deadline,
        priority: BACKFILL,
        message: whole.job.message.clone(),
        // What it refers to was there when it was sent.
        needs: Vec::new(),
        awaits: None,
        guarded: whole.guarded,
        // It comes after the fact: nobody has to wait for it.
        holds_lane: false,
        policy: serde_json::to_string(&member.policy).unwrap_or_default(),
        effects,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PartnerId;
    use crate::sync::job::VersionRef;
    use crate::sync::ports::JobView;
    use crate::sync::reason::Reason;

    fn candidate(purpose: Purpose, state: State, unsure: bool, newer: bool) -> Candidate {
        Candidate {
            seq: 1,
            job: JobView {
                id: JobId::new("J"),
                partner: PartnerId::new("p"),
                record: VersionRef {
                    kind: "observation".to_owned(),
                    id: "M".to_owned(),
                    version: 1,
                },
                purpose,
                state,
                reason: None,
                accepted: Time::from_micros(0),
                due: Time::from_micros(0),
                attempts: 0,
                unsure,
                message: None,
                blocked_by: Vec::new(),
                effects: Vec::new(),
                tries: Vec::new(),
            },
            newer,
        }
    }

    #[test]
    fn what_is_sent_again_and_what_is_left_out() {
        use Class::{Anew, Retry, Skip};
        use Purpose::{Cancel, Copy, NewRx};
        for (purpose, state, unsure, newer, wanted) in [
            (Copy, State::Done, false, false, Anew),
            (Cancel, State::Done, false, false, Anew),
            (Copy, State::Done, false, true, Skip("newer")),
            (Cancel, State::Done, false, true, Skip("newer")),
            (Copy, State::Parked, false, false, Retry),
            (NewRx, State::Parked, false, false, Retry),
            (Copy, State::Parked, true, false, Skip("unclear")),
            (NewRx, State::Parked, true, false, Skip("unclear")),
            (Copy, State::Waiting, false, false, Skip("open")),
            (Copy, State::Sending, false, false, Skip("open")),
            (NewRx, State::Asking, true, false, Skip("open")),
            (Copy, State::Cancelled, false, false, Skip("ended")),
            (NewRx, State::Superseded, false, false, Skip("ended")),
            (NewRx, State::Done, false, false, Skip("new-prescription")),
        ] {
            let c = candidate(purpose, state, unsure, newer);
            assert_eq!(classify(&c, false, true), wanted, "{purpose:?} {state:?}");
        }
        // Nor does a replay send what an earlier prescription stands in the way of.
        for reason in [Reason::CancelDenied, Reason::CancelSilent, Reason::Restored] {
            let mut c = candidate(NewRx, State::Parked, false, false);
            c.job.reason = Some(reason);
            for single in [false, true] {
                assert_eq!(classify(&c, single, true), Skip("earlier-may-be-live"));
            }
        }
        // By itself, a prescription goes again only where the pharmacy knows its MessageID.
        let rx = candidate(NewRx, State::Done, false, false);
        assert_eq!(classify(&rx, true, false), Skip("new-prescription"));
        assert_eq!(classify(&rx, true, true), Anew);
    }
}
