//! What must hold at every step, looked at from beside the store: by a connection of its own, in words of
//! its own, after each commit and at each send. It knows what was promised and what was asked for; the
//! first thing that is wrong ends the run.

mod gate;
mod sums;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fhir_gateway::clock::Time;
use fhir_gateway::sync::job::{Claimed, Purpose, State};
use fhir_gateway::sync::ports::{Act, Admission, Admitted, Report, Reported, Settle};
use fhir_gateway::sync::reason::Reason;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::network::Request;
use super::turn_of::out_of_turn;

/// What was done, for the last line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) commits: u64,
    pub(crate) claims: u64,
    pub(crate) attempts: u64,
    pub(crate) leases_lost: u64,
    pub(crate) rescued: u64,
    pub(crate) store_failures: u64,
}

pub(crate) struct Watch {
    inner: Mutex<Inner>,
}

struct Inner {
    db: Connection,
    failure: Option<String>,
    seen: Seen,
    now: Time,
    /// Jobs that admissions made.
    made: i64,
    raws: i64,
    /// Partners that a person paused.
    paused: BTreeSet<String>,
    /// Prescriptions of which nobody knows whether they arrived.
    unclear: BTreeSet<String>,
    /// Whether pharmacies answer 220, by their place among the partners.
    answers_220: Vec<bool>,
    /// Clients under Part 2 whose consent is not there (any more).
    denied: BTreeSet<String>,
    /// Jobs that were claimed, or went on, while their client's consent was not there.
    claimed_denied: BTreeSet<String>,
    /// Leases that were given out: job and token.
    leases: BTreeSet<(String, i64)>,
    /// Jobs as the trace showed them last.
    shown: BTreeMap<String, String>,
}

/// A job's row before a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    state: String,
    token: i64,
    lease: Option<i64>,
    attempts: i64,
    asks: i64,
    unsure: bool,
    reach: String,
    tries: i64,
    done: i64,
}

