//! Who is left alone when, who is claimed by age, and whose parked job holds its lane.

use super::make::*;
use crate::sync::job::{NewJob, State};
use crate::sync::ports::{Act, Breaker, ClaimRequest, Store};
use crate::sync::reason::Reason;

pub(in crate::store) async fn a_partner_is_left_alone_after_so_many_outages_in_a_row(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    for n in 1..=6 {
        let id = format!("J{n}");
        clinic.one("observation", &id, job(&id, "ehr")).await;
    }
    let all = clinic.claim_some("ehr", 6, 0).await;
    let breaker = async |now: i64| {
        let status = store.status(&clinic.tenant, at(now), 9).await.unwrap();
        status.partners[0].breaker(at(now))
    };
    let down = |n: usize, opens_after: u32| {
        let mut report = settles(&all[n], State::Waiting, Reason::Connect, 1);
        report.pause = Some((at(30), Reason::Connect));
        report.opens_after = opens_after;
        report
    };
    clinic.report(down(0, 3)).await;
    clinic.report(down(1, 3)).await;
    assert_eq!(breaker(2).await, Breaker::Closed);
    // One that answers well begins the count anew.
    let mut well = settles(&all[2], State::Done, Reason::Delivered, 2);
    well.partner_well = true;
    clinic.report(well).await;
    clinic.report(down(3, 3)).await;
    clinic.report(down(4, 3)).await;
    assert_eq!(breaker(2).await, Breaker::Closed);
    clinic.report(down(5, 3)).await;
    assert_eq!(breaker(2).await, Breaker::Open);
    assert_eq!(clinic.goes("ehr", 29).await, [""; 0]);
    assert_eq!(breaker(30).await, Breaker::HalfOpen);
    assert_eq!(clinic.goes("ehr", 31).await, [""; 0], "a probe decides");
    let (tenant, ehr) = (clinic.tenant.clone(), partner("ehr"));
    store.probed(&tenant, &ehr, at(31), None).await.unwrap();
    assert_eq!(breaker(31).await, Breaker::Closed);
    assert_eq!(clinic.claim_some("ehr", 9, 31).await.len(), 5);
}

pub(in crate::store) async fn nothing_waits_for_ever_behind_what_is_more_urgent(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let old = NewJob {
        priority: 4,
        ..job("old", "ehr")
    };
    clinic.one("observation", "old", old).await;
    // There is always something more urgent, and room for one.
    for turn in 0..8 {
        let id = format!("U{turn}");
        clinic.one("observation", &id, rx(&id, "ehr")).await;
        let request = ClaimRequest {
            worker: "w".to_owned(),
            now: at(1),
            lease: lease(),
            room: vec![(clinic.tenant.clone(), partner("ehr"), 1)],
            turn,
        };
        let claimed = store.claim(request).await.unwrap();
        if ids(&claimed) == ["old"] {
            assert!(turn <= 3, "one of four is taken by age");
            return;
        }
        clinic.done(&claimed[0], 1).await;
    }
    panic!("it waits for ever");
}

pub(in crate::store) async fn a_parked_job_may_hold_its_lane(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let holds = |id: &str| NewJob {
        holds_lane: true,
        ..job(id, "ehr")
    };
    clinic.one("observation", "M-1", holds("J1")).await;
    for (version, id) in [(2, "J2"), (3, "J3")] {
        clinic
            .accept(draft("observation", "M-1", version).with(holds(id)))
            .await;
    }
    clinic
        .next_goes_to("ehr", State::Parked, Reason::Refused, 1)
        .await;
    assert_eq!(clinic.goes("ehr", 1).await, [""; 0], "the next one waits");
    clinic.adds_up().await;
    // What takes something back passes.
    clinic
        .accept(draft("observation", "M-1", 4).with(cancel("C1", "ehr")))
        .await;
    let back = clinic.next("ehr", 2).await;
    assert_eq!(back.id.as_str(), "C1");
    clinic.done(&back, 2).await;
    assert_eq!(clinic.goes("ehr", 2).await, [""; 0]);
    // Until somebody has looked: retried, it goes again; cancelled, it lets the others go.
    let (tenant, id) = (clinic.tenant.clone(), crate::ids::JobId::new("J1"));
    let act = async |act: Act| {
        let done = store.act(&tenant, &id, act, "ann", "looked", at(3)).await;
        assert!(done.unwrap());
    };
    act(Act::Cancel).await;
    let next = clinic.next("ehr", 3).await;
    assert_eq!(next.id.as_str(), "J2");
    clinic.done(&next, 3).await;
    assert_eq!(clinic.goes("ehr", 4).await, ["J3"]);
    clinic.adds_up().await;
}
