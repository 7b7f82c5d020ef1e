//! What goes wrong around a database: a disk that is full, a file that is not ours, a call that fails or
//! panics among others, more calls than can be queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use rusqlite::Connection;

use super::super::Sqlite;
use super::super::space::{KEPT, Space};
use super::{Folder, fresh};
use crate::store::suite::make::{Clinic, Drafted, at, draft, job, lease, partner, settles};
use crate::sync::job::State;
use crate::sync::ports::{Admitted, ClaimRequest, Store, StoreError};
use crate::sync::reason::Reason;

/// An observation with a body of this many bytes, and a job.
async fn big(clinic: &Clinic<'_>, id: &str, bytes: usize) -> Result<Admitted, StoreError> {
    let mut a = draft("observation", id, 1).with(job(id, "ehr"));
    if let Some(v) = &mut a.version {
        v.body = vec![b'x'; bytes];
    }
    let ready = clinic.ready(a).await;
    clinic.store.admit(ready).await
}

async fn pages(store: &Sqlite, most: Option<u32>) -> u32 {
    let set = move |c: &Connection| {
        if let Some(most) = most {
            c.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?;
        }
        c.query_row("PRAGMA page_count", [], |r| r.get(0))
    };
    store.writer.call("pages", set).await.expect("a count")
}

#[tokio::test]
async fn a_full_database_refuses_what_comes_in_and_goes_on_when_there_is_room() {
    let (store, _folder) = fresh();
    let clinic = Clinic::of(&store);
    let used = pages(&store, None).await;
    let kept = u32::try_from(KEPT / 4096).expect("a small number");
    pages(&store, Some(used + kept + 200)).await;
    let mut accepted = Vec::new();
    let refused = loop {
        let id = format!("M-{}", accepted.len());
        match big(&clinic, &id, 8000).await {
            Ok(admitted) => assert_eq!(admitted, Admitted::Stored),
            Err(error) => break (id, error),
        }
        accepted.push(id);
        assert!(accepted.len() < 1000, "it never filled up");
    };
    assert!(
        matches!(refused.1, StoreError::Full("admit")),
        "{:?}",
        refused.1
    );
    // Nothing of what was refused is there; all that was accepted is, and can be read and delivered.
    let story = |id: String| {
        let (store, tenant) = (&store, clinic.tenant.clone());
        async move { store.story(&tenant, "observation", &id).await.unwrap() }
    };
    assert!(story(refused.0.clone()).await.is_none());
    for id in &accepted {
        assert_eq!(
            story(id.clone()).await.unwrap().versions[0].body.len(),
            8000
        );
    }
    clinic.adds_up().await;
    let half = accepted.len() / 2;
    for job in clinic.claim_some("ehr", half, 1).await {
        clinic.done(&job, 2).await;
    }
    store.check().await.expect("it answers");

    // Full to the last page: nothing can be written, nothing is lost, reads go on.
    let used = pages(&store, None).await;
    pages(&store, Some(used)).await;
    let full = fill_up(&clinic).await;
    assert!(matches!(full, StoreError::Full(_)), "{full:?}");
    assert!(story(accepted[0].clone()).await.is_some());
    clinic.adds_up().await;

    pages(&store, Some(used + 2 * kept)).await;
    let admitted = big(&clinic, &refused.0, 8000).await.unwrap();
    assert_eq!(admitted, Admitted::Stored);
    store.rescue(at(99)).await.unwrap();
    for job in clinic.claim("ehr", 100).await {
        clinic.done(&job, 100).await;
    }
    let status = store.status(&clinic.tenant, at(100), 9).await.unwrap();
    let jobs = &status.partners[0].jobs;
    let all = u64::try_from(accepted.len() + 1).expect("a small number");
    assert_eq!(jobs["done"] + jobs["parked"], all);
    clinic.adds_up().await;
}

