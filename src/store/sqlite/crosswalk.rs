//! The crosswalk: what partners call what is ours.

use rusqlite::{Connection, OptionalExtension, params};

use super::{makers, rows};
use crate::ids::{PartnerId, TenantId};
use crate::sync::ports::CrosswalkRow;

/// Makes or renews a row.
pub(super) fn put(
    connection: &Connection,
    tenant: &str,
    row: &CrosswalkRow,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO crosswalk VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET their_id = ?5, their_version = ?6,
               since = CASE WHEN their_id = ?5 THEN since ELSE ?7 END",
        )?
        .execute(params![
            tenant,
            row.partner.as_str(),
            row.resource_type,
            row.our_id,
            row.their_id,
            row.their_version,
            now
        ])?;
    if row.resource_type == "Patient" {
        makers::made(connection, tenant, row.partner.as_str(), &row.our_id)?;
    }
    Ok(())
}

/// Rows of (type, our id), those that there are.
pub(super) fn rows(
    connection: &Connection,
    tenant: &TenantId,
    partner: &PartnerId,
    ours: &[(String, String)],
) -> rusqlite::Result<Vec<CrosswalkRow>> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {} FROM crosswalk WHERE tenant = ?1 AND partner = ?2 AND type = ?3 AND our_id = ?4",
        rows::CROSSWALK
    ))?;
    let mut out = Vec::new();
    for (resource_type, our_id) in ours {
        let row = query
            .query_row(
                params![tenant.as_str(), partner.as_str(), resource_type, our_id],
                rows::crosswalk,
            )
            .optional()?;
        out.extend(row);
    }
    Ok(out)
}

/// Our id of (type, their id). After a merge two of ours have one of theirs: the survivor's, which had it
/// first.
pub(super) fn back(
    connection: &Connection,
    tenant: &TenantId,
    partner: &PartnerId,
    resource_type: &str,
    their_id: &str,
) -> rusqlite::Result<Option<CrosswalkRow>> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM crosswalk WHERE tenant = ?1 AND partner = ?2 AND type = ?3 AND their_id = ?4
             ORDER BY since LIMIT 1",
            rows::CROSSWALK
        ))?
        .query_row(
            params![tenant.as_str(), partner.as_str(), resource_type, their_id],
            rows::crosswalk,
        )
        .optional()
}
