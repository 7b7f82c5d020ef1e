//! What a store does for its own keeping: what it may drop, what it finds wrong with itself, what a
//! restored backup means.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Time;
use crate::ids::{PartnerId, TenantId};

/// How long an idempotency key is kept (contracts section 1).
pub const KEYS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long bodies are kept after nothing needs them any more; `None`: for ever. Record versions, jobs,
/// their attempts and acts stay in any case: only the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What partners answered to attempts, since the attempt.
    pub answers: Option<Duration>,
    /// What was sent, since its job ended. Two years is what 21 CFR 1311.305 asks for controlled
    /// prescriptions.
    pub payloads: Option<Duration>,
    /// What came in by a partner's door and was worked on to its end, since it came.
    pub inbound: Option<Duration>,
}

impl Default for Keep {
    fn default() -> Self {
        let days = |n: u64| Some(Duration::from_secs(n * 24 * 3600));
        Keep {
            answers: days(90),
            payloads: days(730),
            inbound: days(730),
        }
    }
}

macro_rules! findings {
    ($($name:ident = $word:literal, $what:literal, $press:literal;)*) => {
        /// What a self-check can find. None of them is ever right: each is a fault of this program, of the
        /// database or of whoever touched it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Fault {
            $(#[doc = $what] #[serde(rename = $word)] $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Fault] = &[$(Fault::$name,)*];

            /// The word, as stored, shown and counted.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Fault::$name => $word,)* }
            }

            /// What was found.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Fault::$name => $what,)* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn press(self) -> &'static str {
                match self { $(Fault::$name => $press,)* }
            }
        }
    };
}

findings! {
    Counter = "counter-differs", "a counter of jobs in a state differs from the jobs that are in it",
        "the counts of this partner cannot be relied on: tell the developers";
    Made = "made-differs", "the jobs ever made are not the jobs that are there",
        "a job was lost or doubled in the database: tell the developers, keep a backup of now";
    Unclaimed = "due-unclaimed", "jobs are due, the partner is not paused, and nobody takes them",
        "look whether a node is running and its log; start it again";
    LeaseOver = "lease-over", "a lease ran out long ago and nobody took the job back",
        "look whether a node is running and its log; start it again";
    Astray = "job-astray", "an open job stands in no lane, or a lane has no such head",
        "it will not go by itself: cancel it and have the record sent again, and tell the developers";
    HeadWrong = "head-wrong", "a lane's head is not the first of its line",
        "pause the partner, and tell the developers: it could go out of order";
    Forgotten = "lane-forgotten", "a lane waits for something that does not hold it back",
        "press Retry at its first job, and tell the developers";
    Orphan = "orphan", "rows belong to a job or a record version that does not exist",
        "nothing is sent because of it: tell the developers";
    Empty = "job-empty", "an open job has nothing to send",
        "cancel it, and have the record sent again";
    LeftRaw = "inbound-left", "what a partner sent was stored long ago and not worked on",
        "look whether a node is running and its log; start it again";
}

impl Fault {
    /// The fault of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Fault> {
        Fault::ALL.iter().copied().find(|f| f.as_str() == word)
    }
}

/// A fault at a place. `n`: how many rows; for counters, by how many it differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Whose.
    #[serde(skip)]
    pub tenant: TenantId,
    /// At which partner, if at one.
    pub partner: Option<PartnerId>,
    /// What.
    pub fault: Fault,
    /// How many.
    pub n: u64,
}

impl Finding {
    /// In order, those of one fault at one place joined: two checks may name one fault.
    #[must_use]
    pub fn gathered(mut found: Vec<Finding>) -> Vec<Finding> {
        found.sort();
        found.dedup_by(|b, a| {
            let same = (&a.tenant, &a.partner, a.fault) == (&b.tenant, &b.partner, b.fault);
            if same {
                a.n += b.n;
            }
            same
        });
        found
    }
}

/// The last self-check, for a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// When it was; `None`: never yet.
    pub at: Option<Time>,
    /// What it found, and since when it is found.
    pub findings: Vec<(Finding, Time)>,
}

/// What marking a restored database found: what had not ended when the backup was taken may have been
/// sent since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Jobs that are asked about, because they may have been sent since.
    pub asking: u64,
    /// Jobs that wait for a person, who has to say whether the partner has them.
    pub parked: u64,
    /// Replays that ran, and run no more.
    pub replays: u64,
    /// Proposals that waited for a second person, and do no more.
    pub proposals: u64,
    /// When the newest record in it was accepted: the clinic has to hand in again what is later.
    pub newest: Option<Time>,
}
