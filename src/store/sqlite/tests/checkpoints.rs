//! The log: begun anew while it is written to, whoever reads; whole when the process ends.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::Folder;
use crate::clock::{Clock, System};
use crate::store::sqlite::checkpoint::Checkpoints;
use crate::store::sqlite::writer;

/// Pages of a row.
const PAGES: u32 = 50;
/// What a page takes in the log.
const FRAME: u64 = 4096 + 24;

/// A database whose log is watched, without waiting for the disk.
fn database(path: &Path) -> (Connection, Checkpoints) {
    let mut connection = writer::open(path).expect("a database");
    connection
        .pragma_update(None, "synchronous", "OFF")
        .expect("a pragma");
    connection
        .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        .expect("a table");
    let checkpoints = Checkpoints::of(&mut connection).expect("watched");
    (connection, checkpoints)
}

/// Writes the same ten rows again and again.
fn write(connection: &Connection, checkpoints: &mut Checkpoints, n: u32) {
    connection
        .execute(
            "INSERT OR REPLACE INTO t VALUES (?1, zeroblob(?2))",
            (n % 10, PAGES * 4096),
        )
        .expect("written");
    checkpoints.committed(connection);
}

fn log_pages(path: &Path) -> u64 {
    let log = std::fs::metadata(path.with_extension("db-wal"));
    log.map_or(0, |log| log.len() / FRAME)
}

#[test]
fn a_log_that_is_always_written_to_does_not_grow_on() {
    let folder = Folder::new();
    let (connection, mut checkpoints) = database(&folder.file());
    for n in 0..1000 {
        write(&connection, &mut checkpoints, n);
    }
    let pages = log_pages(&folder.file());
    assert!(
        pages < 17_000,
        "{pages} pages, of {} that were written",
        1000 * PAGES
    );
    drop(checkpoints);
    drop(connection);
    assert_eq!(log_pages(&folder.file()), 0, "one file is left behind");
    let again = Connection::open(folder.file()).expect("opened");
    let rows: i64 = again
        .query_row("SELECT count(*) FROM t", [], |r| r.get(0))
        .expect("counted");
    assert_eq!(rows, 10);
}

#[test]
fn a_log_is_begun_anew_once_nobody_reads_an_old_moment() {
    let folder = Folder::new();
    let (connection, mut checkpoints) = database(&folder.file());
    write(&connection, &mut checkpoints, 0);
    let reader = Connection::open(folder.file()).expect("opened");
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM t")
        .expect("a moment");
    for n in 0..100 {
        write(&connection, &mut checkpoints, n);
    }
    let kept = log_pages(&folder.file());
    assert!(kept > 5000, "{kept}: what somebody may read stays");
    reader.execute_batch("COMMIT").expect("ended");
    let clock = System::default();
    let begun = clock.monotonic();
    while checkpoints.pages() >= 2000 {
        assert!(
            clock.monotonic() - begun < Duration::from_secs(30),
            "{} pages",
            checkpoints.pages()
        );
        write(&connection, &mut checkpoints, 0);
    }
}
