//! The self-check bites: each fault, planted behind the store's back, is found and named.

use std::time::Duration;

use rusqlite::Connection;

use super::{Folder, fresh};
use crate::store::sqlite::Sqlite;
use crate::store::suite::make::{Clinic, Drafted, at, draft, job, version};
use crate::sync::job::State;
use crate::sync::ports::{Fault, Store};
use crate::sync::reason::Reason;

/// Long enough that nothing is late.
const EVER: Duration = Duration::from_secs(1_000_000_000);

/// A job that waits, one that is sent, one that is unclear, one that waits for another, one that ended.
async fn history() -> (Sqlite, Folder) {
    let (store, folder) = fresh();
    let clinic = Clinic::of(&store);
    for id in ["done", "sent", "unclear"] {
        clinic.one("observation", id, job(id, "ehr")).await;
    }
    for claimed in clinic.claim("ehr", 1).await {
        match claimed.id.as_str() {
            "done" => clinic.done(&claimed, 2).await,
            "unclear" => {
                clinic
                    .settle(&claimed, State::Asking, Reason::Reset, 2)
                    .await
            }
            _ => {}
        }
    }
    clinic.one("client", "C-1", job("client", "ehr")).await;
    let mut needing = job("needing", "ehr");
    needing.needs = vec![version("client", "C-1", 1)];
    clinic
        .accept(draft("care-plan", "P-1", 1).with(needing))
        .await;
    clinic.is_sound().await;
    (store, folder)
}

/// What the check finds after a statement that nobody should ever run.
async fn after(sql: &str) -> Vec<(Fault, u64)> {
    let (store, folder) = history().await;
    let beside = Connection::open(folder.file()).expect("a connection");
    let changed = beside.execute(sql, []).expect("a statement");
    assert!(changed > 0, "{sql}");
    let found = store.audit(at(10), EVER).await.expect("audit");
    found.into_iter().map(|f| (f.fault, f.n)).collect()
}

#[tokio::test]
async fn each_planted_fault_is_found() {
    for (sql, fault, n) in [
        (
            "UPDATE count SET n = n + 2 WHERE state = 'done'",
            Fault::Counter,
            2,
        ),
        (
            "DELETE FROM count WHERE state = 'sending'",
            Fault::Counter,
            1,
        ),
        (
            "UPDATE total SET n = n + 1 WHERE what = 'jobs'",
            Fault::Made,
            1,
        ),
        (
            "UPDATE job SET lease_until = NULL WHERE id = 'sent'",
            Fault::LeaseOver,
            1,
        ),
        (
            "DELETE FROM lane WHERE lane = 'client/C-1'",
            Fault::Astray,
            1,
        ),
        (
            "UPDATE job SET rank = NULL WHERE id = 'client'",
            Fault::Astray,
            2,
        ),
        (
            "UPDATE lane SET head = head + 100 WHERE lane = 'client/C-1'",
            Fault::Astray,
            1,
        ),
        (
            "DELETE FROM effect WHERE job = (SELECT seq FROM job WHERE id = 'client')",
            Fault::Empty,
            1,
        ),
        ("DELETE FROM need", Fault::Forgotten, 1),
        (
            "INSERT INTO need VALUES ('clinic', 'ehr', 'client', 'C-9', 999)",
            Fault::Orphan,
            1,
        ),
        ("DELETE FROM version WHERE id = 'P-1'", Fault::Orphan, 1),
        ("UPDATE attempt SET job = 999", Fault::Orphan, 2),
    ] {
        let found = after(sql).await;
        assert!(found.contains(&(fault, n)), "{sql}: {found:?}");
    }
    // A row that is gone is missed by its counters, and leaves rows that belong to nothing.
    let found = after("DELETE FROM job WHERE id = 'done'").await;
    let mut faults: Vec<Fault> = found.into_iter().map(|f| f.0).collect();
    faults.sort();
    assert_eq!(faults, [Fault::Counter, Fault::Made, Fault::Orphan]);
}

#[tokio::test]
async fn a_line_whose_head_is_not_its_first_is_found() {
    let (store, folder) = history().await;
    let clinic = Clinic::of(&store);
    clinic
        .accept(draft("client", "C-1", 2).with(job("later", "ehr")))
        .await;
    clinic.is_sound().await;
    let beside = Connection::open(folder.file()).expect("a connection");
    let sql =
        "UPDATE lane SET head = (SELECT seq FROM job WHERE id = 'later') WHERE lane = 'client/C-1'";
    assert_eq!(beside.execute(sql, []).expect("a statement"), 1);
    let found = store.audit(at(10), EVER).await.expect("audit");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].fault, Fault::HeadWrong);
}

#[test]
fn every_fault_that_can_be_planted_is_named_once() {
    for fault in Fault::ALL {
        assert_eq!(Fault::parse(fault.as_str()), Some(*fault));
        assert!(!fault.what().is_empty() && !fault.press().is_empty());
    }
}
