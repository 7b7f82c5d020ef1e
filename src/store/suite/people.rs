//! What people may do to a job, in each of its states.

use super::make::*;
use crate::ids::JobId;
use crate::sync::job::{NewJob, Reach, State};
use crate::sync::ports::{Act, EffectDone, Store};
use crate::sync::reason::Reason;
use crate::sync::verdict::Verdict;

const OBS: &str = "observation";

async fn act(clinic: &Clinic<'_>, job: &str, act: Act) -> bool {
    let job = JobId::new(job);
    let acted = clinic
        .store
        .act(&clinic.tenant, &job, act, "admin", "why", at(9));
    acted.await.unwrap()
}

const ALL: [Act; 4] = [
    Act::Retry,
    Act::Cancel,
    Act::ResolveThere,
    Act::ResolveNotThere,
];

/// A record whose one job was claimed and settled so.
async fn settled(clinic: &Clinic<'_>, id: &str, made: NewJob, state: State, unsure: bool) {
    clinic.one(OBS, id, made).await;
    let job = clinic.next("ehr", 0).await;
    let mut report = settles(&job, state, Reason::Unclear, 1);
    if let Some(settle) = &mut report.settle {
        settle.unsure = unsure;
        settle.due = at(5000);
    }
    clinic.report(report).await;
}

pub(in crate::store) async fn a_retry_begins_the_schedule_anew(store: &dyn Store) {
    let clinic = Clinic::of(store);
    settled(
        &clinic,
        "parked",
        job("parked", "ehr"),
        State::Parked,
        false,
    )
    .await;
    settled(&clinic, "waits", job("waits", "ehr"), State::Waiting, false).await;
    for id in ["parked", "waits"] {
        assert_eq!(clinic.shown(OBS, id, id).await.attempts, 1);
        assert!(act(&clinic, id, Act::Retry).await);
        let shown = clinic.shown(OBS, id, id).await;
        assert_eq!(
            (shown.state, shown.reason),
            (State::Waiting, Some(Reason::ByPerson))
        );
        assert_eq!((shown.attempts, shown.due), (0, at(9)));
        assert_eq!(shown.tries.len(), 1, "what was tried stays known");
    }
    assert_eq!(clinic.goes("ehr", 9).await, ["parked", "waits"]);
    clinic.adds_up().await;
}

pub(in crate::store) async fn what_may_not_be_retried(store: &dyn Store) {
    let clinic = Clinic::of(store);
    settled(
        &clinic,
        "unclear",
        job("unclear", "ehr"),
        State::Parked,
        true,
    )
    .await;
    settled(&clinic, "asking", job("asking", "ehr"), State::Asking, true).await;
    settled(&clinic, "done", job("done", "ehr"), State::Done, false).await;
    for id in ["unclear", "asking", "done", "nobody"] {
        assert!(!act(&clinic, id, Act::Retry).await, "{id}");
    }
    // An older content must not follow a newer one.
    clinic.one(OBS, "M-1", job("old", "ehr")).await;
    let old = clinic.next("ehr", 0).await;
    clinic
        .accept(draft(OBS, "M-1", 2).with(job("new", "ehr")))
        .await;
    clinic.settle(&old, State::Parked, Reason::Refused, 1).await;
    assert!(!act(&clinic, "old", Act::Retry).await);
    clinic
        .next_goes_to("ehr", State::Done, Reason::Delivered, 2)
        .await;
    assert!(!act(&clinic, "old", Act::Retry).await);
    // A cancel is retried although the prescription that waits for it is newer.
    clinic.one(OBS, "RX-1", rx("rx", "ehr")).await;
    clinic
        .next_goes_to("ehr", State::Done, Reason::Taken, 2)
        .await;
    clinic
        .accept(
            draft(OBS, "RX-1", 2)
                .with(cancel("cancel", "ehr"))
                .with(rx_after("rx2", "ehr", "cancel")),
        )
        .await;
    clinic
        .next_goes_to("ehr", State::Parked, Reason::Refused, 3)
        .await;
    assert!(act(&clinic, "cancel", Act::Retry).await);
    assert_eq!(clinic.goes("ehr", 9).await, ["cancel"]);
}

pub(in crate::store) async fn cancelling_stops_it_for_good(store: &dyn Store) {
    let clinic = Clinic::of(store);
    settled(
        &clinic,
        "parked",
        job("parked", "ehr"),
        State::Parked,
        false,
    )
    .await;
    settled(
        &clinic,
        "unclear",
        job("unclear", "ehr"),
        State::Parked,
        true,
    )
    .await;
    settled(&clinic, "asking", job("asking", "ehr"), State::Asking, true).await;
    settled(&clinic, "waits", job("waits", "ehr"), State::Waiting, false).await;
    clinic
        .accept(draft(OBS, "waits", 2).with(job("next", "ehr")))
        .await;
    for id in ["parked", "unclear", "asking", "waits"] {
        assert!(act(&clinic, id, Act::Cancel).await, "{id}");
        let jobs = clinic.chain(&chain(OBS, id)).await;
        assert_eq!(jobs[0].state, State::Cancelled);
        // A cancel that comes later still has to tell them of what may be there.
        assert_eq!(jobs[0].unsure, matches!(id, "unclear" | "asking"));
        for again in ALL {
            assert!(!act(&clinic, id, again).await, "{id} {again:?}");
        }
    }
    assert_eq!(clinic.goes("ehr", 9999).await, ["next"]);
    clinic.adds_up().await;
}

