//! The one place through which bodies go into a database and come out of it, whichever database it is.
//!
//! A sealed body begins with the id of the key that sealed it. There is one key now, the identity;
//! encryption at rest has its place here and nowhere else (contracts section 2).

/// The identity: the bytes as they are.
const IDENTITY: u8 = 0;

/// Bytes that were sealed by a key that is not known here.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("sealed by a key that is not known")]
pub(super) struct Strange;

/// Seals bytes.
#[must_use]
pub(super) fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(bytes.len() + 1);
    sealed.push(IDENTITY);
    sealed.extend_from_slice(bytes);
    sealed
}

/// Opens sealed bytes.
///
/// # Errors
/// The key is not known here.
pub(super) fn open(mut sealed: Vec<u8>) -> Result<Vec<u8>, Strange> {
    match sealed.first() {
        Some(&IDENTITY) => {
            sealed.remove(0);
            Ok(sealed)
        }
        _ => Err(Strange),
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
