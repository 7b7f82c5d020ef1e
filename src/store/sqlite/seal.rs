//! Sealed bodies, with SQLite's error.

pub(super) use crate::store::seal::seal;

/// Opens sealed bytes.
///
/// # Errors
/// The key is not known here.
pub(super) fn open(sealed: Vec<u8>) -> rusqlite::Result<Vec<u8>> {
    crate::store::seal::open(sealed).map_err(|strange| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(strange))
    })
}
