//! What one person proposes and another confirms; jobs that stand in for others.

use rusqlite::{Connection, OptionalExtension, params};

use super::find::deed;
use super::jobs::{self, Brings, Move, Place};
use super::replay::put_made;
use super::seal::{open, seal};
use crate::clock::Time;
use crate::sync::job::State;
use crate::sync::ports::{By, NewProposal, Proposal, StandIn};
use crate::sync::reason::Reason;

const PROPOSAL: &str = "id, what, about, body, what, who, why, at";

fn proposal(r: &rusqlite::Row<'_>) -> rusqlite::Result<Proposal> {
    Ok(Proposal {
        id: r.get(0)?,
        what: r.get(1)?,
        about: r.get(2)?,
        body: open(r.get(3)?)?,
        deed: deed(r, 4)?,
    })
}

/// Keeps a proposal.
pub(super) fn propose(
    connection: &Connection,
    tenant: &str,
    new: &NewProposal,
    by: By<'_>,
    now: Time,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO proposal (tenant, id, what, about, body, who, why, at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open')",
        )?
        .execute(params![
            tenant,
            new.id,
            new.what,
            new.about,
            seal(&new.body),
            by.who,
            seal(by.why.as_bytes()),
            now.micros()
        ])?;
    Ok(())
}

/// Open proposals, oldest first.
pub(super) fn proposals(
    connection: &Connection,
    tenant: &str,
    limit: usize,
) -> rusqlite::Result<Vec<Proposal>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!(
            "SELECT {PROPOSAL} FROM proposal INDEXED BY proposal_open WHERE tenant = ?1
               AND state = 'open' ORDER BY at LIMIT ?2"
        ))?
        .query_map(params![tenant, limit], proposal)?
        .collect()
}

/// Decides an open proposal, once; `None`: there is none, or whoever confirms it proposed it.
pub(super) fn decide(
    connection: &Connection,
    tenant: &str,
    id: &str,
    (second, confirms): (&str, bool),
    now: Time,
) -> rusqlite::Result<Option<Proposal>> {
    let state = if confirms { "confirmed" } else { "rejected" };
    connection
        .prepare_cached(&format!(
            "UPDATE proposal SET state = ?4, second = ?3, decided = ?5
             WHERE tenant = ?1 AND id = ?2 AND state = 'open' AND (?6 = 0 OR who <> ?3)
             RETURNING {PROPOSAL}"
        ))?
        .query_row(
            params![tenant, id, second, state, now.micros(), confirms],
            proposal,
        )
        .optional()
}

/// Puts a job in for another; `false` if what was seen has moved.
pub(super) fn stand_in(
    connection: &Connection,
    tenant: &str,
    s: &StandIn,
    by: By<'_>,
) -> rusqlite::Result<bool> {
    let Some(place) = Place::named(connection, tenant, s.source.as_str())? else {
        return Ok(false);
    };
    if place.state != s.from || place.leased || place.unsure {
        return Ok(false);
    }
    let later = |partner: &str, after: i64| -> rusqlite::Result<bool> {
        connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM job WHERE tenant = ?1 AND partner = ?2 AND kind = ?3 AND record = ?4
                   AND purpose <> 'cancel' AND seq > ?5
                   AND state IN ('waiting', 'sending', 'asking', 'parked', 'done'))",
            )?
            .query_row(
                params![tenant, partner, place.kind, place.record, after],
                |r| r.get(0),
            )
    };
    let to = s.job.partner.as_str();
    if later(&place.partner, place.seq)? || (to != place.partner && later(to, 0)?) {
        return Ok(false);
    }
    let head: Option<i64> = connection
        .prepare_cached(
            "SELECT max(version) FROM version WHERE tenant = ?1 AND kind = ?2 AND id = ?3",
        )?
        .query_row(params![tenant, s.record.kind, s.record.id], |r| r.get(0))?;
    if head.and_then(|n| u64::try_from(n).ok()) != s.head {
        return Ok(false);
    }
    connection
        .prepare_cached("INSERT INTO act VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![
            tenant,
            place.seq,
            s.how,
            by.who,
            seal(by.why.as_bytes()),
            s.now.micros()
        ])?;
    if let Some(state) = s.to {
        let reason = match state {
            State::Superseded => Reason::Replaced,
            _ => Reason::ByPerson,
        };
        let to = Move::to(state, s.now.micros()).because(reason);
        jobs::go(connection, &place, &to)?;
    }
    let brings = Brings {
        tenant,
        record: &s.record,
        client: place.client.as_deref(),
        succeeds: None,
        now: s.now.micros(),
    };
    jobs::put(connection, &s.job, brings)?;
    put_made(connection, tenant, &s.job.id, place.seq, (s.how, None))?;
    Ok(true)
}
