//! What a store keeps of records: raw bytes, versions, resources, crosswalk rows. Plain values.

use serde::Serialize;

use crate::clock::Time;
use crate::ids::{Hash, PartnerId, RawId};
use crate::issue::Issue;
use crate::sync::job::{Chain, VersionRef};

/// The answer that a sender got, kept to be given again to exact repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// HTTP status.
    pub status: u16,
    /// Body, JSON.
    pub body: Vec<u8>,
}

/// Bytes that came in by a door.
#[derive(Clone, Debug)]
pub struct NewRaw {
    /// Our id.
    pub id: RawId,
    /// `clinic:{caller}` or the partner's id.
    pub door: String,
    /// The sender's id, where there is one; (tenant, door, sender id) is unique.
    pub sender_id: Option<String>,
    /// Media type.
    pub media_type: String,
    /// The bytes, as they came.
    pub bytes: Vec<u8>,
    /// Keyed hash of the bytes.
    pub hash: Hash,
}

/// What became of raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RawState {
    /// Stored, not yet worked on (a crash between leaves it so; intake takes it up again).
    Received,
    /// Became a record, an event, a relay, or an echo without news.
    Done,
    /// Could not be understood: kept, shown.
    Parked,
    /// Waits for its patient to be linked.
    Unmatched,
}

impl RawState {
    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RawState::Received => "received",
            RawState::Done => "done",
            RawState::Parked => "parked",
            RawState::Unmatched => "unmatched",
        }
    }

    /// The state of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<RawState> {
        [
            RawState::Received,
            RawState::Done,
            RawState::Parked,
            RawState::Unmatched,
        ]
        .into_iter()
        .find(|s| s.as_str() == word)
    }
}

/// Stored raw bytes.
#[derive(Clone, Debug)]
pub struct StoredRaw {
    /// What came in.
    pub raw: NewRaw,
    /// When.
    pub received: Time,
    /// What became of it.
    pub state: RawState,
    /// Why it is parked.
    pub issues: Vec<Issue>,
    /// What the sender was told, once it was told.
    pub given: Option<Given>,
}

/// Whether raw bytes are new.
#[derive(Clone, Debug)]
pub enum Received {
    /// They are.
    New,
    /// The same sender id (or, without one, the same bytes within the last 7 days) was stored before.
    /// Same id with other bytes is a repeat of the id: the first answer stands, and the row is flagged.
    Repeat(Box<StoredRaw>),
}

/// One record version, as stored.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// Which.
    pub record: VersionRef,
    /// The chain it belongs to.
    pub chain: Chain,
    /// The client it concerns.
    pub client: Option<String>,
    /// The record, JSON bytes in the shape of its contract.
    pub body: Vec<u8>,
    /// The versions of the context that were used.
    pub context: Vec<VersionRef>,
    /// Keyed hash of the canonical content.
    pub hash: Hash,
    /// Who brought it: `clinic`, or a partner's id.
    pub origin: String,
    /// When it was accepted.
    pub accepted: Time,
    /// What the sender was told.
    pub given: Given,
}

/// A new version of a record.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Which.
    pub record: VersionRef,
    /// The chain it belongs to.
    pub chain: Chain,
    /// The client it concerns.
    pub client: Option<String>,
    /// The record, JSON bytes.
    pub body: Vec<u8>,
    /// The versions of the context that were used.
    pub context: Vec<VersionRef>,
    /// Keyed hash of the canonical content; decides whether a repeat is exact.
    pub hash: Hash,
    /// Who brought it: `clinic`, or a partner's id.
    pub origin: String,
    /// Whether the clinic hears of it in its feed (all that it did not bring itself).
    pub in_feed: bool,
}

/// A mapped resource, as a row: history and search are read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRow {
    /// Resource type.
    pub resource_type: String,
    /// Our id; stable across versions. The resource's version counts up in the store.
    pub id: String,
    /// The part of the record.
    pub part: String,
    /// The profiles it passed, comma-separated.
    pub profiles: String,
    /// The resource.
    pub bytes: Vec<u8>,
}

/// A row of the crosswalk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrosswalkRow {
    /// Whose name for it.
    pub partner: PartnerId,
    /// Resource type.
    pub resource_type: String,
    /// Our id.
    pub our_id: String,
    /// Their id.
    pub their_id: String,
    /// Their version, where known.
    pub their_version: Option<String>,
}
