//! Floor 4: stores. SQLite, embedded; what implements [`Store`](crate::sync::ports::Store) has to pass
//! `suite`. A store never names a partner and never decides: it keeps, counts and says what is due.

pub mod sqlite;
#[cfg(test)]
mod suite;
