//! How the SQL is carried out: every statement by an index, none prepared twice, and none that looks
//! through a line of jobs to find its head.
//!
//! The connections of a watched folder's databases tell of each statement when it ends: its text and how
//! many steps it took. Steps, not time: they are the same on a busy machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};

use super::super::{Sqlite, writer};
use super::Folder;
use crate::clock::Time;
use crate::store::suite;
use crate::store::suite::make::{Clinic, Drafted, at, draft, ids, job, partner, settles};
use crate::sync::job::{Chain, LaneKey, NewJob, State};
use crate::sync::ports::{Admission, Desk, Store};
use crate::sync::reason::Reason;

/// What was seen of a statement.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// Steps of SQLite's machine, in its most expensive run.
    most: i64,
    prepared_again: i64,
}

type Costs = BTreeMap<String, Cost>;

/// Watched folders.
static WATCHED: Mutex<BTreeMap<PathBuf, Costs>> = Mutex::new(BTreeMap::new());

fn watched() -> MutexGuard<'static, BTreeMap<PathBuf, Costs>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has a connection tell of its statements, if its folder is watched.
pub(in crate::store::sqlite) fn watch(connection: &mut Connection) -> rusqlite::Result<()> {
    let file = connection.path().map(PathBuf::from);
    let Some(folder) = file.and_then(|f| f.parent().map(ToOwned::to_owned)) else {
        return Ok(());
    };
    if !watched().contains_key(&folder) {
        return Ok(());
    }
    let mut before: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let tell = move |event: TraceEvent<'_>| {
        let TraceEvent::Profile(statement, _) = event else {
            return;
        };
        let sql = statement.sql().into_owned();
        let steps = i64::from(statement.get_status(StatementStatus::VmStep));
        let again = i64::from(statement.get_status(StatementStatus::RePrepare));
        // The counters of a statement that is kept go on.
        let last = before.insert(sql.clone(), (steps, again));
        let (old_steps, old_again) = last.filter(|l| l.0 < steps).unwrap_or_default();
        if let Some(costs) = watched().get_mut(&folder) {
            let cost = costs.entry(sql).or_default();
            cost.most = cost.most.max(steps - old_steps);
            cost.prepared_again += again - old_again;
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(tell))
}

fn watched_folder() -> Folder {
    let folder = Folder::new();
    watched().insert(folder.0.clone(), Costs::new());
    folder
}

/// What was seen since the last time.
fn seen(folder: &Folder) -> Costs {
    let mut all = watched();
    let costs = all.get_mut(&folder.0).expect("it is watched");
    let ours = |sql: &str| {
        let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
        verbs.iter().any(|verb| sql.starts_with(verb)) && !sql.contains("sqlite_schema")
    };
    let all = std::mem::take(costs).into_iter();
    all.filter(|(sql, _)| ours(sql)).collect()
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut query = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .expect("a statement of ours");
    let mut rows = query.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().expect("a plan") {
        steps.push(row.get(3).expect("a step"));
    }
    steps
}

/// What may be looked through from one end to the other, and why.
const SCANS: &[(&str, &str)] = &[
    ("SCAN c", "count: at most seven rows per partner"),
    ("SCAN partner", "one row per partner"),
    ("SCAN hold", "merges on their way: a few"),
    ("SCAN w", "what the merges wait for, found so far"),
    ("SCAN waits", "what the merges wait for"),
    ("SCAN finding", "what the last self-check found"),
    ("SCAN CONSTANT ROW", "no table"),
    ("SCAN 2-ROW VALUES CLAUSE", "no table"),
];

