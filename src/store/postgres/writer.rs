//! The one writer of a node: a task with a connection of its own that joins calls into transactions.
//!
//! As in SQLite's writer each call's outcome is its own, and nobody hears of success before the commit.
//! Otherwise than there a call has no savepoint (so many subtransactions are more than the server keeps
//! at hand): if one fails, the group is undone and goes again without it, and it goes again alone. What
//! was in the way of others (a deadlock, a lock that took too long) goes again as it is.
//!
//! The statements of a group are sent without waiting for each other's answers: a group is two round
//! trips, its calls and its commit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::poll_fn;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::connection::{Connection, Way};
use super::failure::Failure;
use super::locks::Wish;
use super::report::REPORT;
use crate::fault::{self, Mutant, Point};
use crate::sync::ports::StoreError;

/// Calls in one commit, at most: beyond that the rate does not rise and the latency grows.
const GROUP_MAX: usize = 128;
/// Bytes of parameters in one commit, at most (a single call may have more).
const GROUP_BYTES: usize = 16 << 20;
/// How often a group goes again when others were in the way.
const AGAIN_MAX: u32 = 8;

/// A parameter that a call keeps, so that it can go again.
pub(super) type Param = Box<dyn ToSql + Sync + Send>;

/// A call: one statement, and what it wants to have for itself.
pub(super) struct Work {
    pub(super) sql: &'static str,
    pub(super) params: Vec<Param>,
    pub(super) wish: Wish,
    /// About how many bytes its parameters are.
    pub(super) bytes: usize,
    /// Whether it may go again when it is not known whether it was committed: the second time finds
    /// that out, or changes nothing.
    pub(super) repeats: bool,
    /// Whether it may make work for somebody.
    pub(super) rings: bool,
}

impl Work {
    pub(super) fn new(sql: &'static str, wish: Wish, params: Vec<Param>) -> Self {
        Work {
            sql,
            params,
            wish,
            bytes: 0,
            repeats: true,
            rings: true,
        }
    }

    pub(super) fn once(self) -> Self {
        Work {
            repeats: false,
            ..self
        }
    }

    pub(super) fn quiet(self) -> Self {
        Work {
            rings: false,
            ..self
        }
    }

    pub(super) fn weighing(self, bytes: usize) -> Self {
        Work { bytes, ..self }
    }
}

/// A call with whoever waits for it.
struct Call {
    work: Work,
    tell: oneshot::Sender<Result<Vec<Row>, Failure>>,
}

impl Call {
    fn end(self, result: Result<Vec<Row>, Failure>) {
        // Who no longer waits need not hear.
        drop(self.tell.send(result));
    }
}

/// The queue to the writer's task, which ends when this does.
pub(super) struct Writer {
    calls: mpsc::Sender<Call>,
    _task: JoinHandle<()>,
}

impl Writer {
    /// Starts the task. `changed` rings after each commit that may have made work, and `moved` too.
    pub(super) fn start(way: Arc<Way>, changed: Arc<Notify>, moved: Arc<Notify>) -> Self {
        let (calls, queue) = mpsc::channel(way.settings.queue_max);
        let group = Groups {
            way,
            connection: None,
            changed,
            moved,
        };
        Writer {
            calls,
            _task: tokio::spawn(group.write(queue)),
        }
    }

    /// Runs a call in a commit and waits for it; its rows.
    ///
    /// # Errors
    /// As [`StoreError`]; nothing of the call is stored, unless the connection broke in the commit.
    pub(super) async fn call(
        &self,
        operation: &'static str,
        work: Work,
    ) -> Result<Vec<Row>, StoreError> {
        let (tell, told) = oneshot::channel();
        match self.calls.try_send(Call { work, tell }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(StoreError::Full(operation)),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(gone().error(operation)),
        }
        told.await
            .unwrap_or_else(|_| Err(gone()))
            .map_err(|e| e.error(operation))
    }
}