/// A job of two effects, unclear at the second, or at the first.
async fn half(clinic: &Clinic<'_>, id: &str, first_done: bool) {
    let made = NewJob {
        effects: vec![effect("Observation", id), effect("Provenance", id)],
        ..job(id, "ehr")
    };
    clinic.one(OBS, id, made).await;
    let claimed = clinic.next("ehr", 0).await;
    if first_done {
        let mut report = report(&claimed, 1);
        report.attempt = Some(attempt(Verdict::Accepted, Reason::Delivered, 1));
        report.done = vec![EffectDone {
            effect: 0,
            remote: Some(remote("9", None)),
        }];
        clinic.report(report).await;
    }
    let mut report = settles(&claimed, State::Parked, Reason::Unclear, 1);
    if let Some(settle) = &mut report.settle {
        (settle.unsure, settle.reach) = (true, Reach::Maybe);
    }
    clinic.report(report).await;
}

pub(in crate::store) async fn resolving_there_sends_the_rest(store: &dyn Store) {
    let clinic = Clinic::of(store);
    settled(&clinic, "one", job("one", "ehr"), State::Asking, true).await;
    assert!(act(&clinic, "one", Act::ResolveThere).await);
    let jobs = clinic.chain(&chain(OBS, "one")).await;
    assert_eq!(
        (jobs[0].state, jobs[0].reach, jobs[0].unsure),
        (State::Done, Reach::There, false)
    );
    assert!(clinic.shown(OBS, "one", "one").await.effects[0].done);
    // Known to be there is known: it cannot be resolved again.
    for again in ALL {
        assert!(!act(&clinic, "one", again).await);
    }

    half(&clinic, "first", false).await;
    assert!(act(&clinic, "first", Act::ResolveThere).await);
    let again = clinic.next("ehr", 9).await;
    let done: Vec<_> = again.effects.iter().map(|e| e.done).collect();
    assert_eq!((again.id.as_str(), done), ("first", vec![true, false]));
    assert!(!again.unsure);

    half(&clinic, "second", true).await;
    assert!(act(&clinic, "second", Act::ResolveThere).await);
    assert_eq!(clinic.state(OBS, "second", "second").await, State::Done);

    // What is clear is not resolved.
    settled(&clinic, "clear", job("clear", "ehr"), State::Parked, false).await;
    assert!(!act(&clinic, "clear", Act::ResolveThere).await);
    assert!(!act(&clinic, "clear", Act::ResolveNotThere).await);
}

pub(in crate::store) async fn resolving_not_there_sends_parks_or_replaces(store: &dyn Store) {
    let clinic = Clinic::of(store);
    settled(&clinic, "copy", job("copy", "ehr"), State::Parked, true).await;
    assert!(act(&clinic, "copy", Act::ResolveNotThere).await);
    let jobs = clinic.chain(&chain(OBS, "copy")).await;
    assert_eq!((jobs[0].reach, jobs[0].unsure), (Reach::Not, false));
    assert_eq!(clinic.goes("ehr", 9).await, ["copy"]);

    // A prescription parks until somebody sends it.
    settled(&clinic, "rx", rx("rx", "ehr"), State::Parked, true).await;
    assert!(act(&clinic, "rx", Act::ResolveNotThere).await);
    let shown = clinic.shown(OBS, "rx", "rx").await;
    assert_eq!((shown.state, shown.unsure), (State::Parked, false));
    assert!(act(&clinic, "rx", Act::Retry).await);
    assert_eq!(clinic.goes("ehr", 9).await, ["rx"]);

    // Some of it is there: it is not as if nothing had been sent.
    half(&clinic, "half", true).await;
    assert!(act(&clinic, "half", Act::ResolveNotThere).await);
    let jobs = clinic.chain(&chain(OBS, "half")).await;
    assert_eq!(
        (jobs[0].state, jobs[0].reach),
        (State::Waiting, Reach::Maybe)
    );
    assert_eq!(clinic.goes("ehr", 9).await, ["half"]);

    // A newer version took its place meanwhile.
    settled(&clinic, "M-1", job("old", "ehr"), State::Parked, true).await;
    clinic
        .accept(draft(OBS, "M-1", 2).with(job("new", "ehr")))
        .await;
    assert!(act(&clinic, "old", Act::ResolveNotThere).await);
    let shown = clinic.shown(OBS, "M-1", "old").await;
    assert_eq!(
        (shown.state, shown.reason),
        (State::Superseded, Some(Reason::Replaced))
    );
    assert_eq!(clinic.goes("ehr", 9).await, ["new"]);
    clinic.adds_up().await;
}

pub(in crate::store) async fn nobody_acts_on_what_is_in_flight(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one(OBS, "M-1", job("J1", "ehr")).await;
    let sent = clinic.next("ehr", 0).await;
    for act_ in ALL {
        assert!(!act(&clinic, "J1", act_).await, "{act_:?}");
    }
    clinic
        .settle(&sent, State::Asking, Reason::TimedOut, 1)
        .await;
    let asked = clinic.next("ehr", 1).await;
    for act_ in ALL {
        assert!(!act(&clinic, "J1", act_).await, "{act_:?}");
    }
    clinic.done(&asked, 2).await;
    for act_ in ALL {
        assert!(!act(&clinic, "J1", act_).await, "{act_:?}");
    }
}
