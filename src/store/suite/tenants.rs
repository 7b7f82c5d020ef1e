//! Tenants: two with the same names for everything see nothing of each other, by no method.

use super::make::*;
use crate::clock::Time;
use crate::ids::{JobId, MessageId, RawId};
use crate::sync::job::State;
use crate::sync::ports::{
    Act, Admission, Admitted, CrosswalkRow, Denial, JobFilter, RawState, Received, Refusal,
    Reported, ResourceRow, Steer, Store,
};
use crate::sync::reason::Reason;

fn row(theirs: &str) -> CrosswalkRow {
    CrosswalkRow {
        partner: partner("ehr"),
        resource_type: "Patient".to_owned(),
        our_id: "PAT1".to_owned(),
        their_id: theirs.to_owned(),
        their_version: None,
    }
}

/// A tenant with one of everything.
async fn furnish(clinic: &Clinic<'_>) {
    let (store, t) = (clinic.store, &clinic.tenant);
    let mut a = draft("observation", "M-1", 1)
        .of_client("C-1")
        .with(job("J1", "ehr"))
        .leans_on(&[version("client", "C-1", 1)]);
    a.idempotency = Some(("him".to_owned(), "k".to_owned(), hash("x")));
    a.resources = vec![ResourceRow {
        resource_type: "Observation".to_owned(),
        id: "OBS1".to_owned(),
        part: String::new(),
        profiles: String::new(),
        bytes: Vec::new(),
    }];
    a.denials = vec![Denial {
        record: a.for_record.clone(),
        partner: partner("lab"),
        client: Some("C-1".to_owned()),
        why: "no-consent".to_owned(),
    }];
    if let Some(v) = &mut a.version {
        v.in_feed = true;
    }
    clinic.accept(a).await;
    let bytes = raw("R1", "ehr", Some("S1"), "x");
    assert!(matches!(
        store.receive(t, bytes, at(0)).await.unwrap(),
        Received::New
    ));
    let refusal = Refusal {
        kind: "observation".to_owned(),
        rule: "r".to_owned(),
        pointer: "/a".to_owned(),
        caller: "him".to_owned(),
    };
    store.count_refusals(t, vec![refusal], at(0)).await.unwrap();
}

/// What a tenant has, in one text.
async fn all_of(clinic: &Clinic<'_>) -> String {
    let (store, t) = (clinic.store, &clinic.tenant);
    let names = [("observation".to_owned(), "M-1".to_owned())];
    let ours = [("Patient".to_owned(), "PAT1".to_owned())];
    let (ehr, r1) = (partner("ehr"), RawId::new("R1"));
    let mut status = store.status(t, at(999), 9).await.unwrap();
    for p in &mut status.partners {
        p.last_success = None;
    }
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        store.newest(t, &names).await.unwrap(),
        store
            .versions(t, &[version("observation", "M-1", 1)])
            .await
            .unwrap(),
        store.consents(t, "C-1").await.unwrap(),
        store.resources(t, "observation", "M-1").await.unwrap(),
        store
            .resource_owner(t, "Observation", "OBS1")
            .await
            .unwrap(),
        store.referred_to(t, "client", "C-1").await.unwrap(),
        store.idempotent(t, "him", "k").await.unwrap(),
        store.raw(t, &r1).await.unwrap(),
        store.raws_left(t, at(9), 9).await.unwrap(),
        store.denials(t, "C-1").await.unwrap(),
        store.crosswalk(t, &ehr, &ours).await.unwrap(),
        store
            .crosswalk_back(t, &ehr, "Patient", "77")
            .await
            .unwrap(),
        store.feed(t, 0, 9).await.unwrap().len(),
        store
            .chain(t, &chain("observation", "M-1"))
            .await
            .unwrap()
            .len(),
        store
            .job_of_message(t, &ehr, "MSGJ1")
            .await
            .unwrap()
            .map(|j| (j.id, j.state, j.confirmed)),
        store
            .story(t, "observation", "M-1")
            .await
            .unwrap()
            .map(|s| s.jobs),
        (status, desk_of(clinic).await),
    )
}