fn gone() -> Failure {
    Failure::gone("the writer is gone")
}

/// What became of a group.
enum Outcome {
    /// Committed: the rows of each.
    Committed(Vec<Vec<Row>>),
    /// Undone because of this one.
    Wrong(usize, Failure),
    /// Undone, or never begun, because of something that concerns them all.
    All(Failure),
}

struct Groups {
    way: Arc<Way>,
    connection: Option<Connection>,
    changed: Arc<Notify>,
    moved: Arc<Notify>,
}

impl Groups {
    async fn write(mut self, mut queue: mpsc::Receiver<Call>) {
        while let Some(first) = queue.recv().await {
            let mut bytes = first.work.bytes;
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && bytes < GROUP_BYTES
                && let Ok(next) = queue.try_recv()
            {
                bytes += next.work.bytes;
                group.push(next);
            }
            self.commit(group).await;
        }
    }

    /// Brings each call of a group to its end.
    async fn commit(&mut self, group: Vec<Call>) {
        let mut left = vec![group];
        let (mut again, mut broke) = (0, false);
        while let Some(mut group) = left.pop() {
            match self.attempt(&group).await {
                Outcome::Committed(rows) => {
                    if group.iter().any(|c| c.work.rings) {
                        self.changed.notify_one();
                        self.moved.notify_one();
                    }
                    for (call, rows) in group.into_iter().zip(rows) {
                        call.end(Ok(rows));
                    }
                    if fault::mutant(Mutant::AckBeforeCommit)
                        && let Some(connection) = &self.connection
                    {
                        drop(commit(connection).await);
                    }
                }
                Outcome::All(Failure::Again(_)) | Outcome::Wrong(_, Failure::Again(_))
                    if again < AGAIN_MAX =>
                {
                    again += 1;
                    let pause = Duration::from_millis(fastrand::u64(1..=5) << again);
                    tokio::time::sleep(pause).await;
                    left.push(group);
                }
                Outcome::Wrong(place, failure) if group.len() > 1 => {
                    tracing::debug!(?failure, "a call is taken out of its group");
                    let alone = group.remove(place);
                    left.push(vec![alone]);
                    left.push(group);
                }
                Outcome::Wrong(_, failure) => {
                    group.into_iter().for_each(|c| c.end(Err(failure.clone())));
                }
                Outcome::All(failure) => {
                    // Once only: a database that is away keeps nobody waiting for long.
                    let once_more = matches!(failure, Failure::Gone(_)) && !broke;
                    broke = true;
                    let (stay, go): (Vec<Call>, Vec<Call>) =
                        group.into_iter().partition(|c| once_more && c.work.repeats);
                    go.into_iter().for_each(|c| c.end(Err(failure.clone())));
                    if !stay.is_empty() {
                        left.push(stay);
                    }
                }
            }
        }
    }

    /// Tries a group in one transaction.
    async fn attempt(&mut self, group: &[Call]) -> Outcome {
        let mut connection = match self.connection.take().filter(|c| !c.is_gone()) {
            Some(connection) => connection,
            None => match Connection::open(&self.way, None).await {
                Ok(connection) => connection,
                Err(failure) => return Outcome::All(failure),
            },
        };
        // The server ends what takes too long; one that is not there any more cannot.
        let most = self.way.settings.statement_timeout * 4;
        let outcome = tokio::time::timeout(most, transaction(&mut connection, group))
            .await
            .unwrap_or_else(|_| Outcome::All(Failure::gone("the database did not answer in time")));
        let broken = matches!(
            &outcome,
            Outcome::All(Failure::Gone(_)) | Outcome::Wrong(_, Failure::Gone(_))
        );
        if !broken {
            self.connection = Some(connection);
        }
        match outcome {
            Outcome::Wrong(_, failure @ Failure::Gone(_)) => Outcome::All(failure),
            outcome => outcome,
        }
    }
}

