//! How the SQL is carried out: every statement by an index, also those within functions, and none that
//! looks through a line of jobs to find its head.
//!
//! The server itself tells (`auto_explain`): the plan of each statement, with the rows that each step read
//! and those that it threw away. Rows, not time: they are the same on a busy machine.

use std::time::Duration;

use super::cluster::{Cluster, Database};
use super::{database, node, template};
use crate::clock::Time;
use crate::store::suite;
use crate::store::suite::make::{Clinic, Drafted, at, draft, job, partner};
use crate::sync::job::{Chain, LaneKey, NewJob};
use crate::sync::ports::{Admission, Store};
use crate::sync::reason::Reason;

/// A copy of a database, whose server tells of its plans.
fn watched(cluster: &'static Cluster, of: &str) -> Database {
    let database = cluster.database(Some(of));
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_analyze = on",
        "auto_explain.log_timing = off",
    ] {
        let sql = format!("ALTER DATABASE {} SET {setting}", database.name());
        cluster.sql("postgres", &sql);
    }
    database
}

/// A step of a plan.
#[derive(Debug)]
struct Step {
    /// What it does: `Index Scan using job_lane on job o`.
    what: String,
    /// Rows that it read: given on and thrown away, over all its loops.
    rows: u64,
}

/// A statement with its steps.
#[derive(Debug)]
struct Plan {
    sql: String,
    steps: Vec<Step>,
}

