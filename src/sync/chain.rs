//! What a new version of a record does to the jobs of its chain, per partner: pure decisions.
//!
//! Contracts section 6 (superseding, cancelling) and section 8 (one live NewRx). Nothing here knows
//! FHIR or SCRIPT; nothing here sends or stores.

use crate::fault::{self, Mutant};
use crate::ids::{JobId, MessageId, PartnerId};
use crate::sync::job::{ChainJob, Purpose, Reach, State, VersionRef};
use crate::sync::ports::Transition;
use crate::sync::reason::Reason;

/// How a record version stands, as far as deliveries care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing to prescribe (proposed, declined), or not an order.
    Plain,
    /// A prescription that holds (signed, on hold).
    Live,
    /// Over as planned: nothing more to say to a pharmacy.
    Completed,
    /// Ended: cancelled, stopped, entered in error. What a partner has is taken back.
    Ended,
}

/// What is new.
#[derive(Clone, Copy, Debug)]
pub struct NewFacts<'a> {
    /// The record version.
    pub record: &'a VersionRef,
    /// How it stands.
    pub standing: Standing,
    /// Whether signed content or standing differ from the version before (or there is none).
    pub changed: bool,
    /// Whether another partner has or may have something of the record, or another record refers
    /// to it.
    pub known_elsewhere: bool,
}

/// A job to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What it does.
    pub purpose: Purpose,
    /// `Waiting`, or `Cancelled` where there is nothing to take back.
    pub state: State,
    /// Why, where it does not simply wait.
    pub reason: Option<Reason>,
    /// A cancel: the message it takes back.
    pub relates_to: Option<MessageId>,
    /// A NewRx: what must be cancelled first.
    pub awaits: Option<Awaited>,
}

/// The cancel that a new prescription waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The one planned just before it.
    Planned,
    /// One that is on its way.
    Existing(MessageId),
}

impl Planned {
    fn simple(purpose: Purpose) -> Self {
        Planned {
            purpose,
            state: State::Waiting,
            reason: None,
            relates_to: None,
            awaits: None,
        }
    }

    fn nothing_there() -> Self {
        Planned {
            state: State::Cancelled,
            reason: Some(Reason::NothingThere),
            ..Planned::simple(Purpose::Cancel)
        }
    }
}

/// What is to be done at one partner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes of jobs that are there.
    pub transitions: Vec<Transition>,
    /// The jobs to be made, in order.
    pub jobs: Vec<Planned>,
}

/// Whether a job may have left something at its partner.
pub(super) fn may_be_there(job: &ChainJob) -> bool {
    job.reach != Reach::Not || job.unsure || matches!(job.state, State::Sending | State::Asking)
}

pub(super) fn at_rest(job: &ChainJob) -> bool {
    matches!(job.state, State::Waiting | State::Parked) && !job.unsure
}

pub(super) fn end(job: &ChainJob, to: State, reason: Reason) -> Transition {
    Transition {
        job: job.id.clone(),
        from: job.state,
        to,
        reason,
    }
}

/// For partners that keep copies, and for the clinic. `jobs`: those of the chain at this partner.
#[must_use]
pub fn plan_copies(new: &NewFacts<'_>, jobs: &[ChainJob]) -> Plan {
    let own: Vec<&ChainJob> = jobs
        .iter()
        .filter(|j| j.record.kind == new.record.kind && j.record.id == new.record.id)
        .collect();
    let there = own.iter().any(|j| may_be_there(j));
    let ended = new.standing == Standing::Ended;
    let (to, reason) = if ended && !there {
        (State::Cancelled, Reason::CancelledInChain)
    } else {
        (State::Superseded, Reason::Replaced)
    };
    let transitions = own
        .iter()
        .filter(|j| at_rest(j))
        .map(|j| end(j, to, reason))
        .collect();
    let job = match (ended, there) {
        (false, _) => Planned::simple(Purpose::Copy),
        (true, true) => Planned::simple(Purpose::Cancel),
        (true, false) if new.known_elsewhere => Planned::simple(Purpose::Copy),
        (true, false) => Planned::nothing_there(),
    };
    Plan {
        transitions,
        jobs: vec![job],
    }
}

