//! What a job refers to: waited for while it is on its way, and never in a circle.

use super::make::*;
use crate::ids::JobId;
use crate::sync::job::{LaneKey, NewJob, State, VersionRef};
use crate::sync::ports::{Act, Store};
use crate::sync::reason::Reason;

fn needing(job: NewJob, on: &[VersionRef]) -> NewJob {
    NewJob {
        needs: on.to_vec(),
        ..job
    }
}

fn client() -> [VersionRef; 1] {
    [version("client", "C-1", 1)]
}

/// A client on its way and an observation that refers to it.
async fn two(clinic: &Clinic<'_>) {
    clinic.one("client", "C-1", job("client", "ehr")).await;
    clinic
        .one("observation", "M-1", needing(job("obs", "ehr"), &client()))
        .await;
}

pub(in crate::store) async fn a_job_waits_for_what_it_refers_to(store: &dyn Store) {
    let clinic = Clinic::of(store);
    two(&clinic).await;
    // At another partner nothing is on its way.
    clinic
        .one("observation", "M-2", needing(job("lab", "lab"), &client()))
        .await;
    assert_eq!(clinic.goes("lab", 0).await, ["lab"]);
    let first = clinic.next("ehr", 0).await;
    assert_eq!(first.id.as_str(), "client");
    let shown = clinic.shown("observation", "M-1", "obs").await;
    assert_eq!(
        held_back_by(&shown),
        ["needs: job client brings client/C-1 (sending)"]
    );
    // Still on its way while it is unclear, and while it waits for its next time.
    clinic
        .settle(&first, State::Asking, Reason::TimedOut, 1)
        .await;
    let asked = clinic.next("ehr", 1).await;
    clinic
        .settle(&asked, State::Waiting, Reason::NotThere, 1)
        .await;
    let again = clinic.next("ehr", 1).await;
    assert_eq!(again.id.as_str(), "client");
    clinic.done(&again, 2).await;
    assert_eq!(clinic.goes("ehr", 2).await, ["obs"]);
}

pub(in crate::store) async fn what_has_ended_or_parked_is_not_waited_for(store: &dyn Store) {
    for (n, end) in [State::Parked, State::Cancelled].into_iter().enumerate() {
        let clinic = Clinic::named(store, &format!("t{n}"));
        two(&clinic).await;
        clinic.next_goes_to("ehr", end, Reason::Refused, 1).await;
        assert_eq!(clinic.goes("ehr", 1).await, ["obs"], "{end:?}");
    }
    // What was never sent there is not waited for either.
    let clinic = Clinic::named(store, "t9");
    clinic
        .one("observation", "M-1", needing(job("obs", "ehr"), &client()))
        .await;
    assert_eq!(clinic.goes("ehr", 1).await, ["obs"]);
}

pub(in crate::store) async fn what_is_known_there_is_not_waited_for(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("client", "C-1", job("c1", "ehr")).await;
    clinic
        .next_goes_to("ehr", State::Done, Reason::Delivered, 1)
        .await;
    clinic
        .accept(draft("client", "C-1", 2).with(job("c2", "ehr")))
        .await;
    clinic
        .one("observation", "M-1", needing(job("obs", "ehr"), &client()))
        .await;
    assert_eq!(clinic.goes("ehr", 1).await, ["c2", "obs"]);
}

pub(in crate::store) async fn what_is_held_is_not_waited_for(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic
        .accept(
            draft("episode", "E-1", 1)
                .of_client("C-1")
                .with(job("ep", "ehr")),
        )
        .await;
    let on = [version("episode", "E-1", 1)];
    clinic
        .one("observation", "M-1", needing(job("obs", "ehr"), &on))
        .await;
    let held = clinic.next("ehr", 0).await;
    let mut report = settles(&held, State::Waiting, Reason::Consent, 1);
    if let Some(settle) = &mut report.settle {
        settle.held = true;
    }
    clinic.report(report).await;
    assert_eq!(clinic.goes("ehr", 1).await, ["obs"]);
}

