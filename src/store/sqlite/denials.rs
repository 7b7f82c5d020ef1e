//! Denials by the gate, and the jobs that it holds: decided anew when a client's consents change.

use rusqlite::{Connection, params};

use super::jobs::{self, Move, Place};
use super::rows::{self, int};
use crate::sync::ports::Admission;

/// Settles what is decided by now, and notes what was denied.
pub(super) fn put(connection: &Connection, a: &Admission) -> rusqlite::Result<()> {
    let tenant = a.tenant.as_str();
    let record = &a.for_record;
    if a.version.is_some() {
        // A newer version was decided by itself, at every partner: older denials are history.
        connection
            .prepare_cached(
                "UPDATE denial SET open = 0 WHERE tenant = ?1 AND kind = ?2 AND record = ?3 AND open = 1",
            )?
            .execute(params![tenant, record.kind, record.id])?;
    }
    for partner in &a.denials_settled {
        connection
            .prepare_cached(
                "UPDATE denial SET open = 0 WHERE tenant = ?1 AND kind = ?2 AND record = ?3
                   AND version = ?4 AND partner = ?5",
            )?
            .execute(params![
                tenant,
                record.kind,
                record.id,
                int(record.version),
                partner.as_str()
            ])?;
    }
    for d in &a.denials {
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
    Ok(())
}

/// Whether a client whom a denial concerns has a consent that the deciders did not see: then they may
/// have denied what is allowed by now, and nobody would decide it anew.
pub(super) fn consents_moved(connection: &Connection, a: &Admission) -> rusqlite::Result<bool> {
    let Some(version) = &a.version else {
        return Ok(false);
    };
    let mut clients: Vec<&str> = a
        .denials
        .iter()
        .filter_map(|d| d.client.as_deref())
        .collect();
    clients.dedup();
    for client in clients {
        let newest: Vec<(String, u64)> = connection
            .prepare_cached(
                "SELECT id, max(version) FROM version
                 WHERE tenant = ?1 AND client = ?2 AND kind = 'consent' GROUP BY id",
            )?
            .query_map(params![a.tenant.as_str(), client], |r| {
                Ok((r.get(0)?, rows::number(r, 1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let seen = |id: &str, v: u64| {
            (a.for_record.kind == "consent" && a.for_record.id == id)
                || version
                    .context
                    .iter()
                    .any(|c| c.kind == "consent" && c.id == id && c.version == v)
        };
        if !newest.iter().all(|(id, v)| seen(id, *v)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the client's consents have changed since a job was claimed.
pub(super) fn changed_since(connection: &Connection, place: &Place) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM version
               WHERE tenant = ?1 AND client = ?2 AND kind = 'consent' AND rowid > ?3)",
        )?
        .query_row(params![place.tenant, place.client, place.seen_rows], |r| {
            r.get(0)
        })
}

/// Jobs of the client that the gate held are decided anew.
pub(super) fn wake(
    connection: &Connection,
    tenant: &str,
    client: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let held: Vec<i64> = connection
        .prepare_cached(
            "SELECT seq FROM job WHERE tenant = ?1 AND client = ?2 AND held = 1
               AND state <> 'done' AND state <> 'cancelled' AND state <> 'superseded'",
        )?
        .query_map(params![tenant, client], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in held {
        let place = Place::of(connection, seq)?;
        jobs::go(connection, &place, &Move::to(place.state, now).afresh())?;
    }
    Ok(())
}
