//! Floor 4: stores. SQLite, embedded, for one process; PostgreSQL for any number of nodes. What implements
//! [`Store`](crate::sync::ports::Store) has to pass `suite`. A store never names a partner and never
//! decides: it keeps, counts and says what is due.

mod issues;
pub mod postgres;
mod seal;
pub mod sqlite;
#[cfg(test)]
mod suite;
