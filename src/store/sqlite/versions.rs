//! Record versions and the resources that they became: written once, never changed.

use rusqlite::{Connection, params};

use super::rows::int;
use super::seal::seal;
use crate::sync::ports::{Admission, Given, NewVersion};

/// Writes a version, what it leans on, and its place in the feed.
pub(super) fn put_version(
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

/// Adds to a total of the tenant.
pub(super) fn total(
    connection: &Connection,
    tenant: &str,
    what: &str,
    by: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO total VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + ?3",
        )?
        .execute(params![tenant, what, by])?;
    Ok(())
}

/// Writes the resources of a version; each one's own version counts up.
pub(super) fn put_resources(
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
