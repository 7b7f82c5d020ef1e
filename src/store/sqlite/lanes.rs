//! Lanes: who is at the head of each line, and whether it may go (contracts sections 5 and 6).
//!
//! Whoever changes a job calls [`refresh`] for its lane and [`Move`]s its state; the head is looked up
//! by one index step, never by "is there an older job".

use rusqlite::{Connection, OptionalExtension, params};

use crate::sync::job::{Purpose, State};

/// In which way a lane stands (see the schema).
mod mode {
    pub(super) const READY: i64 = 0;
    pub(super) const IN_FLIGHT: i64 = 1;
    pub(super) const LATER: i64 = 2;
    pub(super) const HELD_BACK: i64 = 3;
}

/// A job, as far as lanes care.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) tenant: String,
    pub(super) partner: String,
    pub(super) lane: String,
    pub(super) seq: i64,
    pub(super) state: State,
    pub(super) purpose: Purpose,
    pub(super) kind: String,
    pub(super) record: String,
}

impl Place {
    /// The place of a job.
    pub(super) fn of(connection: &Connection, seq: i64) -> rusqlite::Result<Place> {
        connection
            .prepare_cached(
                "SELECT tenant, partner, lane, seq, state, purpose, kind, record
                 FROM job WHERE seq = ?",
            )?
            .query_row([seq], |r| {
                Ok(Place {
                    tenant: r.get(0)?,
                    partner: r.get(1)?,
                    lane: r.get(2)?,
                    seq: r.get(3)?,
                    state: super::rows::state(r, 4)?,
                    purpose: super::rows::purpose(r, 5)?,
                    kind: r.get(6)?,
                    record: r.get(7)?,
                })
            })
    }
}

/// The rank of a job in its lane; `None`: it does not stand there.
pub(super) fn rank(state: State, purpose: Purpose, held: bool, awaits: bool) -> Option<i64> {
    match state {
        State::Sending | State::Asking => Some(0),
        State::Waiting if held || awaits => None,
        State::Waiting if purpose == Purpose::Cancel => Some(1),
        State::Waiting => Some(2),
        State::Parked | State::Done | State::Cancelled | State::Superseded => None,
    }
}

/// Where a job goes: its new state with all that hangs on it.
#[derive(Clone, Debug)]
pub(super) struct Move<'a> {
    pub(super) to: State,
    /// `None`: as it was; empty: none.
    pub(super) reason: Option<&'a str>,
    pub(super) due: Option<i64>,
    pub(super) held: bool,
    pub(super) now: i64,
}

/// Moves a job: state, rank, counters, lane, and those who waited for it.
pub(super) fn go(connection: &Connection, place: &Place, to: &Move<'_>) -> rusqlite::Result<()> {
    let awaits: bool = connection
        .prepare_cached("SELECT awaits IS NOT NULL FROM job WHERE seq = ?")?
        .query_row([place.seq], |r| r.get(0))?;
    let awaits = awaits && to.to == State::Waiting;
    let settled = (!to.to.is_open()).then_some(to.now);
    connection
        .prepare_cached(
            "UPDATE job SET state = ?2, rank = ?3, reason = CASE WHEN ?4 IS NULL THEN reason ELSE nullif(?4, '') END, due = ifnull(?5, due),
               held = ?6, lease_until = NULL, worker = NULL, settled = ?7,
               awaits = CASE WHEN ?8 THEN awaits END, awaits_until = CASE WHEN ?8 THEN awaits_until END
             WHERE seq = ?1",
        )?
        .execute(params![
            place.seq,
            to.to.as_str(),
            rank(to.to, place.purpose, to.held, awaits),
            to.reason,
            to.due,
            to.held,
            settled,
            awaits,
        ])?;
    count(connection, &place.tenant, &place.partner, place.state, -1)?;
    count(connection, &place.tenant, &place.partner, to.to, 1)?;
    refresh(
        connection,
        &place.tenant,
        &place.partner,
        &place.lane,
        to.now,
    )?;
    if !to.to.is_open() || to.held {
        released(connection, place, to.to, to.now)?;
    }
    Ok(())
}

/// Adds to the counter of a state.
pub(super) fn count(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    state: State,
    by: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO count (tenant, partner, state, n) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET n = n + ?4",
        )?
        .execute(params![tenant, partner, state.as_str(), by])?;
    Ok(())
}

