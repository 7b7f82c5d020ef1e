//! The one writer: a thread that owns the writing connection and commits in groups.
//!
//! One that fails takes nobody with it: a group is tried as a whole; where a call in it fails, all of it is
//! taken back and each call runs again, in a savepoint of its own. Nobody hears of success before the
//! commit that holds it. A panic in a call, a full disk, a failed commit: the thread lives on, and those
//! concerned are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Notify, oneshot};

use super::checkpoint::Checkpoints;
use super::database::failed;
use super::gather::Gather;
use crate::clock::System;
use crate::fault::{self, Mutant, Point};
use crate::sync::ports::StoreError;

/// Calls in one commit, at most: beyond that the rate does not rise and the latency grows.
const GROUP_MAX: usize = 128;
/// Calls that may queue up; the next is told that the store is overloaded.
const QUEUE_MAX: usize = 4096;

/// A call that waits for its commit. Its work may be done more than once; only what it did last counts.
trait Call: Send {
    /// Does its work; why it could not, if it could not.
    fn run(&mut self, connection: &Connection) -> Option<Failure>;

    /// Tells the caller how it ended: as its work did, unless that was lost for this reason.
    fn tell(self: Box<Self>, lost: Option<&Failure>);
}

/// The call of one caller.
struct Asked<T, W> {
    operation: &'static str,
    work: W,
    result: Option<Result<T, Failure>>,
    teller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Call for Asked<T, W>
where
    T: Send,
    W: Fn(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> Option<Failure> {
        let result = match catch_unwind(AssertUnwindSafe(|| (self.work)(connection))) {
            Ok(result) => result.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure::Other("a call panicked".into())),
        };
        let failure = result.as_ref().err().cloned();
        self.result = Some(result);
        failure
    }

    fn tell(self: Box<Self>, lost: Option<&Failure>) {
        let outcome = match (self.result, lost) {
            (Some(Err(own)), _) => Err(own.error(self.operation)),
            (_, Some(lost)) => Err(lost.error(self.operation)),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(gone(self.operation)),
        };
        // Who no longer waits need not hear.
        drop(self.teller.send(outcome));
    }
}

/// Why a call did not happen.
#[derive(Clone, Debug)]
enum Failure {
    Full,
    Other(Arc<str>),
}

impl Failure {
    fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Failure::Full,
            // What SQLite says names tables and columns, never values that we bind.
            _ => Failure::Other(error.to_string().into()),
        }
    }

    fn error(&self, operation: &'static str) -> StoreError {
        match self {
            Failure::Full => StoreError::Full(operation),
            Failure::Other(text) => StoreError::Failed {
                operation,
                cause: text.as_ref().into(),
            },
        }
    }
}

/// The writer's thread.
pub struct Writer {
    calls: Option<SyncSender<Box<dyn Call>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection. `changed` rings after each commit that changed something.
    ///
    /// # Errors
    /// SQLite's, or no thread can be started.
    pub fn start(mut connection: Connection, changed: Arc<Notify>) -> Result<Self, StoreError> {
        let checkpoints = Checkpoints::of(&mut connection).map_err(|e| failed("open", e))?;
        let (calls, queue) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write(&connection, &queue, &changed, checkpoints))
            .map_err(|e| failed("open", e))?;
        Ok(Writer {
            calls: Some(calls),
            thread: Some(thread),
        })
    }

    /// Runs a call in a commit and waits for it.
    ///
    /// # Errors
    /// As [`StoreError`]; nothing of the call is stored.
    pub async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (teller, told) = oneshot::channel();
        let call = Box::new(Asked {
            operation,
            work,
            result: None,
            teller,
        });
        let calls = self.calls.as_ref().ok_or(StoreError::Full(operation))?;
        match calls.try_send(call) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Full(operation)),
            Err(TrySendError::Disconnected(_)) => return Err(gone(operation)),
        }
        told.await.map_err(|_| gone(operation))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn gone(operation: &'static str) -> StoreError {
    StoreError::Failed {
        operation,
        cause: "the writer is gone".into(),
    }
}

