//! What the later jobs of a record mean for one that was in flight when they were made, and so could not
//! be taken back then: pure decisions (contracts section 6).

use crate::ids::JobId;
use crate::sync::chain::{at_rest, end, may_be_there};
use crate::sync::job::{ChainJob, Purpose, State};
use crate::sync::ports::Transition;
use crate::sync::reason::Reason;

/// What becomes of a job that came to rest after the record's later jobs at this partner were made, so
/// that they could not take it back: it was in flight. `jobs`: those of its record there, in accepted
/// order. `sent`: whether something of it is there. `None`: it goes on.
#[must_use]
pub fn overtaken(own: &JobId, sent: bool, jobs: &[ChainJob]) -> Option<(State, Reason)> {
    let at = jobs.iter().position(|j| j.id == *own)?;
    let (own, newer) = (&jobs[at], &jobs[at + 1..]);
    let of = |purpose: Purpose| newer.iter().filter(move |j| j.purpose == purpose);
    let cancels = || of(Purpose::Cancel);
    if own.purpose == Purpose::Cancel || newer.is_empty() {
        return None;
    }
    if own.unsure {
        // It cannot be sent again behind its cancel. Where that took effect, nothing of it is left.
        return match cancels().any(|c| c.state == State::Done) {
            true => Some((State::Superseded, Reason::Replaced)),
            false => cancels().next().map(|_| (State::Parked, Reason::Unclear)),
        };
    }
    let replaced = newer.iter().any(|j| j.purpose != Purpose::Cancel);
    Some(if replaced || sent {
        (State::Superseded, Reason::Replaced)
    } else {
        (State::Cancelled, Reason::CancelledInChain)
    })
}

/// Whether a cancel has nothing to take back after all, because what was in flight when it was made has
/// certainly not arrived: what becomes of the older jobs, then. `None`: something is or may be there.
#[must_use]
pub fn nothing_left(cancel: &JobId, jobs: &[ChainJob]) -> Option<Vec<Transition>> {
    let at = jobs.iter().position(|j| j.id == *cancel)?;
    let older = &jobs[..at];
    if jobs[at].unsure || older.is_empty() || older.iter().any(may_be_there) {
        return None;
    }
    Some(
        older
            .iter()
            .filter(|j| at_rest(j))
            .filter_map(|j| {
                let (to, reason) = overtaken(&j.id, false, jobs)?;
                Some(end(j, to, reason))
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::chain::tests::job;
    use crate::sync::job::Reach;

    #[test]
    fn what_was_in_flight_ends_once_it_rests_behind_its_cancel_or_its_successor() {
        let ended = |own: ChainJob, sent, newer: ChainJob| {
            let (id, jobs) = (own.id.clone(), [own, newer]);
            overtaken(&id, sent, &jobs).map(|(state, _)| state)
        };
        let v1 = || job(1, Purpose::Copy, State::Sending, Reach::Not);
        let cancel = |state| job(2, Purpose::Cancel, state, Reach::Not);
        let v2 = || job(2, Purpose::Copy, State::Waiting, Reach::Not);
        assert_eq!(
            ended(v1(), false, cancel(State::Waiting)),
            Some(State::Cancelled)
        );
        assert_eq!(
            ended(v1(), true, cancel(State::Waiting)),
            Some(State::Superseded)
        );
        assert_eq!(ended(v1(), false, v2()), Some(State::Superseded));
        let unclear = || ChainJob {
            unsure: true,
            ..v1()
        };
        assert_eq!(ended(unclear(), false, v2()), None, "it is sent first");
        assert_eq!(
            ended(unclear(), false, cancel(State::Waiting)),
            Some(State::Parked)
        );
        assert_eq!(
            ended(unclear(), false, cancel(State::Done)),
            Some(State::Superseded)
        );
        let alone = [v1()];
        assert_eq!(overtaken(&alone[0].id, false, &alone), None);
        assert_eq!(ended(cancel(State::Sending), false, v2()), None);
    }

    #[test]
    fn a_cancel_has_nothing_left_only_if_all_before_it_certainly_never_arrived() {
        let cancel = || job(3, Purpose::Cancel, State::Sending, Reach::Not);
        let rx = |state, reach| job(1, Purpose::NewRx, state, reach);
        let next = || job(4, Purpose::NewRx, State::Waiting, Reach::Not);
        let jobs = [rx(State::Waiting, Reach::Not), cancel(), next()];
        let moved = nothing_left(&jobs[1].id, &jobs).expect("nothing is there");
        assert_eq!(
            (moved[0].job.as_str(), moved[0].to),
            ("J1", State::Superseded)
        );
        for older in [
            rx(State::Done, Reach::There),
            rx(State::Parked, Reach::Maybe),
            rx(State::Asking, Reach::Not),
            ChainJob {
                unsure: true,
                ..rx(State::Waiting, Reach::Not)
            },
        ] {
            let jobs = [older, cancel()];
            assert_eq!(nothing_left(&jobs[1].id, &jobs), None);
        }
    }
}
