//! Lanes: accepted order, one in flight, and who may pass.

use super::make::*;
use crate::sync::job::{Chain, LaneKey, NewJob, State};
use crate::sync::ports::Store;
use crate::sync::reason::Reason;

fn in_line(job: NewJob, lane: &str) -> NewJob {
    NewJob {
        lane: LaneKey(lane.to_owned()),
        ..job
    }
}

pub(in crate::store) async fn a_chain_goes_in_accepted_order_one_at_a_time(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let chain = Chain("observation/M-1".to_owned());
    for n in 1..=4 {
        let back = draft("dispense", &format!("F-{n}"), 1).in_chain(&chain);
        clinic.accept(back.with(job(&format!("J{n}"), "ehr"))).await;
    }
    for n in 1..=4 {
        let next = clinic.next("ehr", n).await;
        assert_eq!(next.id.as_str(), format!("J{n}"));
        assert_eq!(clinic.goes("ehr", n).await, [""; 0], "one is in flight");
        clinic.done(&next, n).await;
    }
    assert_eq!(clinic.goes("ehr", 9).await, [""; 0]);
    clinic.adds_up().await;
}

pub(in crate::store) async fn lanes_do_not_wait_for_each_other(store: &dyn Store) {
    let clinic = Clinic::of(store);
    // One chain has a lane at each partner; each chain has its own.
    clinic
        .accept(
            draft("observation", "M-1", 1)
                .with(job("J1", "ehr"))
                .with(job("J2", "lab")),
        )
        .await;
    clinic.one("observation", "M-2", job("J3", "ehr")).await;
    assert_eq!(clinic.goes("ehr", 0).await, ["J1", "J3"]);
    assert_eq!(clinic.goes("lab", 0).await, ["J2"]);
}

pub(in crate::store) async fn a_patient_line_goes_in_accepted_order(store: &dyn Store) {
    let clinic = Clinic::of(store);
    for (n, line) in [(1, "patient/C-1"), (2, "patient/C-1"), (3, "patient/C-2")] {
        let id = format!("J{n}");
        clinic
            .one("observation", &id, in_line(job(&id, "ehr"), line))
            .await;
    }
    let mut first = clinic.claim("ehr", 0).await;
    assert_eq!(ids(&first), ["J1", "J3"]);
    clinic.done(&first.remove(0), 1).await;
    assert_eq!(clinic.goes("ehr", 1).await, ["J2"]);
}

pub(in crate::store) async fn a_chain_stays_in_order_while_the_order_of_its_partner_is_changed(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    let version = |n, line: &str| {
        let bring = draft("observation", "M-1", n);
        bring.with(in_line(job(&format!("J{n}"), "ehr"), line))
    };
    clinic.accept(version(1, "observation/M-1")).await;
    let first = clinic.next("ehr", 0).await;
    clinic.accept(version(2, "patient/C-1")).await;
    assert_eq!(
        clinic.goes("ehr", 1).await,
        [""; 0],
        "the first is in flight"
    );
    clinic.done(&first, 1).await;
    let second = clinic.next("ehr", 1).await;
    clinic.done(&second, 2).await;
    // Nothing of it is open any more: the next one stands where the new order has it.
    clinic.accept(version(3, "patient/C-1")).await;
    clinic
        .one(
            "observation",
            "M-2",
            in_line(job("J4", "ehr"), "patient/C-1"),
        )
        .await;
    assert_eq!(clinic.goes("ehr", 3).await, ["J3"]);
}

pub(in crate::store) async fn a_parked_job_lets_the_next_go(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic
        .accept(draft("observation", "M-1", 2).with(job("J2", "ehr")))
        .await;
    clinic
        .next_goes_to("ehr", State::Parked, Reason::Refused, 1)
        .await;
    assert_eq!(clinic.goes("ehr", 1).await, ["J2"]);
}

