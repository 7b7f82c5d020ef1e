//! A worker's report: attempt, outcome, next state, the partner's pause, in one transaction; nothing of
//! it if the lease was lost.

use rusqlite::{Connection, params};

use super::jobs::{self, Move, Place};
use super::seal::seal;
use super::{crosswalk, denials, lanes};
use crate::clock::Time;
use crate::fault::{self, Mutant, Point};
use crate::ids::{PartnerId, TenantId};
use crate::sync::job::{Reach, State};
use crate::sync::ports::{AttemptRow, CrosswalkRow, EffectDone, Report, Reported, Settle};
use crate::sync::reason::Reason;
use crate::sync::verdict::Verdict;

/// Writes a report.
pub(super) fn report(connection: &Connection, r: &Report) -> rusqlite::Result<Reported> {
    let tenant = r.tenant.as_str();
    let Some(place) = Place::named(connection, tenant, r.job.as_str())? else {
        return Ok(Reported::LeaseLost);
    };
    let lost = place.token != r.token || !place.leased;
    if lost && !fault::mutant(Mutant::SettleAfterLostLease) {
        return Ok(Reported::LeaseLost);
    }
    if let Some(attempt) = &r.attempt {
        put_attempt(connection, tenant, place.seq, attempt)?;
        if matches!(attempt.verdict, Verdict::Accepted | Verdict::Pending) {
            success(connection, &place, r.now)?;
        }
    }
    for effect in &r.not_needed {
        let done = EffectDone {
            effect: *effect,
            remote: None,
        };
        put_effect_done(connection, &place, &done, r.now)?;
    }
    if let Some(done) = &r.effect_done {
        put_effect_done(connection, &place, done, r.now)?;
    }
    if let Some(settle) = &r.settle {
        put_settle(connection, &place, settle, r.now)?;
    }
    if let Some((until, reason)) = &r.pause {
        pause_by_outage(
            connection,
            tenant,
            &place.partner,
            (*until, *reason),
            r.opens_after,
        )?;
    } else if r.partner_well {
        // Who asked us to stay away is left alone, although others of its answers are good.
        connection
            .prepare_cached(
                "UPDATE partner SET failures = 0,
                   paused_until = CASE WHEN paused_until < ?3 AND pause_reason <> ?4 THEN NULL ELSE paused_until END,
                   pause_reason = CASE WHEN paused_until < ?3 AND pause_reason <> ?4 THEN NULL ELSE pause_reason END
                 WHERE tenant = ?1 AND partner = ?2
                   AND (failures > 0 OR (paused_until < ?3 AND pause_reason <> ?4))",
            )?
            .execute(params![
                tenant,
                place.partner,
                Time::NEVER.micros(),
                Reason::Throttled.as_str()
            ])?;
    }
    fault::here(Point::BeforeReport);
    Ok(Reported::Stored)
}

fn put_attempt(
    connection: &Connection,
    tenant: &str,
    seq: i64,
    a: &AttemptRow,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            tenant,
            seq,
            a.effect,
            a.asked,
            a.started.micros(),
            i64::try_from(a.took.as_micros()).unwrap_or(i64::MAX),
            a.verdict.as_str(),
            a.reason.as_str(),
            a.status,
            a.charged,
            seal(&a.body)
        ])?;
    connection
        .prepare_cached(
            "UPDATE job SET attempts = attempts + ?2, asks = asks + ?3, reason = ?4
             WHERE seq = ?1 AND (?2 OR ?3 OR reason IS NOT ?4)",
        )?
        .execute(params![seq, a.charged, a.asked, a.reason.as_str()])?;
    Ok(())
}

fn success(connection: &Connection, place: &Place, now: Time) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO partner (tenant, partner, last_success) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET last_success = ?3",
        )?
        .execute(params![place.tenant, place.partner, now.micros()])?;
    Ok(())
}

