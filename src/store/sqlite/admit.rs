//! An admission: everything that one accepted submission writes, in one transaction, or nothing.

use rusqlite::{Connection, OptionalExtension, params};

use super::lanes::{self, Move, Place};
use super::rows::{self, int};
use super::seal::seal;
use crate::sync::job::{Chain, NewEffect, NewJob, State, VersionRef};
use crate::sync::ports::{Admission, Admitted, CrosswalkRow, Given, NewRaw, NewVersion, RawState};
use crate::sync::reason::Reason;

/// Writes an admission, or says why not; then nothing was written.
pub(super) fn admit(connection: &Connection, a: &Admission) -> rusqlite::Result<Admitted> {
    if let Some(no) = refusal(connection, a)? {
        return Ok(no);
    }
    let tenant = a.tenant.as_str();
    let now = a.now.micros();
    if let Some(raw) = &a.raw {
        put_raw(connection, tenant, raw, now, RawState::Done)?;
    }
    if let Some((raw, state)) = &a.settles_raw {
        connection
            .prepare_cached("UPDATE raw SET state = ?3 WHERE tenant = ?1 AND id = ?2")?
            .execute(params![tenant, raw.as_str(), state.as_str()])?;
    }
    if let Some((caller, key, hash)) = &a.idempotency {
        connection
            .prepare_cached("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                tenant,
                caller,
                key,
                hash.0,
                a.given.status,
                seal(&a.given.body),
                now
            ])?;
    }
    if let Some(version) = &a.version {
        put_version(connection, tenant, version, &a.given, now)?;
        put_resources(connection, a, version)?;
    }
    for row in &a.crosswalk {
        put_crosswalk(connection, tenant, row)?;
    }
    for t in &a.transitions {
        let seq: i64 = connection
            .prepare_cached("SELECT seq FROM job WHERE tenant = ?1 AND id = ?2")?
            .query_row(params![tenant, t.job.as_str()], |r| r.get(0))?;
        let place = Place::of(connection, seq)?;
        lanes::go(
            connection,
            &place,
            &Move {
                to: t.to,
                reason: Some(t.reason.as_str()),
                due: (t.to == State::Waiting).then_some(now),
                held: false,
                now,
            },
        )?;
    }
    for job in &a.jobs {
        let client = client_of(connection, a)?;
        put_job(connection, tenant, job, &a.for_record, client, now)?;
    }
    for (partner, client, job) in &a.holds {
        connection
            .prepare_cached(
                "INSERT INTO hold SELECT ?1, ?2, ?3, seq FROM job WHERE tenant = ?1 AND id = ?4",
            )?
            .execute(params![tenant, partner.as_str(), client, job.as_str()])?;
        for (partner, lane) in lanes::of_client(connection, tenant, partner.as_str(), client)? {
            lanes::refresh(connection, tenant, &partner, &lane, now)?;
        }
    }
    put_denials(connection, a)?;
    if let Some(client) = &a.wakes_client {
        wake(connection, tenant, client, now)?;
    }
    if let Some((message, approved)) = &a.confirms {
        confirm(connection, tenant, message.as_str(), *approved, now)?;
    }
    Ok(Admitted::Stored)
}

