//! What a restored backup means: whatever had not ended when it was taken may have been sent since.
//!
//! A prescription sent twice can hurt somebody. So nothing that was open goes again before its partner
//! was asked, or a person has said whether it is there.

use rusqlite::{Connection, params};

use super::audit;
use super::jobs::{self, Move, Place};
use super::rows;
use crate::clock::Time;
use crate::sync::job::{Reach, State};
use crate::sync::ports::Restored;
use crate::sync::reason::Reason;

/// Feed positions that the lost database may have given since: readers are past them.
const POSITIONS: i64 = 1_000_000_000;

/// Marks it.
pub(super) fn mark(connection: &Connection, now: Time) -> rusqlite::Result<Restored> {
    let open: Vec<i64> = connection
        .prepare(
            "SELECT seq FROM job WHERE state IN ('waiting', 'sending', 'asking', 'parked') ORDER BY seq",
        )?
        .query_map([], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut marked = Restored::default();
    for seq in open {
        let place = Place::of(connection, seq)?;
        if place.blocked {
            continue; // it never went, and never goes
        }
        // What awaits a cancel's approval must not be asked about: asking a pharmacy sends it.
        let state = if place.state == State::Parked || place.awaits {
            marked.parked += 1;
            State::Parked
        } else {
            marked.asking += 1;
            State::Asking
        };
        let to = Move {
            unsure: Some(true),
            reach: Some(Reach::Maybe),
            ..Move::to(state, now.micros())
        };
        jobs::go(
            connection,
            &place,
            &to.because(Reason::Restored).due(now.micros()),
        )?;
    }
    // What people wished for may have come true since: they have to look, and wish again.
    let stopped = |sql: &str| -> rusqlite::Result<u64> {
        let n = connection.execute(sql, [now.micros()])?;
        Ok(u64::try_from(n).unwrap_or(u64::MAX))
    };
    marked.replays = stopped(
        "UPDATE replay SET state = 'cancelled', changed = ?1 WHERE state IN ('running', 'cancelling')",
    )?;
    marked.proposals = stopped(
        "UPDATE proposal SET state = 'rejected', second = 'restore', decided = ?1 WHERE state = 'open'",
    )?;
    connection.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'feed', 0
         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'feed')",
        [],
    )?;
    connection.execute(
        "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'feed'",
        params![POSITIONS],
    )?;
    audit::moment(connection, "restored", now)?;
    marked.newest = connection
        .query_row("SELECT max(accepted) FROM version", [], |r| {
            r.get::<_, Option<i64>>(0)
        })?
        .map(Time::from_micros);
    Ok(marked)
}

/// When it was restored, if ever.
pub(super) fn when(connection: &Connection) -> rusqlite::Result<Option<Time>> {
    audit::when(connection, "restored")
}

/// Whether a file is a whole database of this program: a backup is looked at before it takes the place of
/// anything.
pub(super) fn sound(connection: &Connection) -> rusqlite::Result<bool> {
    let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
    let ours = connection.query_row("PRAGMA application_id", [], |r| rows::number(r, 0))?;
    Ok(said == "ok" && i64::try_from(ours) == Ok(i64::from(super::schema::APPLICATION)))
}