/// Claims and reports with long answers until that fails, and why it fails.
async fn fill_up(clinic: &Clinic<'_>) -> StoreError {
    loop {
        let request = ClaimRequest {
            worker: "w".to_owned(),
            now: at(3),
            lease: lease(),
            room: vec![(clinic.tenant.clone(), partner("ehr"), 1)],
            turn: 0,
        };
        let jobs = match clinic.store.claim(request).await {
            Ok(jobs) => jobs,
            Err(error) => return error,
        };
        let mut report = settles(&jobs[0], State::Parked, Reason::Refused, 3);
        if let Some(attempt) = &mut report.attempt {
            attempt.body = vec![b'y'; 60_000];
        }
        if let Err(error) = clinic.store.report(report).await {
            return error;
        }
    }
}

#[tokio::test]
async fn little_room_on_the_disk_is_kept_for_delivering() {
    let (mut store, _folder) = fresh();
    let free = Arc::new(AtomicU64::new(KEPT));
    let told = Arc::clone(&free);
    store.space = Space::told(move || told.load(Ordering::SeqCst));
    let clinic = Clinic::of(&store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    free.store(KEPT - 1, Ordering::SeqCst);
    let refused = big(&clinic, "M-2", 10).await;
    assert!(matches!(refused, Err(StoreError::Full("admit"))));
    let bytes = crate::store::suite::make::raw("R1", "ehr", None, "x");
    let refused = store.receive(&clinic.tenant, bytes, at(0)).await;
    assert!(matches!(refused, Err(StoreError::Full("receive"))));
    clinic
        .next_goes_to("ehr", State::Done, Reason::Delivered, 1)
        .await;
    free.store(KEPT, Ordering::SeqCst);
    assert_eq!(big(&clinic, "M-2", 10).await.unwrap(), Admitted::Stored);
}

#[test]
fn the_room_of_a_real_disk_is_known() {
    let folder = Folder::new();
    assert!(
        !Space::of(&folder.file()).is_short(),
        "tests need some room"
    );
    assert!(!Space::of(std::path::Path::new("gateway.db")).is_short());
}

/// What opening a file says, with its causes.
fn refusal(folder: &Folder) -> String {
    let Err(error) = Sqlite::open(&folder.file()) else {
        panic!("it was opened");
    };
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    said
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let folder = Folder::new();
    let noise: Vec<u8> = (0..9000u32).map(|n| (n * 7 % 251) as u8).collect();
    std::fs::write(folder.file(), &noise).expect("a file");
    assert!(
        refusal(&folder).contains("not a database"),
        "{}",
        refusal(&folder)
    );
    assert_eq!(std::fs::read(folder.file()).expect("a file"), noise);

    let folder = Folder::new();
    let other = Connection::open(folder.file()).expect("a database");
    other.execute_batch("CREATE TABLE t (x)").expect("a table");
    drop(other);
    assert!(refusal(&folder).contains("of another program"));

    let folder = Folder::new();
    drop(Sqlite::open(&folder.file()).expect("new"));
    let later = Connection::open(folder.file()).expect("a database");
    later
        .pragma_update(None, "user_version", 99)
        .expect("a version");
    drop(later);
    assert!(refusal(&folder).contains("later version of this program"));

    let folder = Folder::new();
    let open = Sqlite::open(&folder.file()).expect("new");
    assert!(refusal(&folder).contains("another process has this database open"));
    drop(open);
    drop(Sqlite::open(&folder.file()).expect("free again"));
}

#[tokio::test]
async fn a_damaged_page_is_an_error_and_nothing_more() {
    let folder = Folder::new();
    {
        let store = Sqlite::open_for_tests(&folder.file()).expect("new");
        let clinic = Clinic::of(&store);
        for n in 0..50 {
            big(&clinic, &format!("M-{n}"), 3000).await.unwrap();
        }
    }
    let mut bytes = std::fs::read(folder.file()).expect("a file");
    // All but the schema's page.
    bytes[4096..].fill(0xA5);
    std::fs::write(folder.file(), &bytes).expect("a file");
    let opened = Sqlite::open_for_tests(&folder.file());
    let Ok(store) = opened else { return };
    let clinic = Clinic::of(&store);
    let read = store.story(&clinic.tenant, "observation", "M-1").await;
    assert!(matches!(read, Err(StoreError::Failed { .. })));
    let claimed = store.rescue(at(999)).await;
    assert!(
        matches!(claimed, Err(StoreError::Failed { .. })),
        "{claimed:?}"
    );
}

#[tokio::test]
async fn the_journal_is_kept_as_promised() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).expect("new");
    let settings = |c: &Connection| {
        let mode: String = c.query_row("PRAGMA journal_mode", [], |r| r.get(0))?;
        let synchronous: i64 = c.query_row("PRAGMA synchronous", [], |r| r.get(0))?;
        Ok((mode, synchronous))
    };
    let got = store.writer.call("settings", settings).await.unwrap();
    assert_eq!(got, ("wal".to_owned(), 2), "WAL, FULL");
}

