//! What goes wrong at a simulated partner, on order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// One thing that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503.
    Unavailable,
    /// 429 with this `Retry-After`, in seconds.
    Throttled(u64),
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 422 with an OperationOutcome.
    Refused,
    /// 500 before any effect.
    ServerError,
    /// 500 although it took effect.
    ServerErrorAfter,
    /// The connection breaks before any effect.
    Reset,
    /// The connection breaks although it took effect.
    ResetAfter,
    /// No answer, and no effect.
    Silent,
    /// No answer, although it took effect.
    SilentAfter,
    /// 200 whose body says that it went wrong; no effect.
    ErrorIn200,
    /// 412 although nothing changed; no effect.
    Stale,
    /// 409; no effect.
    Conflict,
    /// A SCRIPT Error with this code and description code; no effect.
    Script(&'static str, &'static str),
    /// The same, although it took effect.
    ScriptAfter(&'static str, &'static str),
    /// A success, later than usual, in milliseconds.
    Slow(u64),
}

impl Fault {
    /// Its name in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Unavailable => "fault-503",
            Fault::Throttled(_) => "fault-429",
            Fault::Unauthorized => "fault-401",
            Fault::Forbidden => "fault-403",
            Fault::Refused => "fault-422",
            Fault::ServerError => "fault-500",
            Fault::ServerErrorAfter => "then-fault-500",
            Fault::Reset => "fault-reset",
            Fault::ResetAfter => "then-fault-reset",
            Fault::Silent => "fault-silent",
            Fault::SilentAfter => "then-fault-silent",
            Fault::ErrorIn200 => "fault-error-in-200",
            Fault::Stale => "fault-412",
            Fault::Conflict => "fault-409",
            Fault::Script(..) => "fault-script-error",
            Fault::ScriptAfter(..) => "then-fault-script-error",
            Fault::Slow(_) => "slow",
        }
    }

    /// Whether the request takes effect all the same.
    #[must_use]
    pub const fn takes_effect(self) -> bool {
        matches!(
            self,
            Fault::ServerErrorAfter
                | Fault::ResetAfter
                | Fault::SilentAfter
                | Fault::ScriptAfter(..)
                | Fault::Slow(_)
        )
    }
}

/// The faults that are still to come. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    plans: Arc<Mutex<Plans>>,
}

#[derive(Debug, Default)]
struct Plans {
    writes: VecDeque<Option<Fault>>,
    reads: VecDeque<Option<Fault>>,
    standing: Option<Fault>,
}

impl Faults {
    /// The next writes go wrong like this, one after the other; `None`: that one goes well.
    pub fn writes(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().writes.extend(faults);
    }

    /// The next reads go wrong like this.
    pub fn reads(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().reads.extend(faults);
    }

    /// Every request goes wrong like this, until told otherwise.
    pub fn standing(&self, fault: Option<Fault>) {
        self.lock().standing = fault;
    }

    /// What goes wrong with the request that came in now.
    #[must_use]
    pub fn next(&self, write: bool) -> Option<Fault> {
        let mut plans = self.lock();
        let queue = if write {
            &mut plans.writes
        } else {
            &mut plans.reads
        };
        match queue.pop_front() {
            Some(fault) => fault,
            None => plans.standing,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