pub(in crate::store) async fn the_successor_of_what_was_replaced_is_waited_for(store: &dyn Store) {
    let clinic = Clinic::of(store);
    two(&clinic).await;
    clinic
        .accept(
            draft("client", "C-1", 2)
                .with(job("client2", "ehr"))
                .replaces("client", State::Waiting),
        )
        .await;
    let shown = clinic.shown("observation", "M-1", "obs").await;
    assert_eq!(
        held_back_by(&shown),
        ["needs: job client2 brings client/C-1 (waiting)"]
    );
    let next = clinic.next("ehr", 1).await;
    assert_eq!(next.id.as_str(), "client2");
    // And the successor of that.
    clinic
        .settle(&next, State::Waiting, Reason::TryLater, 1)
        .await;
    clinic
        .accept(
            draft("client", "C-1", 3)
                .with(job("client3", "ehr"))
                .replaces("client2", State::Waiting),
        )
        .await;
    let next = clinic.next("ehr", 2).await;
    assert_eq!(next.id.as_str(), "client3");
    clinic.done(&next, 2).await;
    assert_eq!(clinic.goes("ehr", 2).await, ["obs"]);
}

pub(in crate::store) async fn nothing_waits_in_a_circle(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let plan = [version("care-plan", "P-1", 1)];
    let order = [version("medication-request", "RX-1", 1)];
    // An order refers to the plan; the plan's next version, which replaces the first, to the order.
    clinic.one("care-plan", "P-1", job("plan1", "ehr")).await;
    clinic
        .one(
            "medication-request",
            "RX-1",
            needing(job("order", "ehr"), &plan),
        )
        .await;
    clinic
        .accept(
            draft("care-plan", "P-1", 2)
                .with(needing(job("plan2", "ehr"), &order))
                .replaces("plan1", State::Waiting),
        )
        .await;
    let next = clinic.next("ehr", 1).await;
    assert_eq!(next.id.as_str(), "order");
    clinic.done(&next, 1).await;
    clinic
        .next_goes_to("ehr", State::Done, Reason::Delivered, 1)
        .await;

    // In a patient's line the successor stands behind who needs it.
    let clinic = Clinic::named(store, "by-patient");
    let line = |job: NewJob| NewJob {
        lane: LaneKey("patient/C-1".to_owned()),
        ..job
    };
    clinic.one("client", "C-1", line(job("c1", "ehr"))).await;
    clinic
        .one(
            "observation",
            "M-1",
            line(needing(job("obs", "ehr"), &client())),
        )
        .await;
    clinic
        .accept(
            draft("client", "C-1", 2)
                .with(line(job("c2", "ehr")))
                .replaces("c1", State::Waiting),
        )
        .await;
    for id in ["obs", "c2"] {
        let next = clinic.next("ehr", 1).await;
        assert_eq!(next.id.as_str(), id);
        clinic.done(&next, 1).await;
    }

    // The successor comes to stand behind one that needs who waits for it.
    let clinic = Clinic::named(store, "through-a-lane");
    let chain = chain("care-plan", "P-1");
    clinic.one("care-plan", "P-1", job("plan1", "ehr")).await;
    clinic
        .one(
            "medication-request",
            "RX-1",
            needing(job("order", "ehr"), &plan),
        )
        .await;
    clinic
        .next_goes_to("ehr", State::Waiting, Reason::TryLater, 0)
        .await;
    clinic
        .accept(
            draft("order-event", "EV-1", 1)
                .in_chain(&chain)
                .with(needing(
                    NewJob {
                        state: State::Parked,
                        reason: Some(Reason::UnknownDrug),
                        ..job("event", "ehr")
                    },
                    &order,
                )),
        )
        .await;
    clinic
        .accept(
            draft("care-plan", "P-1", 2)
                .with(job("plan2", "ehr"))
                .replaces("plan1", State::Waiting),
        )
        .await;
    // It is retried, and now heads the lane: the order must not wait for what is behind it.
    let event = JobId::new("event");
    let retried = store
        .act(
            &clinic.tenant,
            &event,
            Act::Retry,
            "admin",
            "because",
            at(1),
        )
        .await;
    assert!(retried.unwrap());
    for id in ["order", "event", "plan2"] {
        let next = clinic.next("ehr", 1).await;
        assert_eq!(next.id.as_str(), id);
        clinic.done(&next, 1).await;
    }
}

pub(in crate::store) async fn a_retried_job_is_waited_for_again(store: &dyn Store) {
    let clinic = Clinic::of(store);
    two(&clinic).await;
    clinic
        .next_goes_to("ehr", State::Parked, Reason::Refused, 1)
        .await;
    let id = JobId::new("client");
    let retried = store
        .act(&clinic.tenant, &id, Act::Retry, "admin", "because", at(1))
        .await;
    assert!(retried.unwrap());
    assert_eq!(clinic.goes("ehr", 1).await, ["client"]);
}
