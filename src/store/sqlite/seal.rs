//! The one place through which bodies go into the database and come out of it.
//!
//! A sealed body begins with the id of the key that sealed it. There is one key now, the identity;
//! encryption at rest has its place here and nowhere else (contracts section 2).

/// The identity: the bytes as they are.
const IDENTITY: u8 = 0;

/// Seals bytes.
#[must_use]
pub fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(bytes.len() + 1);
    sealed.push(IDENTITY);
    sealed.extend_from_slice(bytes);
    sealed
}

/// Opens sealed bytes.
///
/// # Errors
/// The key is not known here.
pub fn open(mut sealed: Vec<u8>) -> rusqlite::Result<Vec<u8>> {
    match sealed.first() {
        Some(&IDENTITY) => {
            sealed.remove(0);
            Ok(sealed)
        }
        _ => Err(rusqlite::Error::InvalidColumnType(
            0,
            "sealed by a key that is not known".to_owned(),
            rusqlite::types::Type::Blob,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_a_strange_key_does_not() {
        assert_eq!(open(seal(b"body")).unwrap(), b"body");
        assert_eq!(open(seal(b"")).unwrap(), b"");
        assert!(open(vec![9, 1]).is_err());
        assert!(open(Vec::new()).is_err());
    }
}
