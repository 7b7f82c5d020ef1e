//! Replays: begun, stepped, stopped. A step makes its jobs and moves its cursor in one transaction, so
//! that a crash repeats none of it and two nodes do it once.

use rusqlite::{Connection, OptionalExtension, params};

use super::blocked::{self, JOB};
use super::effects;
use super::find::deed;
use super::jobs::{self, Brings, Move, Place};
use super::people;
use super::rows;
use super::seal::seal;
use super::steer::put_deed;
use super::versions::total;
use crate::clock::Time;
use crate::ids::{JobId, TenantId};
use crate::sync::job::{Chain, LaneKey, State};
use crate::sync::ports::{
    Act, Again, Begun, By, Candidate, JobFilter, NewReplay, Replay, ReplayState, ReplayStep, Skips,
    WholeJob,
};
use crate::sync::reason::Reason;

/// Rows that one step looks at.
const LOOKED_AT_MAX: i64 = 5_000;
/// Unsent jobs of a stopped replay that are cancelled in one go.
const SWEPT_MAX: i64 = 500;

const REPLAY: &str = "id, filter, state, rate, cursor, upto, made, retried, skipped, 'replay', who, why, \
     begun, changed, tenant";

fn replay(r: &rusqlite::Row<'_>) -> rusqlite::Result<Replay> {
    let state: String = r.get(2)?;
    Ok(Replay {
        id: r.get(0)?,
        filter: rows::json(r, 1)?,
        state: ReplayState::parse(&state).unwrap_or(ReplayState::Cancelled),
        rate: rows::small(r, 3)?,
        cursor: r.get(4)?,
        upto: r.get(5)?,
        made: rows::number(r, 6)?,
        retried: rows::number(r, 7)?,
        skipped: rows::json(r, 8)?,
        deed: deed(r, 9)?,
        changed: rows::time(r, 13)?,
    })
}

fn named(connection: &Connection, tenant: &str, id: &str) -> rusqlite::Result<Option<Replay>> {
    connection
        .prepare_cached(&format!(
            "SELECT {REPLAY} FROM replay WHERE tenant = ?1 AND id = ?2"
        ))?
        .query_row(params![tenant, id], replay)
        .optional()
}

/// Begins a replay, once.
pub(super) fn begin(
    connection: &Connection,
    tenant: &str,
    new: &NewReplay,
    by: By<'_>,
    now: Time,
) -> rusqlite::Result<Begun> {
    if let Some(known) = named(connection, tenant, &new.id)? {
        let same = known.filter == new.filter && known.rate == new.rate;
        return Ok(if same {
            Begun::Known(known)
        } else {
            Begun::OtherThere
        });
    }
    connection
        .prepare_cached(
            "INSERT INTO replay SELECT ?1, ?2, ?3, 'running', ?4, 0, ifnull(max(seq), 0), 0, 0, '{}',
               ?5, ?6, ?7, ?7, ?7 FROM job",
        )?
        .execute(params![
            tenant,
            new.id,
            serde_json::to_string(&new.filter).unwrap_or_default(),
            new.rate,
            by.who,
            seal(by.why.as_bytes()),
            now.micros()
        ])?;
    put_deed(connection, tenant, &about(&new.id), "replay", by, now)?;
    Ok(match named(connection, tenant, &new.id)? {
        Some(replay) => Begun::New(replay),
        None => Begun::OtherThere,
    })
}

fn about(id: &str) -> String {
    format!("replay/{id}")
}

/// Replays, newest first.
pub(super) fn replays(
    connection: &Connection,
    tenant: &str,
    limit: usize,
) -> rusqlite::Result<Vec<Replay>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!(
            "SELECT {REPLAY} FROM replay INDEXED BY replay_begun WHERE tenant = ?1
             ORDER BY begun DESC, id LIMIT ?2"
        ))?
        .query_map(params![tenant, limit], replay)?
        .collect()
}

/// One replay.
pub(super) fn one(
    connection: &Connection,
    tenant: &str,
    id: &str,
) -> rusqlite::Result<Option<Replay>> {
    named(connection, tenant, id)
}