/// The connection outlives the checkpoints: the last one that is closed leaves one file behind.
fn write(
    connection: &Connection,
    queue: &Receiver<Box<dyn Call>>,
    changed: &Notify,
    mut checkpoints: Checkpoints,
) {
    let mut gather = Gather::new(Arc::new(System::default()));
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        let next = || queue.try_recv().ok();
        gather.fill(&mut group, GROUP_MAX, next, std::thread::sleep);
        let before = connection.total_changes();
        commit(connection, group);
        gather.through();
        if connection.total_changes() != before {
            changed.notify_one();
        }
        checkpoints.committed(connection);
    }
}

/// One group, one commit.
fn commit(connection: &Connection, mut group: Vec<Box<dyn Call>>) {
    if let Err(error) = run(connection, "BEGIN IMMEDIATE") {
        return tell_all(group, Some(&Failure::of(&error)));
    }
    let whole = group
        .iter_mut()
        .all(|call| call.run(connection).is_none() && !connection.is_autocommit());
    if !whole {
        give_up(connection);
        return one_by_one(connection, group);
    }
    end(connection, group);
}

fn tell_all(group: Vec<Box<dyn Call>>, lost: Option<&Failure>) {
    group.into_iter().for_each(|call| call.tell(lost));
}

/// A group in which somebody fails: who does fails alone, as long as SQLite keeps the transaction.
fn one_by_one(connection: &Connection, group: Vec<Box<dyn Call>>) {
    let mut done: Vec<Box<dyn Call>> = Vec::with_capacity(group.len());
    for mut call in group {
        if connection.is_autocommit()
            && let Err(error) = run(connection, "BEGIN IMMEDIATE")
        {
            call.tell(Some(&Failure::of(&error)));
            continue;
        }
        let lost = savepoint(connection, call.as_mut());
        done.push(call);
        if lost.is_some() {
            // All that was in the transaction is gone; nobody was told yes yet.
            tell_all(std::mem::take(&mut done), lost.as_ref());
        }
    }
    end(connection, done);
}

/// Commits what was done, and tells.
fn end(connection: &Connection, mut done: Vec<Box<dyn Call>>) {
    let mut lost = None;
    if fault::mutant(Mutant::AckBeforeCommit) {
        tell_all(std::mem::take(&mut done), None);
    }
    if fault::here(Point::BeforeCommit) {
        lost = Some(Failure::Other("planted".into()));
        give_up(connection);
    }
    if !connection.is_autocommit()
        && let Err(error) = run(connection, "COMMIT")
    {
        lost = Some(Failure::of(&error));
        give_up(connection);
    }
    fault::here(Point::AfterCommit);
    fault::within(Point::InCheckpoint, || {
        drop(connection.execute_batch("PRAGMA wal_checkpoint"));
    });
    tell_all(done, lost.as_ref());
}

/// One call in a savepoint of its own; why the whole transaction was lost by it, if it was.
fn savepoint(connection: &Connection, call: &mut dyn Call) -> Option<Failure> {
    if let Err(error) = run(connection, "SAVEPOINT one") {
        give_up(connection);
        return Some(Failure::of(&error));
    }
    let failure = call.run(connection);
    if connection.is_autocommit() {
        // SQLite gave the transaction up (a full disk, an I/O error).
        return Some(failure.unwrap_or(Failure::Full));
    }
    let undone = match failure {
        Some(_) => run(connection, "ROLLBACK TO one"),
        None => Ok(()),
    };
    if let Err(error) = undone.and_then(|()| run(connection, "RELEASE one")) {
        give_up(connection);
        return Some(Failure::of(&error));
    }
    None
}

/// Runs a statement that gives no rows and is used again and again.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// Gives the transaction up, if there is one left.
fn give_up(connection: &Connection) {
    if !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
}

/// Opens the writing connection: WAL, FULL, and nobody else may write.
///
/// # Errors
/// The file cannot be opened, or another process has it.
pub fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    tune(&mut connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    if let Some(most) = fault::pages_max() {
        connection.pragma_update(None, "max_page_count", most)?;
    }
    Ok(connection)
}

/// What every connection has, reading or writing.
///
/// # Errors
/// SQLite's.
pub fn tune(connection: &mut Connection) -> rusqlite::Result<()> {
    #[cfg(test)]
    super::tests::plans::watch(connection)?;
    connection.set_prepared_statement_cache_capacity(256);
    // Else a parameter that is compared with a column of a partial index's condition (`kind = ?`) makes
    // SQLite prepare the statement anew at each execution.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))
}
