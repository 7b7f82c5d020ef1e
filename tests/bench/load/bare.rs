//! The bare limit: a server that writes what the gateway would have written of the same requests, rows
//! that were built before, and thinks nothing. axum, one writer thread, the same schema, indexes, bytes,
//! pragmas and batch cap; the log is copied into the database from as many pages on as there, by SQLite
//! itself within a commit. Where it delivers, it sends the same bodies to the same partners and writes
//! the same outcomes, in a second commit: all of a record in one request to each partner, or, to tell what
//! is the protocol's share, in a request for each resource.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use super::receivers::PARTNERS;
use super::seed::{Job, Record, Seed};

/// As the gateway's writer has it.
const GROUP_MAX: usize = 128;

/// In how many requests a job goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requests {
    /// All of it in one.
    One,
    /// One for each resource, one after the other.
    Each,
}

impl Requests {
    /// As an argument of the bare server.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Requests::One => "one",
            Requests::Each => "each",
        }
    }

    /// Of an argument.
    pub(crate) fn of(word: &str) -> Self {
        if word == Requests::One.word() {
            Requests::One
        } else {
            Requests::Each
        }
    }
}

/// What the writer is to do.
enum Work {
    Accept(usize, oneshot::Sender<()>),
    /// A job is done: what the partner calls each resource.
    Done(Job, Vec<String>, Requests, oneshot::Sender<()>),
}

struct Server {
    seed: Arc<Seed>,
    next: AtomicUsize,
    writer: SyncSender<Work>,
    /// Where the partners are; empty: nothing is delivered.
    partners: Vec<String>,
    requests: Requests,
    room: Vec<Semaphore>,
    http: reqwest::Client,
    done: AtomicU64,
}

/// Serves; says its address.
pub(crate) async fn run(
    folder: &Path,
    seed: Seed,
    requests: Requests,
    partners: Vec<String>,
    at_once: usize,
) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let seed = Arc::new(seed);
    let db = open(&folder.join("bare.db"), &seed.schema);
    let (writer, queue) = sync_channel(4096);
    let rows = seed.clone();
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || write(&db, &rows, &queue))
        .expect("a thread");
    let server = Arc::new(Server {
        seed,
        next: AtomicUsize::new(0),
        writer,
        partners,
        requests,
        room: (0..PARTNERS).map(|_| Semaphore::new(at_once)).collect(),
        http: reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client"),
        done: AtomicU64::new(0),
    });
    let accepting = server.clone();
    let telling = server.clone();
    let app = Router::new()
        .route(
            "/records/{kind}",
            post(move |body: axum::body::Bytes| accept(accepting.clone(), body)),
        )
        .route(
            "/done",
            get(move || async move { telling.done.load(Ordering::Relaxed).to_string() }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    axum::serve(listener, app).await.expect("served");
}

async fn accept(server: Arc<Server>, _body: axum::body::Bytes) -> impl IntoResponse {
    let n = server.next.fetch_add(1, Ordering::Relaxed);
    let (tell, told) = oneshot::channel();
    server.writer.send(Work::Accept(n, tell)).expect("a writer");
    told.await.expect("committed");
    let record = &server.seed.records[n];
    if !server.partners.is_empty() {
        for job in &record.jobs {
            tokio::spawn(deliver(server.clone(), job.clone()));
        }
    }
    (
        StatusCode::ACCEPTED,
        [(CONTENT_TYPE, "application/json")],
        record.given.clone(),
    )
}

async fn deliver(server: Arc<Server>, job: Job) {
    let permit = server.room[job.partner].acquire().await.expect("room");
    let theirs = match server.requests {
        Requests::One => {
            let bodies: Vec<&[u8]> = job.sends.iter().map(|s| s.body.as_slice()).collect();
            let all = [b"[", bodies.join(&b","[..]).as_slice(), b"]"].concat();
            let id = send_to(&server, job.partner, "", all).await;
            vec![id; job.sends.len()]
        }
        Requests::Each => {
            let mut theirs = Vec::new();
            for send in &job.sends {
                let body = send.body.clone();
                theirs.push(send_to(&server, job.partner, &send.resource_type, body).await);
            }
            theirs
        }
    };
    drop(permit);
    let (tell, told) = oneshot::channel();
    server
        .writer
        .send(Work::Done(job, theirs, server.requests, tell))
        .expect("a writer");
    told.await.expect("committed");
    server.done.fetch_add(1, Ordering::Relaxed);
}

/// Sends a body to a partner; what that calls it.
async fn send_to(server: &Server, partner: usize, resource_type: &str, body: Vec<u8>) -> String {
    let url = format!("http://{}/fhir/{resource_type}", server.partners[partner]);
    let sent = server
        .http
        .post(url)
        .header(CONTENT_TYPE, "application/fhir+json");
    let answer = sent.body(body).send().await.expect("an answer");
    let location = answer.headers()["location"].to_str().expect("text");
    location.split('/').nth(3).unwrap_or("").to_owned()
}

fn open(path: &Path, schema: &[String]) -> Connection {
    let db = Connection::open(path).expect("a database");
    db.set_prepared_statement_cache_capacity(256);
    for (name, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("temp_store", "MEMORY"),
    ] {
        db.pragma_update(None, name, value).expect("a pragma");
    }
    db.pragma_update(None, "cache_size", -16_000)
        .expect("a pragma");
    db.pragma_update(None, "wal_autocheckpoint", 2000)
        .expect("a pragma");
    for statement in schema {
        db.execute_batch(statement).expect("the schema");
    }
    db
}

fn write(db: &Connection, seed: &Seed, queue: &Receiver<Work>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        db.execute_batch("BEGIN IMMEDIATE").expect("begun");
        let mut tell = Vec::with_capacity(group.len());
        for work in group {
            match work {
                Work::Accept(n, told) => {
                    put(db, &seed.records[n]).expect("written");
                    tell.push(told);
                }
                Work::Done(job, theirs, requests, told) => {
                    settle(db, &job, &theirs, requests).expect("written");
                    tell.push(told);
                }
            }
        }
        db.execute_batch("COMMIT").expect("committed");
        for told in tell {
            let _ = told.send(());
        }
    }
}