/// Replays of all tenants whose next step is due.
pub(super) fn due(connection: &Connection, now: Time) -> rusqlite::Result<Vec<(TenantId, Replay)>> {
    connection
        .prepare_cached(&format!(
            "SELECT {REPLAY} FROM replay WHERE state IN ('running', 'cancelling') AND next <= ?1
             ORDER BY next LIMIT 100"
        ))?
        .query_map([now.micros()], |r| {
            Ok((TenantId::new(r.get_ref(14)?.as_str()?), replay(r)?))
        })?
        .collect()
}

/// Jobs that fit, in accepted order, after one place up to another; and the place up to which they were
/// looked at.
pub(super) fn candidates(
    connection: &Connection,
    tenant: &str,
    filter: &JobFilter,
    (after, upto): (i64, i64),
    limit: usize,
) -> rusqlite::Result<(Vec<Candidate>, i64)> {
    let whole_upto = upto;
    let (after, upto) = match &filter.job {
        None => (after, upto),
        Some(job) => match Place::named(connection, tenant, job.as_str())? {
            Some(place) if place.seq > after && place.seq <= upto => (place.seq - 1, place.seq),
            _ => return Ok((Vec::new(), upto)),
        },
    };
    let mut query = connection.prepare_cached(&format!(
        "SELECT {JOB}, tenant, EXISTS (SELECT 1 FROM job n INDEXED BY job_record WHERE n.tenant = j.tenant
             AND n.partner = j.partner AND n.kind = j.kind AND n.record = j.record AND n.seq > j.seq
             AND n.state IN ('waiting', 'sending', 'asking', 'parked', 'done'))
         FROM job j WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"
    ))?;
    let mut rows = query.query(params![after, upto, LOOKED_AT_MAX])?;
    let (mut found, mut at, mut looked) = (Vec::new(), after, 0);
    while let Some(r) = rows.next()? {
        if found.len() >= limit {
            return Ok((found, at));
        }
        at = r.get(0)?;
        looked += 1;
        let g = blocked::job(r)?;
        let theirs: String = r.get(22)?;
        if theirs == tenant && filter.fits(&g.view) {
            found.push(Candidate {
                seq: g.seq,
                job: g.view,
                newer: r.get(23)?,
            });
        }
    }
    // Nothing is left up to the end.
    let end = match (&filter.job, looked < LOOKED_AT_MAX) {
        (Some(_), _) => whole_upto,
        (None, true) => upto.max(at),
        (None, false) => at,
    };
    Ok((found, end))
}

