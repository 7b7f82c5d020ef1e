//! Refused input, counted: kind, rule, pointer, caller; no body is kept (contracts section 3).

use rusqlite::{Connection, params};

use super::versions::total;
use crate::clock::Time;
use crate::ids::TenantId;
use crate::sync::ports::Refusal;

/// Different refusals that are told apart for a tenant. Beyond that they are counted without their
/// pointer, which a sender can make up.
const DIFFERENT_MAX: i64 = 10_000;

/// Counts refused inputs.
pub(super) fn count(
    connection: &Connection,
    tenant: &TenantId,
    refusals: &[Refusal],
    now: Time,
) -> rusqlite::Result<()> {
    let tenant = tenant.as_str();
    for r in refusals {
        if again(connection, tenant, r, &r.pointer, now)? {
            continue;
        }
        let told_apart: i64 = connection
            .prepare_cached(
                "SELECT ifnull(max(n), 0) FROM total WHERE tenant = ?1 AND what = 'refusals'",
            )?
            .query_row([tenant], |row| row.get(0))?;
        let pointer = if told_apart < DIFFERENT_MAX {
            r.pointer.as_str()
        } else {
            ""
        };
        if pointer == r.pointer || !again(connection, tenant, r, pointer, now)? {
            connection
                .prepare_cached("INSERT INTO refusal VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)")?
                .execute(params![
                    tenant,
                    r.kind,
                    r.rule,
                    pointer,
                    r.caller,
                    now.micros()
                ])?;
            total(connection, tenant, "refusals", 1)?;
        }
    }
    Ok(())
}

/// Counts one that was there before; whether there was one.
fn again(
    connection: &Connection,
    tenant: &str,
    r: &Refusal,
    pointer: &str,
    now: Time,
) -> rusqlite::Result<bool> {
    Ok(connection
        .prepare_cached(
            "UPDATE refusal SET n = n + 1, last = ?6
             WHERE tenant = ?1 AND kind = ?2 AND rule = ?3 AND pointer = ?4 AND caller = ?5",
        )?
        .execute(params![
            tenant,
            r.kind,
            r.rule,
            pointer,
            r.caller,
            now.micros()
        ])?
        > 0)
}
