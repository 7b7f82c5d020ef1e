//! Jobs and effects: what travels, and in which state it is.

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::ids::{Hash, JobId, MessageId, PartnerId, TenantId};

/// Where a job is. Exactly one of the seven, at any moment (architecture, invariant 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// To be sent when due.
    Waiting,
    /// Claimed under a lease.
    Sending,
    /// Outcome unclear: the partner is asked before anything is repeated.
    Asking,
    /// A person must look (others say dead letter).
    Parked,
    /// The partner has it.
    Done,
    /// Ended without being sent, by its chain or a person.
    Cancelled,
    /// A newer version took its place before it left.
    Superseded,
}

impl State {
    /// All seven.
    pub const ALL: [State; 7] = [
        State::Waiting,
        State::Sending,
        State::Asking,
        State::Parked,
        State::Done,
        State::Cancelled,
        State::Superseded,
    ];

    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Sending => "sending",
            State::Asking => "asking",
            State::Parked => "parked",
            State::Done => "done",
            State::Cancelled => "cancelled",
            State::Superseded => "superseded",
        }
    }

    /// The state of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether it may still move by itself.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, State::Waiting | State::Sending | State::Asking)
    }
}

/// What a job does at its partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Brings the record's content: a copy for an EHR, an event for the clinic, a relayed resource.
    Copy,
    /// A new prescription: at most one of an order is live at a pharmacy (contracts section 8).
    NewRx,
    /// Takes back what the partner has or may have. Always allowed by the gate; first in its lane.
    Cancel,
}

impl Purpose {
    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::Copy => "copy",
            Purpose::NewRx => "newrx",
            Purpose::Cancel => "cancel",
        }
    }

    /// The purpose of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Purpose> {
        [Purpose::Copy, Purpose::NewRx, Purpose::Cancel]
            .into_iter()
            .find(|p| p.as_str() == word)
    }
}

/// How far a job has got at its partner, as far as can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Certainly nothing of it: never attempted, only Busy, or Refused.
    Not,
    /// Some of it, or it cannot be known.
    Maybe,
    /// They have it.
    There,
}

impl Reach {
    /// The word, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reach::Not => "not",
            Reach::Maybe => "maybe",
            Reach::There => "there",
        }
    }

    /// The reach of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Reach> {
        [Reach::Not, Reach::Maybe, Reach::There]
            .into_iter()
            .find(|r| r.as_str() == word)
    }
}

/// Which jobs stand in one line (contracts section 6): the chain, or the patient for a partner
/// configured with `order = "patient"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneKey(pub String);

impl LaneKey {
    /// The line of a new job, by its partner's `order` as it is now.
    #[must_use]
    pub fn of(chain: &Chain, client: Option<&str>, by_patient: bool) -> Self {
        match client.filter(|_| by_patient) {
            Some(client) => LaneKey(format!("patient/{client}")),
            None => LaneKey(chain.0.clone()),
        }
    }
}

/// What a record, its versions and all that cancels, renews, replaces or answers it have in common:
/// `kind/id` of the record that began it (a relay: `other/partner/type/id`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chain(pub String);

/// The kind of a stored thing: one of [`crate::record::Kind`]'s names, or `other` for a relay.
/// A plain text, because the core does not care which.
pub type KindName = String;

/// One record version, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionRef {
    /// Kind name.
    pub kind: KindName,
    /// The record's id.
    pub id: String,
    /// Its version.
    pub version: u64,
}

/// What an effect does at the partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// Create or update a resource, by what the crosswalk says at the attempt.
    Upsert,
    /// Find the patient's row (search; create if the payload is there and the policy says so).
    /// Skipped where the row exists.
    Patient,
    /// Entered-in-error for a member that a newer version lacks. Skipped where no row exists.
    Retract,
    /// A message (SCRIPT, webhook).
    Message,
}

impl EffectKind {
    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            EffectKind::Upsert => "upsert",
            EffectKind::Patient => "patient",
            EffectKind::Retract => "retract",
            EffectKind::Message => "message",
        }
    }

    /// The kind of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<EffectKind> {
        [
            EffectKind::Upsert,
            EffectKind::Patient,
            EffectKind::Retract,
            EffectKind::Message,
        ]
        .into_iter()
        .find(|k| k.as_str() == word)
    }
}

/// A named hole in a payload: a Reference (at `pointer`) to something of ours whose name at the
/// partner is looked up in the crosswalk at each attempt. Without a row the literal reference is
/// taken out and the identifier beside it stands alone, except for patients, whose reference never
/// degrades.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// JSON pointer of the Reference object in the payload.
    pub pointer: String,
    /// The type it refers to.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Our id of it.
    pub our_id: String,
}

impl Hole {
    /// Whether it must be filled.
    #[must_use]
    pub fn required(&self) -> bool {
        self.resource_type == "Patient"
    }
}

/// How an effect is found again at the partner, when its outcome is unclear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Find {
    /// By our identifier.
    Identifier {
        /// `identifier.system`.
        system: String,
        /// `identifier.value`.
        value: String,
    },
    /// By a search, for types without identifier: parameters, whose values may name holes by
    /// `{Type/our-id}` (Provenance: `target` and `recorded`).
    Search(Vec<(String, String)>),
    /// By sending the same MessageID again, where the partner answers 220.
    SameMessage,
    /// Not at all.
    None,
}

/// What one partner gets by one effect: made, checked and hashed once, at acceptance, and the same at
/// every attempt, but for its holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The holes.
    pub holes: Vec<Hole>,
    /// Keyed hash of the bytes and the holes ([`payload_hash`]); checked before each send.
    pub hash: Hash,
}