fn put_effect_done(
    connection: &Connection,
    place: &Place,
    done: &EffectDone,
    now: Time,
) -> rusqlite::Result<()> {
    let their_id = done.remote.as_ref().map(|r| r.id.as_str());
    let (resource_type, our_id): (String, String) = connection
        .prepare_cached(
            "UPDATE effect SET done = 1, their_id = ifnull(?4, their_id)
             WHERE tenant = ?1 AND job = ?2 AND n = ?3 RETURNING type, our_id",
        )?
        .query_row(
            params![place.tenant, place.seq, done.effect, their_id],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
    if let Some(remote) = &done.remote {
        let row = CrosswalkRow {
            partner: PartnerId::new(&place.partner),
            resource_type,
            our_id,
            their_id: remote.id.clone(),
            their_version: remote.version.clone(),
        };
        crosswalk::put(connection, &place.tenant, &row, now.micros())?;
    }
    Ok(())
}

fn put_settle(
    connection: &Connection,
    place: &Place,
    settle: &Settle,
    now: Time,
) -> rusqlite::Result<()> {
    // What the gate held while the client's consents changed is looked at again.
    let held = settle.held && !denials::changed_since(connection, place)?;
    let due = if settle.held && !held {
        now.min(settle.due)
    } else {
        settle.due
    };
    let to = Move {
        held,
        unsure: Some(settle.unsure),
        reach: Some(settle.reach),
        ..Move::to(settle.state, now.micros())
    };
    jobs::go(
        connection,
        place,
        &to.because(settle.reason).due(due.micros()),
    )?;
    if settle.state == State::Parked && fault::mutant(Mutant::ParkedDeleted) {
        connection.execute("DELETE FROM job WHERE seq = ?", [place.seq])?;
    }
    Ok(())
}

fn pause_by_outage(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    (until, reason): (Time, Reason),
    opens_after: u32,
) -> rusqlite::Result<()> {
    // A person's pause stays; among outages the longer one counts.
    connection
        .prepare_cached(
            "INSERT INTO partner (tenant, partner, failures, paused_until, pause_reason)
             VALUES (?1, ?2, 1, CASE WHEN ?5 <= 1 THEN ?3 END, CASE WHEN ?5 <= 1 THEN ?4 END)
             ON CONFLICT DO UPDATE SET failures = failures + 1,
               pause_reason = CASE WHEN failures + 1 >= ?5 AND ifnull(paused_until, 0) < ?3 THEN ?4
                 ELSE pause_reason END,
               paused_until = CASE WHEN failures + 1 >= ?5 THEN max(ifnull(paused_until, 0), ?3)
                 ELSE paused_until END",
        )?
        .execute(params![
            tenant,
            partner,
            until.micros(),
            reason.as_str(),
            opens_after
        ])?;
    Ok(())
}

/// Pauses a partner by hand or after a probe, or ends its pause.
pub(super) fn pause(
    connection: &Connection,
    tenant: &TenantId,
    partner: &PartnerId,
    pause: Option<(Time, Reason)>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO partner (tenant, partner, paused_until, pause_reason) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET paused_until = ?3, pause_reason = ?4, failures = 0",
        )?
        .execute(params![
            tenant.as_str(),
            partner.as_str(),
            pause.map(|p| p.0.micros()),
            pause.map(|p| p.1.as_str())
        ])?;
    Ok(())
}

/// Partners whose pause has ended and that want a probe.
pub(super) fn probes_due(
    connection: &Connection,
    now: Time,
) -> rusqlite::Result<Vec<(TenantId, PartnerId)>> {
    connection
        .prepare_cached("SELECT tenant, partner FROM partner WHERE paused_until <= ?")?
        .query_map([now.micros()], |r| {
            Ok((
                TenantId::new(r.get_ref(0)?.as_str()?),
                PartnerId::new(r.get_ref(1)?.as_str()?),
            ))
        })?
        .collect()
}

/// What a probe found: the pause that it was asked about ends, or lasts on. A pause by a person, or one
/// that an outage began since, stays.
pub(super) fn probed(
    connection: &Connection,
    tenant: &TenantId,
    partner: &PartnerId,
    asked: Time,
    again: Option<(Time, Reason)>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE partner SET paused_until = ?4, pause_reason = ?5,
               failures = CASE WHEN ?4 IS NULL THEN 0 ELSE failures END
             WHERE tenant = ?1 AND partner = ?2 AND paused_until <= ?3",
        )?
        .execute(params![
            tenant.as_str(),
            partner.as_str(),
            asked.micros(),
            again.map(|p| p.0.micros()),
            again.map(|p| p.1.as_str())
        ])?;
    Ok(())
}

/// Leases that ran out, confirmations that did not come, prescriptions past their last send.
pub(super) fn rescue(connection: &Connection, now: Time) -> rusqlite::Result<u64> {
    let now = now.micros();
    let of = |sql: &str| -> rusqlite::Result<Vec<i64>> {
        connection
            .prepare_cached(sql)?
            .query_map([now], |r| r.get(0))?
            .collect()
    };
    let lost = of("SELECT seq FROM job WHERE lease_until IS NOT NULL AND lease_until < ?1")?;
    for seq in &lost {
        let to = Move {
            unsure: Some(true),
            reach: Some(Reach::Maybe),
            ..Move::to(State::Asking, now)
        };
        let to = to.because(Reason::LeaseLost).due(now);
        jobs::go(connection, &Place::of(connection, *seq)?, &to)?;
    }
    let parks = |seqs: Vec<i64>, reason: Reason, frees: bool| -> rusqlite::Result<()> {
        for seq in seqs {
            let to = Move {
                frees,
                ..Move::to(State::Parked, now)
            };
            let to = to.because(reason).due(now);
            jobs::go(connection, &Place::of(connection, seq)?, &to)?;
        }
        Ok(())
    };
    let silent = of(
        "SELECT seq FROM job WHERE awaits_until IS NOT NULL AND awaits_until < ?1
        AND state = 'waiting'",
    )?;
    parks(silent, Reason::CancelSilent, true)?;
    let late = of(
        "SELECT seq FROM job WHERE deadline IS NOT NULL AND state = 'waiting'
        AND deadline < ?1 AND unsure = 0",
    )?;
    parks(late, Reason::PastDeadline, false)?;
    let merging: Vec<(String, String)> = connection
        .prepare_cached("SELECT DISTINCT tenant, partner FROM hold")?
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (tenant, partner) in merging {
        lanes::refresh_held(connection, &tenant, &partner, now)?;
    }
    Ok(u64::try_from(lost.len()).unwrap_or(u64::MAX))
}
