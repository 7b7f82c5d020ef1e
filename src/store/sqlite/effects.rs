//! What a job does at its partner, effect by effect: made with it, and read with it.

use rusqlite::{Connection, params};

use super::rows;
use super::seal::seal;
use crate::sync::job::{Effect, NewEffect};

/// The effects of a job, in order.
pub(super) fn of(connection: &Connection, tenant: &str, job: i64) -> rusqlite::Result<Vec<Effect>> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM effect WHERE tenant = ?1 AND job = ?2 ORDER BY n",
            rows::EFFECT
        ))?
        .query_map(params![tenant, job], rows::effect)?
        .collect()
}

/// Makes one.
pub(super) fn put(
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