/// The hash that a [`Payload`] carries.
#[must_use]
pub fn payload_hash(key: &crate::ids::Key, bytes: &[u8], holes: &[Hole]) -> Hash {
    let names: Vec<String> = holes
        .iter()
        .map(|h| format!("{} {}/{}", h.pointer, h.resource_type, h.our_id))
        .collect();
    key.digest(&[b"payload", bytes, names.join("\n").as_bytes()])
}

/// One interaction of a job, as made at acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEffect {
    /// What it does.
    pub kind: EffectKind,
    /// Resource type, or the SCRIPT transaction (`NewRx`), or `record` for the webhook.
    pub resource_type: String,
    /// Our id of the resource or message.
    pub our_id: String,
    /// How it is found again.
    pub find: Find,
    /// What is sent. A `Patient` effect that may not create has none.
    pub payload: Option<Payload>,
}

/// An effect on its way: what was made, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Its place in the job, from 0.
    pub n: u32,
    /// What was made at acceptance.
    pub what: NewEffect,
    /// Whether it is done; a restart resumes at the first that is not.
    pub done: bool,
}

/// What must be confirmed before a job may go: a new NewRx waits for CancelRxResponse Approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaits {
    /// What it waits for: the cancel's message id.
    pub message: MessageId,
    /// When silence parks it.
    pub until: Time,
}

/// A job to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Where it goes.
    pub partner: PartnerId,
    /// The line it stands in, as its partner's `order` has it now. The store puts it where open jobs of its
    /// chain stand at the partner, if any do: when the order is changed, no two of a chain go at once.
    pub lane: LaneKey,
    /// The chain it belongs to.
    pub chain: Chain,
    /// What it does.
    pub purpose: Purpose,
    /// The state it begins in: `Waiting`, or `Cancelled` for a cancel with nothing to take back,
    /// or `Parked`.
    pub state: State,
    /// Why it is not simply on its way, where it is not.
    pub reason: Option<crate::sync::reason::Reason>,
    /// Not before.
    pub due: Time,
    /// Last send; past it the job parks (new prescriptions only).
    pub deadline: Option<Time>,
    /// 0 cancel, 1 prescription, 2 plan, 3 observation and others, 4 backfill.
    pub priority: u8,
    /// The message it is, where it is one (SCRIPT); the same at every attempt.
    pub message: Option<MessageId>,
    /// Other records that it refers to: it waits for those that are not known at this partner and have
    /// an open job there, or whose successor has, if they were replaced unsent (contracts section 5).
    pub needs: Vec<VersionRef>,
    /// What must be confirmed first.
    pub awaits: Option<Awaits>,
    /// Whether the gate is asked again at each attempt: the record carries labels (42 CFR Part 2).
    pub guarded: bool,
    /// Whether, parked, it keeps its place in its lane.
    pub holds_lane: bool,
    /// The retry policy at the time of acceptance, as JSON ([`crate::sync::retry::Policy`]).
    pub policy: String,
    /// The effects, in order.
    pub effects: Vec<NewEffect>,
}

impl NewJob {
    /// The patient (our id) whom it makes at the partner, if they have no row there: of the jobs that
    /// would, the store lets one go at a time.
    #[must_use]
    pub fn makes(&self) -> Option<&str> {
        let makes = |e: &&NewEffect| {
            e.resource_type == "Patient"
                && e.payload.is_some()
                && matches!(e.kind, EffectKind::Patient | EffectKind::Upsert)
        };
        let found = self.effects.iter().find(makes);
        // A cancel takes back what is there and makes nothing.
        found
            .filter(|_| self.purpose != Purpose::Cancel)
            .map(|e| e.our_id.as_str())
    }
}

/// A job of a chain, as the deciders need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainJob {
    /// Its id.
    pub id: JobId,
    /// Where it goes.
    pub partner: PartnerId,
    /// Which record version it brings.
    pub record: VersionRef,
    /// What it does.
    pub purpose: Purpose,
    /// Where it is.
    pub state: State,
    /// How far it got.
    pub reach: Reach,
    /// Whether an attempt of it is unclear and unsettled.
    pub unsure: bool,
    /// The message it is.
    pub message: Option<MessageId>,
    /// A cancel: what the pharmacy answered it (set by an admission's `confirms`), approved or not.
    pub confirmed: Option<bool>,
    /// Accepted order over all jobs of the tenant.
    pub seq: i64,
}

/// A job under a lease, in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: JobId,
    /// Where it goes.
    pub partner: PartnerId,
    /// The record version it brings.
    pub record: VersionRef,
    /// Its chain.
    pub chain: Chain,
    /// The client it concerns, for the gate and for holds.
    pub client: Option<String>,
    /// What it does.
    pub purpose: Purpose,
    /// `Sending`, or `Asking` when an unclear outcome is to be settled.
    pub state: State,
    /// Fencing token: settling with an older one is refused.
    pub token: i64,
    /// When the lease ends, by the store's clock.
    pub lease_until: Time,
    /// Attempts charged to the message so far (this one not counted).
    pub attempts: u32,
    /// Questions so far that did not settle what they were about.
    pub asks: u32,
    /// Whether an attempt was `Unsure` and nothing settled it yet.
    pub unsure: bool,
    /// Last send.
    pub deadline: Option<Time>,
    /// Whether the gate is asked again at each attempt.
    pub guarded: bool,
    /// When it was accepted.
    pub accepted: Time,
    /// The message it is.
    pub message: Option<MessageId>,
    /// The retry policy at the time of acceptance, as JSON.
    pub policy: String,
    /// All its effects, in order, done or not.
    pub effects: Vec<Effect>,
}