/// For pharmacies: at most one NewRx of an order is live, ever. `jobs`: those of the chain there.
#[must_use]
pub fn plan_prescriptions(new: &NewFacts<'_>, jobs: &[ChainJob]) -> Plan {
    if fault::mutant(Mutant::CancelAlone) && new.standing == Standing::Ended {
        return Plan::default();
    }
    let own: Vec<&ChainJob> = jobs
        .iter()
        .filter(|j| j.record.kind == new.record.kind && j.record.id == new.record.id)
        .collect();
    if !new.changed {
        return Plan::default();
    }
    let unsent = || {
        own.iter()
            .filter(|j| j.purpose == Purpose::NewRx && at_rest(j) && !may_be_there(j))
    };
    let last_cancel = own
        .iter()
        .filter(|j| j.purpose == Purpose::Cancel && j.state != State::Cancelled)
        .max_by_key(|j| j.seq);
    // The newest NewRx that is or may be there, unless a later cancel of it was approved.
    let live = own
        .iter()
        .filter(|j| j.purpose == Purpose::NewRx && may_be_there(j))
        .max_by_key(|j| j.seq)
        .filter(|rx| !last_cancel.is_some_and(|c| c.seq > rx.seq && c.confirmed == Some(true)));
    // A cancel of it that was not denied: no second one is needed.
    let on_its_way = live.and_then(|rx| {
        last_cancel.filter(|c| c.seq > rx.seq && c.confirmed.is_none() && c.state != State::Parked)
    });
    match new.standing {
        Standing::Plain | Standing::Completed => Plan::default(),
        Standing::Live => {
            let transitions = unsent()
                .map(|j| end(j, State::Superseded, Reason::Replaced))
                .collect();
            let mut rx = Planned::simple(Purpose::NewRx);
            let mut plan = Vec::new();
            match (live, on_its_way.and_then(|c| c.message.clone())) {
                (None, _) => {}
                (Some(_), Some(cancel)) => rx.awaits = Some(Awaited::Existing(cancel)),
                (Some(old), None) => {
                    plan.push(Planned {
                        relates_to: old.message.clone(),
                        ..Planned::simple(Purpose::Cancel)
                    });
                    rx.awaits = Some(Awaited::Planned);
                }
            }
            plan.push(rx);
            Plan {
                transitions,
                jobs: plan,
            }
        }
        Standing::Ended => {
            let transitions = unsent()
                .map(|j| end(j, State::Cancelled, Reason::CancelledInChain))
                .collect();
            let plan = match (live, on_its_way) {
                (Some(_), Some(_)) => vec![],
                (Some(old), None) => vec![Planned {
                    relates_to: old.message.clone(),
                    ..Planned::simple(Purpose::Cancel)
                }],
                (None, _) if own.is_empty() => vec![],
                (None, _) => vec![Planned::nothing_there()],
            };
            Plan {
                transitions,
                jobs: plan,
            }
        }
    }
}

/// What a prescription waits for at the pharmacies where its order was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// Nothing of it is or may be live there.
    Nothing,
    /// The answer to this cancel, which is on its way.
    Awaits(MessageId),
    /// A person: the cancel was denied, or nobody answered it.
    Parks(Reason),
}

/// Looks at the other pharmacies of an order. `jobs`: those of its chain, at all partners. Where nothing
/// was ever taken back (the pharmacy left the config), nothing is waited for.
#[must_use]
pub fn elsewhere(here: &PartnerId, record: &VersionRef, jobs: &[ChainJob]) -> Elsewhere {
    let own = |j: &&ChainJob| {
        j.partner != *here && j.record.kind == record.kind && j.record.id == record.id
    };
    let mut found = Elsewhere::Nothing;
    let live = |j: &&ChainJob| j.purpose == Purpose::NewRx && may_be_there(j);
    for rx in jobs.iter().filter(own).filter(live) {
        let cancel = jobs
            .iter()
            .filter(|c| c.partner == rx.partner && c.purpose == Purpose::Cancel && c.seq > rx.seq)
            .filter(own)
            .max_by_key(|c| c.seq);
        match cancel {
            None => {}
            Some(c) if c.confirmed == Some(true) => {}
            Some(c) if c.confirmed == Some(false) => {
                return Elsewhere::Parks(Reason::CancelDenied);
            }
            Some(c) => match &c.message {
                Some(message) if !matches!(c.state, State::Parked | State::Cancelled) => {
                    found = Elsewhere::Awaits(message.clone());
                }
                _ => return Elsewhere::Parks(Reason::CancelSilent),
            },
        }
    }
    found
}