/// The rows of one acceptance, and the counts.
fn put(db: &Connection, record: &Record) -> rusqlite::Result<()> {
    for (table, values) in &record.rows {
        let marks = vec!["?"; values.len()].join(",");
        db.prepare_cached(&format!("INSERT INTO {table} VALUES ({marks})"))?
            .execute(params_from_iter(values))?;
    }
    total(db, "versions")?;
    for job in &record.jobs {
        total(db, "jobs")?;
        count(db, job.partner, "waiting", 1)?;
    }
    Ok(())
}

/// The outcome of a job: an attempt for each request, a name and a mark for each effect; the job, its lane,
/// the counts.
fn settle(
    db: &Connection,
    job: &Job,
    theirs: &[String],
    requests: Requests,
) -> rusqlite::Result<()> {
    let partner = job.partner;
    let (sent, together) = match requests {
        Requests::One => (1, job.sends.len()),
        Requests::Each => (job.sends.len(), 1),
    };
    for send in job.sends.iter().take(sent) {
        db.prepare_cached(
            "INSERT INTO attempt VALUES ('clinic', ?, ?, 0, 1, 1, 'accepted', 'delivered', 201, 0, ?, ?)",
        )?
        .execute(params![job.seq, send.n, [0_u8].as_slice(), i64::try_from(together).unwrap_or(1)])?;
    }
    for (send, their) in job.sends.iter().zip(theirs) {
        db.prepare_cached(
            "UPDATE effect SET done = 1, their_id = ?3 WHERE tenant = 'clinic' AND job = ?1 AND n = ?2",
        )?
        .execute(params![job.seq, send.n, their])?;
        db.prepare_cached("INSERT OR REPLACE INTO crosswalk (tenant, partner, type, our_id, their_id, their_version, since)
             VALUES ('clinic', ?, ?, ?, ?, '1', 1)",)?
            .execute(params![
                name(partner),
                send.resource_type,
                send.our_id,
                their
            ])?;
    }
    db.prepare_cached(
        "UPDATE job SET state = 'done', rank = NULL, reason = 'delivered', reach = 'there', settled = 1
         WHERE seq = ?",
    )?
    .execute([job.seq])?;
    db.prepare_cached("DELETE FROM need WHERE tenant = 'clinic' AND job = ?")?
        .execute([job.seq])?;
    db.prepare_cached("DELETE FROM lane WHERE tenant = 'clinic' AND partner = ?1 AND lane = ?2")?
        .execute(params![name(partner), job.lane])?;
    count(db, partner, "waiting", -1)?;
    count(db, partner, "done", 1)
}

/// A partner's id.
pub(crate) fn name(partner: usize) -> String {
    format!("ehr-{partner}")
}

fn total(db: &Connection, what: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO total VALUES ('clinic', ?, 1) ON CONFLICT DO UPDATE SET n = n + 1",
    )?
    .execute([what])?;
    Ok(())
}

fn count(db: &Connection, partner: usize, state: &str, by: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO count VALUES ('clinic', ?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + ?3",
    )?
    .execute(params![name(partner), Value::from(state.to_owned()), by])?;
    Ok(())
}
