//! SQLite against the suite, and what only an embedded database has to answer for: crashes, full disks,
//! its one writer, its plans.

mod audit;
mod backups;
mod checkpoints;
mod faults;
mod histories;
mod kills;
mod leases;
mod migrations;
pub(super) mod plans;

mod conforms {
    crate::store::suite::conformance!(crate::store::sqlite::tests::always);
    crate::store::suite::conformance!(anew crate::store::sqlite::tests::always);
}

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Sqlite;

/// A folder that is gone with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fhir-gateway-store-{}-{n}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        Folder(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("gateway.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// An empty database in a folder of its own.
fn fresh() -> (Sqlite, Folder) {
    let folder = Folder::new();
    let store = Sqlite::open_for_tests(&folder.file()).expect("a database");
    (store, folder)
}

/// The same for the suite: this engine is always there.
fn always() -> Option<(Sqlite, Folder)> {
    Some(fresh())
}
