//! The seam to a partner: an EHR, a pharmacy, a laboratory, the clinic's own system.
//!
//! A partner is stateless: no store, no retry, no clock but what it is handed. It encodes (pure, at
//! acceptance), delivers, answers questions about unclear outcomes, and decodes what comes in. It
//! never returns `Err` from an attempt: see [`Answer`].

use std::collections::HashMap;

use async_trait::async_trait;

use crate::clock::Time;
use crate::fhir::validate::Checked;
use crate::ids::{MessageId, PartnerId};
use crate::issue::Issue;
use crate::record::{Context, MapEnv, Record};
use crate::sync::job::{Claimed, Effect, NewEffect, Purpose};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Remote, Verdict};

/// What sort of ordering and bookkeeping a partner needs; decided by its kind and its config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its id.
    pub id: PartnerId,
    /// How consents name it: its party id, from the config (default: its id).
    pub party: String,
    /// How consents name its class: `treating_providers`, `pharmacies`, `laboratories`, `payers`;
    /// empty for the clinic's own system, to which nothing is a disclosure.
    pub class: String,
    /// The style of its traffic.
    pub style: Style,
    /// One line per patient instead of one per chain.
    pub order_by_patient: bool,
    /// Requests at once, at most.
    pub concurrency_max: usize,
    /// Effects in one request, at most; fewer than two: each goes by itself.
    pub together_max: usize,
    /// Whether all that is unclear there can be asked about, by a read that changes nothing: then jobs are
    /// claimed ahead of their turn.
    pub reads_back: bool,
    /// Whether a client merge is told to it (and holds both patients until it was).
    pub told_of_merges: bool,
    /// The longest an attempt may take; the lease is longer (checked when the config is read).
    pub timeout_ms: u64,
}

/// The style of a partner's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// Keeps copies of resources (an EHR).
    Copies,
    /// Fills prescriptions: at most one NewRx of an order is live (contracts section 8).
    Prescriptions,
    /// The clinic's own system: hears of what came back.
    Clinic,
}

/// A resource of the record, checked, with its place in the record.
#[derive(Clone, Debug)]
pub struct CheckedPart {
    /// Part name, `""` the principal one.
    pub part: String,
    /// The resource, sealed by the validator.
    pub checked: Checked,
}

/// What is to be encoded for one partner.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The tenant's facts.
    pub env: &'a MapEnv,
    /// The record; `None` for a relay.
    pub record: Option<&'a Record>,
    /// What it leans on.
    pub context: &'a Context,
    /// Its resources (a relay: the one resource).
    pub parts: &'a [CheckedPart],
    /// The resources of the context's client, for a `Patient` effect.
    pub patient: Option<&'a CheckedPart>,
    /// What is to be done.
    pub purpose: Purpose,
    /// The message's id and moment, the same at every attempt.
    pub message: &'a MessageId,
    /// When it was accepted.
    pub now: Time,
    /// The message that a cancel relates to.
    pub relates_to: Option<&'a MessageId>,
    /// A cancel: the version that asks for it, where `record` is an older one that it takes back.
    pub cause: Option<&'a Record>,
    /// Members that older versions sent and this one lacks: (type, our id, last content).
    pub retracted: &'a [CheckedPart],
    /// Why it may be disclosed: the consent's scope, in words, for the notice (42 CFR 2.32).
    pub notice: Option<&'a str>,
}

/// What a partner made of it: effects in sending order; empty when the partner does not take it.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// The effects.
    pub effects: Vec<NewEffect>,
    /// Degradations that somebody should know of (warnings).
    pub issues: Vec<Issue>,
}

/// What the crosswalk says about the things an effect refers to: (type, our id) → (their id, their
/// version).
pub type Rows = HashMap<(String, String), (String, Option<String>)>;

/// One attempt of one effect.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The job.
    pub job: &'a Claimed,
    /// The effect.
    pub effect: &'a Effect,
    /// The crosswalk rows of its own resource and of its holes, as far as there are any.
    pub rows: &'a Rows,
    /// Now.
    pub now: Time,
}

/// What became of several effects in one request.
#[derive(Clone, Debug)]
pub enum Together {
    /// It was carried out: for each effect, in their order.
    Taken(Answer, Vec<Fate>),
    /// Certainly nothing was done, and the partner is well: each effect goes by itself, and its own answer
    /// counts.
    Apart(Answer),
    /// None of them, or nobody knows.
    Failed(Answer),
}

/// What became of one of several effects in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The partner has it, and calls it this.
    Done(Remote),
    /// Something of ours was there already; whether it is this is to be seen.
    There,
    /// It goes by itself.
    Open,
}