/// A job has ended or left its lane: lanes whose heads waited for it, or were held by it, look again.
fn released(connection: &Connection, place: &Place, to: State, now: i64) -> rusqlite::Result<()> {
    let mut waiting: Vec<(String, String)> = connection
        .prepare_cached(
            "SELECT j.partner, j.lane FROM need n JOIN job j ON j.seq = n.job
             WHERE n.tenant = ?1 AND n.partner = ?2 AND n.kind = ?3 AND n.record = ?4 AND j.rank IS NOT NULL",
        )?
        .query_map(
            params![place.tenant, place.partner, place.kind, place.record],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    // A merge that is parked holds on: it has not arrived.
    if matches!(to, State::Done | State::Cancelled | State::Superseded) {
        let clients: Vec<String> = connection
            .prepare_cached("DELETE FROM hold WHERE tenant = ?1 AND job = ?2 RETURNING client")?
            .query_map(params![place.tenant, place.seq], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for client in clients {
            waiting.extend(of_client(
                connection,
                &place.tenant,
                &place.partner,
                &client,
            )?);
        }
    }
    waiting.sort_unstable();
    waiting.dedup();
    for (partner, lane) in waiting {
        refresh(connection, &place.tenant, &partner, &lane, now)?;
    }
    Ok(())
}

/// The lanes at a partner in which a client's jobs stand.
pub(super) fn of_client(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    client: &str,
) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare_cached(
            "SELECT DISTINCT partner, lane FROM job WHERE tenant = ?1 AND client = ?2 AND partner = ?3
               AND state IN ('waiting', 'sending', 'asking', 'parked') AND rank IS NOT NULL",
        )?
        .query_map(params![tenant, client, partner], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })?
        .collect()
}

/// Looks up the head of a lane and how it stands.
pub(super) fn refresh(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    lane: &str,
    now: i64,
) -> rusqlite::Result<()> {
    type Head = (i64, String, i64, i64, String, Option<String>, Option<i64>);
    let head: Option<Head> = connection
        .prepare_cached(
            "SELECT seq, state, due, priority, purpose, client, lease_until FROM job
             WHERE tenant = ?1 AND partner = ?2 AND lane = ?3 AND rank IS NOT NULL
             ORDER BY rank, seq LIMIT 1",
        )?
        .query_row(params![tenant, partner, lane], |r| {
            Ok((
                r.get(0)?,
                r.get(1)?,
                r.get(2)?,
                r.get(3)?,
                r.get(4)?,
                r.get(5)?,
                r.get(6)?,
            ))
        })
        .optional()?;
    let Some((seq, state, due, priority, purpose, client, lease)) = head else {
        connection
            .prepare_cached("DELETE FROM lane WHERE tenant = ?1 AND partner = ?2 AND lane = ?3")?
            .execute(params![tenant, partner, lane])?;
        return Ok(());
    };
    let mode = if lease.is_some() || state == State::Sending.as_str() {
        mode::IN_FLIGHT
    } else if state == State::Waiting.as_str()
        && purpose != Purpose::Cancel.as_str()
        && (needs(connection, tenant, partner, seq)?
            || holds(connection, tenant, partner, client.as_deref(), seq)?)
    {
        mode::HELD_BACK
    } else if due > now {
        mode::LATER
    } else {
        mode::READY
    };
    connection
        .prepare_cached(
            "INSERT INTO lane (tenant, partner, lane, head, mode, due, priority)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET head = ?4, mode = ?5, due = ?6, priority = ?7",
        )?
        .execute(params![tenant, partner, lane, seq, mode, due, priority])?;
    Ok(())
}

/// Whether something that the job refers to has no row at the partner and an open job there, before it.
pub(super) fn needs(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    seq: i64,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM need n
               WHERE n.tenant = ?1 AND n.job = ?3
                 AND NOT EXISTS (SELECT 1 FROM job d WHERE d.tenant = ?1 AND d.partner = ?2
                   AND d.kind = n.kind AND d.record = n.record AND d.state = 'done')
                 AND EXISTS (SELECT 1 FROM job o WHERE o.tenant = ?1 AND o.partner = ?2
                   AND o.kind = n.kind AND o.record = n.record
                   AND o.state IN ('waiting', 'sending', 'asking') AND o.held = 0 AND o.seq < ?3))",
        )?
        .query_row(params![tenant, partner, seq], |r| r.get(0))
}

/// Whether a merge that is on its way to the partner holds the client.
pub(super) fn holds(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    client: Option<&str>,
    seq: i64,
) -> rusqlite::Result<bool> {
    let Some(client) = client else {
        return Ok(false);
    };
    // Not by its own job; what was accepted before the merge waits, too.
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM hold WHERE tenant = ?1 AND partner = ?2 AND client = ?3)
               AND NOT EXISTS (SELECT 1 FROM hold WHERE tenant = ?1 AND job = ?4)",
        )?
        .query_row(params![tenant, partner, client, seq], |r| r.get(0))
}

/// Lanes whose head has become due are ready now.
pub(super) fn ripen(connection: &Connection, now: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE lane SET mode = 0 WHERE mode = 2 AND due <= ?")?
        .execute([now])
}
