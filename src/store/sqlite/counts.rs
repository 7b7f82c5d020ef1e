//! How many jobs of a partner are in each state: kept in the transaction that moves them.

use rusqlite::{Connection, params};

use super::jobs::Place;
use crate::sync::job::State;

/// A job is counted in another state.
pub(super) fn moved(connection: &Connection, place: &Place, to: State) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO count (tenant, partner, state, n) VALUES (?1, ?2, ?3, -1), (?1, ?2, ?4, 1)
             ON CONFLICT DO UPDATE SET n = n + excluded.n",
        )?
        .execute(params![
            place.tenant,
            place.partner,
            place.state.as_str(),
            to.as_str()
        ])?;
    Ok(())
}

/// So many jobs of a partner that waited are being sent.
pub(super) fn begun(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    many: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO count (tenant, partner, state, n) VALUES (?1, ?2, ?3, -?5), (?1, ?2, ?4, ?5)
             ON CONFLICT DO UPDATE SET n = n + excluded.n",
        )?
        .execute(params![
            tenant,
            partner,
            State::Waiting.as_str(),
            State::Sending.as_str(),
            many
        ])?;
    Ok(())
}

/// One more job begins in a state.
pub(super) fn made(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    state: State,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO count (tenant, partner, state, n) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT DO UPDATE SET n = n + 1",
        )?
        .execute(params![tenant, partner, state.as_str()])?;
    Ok(())
}
