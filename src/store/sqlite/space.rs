//! Room on the disk. What comes in is refused before the disk is full, so that what was accepted can
//! still be delivered and settled.

use std::path::Path;

use rusqlite::{Connection, Error, ffi};

use super::rows;

/// Bytes that are kept for delivering: below that nothing is taken in.
pub(super) const KEPT: u64 = 16 << 20;

/// Pages of a database that nobody limited.
const UNLIMITED: u64 = 0xffff_fffe;

/// Tells how many bytes are free; `None`: it cannot be told.
type Free = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// The room of a database.
pub(super) struct Space(Free);

impl Space {
    /// Of the disk that this file is on.
    pub(super) fn of(file: &Path) -> Self {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => Path::new(".").to_owned(),
        };
        Space(Box::new(move || {
            let disk = rustix::fs::statvfs(&folder).ok()?;
            Some(disk.f_bavail.saturating_mul(disk.f_frsize))
        }))
    }

    /// As a test says.
    #[cfg(test)]
    pub(super) fn told(free: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Space(Box::new(move || Some(free())))
    }

    /// Whether there is too little to take anything in.
    pub(super) fn is_short(&self) -> bool {
        (self.0)().is_some_and(|free| free < KEPT)
    }
}

/// Whether the database itself may grow by as much, where it has a limit.
///
/// # Errors
/// It may not.
pub(super) fn within_limit(connection: &Connection) -> rusqlite::Result<()> {
    let number = |what: &str| -> rusqlite::Result<u64> {
        connection
            .prepare_cached(&format!("PRAGMA {what}"))?
            .query_row([], |r| rows::number(r, 0))
    };
    let most = number("max_page_count")?;
    if most >= UNLIMITED {
        return Ok(());
    }
    let pages = (most + number("freelist_count")?).saturating_sub(number("page_count")?);
    if pages.saturating_mul(number("page_size")?) < KEPT {
        return Err(Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_FULL),
            None,
        ));
    }
    Ok(())
}