/// One thing that came in from a partner, decoded.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// A FHIR resource by itself (or an entry of a batch or collection): to be checked, mapped or
    /// relayed.
    Resource(serde_json::Value),
    /// The resources of a transaction or message bundle: all of them or none (contracts section 3).
    Whole(Vec<serde_json::Value>),
    /// A record that the partner's own language says outright, in the shape of its contract except
    /// for its id and version, which intake gives it: what a SCRIPT message tells of an order.
    Told(Told),
}

/// What a pharmacy's message tells of an order.
#[derive(Clone, Debug)]
pub struct Told {
    /// `dispense` or `order-event` record, without `fill_no`/`event_id` and `version` (intake gives
    /// them) and without `order_no` where the message names it only by what it relates to.
    pub kind: crate::record::Kind,
    /// The record's fields.
    pub record: serde_json::Value,
    /// The order, where the message names it.
    pub order_no: Option<String>,
    /// The message of ours that it answers.
    pub relates_to: Option<String>,
    /// What it does to a NewRx that waits for this cancel: approved, denied.
    pub cancel_confirmed: Option<bool>,
}

/// What came in at a partner's door, as far as can be told before it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The sender's id of it (SCRIPT MessageID, `Bundle.identifier`), for repeats; bytes decide where
    /// there is none.
    pub sender_id: Option<String>,
}

/// An answer to what came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub media_type: String,
    /// Body.
    pub body: Vec<u8>,
}

/// A partner. Configured, stateless, shared.
#[async_trait]
pub trait Partner: Send + Sync {
    /// What the core must know of it.
    fn facts(&self) -> &Facts;

    /// Whether this record concerns it at all: a pharmacy takes the orders that name it. What it does
    /// not take any more, although an older version went there, is taken back.
    fn takes(&self, record: &Record, context: &Context) -> bool {
        let _ = (record, context);
        true
    }

    /// What it gets of this record: pure, at acceptance.
    ///
    /// # Errors
    /// What cannot be said in its language: the submission is refused with 422.
    fn encode(&self, out: &Outgoing<'_>) -> Result<Encoded, Vec<Issue>>;

    /// What its encoding rests on besides what is to be encoded: two partners of a tenant that say the same
    /// make the same of it, whatever the message's id. `None`: nobody's is like it.
    fn encodes_like(&self) -> Option<&str> {
        None
    }

    /// One attempt.
    async fn deliver(&self, delivery: &Delivery<'_>) -> Answer;

    /// How many of these open effects of one job, from the first on, can go in one request that does all of
    /// them or none, and can be repeated without harm. Fewer than two: the first goes by itself.
    fn together(&self, deliveries: &[Delivery<'_>]) -> usize {
        let _ = deliveries;
        0
    }

    /// One attempt of as many effects as [`together`](Partner::together) said, in one request.
    async fn deliver_together(&self, deliveries: &[Delivery<'_>]) -> Together {
        let _ = deliveries;
        Together::Apart(Answer::new(Verdict::Refused, Reason::Unsupported))
    }

    /// Whether an unclear outcome of this effect can be asked about.
    fn can_ask(&self, effect: &NewEffect) -> bool;

    /// Asks about an unclear outcome: `Accepted` they have it, `Busy` with
    /// [`Reason::NotThere`](crate::sync::reason::Reason::NotThere) they do not, `Unsure` still unclear.
    async fn ask(&self, delivery: &Delivery<'_>) -> Answer;

    /// A read that carries no patient: is it there?
    async fn probe(&self) -> Answer;

    /// Reads the envelope of what came in, without trusting it.
    fn envelope(&self, content_type: &str, bytes: &[u8]) -> Envelope;

    /// Decodes what came in. A transaction or message bundle comes whole or not at all; a batch or
    /// collection entry by entry.
    ///
    /// # Errors
    /// What keeps it from being read: it is parked with these issues.
    fn decode(&self, content_type: &str, bytes: &[u8]) -> Result<Vec<Incoming>, Vec<Issue>>;

    /// What the sender is told once it is stored.
    fn reply(&self, received: &RawReceipt<'_>) -> Reply;

    /// What an answer of this partner to the delivery of one effect tells of the record (a SCRIPT Status in the HTTP
    /// answer), for the order's ladder.
    fn told(&self, effect: &NewEffect, answer: &Answer) -> Vec<Told> {
        let _ = (effect, answer);
        Vec::new()
    }
}

/// What the reply to an inbound message may know.
#[derive(Clone, Copy, Debug)]
pub struct RawReceipt<'a> {
    /// Our id of the stored bytes.
    pub id: &'a str,
    /// The sender's id of them.
    pub sender_id: Option<&'a str>,
    /// A new message id for the reply itself, where the language wants one.
    pub message: &'a MessageId,
    /// Now.
    pub now: Time,
    /// Whether it was understood; when not, it is kept all the same.
    pub parked: bool,
    /// What came in.
    pub bytes: &'a [u8],
}
