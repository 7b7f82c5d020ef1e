//! Looks into the gateway's database, read only, for what the checker wants to know.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::check::{Evidence, Job, Moved, Name};
use crate::cluster::Cluster;

/// The database of a gateway, for reading.
pub(crate) enum Look {
    Sqlite(Connection),
    /// A cluster, and the database in it.
    Postgres(&'static Cluster, &'static str),
}

/// A row, every value as text.
type Row = Vec<String>;

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

fn number<T: std::str::FromStr + Default>(text: &str) -> T {
    text.parse().unwrap_or_default()
}

fn name(row: &[String]) -> Name {
    (row[0].clone(), row[1].clone(), number(&row[2]))
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Look {
    /// Opens a file; `None`: it is not there yet.
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
        Some(Look::Sqlite(connection))
    }

    /// What a query says. `JOB` in it stands for all jobs, ended or not.
    fn rows(&self, sql: &str) -> Vec<Row> {
        let text = |value: ValueRef<'_>| match value {
            ValueRef::Null | ValueRef::Blob(_) => String::new(),
            ValueRef::Integer(n) => n.to_string(),
            ValueRef::Real(n) => n.to_string(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        };
        match self {
            Look::Sqlite(connection) => {
                let sql = sql.replace("JOB", "job");
                let mut query = connection.prepare_cached(&sql).expect("a query");
                let columns = query.column_count();
                let rows = query.query_map([], |r| {
                    (0..columns).map(|n| r.get_ref(n).map(text)).collect()
                });
                let rows = rows.expect("rows").collect::<rusqlite::Result<_>>();
                rows.expect("values")
            }
            Look::Postgres(cluster, database) => {
                let said = cluster.sql(database, &sql.replace("JOB", "any_job"));
                let lines = said.lines().filter(|line| !line.is_empty());
                lines
                    .map(|line| line.split('|').map(str::to_owned).collect())
                    .collect()
            }
        }
    }

    /// How many are open and parked, by the counters; one partner's or all.
    pub(crate) fn counts(&self, partner: Option<&str>) -> Option<Counts> {
        let of = partner.map_or(String::new(), |p| format!("WHERE partner = '{p}'"));
        let rows = self.rows(&format!(
            "SELECT coalesce(sum(n) FILTER (WHERE state IN ('waiting', 'sending', 'asking')), 0),
               coalesce(sum(n) FILTER (WHERE state = 'parked'), 0) FROM count {of}"
        ));
        let row = rows.first()?;
        Some(Counts {
            open: number(&row[0]),
            parked: number(&row[1]),
        })
    }

    /// Parked jobs: id, partner, message.
    pub(crate) fn parked(&self) -> Vec<(String, String, Option<String>)> {
        let rows = self.rows("SELECT id, partner, message FROM JOB WHERE state = 'parked'");
        rows.into_iter()
            .map(|r| (r[0].clone(), r[1].clone(), some(&r[2])))
            .collect()
    }

    /// How long a partner's jobs took from acceptance to delivery, of those accepted since then and not in
    /// this lane, sorted.
    pub(crate) fn lags(&self, partner: &str, since: i64, but: &str) -> Lags {
        let rows = self.rows(&format!(
            "SELECT settled - accepted FROM JOB WHERE partner = '{partner}' AND accepted >= {since}
             AND lane <> '{but}' AND state = 'done' ORDER BY 1"
        ));
        Lags(rows.iter().map(|r| number(&r[0])).collect())
    }

    /// A number.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        number(&rows.first().expect("a row")[0])
    }

    /// Every job's state, and whether a person acted on it.
    fn states(&self) -> Vec<(i64, String, bool)> {
        let rows = self.rows(
            "SELECT seq, state, (SELECT count(*) FROM act a WHERE a.tenant = j.tenant AND a.job = j.seq)
             FROM JOB j",
        );
        rows.iter()
            .map(|r| (number(&r[0]), r[1].clone(), r[2] != "0"))
            .collect()
    }

    /// Fills in what the database says.
    pub(crate) fn read(&self, evidence: &mut Evidence) {
        evidence.stored = self
            .rows("SELECT kind, id, version FROM version")
            .iter()
            .map(|r| name(r))
            // What came in by partners' doors was sent by nobody here.
            .filter(|n| !n.1.starts_with("in-") && n.0 != "order-event")
            .collect();
        let jobs = self.rows(
            "SELECT kind, record, version, seq, id, partner, lane, purpose, state, coalesce(reason, ''),
               message, attempts,
               (SELECT count(*) FROM act a WHERE a.tenant = j.tenant AND a.job = j.seq),
               (SELECT count(*) FROM attempt t WHERE t.tenant = j.tenant AND t.job = j.seq AND t.charged)
             FROM JOB j ORDER BY seq",
        );
        let job = |r: &Row| Job {
            name: name(r),
            seq: number(&r[3]),
            id: r[4].clone(),
            partner: r[5].clone(),
            lane: r[6].clone(),
            purpose: r[7].clone(),
            state: r[8].clone(),
            reason: r[9].clone(),
            message: some(&r[10]),
            attempts: number(&r[11]),
            acted: r[12] != "0",
            charged: number(&r[13]),
        };
        evidence.jobs = jobs.iter().map(job).collect();
        let done = self.rows(
            "SELECT job, type, their_id FROM effect WHERE CAST(done AS integer) = 1 AND their_id IS NOT NULL",
        );
        evidence.done = done
            .iter()
            .map(|r| (number(&r[0]), format!("{}/{}", r[1], r[2])))
            .collect();
        let counts = self.rows("SELECT partner, state, n FROM count WHERE state <> 'made'");
        evidence.counts = counts
            .iter()
            .map(|r| ((r[0].clone(), r[1].clone()), number(&r[2])))
            .collect();
        // PostgreSQL counts what was made per partner, so that nobody waits for everybody's row.
        evidence.made = self.number(match self {
            Look::Sqlite(_) => "SELECT coalesce(sum(n), 0) FROM total WHERE what = 'jobs'",
            Look::Postgres(..) => "SELECT coalesce(sum(n), 0) FROM count WHERE state = 'made'",
        });
        for table in ["effect", "attempt", "need", "hold", "act"] {
            let n = self.number(&format!(
                "SELECT count(*) FROM {table} x
                 WHERE NOT EXISTS (SELECT 1 FROM JOB j WHERE j.tenant = x.tenant AND j.seq = x.job)"
            ));
            if n > 0 {
                evidence
                    .astray
                    .push(format!("{n} rows of {table} have no job"));
            }
        }
        let lanes = self.number(
            "SELECT count(*) FROM (SELECT tenant, partner, lane FROM JOB WHERE rank IS NOT NULL
               GROUP BY tenant, partner, lane) j
             LEFT JOIN lane l ON l.tenant = j.tenant AND l.partner = j.partner AND l.lane = j.lane
             LEFT JOIN JOB h ON h.tenant = l.tenant AND h.seq = l.head AND h.lane = j.lane
               AND h.rank IS NOT NULL
             WHERE h.seq IS NULL",
        );
        let idle = self.number(
            "SELECT count(*) FROM lane l WHERE NOT EXISTS (SELECT 1 FROM JOB j WHERE j.tenant = l.tenant
               AND j.partner = l.partner AND j.lane = l.lane AND j.rank IS NOT NULL)",
        );
        if lanes + idle > 0 {
            let says = format!("{lanes} lanes without their head, {idle} without a job");
            evidence.astray.push(says);
        }
        evidence.integrity = match self {
            Look::Sqlite(_) => self.rows("PRAGMA integrity_check")[0][0].clone(),
            // A server that checks its pages; all rows have been read by now.
            Look::Postgres(..) => "ok".to_owned(),
        };
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
