//! The one writer: a thread that owns the writing connection and commits in groups.
//!
//! Each call runs in a savepoint of its own, so that one that fails takes nobody with it; nobody hears
//! of success before the commit that holds it. A panic in a call, a full disk, a failed commit: the
//! thread lives on, and those concerned are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Notify, oneshot};

use crate::fault::{self, Mutant, Point};
use crate::sync::ports::StoreError;

/// Calls in one commit, at most: beyond that the rate does not rise and the latency grows.
const GROUP_MAX: usize = 128;
/// Calls that may queue up; the next is told that the store is overloaded.
const QUEUE_MAX: usize = 4096;

/// Tells a caller how it ended, once that is known.
type Finish = Box<dyn FnOnce(Option<&Failure>) + Send>;
/// A call: does its work on the connection, or is told why there is none; why it did not do its work, if
/// it did not, and how to tell.
type Call = Box<dyn FnOnce(Result<&Connection, &Failure>) -> (Option<Failure>, Finish) + Send>;

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
    calls: Option<SyncSender<Call>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection. `changed` rings after each commit that changed something.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(connection: Connection, changed: Arc<Notify>) -> std::io::Result<Self> {
        let (calls, queue) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write(&connection, &queue, &changed))?;
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
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            let result = match connection {
                Err(failure) => Err(failure.clone()),
                Ok(connection) => match catch_unwind(AssertUnwindSafe(|| work(connection))) {
                    Ok(Ok(value)) => Ok(value),
                    Ok(Err(error)) => Err(Failure::of(&error)),
                    Err(_) => Err(Failure::Other("a call panicked".into())),
                },
            };
            let failure = result.as_ref().err().cloned();
            let finish: Finish = Box::new(move |failure: Option<&Failure>| {
                let outcome = match (result, failure) {
                    (Ok(value), None) => Ok(value),
                    (Ok(_), Some(failure)) => Err(failure.error(operation)),
                    (Err(own), _) => Err(own.error(operation)),
                };
                // Who no longer waits need not hear.
                drop(tell.send(outcome));
            });
            (failure, finish)
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

fn write(connection: &Connection, queue: &Receiver<Call>, changed: &Notify) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        let before = connection.total_changes();
        commit(connection, group);
        if connection.total_changes() != before {
            changed.notify_one();
        }
    }
}

/// One group, one commit. Whoever fails in it fails alone, as long as SQLite keeps the transaction.
fn commit(connection: &Connection, group: Vec<Call>) {
    let mut finishes: Vec<Finish> = Vec::with_capacity(group.len());
    for call in group {
        if connection.is_autocommit()
            && let Err(error) = run(connection, "BEGIN IMMEDIATE")
        {
            let failure = Failure::of(&error);
            call(Err(&failure)).1(Some(&failure));
            continue;
        }
        let (finish, lost) = savepoint(connection, call);
        finishes.push(finish);
        if let Some(failure) = lost {
            // All that was in the transaction is gone; nobody was told yes yet.
            finishes.drain(..).for_each(|f| f(Some(&failure)));
        }
    }
    let mut failure = None;
    if fault::mutant(Mutant::AckBeforeCommit) {
        finishes.drain(..).for_each(|f| f(None));
    }
    if fault::here(Point::BeforeCommit) {
        failure = Some(Failure::Other("planted".into()));
        give_up(connection);
    }
    if !connection.is_autocommit()
        && let Err(error) = run(connection, "COMMIT")
    {
        failure = Some(Failure::of(&error));
        give_up(connection);
    }
    fault::here(Point::AfterCommit);
    fault::within(Point::InCheckpoint, || {
        drop(connection.execute_batch("PRAGMA wal_checkpoint"));
    });
    finishes.into_iter().for_each(|f| f(failure.as_ref()));
}

/// One call in a savepoint of its own; why the whole transaction was lost by it, if it was.
fn savepoint(connection: &Connection, call: Call) -> (Finish, Option<Failure>) {
    if let Err(error) = run(connection, "SAVEPOINT one") {
        let failure = Failure::of(&error);
        give_up(connection);
        return (call(Err(&failure)).1, Some(failure));
    }
    let (failure, finish) = call(Ok(connection));
    if connection.is_autocommit() {
        // SQLite gave the transaction up (a full disk, an I/O error).
        return (finish, Some(failure.unwrap_or(Failure::Full)));
    }
    let undone = match failure {
        Some(_) => run(connection, "ROLLBACK TO one"),
        None => Ok(()),
    };
    if let Err(error) = undone.and_then(|()| run(connection, "RELEASE one")) {
        give_up(connection);
        return (finish, Some(Failure::of(&error)));
    }
    (finish, None)
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
    connection.pragma_update(None, "cache_size", -32_000)?;
    connection.pragma_update(None, "wal_autocheckpoint", 2000)?;
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