/// The number behind a word of a line.
fn after(line: &str, word: &str) -> Option<u64> {
    let rest = line.split(word).nth(1)?.trim_start();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The plans in a server's log from some byte on.
fn plans(log: &str) -> Vec<Plan> {
    let mut all: Vec<Plan> = Vec::new();
    let mut loops = 1;
    for line in log.lines() {
        if let Some(sql) = line.trim_start().strip_prefix("Query Text:") {
            all.push(Plan {
                sql: sql.trim().to_owned(),
                steps: Vec::new(),
            });
            continue;
        }
        let Some(plan) = all.last_mut() else { continue };
        if let Some((what, told)) = line.split_once("(actual rows=").or_else(|| {
            line.split_once(" (actual ")
                .filter(|_| line.contains("rows="))
        }) {
            loops = after(line, "loops=").unwrap_or(1);
            let rows = after(&format!("rows={told}"), "rows=").unwrap_or(0);
            let what = what.split("  (cost").next().unwrap_or(what);
            plan.steps.push(Step {
                what: what.trim().trim_start_matches("->").trim().to_owned(),
                rows: rows * loops,
            });
        } else if let Some(removed) = after(line, "Rows Removed by Filter:")
            && let Some(step) = plan.steps.last_mut()
        {
            step.rows += removed * loops;
        }
    }
    all
}

/// What may be read from one end to the other, and why.
const SCANS: &[(&str, &str)] = &[
    ("on partner", "one row per partner"),
    ("on program", "one row"),
    ("on hold", "merges on their way: a few"),
    ("on count", "eight rows per partner"),
];

fn scans(plans: &[Plan]) -> Vec<String> {
    let mut wrong = Vec::new();
    // A self-check reads everything.
    for plan in plans.iter().filter(|p| !p.sql.contains("/* self-check */")) {
        for step in plan.steps.iter().filter(|s| s.what.contains("Seq Scan")) {
            if !SCANS.iter().any(|(s, _)| step.what.contains(s)) {
                wrong.push(format!("{}\n    {}", step.what, plan.sql));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_statement_goes_by_an_index() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let database = watched(cluster, template(cluster));
    let from = cluster.log().len();
    let store = node(&database);
    suite::tenants::no_method_reaches_another_tenant(&store).await;
    drop(store);
    let mut seen = plans(&cluster.log()[from..]);
    for n in 0..13 {
        let database = watched(cluster, template(cluster));
        let from = cluster.log().len();
        let store = node(&database);
        match n {
            0 => suite::people::resolving_there_sends_the_rest(&store).await,
            1 => suite::people::resolving_not_there_sends_parks_or_replaces(&store).await,
            2 => suite::needs::nothing_waits_in_a_circle(&store).await,
            3 => suite::merges::a_second_merge_waits_for_the_first(&store).await,
            4 => suite::prescriptions::an_answer_that_came_first_counts(&store).await,
            5 => suite::consent::a_consent_that_came_meanwhile_is_not_missed(&store).await,
            6 => suite::work::a_probe_ends_what_it_was_asked_about(&store).await,
            7 => suite::replays::candidates_come_in_accepted_order(&store).await,
            8 => suite::replays::a_replay_is_begun_once_and_a_step_done_once(&store).await,
            9 => suite::replays::a_stopped_replay_takes_back_what_was_never_tried(&store).await,
            10 => suite::second::one_proposes_and_another_confirms_once(&store).await,
            11 => suite::second::a_job_stands_in_for_what_has_not_moved(&store).await,
            _ => suite::shown::old_keys_are_dropped_and_nothing_else(&store).await,
        }
        seen.extend(plans(&cluster.log()[from..]));
    }
    let different: std::collections::BTreeSet<&str> = seen.iter().map(|p| p.sql.as_str()).collect();
    assert!(
        different.len() > 100,
        "only {} statements were seen",
        different.len()
    );
    assert!(
        seen.iter()
            .any(|p| p.steps.iter().any(|s| s.what.contains("job_lane")))
    );
    let wrong = scans(&seen);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows that no step needs, however many jobs wait.
const ROWS_MAX: u64 = 400;
/// Jobs in one line, waiting.
const LONG: usize = 20_000;

fn line(id: &str, lane: &str) -> NewJob {
    NewJob {
        lane: LaneKey(lane.to_owned()),
        chain: Chain(format!("observation/{id}")),
        ..job(id, "ehr")
    }
}

async fn many(clinic: &Clinic<'_>, id: &str, jobs: Vec<NewJob>) {
    let a = Admission {
        tenant: clinic.tenant.clone(),
        jobs,
        ..draft("observation", id, 1).of_client("C-1")
    };
    clinic.store.admit(a).await.expect("admit");
}

fn cheap(cluster: &Cluster, from: &mut usize, what: &str) {
    let log = cluster.log();
    let seen = plans(&log[*from..]);
    *from = log.len();
    assert!(!seen.is_empty(), "{what}: nothing was seen");
    for plan in seen.iter().filter(|p| !p.sql.contains("/* self-check */")) {
        for step in &plan.steps {
            // What a function gives is not read of a table.
            let own = step.what.contains(" on ") && !step.what.contains("Function Scan");
            assert!(
                !own || step.rows <= ROWS_MAX,
                "{what}: {} rows by {} of {}",
                step.rows,
                step.what,
                plan.sql
            );
        }
    }
    let wrong = scans(&seen);
    assert!(wrong.is_empty(), "{what}: {}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_line_beside_many_others_is_not_looked_through() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let plain = database().expect("a database");
    let store = node(&plain);
    let clinic = Clinic::of(&store);
    let long: Vec<NewJob> = (0..LONG)
        .map(|n| line(&format!("L{n}"), "patient/C-1"))
        .collect();
    for (n, some) in long.chunks(1000).enumerate() {
        many(&clinic, &format!("long-{n}"), some.to_vec()).await;
    }
    let others = (0..1000).map(|n| line(&format!("O{n}"), &format!("patient/O-{n}")));
    many(&clinic, "others", others.collect()).await;
    drop(store);
    // From here on the server tells. Nobody may be in a database that is copied.
    plain.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let database = watched(cluster, plain.name());
    let mut from = cluster.log().len();
    let store = node(&database);
    let clinic = Clinic::of(&store);
    let claimed = clinic.claim_some("ehr", 50, 1).await;
    assert_eq!(claimed.len(), 50);
    assert_eq!(claimed[0].id.as_str(), "L0", "the oldest goes first");
    cheap(cluster, &mut from, "a claim");
    for job in &claimed {
        clinic.done(job, 2).await;
    }
    cheap(cluster, &mut from, "reports");
    let one = line("one-more", "patient/C-1");
    clinic.one("observation", "M-1", one).await;
    cheap(cluster, &mut from, "one more in the line");
    store.next_due().await.expect("next_due");
    store.rescue(at(3)).await.expect("rescue");
    let lease = Duration::from_secs(9);
    store.take_probes(at(3), lease).await.expect("take_probes");
    cheap(cluster, &mut from, "housekeeping");
    let down = Some((Time::NEVER, Reason::ByPerson));
    let ehr = partner("ehr");
    store
        .pause(&clinic.tenant, &ehr, down)
        .await
        .expect("pause");
    assert_eq!(store.next_due().await.expect("next_due"), None);
    assert_eq!(clinic.claim("ehr", 4).await.len(), 0);
    cheap(cluster, &mut from, "a partner that is down");
    store
        .status(&clinic.tenant, at(999), 50)
        .await
        .expect("status");
    cheap(cluster, &mut from, "the status");
}
