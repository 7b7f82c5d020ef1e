//! Reads of records, chains, resources, the crosswalk. One question, one query, each by an index.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, int};
use super::seal::open;
use crate::ids::{Hash, PartnerId, TenantId};
use crate::sync::job::{Chain, ChainJob, VersionRef};
use crate::sync::ports::{Denial, Given, ResourceRow, StoredVersion};

pub(super) fn idempotent(
    connection: &Connection,
    tenant: &TenantId,
    caller: &str,
    key: &str,
) -> rusqlite::Result<Option<(Hash, Given)>> {
    connection
        .prepare_cached(
            "SELECT hash, given_status, given_body FROM idempotency
             WHERE tenant = ?1 AND caller = ?2 AND key = ?3",
        )?
        .query_row(params![tenant.as_str(), caller, key], |r| {
            Ok((rows::hash(r, 0)?, rows::given(r, 1)?))
        })
        .optional()
}

pub(super) fn newest(
    connection: &Connection,
    tenant: &TenantId,
    names: &[(String, String)],
) -> rusqlite::Result<Vec<Option<StoredVersion>>> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {} FROM version v WHERE v.tenant = ?1 AND v.kind = ?2 AND v.id = ?3
         ORDER BY v.version DESC LIMIT 1",
        rows::VERSION
    ))?;
    names
        .iter()
        .map(|(kind, id)| {
            query
                .query_row(params![tenant.as_str(), kind, id], rows::stored_version)
                .optional()
        })
        .collect()
}

pub(super) fn versions(
    connection: &Connection,
    tenant: &TenantId,
    records: &[VersionRef],
) -> rusqlite::Result<Vec<Option<StoredVersion>>> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {} FROM version v WHERE v.tenant = ?1 AND v.kind = ?2 AND v.id = ?3 AND v.version = ?4",
        rows::VERSION
    ))?;
    records
        .iter()
        .map(|r| {
            query
                .query_row(
                    params![tenant.as_str(), r.kind, r.id, int(r.version)],
                    rows::stored_version,
                )
                .optional()
        })
        .collect()
}

pub(super) fn consents(
    connection: &Connection,
    tenant: &TenantId,
    client: &str,
) -> rusqlite::Result<Vec<StoredVersion>> {
    let all: Vec<StoredVersion> = connection
        .prepare_cached(&format!(
            "SELECT {} FROM version v WHERE v.tenant = ?1 AND v.client = ?2 AND v.kind = 'consent'
             ORDER BY v.id, v.version DESC",
            rows::VERSION
        ))?
        .query_map(params![tenant.as_str(), client], rows::stored_version)?
        .collect::<rusqlite::Result<_>>()?;
    let mut newest: Vec<StoredVersion> = Vec::new();
    for version in all {
        if newest
            .last()
            .is_none_or(|n| n.record.id != version.record.id)
        {
            newest.push(version);
        }
    }
    Ok(newest)
}

pub(super) fn resources(
    connection: &Connection,
    tenant: &TenantId,
    kind: &str,
    id: &str,
) -> rusqlite::Result<Vec<ResourceRow>> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM resource r WHERE r.tenant = ?1 AND r.kind = ?2 AND r.record = ?3
               AND r.version = (SELECT max(n.version) FROM resource n
                 WHERE n.tenant = r.tenant AND n.type = r.type AND n.id = r.id)
             ORDER BY r.type, r.id",
            rows::RESOURCE
        ))?
        .query_map(params![tenant.as_str(), kind, id], rows::resource)?
        .collect()
}

pub(super) fn resource_versions(
    connection: &Connection,
    tenant: &TenantId,
    resource_type: &str,
    our_id: &str,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT record_version, body FROM resource WHERE tenant = ?1 AND type = ?2 AND id = ?3
             ORDER BY version DESC LIMIT ?4",
        )?
        .query_map(
            params![tenant.as_str(), resource_type, our_id, limit],
            |r| Ok((rows::number(r, 0)?, open(r.get(1)?)?)),
        )?
        .collect()
}

pub(super) fn resource_owner(
    connection: &Connection,
    tenant: &TenantId,
    resource_type: &str,
    our_id: &str,
) -> rusqlite::Result<Option<(String, String)>> {
    connection
        .prepare_cached(
            "SELECT kind, record FROM resource INDEXED BY resource_id
             WHERE tenant = ?1 AND type = ?2 AND id = ?3 LIMIT 1",
        )?
        .query_row(params![tenant.as_str(), resource_type, our_id], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()
}

pub(super) fn chain(
    connection: &Connection,
    tenant: &TenantId,
    chain: &Chain,
) -> rusqlite::Result<Vec<ChainJob>> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM job WHERE tenant = ?1 AND chain = ?2 ORDER BY seq",
            rows::CHAIN_JOB
        ))?
        .query_map(params![tenant.as_str(), chain.0], rows::chain_job)?
        .collect()
}

pub(super) fn referred_to(
    connection: &Connection,
    tenant: &TenantId,
    kind: &str,
    id: &str,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM leans WHERE tenant = ?1 AND kind = ?2 AND id = ?3
               AND (by_kind <> ?2 OR by_id <> ?3))",
        )?
        .query_row(params![tenant.as_str(), kind, id], |r| r.get(0))
}

pub(super) fn job_of_message(
    connection: &Connection,
    tenant: &TenantId,
    partner: &PartnerId,
    message: &str,
) -> rusqlite::Result<Option<ChainJob>> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM job WHERE tenant = ?1 AND partner = ?2 AND message = ?3",
            rows::CHAIN_JOB
        ))?
        .query_row(
            params![tenant.as_str(), partner.as_str(), message],
            rows::chain_job,
        )
        .optional()
}

pub(super) fn denials(
    connection: &Connection,
    tenant: &TenantId,
    client: &str,
) -> rusqlite::Result<Vec<Denial>> {
    connection
        .prepare_cached(
            "SELECT kind, record, version, partner, client, why FROM denial
             WHERE tenant = ?1 AND client = ?2 AND open = 1 ORDER BY rowid",
        )?
        .query_map(params![tenant.as_str(), client], denial)?
        .collect()
}

pub(super) fn denied_clients(
    connection: &Connection,
    tenant: &TenantId,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT DISTINCT client FROM denial
             WHERE tenant = ?1 AND client IS NOT NULL AND open = 1 ORDER BY client",
        )?
        .query_map(params![tenant.as_str()], |r| r.get(0))?
        .collect()
}

pub(super) fn denial(r: &rusqlite::Row<'_>) -> rusqlite::Result<Denial> {
    Ok(Denial {
        record: VersionRef {
            kind: r.get(0)?,
            id: r.get(1)?,
            version: rows::number(r, 2)?,
        },
        partner: PartnerId::new(r.get_ref(3)?.as_str()?),
        client: r.get(4)?,
        why: r.get(5)?,
    })
}

pub(super) fn feed(
    connection: &Connection,
    tenant: &TenantId,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, StoredVersion)>> {
    connection
        .prepare_cached(&format!(
            "SELECT {}, f.position FROM feed f JOIN version v ON v.tenant = f.tenant AND v.kind = f.kind
               AND v.id = f.id AND v.version = f.version
             WHERE f.tenant = ?1 AND f.position > ?2 ORDER BY f.position LIMIT ?3",
            rows::VERSION
        ))?
        .query_map(
            params![
                tenant.as_str(),
                after,
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |r| Ok((r.get(12)?, rows::stored_version(r)?)),
        )?
        .collect()
}
