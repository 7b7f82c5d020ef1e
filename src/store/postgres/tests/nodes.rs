//! Nodes on one database: their clocks, their starts, a database that goes away, what they ring.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use super::{Postgres, Settings, block_on, database, node, settings};
use crate::clock::Time;
use crate::store::postgres::Way;
use crate::store::suite::make::{Clinic, at, draft, ids, job, lease, partner, settles};
use crate::store::suite::replays;
use crate::sync::job::State;
use crate::sync::ports::{Anew, Begun, ClaimRequest, Reported, Store, StoreError};
use crate::sync::reason::Reason;

/// A node whose leases go by the database's clock, as in earnest.
fn earnest(address: &str) -> Postgres {
    Postgres::over(Way::of(settings(address)).expect("a way"), false)
}

fn all(clinic: &Clinic<'_>, now: Time, lease: Duration) -> ClaimRequest {
    ClaimRequest {
        turn: 0,
        worker: "w".to_owned(),
        now,
        lease,
        room: vec![(clinic.tenant.clone(), partner("ehr"), 10)],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn leases_go_by_the_databases_clock_whatever_the_nodes_say() {
    let Some(database) = database() else { return };
    let (early, late) = (earnest(&database.address()), earnest(&database.address()));
    let (here, there) = (Clinic::of(&early), Clinic::of(&late));
    here.one("observation", "M-1", job("J1", "ehr")).await;
    let hour = 3600;
    let claimed = early
        .claim(all(&here, at(hour), lease()))
        .await
        .expect("claim");
    assert_eq!(ids(&claimed), ["J1"]);
    // Hours later by the other's clock, or before: the lease has most of its minute.
    for now in [-hour, hour, 1000 * hour] {
        assert_eq!(late.rescue(at(now)).await.expect("rescue"), 0);
    }
    let wall: i64 = database
        .sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        .parse()
        .expect("a time");
    let left = claimed[0].lease_until.since(Time::from_micros(wall));
    assert!(left <= lease() && left > lease() / 2, "{left:?}");
    let report = settles(&claimed[0], State::Waiting, Reason::TryLater, 0);
    assert_eq!(here.report(report).await, Reported::Stored);

    // One that has run out by the database's clock is rescued, although the node's clock stands still;
    // whoever had it writes nothing any more.
    let claimed = early
        .claim(all(&here, at(hour), Duration::ZERO))
        .await
        .expect("claim");
    assert_eq!(late.rescue(at(0)).await.expect("rescue"), 1);
    let report = settles(&claimed[0], State::Done, Reason::Delivered, 0);
    assert_eq!(here.report(report).await, Reported::LeaseLost);
    assert_eq!(there.state("observation", "M-1", "J1").await, State::Asking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nodes_ring_each_other() {
    let Some(database) = database() else { return };
    let (one, other) = (node(&database), node(&database));
    let clinic = Clinic::of(&one);
    // The first ring says that it listens now.
    let rung = tokio::time::timeout(Duration::from_secs(30), other.changed());
    rung.await.expect("it listens");
    let rung = async {
        let mut n = 0;
        loop {
            let id = format!("M-{n}");
            clinic
                .one("observation", &id, job(&format!("J{n}"), "ehr"))
                .await;
            n += 1;
            let waits = tokio::time::timeout(Duration::from_millis(500), other.changed());
            if waits.await.is_ok() {
                return;
            }
        }
    };
    let rung = tokio::time::timeout(Duration::from_secs(60), rung);
    rung.await.expect("a ring");
}

#[test]
fn nodes_that_start_at_once_take_turns_at_the_schema() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let database = cluster.database(None);
    block_on(async {
        let starts = (0..4).map(|_| Postgres::open(settings(&database.address())));
        for started in futures_util::future::join_all(starts).await {
            started.expect("a node").check().await.expect("it answers");
        }
    });
    let newest = super::schema::NEWEST.to_string();
    assert_eq!(database.sql("SELECT version FROM program"), newest);
}

fn refused(settings: Settings) -> String {
    match block_on(Postgres::open(settings)) {
        Ok(_) => panic!("it started"),
        Err(StoreError::Failed { cause, .. }) => cause.to_string(),
        Err(other) => other.to_string(),
    }
}

#[test]
fn a_database_of_another_or_a_later_program_is_left_alone() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let database = cluster.database(None);
    database.sql("CREATE SCHEMA fhir_gateway");
    database.sql("CREATE TABLE fhir_gateway.mine (n integer)");
    let told = refused(settings(&database.address()));
    assert!(told.contains("of another program"), "{told}");
    assert_eq!(
        database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'fhir_gateway'"),
        "1"
    );

    let database = cluster.database(None);
    drop(block_on(Postgres::open(settings(&database.address()))).expect("a store"));
    database.sql("UPDATE program SET version = 1000");
    let told = refused(settings(&database.address()));
    assert!(told.contains("by a later version"), "{told}");
}

#[test]
fn a_start_says_what_is_wrong_and_waits_only_for_what_may_come() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let told = refused(settings(&cluster.address("nowhere")));
    assert!(told.contains("\"nowhere\" does not exist"), "{told}");
    let nobody = Settings {
        start_wait: Duration::ZERO,
        ..settings("postgres://gateway@127.0.0.1:1/gateway")
    };
    let told = refused(nobody);
    assert!(told.contains("refused"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_servers_immediate_stop() {
    let Some(cluster) = Cluster::start("fsync = on\nfull_page_writes = on") else {
        return;
    };
    cluster.sql("postgres", "CREATE DATABASE gateway");
    let store = Postgres::open(settings(&cluster.address("gateway")));
    let store = Arc::new(store.await.expect("a store"));
    let accepted = Arc::new(std::sync::Mutex::new(Vec::new()));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for me in 0..8 {
        let (store, accepted, stop) = (store.clone(), accepted.clone(), stop.clone());
        tasks.spawn(async move {
            let clinic = Clinic::of(store.as_ref());
            let mut refused = 0;
            for n in 0.. {
                if stop.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                let id = format!("{me}-{n}");
                let mut a = draft("observation", &id, 1);
                a.tenant = clinic.tenant.clone();
                a.jobs = vec![crate::sync::job::NewJob {
                    lane: crate::sync::job::LaneKey(id.clone()),
                    chain: crate::sync::job::Chain(format!("observation/{id}")),
                    ..job(&format!("J{id}"), "ehr")
                }];
                match store.admit(a).await {
                    Ok(_) => accepted.lock().expect("a list").push(id),
                    Err(_) => refused += 1,
                }
            }
            refused
        });
    }
    let enough = |n: usize| {
        let accepted = accepted.clone();
        async move {
            let more = async {
                while accepted.lock().expect("a list").len() < n {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let most = Duration::from_secs(60);
            tokio::time::timeout(most, more).await.expect("it goes on");
        }
    };
    for round in 1..=3 {
        enough(round * 200).await;
        tokio::task::block_in_place(|| {
            cluster.control(&["-m", "immediate", "stop"]);
            cluster.control(&["start"]);
        });
        // It goes on by itself.
        let had = accepted.lock().expect("a list").len();
        enough(had + 50).await;
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut refused = 0;
    while let Some(ended) = tasks.join_next().await {
        refused += ended.expect("a task");
    }
    let stored = cluster.sql("gateway", "SELECT id FROM version");
    let stored: std::collections::BTreeSet<&str> = stored.lines().collect();
    let accepted = accepted.lock().expect("a list");
    let lost: Vec<&String> = accepted
        .iter()
        .filter(|id| !stored.contains(id.as_str()))
        .collect();
    assert!(lost.is_empty(), "{} of {} lost", lost.len(), accepted.len());
    let orphans = cluster.sql(
        "gateway",
        "SELECT count(*) FROM version v FULL JOIN any_job j ON j.record = v.id AND j.kind = v.kind
         WHERE v.id IS NULL OR j.id IS NULL",
    );
    assert_eq!(
        orphans, "0",
        "a version without its job, or a job without its version"
    );
    assert!(
        refused > 0 || accepted.len() > 600,
        "it was stopped under load"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_a_replay_is_done_by_one_node() {
    let Some(database) = database() else { return };
    let nodes = [node(&database), node(&database)];
    let clinics = [Clinic::of(&nodes[0]), Clinic::of(&nodes[1])];
    let t = &clinics[0].tenant;
    replays::furnished(&clinics[0]).await;
    let (one, other) = tokio::join!(
        replays::begin(&clinics[0], "R", replays::at_ehr()),
        replays::begin(&clinics[1], "R", replays::at_ehr())
    );
    let new = [one, other].map(|b| matches!(b, Begun::New(_)));
    assert!(new[0] != new[1], "begun once: {new:?}");
    // Each has looked at the same jobs, and made jobs of its own of them.
    for (from, source) in [(0, "a"), (1, "b")] {
        let step = |node: &str| {
            let made = replays::make(source, &format!("{source}-{node}"));
            replays::step(from, from + 1, vec![made], false)
        };
        let (one, other) = tokio::join!(
            nodes[0].replay_step(t, step("one")),
            nodes[1].replay_step(t, step("other"))
        );
        let done = [one, other].map(|d| d.expect("a step"));
        assert!(done[0] != done[1], "done once: {done:?}");
    }
    let end = replays::seen(&clinics[1], "R").await;
    assert_eq!((end.cursor, end.made), (2, 2));
    clinics[0].adds_up().await;
}
