//! Databases of every schema that was ever released, stored as SQL in `fixtures/store`, open as the newest
//! one with everything that was in them.

use std::path::PathBuf;

use rusqlite::Connection;

use super::super::schema::NEWEST;
use super::{Folder, fresh};
use crate::ids::{JobId, RawId};
use crate::issue::Issue;
use crate::store::sqlite::Sqlite;
use crate::store::suite::make::{
    Clinic, Drafted, at, cancel, chain, draft, hash, ids, job, partner, raw, remote, rx_after,
    settles, version,
};
use crate::sync::job::{State, VersionRef};
use crate::sync::ports::{
    Act, Admission, CrosswalkRow, Denial, EffectDone, RawState, Refusal, Store,
};
use crate::sync::reason::Reason;

fn fixture(schema: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/store/sqlite-{schema}.sql"))
}

/// A little of everything: a job in each state, needs, a merge, denials, keys, what partners sent.
async fn history(store: &Sqlite) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    for state in State::ALL {
        let id = state.as_str();
        let keyed = Admission {
            idempotency: Some(("him".to_owned(), id.to_owned(), hash(id))),
            ..draft("observation", id, 1)
        };
        clinic
            .accept(keyed.of_client("C-1").with(job(id, "ehr")))
            .await;
        if state == State::Waiting {
            continue;
        }
        let claimed = clinic.claim("ehr", 1).await;
        for claimed in claimed {
            let id = claimed.id.as_str();
            let mut report = settles(&claimed, State::Waiting, Reason::TryLater, 1);
            if let Some(settle) = &mut report.settle {
                settle.due = at(5000);
            }
            if id == state.as_str() {
                if state == State::Sending {
                    continue;
                }
                report = settles(&claimed, state, Reason::ByPerson, 1);
                if let Some(settle) = &mut report.settle {
                    settle.due = at(5000);
                }
            }
            if id == "done" {
                report.effect_done = Some(EffectDone {
                    effect: 0,
                    remote: Some(remote("their-1", Some("7"))),
                });
            }
            clinic.report(report).await;
        }
    }
    let mut needing = job("needing", "lab");
    needing.needs = vec![version("client", "C-1", 1)];
    clinic.one("client", "C-1", job("client", "lab")).await;
    let plan = draft("care-plan", "P-1", 1).of_client("C-1");
    clinic
        .accept(plan.leans_on(&[version("client", "C-1", 1)]).with(needing))
        .await;
    clinic
        .one("medication-request", "rx", cancel("C1", "rx"))
        .await;
    clinic
        .accept(draft("medication-request", "rx", 2).with(rx_after("R1", "rx", "C1")))
        .await;
    let merge = Admission {
        holds: vec![(partner("lab"), "C-2".to_owned(), JobId::new("merge"))],
        ..draft("client-merge", "MG-1", 1).with(job("merge", "lab"))
    };
    clinic.accept(merge).await;
    let record = version("care-plan", "P-2", 1);
    let denied = Admission {
        denials: vec![Denial {
            record: record.clone(),
            partner: partner("ehr"),
            client: Some("C-2".to_owned()),
            why: "consent".to_owned(),
        }],
        ..draft("care-plan", "P-2", 1).of_client("C-2")
    };
    clinic.accept(denied).await;
    let mut fed = draft("dispense", "D-1", 1);
    if let Some(v) = &mut fed.version {
        v.in_feed = true;
    }
    clinic.accept(fed).await;
    for (id, state, patient) in [
        ("parked", RawState::Parked, None),
        (
            "unmatched",
            RawState::Unmatched,
            Some((partner("ehr"), "p-9".to_owned())),
        ),
        ("open", RawState::Received, None),
    ] {
        let message = raw(id, "ehr", Some(id), &format!("{{\"{id}\":1}}"));
        store.receive(t, message, at(3)).await.expect("receive");
        if state != RawState::Received {
            let issue = Issue::error("structure", "unreadable", "", "it could not be read");
            store
                .settle_raw(t, &RawId::new(id), state, vec![issue], patient, None)
                .await
                .expect("settle");
        }
    }
    let refusal = Refusal {
        kind: "observation".to_owned(),
        rule: "required".to_owned(),
        pointer: "/value".to_owned(),
        caller: "him".to_owned(),
    };
    store
        .count_refusals(t, vec![refusal], at(4))
        .await
        .expect("refusals");
    let row = CrosswalkRow {
        partner: partner("ehr"),
        resource_type: "Patient".to_owned(),
        our_id: "OURS".to_owned(),
        their_id: "theirs".to_owned(),
        their_version: None,
    };
    store.link(t, row, None, at(4)).await.expect("link");
    store
        .act(
            t,
            &JobId::new("parked"),
            Act::Cancel,
            "her",
            "she said so",
            at(5),
        )
        .await
        .expect("act");
    clinic
        .one("observation", "parked-2", job("parked-2", "ehr"))
        .await;
    let again = clinic.next("ehr", 6).await;
    clinic
        .settle(&again, State::Parked, Reason::Refused, 6)
        .await;
}

