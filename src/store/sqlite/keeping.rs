//! What may be dropped: idempotency keys after seven days, bodies after the config's time. Rows of
//! versions, jobs, attempts and acts stay: they are the history.
//!
//! Bodies are looked for in rounds, a stretch of rows at a time, so that neither an index nor a long
//! transaction is needed; a round over a million rows takes an hour or so, which is soon enough.

use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::seal::seal;
use crate::clock::Time;
use crate::sync::ports::{KEYS_KEPT, Keep};

/// Rows dropped in one go, at most, so that nobody waits long for the writer.
const DROPPED_MAX: i64 = 10_000;
/// Rows of a table looked at in one go.
const STRETCH: i64 = 2_000;

/// Where the next stretch of each table begins: after this row.
#[derive(Debug, Default)]
pub(super) struct Rounds(Mutex<[i64; 3]>);

/// A stretch of a table whose bodies are to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    table: Table,
    after: i64,
    upto: i64,
    before: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Attempt,
    Job,
    Raw,
}

/// (table, the last row of the next stretch after ?1 of ?2 rows, whether something in (?1, ?2] is to go
/// that is older than ?3, the statement that lets it go).
const TABLES: [(Table, &str, &str, &str); 3] = [
    (
        Table::Attempt,
        "SELECT max(rowid) FROM (SELECT rowid FROM attempt WHERE rowid > ?1 ORDER BY rowid LIMIT ?2)",
        "SELECT EXISTS (SELECT 1 FROM attempt WHERE rowid > ?1 AND rowid <= ?2 AND started < ?3
           AND length(body) > 1)",
        "UPDATE attempt SET body = ?4 WHERE rowid > ?1 AND rowid <= ?2 AND started < ?3 AND length(body) > 1",
    ),
    (
        Table::Job,
        "SELECT max(seq) FROM (SELECT seq FROM job WHERE seq > ?1 ORDER BY seq LIMIT ?2)",
        "SELECT EXISTS (SELECT 1 FROM job j CROSS JOIN effect e ON e.tenant = j.tenant AND e.job = j.seq
           WHERE j.seq > ?1 AND j.seq <= ?2 AND j.settled < ?3
             AND j.state IN ('done', 'cancelled', 'superseded') AND length(e.body) > 1)",
        "UPDATE effect SET body = ?4 WHERE rowid IN (
           SELECT e.rowid FROM job j CROSS JOIN effect e ON e.tenant = j.tenant AND e.job = j.seq
           WHERE j.seq > ?1 AND j.seq <= ?2 AND j.settled < ?3
             AND j.state IN ('done', 'cancelled', 'superseded') AND length(e.body) > 1)",
    ),
    (
        Table::Raw,
        "SELECT max(rowid) FROM (SELECT rowid FROM raw WHERE rowid > ?1 ORDER BY rowid LIMIT ?2)",
        "SELECT EXISTS (SELECT 1 FROM raw WHERE rowid > ?1 AND rowid <= ?2 AND received < ?3
           AND state = 'done' AND length(body) > 1)",
        "UPDATE raw SET body = ?4 WHERE rowid > ?1 AND rowid <= ?2 AND received < ?3 AND state = 'done'
           AND length(body) > 1",
    ),
];

impl Table {
    fn kept(self, keep: &Keep) -> Option<Duration> {
        match self {
            Table::Attempt => keep.answers,
            Table::Job => keep.payloads,
            Table::Raw => keep.inbound,
        }
    }
}

/// The next stretches in which something is to go. Reads only.
pub(super) fn next(
    connection: &Connection,
    rounds: &Rounds,
    now: Time,
    keep: &Keep,
) -> rusqlite::Result<Vec<Stretch>> {
    let mut found = Vec::new();
    let mut places = rounds
        .0
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for (place, (table, last, any, _)) in places.iter_mut().zip(TABLES) {
        let Some(kept) = table.kept(keep) else {
            continue;
        };
        let before = now.minus(kept).micros();
        let upto: Option<i64> = connection
            .prepare_cached(last)?
            .query_row([*place, STRETCH], |r| r.get(0))?;
        let Some(upto) = upto else {
            // The end: the next round begins.
            *place = 0;
            continue;
        };
        let stretch = Stretch {
            table,
            after: *place,
            upto,
            before,
        };
        *place = upto;
        if connection
            .prepare_cached(any)?
            .query_row([stretch.after, upto, before], |r| r.get(0))?
        {
            found.push(stretch);
        }
    }
    Ok(found)
}

/// Lets the bodies of stretches go. How many.
pub(super) fn drop_bodies(
    connection: &Connection,
    stretches: &[Stretch],
) -> rusqlite::Result<usize> {
    let mut n = 0;
    for s in stretches {
        for (table, _, _, go) in TABLES {
            if table == s.table {
                n += connection.prepare_cached(go)?.execute(params![
                    s.after,
                    s.upto,
                    s.before,
                    seal(b"")
                ])?;
            }
        }
    }
    Ok(n)
}

/// Whether an idempotency key is past its time.
pub(super) fn any_keys(connection: &Connection, now: Time) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM idempotency WHERE made < ?)")?
        .query_row([now.minus(KEYS_KEPT).micros()], |r| r.get(0))
}

/// Drops idempotency keys past their time. How many.
pub(super) fn drop_keys(connection: &Connection, now: Time) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE (tenant, caller, key) IN (SELECT tenant, caller, key
               FROM idempotency WHERE made < ?1 LIMIT ?2)",
        )?
        .execute([now.minus(KEYS_KEPT).micros(), DROPPED_MAX])
}
