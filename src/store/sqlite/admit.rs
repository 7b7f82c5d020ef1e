//! An admission: everything that one accepted submission writes, in one transaction, or nothing.
//!
//! What was decided before it came here is compared with what is stored now, so that nothing rests on
//! what has moved meanwhile.

use rusqlite::{Connection, OptionalExtension, params};

use super::jobs::{self, Brings, Move, Place};
use super::lanes::{self, Lane};
use super::rows::{self, int};
use super::seal::seal;
use super::{crosswalk, denials, raw, versions};
use crate::ids::PartnerId;
use crate::sync::job::State;
use crate::sync::ports::{Admission, Admitted, RawState, Seen};

/// Writes an admission, or says why not; then nothing was written.
pub(super) fn admit(connection: &Connection, a: &Admission) -> rusqlite::Result<Admitted> {
    if let Some(no) = refusal(connection, a)? {
        return Ok(no);
    }
    let tenant = a.tenant.as_str();
    let now = a.now.micros();
    if let Some(bytes) = &a.raw {
        raw::put(connection, tenant, bytes, now, RawState::Done)?;
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
        versions::put_version(connection, tenant, version, &a.given, now)?;
        versions::put_resources(connection, a, version)?;
    }
    for row in &a.crosswalk {
        crosswalk::put(connection, tenant, row, now)?;
    }
    let replaced = transitions(connection, a)?;
    put_jobs(connection, a, &replaced)?;
    put_holds(connection, a)?;
    denials::put(connection, a)?;
    if let Some(client) = &a.wakes_client {
        denials::wake(connection, tenant, client, now)?;
    }
    if let Some((message, approved)) = &a.confirms {
        jobs::confirm(connection, tenant, message.as_str(), *approved, now)?;
    }
    Ok(Admitted::Stored)
}

/// Moves other jobs. Of those that were replaced and bring the same record: partner, and the oldest
/// place that they had.
fn transitions(connection: &Connection, a: &Admission) -> rusqlite::Result<Vec<(PartnerId, i64)>> {
    let mut replaced = Vec::new();
    for t in &a.transitions {
        let Some(place) = Place::named(connection, a.tenant.as_str(), t.job.as_str())? else {
            continue;
        };
        let to = Move::to(t.to, a.now.micros()).because(t.reason);
        let to = match t.to {
            State::Waiting => to.due(a.now.micros()),
            _ => to,
        };
        jobs::go(connection, &place, &to)?;
        if t.to == State::Superseded
            && (&place.kind, &place.record) == (&a.for_record.kind, &a.for_record.id)
        {
            replaced.push((PartnerId::new(&place.partner), place.since()));
        }
    }
    Ok(replaced)
}

fn put_jobs(
    connection: &Connection,
    a: &Admission,
    replaced: &[(PartnerId, i64)],
) -> rusqlite::Result<()> {
    let jobs = i64::try_from(a.jobs.len()).unwrap_or(i64::MAX);
    if jobs == 0 {
        return Ok(());
    }
    let client = client_of(connection, a)?;
    for job in &a.jobs {
        let brings = Brings {
            tenant: a.tenant.as_str(),
            record: &a.for_record,
            client: client.as_deref(),
            succeeds: replaced
                .iter()
                .filter(|(partner, _)| *partner == job.partner)
                .map(|(_, since)| *since)
                .min(),
            now: a.now.micros(),
        };
        jobs::put(connection, job, brings)?;
    }
    versions::total(connection, a.tenant.as_str(), "jobs", jobs)
}

/// Holds patients until the job of their merge has ended.
fn put_holds(connection: &Connection, a: &Admission) -> rusqlite::Result<()> {
    let tenant = a.tenant.as_str();
    for (partner, client, job) in &a.holds {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO hold SELECT ?1, ?2, ?3, seq FROM job
                 WHERE tenant = ?1 AND id = ?4 AND state NOT IN ('done', 'cancelled', 'superseded')",
            )?
            .execute(params![tenant, partner.as_str(), client, job.as_str()])?;
    }
    for (partner, client, job) in &a.holds {
        let partner = partner.as_str();
        let mut lanes = lanes::of_client(connection, tenant, partner, client)?;
        // The merge's own lane was looked up before it was known to be one.
        lanes.extend(Place::named(connection, tenant, job.as_str())?.map(|p| p.lane));
        for key in lanes {
            let lane = Lane {
                tenant,
                partner,
                key: &key,
            };
            lanes::refresh(connection, lane, 0, a.now.micros())?;
        }
    }
    Ok(())
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
    if head != a.head || moved(connection, a)? || denials::consents_moved(connection, a)? {
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
    let chain: Option<String> = match (&a.version, a.jobs.first()) {
        (Some(version), _) => Some(version.chain.0.clone()),
        (None, Some(job)) => Some(job.chain.0.clone()),
        (None, None) => None,
    };
    if let Some(chain) = chain {
        let mut now: Seen = connection
            .prepare_cached(&format!(
                "SELECT {} FROM job WHERE tenant = ?1 AND chain = ?2 ORDER BY seq",
                rows::CHAIN_JOB
            ))?
            .query_map(params![tenant, chain], rows::chain_job)?
            .map(|job| job.map(|j| (j.id, j.state, j.reach, j.unsure)))
            .collect::<rusqlite::Result<_>>()?;
        let mut seen = a.seen.clone();
        now.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        seen.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if now != seen {
            return Ok(true);
        }
    }
    for t in &a.transitions {
        let place = Place::named(connection, tenant, t.job.as_str())?;
        if place.is_none_or(|p| p.state != t.from) {
            return Ok(true);
        }
    }
    Ok(false)
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
