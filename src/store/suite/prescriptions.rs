//! Prescriptions: the confirmation of a cancel is awaited, and the last send is the last.

use super::make::*;
use crate::clock::Time;
use crate::ids::{JobId, MessageId};
use crate::sync::job::{NewJob, State};
use crate::sync::ports::{Act, Admission, Store};
use crate::sync::reason::Reason;

const RX: &str = "medication-request";

/// A pharmacy's answer to the cancel `J2`.
fn answer(id: &str, approved: bool) -> Admission {
    Admission {
        confirms: Some((MessageId::new("MSGJ2"), approved)),
        now: at(5),
        ..draft("order-event", id, 1).in_chain(&chain(RX, "RX-1"))
    }
}

/// A prescription that is there, and its change: a cancel and a new one that awaits it.
async fn changed(clinic: &Clinic<'_>) {
    clinic.one(RX, "RX-1", rx("J1", "pharmacy")).await;
    clinic
        .next_goes_to("pharmacy", State::Done, Reason::Taken, 1)
        .await;
    clinic
        .accept(
            draft(RX, "RX-1", 2)
                .with(cancel("J2", "pharmacy"))
                .with(rx_after("J3", "pharmacy", "J2")),
        )
        .await;
}

async fn act(clinic: &Clinic<'_>, job: &str, act: Act) -> bool {
    let job = JobId::new(job);
    let acted = clinic
        .store
        .act(&clinic.tenant, &job, act, "admin", "why", at(9));
    acted.await.unwrap()
}

pub(in crate::store) async fn a_new_one_waits_for_the_approval(store: &dyn Store) {
    let clinic = Clinic::of(store);
    changed(&clinic).await;
    clinic
        .next_goes_to("pharmacy", State::Done, Reason::Taken, 2)
        .await;
    assert_eq!(
        clinic.goes("pharmacy", 3).await,
        [""; 0],
        "taken is not approved"
    );
    let shown = clinic.shown(RX, "RX-1", "J3").await;
    assert_eq!(shown.reason, Some(Reason::AwaitsCancel));
    assert_eq!(
        held_back_by(&shown),
        ["cancel: job J2 (message MSGJ2) is not confirmed"]
    );
    clinic.accept(answer("EV-1", true)).await;
    assert_eq!(
        clinic.chain(&chain(RX, "RX-1")).await[1].confirmed,
        Some(true)
    );
    assert_eq!(clinic.reason(RX, "RX-1", "J3").await, None);
    assert_eq!(clinic.goes("pharmacy", 5).await, ["J3"]);
}

pub(in crate::store) async fn a_denial_parks_it(store: &dyn Store) {
    let clinic = Clinic::of(store);
    changed(&clinic).await;
    clinic
        .next_goes_to("pharmacy", State::Done, Reason::Taken, 2)
        .await;
    clinic.accept(answer("EV-1", false)).await;
    let shown = clinic.shown(RX, "RX-1", "J3").await;
    assert_eq!(
        (shown.state, shown.reason),
        (State::Parked, Some(Reason::CancelDenied))
    );
    assert_eq!(
        clinic.chain(&chain(RX, "RX-1")).await[1].confirmed,
        Some(false)
    );
    clinic.adds_up().await;
    // A person who has called may send it.
    assert!(act(&clinic, "J3", Act::Retry).await);
    assert_eq!(clinic.goes("pharmacy", 9).await, ["J3"]);
}

pub(in crate::store) async fn an_answer_that_came_first_counts(store: &dyn Store) {
    for (n, approved) in [true, false].into_iter().enumerate() {
        let clinic = Clinic::named(store, &format!("t{n}"));
        clinic.one(RX, "RX-1", rx("J1", "pharmacy")).await;
        clinic
            .next_goes_to("pharmacy", State::Done, Reason::Taken, 1)
            .await;
        clinic
            .accept(draft(RX, "RX-1", 2).with(cancel("J2", "pharmacy")))
            .await;
        clinic
            .next_goes_to("pharmacy", State::Done, Reason::Taken, 2)
            .await;
        clinic.accept(answer("EV-1", approved)).await;
        // The cancel may be another pharmacy's: the order moved.
        let parked = NewJob {
            state: State::Parked,
            reason: Some(Reason::UnknownDrug),
            ..rx_after("J4", "elsewhere", "J2")
        };
        clinic
            .accept(
                draft(RX, "RX-1", 3)
                    .with(rx_after("J3", "elsewhere", "J2"))
                    .with(parked),
            )
            .await;
        let shown = clinic.shown(RX, "RX-1", "J3").await;
        let wanted = if approved {
            (State::Waiting, None)
        } else {
            (State::Parked, Some(Reason::CancelDenied))
        };
        assert_eq!((shown.state, shown.reason), wanted);
        // What is parked for another reason stays so, and says so.
        let other = clinic.shown(RX, "RX-1", "J4").await;
        assert_eq!(
            (other.state, other.reason),
            (State::Parked, Some(Reason::UnknownDrug))
        );
        assert_eq!(
            clinic.goes("elsewhere", 9).await.len(),
            usize::from(approved)
        );
    }
}