/// What may be looked through for a tenant, and why.
const WIDE: &[(&str, &str)] = &[
    (
        "INDEX job_parked",
        "in the order of the list, as far as it goes",
    ),
    (
        "INDEX job_asking",
        "in the order of the list, as far as it goes",
    ),
    (
        "INDEX replay_begun",
        "in the order of the list, as far as it goes",
    ),
    (
        "INDEX proposal_open",
        "in the order of the list, as far as it goes",
    ),
    ("INDEX job_retrying", "what is tried again or held"),
    ("INDEX denial_open", "open denials are counted"),
    ("SEARCH count USING", "seven rows per partner"),
    ("SEARCH partner USING", "one row per partner"),
    ("SEARCH stop USING", "an administrator's holds: a few"),
    ("SEARCH refusal USING", "at most so many are told apart"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_statement_goes_by_an_index() {
    let folder = watched_folder();
    let another = |name: &str| {
        let file = folder.0.join(format!("{name}.db"));
        Sqlite::open_for_tests(&file).expect("a database")
    };
    suite::tenants::no_method_reaches_another_tenant(&another("a")).await;
    suite::people::resolving_there_sends_the_rest(&another("b")).await;
    suite::people::resolving_not_there_sends_parks_or_replaces(&another("c")).await;
    suite::needs::nothing_waits_in_a_circle(&another("d")).await;
    suite::merges::in_a_patient_line_a_merge_takes_its_turn(&another("e")).await;
    suite::merges::a_second_merge_waits_for_the_first(&another("f")).await;
    suite::prescriptions::an_answer_that_came_first_counts(&another("g")).await;
    suite::consent::a_denial_under_older_consents_is_decided_again(&another("h")).await;
    suite::consent::a_consent_that_came_meanwhile_is_not_missed(&another("i")).await;
    suite::lanes::a_cancel_waits_for_what_is_unclear_in_its_chain_only(&another("j")).await;
    suite::work::a_probe_ends_what_it_was_asked_about(&another("k")).await;
    suite::work::a_lost_lease_writes_nothing(&another("l")).await;
    suite::raws::same_bytes_without_an_id_repeat_for_seven_days(&another("m")).await;
    suite::raws::settled_bytes_say_why(&another("n")).await;
    suite::shown::old_keys_are_dropped_and_nothing_else(&another("o")).await;
    suite::desk::jobs_are_found_by_what_they_are(&another("p")).await;
    suite::desk::a_job_is_shown_with_all_that_belongs_to_it(&another("q")).await;
    suite::desk::lanes_are_listed_biggest_first(&another("r")).await;
    suite::desk::a_drain_lets_go_what_was_there_and_nothing_newer(&another("s")).await;
    suite::desk::a_hold_stops_a_patient_at_one_partner_or_at_all(&another("t")).await;
    suite::desk::a_hold_stops_a_merge_of_either_patient(&another("u")).await;
    suite::replays::candidates_come_in_accepted_order(&another("v")).await;
    suite::replays::a_whole_job_has_its_bytes(&another("w")).await;
    suite::replays::a_replay_is_begun_once_and_a_step_done_once(&another("x")).await;
    suite::replays::a_stopped_replay_takes_back_what_was_never_tried(&another("y")).await;
    suite::second::one_proposes_and_another_confirms_once(&another("z")).await;
    suite::second::a_job_stands_in_for_what_has_not_moved(&another("z2")).await;
    suite::patients::first_messages_of_a_patient_go_one_at_a_time(&another("z3")).await;
    suite::patients::whoever_may_have_made_the_patient_is_waited_for(&another("z4")).await;
    suite::patients::who_makes_the_patient_goes_by_acceptance(&another("z5")).await;
    let all = seen(&folder);
    assert!(all.len() > 100, "only {} statements were seen", all.len());

    let mut connection = Connection::open(folder.0.join("a.db")).expect("a database");
    writer::tune(&mut connection).expect("a connection");
    let mut wrong = Vec::new();
    for (sql, cost) in &all {
        for step in plan(&connection, sql) {
            // By the tenant alone is a scan for whoever has one tenant.
            let wide = step.ends_with("(tenant=?)");
            if wide && !WIDE.iter().any(|(w, _)| step.contains(w)) {
                wrong.push(format!("{step}\n    {sql}"));
            }
            let scans = step.starts_with("SCAN") || step.contains("AUTOMATIC");
            if scans
                && !SCANS
                    .iter()
                    .any(|(s, _)| step == *s || step.starts_with(&format!("{s} ")))
            {
                wrong.push(format!("{step}\n    {sql}"));
            }
        }
        if cost.prepared_again > 0 {
            wrong.push(format!(
                "prepared again {} times: {sql}",
                cost.prepared_again
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Steps that no statement needs, however many jobs wait.
const STEPS_MAX: i64 = 2000;

/// Jobs in one line, waiting.
const LONG: usize = 20_000;

fn line(id: &str, lane: &str) -> NewJob {
    NewJob {
        lane: LaneKey(lane.to_owned()),
        chain: Chain(format!("observation/{id}")),
        ..job(id, "ehr")
    }
}

/// An admission of many jobs at once, to get there.
async fn many(clinic: &Clinic<'_>, id: &str, jobs: Vec<NewJob>) {
    let a = Admission {
        tenant: clinic.tenant.clone(),
        jobs,
        ..draft("observation", id, 1).of_client("C-1")
    };
    clinic.store.admit(a).await.expect("admit");
}

fn cheap(folder: &Folder, what: &str) {
    for (sql, cost) in seen(folder) {
        assert!(
            cost.most <= STEPS_MAX,
            "{what}: {} steps by {sql}",
            cost.most
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_line_beside_many_others_is_not_looked_through() {
    let folder = watched_folder();
    let store = Sqlite::open_for_tests(&folder.file()).expect("a database");
    let clinic = Clinic::of(&store);
    let long = (0..LONG).map(|n| line(&format!("L{n}"), "patient/C-1"));
    many(&clinic, "long", long.collect()).await;
    let others = (0..1000).map(|n| line(&format!("O{n}"), &format!("patient/O-{n}")));
    many(&clinic, "others", others.collect()).await;
    cheap(&folder, "admitting them");

    let claimed = clinic.claim_some("ehr", 50, 1).await;
    assert_eq!(claimed.len(), 50);
    assert_eq!(claimed[0].id.as_str(), "L0", "the oldest goes first");
    cheap(&folder, "a claim");
    for job in &claimed {
        clinic.done(job, 2).await;
    }
    cheap(&folder, "reports");
    clinic
        .one("observation", "M-1", line("one-more", "patient/C-1"))
        .await;
    cheap(&folder, "one more in the line");
    store.next_due().await.unwrap();
    store.rescue(at(3)).await.unwrap();
    let lease = Duration::from_secs(9);
    store.take_probes(at(3), lease).await.unwrap();
    cheap(&folder, "housekeeping");

    // The partner is down: all those lanes are ready, and nobody looks through them to find that out.
    let down = Some((Time::NEVER, Reason::ByPerson));
    store
        .pause(&clinic.tenant, &partner("ehr"), down)
        .await
        .unwrap();
    assert_eq!(store.next_due().await.unwrap(), None);
    assert_eq!(clinic.claim("ehr", 4).await.len(), 0);
    cheap(&folder, "a partner that is down");

    store.status(&clinic.tenant, at(999), 50).await.unwrap();
    for (sql, cost) in seen(&folder) {
        // What is listed is read: so many steps for each of the 50.
        assert!(
            cost.most <= STEPS_MAX + 50 * 60,
            "{} steps by {sql}",
            cost.most
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn many_who_would_make_a_patient_are_not_looked_through() {
    let folder = watched_folder();
    let store = Sqlite::open_for_tests(&folder.file()).expect("a database");
    let clinic = Clinic::of(&store);
    let making = |n: usize| {
        let id = format!("J{n}");
        let lane = LaneKey(format!("observation/{id}"));
        let chain = Chain(lane.0.clone());
        NewJob {
            lane,
            chain,
            ..suite::patients::making(&id, "1")
        }
    };
    many(&clinic, "many", (0..LONG).map(making).collect()).await;
    cheap(&folder, "admitting them");
    // Each comes to go, fails, and lets the next one go.
    for n in 0..20 {
        let claimed = clinic.claim_some("ehr", 50, n).await;
        assert_eq!(ids(&claimed), [format!("J{n}")]);
        let mut later = settles(&claimed[0], State::Waiting, Reason::TryLater, n);
        if let Some(settle) = &mut later.settle {
            settle.due = at(100);
        }
        clinic.report(later).await;
    }
    assert_eq!(store.next_due().await.unwrap(), Some(Time::from_micros(0)));
    store.rescue(at(50)).await.unwrap();
    cheap(&folder, "one after the other");
    // All of them are due again: the first goes.
    let claimed = clinic.claim_some("ehr", 50, 100).await;
    assert_eq!(ids(&claimed), ["J0"]);
    let (ehr, last) = (partner("ehr"), "observation/J19999");
    let last = store.lane(&clinic.tenant, &ehr, last, 1, at(100));
    assert_eq!(last.await.unwrap()[0].blocked_by.len(), 1);
    cheap(&folder, "what is due again");
}

/// The first column of a table or an index.
fn first_column(connection: &Connection, pragma: &str, of: &str) -> String {
    let order = if pragma == "table_info" {
        "cid"
    } else {
        "seqno"
    };
    let sql = format!("SELECT name FROM pragma_{pragma}('{of}') WHERE {order} = 0");
    let name: Option<String> = connection.query_row(&sql, [], |r| r.get(0)).expect("one");
    name.unwrap_or_default()
}

/// Indexes that do not begin with the tenant: what workers look for in all of them, by time.
const ACROSS: &[&str] = &[
    "idempotency_made",
    "job_awaits_until",
    "job_deadline",
    "job_lease",
    "replay_next",
];

#[test]
fn the_tenant_comes_first_everywhere() {
    let folder = Folder::new();
    drop(Sqlite::open_for_tests(&folder.file()).expect("a database"));
    let connection = Connection::open(folder.file()).expect("a database");
    let names = |what: &str| -> Vec<String> {
        let sql = format!(
            "SELECT name FROM sqlite_schema WHERE type = '{what}' AND name <> 'sqlite_sequence'"
        );
        let mut query = connection.prepare(&sql).expect("a query");
        let names = query.query_map([], |r| r.get(0)).expect("rows");
        names.map(|n| n.expect("a name")).collect()
    };
    let (tables, indexes) = (names("table"), names("index"));
    assert!(
        tables.len() > 15 && indexes.len() > 30,
        "{tables:?} {indexes:?}"
    );
    for table in tables {
        assert_eq!(
            first_column(&connection, "table_info", &table),
            "tenant",
            "{table}"
        );
    }
    for index in indexes.iter().filter(|i| !ACROSS.contains(&i.as_str())) {
        assert_eq!(
            first_column(&connection, "index_info", index),
            "tenant",
            "{index}"
        );
    }
    for index in ACROSS {
        assert!(
            indexes.iter().any(|i| i == index),
            "{index} is gone: take it out of the list"
        );
    }
}
