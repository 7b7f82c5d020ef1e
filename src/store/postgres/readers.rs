//! Reading beside the writer: what was committed, by connections of its own, made when needed and kept
//! for the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connection::{Connection, Way};
use super::failure::Failure;
use crate::sync::ports::StoreError;

/// How long a look at everything may take.
const LEISURE: Duration = Duration::from_secs(600);

/// What a read is asked with.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The connections that read.
pub(super) struct Readers {
    way: Arc<Way>,
    places: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// To this database.
    pub(super) fn of(way: Arc<Way>) -> Self {
        let places = Semaphore::new(way.settings.readers_max);
        Readers {
            way,
            places,
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let wait = self.way.settings.connect_timeout;
        match tokio::time::timeout(wait, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(Failure::gone("the store is closed")),
            Err(_) => Err(Failure::Full),
        }
    }

    /// One query; its rows.
    pub(super) async fn rows(
        &self,
        operation: &'static str,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let read = async {
            let _place = self.place().await?;
            loop {
                let kept = self.idle().pop();
                let was_kept = kept.is_some();
                let mut connection = match kept {
                    Some(kept) if kept.is_gone() => continue,
                    Some(kept) => kept,
                    None => Connection::open(&self.way, None).await?,
                };
                match self.within(connection.rows(sql, params)).await {
                    // It may have been gone before: a read can be asked again.
                    Err(Failure::Gone(_)) if was_kept => {}
                    Err(Failure::Gone(text)) => return Err(Failure::Gone(text)),
                    result => {
                        self.idle().push(connection);
                        return result;
                    }
                }
            }
        };
        read.await.map_err(|e: Failure| e.error(operation))
    }

    /// The server ends what takes too long; a server that is not there any more cannot.
    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        within(self.way.settings.statement_timeout * 2, work).await
    }

    /// Several queries that see one moment.
    pub(super) async fn moment(&self) -> Result<Moment<'_>, Failure> {
        let place = self.place().await?;
        loop {
            let kept = self.idle().pop();
            let was_kept = kept.is_some();
            let connection = match kept {
                Some(kept) if kept.is_gone() => continue,
                Some(kept) => kept,
                None => Connection::open(&self.way, None).await?,
            };
            // What is asked here has filters that may be there or not: each set of them has its plan.
            let begun = connection.run(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL plan_cache_mode = auto",
            );
            match self.within(begun).await {
                Err(Failure::Gone(_)) if was_kept => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    return Ok(Moment {
                        readers: self,
                        connection,
                        most: self.way.settings.statement_timeout * 2,
                        _place: place,
                    });
                }
            }
        }
    }
}

/// A moment that several queries see. Dropped without its end, its connection goes with it.
pub(super) struct Moment<'a> {
    readers: &'a Readers,
    connection: Connection,
    most: Duration,
    _place: SemaphorePermit<'a>,
}

impl Moment<'_> {
    /// One query; its rows.
    pub(super) async fn rows(
        &mut self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Failure> {
        within(self.most, self.connection.rows(sql, params)).await
    }

    /// From here on whole tables are read: by whatever way is best for that, and as long as it takes.
    pub(super) async fn at_leisure(&mut self) -> Result<(), Failure> {
        self.most = LEISURE;
        let sql = format!(
            "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_sort = on;
             SET LOCAL enable_mergejoin = on; SET LOCAL statement_timeout = {}",
            LEISURE.as_millis()
        );
        within(self.most, self.connection.run(&sql)).await
    }

    /// Ends it; the connection is kept, unless its plans were made for whole tables.
    pub(super) async fn end(self) -> Result<(), Failure> {
        within(self.most, self.connection.run("COMMIT")).await?;
        if self.most != LEISURE {
            self.readers.idle().push(self.connection);
        }
        Ok(())
    }
}

async fn within<T>(
    most: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(most, work)
        .await
        .unwrap_or_else(|_| Err(Failure::gone("the database did not answer in time")))
}
