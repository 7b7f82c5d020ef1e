//! Long lines: a million jobs for a partner that returns, and one patient with twenty thousand.
//!
//! The jobs are copies of one that the gateway made itself, multiplied in its database while it does not
//! run: as many rows, indexes and bytes as if each had been accepted, in lanes of their own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};
use fhir_gateway::record::Kind;
use rusqlite::{Connection, params};

use super::client::{flood, post};
use super::clinic::Clinic;
use super::folder::Folder;
use super::gateway::{Gateway, TOKEN, config};
use super::machine::{self, Cpu};
use super::{AT_ONCE, Requests, bare};

/// Jobs in one lane, where lanes are filled: so that there is an order to keep.
const IN_LANE: u64 = 5;
/// Jobs that are always there to be sent, at the least, while a rate is taken.
const WAITING: u64 = 1000;
/// How many are added at once.
const ADDED: u64 = 500;

/// A database with one waiting job of the gateway's own making.
pub(crate) struct Template {
    folder: Folder,
}

/// Which lane a copy goes into: SQL that knows its number as `n`.
pub(crate) enum Lanes {
    /// So many to a lane.
    Filled(u64),
    /// All into one.
    One,
}

impl Lanes {
    fn sql(&self) -> String {
        match self {
            Lanes::Filled(each) => format!("'patient/L-' || (n / {each})"),
            Lanes::One => "'patient/LONG'".to_owned(),
        }
    }
}

impl Template {
    /// Has the gateway accept one observation for a partner that is down.
    pub(crate) async fn make(program: &Path, partner: &str, requests: &Requests) -> Self {
        let folder = Folder::new("template");
        let text = config(&[partner.to_owned()], "order = \"patient\"\n");
        let gateway = Gateway::start_with(program, &folder.0, &text, 1).await;
        gateway.pause_all().await;
        for kind in &requests.leant_on {
            flood(gateway.address, 16, kind).await;
        }
        let clinic = Clinic::read();
        for n in 0..20 {
            let (kind, record) = clinic.record(n, 1);
            if kind != Kind::Observation {
                continue;
            }
            let body = serde_json::to_vec(&record).expect("JSON");
            let one = vec![post(&format!("/records/{kind}"), TOKEN, &body)];
            flood(gateway.address, 1, &std::sync::Arc::new(one)).await;
        }
        gateway.stop();
        let db = open(&folder.0);
        // What is left is one job that nothing holds back but its partner, who had the patient before.
        let name = bare::name(0);
        let keep: i64 = db
            .query_row(
                "SELECT seq FROM job WHERE kind = 'observation' AND guarded = 0 AND state = 'waiting'
                   AND NOT EXISTS (SELECT 1 FROM effect e WHERE e.job = seq AND e.n > 1) LIMIT 1",
                [],
                |r| r.get(0),
            )
            .expect("a job that is looked at by nobody before it goes");
        db.execute_batch(&format!(
            "DELETE FROM effect WHERE job <> {keep}; DELETE FROM need; DELETE FROM lane;
             DELETE FROM job WHERE seq <> {keep}; DELETE FROM hold; DELETE FROM count;
             UPDATE total SET n = 1 WHERE what = 'jobs'; DELETE FROM partner;
             INSERT INTO count (tenant, partner, state, n) VALUES ('clinic', '{name}', 'waiting', 1);
             INSERT INTO crosswalk (tenant, partner, type, our_id, their_id, their_version, since)
             SELECT tenant, '{name}', type, our_id, '1', '1', 1 FROM effect WHERE kind = 'patient';",
        ))
        .expect("a template");
        Template { folder }
    }

    /// A copy of it, to be filled.
    pub(crate) fn copy(&self, name: &str) -> Folder {
        let copy = Folder::new(name);
        for file in ["gateway.db", "tenant.key"] {
            std::fs::copy(self.folder.0.join(file), copy.0.join(file)).expect("a copy");
        }
        copy
    }
}

/// The database in a folder.
pub(crate) fn open(folder: &Path) -> Connection {
    let db = Connection::open(folder.join("gateway.db")).expect("a database");
    db.busy_timeout(Duration::from_secs(30)).expect("patience");
    db.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -64000; PRAGMA temp_store = MEMORY",
    )
    .expect("pragmas");
    db.set_prepared_statement_cache_capacity(32);
    db
}