/// In this order: idempotency key, exact repeat, version order, what has moved.
fn refusal(connection: &Connection, a: &Admission) -> rusqlite::Result<Option<Admitted>> {
    let tenant = a.tenant.as_str();
    if let Some((caller, key, hash)) = &a.idempotency {
        let known = connection
            .prepare_cached(
                "SELECT hash, given_status, given_body FROM idempotency
                 WHERE tenant = ?1 AND caller = ?2 AND key = ?3",
            )?
            .query_row(params![tenant, caller, key], |r| {
                Ok((rows::hash(r, 0)?, rows::given(r, 1)?))
            })
            .optional()?;
        match known {
            Some((same, given)) if same == *hash => return Ok(Some(Admitted::Repeat(given))),
            Some(_) => return Ok(Some(Admitted::KeyReused)),
            None => {}
        }
    }
    let head: Option<u64> = connection
        .prepare_cached(
            "SELECT version FROM version WHERE tenant = ?1 AND kind = ?2 AND id = ?3
             ORDER BY version DESC LIMIT 1",
        )?
        .query_row(params![tenant, a.for_record.kind, a.for_record.id], |r| {
            rows::number(r, 0)
        })
        .optional()?;
    if let (Some(version), Some(newest)) = (&a.version, head)
        && version.record.version <= newest
    {
        let same = connection
            .prepare_cached(
                "SELECT hash, given_status, given_body FROM version
                 WHERE tenant = ?1 AND kind = ?2 AND id = ?3 AND version = ?4",
            )?
            .query_row(
                params![
                    tenant,
                    version.record.kind,
                    version.record.id,
                    int(version.record.version)
                ],
                |r| Ok((rows::hash(r, 0)?, rows::given(r, 1)?)),
            )
            .optional()?;
        return Ok(Some(match same {
            Some((hash, given)) if hash == version.hash => Admitted::Repeat(given),
            _ => Admitted::Conflict(newest),
        }));
    }
    if head != a.head || moved(connection, a)? {
        return Ok(Some(Admitted::Moved));
    }
    if let Some((raw, _)) = &a.settles_raw {
        let state: Option<String> = connection
            .prepare_cached("SELECT state FROM raw WHERE tenant = ?1 AND id = ?2")?
            .query_row(params![tenant, raw.as_str()], |r| r.get(0))
            .optional()?;
        let open = [RawState::Received, RawState::Unmatched];
        if !open.iter().any(|s| Some(s.as_str()) == state.as_deref()) {
            return Ok(Some(Admitted::RawSettled));
        }
    }
    Ok(None)
}

/// Whether the chain or a job that changes is otherwise than it was seen.
fn moved(connection: &Connection, a: &Admission) -> rusqlite::Result<bool> {
    let tenant = a.tenant.as_str();
    let chain: Option<Chain> = match (&a.version, a.jobs.first()) {
        (Some(version), _) => Some(version.chain.clone()),
        (None, Some(job)) => Some(job.chain.clone()),
        (None, None) => None,
    };
    if let Some(chain) = chain {
        let now: crate::sync::ports::Seen = connection
            .prepare_cached(&format!(
                "SELECT {} FROM job WHERE tenant = ?1 AND chain = ?2 ORDER BY seq",
                rows::CHAIN_JOB
            ))?
            .query_map(params![tenant, chain.0], rows::chain_job)?
            .map(|job| job.map(|j| (j.id, j.state, j.reach, j.unsure)))
            .collect::<rusqlite::Result<_>>()?;
        if now.len() != a.seen.len() || !now.iter().all(|j| a.seen.contains(j)) {
            return Ok(true);
        }
    }
    for t in &a.transitions {
        let state: Option<String> = connection
            .prepare_cached("SELECT state FROM job WHERE tenant = ?1 AND id = ?2")?
            .query_row(params![tenant, t.job.as_str()], |r| r.get(0))
            .optional()?;
        if state.as_deref() != Some(t.from.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Stores raw bytes.
pub(super) fn put_raw(
    connection: &Connection,
    tenant: &str,
    raw: &NewRaw,
    now: i64,
    state: RawState,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO raw (tenant, id, door, sender_id, media_type, body, hash, received, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            tenant,
            raw.id.as_str(),
            raw.door,
            raw.sender_id,
            raw.media_type,
            seal(&raw.bytes),
            raw.hash.0,
            now,
            state.as_str()
        ])?;
    Ok(())
}

fn put_version(
    connection: &Connection,
    tenant: &str,
    v: &NewVersion,
    given: &Given,
    now: i64,
) -> rusqlite::Result<()> {
    let context = serde_json::to_string(&v.context).unwrap_or_else(|_| "[]".to_owned());
    connection
        .prepare_cached("INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            tenant,
            v.record.kind,
            v.record.id,
            int(v.record.version),
            v.chain.0,
            v.client,
            seal(&v.body),
            context,
            v.hash.0,
            v.origin,
            now,
            given.status,
            seal(&given.body)
        ])?;
    let mut leans =
        connection.prepare_cached("INSERT OR IGNORE INTO leans VALUES (?, ?, ?, ?, ?)")?;
    for on in &v.context {
        leans.execute(params![tenant, on.kind, on.id, v.record.kind, v.record.id])?;
    }
    if v.in_feed {
        connection
            .prepare_cached("INSERT INTO feed (tenant, kind, id, version) VALUES (?, ?, ?, ?)")?
            .execute(params![
                tenant,
                v.record.kind,
                v.record.id,
                int(v.record.version)
            ])?;
    }
    total(connection, tenant, "versions", 1)
}

fn total(connection: &Connection, tenant: &str, what: &str, by: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO total VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + ?3",
        )?
        .execute(params![tenant, what, by])?;
    Ok(())
}

