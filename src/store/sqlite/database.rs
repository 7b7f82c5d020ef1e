//! The database as it is held: its file, its lock, its one writer, its readers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Notify;

use super::keeping::Rounds;
use super::readers::Readers;
use super::space::Space;
use super::{schema, writer};
use crate::clock::{Clock, Time};
use crate::sync::ports::StoreError;

/// The store.
pub struct Sqlite {
    // Closed before the writer, who then is the last and leaves one file behind.
    pub(super) readers: Arc<Readers>,
    pub(super) writer: writer::Writer,
    pub(super) space: Space,
    pub(super) changed: Arc<Notify>,
    pub(super) rounds: Rounds,
    /// The clock that leases go by; `None`: by the time that callers tell, in tests.
    leases: Option<Steady>,
    /// Held as long as the store is open.
    _lock: File,
}

/// The wall clock's time at the start of the process, and what has passed since: there is one process, so
/// all leases that are held are counted by it. Those of an earlier process are compared with its start.
struct Steady {
    clock: Arc<dyn Clock>,
    /// How long leases are.
    lease: Duration,
    start: Time,
    begun: Duration,
}

impl Steady {
    fn from_now(clock: Arc<dyn Clock>, lease: Duration) -> Self {
        let (start, begun) = (clock.now(), clock.monotonic());
        Steady {
            clock,
            lease,
            start,
            begun,
        }
    }

    fn now(&self) -> Time {
        let passed = self.clock.monotonic().saturating_sub(self.begun);
        self.start.plus(passed)
    }
}

impl Sqlite {
    /// Opens (or makes) a database and brings it to the newest schema.
    ///
    /// # Errors
    /// The file cannot be opened, another process has it, or a migration fails.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_by(path, writer::open)
    }

    /// Leases go by this clock from now on: by its steps forward, which are those of time, and not by the
    /// wall clock's, which somebody may set while a job is with its partner. They are as long as `lease`:
    /// one that ends later is of an earlier process, whose clock was ahead, and ends as if it began now.
    #[must_use]
    pub fn leases_by(mut self, clock: Arc<dyn Clock>, lease: Duration) -> Self {
        self.leases = Some(Steady::from_now(clock, lease));
        self
    }

    /// The latest that a lease can end which somebody has; `None`: leases go by the caller's time.
    pub(super) fn lease_latest(&self) -> Option<Time> {
        let steady = self.leases.as_ref()?;
        Some(steady.now().plus(steady.lease))
    }

    /// The time that leases go by. What has none of its own goes by the caller's.
    pub(super) fn lease_now(&self, now: Time) -> Time {
        self.leases.as_ref().map_or(now, Steady::now)
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
            writer: writer::Writer::start(connection, changed.clone())?,
            readers: Arc::new(Readers::of(path)),
            space: Space::of(path),
            changed,
            rounds: Rounds::default(),
            leases: None,
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

/// How often the lock is tried, and how long after the last time.
const LOCK_TRIES: u32 = 20;
const LOCK_EVERY: Duration = Duration::from_millis(25);

/// Takes the lock beside the database; the system gives it up when the process ends, however it ends. It is
/// tried for half a second: whoever gave it up just now may have started another program at that moment,
/// which has all that was open until it is that program.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let beside: PathBuf = path.with_extension("lock");
    let file = File::create(beside).map_err(|e| failed("open", e))?;
    for _ in 0..LOCK_TRIES {
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        std::thread::sleep(LOCK_EVERY);
    }
    Err(failed("open", "another process has this database open"))
}
