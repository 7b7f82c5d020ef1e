//! Names for things: tenants, partners, jobs, messages, and keyed digests.
//!
//! No id is made from anything a patient can be known by. Ids that we make are random and sort by
//! the time they were made; ids of mapped resources are keyed digests of the record's coordinates,
//! so that they are stable across versions and say nothing to whoever lacks the key.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Time;

macro_rules! name {
    ($(#[$doc:meta])* $ty:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $ty(Arc<str>);

        impl $ty {
            /// Wraps a text as it stands.
            #[must_use]
            pub fn new(text: &str) -> Self {
                $ty(Arc::from(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A tenant: a programme whose data nobody else's token reaches. From the config.
    TenantId
);
name!(
    /// A partner: an EHR, a pharmacy, a laboratory, the clinic's own system. From the config.
    PartnerId
);
name!(
    /// A job: one record version on its way to one partner. 20 characters, see [`fresh`].
    JobId
);
name!(
    /// A message: HL7 v2 MSH-10 and SCRIPT `MessageID` take it as it stands (20 characters of
    /// `[0-9A-Z]`; contracts section 2).
    MessageId
);
name!(
    /// Bytes that came in by a door, stored as they came. 20 characters.
    RawId
);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new id: 20 characters of `[0-9A-Z]`, 45 bits of time (milliseconds), 55 of chance. Sorts by time.
#[must_use]
pub fn fresh(now: Time) -> String {
    let millis = u64::try_from(now.micros() / 1000).unwrap_or(0);
    let mut out = [0u8; 20];
    for (i, slot) in out.iter_mut().enumerate() {
        let index = if i < 9 {
            (millis >> (5 * (8 - i))) & 31
        } else {
            u64::from(fastrand::u8(..32))
        };
        *slot = ALPHABET[usize::try_from(index).unwrap_or(0)];
    }
    out.iter().map(|b| char::from(*b)).collect()
}

impl JobId {
    /// A new job id.
    #[must_use]
    pub fn fresh(now: Time) -> Self {
        JobId::new(&fresh(now))
    }
}

impl MessageId {
    /// A new message id.
    #[must_use]
    pub fn fresh(now: Time) -> Self {
        MessageId::new(&fresh(now))
    }
}

impl RawId {
    /// A new id for raw bytes.
    #[must_use]
    pub fn fresh(now: Time) -> Self {
        RawId::new(&fresh(now))
    }
}

/// A SHA-256 digest, keyed or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Plain SHA-256, for what the law of a format names (the signature hash, package hashes).
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Hash(Sha256::digest(bytes).into())
    }

    /// Lower-case hexadecimal, 64 characters.
    #[must_use]
    pub fn hex(&self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        })
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex()[..12])
    }
}

/// A tenant's secret key for content hashes and resource ids. Never printed.
#[derive(Clone)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// A key from any bytes; 32 random ones are right.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Key(Arc::from(bytes))
    }

    /// HMAC-SHA-256 of the parts, each ended by a zero byte so that no two lists collide.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    pub fn digest(&self, parts: &[&[u8]]) -> Hash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length");
        for part in parts {
            mac.update(part);
            mac.update(&[0]);
        }
        Hash(mac.finalize().into_bytes().into())
    }

    /// A FHIR id (20 characters of `[0-9A-Z]`, 100 bits of a keyed digest) for the resource that
    /// `part` of the record `kind`/`id` becomes; stable across versions.
    #[must_use]
    pub fn resource_id(&self, kind: &str, id: &str, part: &str) -> String {
        let hash = self.digest(&[b"resource", kind.as_bytes(), id.as_bytes(), part.as_bytes()]);
        hash.0[..20]
            .iter()
            .map(|b| char::from(ALPHABET[usize::from(b & 31)]))
            .collect()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_id_fits_msh_10_and_sorts_by_time() {
        let a = fresh(Time::from_micros(1_764_000_000_000_000));
        let b = fresh(Time::from_micros(1_764_000_000_002_000));
        assert_eq!(a.len(), 20);
        assert!(a.bytes().all(|c| c.is_ascii_alphanumeric()));
        assert!(a[..9] < b[..9]);
    }

    #[test]
    fn a_resource_id_is_stable_and_keyed() {
        let one = Key::new(b"one");
        let id = one.resource_id("observation", "M-1", "item/3");
        assert_eq!(id, one.resource_id("observation", "M-1", "item/3"));
        assert_ne!(
            id,
            Key::new(b"two").resource_id("observation", "M-1", "item/3")
        );
        assert_ne!(id, one.resource_id("observation", "M-1", "item/4"));
    }
}
