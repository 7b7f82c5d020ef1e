//! What people do: acts on jobs, links of patients. Each act is kept with who and why.

use rusqlite::{Connection, OptionalExtension, params};

use super::admit::put_crosswalk;
use super::lanes::{self, Move, Place};
use super::rows;
use crate::clock::Time;
use crate::ids::{JobId, TenantId};
use crate::sync::job::{Purpose, Reach, State};
use crate::sync::ports::{Act, CrosswalkRow};
use crate::sync::reason::Reason;

/// A job, as far as acts care.
struct Case {
    seq: i64,
    unsure: bool,
    leased: bool,
    reach: Reach,
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
    let case = connection
        .prepare_cached(
            "SELECT seq, unsure, lease_until IS NOT NULL, reach FROM job WHERE tenant = ?1 AND id = ?2",
        )?
        .query_row(params![tenant.as_str(), job.as_str()], |r| {
            Ok(Case {
                seq: r.get(0)?,
                unsure: r.get(1)?,
                leased: r.get(2)?,
                reach: rows::reach(r, 3)?,
            })
        })
        .optional()?;
    let Some(case) = case else { return Ok(false) };
    let place = Place::of(connection, case.seq)?;
    let Some((state, reach)) = outcome(act, &place, &case) else {
        return Ok(false);
    };
    connection
        .prepare_cached("INSERT INTO act VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![
            tenant.as_str(),
            case.seq,
            word(act),
            by.0,
            by.1,
            now.micros()
        ])?;
    let settles = act != Act::Cancel;
    connection
        .prepare_cached(
            "UPDATE job SET reach = ?2, unsure = unsure AND NOT ?3,
               attempts = CASE WHEN ?4 THEN 0 ELSE attempts END, asks = CASE WHEN ?4 THEN 0 ELSE asks END,
               awaits = NULL, awaits_until = NULL
             WHERE seq = ?1",
        )?
        .execute(params![
            case.seq,
            reach.as_str(),
            settles,
            state == State::Waiting
        ])?;
    lanes::go(
        connection,
        &place,
        &Move {
            to: state,
            reason: Some(Reason::ByPerson.as_str()),
            due: Some(now.micros()),
            held: false,
            now: now.micros(),
        },
    )?;
    Ok(true)
}

/// Where an act leads, if it is allowed.
fn outcome(act: Act, place: &Place, case: &Case) -> Option<(State, Reach)> {
    let rests = matches!(place.state, State::Waiting | State::Parked) && !case.leased;
    let unclear = case.unsure
        && matches!(place.state, State::Asking | State::Parked | State::Waiting)
        && !case.leased;
    match act {
        Act::Retry if rests && !case.unsure => Some((State::Waiting, case.reach)),
        Act::Cancel if (rests || place.state == State::Asking) && !case.leased => {
            Some((State::Cancelled, case.reach))
        }
        Act::ResolveThere if unclear => Some((State::Done, Reach::There)),
        // Known not to be there: a prescription parks until somebody sends it; a copy goes again.
        Act::ResolveNotThere if unclear && place.purpose == Purpose::NewRx => {
            Some((State::Parked, Reach::Not))
        }
        Act::ResolveNotThere if unclear => Some((State::Waiting, Reach::Not)),
        Act::Retry | Act::Cancel | Act::ResolveThere | Act::ResolveNotThere => None,
    }
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
    put_crosswalk(connection, tenant.as_str(), row)?;
    connection
        .prepare_cached(
            "UPDATE raw SET state = 'received', their_patient = NULL
             WHERE tenant = ?1 AND state = 'unmatched' AND door = ?2 AND their_patient = ?3",
        )?
        .execute(params![tenant.as_str(), row.partner.as_str(), row.their_id])?;
    let Some(client) = client else { return Ok(()) };
    let parked: Vec<i64> = connection
        .prepare_cached(
            "SELECT seq FROM job WHERE tenant = ?1 AND client = ?2 AND partner = ?3 AND reason IN (?4, ?5)
               AND state IN ('waiting', 'sending', 'asking', 'parked') AND state = 'parked'",
        )?
        .query_map(
            params![
                tenant.as_str(),
                client,
                row.partner.as_str(),
                Reason::PatientUnknown.as_str(),
                Reason::PatientAmbiguous.as_str()
            ],
            |r| r.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    for seq in parked {
        let place = Place::of(connection, seq)?;
        lanes::go(
            connection,
            &place,
            &Move {
                to: State::Waiting,
                reason: Some(Reason::ByPerson.as_str()),
                due: Some(now.micros()),
                held: false,
                now: now.micros(),
            },
        )?;
    }
    Ok(())
}