/// All of it is there, and goes on.
async fn is_there(store: &Sqlite) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    clinic.adds_up().await;
    for (id, state) in [
        ("waiting", State::Waiting),
        ("sending", State::Sending),
        ("asking", State::Asking),
        ("parked", State::Cancelled),
        ("done", State::Done),
        ("cancelled", State::Cancelled),
        ("superseded", State::Superseded),
        ("parked-2", State::Parked),
    ] {
        let shown = clinic.shown("observation", id, id).await;
        assert_eq!(shown.state, state, "{id}");
        assert_eq!(shown.effects.len(), 1, "{id}");
    }
    assert!(
        !clinic
            .shown("observation", "done", "done")
            .await
            .tries
            .is_empty()
    );
    let status = store.status(t, at(10), 99).await.expect("status");
    assert_eq!((status.unmatched.len(), status.parked_raw.len()), (1, 1));
    assert_eq!((status.denials_open, status.refusals.len()), (1, 1));
    assert_eq!(store.feed(t, 0, 9).await.expect("feed").len(), 1);
    let key = store.idempotent(t, "him", "done").await.expect("key");
    assert_eq!(key.map(|k| k.0), Some(hash("done")));
    let row = ("Observation".to_owned(), "done".to_owned());
    let rows = store
        .crosswalk(t, &partner("ehr"), &[row])
        .await
        .expect("crosswalk");
    assert_eq!(rows[0].their_id, "their-1");
    let left = store.raws_left(t, at(9), 9).await.expect("raws");
    assert_eq!(left, [RawId::new("open")]);
    let body = store
        .raw(t, &RawId::new("open"))
        .await
        .expect("raw")
        .expect("open");
    assert_eq!(body.raw.bytes, b"{\"open\":1}");
    let jobs = clinic.chain(&chain("medication-request", "rx")).await;
    assert_eq!(
        jobs.iter().map(|j| j.id.as_str()).collect::<Vec<_>>(),
        ["C1", "R1"]
    );
    let leaning = store.referred_to(t, "client", "C-1").await.expect("leans");
    assert!(leaning);
    // Lanes go on where they were: the plan waits for its client.
    let names = |jobs: &[VersionRef]| jobs.iter().map(|r| r.kind.clone()).collect::<Vec<_>>();
    let first = clinic.claim("lab", 10).await;
    let records: Vec<VersionRef> = first.iter().map(|j| j.record.clone()).collect();
    assert_eq!(names(&records), ["client", "client-merge"]);
    clinic.done(&first[0], 11).await;
    assert_eq!(ids(&clinic.claim("lab", 12).await), ["needing"]);
    assert_eq!(store.rescue(at(10_000)).await.expect("rescue"), 3);
    clinic.adds_up().await;
}

#[tokio::test]
async fn a_database_of_every_schema_opens_as_the_newest_with_all_that_was_in_it() {
    for schema in 1..=NEWEST {
        let file = fixture(schema);
        let sql = std::fs::read_to_string(&file)
            .unwrap_or_else(|_| panic!("{} is missing: see `write_the_fixture`", file.display()));
        let folder = Folder::new();
        let connection = Connection::open(folder.file()).expect("a file");
        connection.execute_batch(&sql).expect("the fixture");
        let number: u32 = connection
            .query_row("PRAGMA user_version", [], |r| r.get(0))
            .expect("a number");
        assert_eq!(number, schema);
        drop(connection);
        let store = Sqlite::open_for_tests(&folder.file()).expect("migrated");
        is_there(&store).await;
        drop(store);
        let number: u32 = Connection::open(folder.file())
            .and_then(|c| c.query_row("PRAGMA user_version", [], |r| r.get(0)))
            .expect("a number");
        assert_eq!(number, NEWEST);
    }
}

#[tokio::test]
async fn what_a_later_program_wrote_is_left_alone() {
    let (store, folder) = fresh();
    drop(store);
    let connection = Connection::open(folder.file()).expect("a file");
    connection
        .pragma_update(None, "user_version", NEWEST + 1)
        .expect("a number");
    drop(connection);
    let opened = Sqlite::open_for_tests(&folder.file());
    let error = opened.err().expect("refused");
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(
        cause.is_some_and(|c| c.contains("later version")),
        "{error}"
    );
}

/// Writes the fixture of the schema as it is: to be run once when a migration was added, its file
/// committed, and never again.
#[tokio::test]
#[ignore = "writes fixtures/store/sqlite-N.sql of a new schema"]
async fn write_the_fixture() {
    let (store, folder) = fresh();
    history(&store).await;
    drop(store);
    let file = fixture(NEWEST);
    assert!(
        !file.exists(),
        "{} is released: it never changes",
        file.display()
    );
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(
        &file,
        dumped(&Connection::open(folder.file()).expect("a file")),
    )
    .expect("written");
}

/// A database as SQL.
fn dumped(connection: &Connection) -> String {
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect("SQL");
        let rows = statement.query_map([], |r| r.get(0)).expect("rows");
        rows.map(|r| r.expect("a text")).collect()
    };
    let mut out = String::from("BEGIN;\n");
    for sql in
        texts("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    {
        out.push_str(&sql);
        out.push_str(";\n");
    }
    let mut tables =
        texts("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    tables.push("sqlite_sequence".to_owned());
    for table in tables {
        if table == "sqlite_sequence" {
            // The rows above have made some of their own.
            out.push_str("DELETE FROM sqlite_sequence;\n");
        }
        let columns = texts(&format!(
            "SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')"
        ));
        let values = columns.join(" || ',' || ");
        for row in texts(&format!(
            "SELECT 'INSERT INTO \"{table}\" VALUES (' || {values} || ');' FROM \"{table}\""
        )) {
            out.push_str(&row);
            out.push('\n');
        }
    }
    for sql in texts("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL") {
        out.push_str(&sql);
        out.push_str(";\n");
    }
    for pragma in ["user_version", "application_id"] {
        let n: i64 = connection
            .query_row(&format!("PRAGMA {pragma}"), [], |r| r.get(0))
            .expect("a number");
        out.push_str(&format!("PRAGMA {pragma} = {n};\n"));
    }
    out.push_str("COMMIT;\n");
    out
}