/// What a tenant sees at its desk.
async fn desk_of(clinic: &Clinic<'_>) -> String {
    let (store, t) = (clinic.store, &clinic.tenant);
    let jobs = clinic.find_all(&JobFilter::default(), 9, 9).await;
    let sheet = store.job(t, &JobId::new("J1"), at(9)).await.unwrap();
    let line = store
        .lane(t, &partner("ehr"), "observation/M-1", 9, at(9))
        .await
        .unwrap();
    let steered = store.steered(t).await.unwrap();
    let holds = store.holds(t, 9).await.unwrap();
    let lanes = clinic.lanes(9).await;
    format!("{jobs:?} {sheet:?} {line:?} {steered:?} {holds:?} {lanes:?}")
}

pub(in crate::store) async fn no_method_reaches_another_tenant(store: &dyn Store) {
    let (one, two) = (Clinic::named(store, "one"), Clinic::named(store, "two"));
    let empty = all_of(&two).await;
    furnish(&one).await;
    assert_eq!(all_of(&two).await, empty, "nothing is seen");
    furnish(&two).await;
    let before = all_of(&two).await;

    // All that one does to its own, with the same names.
    let t = &one.tenant;
    let claimed = one.next("ehr", 0).await;
    assert_eq!(claimed.tenant, *t);
    let mut stolen = settles(&claimed, State::Done, Reason::Delivered, 1);
    stolen.tenant = two.tenant.clone();
    assert_eq!(one.report(stolen).await, Reported::LeaseLost);
    let mut down = settles(&claimed, State::Parked, Reason::PatientUnknown, 1);
    down.pause = Some((at(5), Reason::Connect));
    one.report(down).await;
    assert_eq!(all_of(&two).await, before, "claim and report");

    let due = one.probes(5).await;
    assert_eq!(due, [(t.clone(), partner("ehr"))]);
    store.probed(t, &partner("ehr"), at(5), None).await.unwrap();
    let pause = Some((Time::NEVER, Reason::ByPerson));
    store.pause(t, &partner("ehr"), pause).await.unwrap();
    assert_eq!(all_of(&two).await, before, "pauses");
    store.pause(t, &partner("ehr"), None).await.unwrap();

    store
        .link(t, row("77"), Some("C-1".to_owned()), at(2))
        .await
        .unwrap();
    let named = Some((partner("ehr"), "77".to_owned()));
    let r1 = RawId::new("R1");
    store
        .settle_raw(
            t,
            &r1,
            RawState::Unmatched,
            vec![],
            named,
            Some(given("yes")),
        )
        .await
        .unwrap();
    let job = JobId::new("J1");
    assert!(
        store
            .act(t, &job, Act::Cancel, "admin", "why", at(3))
            .await
            .unwrap()
    );
    let mut confirms = draft("order-event", "EV", 1);
    confirms.confirms = Some((MessageId::new("MSGJ1"), true));
    confirms.wakes_client = Some("C-1".to_owned());
    confirms.settles_raw = Some((r1.clone(), RawState::Done));
    one.accept(confirms).await;
    let anew = Admission {
        version: None,
        denials_settled: vec![partner("lab")],
        ..draft("observation", "M-1", 1)
    };
    let anew = one.ready(anew).await;
    assert_eq!(store.admit(anew).await.unwrap(), Admitted::Stored);
    assert_eq!(all_of(&two).await, before, "acts, links, answers, denials");

    let ehr = partner("ehr");
    for steer in [Steer::Pause, Steer::Probe, Steer::Resume, Steer::Drain] {
        one.steer(&ehr, steer, 4).await;
    }
    assert!(one.hold("C-1", None, true, 4).await);
    assert!(one.hold("C-1", Some(&ehr), true, 4).await);
    assert_eq!(all_of(&two).await, before, "drains and holds");
    one.steer(&ehr, Steer::Resume, 4).await;

    // A merge of one's patient holds nobody of the other.
    let mut merge = draft("client-merge", "X", 1)
        .of_client("C-1")
        .with(super::make::job("X", "ehr"));
    merge.holds = vec![(partner("ehr"), "C-1".to_owned(), JobId::new("X"))];
    one.accept(merge).await;
    let mut consent = draft("consent", "CS-1", 1).of_client("C-1");
    consent.wakes_client = Some("C-1".to_owned());
    one.accept(consent).await;
    assert_eq!(all_of(&two).await, before, "merges and consents");
    assert_eq!(two.goes("ehr", 0).await, ["J1"]);
    one.adds_up().await;
    two.adds_up().await;
}
