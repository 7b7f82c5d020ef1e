//! Backups of a database in use, and putting one back.
//!
//! A backup is one moment of the database, in one file that only its owner may read. Nothing that stood
//! where a backup is put back is destroyed, and a database that was put back is marked before it can be
//! used: see [`restored`](super::restored).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::database::{Sqlite, lock};
use super::restored;
use crate::clock::Time;
use crate::sync::ports::{Restored, Store, StoreError};

/// Why a backup was not made or not put back. What stood there stands there still.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file is in the way.
    #[error("{0} exists")]
    Exists(PathBuf),
    /// The file is no whole database of this program.
    #[error("{0} is no whole database of this program")]
    Unsound(PathBuf),
    /// A running gateway has the database.
    #[error("a running gateway has {0}: stop it first")]
    InUse(PathBuf),
    /// A file could not be read, written or moved.
    #[error("{0}")]
    File(PathBuf, #[source] std::io::Error),
    /// SQLite's.
    #[error("{0}")]
    Sqlite(PathBuf, #[source] rusqlite::Error),
    /// The store's, of the restored database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies one moment of a database, in use or not, to a new file.
///
/// # Errors
/// As [`BackupError`]; then there is no new file.
pub fn backup(from: &Path, to: &Path) -> Result<(), BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let beside = named(to, "partial");
    let made = copy(from, &beside).and_then(|()| place(&beside, to));
    if made.is_err() {
        drop(std::fs::remove_file(&beside));
    }
    made
}

/// Puts a backup where a database belongs. With `replace`, what stands there is moved aside, to a name
/// beside it that is returned. Everything in it that had not ended becomes unclear.
///
/// # Errors
/// As [`BackupError`]; then what stood there stands there still.
pub async fn restore(
    from: &Path,
    to: &Path,
    replace: bool,
    now: Time,
) -> Result<(Restored, Option<PathBuf>), BackupError> {
    let held = lock(to).map_err(|_| BackupError::InUse(to.to_owned()))?;
    if to.exists() && !replace {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let beside = named(to, "restoring");
    clear(&beside)?;
    copy(from, &beside)?;
    let marked = {
        let store = Sqlite::open(&beside)?;
        store.mark_restored(now).await?
    };
    // Its lock goes with it; the database's own stays.
    drop(std::fs::remove_file(beside.with_extension("lock")));
    let aside = if to.exists() {
        Some(move_aside(to, now)?)
    } else {
        None
    };
    place(&beside, to)?;
    drop(held);
    Ok((marked, aside))
}

/// A name beside a file.
fn named(file: &Path, what: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{what}"));
    PathBuf::from(name)
}

/// What SQLite keeps beside a database.
fn companions(file: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|end| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

/// Takes away what an earlier attempt left.
fn clear(file: &Path) -> Result<(), BackupError> {
    let [wal, shm] = companions(file);
    for old in [file, &wal, &shm] {
        if old.exists() {
            std::fs::remove_file(old).map_err(|e| BackupError::File(old.to_owned(), e))?;
        }
    }
    Ok(())
}

/// Copies page by page, as of one moment, into a file of its own; looks whether it is whole.
fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let told = |e| BackupError::Sqlite(from.to_owned(), e);
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|e| BackupError::Sqlite(from.to_owned(), e))?;
    source
        .busy_timeout(std::time::Duration::from_secs(30))
        .map_err(told)?;
    // What it holds is for this user alone, from its first byte on.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)
        .map_err(|e| BackupError::File(to.to_owned(), e))?;
    let told = |e| BackupError::Sqlite(to.to_owned(), e);
    let mut target = Connection::open(to).map_err(told)?;
    Backup::new(&source, &mut target)
        .and_then(|b| b.step(-1))
        .map_err(told)?;
    // One file, without a log beside it.
    target
        .pragma_update(None, "journal_mode", "DELETE")
        .map_err(told)?;
    if !restored::sound(&target).unwrap_or(false) {
        return Err(BackupError::Unsound(from.to_owned()));
    }
    target.close().map_err(|(_, e)| told(e))?;
    file.sync_all()
        .map_err(|e| BackupError::File(to.to_owned(), e))
}

/// Renames a finished file to where it belongs; lasting when this returns.
fn place(from: &Path, to: &Path) -> Result<(), BackupError> {
    let moved = || {
        File::open(from)?.sync_all()?;
        std::fs::rename(from, to)?;
        let folder = to.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    moved().map_err(|e| BackupError::File(to.to_owned(), e))
}

/// Moves a database and what lies beside it out of the way; its new name.
fn move_aside(file: &Path, now: Time) -> Result<PathBuf, BackupError> {
    let aside = named(file, &format!("before-restore-{}", now.micros()));
    if aside.exists() {
        return Err(BackupError::Exists(aside));
    }
    for (old, new) in companions(file).into_iter().zip(companions(&aside)) {
        if old.exists() {
            std::fs::rename(&old, &new).map_err(|e| BackupError::File(old.clone(), e))?;
        }
    }
    std::fs::rename(file, &aside).map_err(|e| BackupError::File(file.to_owned(), e))?;
    Ok(aside)
}
