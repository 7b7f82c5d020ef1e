//! The steps of a random history, and whose records they are about.

use proptest::prelude::*;

use crate::sync::ports::{Act, Steer};

/// Two partners: one by chain, one by patient.
pub(super) const PARTNERS: [&str; 2] = ["ehr", "lab"];
/// Records and whose they are. The first two are the clients themselves.
pub(super) const RECORDS: [(&str, &str, Option<usize>); 5] = [
    ("client", "C-0", Some(0)),
    ("client", "C-1", Some(1)),
    ("observation", "M-0", Some(0)),
    ("observation", "M-1", Some(1)),
    ("care-plan", "P-0", None),
];

/// How a claimed job is settled.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Outcome {
    Done,
    /// Its patient is there, and the rest of it is not.
    Patient,
    Busy,
    BusyUnclear,
    Ask,
    Park,
    ParkUnclear,
    Held,
}

/// A step of a history. Numbers pick, modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Step {
    Accept {
        record: usize,
        cancel: bool,
        replaces: bool,
        needs: Option<usize>,
        at: [bool; 2],
    },
    Change {
        record: usize,
    },
    Merge {
        survivor: usize,
    },
    Confirm {
        pick: usize,
        approved: bool,
    },
    Claim {
        partner: usize,
        room: usize,
    },
    Report {
        pick: usize,
        outcome: Outcome,
        wait: i64,
    },
    Late {
        pick: usize,
    },
    Rescue,
    Tick(i64),
    Pause {
        partner: usize,
        on: bool,
    },
    Act {
        pick: usize,
        act: Act,
    },
    Consent {
        client: usize,
    },
    Steer {
        partner: usize,
        steer: Steer,
    },
    Hold {
        client: usize,
        partner: Option<usize>,
        on: bool,
    },
}

pub(in crate::store) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Done),
        1 => Just(Outcome::Patient),
        2 => Just(Outcome::Busy),
        1 => Just(Outcome::BusyUnclear),
        2 => Just(Outcome::Ask),
        1 => Just(Outcome::Park),
        1 => Just(Outcome::ParkUnclear),
        1 => Just(Outcome::Held),
    ];
    let act = prop_oneof![
        Just(Act::Retry),
        Just(Act::Cancel),
        Just(Act::ResolveThere),
        Just(Act::ResolveNotThere),
    ];
    let steer = prop_oneof![
        1 => Just(Steer::Pause),
        2 => Just(Steer::Resume),
        2 => Just(Steer::Drain),
        1 => Just(Steer::Probe),
    ];
    let needs = proptest::option::of(0..RECORDS.len());
    let accept = (
        0..RECORDS.len(),
        prop::bool::weighted(0.2),
        any::<bool>(),
        needs,
        any::<[bool; 2]>(),
    );
    let step = prop_oneof![
        8 => accept.prop_map(|(record, cancel, replaces, needs, at)| Step::Accept {
            record, cancel, replaces, needs, at
        }),
        1 => (0..RECORDS.len()).prop_map(|record| Step::Change { record }),
        1 => (0..2usize).prop_map(|survivor| Step::Merge { survivor }),
        1 => (any::<usize>(), any::<bool>())
            .prop_map(|(pick, approved)| Step::Confirm { pick, approved }),
        6 => (0..2usize, 1..4usize).prop_map(|(partner, room)| Step::Claim { partner, room }),
        8 => (any::<usize>(), outcome, 0..30i64)
            .prop_map(|(pick, outcome, wait)| Step::Report { pick, outcome, wait }),
        1 => any::<usize>().prop_map(|pick| Step::Late { pick }),
        1 => Just(Step::Rescue),
        3 => (1..40i64).prop_map(Step::Tick),
        1 => (0..2usize, any::<bool>()).prop_map(|(partner, on)| Step::Pause { partner, on }),
        2 => (any::<usize>(), act).prop_map(|(pick, act)| Step::Act { pick, act }),
        1 => (0..2usize).prop_map(|client| Step::Consent { client }),
        1 => (0..2usize, steer).prop_map(|(partner, steer)| Step::Steer { partner, steer }),
        1 => (0..2usize, proptest::option::of(0..2usize), any::<bool>())
            .prop_map(|(client, partner, on)| Step::Hold { client, partner, on }),
    ];
    prop::collection::vec(step, 1..50)
}