pub(in crate::store) async fn a_cancel_goes_before_what_waits_and_past_what_is_parked_or_held(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    for (v, id) in [(1, "parked"), (2, "held"), (3, "in-flight"), (4, "waits")] {
        clinic
            .accept(
                draft("observation", "M-1", v)
                    .of_client("C-1")
                    .with(job(id, "ehr")),
            )
            .await;
    }
    clinic
        .next_goes_to("ehr", State::Parked, Reason::Refused, 1)
        .await;
    let held = clinic.next("ehr", 1).await;
    let mut report = settles(&held, State::Waiting, Reason::Consent, 1);
    if let Some(settle) = &mut report.settle {
        settle.held = true;
    }
    clinic.report(report).await;
    let in_flight = clinic.next("ehr", 1).await;
    clinic
        .accept(draft("observation", "M-1", 5).with(cancel("cancel", "ehr")))
        .await;
    assert_eq!(clinic.goes("ehr", 2).await, [""; 0], "one is in flight");
    clinic
        .settle(&in_flight, State::Done, Reason::Delivered, 2)
        .await;
    let next = clinic.next("ehr", 2).await;
    assert_eq!(next.id.as_str(), "cancel");
    clinic.done(&next, 3).await;
    assert_eq!(clinic.goes("ehr", 3).await, ["waits"]);
}

pub(in crate::store) async fn a_cancel_waits_for_what_is_unclear_in_its_chain_only(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    let line = "patient/C-1";
    clinic
        .one("observation", "M-1", in_line(job("J1", "ehr"), line))
        .await;
    let unclear = clinic.next("ehr", 0).await;
    let mut report = settles(&unclear, State::Asking, Reason::TimedOut, 1);
    if let Some(settle) = &mut report.settle {
        settle.due = at(100);
    }
    clinic.report(report).await;
    clinic
        .one("observation", "M-2", in_line(job("J2", "ehr"), line))
        .await;
    clinic
        .accept(draft("observation", "M-1", 2).with(in_line(cancel("own", "ehr"), line)))
        .await;
    clinic
        .one("observation", "M-3", in_line(cancel("other", "ehr"), line))
        .await;
    let next = clinic.next("ehr", 2).await;
    assert_eq!(
        next.id.as_str(),
        "other",
        "of another chain: nothing to wait for"
    );
    assert_eq!(
        clinic.goes("ehr", 100).await,
        [""; 0],
        "one of a lane is in flight"
    );
    clinic.done(&next, 101).await;
    let asked = clinic.next("ehr", 101).await;
    assert_eq!((asked.id.as_str(), asked.state), ("J1", State::Asking));
    // They do not have it: it goes again, and still before what takes it back.
    let mut again = settles(&asked, State::Waiting, Reason::NotThere, 101);
    if let Some(settle) = &mut again.settle {
        settle.unsure = true;
    }
    clinic.report(again).await;
    for id in ["J1", "own", "J2"] {
        let next = clinic.next("ehr", 102).await;
        assert_eq!(next.id.as_str(), id);
        clinic.done(&next, 102).await;
    }
}

pub(in crate::store) async fn a_job_that_waits_for_its_time_keeps_its_line(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic
        .accept(draft("observation", "M-1", 2).with(job("J2", "ehr")))
        .await;
    let busy = clinic.next("ehr", 0).await;
    let mut report = settles(&busy, State::Waiting, Reason::TryLater, 1);
    if let Some(settle) = &mut report.settle {
        settle.due = at(50);
    }
    clinic.report(report).await;
    assert_eq!(clinic.goes("ehr", 49).await, [""; 0]);
    assert_eq!(clinic.goes("ehr", 50).await, ["J1"]);
}

pub(in crate::store) async fn cancels_go_first_across_lanes(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic.one("observation", "M-2", rx("J2", "ehr")).await;
    clinic.one("observation", "M-3", cancel("J3", "ehr")).await;
    clinic.one("observation", "M-4", rx("J4", "ehr")).await;
    assert_eq!(clinic.goes("ehr", 0).await, ["J3", "J2", "J4", "J1"]);
}
