//! Looks into the gateway's database, read only, for what the checker wants to know.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};

use crate::check::{Evidence, Job, Moved, Name};

/// The database of a gateway, for reading.
pub(crate) struct Look(Connection);

/// How many jobs are in each state that matters to whoever waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) open: i64,
    pub(crate) parked: i64,
}

/// Times from acceptance to delivery, in microseconds, sorted.
pub(crate) struct Lags(Vec<i64>);

impl Lags {
    /// What all but one of a hundred keep within.
    pub(crate) fn p99(&self) -> Duration {
        let at = self.0.len().saturating_sub(1) * 99 / 100;
        let micros = self.0.get(at).copied().unwrap_or(0);
        Duration::from_micros(micros.try_into().unwrap_or(0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

fn name(row: &Row<'_>, at: usize) -> rusqlite::Result<Name> {
    let version: i64 = row.get(at + 2)?;
    Ok((
        row.get(at)?,
        row.get(at + 1)?,
        version.try_into().unwrap_or(0),
    ))
}

impl Look {
    /// Opens it; `None`: it is not there yet.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// Opens one that nobody else has, and lets SQLite mend it.
    pub(crate) fn alone(path: &Path) -> Option<Self> {
        Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn open(path: &Path, how: OpenFlags) -> Option<Self> {
        let flags = how | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        connection.busy_timeout(Duration::from_secs(5)).ok()?;
        Some(Look(connection))
    }

    fn all<T>(&self, sql: &str, read: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut query = self.0.prepare_cached(sql).expect("a query");
        let rows = query.query_map([], |r| read(r)).expect("rows");
        rows.collect::<rusqlite::Result<_>>().expect("values")
    }

    /// How many are open and parked, by the counters; one partner's or all.
    pub(crate) fn counts(&self, partner: Option<&str>) -> Option<Counts> {
        let sql =
            "SELECT ifnull(sum(n) FILTER (WHERE state IN ('waiting', 'sending', 'asking')), 0),
             ifnull(sum(n) FILTER (WHERE state = 'parked'), 0) FROM count
             WHERE ?1 IS NULL OR partner = ?1";
        let mut query = self.0.prepare_cached(sql).ok()?;
        let read = |r: &Row<'_>| {
            Ok(Counts {
                open: r.get(0)?,
                parked: r.get(1)?,
            })
        };
        query.query_row([partner], read).ok()
    }

    /// Parked jobs: id, partner, message.
    pub(crate) fn parked(&self) -> Vec<(String, String, Option<String>)> {
        let sql = "SELECT id, partner, message FROM job WHERE state = 'parked'";
        self.all(sql, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
    }

    /// How long a partner's jobs took from acceptance to delivery, of those accepted since then and not in
    /// this lane, sorted.
    pub(crate) fn lags(&self, partner: &str, since: i64, but: &str) -> Lags {
        let sql = "SELECT settled - accepted FROM job WHERE partner = ?1 AND accepted >= ?2
             AND lane <> ?3 AND state = 'done' ORDER BY 1";
        let mut query = self.0.prepare_cached(sql).expect("a query");
        let rows = query.query_map(rusqlite::params![partner, since, but], |r| r.get(0));
        Lags(rows.expect("rows").flatten().collect())
    }

    /// A number.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.0.query_row(sql, [], |r| r.get(0)).expect("a number")
    }

    /// Every job's state, and whether a person acted on it.
    fn states(&self) -> Vec<(i64, String, bool)> {
        let sql = "SELECT seq, state, EXISTS (SELECT 1 FROM act a WHERE a.tenant = job.tenant
             AND a.job = job.seq) FROM job";
        self.all(sql, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
    }

    /// Fills in what the database says.
    pub(crate) fn read(&self, evidence: &mut Evidence) {
        evidence.stored = self
            .all("SELECT kind, id, version FROM version", |r| name(r, 0))
            .into_iter()
            // What came in by partners' doors was sent by nobody here.
            .filter(|n| !n.1.starts_with("in-") && n.0 != "order-event")
            .collect();
        evidence.jobs = self.all(
            "SELECT seq, id, partner, lane, kind, record, version, purpose, state, ifnull(reason, ''), message,
               attempts, EXISTS (SELECT 1 FROM act a WHERE a.tenant = job.tenant AND a.job = job.seq),
               (SELECT count(*) FROM attempt t WHERE t.tenant = job.tenant AND t.job = job.seq AND t.charged)
             FROM job ORDER BY seq",
            |r| {
                let attempts: i64 = r.get(11)?;
                let charged: i64 = r.get(13)?;
                Ok(Job {
                    seq: r.get(0)?,
                    id: r.get(1)?,
                    partner: r.get(2)?,
                    lane: r.get(3)?,
                    name: name(r, 4)?,
                    purpose: r.get(7)?,
                    state: r.get(8)?,
                    reason: r.get(9)?,
                    message: r.get(10)?,
                    attempts: attempts.try_into().unwrap_or(0),
                    acted: r.get(12)?,
                    charged: charged.try_into().unwrap_or(0),
                })
            },
        );
        evidence.done = self.all(
            "SELECT job, type || '/' || their_id FROM effect WHERE done = 1 AND their_id IS NOT NULL",
            |r| Ok((r.get(0)?, r.get(1)?)),
        );
        let counts = self.all("SELECT partner, state, n FROM count", |r| {
            Ok(((r.get(0)?, r.get(1)?), r.get(2)?))
        });
        evidence.counts = counts.into_iter().collect();
        evidence.made = self.number("SELECT ifnull(sum(n), 0) FROM total WHERE what = 'jobs'");
        for table in ["effect", "attempt", "need", "hold", "act"] {
            let sql = format!(
                "SELECT count(*) FROM {table} x WHERE NOT EXISTS (SELECT 1 FROM job WHERE seq = x.job)"
            );
            let n = self.number(&sql);
            if n > 0 {
                evidence
                    .astray
                    .push(format!("{n} rows of {table} have no job"));
            }
        }
        let lanes = self.number(
            "SELECT count(*) FROM (SELECT tenant, partner, lane FROM job WHERE rank IS NOT NULL
               GROUP BY tenant, partner, lane) j
             LEFT JOIN lane l USING (tenant, partner, lane)
             LEFT JOIN job h ON h.seq = l.head AND h.lane = j.lane AND h.rank IS NOT NULL
             WHERE h.seq IS NULL",
        );
        let idle = self.number(
            "SELECT count(*) FROM lane l WHERE NOT EXISTS (SELECT 1 FROM job j WHERE j.tenant = l.tenant
               AND j.partner = l.partner AND j.lane = l.lane AND j.rank IS NOT NULL)",
        );
        if lanes + idle > 0 {
            let says = format!("{lanes} lanes without their head, {idle} without a job");
            evidence.astray.push(says);
        }
        evidence.integrity = self
            .0
            .query_row("PRAGMA integrity_check", [], |r| r.get(0))
            .unwrap_or_else(|e| e.to_string());
    }
}

/// Sees jobs move, as often as it looks.
#[derive(Default)]
pub(crate) struct Watch {
    known: std::collections::BTreeMap<i64, String>,
    pub(crate) moved: Vec<Moved>,
}

impl Watch {
    pub(crate) fn look(&mut self, look: &Look) {
        for (seq, state, acted) in look.states() {
            let before = self.known.insert(seq, state.clone());
            if let Some(from) = before.filter(|from| *from != state) {
                self.moved.push(Moved {
                    seq,
                    from,
                    to: state,
                    acted,
                });
            }
        }
    }
}