impl Watch {
    pub(crate) fn new(path: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).expect("the store's file");
        db.set_prepared_statement_cache_capacity(64);
        Watch {
            inner: Mutex::new(Inner {
                db,
                failure: None,
                seen: Seen::default(),
                now: Time::NEVER,
                made: 0,
                raws: 0,
                paused: BTreeSet::new(),
                unclear: BTreeSet::new(),
                answers_220: super::PARTNERS.iter().map(|p| p.answers_220).collect(),
                denied: BTreeSet::new(),
                claimed_denied: BTreeSet::new(),
                leases: BTreeSet::new(),
                shown: BTreeMap::new(),
            }),
        }
    }

    /// What is in the store before the run begins.
    pub(crate) fn start(&self) {
        let mut inner = self.inner();
        let made = "SELECT count(*) FROM job";
        inner.made = inner.db.query_row(made, [], |r| r.get(0)).expect("a query");
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that something is wrong.
    pub(crate) fn fail(&self, what: String) {
        self.inner().fail(what);
    }

    /// What was wrong first, if anything.
    pub(crate) fn failure(&self) -> Option<String> {
        self.inner().failure.clone()
    }

    pub(crate) fn seen(&self) -> Seen {
        self.inner().seen
    }

    /// Runs a query of the world's own.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> T {
        ask(&self.inner().db).expect("a query of the simulation")
    }

    /// The jobs that changed since this was asked last, for the trace.
    pub(crate) fn changed(&self) -> impl Iterator<Item = String> {
        let mut inner = self.inner();
        let rows = inner.shown().expect("a query");
        rows.into_iter().filter_map(move |(id, row)| {
            let line = format!("{id} {row}");
            (inner.shown.insert(id, row.clone()) != Some(row)).then_some(line)
        })
    }

    pub(crate) fn clock(&self, now: Time) {
        self.inner().now = now;
    }

    pub(crate) fn store_failed(&self) {
        self.inner().seen.store_failures += 1;
    }

    pub(crate) fn rescued(&self, n: u64) {
        self.inner().seen.rescued += n;
    }

    pub(crate) fn paused(&self, partner: &str, paused: bool) {
        let mut inner = self.inner();
        if paused {
            inner.paused.insert(partner.to_owned());
        } else {
            inner.paused.remove(partner);
        }
    }

    /// A client's consent is there, or is not.
    pub(crate) fn consented(&self, client: &str, there: bool) {
        let mut inner = self.inner();
        if there {
            inner.denied.remove(client);
            inner.claimed_denied.clear();
        } else {
            inner.denied.insert(client.to_owned());
        }
    }

    pub(crate) fn acted(&self, job: &str, act: Act) {
        let mut inner = self.inner();
        if matches!(act, Act::ResolveThere | Act::ResolveNotThere | Act::Cancel) {
            let message: Option<String> = inner.one("SELECT message FROM job WHERE id = ?1", job);
            if let Some(message) = message {
                inner.unclear.remove(&message);
            }
        }
    }

    /// Invariant 1, from the store's side: what was committed is there, whole.
    pub(crate) fn admitted(&self, a: &Admission, admitted: Option<&Admitted>) {
        if admitted != Some(&Admitted::Stored) {
            return;
        }
        let mut inner = self.inner();
        inner.made += i64::try_from(a.jobs.len()).unwrap_or(0);
        for job in &a.jobs {
            let there: Option<i64> = inner.one("SELECT 1 FROM job WHERE id = ?1", job.id.as_str());
            if there.is_none() {
                inner.fail("invariant 1: an admission's job is not stored".to_owned());
            }
        }
    }

    /// Invariant 1: a sender was told yes.
    pub(crate) fn acknowledged(
        &self,
        kind: &str,
        id: &str,
        version: u64,
        body: &[u8],
        jobs: &[String],
    ) {
        let mut inner = self.inner();
        if !inner.is_stored(kind, id, version) {
            inner.fail(format!(
                "invariant 1: {kind}/{id}/{version} was acknowledged and is not stored"
            ));
        }
        let raw: Option<i64> = inner
            .db
            .prepare_cached("SELECT 1 FROM raw WHERE substr(body, 2) = ?1")
            .and_then(|mut s| s.query_row(params![body], |r| r.get(0)).optional())
            .expect("a query");
        if raw.is_none() {
            inner.fail(format!(
                "invariant 1: the bytes of {kind}/{id}/{version} are not stored"
            ));
        }
        for job in jobs {
            if inner
                .one::<i64>("SELECT 1 FROM job WHERE id = ?1", job)
                .is_none()
            {
                inner.fail(format!(
                    "invariant 1: a job of {kind}/{id}/{version} is not stored"
                ));
            }
        }
    }

    /// Invariant 2, after every commit: counters, rows, sums.
    pub(crate) fn committed(&self, _: &'static str) {
        let mut inner = self.inner();
        inner.seen.commits += 1;
        if let Some(wrong) = inner.counted().expect("a query") {
            inner.fail(format!("invariant 2: {wrong}"));
        }
    }

    /// Invariant 4.
    pub(crate) fn claimed(&self, claimed: &[Claimed], now: Time, lease: Duration) {
        let mut inner = self.inner();
        inner.seen.claims += u64::try_from(claimed.len()).unwrap_or(0);
        for job in claimed {
            if inner.paused.contains(job.partner.as_str()) {
                inner.fail(format!(
                    "invariant 4: a job of {} was claimed while a person paused it",
                    job.partner
                ));
            }
            if !inner.leases.insert((job.id.as_str().to_owned(), job.token)) {
                inner.fail(format!("invariant 3: {} was claimed twice", job.id));
            }
            if job.lease_until < now.plus(lease) {
                inner.fail("invariant 3: a lease is shorter than was asked for".to_owned());
            }
            if let Some(wrong) = out_of_turn(&inner.db, job).expect("a query") {
                inner.fail(format!(
                    "invariant 4: {} of {} at {}: {wrong}",
                    job.id, job.record.kind, job.partner
                ));
            }
            inner.gated(job.id.as_str(), job.client.as_deref(), job.guarded);
        }
    }

    pub(crate) fn before_report(&self, report: &Report) -> Option<Row> {
        self.inner().row(report.job.as_str()).expect("a query")
    }

    /// Invariant 3.
    pub(crate) fn reported(&self, before: &Option<Row>, r: &Report, reported: Option<Reported>) {
        let mut inner = self.inner();
        let after = inner.row(r.job.as_str()).expect("a query");
        let (Some(before), Some(after)) = (before, after) else {
            return inner.fail("invariant 7: a job that was being sent is gone".to_owned());
        };
        if reported != Some(Reported::Stored) {
            inner.seen.leases_lost += 1;
            if *before != after {
                inner.fail("invariant 3: a report that was refused wrote something".to_owned());
            }
            return;
        }
        if before.token != r.token || before.lease.is_none() {
            return inner
                .fail("invariant 3: a report was taken although its lease was lost".to_owned());
        }
        let tried = i64::from(r.attempt.is_some());
        inner.seen.attempts += u64::from(r.attempt.is_some());
        if after.tries != before.tries + tried {
            inner.fail("invariant 3: an attempt and its outcome are not one".to_owned());
        }
        let done = i64::try_from(r.done.len()).unwrap_or(0);
        if after.done < before.done || after.done > before.done + done {
            inner.fail("invariant 3: an effect's outcome is not what was reported".to_owned());
        }
        // Somebody found the patient meanwhile: then nothing parks for want of one.
        let found = |s: &Settle| s.reason == Reason::PatientUnknown && after.state == "waiting";
        match &r.settle {
            Some(s) if found(s) && after.lease.is_none() => {}
            Some(s) if s.state.as_str() != after.state || after.lease.is_some() => {
                inner.fail("invariant 3: a job is not where its report put it".to_owned());
            }
            None if after.state != before.state || after.lease.is_none() => {
                inner.fail("invariant 3: a job left its lease without a report".to_owned());
            }
            None => inner.goes_on(r.job.as_str()),
            Some(_) => {}
        }
    }

    /// A request leaves a node. `unclear`: what becomes of it, its sender will not know.
    pub(crate) fn sends(&self, request: &Request, unclear: bool) {
        if !request.write {
            return;
        }
        let mut inner = self.inner();
        let Some(name) = name_of(request) else {
            return inner.fail("a request does not say of which job it is".to_owned());
        };
        let now = inner.now;
        let job: Option<(String, String, String, bool, Option<i64>)> = inner
            .db
            .prepare_cached("SELECT id, state, purpose, unsure, lease_until FROM job WHERE id = ?1 OR message = ?1")
            .and_then(|mut s| {
                s.query_row([&name], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))
                    .optional()
            })
            .expect("a query");
        let Some((id, state, purpose, _, lease)) = job else {
            return inner.fail("what was never accepted was sent".to_owned());
        };
        if lease.is_none_or(|until| until < now.micros()) {
            inner.fail(format!("invariant 3: {id} was sent without a lease"));
        }
        if inner.claimed_denied.contains(&id) && purpose != Purpose::Cancel.as_str() {
            inner.fail(format!("invariant 4: {id} was sent without consent"));
        }
        if purpose != Purpose::NewRx.as_str() {
            return;
        }
        let asks = state == State::Asking.as_str() && inner.answers_220[request.partner];
        if inner.unclear.contains(&name) && !asks {
            inner.fail(format!(
                "invariant 5: an unclear prescription was sent again ({id}, {state})"
            ));
        }
        if unclear {
            inner.unclear.insert(name);
        }
    }

    /// Nothing arrives that was not accepted.
    pub(crate) fn effect_of(&self, partner: &str, record: &str, version: u64) {
        let mut inner = self.inner();
        let (kind, id) = record.split_once('/').unwrap_or((record, ""));
        if !inner.is_stored(kind, id, version) {
            inner.fail(format!(
                "{partner}: got {record}/{version}, which was never accepted"
            ));
        }
    }

    /// The same of a message; a node that died hears no answer, so what it sent is unclear.
    pub(crate) fn effect_of_message(&self, partner: &str, message: &str) {
        let mut inner = self.inner();
        if inner
            .one::<i64>("SELECT 1 FROM job WHERE message = ?1", message)
            .is_none()
        {
            inner.fail(format!("{partner}: got a message that no job brings"));
        }
    }

    /// Nobody heard the answer to a message: its sender is gone.
    pub(crate) fn unheard(&self, request: &Request) {
        if request.write
            && let Some(name) = name_of(request)
        {
            self.inner().unclear.insert(name);
        }
    }

    /// Invariant 7: a sender at a partner's door was told yes.
    pub(crate) fn received(&self, id: &str) {
        let mut inner = self.inner();
        let state: Option<String> = inner.one(
            "SELECT state FROM raw WHERE sender_id IS NOT NULL AND sender_id LIKE '%/' || ?1",
            id,
        );
        if state.is_none_or(|s| s == "received") {
            inner.fail("invariant 7: what a partner was told yes to is not kept".to_owned());
        }
    }
}