/// One job with its bytes.
pub(super) fn whole(
    connection: &Connection,
    tenant: &str,
    job: &JobId,
) -> rusqlite::Result<Option<WholeJob>> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT {}, lane, chain, client, deadline, guarded, accepted, reason, priority FROM job
             WHERE tenant = ?1 AND id = ?2",
            rows::CHAIN_JOB
        ))?
        .query_row(params![tenant, job.as_str()], |r| {
            Ok(WholeJob {
                job: rows::chain_job(r)?,
                lane: LaneKey(r.get(12)?),
                chain: Chain(r.get(13)?),
                client: r.get(14)?,
                deadline: r.get::<_, Option<i64>>(15)?.map(Time::from_micros),
                guarded: r.get(16)?,
                accepted: rows::time(r, 17)?,
                reason: rows::reason(r, 18)?,
                priority: r.get(19)?,
                ever_unsure: false,
                ever_refused: false,
                effects: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut whole) = found else {
        return Ok(None);
    };
    let seq = whole.job.seq;
    whole.effects = effects::of(connection, tenant, seq)?;
    let (unsure, refused): (bool, bool) = connection
        .prepare_cached(
            "SELECT ifnull(max(verdict = 'unsure'), 0), ifnull(max(verdict = 'refused'), 0) FROM attempt
             WHERE tenant = ?1 AND job = ?2",
        )?
        .query_row(params![tenant, seq], |r| Ok((r.get(0)?, r.get(1)?)))?;
    (whole.ever_unsure, whole.ever_refused) = (unsure || whole.job.unsure, refused);
    Ok(Some(whole))
}

/// Notes that a person made a job of another, and counts it.
pub(super) fn put_made(
    connection: &Connection,
    tenant: &str,
    job: &JobId,
    source: i64,
    (how, replay): (&str, Option<&str>),
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO made SELECT ?1, seq, ?3, ?4, ?5 FROM job WHERE tenant = ?1 AND id = ?2",
        )?
        .execute(params![tenant, job.as_str(), source, how, replay])?;
    total(connection, tenant, "jobs", 1)?;
    total(connection, tenant, "jobs by people", 1)
}

/// Carries out a step; `false` if another did.
pub(super) fn step(
    connection: &Connection,
    tenant: &TenantId,
    s: &ReplayStep,
) -> rusqlite::Result<bool> {
    let t = tenant.as_str();
    let Some(known) = named(connection, t, &s.id)? else {
        return Ok(false);
    };
    if known.state != ReplayState::Running || known.cursor != s.from {
        return Ok(false);
    }
    let mut skipped: Skips = known.skipped;
    for (why, n) in &s.skipped {
        *skipped.entry(why.clone()).or_default() += n;
    }
    let (mut made, mut retried) = (0, 0);
    for again in &s.again {
        match again {
            Again::Make {
                source,
                record,
                job,
            } => {
                let place = Place::named(connection, t, source.as_str())?;
                let Some(place) = place.filter(|p| p.state == State::Done) else {
                    *skipped.entry("moved".to_owned()).or_default() += 1;
                    continue;
                };
                if place.has_newer(connection)? {
                    *skipped.entry("newer".to_owned()).or_default() += 1;
                    continue;
                }
                let brings = Brings {
                    tenant: t,
                    record,
                    client: place.client.as_deref(),
                    succeeds: None,
                    now: s.now.micros(),
                };
                jobs::put(connection, job, brings)?;
                put_made(connection, t, &job.id, place.seq, ("replay", Some(&s.id)))?;
                made += 1;
            }
            Again::Retry(job) => {
                let by = (known.deed.who.as_str(), known.deed.why.as_str());
                if people::act(connection, tenant, job, Act::Retry, by, s.now)? {
                    retried += 1;
                } else {
                    *skipped.entry("moved".to_owned()).or_default() += 1;
                }
            }
        }
    }
    let state = if s.ended {
        ReplayState::Done
    } else {
        ReplayState::Running
    };
    connection
        .prepare_cached(
            "UPDATE replay SET state = ?3, cursor = ?4, made = made + ?5, retried = retried + ?6,
               skipped = ?7, changed = ?8, next = ?9 WHERE tenant = ?1 AND id = ?2",
        )?
        .execute(params![
            t,
            s.id,
            state.as_str(),
            s.to,
            made,
            retried,
            serde_json::to_string(&skipped).unwrap_or_else(|_| "{}".to_owned()),
            s.now.micros(),
            s.next.micros()
        ])?;
    Ok(true)
}

/// Stops a running replay; `false` if none of that id runs.
pub(super) fn stop(
    connection: &Connection,
    tenant: &str,
    id: &str,
    by: By<'_>,
    now: Time,
) -> rusqlite::Result<bool> {
    let stopped = connection
        .prepare_cached(
            "UPDATE replay SET state = 'cancelling', changed = ?3, next = ?3
             WHERE tenant = ?1 AND id = ?2 AND state = 'running'",
        )?
        .execute(params![tenant, id, now.micros()])?;
    if stopped > 0 {
        put_deed(connection, tenant, &about(id), "cancel", by, now)?;
    }
    Ok(stopped > 0)
}

/// Cancels what a stopped replay made and was never tried; its end, when nothing of that is left.
pub(super) fn sweep(
    connection: &Connection,
    tenant: &str,
    id: &str,
    now: Time,
) -> rusqlite::Result<()> {
    let unsent: Vec<i64> = connection
        .prepare_cached(
            "SELECT j.seq FROM made m CROSS JOIN job j ON j.seq = m.job
             WHERE m.tenant = ?1 AND m.replay = ?2 AND j.state = 'waiting' AND j.attempts = 0
               AND j.unsure = 0 AND j.reach = 'not' ORDER BY m.job LIMIT ?3",
        )?
        .query_map(params![tenant, id, SWEPT_MAX], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let more = unsent.len() >= usize::try_from(SWEPT_MAX).unwrap_or(usize::MAX);
    for seq in unsent {
        let to = Move::to(State::Cancelled, now.micros()).because(Reason::ByPerson);
        jobs::go(connection, &Place::of(connection, seq)?, &to)?;
    }
    if !more {
        connection
            .prepare_cached(
                "UPDATE replay SET state = 'cancelled', changed = ?3
                 WHERE tenant = ?1 AND id = ?2 AND state = 'cancelling'",
            )?
            .execute(params![tenant, id, now.micros()])?;
    }
    Ok(())
}