/// A call that stops the writer until it is told to go on.
fn stop(store: &Sqlite) -> (mpsc::Sender<()>, BoxFuture<'_, Result<(), StoreError>>) {
    let (go_on, wait) = mpsc::channel();
    let call = store.writer.call("stop", move |_| {
        let _ = wait.recv();
        Ok(())
    });
    (go_on, call.boxed())
}

fn put(what: &'static str) -> impl Fn(&Connection) -> rusqlite::Result<()> {
    move |c| {
        c.execute("INSERT INTO total VALUES ('t', ?1, 1)", [what])
            .map(drop)
    }
}

fn totals(store: &Sqlite) -> Vec<String> {
    let read = |c: &Connection| {
        c.prepare("SELECT what FROM total WHERE tenant = 't' ORDER BY what")?
            .query_map([], |r| r.get(0))?
            .collect()
    };
    store.read("totals", read).unwrap()
}

/// Lets these calls queue up behind a stopped writer, so that they come into one group.
async fn in_one_group(
    store: &Sqlite,
    calls: Vec<BoxFuture<'_, Result<(), StoreError>>>,
) -> Vec<Result<(), StoreError>> {
    let (go_on, mut stopped) = stop(store);
    assert!((&mut stopped).now_or_never().is_none());
    let mut all = join_all(calls);
    assert!((&mut all).now_or_never().is_none());
    go_on.send(()).expect("it waits");
    // It may be of the same group, and then run again.
    drop(go_on);
    let _ = stopped.await;
    all.await
}

#[tokio::test]
async fn whoever_fails_in_a_group_fails_alone() {
    let (store, _folder) = fresh();
    let calls = vec![
        store.writer.call("one", put("one")).boxed(),
        store
            .writer
            .call("broken", |c| {
                put("half of broken")(c)?;
                c.execute_batch("INSERT INTO nowhere VALUES (1)")
            })
            .boxed(),
        store
            .writer
            .call("panics", |c| {
                put("half of panics")(c)?;
                panic!("on purpose");
            })
            .boxed(),
        store.writer.call("two", put("two")).boxed(),
    ];
    let outcomes = in_one_group(&store, calls).await;
    let well: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(well, [true, false, false, true]);
    assert_eq!(totals(&store), ["one", "two"]);
    assert!(matches!(
        outcomes[2],
        Err(StoreError::Failed {
            operation: "panics",
            ..
        })
    ));
    store.check().await.expect("the writer lives on");
}

#[tokio::test]
async fn a_transaction_that_is_lost_is_lost_for_all_that_were_in_it_and_nobody_else() {
    let (store, _folder) = fresh();
    let calls = vec![
        store.writer.call("one", put("one")).boxed(),
        // As SQLite does by itself on a full disk or an I/O error.
        store
            .writer
            .call("loses", |c| c.execute_batch("ROLLBACK"))
            .boxed(),
        store.writer.call("two", put("two")).boxed(),
    ];
    let outcomes = in_one_group(&store, calls).await;
    let well: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(
        well,
        [false, false, true],
        "nobody is told yes of what is gone"
    );
    assert_eq!(totals(&store), ["two"]);
}