/// Of which job a request is: its id, or its message's.
pub(crate) fn name_of(request: &Request) -> Option<String> {
    for header in ["x-request-id", "gateway-message"] {
        if let Some(name) = request.header(header) {
            return Some(name.to_owned());
        }
    }
    let body = String::from_utf8_lossy(&request.body);
    let from = body.find("<MessageID>")? + "<MessageID>".len();
    let to = body[from..].find('<')? + from;
    Some(body[from..to].to_owned())
}

impl Inner {
    fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }

    fn is_stored(&self, kind: &str, id: &str, version: u64) -> bool {
        let there: Option<i64> = self
            .db
            .prepare_cached("SELECT 1 FROM version WHERE kind = ?1 AND id = ?2 AND version = ?3")
            .and_then(|mut s| {
                s.query_row(params![kind, id, version.cast_signed()], |r| r.get(0))
                    .optional()
            })
            .expect("a query");
        there.is_some()
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str, name: &str) -> Option<T> {
        let found: rusqlite::Result<Option<Option<T>>> = self
            .db
            .prepare_cached(sql)
            .and_then(|mut s| s.query_row([name], |r| r.get(0)).optional());
        found.expect("a query of the simulation").flatten()
    }

    fn shown(&self) -> rusqlite::Result<Vec<(String, String)>> {
        self.db
            .prepare_cached(
                "SELECT id, purpose || ' ' || kind || '/' || record || '/' || version || ' at ' || partner
                   || ': ' || state || iif(reason IS NULL, '', ' (' || reason || ')')
                   || iif(unsure, ', unclear', '') || ', reach ' || reach
                   || iif(lease_until IS NULL, '', ', leased')
                   || (SELECT ', effects done ' || ifnull(sum(done), 0) || ' of ' || count(*) FROM effect e
                       WHERE e.job = j.seq)
                 FROM job j ORDER BY seq",
            )?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
    }

    fn row(&self, job: &str) -> rusqlite::Result<Option<Row>> {
        self.db
            .prepare_cached(
                "SELECT state, token, lease_until, attempts, asks, unsure, reach,
                   (SELECT count(*) FROM attempt a WHERE a.job = j.seq),
                   (SELECT count(*) FROM effect e WHERE e.job = j.seq AND e.done = 1)
                 FROM job j WHERE id = ?1",
            )?
            .query_row([job], |r| {
                Ok(Row {
                    state: r.get(0)?,
                    token: r.get(1)?,
                    lease: r.get(2)?,
                    attempts: r.get(3)?,
                    asks: r.get(4)?,
                    unsure: r.get(5)?,
                    reach: r.get(6)?,
                    tries: r.get(7)?,
                    done: r.get(8)?,
                })
            })
            .optional()
    }
}