fn put_resources(
    connection: &Connection,
    a: &Admission,
    version: &NewVersion,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO resource VALUES (?1, ?2, ?3,
           1 + ifnull((SELECT max(version) FROM resource WHERE tenant = ?1 AND type = ?2 AND id = ?3), 0),
           ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for r in &a.resources {
        insert.execute(params![
            a.tenant.as_str(),
            r.resource_type,
            r.id,
            version.record.kind,
            version.record.id,
            r.part,
            int(version.record.version),
            a.now.micros(),
            r.profiles,
            seal(&r.bytes)
        ])?;
    }
    Ok(())
}

/// Makes or renews a crosswalk row.
pub(super) fn put_crosswalk(
    connection: &Connection,
    tenant: &str,
    row: &CrosswalkRow,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO crosswalk VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET their_id = ?5, their_version = ?6",
        )?
        .execute(params![
            tenant,
            row.partner.as_str(),
            row.resource_type,
            row.our_id,
            row.their_id,
            row.their_version
        ])?;
    Ok(())
}

/// The client whom the jobs of an admission concern.
fn client_of(connection: &Connection, a: &Admission) -> rusqlite::Result<Option<String>> {
    match &a.version {
        Some(version) => Ok(version.client.clone()),
        None => connection
            .prepare_cached(
                "SELECT client FROM version WHERE tenant = ?1 AND kind = ?2 AND id = ?3 AND version = ?4",
            )?
            .query_row(
                params![
                    a.tenant.as_str(),
                    a.for_record.kind,
                    a.for_record.id,
                    int(a.for_record.version)
                ],
                |r| r.get(0),
            ),
    }
}

fn put_job(
    connection: &Connection,
    tenant: &str,
    job: &NewJob,
    record: &VersionRef,
    client: Option<String>,
    now: i64,
) -> rusqlite::Result<()> {
    let partner = job.partner.as_str();
    // The answer to what it awaits may have come between the decision and now.
    let answered: Option<bool> = match &job.awaits {
        Some(awaits) => connection
            .prepare_cached(
                "SELECT confirmed FROM job WHERE tenant = ?1 AND message = ?2 AND confirmed IS NOT NULL",
            )?
            .query_row(params![tenant, awaits.message.as_str()], |r| r.get(0))
            .optional()?,
        None => None,
    };
    let awaits = job.awaits.as_ref().filter(|_| answered.is_none());
    let (state, reason) = match answered {
        Some(false) => (State::Parked, Some(Reason::CancelDenied)),
        Some(true) => (job.state, None),
        None => (job.state, job.reason),
    };
    let rank = lanes::rank(state, job.purpose, false, awaits.is_some());
    connection
        .prepare_cached(
            "INSERT INTO job (tenant, id, partner, lane, chain, kind, record, version, client, purpose,
               state, rank, reason, due, deadline, priority, message, awaits, awaits_until, guarded,
               policy, accepted, settled)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
               ?19, ?20, ?21, ?22, ?23)",
        )?
        .execute(params![
            tenant,
            job.id.as_str(),
            partner,
            job.lane.0,
            job.chain.0,
            record.kind,
            record.id,
            int(record.version),
            client,
            job.purpose.as_str(),
            state.as_str(),
            rank,
            reason.map(Reason::as_str),
            job.due.micros(),
            job.deadline.map(crate::clock::Time::micros),
            job.priority,
            job.message.as_ref().map(crate::ids::MessageId::as_str),
            awaits.map(|a| a.message.as_str()),
            awaits.map(|a| a.until.micros()),
            job.guarded,
            job.policy,
            now,
            (!state.is_open()).then_some(now),
        ])?;
    let seq = connection.last_insert_rowid();
    for (n, effect) in job.effects.iter().enumerate() {
        put_effect(connection, tenant, seq, n, effect)?;
    }
    let mut need =
        connection.prepare_cached("INSERT OR IGNORE INTO need VALUES (?, ?, ?, ?, ?)")?;
    for on in &job.needs {
        need.execute(params![tenant, partner, on.kind, on.id, seq])?;
    }
    lanes::count(connection, tenant, partner, state, 1)?;
    total(connection, tenant, "jobs", 1)?;
    lanes::refresh(connection, tenant, partner, &job.lane.0, now)
}

