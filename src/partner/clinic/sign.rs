//! The webhook's signature, both sides of it. Pure; must compare in constant time.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::clock::Time;
use crate::ids::Hash;

/// How far a timestamp may be off the receiver's clock, either way.
pub const REPLAY_WINDOW: Duration = Duration::from_secs(5 * 60);

/// `v1=<hex>` of HMAC-SHA-256 over `timestamp.body`.
///
/// # Panics
/// Never: HMAC takes a key of any length.
#[must_use]
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
pub fn signature(secret: &[u8], timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("v1={}", Hash(mac.finalize().into_bytes().into()).hex())
}

/// Whether a request is ours and fresh: the receiver's side, for tests and simulated clinics.
#[must_use]
pub fn verify(secret: &[u8], timestamp: &str, given: &str, body: &[u8], now: Time) -> bool {
    let Ok(seconds) = timestamp.parse::<i64>() else {
        return false;
    };
    let sent = Time::from_micros(seconds.saturating_mul(1_000_000));
    let off = now.since(sent).max(sent.since(now));
    let right = signature(secret, seconds, body);
    off <= REPLAY_WINDOW && bool::from(right.as_bytes().ct_eq(given.as_bytes()))
}
