//! Backups: one moment of a database in use, whole, for its owner alone; and back, so that nothing in it
//! is sent twice and nothing that stood there is destroyed.

use std::os::unix::fs::PermissionsExt;

use super::{Folder, fresh};
use crate::store::sqlite::{BackupError, Sqlite, backup, restore};
use crate::store::suite::make::{Clinic, at, ids, job};
use crate::sync::job::State;
use crate::sync::ports::Store;

#[tokio::test]
async fn a_backup_of_a_database_in_use_holds_one_moment_of_it() {
    let (store, folder) = fresh();
    let clinic = Clinic::of(&store);
    for n in 0..50 {
        clinic
            .one(
                "observation",
                &format!("M-{n}"),
                job(&format!("J{n}"), "ehr"),
            )
            .await;
    }
    let to = folder.0.join("backup.db");
    let (from, target) = (folder.file(), to.clone());
    let copying = std::thread::spawn(move || backup(&from, &target));
    for n in 50..100 {
        clinic
            .one(
                "observation",
                &format!("M-{n}"),
                job(&format!("J{n}"), "ehr"),
            )
            .await;
    }
    copying.join().expect("a thread").expect("a backup");
    let mode = std::fs::metadata(&to).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(
        backup(&folder.file(), &to),
        Err(BackupError::Exists(_))
    ));
    let left: Vec<_> = std::fs::read_dir(&folder.0)
        .expect("a folder")
        .map(|e| {
            e.expect("a name")
                .file_name()
                .into_string()
                .expect("a text")
        })
        .filter(|n| n.starts_with("backup"))
        .collect();
    assert_eq!(left, ["backup.db"], "one file");
    let copy = Sqlite::open_for_tests(&to).expect("a database");
    let of = Clinic::of(&copy);
    of.adds_up().await;
    let status = copy.status(&of.tenant, at(0), 1).await.expect("status");
    assert!((50..=100).contains(&status.versions), "{}", status.versions);
    assert_eq!(status.versions, status.jobs_made);
}

#[tokio::test]
async fn what_is_put_back_is_asked_about_and_what_stood_there_is_kept() {
    let (store, folder) = fresh();
    let clinic = Clinic::of(&store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    let to = folder.0.join("backup.db");
    backup(&folder.file(), &to).expect("a backup");
    // It is sent after the backup, and more comes.
    let sent = clinic.next("ehr", 1).await;
    clinic.done(&sent, 2).await;
    clinic.one("observation", "M-2", job("J2", "ehr")).await;
    let running = restore(&to, &folder.file(), true, at(10)).await;
    assert!(matches!(running, Err(BackupError::InUse(_))), "{running:?}");
    drop(store);
    let there = restore(&to, &folder.file(), false, at(10)).await;
    assert!(matches!(there, Err(BackupError::Exists(_))), "{there:?}");
    let (marked, aside) = restore(&to, &folder.file(), true, at(10))
        .await
        .expect("restore");
    assert_eq!(
        (marked.asking, marked.parked, marked.newest),
        (1, 0, Some(at(0)))
    );

    let store = Sqlite::open_for_tests(&folder.file()).expect("a database");
    let clinic = Clinic::of(&store);
    assert_eq!(store.restored().await.expect("restored"), Some(at(10)));
    let claimed = clinic.claim("ehr", 11).await;
    assert_eq!(ids(&claimed), ["J1"]);
    assert_eq!(
        claimed[0].state,
        State::Asking,
        "it was sent: it is asked about, not sent"
    );
    clinic.adds_up().await;
    let aside = aside.expect("what stood there");
    let old = Sqlite::open_for_tests(&aside).expect("the old database");
    let of = Clinic::of(&old);
    assert_eq!(of.state("observation", "M-1", "J1").await, State::Done);
    assert_eq!(of.state("observation", "M-2", "J2").await, State::Waiting);
}

#[tokio::test]
async fn what_is_no_whole_database_of_ours_is_not_put_back() {
    let (store, folder) = fresh();
    Clinic::of(&store)
        .one("observation", "M-1", job("J1", "ehr"))
        .await;
    let good = folder.0.join("good.db");
    backup(&folder.file(), &good).expect("a backup");
    drop(store);
    let bytes = std::fs::read(&good).expect("bytes");
    let foreign = folder.0.join("foreign.db");
    rusqlite::Connection::open(&foreign)
        .and_then(|c| c.execute_batch("CREATE TABLE other (a)"))
        .expect("a database of another program");
    let cut = folder.0.join("cut.db");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("a file");
    let text = folder.0.join("text.db");
    std::fs::write(&text, b"no database at all").expect("a file");
    let mut hurt = bytes.clone();
    // A page in the middle, as a bad disk leaves it.
    for byte in &mut hurt[20 * 4096..21 * 4096] {
        *byte = 0x5a;
    }
    let page = folder.0.join("page.db");
    std::fs::write(&page, &hurt).expect("a file");
    for from in [foreign, cut, text, page, folder.0.join("missing.db")] {
        let got = restore(&from, &folder.file(), true, at(1)).await;
        assert!(got.is_err(), "{}", from.display());
        let still = Sqlite::open_for_tests(&folder.file()).expect("the database");
        Clinic::of(&still).adds_up().await;
    }
    let empty = Folder::new();
    restore(&good, &empty.file(), false, at(1))
        .await
        .expect("into an empty folder");
}
