//! What a gateway wrote of the records of a run, taken from its database: the rows that the bare server
//! writes of the same records, without having to think.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Rows of one table.
type Rows = Vec<(&'static str, Vec<Value>)>;

/// One request to a partner.
#[derive(Clone)]
pub(crate) struct Send {
    /// The number of the effect in its job.
    pub(crate) n: i64,
    pub(crate) resource_type: String,
    pub(crate) our_id: String,
    pub(crate) body: Vec<u8>,
}

/// A job: its key, its partner (from 0) and what is sent of it.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) seq: i64,
    pub(crate) partner: usize,
    pub(crate) lane: String,
    pub(crate) sends: Vec<Send>,
}

/// One accepted record.
pub(crate) struct Record {
    pub(crate) rows: Rows,
    pub(crate) jobs: Vec<Job>,
    /// What the sender is told.
    pub(crate) given: Vec<u8>,
}

/// What was accepted, in the order in which it was.
pub(crate) struct Seed {
    /// The schema, statement by statement.
    pub(crate) schema: Vec<String>,
    pub(crate) records: Vec<Record>,
}

/// The tables that an acceptance writes, and how its rows there are found: ?1 kind, ?2 record,
/// ?3 version, ?4 raw id.
const TABLES: [(&str, &str); 7] = [
    ("raw", "id = ?4"),
    ("version", "kind = ?1 AND id = ?2 AND version = ?3"),
    ("leans", "by_kind = ?1 AND by_id = ?2"),
    (
        "resource",
        "kind = ?1 AND record = ?2 AND record_version = ?3",
    ),
    ("job", "kind = ?1 AND record = ?2 AND version = ?3"),
    (
        "effect",
        "job IN (SELECT seq FROM job WHERE kind = ?1 AND record = ?2 AND version = ?3)",
    ),
    (
        "need",
        "job IN (SELECT seq FROM job WHERE kind = ?1 AND record = ?2 AND version = ?3)",
    ),
];

impl Seed {
    /// Copies a database, what stands in its log included.
    pub(crate) fn keep(database: &Path, copy: &Path) {
        let db = Connection::open(database).expect("the gateway's database");
        db.execute("VACUUM INTO ?1", [copy.to_str().expect("a path")])
            .expect("a copy");
    }

    /// Resources that go to partners of such a record, on average.
    pub(crate) fn sends(path: &Path) -> f64 {
        let db = Connection::open(path).expect("a copy");
        db.query_row(
            "SELECT 1.0 * count(*) / count(DISTINCT j.kind || j.record) FROM effect e JOIN job j ON j.seq = e.job
             WHERE j.record LIKE 'N-%' AND e.kind <> 'patient'",
            [],
            |r| r.get(0),
        )
        .expect("a number")
    }

    /// Requests in which they went to partners, for such a record, on average.
    pub(crate) fn requests(database: &Path) -> f64 {
        let db = Connection::open(database).expect("the gateway's database");
        db.query_row(
            "SELECT 1.0 * count(*) / count(DISTINCT j.kind || j.record) FROM attempt a JOIN job j ON j.seq = a.job
             WHERE j.record LIKE 'N-%'",
            [],
            |r| r.get(0),
        )
        .expect("a number")
    }

    /// Reads the records whose ids begin with `N-`.
    pub(crate) fn read(path: &Path, partners: &[String]) -> Self {
        let db = Connection::open(path).expect("the gateway's database");
        let schema = all(
            &db,
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'seed_%'
             ORDER BY type DESC",
            &[],
        );
        // So that each look-up below is an index step.
        db.execute_batch(
            "CREATE INDEX IF NOT EXISTS seed_leans ON leans (by_kind, by_id);
             CREATE INDEX IF NOT EXISTS seed_job ON job (kind, record, version);
             CREATE INDEX IF NOT EXISTS seed_resource ON resource (kind, record, record_version);",
        )
        .expect("indexes");
        let schema = schema.into_iter().map(|r| text(&r[0])).collect();
        // One raw row was written with each version, in the same order.
        let versions = all(
            &db,
            "SELECT kind, id, version, given_body FROM version ORDER BY rowid",
            &[],
        );
        let raws = all(&db, "SELECT id FROM raw ORDER BY rowid", &[]);
        assert_eq!(versions.len(), raws.len());
        let mut records = Vec::new();
        for (version, raw) in versions.into_iter().zip(raws) {
            if !text(&version[1]).starts_with("N-") {
                continue;
            }
            let keys = [
                version[0].clone(),
                version[1].clone(),
                version[2].clone(),
                raw[0].clone(),
            ];
            records.push(record(&db, &keys, &version[3], partners));
        }
        Seed { schema, records }
    }
}

fn record(db: &Connection, keys: &[Value; 4], given: &Value, partners: &[String]) -> Record {
    let mut rows: Rows = Vec::new();
    for (table, found) in TABLES {
        let sql = format!("SELECT * FROM {table} WHERE tenant = 'clinic' AND {found}");
        rows.extend(all(db, &sql, keys).into_iter().map(|r| (table, r)));
    }
    let sql = "SELECT seq, partner, lane FROM job WHERE tenant = 'clinic' AND kind = ?1
         AND record = ?2 AND version = ?3";
    let mut jobs = Vec::new();
    for row in all(db, sql, keys) {
        let Value::Integer(seq) = row[0] else {
            panic!("a job's number");
        };
        let partner = text(&row[1]);
        let lane = text(&row[2]);
        let sql = "SELECT * FROM lane WHERE tenant = 'clinic' AND partner = ?1 AND lane = ?2";
        let of = [row[1].clone(), row[2].clone()];
        rows.extend(all(db, sql, &of).into_iter().map(|r| ("lane", r)));
        let sql = "SELECT n, type, our_id, body FROM effect WHERE tenant = 'clinic' AND job = ?1
             AND kind <> 'patient' ORDER BY n";
        let sends = all(db, sql, &[Value::Integer(seq)]);
        jobs.push(Job {
            seq,
            partner: partners
                .iter()
                .position(|p| *p == partner)
                .expect("one of ours"),
            lane,
            sends: sends.into_iter().map(send).collect(),
        });
    }
    Record {
        rows,
        jobs,
        given: opened(given),
    }
}

fn send(row: Vec<Value>) -> Send {
    let Value::Integer(n) = row[0] else {
        panic!("an effect's number");
    };
    Send {
        n,
        resource_type: text(&row[1]),
        our_id: text(&row[2]),
        body: opened(&row[3]),
    }
}

fn all(db: &Connection, sql: &str, keys: &[Value]) -> Vec<Vec<Value>> {
    let mut query = db.prepare_cached(sql).expect("a query");
    let (columns, wanted) = (query.column_count(), query.parameter_count());
    query
        .query_map(params_from_iter(keys.iter().take(wanted)), |r| {
            (0..columns).map(|n| r.get(n)).collect()
        })
        .expect("rows")
        .collect::<rusqlite::Result<_>>()
        .expect("values")
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        _ => panic!("a text"),
    }
}

/// A body without the mark of its key.
fn opened(value: &Value) -> Vec<u8> {
    match value {
        Value::Blob(bytes) => bytes[1..].to_vec(),
        _ => panic!("a body"),
    }
}
