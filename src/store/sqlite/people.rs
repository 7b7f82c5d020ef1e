//! What people do: acts on jobs, links of patients. Each act is kept with who and why.

use rusqlite::{Connection, params};

use super::crosswalk;
use super::jobs::{self, Move, Place};
use super::seal::seal;
use crate::clock::Time;
use crate::ids::{JobId, TenantId};
use crate::sync::job::{Purpose, Reach, State};
use crate::sync::ports::{Act, CrosswalkRow};
use crate::sync::reason::Reason;

/// Where an act leads.
struct Outcome {
    state: State,
    reason: Reason,
    reach: Reach,
}

impl Outcome {
    fn to(state: State, reach: Reach) -> Self {
        Outcome {
            state,
            reason: Reason::ByPerson,
            reach,
        }
    }
}

/// Carries out an act; `false` if the job's state does not allow it.
pub(super) fn act(
    connection: &Connection,
    tenant: &TenantId,
    job: &JobId,
    act: Act,
    by: (&str, &str),
    now: Time,
) -> rusqlite::Result<bool> {
    let Some(place) = Place::named(connection, tenant.as_str(), job.as_str())? else {
        return Ok(false);
    };
    let Some(outcome) = outcome(connection, act, &place)? else {
        return Ok(false);
    };
    connection
        .prepare_cached("INSERT INTO act VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![
            tenant.as_str(),
            place.seq,
            word(act),
            by.0,
            seal(by.1.as_bytes()),
            now.micros()
        ])?;
    if outcome.state == State::Waiting {
        connection
            .prepare_cached("UPDATE job SET attempts = 0, asks = 0 WHERE seq = ?1")?
            .execute([place.seq])?;
    }
    let to = Move {
        // A cancelled job that is unclear stays so: it may be there.
        unsure: (act != Act::Cancel).then_some(false),
        reach: Some(outcome.reach),
        ..Move::to(outcome.state, now.micros())
    };
    let to = to.because(outcome.reason).due(now.micros());
    jobs::go(connection, &place, &to)?;
    Ok(true)
}

/// Where an act leads, if it is allowed.
fn outcome(connection: &Connection, act: Act, place: &Place) -> rusqlite::Result<Option<Outcome>> {
    let moves =
        matches!(place.state, State::Waiting | State::Asking | State::Parked) && !place.leased;
    if !moves {
        return Ok(None);
    }
    let awaits = place.awaits && place.state == State::Waiting;
    Ok(match act {
        Act::Retry if place.unsure || place.state == State::Asking || awaits => None,
        Act::Retry if place.blocked || newer(connection, place)? => None,
        Act::Retry => Some(Outcome::to(State::Waiting, place.reach)),
        Act::Cancel => Some(Outcome::to(State::Cancelled, place.reach)),
        Act::ResolveThere | Act::ResolveNotThere if !place.unsure => None,
        Act::ResolveThere => Some(there(connection, place)?),
        Act::ResolveNotThere => Some(not_there(connection, place)?),
    })
}

/// The first open effect arrived. The others go by the ordinary road.
fn there(connection: &Connection, place: &Place) -> rusqlite::Result<Outcome> {
    let name = params![place.tenant, place.seq];
    connection
        .prepare_cached(
            "UPDATE effect SET done = 1 WHERE tenant = ?1 AND job = ?2 AND n = (
               SELECT min(n) FROM effect WHERE tenant = ?1 AND job = ?2 AND done = 0)",
        )?
        .execute(name)?;
    let more: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM effect WHERE tenant = ?1 AND job = ?2 AND done = 0)",
        )?
        .query_row(name, |r| r.get(0))?;
    Ok(if more {
        Outcome::to(State::Waiting, Reach::Maybe)
    } else {
        Outcome::to(State::Done, Reach::There)
    })
}

/// The first open effect did not arrive; earlier ones may have.
fn not_there(connection: &Connection, place: &Place) -> rusqlite::Result<Outcome> {
    let some: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM effect WHERE tenant = ?1 AND job = ?2 AND done = 1)",
        )?
        .query_row(params![place.tenant, place.seq], |r| r.get(0))?;
    let reach = if some { Reach::Maybe } else { Reach::Not };
    Ok(if newer(connection, place)? {
        Outcome {
            reason: Reason::Replaced,
            ..Outcome::to(State::Superseded, reach)
        }
    } else if place.purpose == Purpose::NewRx {
        // Known not to be there: it parks until somebody sends it.
        Outcome::to(State::Parked, reach)
    } else {
        Outcome::to(State::Waiting, reach)
    })
}

/// Whether a later job of the record, at the partner, stands or has arrived: then the older content
/// must not follow it. A cancel is not content.
fn newer(connection: &Connection, place: &Place) -> rusqlite::Result<bool> {
    Ok(place.purpose != Purpose::Cancel && place.has_newer(connection)?)
}

const fn word(act: Act) -> &'static str {
    match act {
        Act::Retry => "retry",
        Act::Cancel => "cancel",
        Act::ResolveThere => "resolve-there",
        Act::ResolveNotThere => "resolve-not-there",
    }
}

/// Links a patient by hand: what waited for it goes on.
pub(super) fn link(
    connection: &Connection,
    tenant: &TenantId,
    row: &CrosswalkRow,
    client: Option<&str>,
    now: Time,
) -> rusqlite::Result<()> {
    crosswalk::put(connection, tenant.as_str(), row, now.micros())?;
    connection
        .prepare_cached(
            "UPDATE raw SET state = 'received', their_patient = NULL
             WHERE tenant = ?1 AND state = 'unmatched' AND state <> 'done' AND door = ?2
               AND their_patient = ?3",
        )?
        .execute(params![tenant.as_str(), row.partner.as_str(), row.their_id])?;
    let Some(client) = client else { return Ok(()) };
    released(
        connection,
        (tenant.as_str(), row.partner.as_str()),
        (client, None),
        now.micros(),
    )
}

/// A patient has a name at a partner: what was parked for want of one goes on. `of`: the client, and the
/// patient if only what is about that one may go.
pub(super) fn released(
    connection: &Connection,
    (tenant, partner): (&str, &str),
    of: (&str, Option<&str>),
    now: i64,
) -> rusqlite::Result<()> {
    let parked: Vec<i64> = connection
        .prepare_cached(
            "SELECT seq FROM job WHERE tenant = ?1 AND client = ?2 AND partner = ?3 AND reason IN (?4, ?5)
               AND state <> 'done' AND state <> 'cancelled' AND state <> 'superseded' AND state = 'parked'
               AND (?6 IS NULL OR EXISTS (SELECT 1 FROM effect e WHERE e.tenant = ?1 AND e.job = seq
                 AND e.type = 'Patient' AND e.our_id = ?6))
             ORDER BY seq",
        )?
        .query_map(
            params![
                tenant,
                of.0,
                partner,
                Reason::PatientUnknown.as_str(),
                Reason::PatientAmbiguous.as_str(),
                of.1
            ],
            |r| r.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    for seq in parked {
        let to = Move::to(State::Waiting, now)
            .because(Reason::ByPerson)
            .due(now);
        jobs::go(connection, &Place::of(connection, seq)?, &to)?;
    }
    Ok(())
}