fn put_effect(
    connection: &Connection,
    tenant: &str,
    job: i64,
    n: usize,
    effect: &NewEffect,
) -> rusqlite::Result<()> {
    let find = serde_json::to_string(&effect.find).unwrap_or_default();
    let payload = effect.payload.as_ref();
    let holes = payload.map(|p| serde_json::to_string(&p.holes).unwrap_or_default());
    connection
        .prepare_cached(
            "INSERT INTO effect (tenant, job, n, kind, type, our_id, find, media_type, body, holes, hash)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            tenant,
            job,
            i64::try_from(n).unwrap_or(i64::MAX),
            effect.kind.as_str(),
            effect.resource_type,
            effect.our_id,
            find,
            payload.map(|p| p.media_type.as_str()),
            payload.map(|p| seal(&p.bytes)),
            holes,
            payload.map(|p| p.hash.0)
        ])?;
    Ok(())
}

fn put_denials(connection: &Connection, a: &Admission) -> rusqlite::Result<()> {
    let tenant = a.tenant.as_str();
    for d in &a.denials {
        // A newer version of the record was decided by itself: older denials are history.
        connection
            .prepare_cached(
                "UPDATE denial SET open = 0 WHERE tenant = ?1 AND kind = ?2 AND record = ?3 AND partner = ?4",
            )?
            .execute(params![tenant, d.record.kind, d.record.id, d.partner.as_str()])?;
        connection
            .prepare_cached(
                "INSERT INTO denial VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)
                 ON CONFLICT DO UPDATE SET why = ?7, open = 1",
            )?
            .execute(params![
                tenant,
                d.client,
                d.record.kind,
                d.record.id,
                int(d.record.version),
                d.partner.as_str(),
                d.why
            ])?;
    }
    let settled = a
        .denials_settled
        .iter()
        .chain(a.jobs.iter().map(|j| &j.partner));
    for partner in settled {
        connection
            .prepare_cached(
                "UPDATE denial SET open = 0 WHERE tenant = ?1 AND kind = ?2 AND record = ?3
                   AND partner = ?4 AND open = 1",
            )?
            .execute(params![
                tenant,
                a.for_record.kind,
                a.for_record.id,
                partner.as_str()
            ])?;
    }
    Ok(())
}

/// Jobs of the client that the gate held are decided anew.
fn wake(connection: &Connection, tenant: &str, client: &str, now: i64) -> rusqlite::Result<()> {
    let held: Vec<i64> = connection
        .prepare_cached(
            "SELECT seq FROM job WHERE tenant = ?1 AND client = ?2 AND held = 1
               AND state IN ('waiting', 'sending', 'asking', 'parked')",
        )?
        .query_map(params![tenant, client], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in held {
        let place = Place::of(connection, seq)?;
        lanes::go(
            connection,
            &place,
            &Move {
                to: place.state,
                reason: Some(""),
                due: Some(now),
                held: false,
                now,
            },
        )?;
    }
    Ok(())
}

/// A pharmacy's answer to a cancel: releases or parks what awaits it.
fn confirm(
    connection: &Connection,
    tenant: &str,
    message: &str,
    approved: bool,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE job SET confirmed = ?3 WHERE tenant = ?1 AND message = ?2")?
        .execute(params![tenant, message, approved])?;
    let waiting: Vec<i64> = connection
        .prepare_cached(
            "SELECT seq FROM job WHERE tenant = ?1 AND awaits = ?2 AND state = 'waiting'",
        )?
        .query_map(params![tenant, message], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in waiting {
        let place = Place::of(connection, seq)?;
        connection
            .prepare_cached("UPDATE job SET awaits = NULL, awaits_until = NULL WHERE seq = ?")?
            .execute([seq])?;
        let (to, reason) = if approved {
            (State::Waiting, Some(""))
        } else {
            (State::Parked, Some(Reason::CancelDenied.as_str()))
        };
        lanes::go(
            connection,
            &place,
            &Move {
                to,
                reason,
                due: Some(now),
                held: false,
                now,
            },
        )?;
    }
    Ok(())
}
