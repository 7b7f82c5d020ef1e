//! What is done to the gateway: the matrix, and for each planted bug the smallest scenario that shows it.

mod answers;
mod crash;
mod disk;
mod nodes;
mod outage;
mod people;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use fhir_gateway::fault::Mutant;

use crate::check::Wrong;
use crate::stage::{Outcome, Setup};

/// Transactions that have to take effect where they are to be hit.
const TRANSACTIONS_MIN: u64 = 10;

/// What a scenario is run with.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// The long version.
    pub(crate) long: bool,
    pub(crate) mutant: Option<Mutant>,
    /// Whether the store is a PostgreSQL, where a scenario leaves that open.
    pub(crate) postgres: bool,
}

impl Run {
    fn setup(self, name: &'static str) -> Setup {
        let mut setup = Setup::new(name, self.seed, self.mutant);
        if self.postgres {
            setup.postgres = nodes::anew();
        }
        setup
    }

    /// How long what is left may take to come to rest: it ends as soon as all does.
    fn rest(self) -> Duration {
        Duration::from_secs(self.of(90, 600))
    }

    /// What is about transactions, too, says nothing of them where hardly any took effect in the end.
    fn had_transactions(mut outcome: Outcome) -> Outcome {
        let had = outcome.transactions;
        if had < TRANSACTIONS_MIN {
            let says = format!("only {had} transactions took effect");
            outcome.found.add(Wrong::Held, says);
        }
        outcome
    }

    /// The same for what is about SQLite's own files.
    fn of_files(self) -> Self {
        Run {
            postgres: false,
            ..self
        }
    }

    /// One of two, by the version that is run.
    fn of<T>(self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }
}

type Played = Pin<Box<dyn Future<Output = Outcome>>>;

/// A scenario.
pub(crate) struct Scenario {
    /// Its place in the matrix.
    pub(crate) matrix: &'static str,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether it measures, and nothing may run beside it.
    pub(crate) alone: bool,
    pub(crate) play: fn(Run) -> Played,
}

macro_rules! scenarios {
    ($($matrix:literal $name:literal $alone:literal $play:path, $about:literal;)+) => {
        &[$(Scenario {
            matrix: $matrix,
            name: $name,
            about: $about,
            alone: $alone,
            play: |run| Box::pin($play(run)),
        },)+]
    };
}

/// All of them; those that take longest first.
pub(crate) const ALL: &[Scenario] = scenarios! {
    "F1" "kills" false crash::kills, "killed at random moments, partners shaky";
    "F2" "places" false crash::places, "killed at every named place";
    "F2" "late" false crash::late, "a worker hangs past its lease";
    "F2" "leases" false crash::leases, "answers take nearly as long as a request may";
    "F2" "told" false crash::told, "killed between the answer and the disk";
    "F2" "posts" false crash::posts, "killed before a send";
    "F3" "outage" false outage::outage, "a partner is down, others get on";
    "F3" "lanes" false outage::lanes, "a patient's line waits for a partner that is down";
    "F3" "cancels" false outage::cancels, "orders are cancelled before they could leave";
    "F5" "bad" false answers::bad, "every bad answer, at each sort of partner";
    "F5" "certs" false answers::certificates, "certificates that have expired, or are of another host";
    "F5" "throttled" false answers::throttled, "a partner asks to be left alone";
    "F5" "claims" false answers::claims, "answers take their time";
    "F5" "unclear" false people::unclear, "a pharmacy that knows no repeats does not answer";
    "F6" "poison" false people::poison, "a record that a partner refuses, and its retry";
    "F8" "full" false disk::full, "the disk runs full, and is freed";
    "F9" "clock" false crash::clock, "the wall clock jumps by an hour, either way";
    "F2" "marks" false nodes::marks, "two nodes on one PostgreSQL, killed at every named place";
    "F10" "nodes" false nodes::nodes, "two nodes on one PostgreSQL: one killed, one stopped past its lease";
    "F11" "server" false nodes::server, "PostgreSQL stops at once, under load";
    "F12" "snapshot" false nodes::snapshot, "somebody holds an old snapshot of PostgreSQL";
    "F13" "copies" false disk::copies, "what was written last is lost: copies of the files, cut and torn";
    "F4" "slow" true outage::slow, "a partner is slow, others hold";
    "F7" "backlog" true outage::backlog, "one patient's line is long, others hold";
};

/// Planted bugs that are of a store: each store has them by itself, and each has to be seen in it.
pub(crate) const OF_STORES: [Mutant; 6] = [
    Mutant::AckBeforeCommit,
    Mutant::NoLaneOrder,
    Mutant::SettleAfterLostLease,
    Mutant::DoubleClaim,
    Mutant::BreakerIgnored,
    Mutant::ParkedDeleted,
];

/// Whether there is a PostgreSQL to be had.
pub(crate) fn has_postgres() -> bool {
    nodes::standing().is_some()
}

/// The scenario in which a planted bug is to be found, and the invariant that it breaks.
pub(crate) fn shows(mutant: Mutant) -> (&'static Scenario, Wrong) {
    let (name, wrong) = match mutant {
        Mutant::AckBeforeCommit => ("told", Wrong::Lost),
        Mutant::DoneBeforeDelivery => ("posts", Wrong::Lost),
        Mutant::NoLaneOrder => ("lanes", Wrong::Disordered),
        Mutant::ShortLease => ("leases", Wrong::Overlapped),
        Mutant::RetryUnsure => ("unclear", Wrong::Doubled),
        Mutant::SettleAfterLostLease => ("late", Wrong::Revived),
        Mutant::DoubleClaim => ("claims", Wrong::Overlapped),
        Mutant::BreakerIgnored => ("throttled", Wrong::Impatient),
        Mutant::CancelAlone => ("cancels", Wrong::Uncancelled),
        Mutant::ParkedDeleted => ("poison", Wrong::Miscounted),
    };
    let found = ALL.iter().find(|s| s.name == name);
    (found.expect("a scenario of that name"), wrong)
}