#[tokio::test]
async fn nobody_hears_of_success_before_the_commit() {
    let (store, _folder) = fresh();
    let (go_on, mut first) = stop(&store);
    assert!((&mut first).now_or_never().is_none());
    // One that is written, and one that keeps the group from its commit.
    let mut one = store.writer.call("one", put("one")).boxed();
    assert!((&mut one).now_or_never().is_none());
    let (here, entered) = mpsc::channel();
    let (commit, wait) = mpsc::channel::<()>();
    let mut last = store
        .writer
        .call("last", move |_| {
            let _ = here.send(());
            let _ = wait.recv();
            Ok(())
        })
        .boxed();
    assert!((&mut last).now_or_never().is_none());
    go_on.send(()).expect("it waits");
    entered.recv().expect("the last of the group runs");
    assert!((&mut one).now_or_never().is_none(), "it is not committed");
    assert!(totals(&store).is_empty());
    commit.send(()).expect("it waits");
    one.await.expect("it is committed");
    assert_eq!(totals(&store), ["one"]);
    last.await.expect("so is the last");
}

#[tokio::test]
async fn calls_queue_up_to_a_limit() {
    let (store, _folder) = fresh();
    let (go_on, mut stopped) = stop(&store);
    assert!((&mut stopped).now_or_never().is_none());
    let mut waiting = Vec::new();
    let refused = loop {
        let mut call = store.writer.call("one more", |_| Ok(())).boxed();
        match (&mut call).now_or_never() {
            None => waiting.push(call),
            Some(outcome) => break outcome,
        }
        assert!(waiting.len() < 100_000, "there is no limit");
    };
    assert!(matches!(refused, Err(StoreError::Full("one more"))));
    assert!(waiting.len() >= 1000);
    go_on.send(()).expect("it waits");
    stopped.await.expect("it went on");
    assert!(join_all(waiting).await.iter().all(Result::is_ok));
    store.check().await.expect("there is room again");
}

#[tokio::test]
async fn what_was_queued_is_written_before_the_store_is_gone() {
    let folder = Folder::new();
    let store = Sqlite::open_for_tests(&folder.file()).expect("new");
    let (go_on, mut stopped) = stop(&store);
    let mut call = store.writer.call("last", put("last")).boxed();
    assert!((&mut stopped).now_or_never().is_none());
    assert!((&mut call).now_or_never().is_none());
    drop((call, stopped));
    go_on.send(()).expect("it waits");
    drop(store);
    let store = Sqlite::open_for_tests(&folder.file()).expect("again");
    assert_eq!(totals(&store), ["last"]);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_keeps_no_other_from_going_and_comes_to_a_person() {
    let (store, _folder) = fresh();
    let clinic = Clinic::of(&store);
    for id in ["J1", "J2"] {
        clinic.one("observation", id, job(id, "ehr")).await;
    }
    let spoil = |c: &Connection| {
        let sql = "UPDATE effect SET find = '?' WHERE job = (SELECT seq FROM job WHERE id = 'J1')";
        c.execute(sql, [])
    };
    let spoilt = store.writer.call("spoil", spoil).await;
    assert_eq!(spoilt.expect("spoilt"), 1);
    let mut claimed = Vec::new();
    for n in 1..100 {
        let request = ClaimRequest {
            worker: "w".to_owned(),
            now: at(100 * n),
            lease: lease(),
            room: vec![(clinic.tenant.clone(), partner("ehr"), 9)],
            turn: 0,
        };
        for job in store.claim(request).await.expect("claim") {
            claimed.push(job.id.as_str().to_owned());
            let done = settles(&job, State::Done, Reason::Delivered, 100 * n);
            store.report(done).await.expect("report");
        }
        store.rescue(at(100 * n + 99)).await.expect("rescue");
    }
    assert_eq!(claimed, ["J2"]);
    let state = store.read("state", |c| {
        c.query_row("SELECT state, reason FROM job WHERE id = 'J1'", [], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?))
        })
    });
    let parked = ("parked".to_owned(), Reason::Unclear.as_str().to_owned());
    assert_eq!(state.expect("a job"), parked);
}
