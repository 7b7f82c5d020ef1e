//! The database as it is held: its file, its lock, its one writer, its readers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Notify;

use super::keeping::Rounds;
use super::readers::Readers;
use super::space::Space;
use super::{schema, writer};
use crate::sync::ports::StoreError;

/// The store.
pub struct Sqlite {
    // Closed before the writer, who then is the last and leaves one file behind.
    pub(super) readers: Arc<Readers>,
    pub(super) writer: writer::Writer,
    pub(super) space: Space,
    pub(super) changed: Arc<Notify>,
    pub(super) rounds: Rounds,
    /// Held as long as the store is open.
    _lock: File,
}

impl Sqlite {
    /// Opens (or makes) a database and brings it to the newest schema.
    ///
    /// # Errors
    /// The file cannot be opened, another process has it, or a migration fails.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_by(path, writer::open)
    }

    /// As [`Sqlite::open`], but nothing waits for the disk.
    #[cfg(test)]
    pub(super) fn open_for_tests(path: &Path) -> Result<Self, StoreError> {
        Self::open_by(path, |path| {
            let connection = writer::open(path)?;
            connection.pragma_update(None, "synchronous", "OFF")?;
            Ok(connection)
        })
    }

    fn open_by(
        path: &Path,
        open: impl FnOnce(&Path) -> rusqlite::Result<Connection>,
    ) -> Result<Self, StoreError> {
        const OPERATION: &str = "open";
        let lock = lock(path)?;
        let mut connection = open(path).map_err(|e| failed(OPERATION, e))?;
        schema::migrate(&mut connection).map_err(|e| failed(OPERATION, e))?;
        let changed = Arc::new(Notify::new());
        Ok(Sqlite {
            writer: writer::Writer::start(connection, changed.clone())
                .map_err(|e| failed(OPERATION, e))?,
            readers: Arc::new(Readers::of(path)),
            space: Space::of(path),
            changed,
            rounds: Rounds::default(),
            _lock: lock,
        })
    }

    /// Several queries that see one moment.
    pub(super) fn read_at_once<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.readers
            .read_at_once(work)
            .map_err(|e| failed(operation, e))
    }

    /// Whether there is room for what comes in.
    pub(super) fn takes_in(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.space.is_short() {
            return Err(StoreError::Full(operation));
        }
        Ok(())
    }

    pub(super) fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.readers.read(work).map_err(|e| failed(operation, e))
    }
}

pub(super) fn failed(
    operation: &'static str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Failed {
        operation,
        cause: cause.into(),
    }
}

/// Takes the lock beside the database; the system gives it up when the process ends, however it ends.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let beside: PathBuf = path.with_extension("lock");
    let file = File::create(beside).map_err(|e| failed("open", e))?;
    file.try_lock()
        .map_err(|_| failed("open", "another process has this database open"))?;
    Ok(file)
}
