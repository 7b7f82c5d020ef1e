//! A worker's report: attempt, outcome, next state, the partner's pause, in one transaction; nothing of
//! it if the lease was lost.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::jobs::{self, Move, Place};
use super::seal::seal;
use super::{crosswalk, denials, lanes, people};
use crate::clock::Time;
use crate::fault::{self, Mutant, Point};
use crate::ids::{PartnerId, TenantId};
use crate::sync::job::{Reach, State};
use crate::sync::ports::{AttemptRow, CrosswalkRow, EffectDone, Report, Reported, Settle};
use crate::sync::reason::Reason;
use crate::sync::retry::Policy;
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
        count_attempt(connection, place.seq, attempt, r.settle.is_some())?;
        if matches!(attempt.verdict, Verdict::Accepted | Verdict::Pending) {
            success(connection, &place, r.now)?;
        }
    }
    for done in &r.done {
        put_effect_done(connection, &place, done, r.now)?;
    }
    if let Some(settle) = &r.settle {
        let mut settle = settle.clone();
        if found_meanwhile(connection, &place, r)? {
            (settle.state, settle.due) = (State::Waiting, r.now);
        }
        put_settle(connection, &place, &settle, r.now)?;
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
        .prepare_cached("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
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
            seal(&a.body),
            a.together
        ])?;
    Ok(())
}

/// What an attempt counts for its job. `settles`: the job's row is written right after, with its reason.
fn count_attempt(
    connection: &Connection,
    seq: i64,
    a: &AttemptRow,
    settles: bool,
) -> rusqlite::Result<()> {
    // A question that settled its effect is not counted against those about others.
    let found = matches!(a.verdict, Verdict::Accepted | Verdict::Pending);
    let asks = a.asked && !found;
    if settles && !a.charged && !asks {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE job SET attempts = attempts + ?2, asks = asks + ?3, reason = ?4
             WHERE seq = ?1 AND (?2 OR ?3 OR reason IS NOT ?4)",
        )?
        .execute(params![seq, a.charged, asks, a.reason.as_str()])?;
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
    connection
        .prepare_cached(
            "UPDATE effect SET done = 1, their_id = ifnull(?4, their_id)
             WHERE tenant = ?1 AND job = ?2 AND n = ?3",
        )?
        .execute(params![place.tenant, place.seq, done.effect, their_id])?;
    if let Some(remote) = &done.remote {
        let (resource_type, our_id): (String, String) = connection
            .prepare_cached(
                "SELECT type, our_id FROM effect WHERE tenant = ?1 AND job = ?2 AND n = ?3",
            )?
            .query_row(params![place.tenant, place.seq, done.effect], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })?;
        let row = CrosswalkRow {
            partner: PartnerId::new(&place.partner),
            resource_type,
            our_id,
            their_id: remote.id.clone(),
            their_version: remote.version.clone(),
        };
        crosswalk::put(connection, &place.tenant, &row, now.micros())?;
        if row.resource_type == "Patient" {
            patient_found(connection, place, &row.our_id, now)?;
        }
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

/// Whether a partner's pause has ended and it wants a probe that nobody has in hand.
pub(super) fn is_probe_due(
    connection: &Connection,
    now: Time,
    leases: Time,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM partner
               WHERE paused_until <= ?1 AND ifnull(probing, 0) < ?2)",
        )?
        .query_row([now.micros(), leases.micros()], |r| r.get(0))
}

