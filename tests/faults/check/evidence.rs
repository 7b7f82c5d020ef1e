//! What the checker is given: what was sent and answered, what the database holds, what partners booked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A record's version: kind, id, version.
pub(crate) type Name = (String, String, u64);

/// Something that took effect at a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Took {
    /// `Type/id` there, or a MessageID.
    pub(crate) name: String,
    pub(crate) created: bool,
}

/// A line of a partner's book: one request. Times are from the start of the test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) begun: Duration,
    /// When the effect was taken.
    pub(crate) at: Duration,
    /// When the answer was written, or the other side had gone.
    pub(crate) ended: Duration,
    pub(crate) method: String,
    /// `kind/id/version`, as the request says.
    pub(crate) record: Option<String>,
    /// The job, as the request says.
    pub(crate) job: Option<String>,
    pub(crate) message: Option<String>,
    /// What took effect: several things where it was a transaction, nothing where it had no effect.
    pub(crate) took: Vec<Took>,
    /// 0: nothing that could be read.
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
}

/// A partner's book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) partner: String,
    /// What routes bring it.
    pub(crate) kinds: Vec<String>,
    pub(crate) pharmacy: bool,
    pub(crate) lines: Vec<Line>,
    /// An EHR's resources: `Type/id`, and what names each.
    pub(crate) kept: Vec<(String, Vec<String>)>,
    /// A pharmacy's prescriptions that may be filled: order and MessageID.
    pub(crate) live: Vec<(String, String)>,
    /// Orders of which two were live at once, at any time.
    pub(crate) live_twice: Vec<String>,
}

/// A submission.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) name: Name,
    /// Whether it was acknowledged.
    pub(crate) answered: bool,
    /// Whether it is an order that ends here.
    pub(crate) ends: bool,
    /// The pharmacy that an order is for.
    pub(crate) pharmacy: Option<String>,
}

/// A job's row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) partner: String,
    pub(crate) lane: String,
    pub(crate) name: Name,
    pub(crate) purpose: String,
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) message: Option<String>,
    pub(crate) attempts: u64,
    /// Attempts that are written and charged.
    pub(crate) charged: u64,
    /// Whether a person acted on it.
    pub(crate) acted: bool,
}

impl Job {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "waiting" | "sending" | "asking")
    }
}

/// A job that was seen to move.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub(crate) seq: i64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) acted: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) sent: Vec<Sent>,
    pub(crate) stored: BTreeSet<Name>,
    pub(crate) jobs: Vec<Job>,
    /// Done effects with the partner's id: job, `Type/id` there.
    pub(crate) done: Vec<(i64, String)>,
    /// Counters: partner, state, how many.
    pub(crate) counts: BTreeMap<(String, String), i64>,
    /// Jobs that routing ever made, by the counter.
    pub(crate) made: i64,
    /// Rows that belong to no job, and lanes whose head is not the one that it should be.
    pub(crate) astray: Vec<String>,
    /// What `integrity_check` says.
    pub(crate) integrity: String,
    pub(crate) books: Vec<Book>,
    pub(crate) moved: Vec<Moved>,
    /// How long after a word of caution something may still be written by what was under way.
    pub(crate) on_its_way: Duration,
    /// Attempts that may be charged to a message.
    pub(crate) attempts_max: u64,
    /// Whether everything should have come to rest.
    pub(crate) rests: bool,
    /// Whether a person may be needed for something.
    pub(crate) may_park: bool,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// Something accepted is not stored, or something called done did not take effect.
    Lost,
    /// An effect was taken twice; two prescriptions of an order were live.
    Doubled,
    /// Out of its lane's order.
    Disordered,
    /// Something that was not accepted arrived.
    Undue,
    /// A partner was asked something that makes no sense to it.
    Senseless,
    /// Counters and rows differ; a row without its job; a lane with another head.
    Miscounted,
    /// More attempts than the schedule has, or sooner than the partner asked.
    Impatient,
    /// Two requests of one lane were in flight at once.
    Overlapped,
    /// What had ended moved again; what was parked moved by itself.
    Revived,
    /// What was cancelled is live.
    Uncancelled,
    /// Something did not come to rest.
    Unfinished,
    /// Others did not get on beside a fault, or the process grew.
    Held,
    /// The database is damaged.
    Damaged,
    /// A log line holds a value of a record.
    Told,
}

/// An invariant that is broken, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) wrong: Wrong,
    pub(crate) says: String,
}