async fn transaction(connection: &mut Connection, group: &[Call]) -> Outcome {
    const LOCK: &str = "SELECT lock_all($1::text::jsonb)";
    let mut wish = Wish::default();
    for call in group {
        wish.join(&call.work.wish);
    }
    let mut statements: Vec<Statement> = Vec::with_capacity(group.len());
    for (place, call) in group.iter().enumerate() {
        match connection.prepare(call.work.sql).await {
            Ok(statement) => statements.push(statement),
            Err(error) => return Outcome::Wrong(place, error.into()),
        }
    }
    let lock = match connection.prepare(LOCK).await {
        Ok(statement) => statement,
        Err(error) => return Outcome::All(error.into()),
    };
    let wishes = serde_json::to_string(&wish).unwrap_or_default();
    let client = connection.client();

    // In this order, each sent before the one before it has been answered.
    let mut begun = Box::pin(client.batch_execute("BEGIN"));
    let early = start(begun.as_mut()).await;
    let lock_params: [&(dyn ToSql + Sync); 1] = [&wishes];
    let mut locked = Box::pin(async {
        if wish.is_empty() {
            return Ok(Vec::new());
        }
        client.query(&lock, &lock_params).await
    });
    let mut lock_early = start(locked.as_mut()).await;
    let params: Vec<Vec<&(dyn ToSql + Sync)>> = group
        .iter()
        .map(|call| {
            let each = call.work.params.iter();
            each.map(|p| -> &(dyn ToSql + Sync) { p.as_ref() })
                .collect()
        })
        .collect();
    let mut running = Vec::with_capacity(group.len());
    for (statement, params) in statements.iter().zip(&params) {
        let mut call = Box::pin(client.query(statement, params));
        let early = start(call.as_mut()).await;
        running.push((call, early));
    }

    let begun = match early {
        Some(result) => result,
        None => begun.await,
    };
    let locked = match lock_early.take() {
        Some(result) => result,
        None => locked.await,
    };
    let mut rows = Vec::with_capacity(group.len());
    let mut wrong = None;
    for (place, (call, early)) in running.into_iter().enumerate() {
        let result = match early {
            Some(result) => result,
            None => call.await,
        };
        match result {
            Ok(found) => rows.push(found),
            Err(error) if wrong.is_none() && !Failure::is_echo(&error) => {
                wrong = Some((place, Failure::from(error)));
            }
            Err(_) => {}
        }
    }
    let all = begun.map(drop).and(locked.map(drop)).err();
    if all.is_none() && wrong.is_none() && rows.len() == group.len() {
        if group.iter().any(|c| c.work.sql == REPORT) {
            fault::here(Point::BeforeReport);
        }
        let committed = match fault::mutant(Mutant::AckBeforeCommit) {
            true => Ok(()), // its calls are told first
            false => commit(connection).await,
        };
        return match committed {
            Ok(()) => Outcome::Committed(rows),
            Err(failure) => Outcome::All(failure),
        };
    }
    let undone = connection.run("ROLLBACK").await;
    match (all, wrong, undone) {
        (_, _, Err(failure)) => Outcome::All(failure),
        (Some(error), _, _) => Outcome::All(error.into()),
        (None, Some((place, failure)), _) => Outcome::Wrong(place, failure),
        (None, None, _) => Outcome::All(Failure::other("the transaction was given up")),
    }
}

/// Commits what was done.
async fn commit(connection: &Connection) -> Result<(), Failure> {
    if fault::here(Point::BeforeCommit) {
        connection.run("ROLLBACK").await?;
        return Err(Failure::other("planted"));
    }
    connection.run("COMMIT").await?;
    fault::here(Point::AfterCommit);
    Ok(())
}

/// Has a query sent, without waiting for its answer; what it came to if it ended at once.
async fn start<T>(mut query: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    poll_fn(|cx| {
        Poll::Ready(match query.as_mut().poll(cx) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        })
    })
    .await
}
