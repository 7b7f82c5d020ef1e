//! Reading beside the writer (WAL): what was committed, without waiting for anybody.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::writer::tune;

/// Read-only connections, made when needed, kept for the next. A read by key takes microseconds: it
/// runs where it is asked for.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Of this database.
    pub(super) fn of(path: &Path) -> Self {
        Readers {
            path: path.to_owned(),
            idle: Mutex::default(),
        }
    }

    /// Runs a query on one of them.
    ///
    /// # Errors
    /// The query's, or the file cannot be opened.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let connection = match taken {
            Some(connection) => connection,
            None => self.open()?,
        };
        let result = work(&connection);
        if connection.is_autocommit() {
            idle().push(connection);
        }
        result
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        tune(&mut connection)?;
        Ok(connection)
    }

    /// Runs several queries that see one moment.
    ///
    /// # Errors
    /// As [`Readers::read`].
    pub(super) fn read_at_once<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.read(|c| {
            c.prepare_cached("BEGIN")?.execute([])?;
            let found = work(c);
            // Whatever was found, nothing was written.
            c.prepare_cached("COMMIT")?.execute([])?;
            found
        })
    }
}
