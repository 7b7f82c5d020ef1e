//! Raw bytes of partners' doors: kept before anything else is done with them.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::crosswalk;
use super::rows;
use super::seal::seal;
use crate::clock::Time;
use crate::ids::{PartnerId, RawId, TenantId};
use crate::issue::Issue;
use crate::sync::ports::{Given, NewRaw, RawState, Received, StoredRaw};

/// How long the same bytes without a sender's id count as a repeat.
const SAME_BYTES: Duration = Duration::from_secs(7 * 24 * 3600);

/// Stores bytes, or finds that they were stored before.
pub(super) fn receive(
    connection: &Connection,
    tenant: &TenantId,
    raw: &NewRaw,
    now: Time,
) -> rusqlite::Result<Received> {
    let t = tenant.as_str();
    let known: Option<StoredRaw> = match &raw.sender_id {
        Some(sender) => connection
            .prepare_cached(&format!(
                "SELECT {} FROM raw WHERE tenant = ?1 AND door = ?2 AND sender_id = ?3",
                rows::RAW
            ))?
            .query_row(params![t, raw.door, sender], rows::stored_raw)
            .optional()?,
        None => connection
            .prepare_cached(&format!(
                "SELECT {} FROM raw WHERE tenant = ?1 AND door = ?2 AND hash = ?3 AND received >= ?4
                   AND sender_id IS NULL ORDER BY received DESC LIMIT 1",
                rows::RAW
            ))?
            .query_row(
                params![t, raw.door, raw.hash.0, now.minus(SAME_BYTES).micros()],
                rows::stored_raw,
            )
            .optional()?,
    };
    let Some(known) = known else {
        put(connection, t, raw, now.micros(), RawState::Received)?;
        return Ok(Received::New);
    };
    if known.raw.hash != raw.hash {
        connection
            .prepare_cached("UPDATE raw SET same_id_other_bytes = 1 WHERE tenant = ?1 AND id = ?2")?
            .execute(params![t, known.raw.id.as_str()])?;
    }
    Ok(Received::Repeat(Box::new(known)))
}

/// Writes bytes.
pub(super) fn put(
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

/// What became of bytes that make no record, and what the sender was told.
pub(super) fn settle(
    connection: &Connection,
    tenant: &TenantId,
    raw: &RawId,
    state: RawState,
    issues: &[Issue],
    unmatched: Option<&(PartnerId, String)>,
    given: Option<&Given>,
) -> rusqlite::Result<()> {
    // Somebody may have linked the patient while the message was looked at: then it is looked at again.
    let linked = match (state, unmatched) {
        (RawState::Unmatched, Some((partner, their_id))) => {
            crosswalk::back(connection, tenant, partner, "Patient", their_id)?.is_some()
        }
        _ => false,
    };
    let (state, unmatched) = if linked {
        (RawState::Received, None)
    } else {
        (state, unmatched)
    };
    let issues =
        (!issues.is_empty()).then(|| seal(&serde_json::to_vec(issues).unwrap_or_default()));
    connection
        .prepare_cached(
            "UPDATE raw SET state = ?3, issues = ?4, their_patient = ?5,
               given_status = ifnull(given_status, ?6), given_body = ifnull(given_body, ?7)
             WHERE tenant = ?1 AND id = ?2",
        )?
        .execute(params![
            tenant.as_str(),
            raw.as_str(),
            state.as_str(),
            issues,
            unmatched.map(|u| u.1.as_str()),
            given.map(|g| g.status),
            given.map(|g| seal(&g.body))
        ])?;
    Ok(())
}

/// Raw bytes by id.
pub(super) fn get(
    connection: &Connection,
    tenant: &TenantId,
    raw: &RawId,
) -> rusqlite::Result<Option<StoredRaw>> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM raw WHERE tenant = ?1 AND id = ?2",
            rows::RAW
        ))?
        .query_row(params![tenant.as_str(), raw.as_str()], rows::stored_raw)
        .optional()
}

/// Bytes that nobody works on any more.
pub(super) fn left(
    connection: &Connection,
    tenant: &TenantId,
    before: Time,
    limit: usize,
) -> rusqlite::Result<Vec<RawId>> {
    connection
        .prepare_cached(
            "SELECT id FROM raw WHERE tenant = ?1 AND state = 'received' AND state <> 'done'
               AND (received < ?2 OR given_status IS NOT NULL) ORDER BY received LIMIT ?3",
        )?
        .query_map(
            params![
                tenant.as_str(),
                before.micros(),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |r| Ok(RawId::new(r.get_ref(0)?.as_str()?)),
        )?
        .collect()
}