pub(in crate::store) async fn what_a_rule_blocks_stays_blocked(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one(RX, "RX-1", cancel("C1", "pharmacy")).await;
    let blocked = NewJob {
        state: State::Parked,
        reason: Some(Reason::RuleBlocks),
        ..rx_after("R1", "pharmacy", "C1")
    };
    clinic.accept(draft(RX, "RX-1", 2).with(blocked)).await;
    let job = JobId::new("R1");
    let stays = async |what: &str| {
        let shown = clinic.shown(RX, "RX-1", "R1").await;
        let is = (shown.state, shown.reason, shown.unsure);
        let blocked = (State::Parked, Some(Reason::RuleBlocks), false);
        assert_eq!(is, blocked, "{what}");
        let retried = store.act(&clinic.tenant, &job, Act::Retry, "ann", "why", at(9));
        assert!(!retried.await.unwrap(), "{what}");
    };
    stays("from the beginning").await;
    let denied = Admission {
        confirms: Some((MessageId::new("MSGC1"), false)),
        ..draft("order-event", "E1", 1).in_chain(&chain(RX, "RX-1"))
    };
    clinic.accept(denied).await;
    stays("its cancel was denied").await;
    store.mark_restored(at(10)).await.unwrap();
    stays("the database was restored").await;
}

pub(in crate::store) async fn silence_parks_it(store: &dyn Store) {
    let clinic = Clinic::of(store);
    changed(&clinic).await;
    let cancel = clinic.next("pharmacy", 2).await;
    clinic.settle(&cancel, State::Done, Reason::Taken, 2).await;
    assert_eq!(store.rescue(at(1000)).await.unwrap(), 0);
    assert_eq!(clinic.state(RX, "RX-1", "J3").await, State::Waiting);
    store.rescue(at(1001)).await.unwrap();
    let shown = clinic.shown(RX, "RX-1", "J3").await;
    assert_eq!(
        (shown.state, shown.reason),
        (State::Parked, Some(Reason::CancelSilent))
    );
    // A late approval does not send what a person has to look at.
    clinic.accept(answer("EV-1", true)).await;
    assert_eq!(clinic.state(RX, "RX-1", "J3").await, State::Parked);
    clinic.adds_up().await;
}

pub(in crate::store) async fn waiting_for_a_cancel_is_not_skipped(store: &dyn Store) {
    let clinic = Clinic::of(store);
    changed(&clinic).await;
    assert!(
        !act(&clinic, "J3", Act::Retry).await,
        "two of an order would be live"
    );
    // Parked for another reason and retried, it waits on.
    let late = NewJob {
        deadline: Some(at(100)),
        ..rx_after("J4", "pharmacy", "J2")
    };
    clinic
        .accept(
            draft(RX, "RX-1", 3)
                .with(late)
                .replaces("J3", State::Waiting),
        )
        .await;
    store.rescue(at(101)).await.unwrap();
    assert_eq!(
        clinic.reason(RX, "RX-1", "J4").await,
        Some(Reason::PastDeadline)
    );
    assert!(act(&clinic, "J4", Act::Retry).await);
    let goes = clinic.claim("pharmacy", 101).await;
    assert_eq!(ids(&goes), ["J2"], "the cancel, and not what waits for it");
    clinic
        .settle(&goes[0], State::Done, Reason::Taken, 101)
        .await;
    assert_eq!(clinic.goes("pharmacy", 101).await, [""; 0]);
    // Denied while it was parked: it says so.
    store.rescue(at(102)).await.unwrap();
    assert_eq!(clinic.state(RX, "RX-1", "J4").await, State::Parked);
    clinic.accept(answer("EV-1", false)).await;
    assert_eq!(
        clinic.reason(RX, "RX-1", "J4").await,
        Some(Reason::CancelDenied)
    );
}

pub(in crate::store) async fn past_its_last_send_it_parks_even_when_paused(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let until = |id: &str, seconds: i64| NewJob {
        deadline: Some(at(seconds)),
        ..rx(id, "pharmacy")
    };
    for (id, seconds) in [("waits", 100), ("unclear", 100), ("later", 200)] {
        clinic.one(RX, id, until(id, seconds)).await;
    }
    let all = clinic.claim("pharmacy", 0).await;
    for job in &all {
        let mut report = settles(job, State::Waiting, Reason::TryLater, 1);
        if let Some(settle) = &mut report.settle {
            settle.due = at(1);
            settle.unsure = job.id.as_str() == "unclear";
        }
        clinic.report(report).await;
    }
    let pause = Some((Time::NEVER, Reason::ByPerson));
    store
        .pause(&clinic.tenant, &partner("pharmacy"), pause)
        .await
        .unwrap();
    store.rescue(at(100)).await.unwrap();
    assert_eq!(clinic.state(RX, "waits", "waits").await, State::Waiting);
    assert_eq!(
        store.rescue(at(101)).await.unwrap(),
        0,
        "no lease was rescued"
    );
    let shown = clinic.shown(RX, "waits", "waits").await;
    assert_eq!(
        (shown.state, shown.reason),
        (State::Parked, Some(Reason::PastDeadline))
    );
    assert_eq!(clinic.state(RX, "unclear", "unclear").await, State::Waiting);
    assert_eq!(clinic.state(RX, "later", "later").await, State::Waiting);
    clinic.adds_up().await;
}

pub(in crate::store) async fn only_a_cancel_is_confirmed(store: &dyn Store) {
    let clinic = Clinic::of(store);
    changed(&clinic).await;
    let mut odd = answer("EV-1", true);
    odd.confirms = Some((MessageId::new("MSGJ1"), true));
    clinic.accept(odd).await;
    let jobs = clinic.chain(&chain(RX, "RX-1")).await;
    assert!(jobs.iter().all(|j| j.confirmed.is_none()));
    let found = store
        .job_of_message(&clinic.tenant, &partner("pharmacy"), "MSGJ2")
        .await
        .unwrap();
    assert_eq!(found.map(|j| j.id), Some(JobId::new("J2")));
    let elsewhere = store
        .job_of_message(&clinic.tenant, &partner("ehr"), "MSGJ2")
        .await
        .unwrap();
    assert_eq!(elsewhere, None);
}