/// What the deciders saw, for the store to compare.
#[must_use]
pub fn seen(jobs: &[ChainJob]) -> Vec<(JobId, State, Reach, bool)> {
    jobs.iter()
        .map(|j| (j.id.clone(), j.state, j.reach, j.unsure))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ids::PartnerId;

    pub(in crate::sync) fn version(v: u64) -> VersionRef {
        VersionRef {
            kind: "medication-request".into(),
            id: "RX-1".into(),
            version: v,
        }
    }

    pub(in crate::sync) fn job(seq: i64, purpose: Purpose, state: State, reach: Reach) -> ChainJob {
        ChainJob {
            id: JobId::new(&format!("J{seq}")),
            partner: PartnerId::new("p"),
            record: version(u64::try_from(seq).unwrap()),
            purpose,
            state,
            reach,
            unsure: false,
            message: Some(MessageId::new(&format!("M{seq}"))),
            confirmed: None,
            seq,
        }
    }

    #[test]
    fn what_an_order_left_elsewhere_is_waited_for_or_parks() {
        let record = version(9);
        let there = PartnerId::new("q");
        let found = |jobs: &[ChainJob]| elsewhere(&there, &record, jobs);
        let rx = || job(1, Purpose::NewRx, State::Done, Reach::There);
        let cancel = |state, confirmed| ChainJob {
            confirmed,
            ..job(2, Purpose::Cancel, state, Reach::There)
        };
        assert_eq!(found(&[]), Elsewhere::Nothing);
        assert_eq!(found(&[rx()]), Elsewhere::Nothing, "never taken back");
        let unsent = job(1, Purpose::NewRx, State::Superseded, Reach::Not);
        assert_eq!(found(&[unsent]), Elsewhere::Nothing);
        for (cancel, wanted) in [
            (cancel(State::Done, Some(true)), Elsewhere::Nothing),
            (
                cancel(State::Done, None),
                Elsewhere::Awaits(MessageId::new("M2")),
            ),
            (
                cancel(State::Waiting, None),
                Elsewhere::Awaits(MessageId::new("M2")),
            ),
            (
                cancel(State::Done, Some(false)),
                Elsewhere::Parks(Reason::CancelDenied),
            ),
            (
                cancel(State::Parked, None),
                Elsewhere::Parks(Reason::CancelSilent),
            ),
            (
                cancel(State::Cancelled, None),
                Elsewhere::Parks(Reason::CancelSilent),
            ),
        ] {
            assert_eq!(found(&[rx(), cancel]), wanted);
        }
        let own = PartnerId::new("p");
        let denied = [rx(), cancel(State::Done, Some(false))];
        assert_eq!(elsewhere(&own, &record, &denied), Elsewhere::Nothing);
    }

    fn new(record: &VersionRef, standing: Standing) -> NewFacts<'_> {
        NewFacts {
            record,
            standing,
            changed: true,
            known_elsewhere: false,
        }
    }

    #[test]
    fn a_newer_copy_supersedes_what_is_at_rest_and_leaves_what_is_in_flight() {
        let v = version(9);
        let jobs = [
            job(1, Purpose::Copy, State::Done, Reach::There),
            job(2, Purpose::Copy, State::Sending, Reach::Not),
            job(3, Purpose::Copy, State::Waiting, Reach::Not),
            job(4, Purpose::Copy, State::Parked, Reach::Not),
            ChainJob {
                unsure: true,
                ..job(5, Purpose::Copy, State::Parked, Reach::Maybe)
            },
        ];
        let plan = plan_copies(&new(&v, Standing::Plain), &jobs);
        let moved: Vec<_> = plan
            .transitions
            .iter()
            .map(|t| t.job.as_str().to_owned())
            .collect();
        assert_eq!(moved, ["J3", "J4"]);
        assert!(plan.transitions.iter().all(|t| t.to == State::Superseded));
        assert_eq!(plan.jobs, [Planned::simple(Purpose::Copy)]);
    }

    #[test]
    fn a_cancel_of_a_copy_that_never_left_ends_in_the_house() {
        let v = version(2);
        let jobs = [job(1, Purpose::Copy, State::Waiting, Reach::Not)];
        let plan = plan_copies(&new(&v, Standing::Ended), &jobs);
        assert_eq!(plan.transitions[0].to, State::Cancelled);
        assert_eq!(plan.jobs, [Planned::nothing_there()]);
        let known = NewFacts {
            known_elsewhere: true,
            ..new(&v, Standing::Ended)
        };
        assert_eq!(
            plan_copies(&known, &jobs).jobs,
            [Planned::simple(Purpose::Copy)]
        );
    }

    #[test]
    fn a_changed_prescription_replaces_an_unsent_one() {
        let v = version(2);
        let jobs = [job(1, Purpose::NewRx, State::Waiting, Reach::Not)];
        let plan = plan_prescriptions(&new(&v, Standing::Live), &jobs);
        assert_eq!(plan.transitions[0].to, State::Superseded);
        assert_eq!(plan.jobs, [Planned::simple(Purpose::NewRx)]);
    }

    #[test]
    fn a_changed_prescription_cancels_one_that_may_be_there_and_waits_for_the_answer() {
        let v = version(2);
        for (state, reach, unsure) in [
            (State::Done, Reach::There, false),
            (State::Sending, Reach::Not, false),
            (State::Asking, Reach::Maybe, true),
            (State::Parked, Reach::Maybe, true),
        ] {
            let jobs = [ChainJob {
                unsure,
                ..job(1, Purpose::NewRx, state, reach)
            }];
            let plan = plan_prescriptions(&new(&v, Standing::Live), &jobs);
            assert!(plan.transitions.is_empty());
            assert_eq!(plan.jobs.len(), 2, "{state:?}");
            assert_eq!(plan.jobs[0].purpose, Purpose::Cancel);
            assert_eq!(plan.jobs[0].relates_to, Some(MessageId::new("M1")));
            assert_eq!(plan.jobs[1].awaits, Some(Awaited::Planned));
        }
    }

    #[test]
    fn a_second_change_waits_for_the_same_cancel() {
        let v = version(3);
        let jobs = [
            job(1, Purpose::NewRx, State::Done, Reach::There),
            job(2, Purpose::Cancel, State::Done, Reach::There),
            job(3, Purpose::NewRx, State::Waiting, Reach::Not),
        ];
        let plan = plan_prescriptions(&new(&v, Standing::Live), &jobs);
        assert_eq!(plan.transitions[0].job, JobId::new("J3"));
        assert_eq!(plan.jobs.len(), 1);
        assert_eq!(
            plan.jobs[0].awaits,
            Some(Awaited::Existing(MessageId::new("M2")))
        );
    }

    #[test]
    fn after_an_approved_cancel_a_new_prescription_goes_at_once() {
        let v = version(4);
        let jobs = [
            job(1, Purpose::NewRx, State::Done, Reach::There),
            ChainJob {
                confirmed: Some(true),
                ..job(2, Purpose::Cancel, State::Done, Reach::There)
            },
        ];
        let plan = plan_prescriptions(&new(&v, Standing::Live), &jobs);
        assert_eq!(plan.jobs, [Planned::simple(Purpose::NewRx)]);
    }

    #[test]
    fn a_cancel_tells_what_is_or_may_be_there_and_ends_where_nothing_is() {
        let v = version(2);
        let there = [job(1, Purpose::NewRx, State::Done, Reach::There)];
        let plan = plan_prescriptions(&new(&v, Standing::Ended), &there);
        assert_eq!(plan.jobs[0].relates_to, Some(MessageId::new("M1")));
        let unsent = [job(1, Purpose::NewRx, State::Parked, Reach::Not)];
        let plan = plan_prescriptions(&new(&v, Standing::Ended), &unsent);
        assert_eq!(plan.transitions[0].to, State::Cancelled);
        assert_eq!(plan.jobs, [Planned::nothing_there()]);
        assert_eq!(
            plan_prescriptions(&new(&v, Standing::Ended), &[]),
            Plan::default()
        );
    }

    #[test]
    fn an_unchanged_order_makes_no_message() {
        let v = version(2);
        let same = NewFacts {
            changed: false,
            ..new(&v, Standing::Live)
        };
        let jobs = [job(1, Purpose::NewRx, State::Done, Reach::There)];
        assert_eq!(plan_prescriptions(&same, &jobs), Plan::default());
    }
}