fn columns(db: &Connection, table: &str) -> Vec<String> {
    db.prepare_cached(&format!(
        "SELECT name FROM pragma_table_info('{table}') ORDER BY cid"
    ))
    .expect("a table")
    .query_map([], |r| r.get(0))
    .expect("columns")
    .collect::<rusqlite::Result<_>>()
    .expect("names")
}

/// `INSERT INTO table (…) SELECT …`, each column as it is, or otherwise where it is said.
fn copied(db: &Connection, table: &str, otherwise: &HashMap<&str, String>) -> String {
    let columns = columns(db, table);
    let values: Vec<String> = columns
        .iter()
        .map(|c| {
            otherwise
                .get(c.as_str())
                .cloned()
                .unwrap_or_else(|| format!("t.{c}"))
        })
        .collect();
    format!(
        "INSERT INTO {table} ({}) SELECT {}",
        columns.join(", "),
        values.join(", ")
    )
}

/// Adds copies of the first job, numbered from `from`, with their effects and lanes.
pub(crate) fn multiply(db: &Connection, from: u64, many: u64, lanes: &Lanes) {
    let first = "(SELECT min(seq) FROM job)";
    let all = format!(
        "all_of (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM all_of WHERE n < {})",
        from + many - 1
    );
    db.execute_batch("BEGIN IMMEDIATE").expect("begun");
    let before: i64 = db
        .query_row("SELECT max(seq) FROM job", [], |r| r.get(0))
        .expect("a job");
    let number = "printf('%08d', n)";
    let jobs = copied(
        db,
        "job",
        &HashMap::from([
            ("seq", "NULL".to_owned()),
            ("id", format!("'K' || {number}")),
            ("lane", lanes.sql()),
            ("chain", format!("'observation/K-' || {number}")),
            ("message", format!("'K' || {number}")),
            ("state", "'waiting'".to_owned()),
            ("rank", "3".to_owned()),
            ("due", "0".to_owned()),
            ("reason", "NULL".to_owned()),
            ("attempts", "0".to_owned()),
            ("token", "0".to_owned()),
            ("reach", "'not'".to_owned()),
            ("settled", "NULL".to_owned()),
            ("lease_until", "NULL".to_owned()),
            ("worker", "NULL".to_owned()),
        ]),
    );
    let put = |sql: &str| {
        db.execute(sql, []).expect(sql);
    };
    put(&format!(
        "WITH RECURSIVE {all} {jobs} FROM all_of CROSS JOIN job t WHERE t.seq = {first} ORDER BY n"
    ));
    let effects = copied(
        db,
        "effect",
        &HashMap::from([
            ("job", "j.seq".to_owned()),
            (
                "our_id",
                "CASE t.kind WHEN 'patient' THEN t.our_id ELSE 'k-' || j.seq END".to_owned(),
            ),
            ("done", "0".to_owned()),
            ("their_id", "NULL".to_owned()),
        ]),
    );
    put(&format!(
        "{effects} FROM job j CROSS JOIN effect t WHERE j.seq > {before} AND t.tenant = j.tenant
           AND t.job = {first}"
    ));
    let counted = columns(db, "lane").contains(&"jobs".to_owned());
    let (name, count, more) = if counted {
        (
            ", jobs",
            ", count(*)",
            " DO UPDATE SET jobs = jobs + excluded.jobs",
        )
    } else {
        ("", "", " DO NOTHING")
    };
    put(&format!(
        "INSERT INTO lane (tenant, partner, lane, head, mode, due, priority{name})
         SELECT tenant, partner, lane, min(seq), 0, 0, priority{count} FROM job WHERE seq > {before}
         GROUP BY tenant, partner, lane ON CONFLICT{more}"
    ));
    put(&format!(
        "UPDATE count SET n = n + {many} WHERE state = 'waiting'"
    ));
    put(&format!(
        "UPDATE total SET n = n + {many} WHERE what = 'jobs'"
    ));
    db.execute_batch("COMMIT").expect("committed");
}

/// A rate taken while a partner takes what waited for it.
pub(crate) struct Drained {
    pub(crate) per_s: f64,
    /// Microseconds of CPU a job, and those of the writer's thread of it.
    pub(crate) cpu_us: f64,
    pub(crate) writer_us: f64,
    pub(crate) rss_mb: f64,
    /// Jobs whose place in their lane was not kept.
    pub(crate) disorder: u64,
}