/// Partners whose pause has ended and that want a probe: the caller's until then.
pub(super) fn take_probes(
    connection: &Connection,
    now: Time,
    leases: Time,
    until: Time,
) -> rusqlite::Result<Vec<(TenantId, PartnerId)>> {
    connection
        .prepare_cached(
            "UPDATE partner SET probing = ?3 WHERE paused_until <= ?1 AND ifnull(probing, 0) < ?2
             RETURNING tenant, partner",
        )?
        .query_map([now.micros(), leases.micros(), until.micros()], |r| {
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
        .prepare_cached("UPDATE partner SET probing = NULL WHERE tenant = ?1 AND partner = ?2")?
        .execute(params![tenant.as_str(), partner.as_str()])?;
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

/// Nobody reported what was done under a lease: it may have been sent, and counts as an attempt, so that
/// what ends its worker every time comes to an end.
fn lease_lost(connection: &Connection, place: &Place, now: i64) -> rusqlite::Result<()> {
    let asked = place.state == State::Asking;
    let effect = connection
        .prepare_cached(
            "SELECT ifnull(min(n), 0) FROM effect WHERE tenant = ?1 AND job = ?2 AND done = 0",
        )?
        .query_row(params![place.tenant, place.seq], |r| r.get(0))?;
    let attempt = AttemptRow {
        effect,
        together: 1,
        asked,
        started: Time::from_micros(now),
        took: Duration::ZERO,
        verdict: Verdict::Unsure,
        reason: Reason::LeaseLost,
        status: None,
        charged: !asked,
        body: Vec::new(),
    };
    put_attempt(connection, &place.tenant, place.seq, &attempt)?;
    count_attempt(connection, place.seq, &attempt, true)?;
    let most = Policy::default().asks_max;
    let asked_enough: bool = connection
        .prepare_cached(
            "SELECT asks >= ifnull(json_extract(policy, '$.asks_max'), ?2) FROM job WHERE seq = ?1",
        )?
        .query_row(params![place.seq, most], |r| r.get(0))?;
    let (state, reason) = match asked && asked_enough {
        true => (State::Parked, Reason::Unclear),
        false => (State::Asking, Reason::LeaseLost),
    };
    let to = Move {
        unsure: Some(true),
        reach: Some(Reach::Maybe),
        ..Move::to(state, now)
    };
    jobs::go(connection, place, &to.because(reason).due(now))
}

/// A job found or made its patient at the partner: what was parked for want of them goes on.
fn patient_found(
    connection: &Connection,
    place: &Place,
    patient: &str,
    now: Time,
) -> rusqlite::Result<()> {
    // A merge is of two clients.
    let clients: Vec<String> = connection
        .prepare_cached(
            "SELECT ?3 WHERE ?3 IS NOT NULL UNION SELECT client FROM hold WHERE tenant = ?1 AND job = ?2",
        )?
        .query_map(params![place.tenant, place.seq, place.client], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for client in clients {
        let at = (place.tenant.as_str(), place.partner.as_str());
        people::released(connection, at, (&client, Some(patient)), now.micros())?;
    }
    Ok(())
}

/// Whether a job is to be parked because its patient was not found, and another found them meanwhile.
fn found_meanwhile(connection: &Connection, place: &Place, r: &Report) -> rusqlite::Result<bool> {
    let unknown = r.settle.as_ref().is_some_and(|s| {
        s.state == State::Parked
            && matches!(s.reason, Reason::PatientUnknown | Reason::PatientAmbiguous)
    });
    let Some(attempt) = r.attempt.as_ref().filter(|_| unknown) else {
        return Ok(false);
    };
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM effect e CROSS JOIN crosswalk c ON c.tenant = e.tenant
                 AND c.partner = ?4 AND c.type = 'Patient' AND c.our_id = e.our_id
               WHERE e.tenant = ?1 AND e.job = ?2 AND e.n = ?3 AND e.kind = 'patient')",
        )?
        .query_row(
            params![place.tenant, place.seq, attempt.effect, place.partner],
            |r| r.get(0),
        )
}

/// No lease ends later than that, nor is a probe in hand for longer.
pub(super) fn shorten(connection: &Connection, latest: Time) -> rusqlite::Result<()> {
    for sql in [
        "UPDATE job SET lease_until = ?1 WHERE lease_until IS NOT NULL AND lease_until > ?1",
        "UPDATE partner SET probing = ?1 WHERE probing > ?1",
    ] {
        connection.prepare_cached(sql)?.execute([latest.micros()])?;
    }
    Ok(())
}

/// Leases that ran out (by their own time), confirmations that did not come, prescriptions past their last
/// send.
pub(super) fn rescue(connection: &Connection, now: Time, leases: Time) -> rusqlite::Result<u64> {
    let now = now.micros();
    let before = |sql: &str, time: i64| -> rusqlite::Result<Vec<i64>> {
        connection
            .prepare_cached(sql)?
            .query_map([time], |r| r.get(0))?
            .collect()
    };
    let lost = before(
        "SELECT seq FROM job WHERE lease_until IS NOT NULL AND lease_until < ?1",
        leases.micros(),
    )?;
    let of = |sql: &str| before(sql, now);
    for seq in &lost {
        lease_lost(connection, &Place::of(connection, *seq)?, now)?;
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
