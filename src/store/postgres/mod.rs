//! PostgreSQL (14 and later): any number of nodes on one database share the work.
//!
//! The same tables and the same questions as SQLite's, file by file; but the steps that are statements
//! there are functions in the database here (`sql/`), so that a call is one round trip and its locks are
//! held for as short as that. Each node has one writer, which joins calls into transactions as SQLite's
//! does, and readers beside it.
//!
//! What keeps several nodes right: per-partner and per-name locks until the commit (`sql/locks.sql`),
//! fencing tokens, and the database's clock for leases. A reply is given only after the commit.

mod admit;
mod anew;
mod bell;
mod blocked;
mod claim;
mod connection;
mod desk;
mod failure;
mod find;
mod keeping;
mod locks;
mod people;
mod planted;
mod raw;
mod read;
mod readers;
mod replay;
mod report;
mod rows;
mod schema;
mod second;
#[cfg(test)]
mod tests;
mod tls;
mod verbs;
mod views;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::Row;

pub use self::connection::{Address, Settings};
use self::connection::{Connection, Way};
use self::failure::Failure;
use self::readers::{Params, Readers};
use self::rows::Read;
use self::writer::{Work, Writer};
use crate::sync::ports::StoreError;

/// Between attempts to reach a database at the start.
const START_AGAIN: Duration = Duration::from_millis(500);

/// The store.
pub struct Postgres {
    readers: Readers,
    writer: Writer,
    changed: Arc<Notify>,
    bell: JoinHandle<()>,
    /// Whether leases go by the time that callers tell: in tests whose time is made up. Else they go by
    /// the database's clock, whatever the nodes' clocks say.
    by_caller: bool,
    /// Where the next look for old bodies begins.
    rounds: keeping::Rounds,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.bell.abort();
    }
}

impl Postgres {
    /// Reaches the database, waiting for it as long as the settings say, and brings it to the newest
    /// schema.
    ///
    /// # Errors
    /// It cannot be reached, does not let us in, or a migration fails.
    pub async fn open(settings: Settings) -> Result<Self, StoreError> {
        const OPERATION: &str = "open";
        let way = Way::of(settings).map_err(|e| e.error(OPERATION))?;
        let reached = async {
            loop {
                match Connection::open(&way, None).await {
                    Err(Failure::Gone(_)) => tokio::time::sleep(START_AGAIN).await,
                    result => return result,
                }
            }
        };
        let connection = match tokio::time::timeout(way.settings.start_wait, reached).await {
            Ok(result) => result,
            // What the last attempt says.
            Err(_) => Connection::open(&way, None).await,
        };
        let connection = connection.map_err(|e| e.error(OPERATION))?;
        schema::migrate(&connection)
            .await
            .map_err(|e| e.error(OPERATION))?;
        planted::plant(&connection)
            .await
            .map_err(|e| e.error(OPERATION))?;
        Ok(Self::over(way, false))
    }

    /// A store over a database that has its schema. Nothing is connected before it is needed.
    fn over(way: Arc<Way>, by_caller: bool) -> Self {
        let (changed, moved) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let bell = bell::listen(Arc::clone(&way), Arc::clone(&moved), Arc::clone(&changed));
        Postgres {
            writer: Writer::start(Arc::clone(&way), Arc::clone(&changed), moved),
            readers: Readers::of(way),
            changed,
            bell: tokio::spawn(bell),
            by_caller,
            rounds: keeping::Rounds::default(),
        }
    }

    async fn read<T>(
        &self,
        operation: &'static str,
        sql: &'static str,
        params: Params<'_>,
        each: impl Fn(&Row) -> Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.readers.rows(operation, sql, params).await?;
        rows.iter()
            .map(each)
            .collect::<Read<_>>()
            .map_err(|e| e.error(operation))
    }

    async fn read_one<T>(
        &self,
        operation: &'static str,
        sql: &'static str,
        params: Params<'_>,
        each: impl Fn(&Row) -> Read<T>,
    ) -> Result<Option<T>, StoreError> {
        let all = self.read(operation, sql, params, each).await?;
        Ok(all.into_iter().next())
    }

    async fn write(&self, operation: &'static str, work: Work) -> Result<(), StoreError> {
        self.writer.call(operation, work).await.map(drop)
    }

    async fn write_one<T>(
        &self,
        operation: &'static str,
        work: Work,
        each: impl FnOnce(&Row) -> Read<T>,
    ) -> Result<T, StoreError> {
        let rows = self.writer.call(operation, work).await?;
        let row = rows
            .first()
            .ok_or_else(|| Failure::other("no answer").error(operation))?;
        each(row).map_err(|e| e.error(operation))
    }
}