fn count(db: &Connection, state: &str) -> u64 {
    db.prepare_cached("SELECT ifnull(sum(n), 0) FROM count WHERE state = ?")
        .expect("counts")
        .query_row([state], |r| r.get::<_, i64>(0))
        .map(|n| u64::try_from(n).unwrap_or(0))
        .expect("a count")
}

/// Lets a partner return to so many waiting jobs, which are kept topped up, and takes the rate for a span.
pub(crate) async fn drain(
    program: &Path,
    template: &Template,
    partner: &str,
    waiting: u64,
    span: Duration,
) -> Drained {
    let folder = template.copy("drain");
    let mut next = 1;
    {
        let db = open(&folder.0);
        let lanes = Lanes::Filled(IN_LANE);
        while next <= waiting {
            let some = (waiting + 1 - next).min(100_000);
            multiply(&db, next, some, &lanes);
            next += some;
        }
        // As an outage leaves it: the probe finds that the partner is back.
        db.execute(
            "INSERT INTO partner (tenant, partner, paused_until, pause_reason) VALUES ('clinic', ?, 1, 'connect')",
            params![bare::name(0)],
        )
        .expect("an outage");
    }
    // They have waited for long: nothing of it is still on its way to the disk.
    let file = std::fs::File::open(database(&folder)).expect("a database");
    file.sync_all().expect("synced");
    let text = config(&[partner.to_owned()], "order = \"patient\"\n");
    let gateway = Gateway::start_with(program, &folder.0, &text, 1).await;
    let db = open(&folder.0);
    let clock = System::default();
    let patience = clock.monotonic() + Duration::from_secs(30);
    // The first of a lane only goes once: let it get going.
    while count(&db, "done") < 200 {
        assert!(
            clock.monotonic() < patience,
            "the partner is not taken up again: {} are parked",
            count(&db, "parked")
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let used = Cpu::of(gateway.pid());
    let (begun, before) = (clock.monotonic(), count(&db, "done"));
    // Whenever another process writes, all that the gateway's connection has in memory is read again, which
    // no line of its own making does to it: a long line is topped up by the hundredth.
    let added = ADDED.max(waiting / 100);
    let least = waiting.saturating_sub(added).max(WAITING / 2);
    let mut ours = Duration::ZERO;
    while clock.monotonic() - begun < span {
        if count(&db, "waiting") <= least {
            let since = clock.monotonic();
            multiply(&db, next, added, &Lanes::Filled(IN_LANE));
            ours += clock.monotonic() - since;
            next += added;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // While this process adds to them, the gateway cannot write: that is not its time.
    let took = clock.monotonic() - begun - ours;
    let done = count(&db, "done") - before;
    let used = Cpu::of(gateway.pid()).since(used);
    let rss_mb = machine::rss_mb(gateway.pid());
    gateway.stop();
    assert_eq!(count(&db, "parked"), 0, "jobs were parked");
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / done as f64;
    Drained {
        per_s: done as f64 / took.as_secs_f64(),
        cpu_us: each(used.all),
        writer_us: each(used.writer),
        rss_mb,
        disorder: disorder(&db),
    }
}

/// Jobs that were sent before the one that stands before them in their lane had its answer.
fn disorder(db: &Connection) -> u64 {
    db.query_row(
        "SELECT count(*) FROM (
           SELECT a.began, lag(a.ended) OVER (PARTITION BY j.lane ORDER BY j.seq) AS other,
             row_number() OVER (PARTITION BY j.lane ORDER BY j.seq) AS place, j.first
           FROM (SELECT seq, lane, dense_rank() OVER (PARTITION BY lane ORDER BY seq) AS first, state
                 FROM job) j
           JOIN (SELECT job, min(started) AS began, max(started + took) AS ended FROM attempt GROUP BY job) a
             ON a.job = j.seq)
         WHERE began < other OR place <> first",
        [],
        |r| r.get::<_, i64>(0),
    )
    .map(|n| u64::try_from(n).unwrap_or(u64::MAX))
    .expect("an answer")
}

/// The path of a database that a store of this process may open.
pub(crate) fn database(folder: &Folder) -> PathBuf {
    folder.0.join("gateway.db")
}

/// Requests at once, as everywhere here.
pub(crate) const ROOM: usize = AT_ONCE;
