//! Admissions: everything or nothing, in the order of their checks.

use super::make::*;
use crate::ids::{JobId, RawId};
use crate::sync::job::{Reach, State};
use crate::sync::ports::{
    Admission, Admitted, CrosswalkRow, Denial, RawState, ResourceRow, Store, Transition,
};
use crate::sync::reason::Reason;

fn keyed(key: &str, caller: &str, body: &str, a: Admission) -> Admission {
    Admission {
        idempotency: Some((caller.to_owned(), key.to_owned(), hash(body))),
        ..a
    }
}

pub(in crate::store) async fn everything_of_an_admission_is_there_after_it(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let tenant = &clinic.tenant;
    let mut a = draft("observation", "M-1", 1)
        .of_client("C-1")
        .with(job("J1", "ehr"))
        .with(job("J2", "clinic"))
        .leans_on(&[version("client", "C-1", 3)]);
    a.raw = Some(raw("RAW1", "clinic:him", None, "bytes"));
    a.resources = vec![ResourceRow {
        resource_type: "Observation".into(),
        id: "OBS1".into(),
        part: String::new(),
        profiles: "p1,p2".into(),
        bytes: b"{}".to_vec(),
    }];
    a.denials = vec![Denial {
        record: a.for_record.clone(),
        partner: partner("lab"),
        client: Some("C-1".into()),
        why: "no-consent".into(),
    }];
    a.crosswalk = vec![CrosswalkRow {
        partner: partner("ehr"),
        resource_type: "Observation".into(),
        our_id: "OBS1".into(),
        their_id: "9".into(),
        their_version: None,
    }];
    if let Some(v) = &mut a.version {
        v.in_feed = true;
        v.origin = "ehr".into();
    }
    clinic.accept(keyed("k", "him", "body", a)).await;

    let raw = store
        .raw(tenant, &RawId::new("RAW1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (raw.state, raw.raw.bytes.as_slice()),
        (RawState::Done, &b"bytes"[..])
    );
    let names = [("observation".to_owned(), "M-1".to_owned())];
    let newest = store.newest(tenant, &names).await.unwrap();
    let stored = newest[0].as_ref().unwrap();
    assert_eq!(stored.client.as_deref(), Some("C-1"));
    assert_eq!(stored.chain, chain("observation", "M-1"));
    assert_eq!(stored.context, [version("client", "C-1", 3)]);
    assert_eq!((stored.origin.as_str(), stored.accepted), ("ehr", at(0)));
    assert_eq!(stored.given, given("observation/M-1/1"));
    let key = store.idempotent(tenant, "him", "k").await.unwrap().unwrap();
    assert_eq!(key, (hash("body"), stored.given.clone()));
    assert_eq!(store.feed(tenant, 0, 9).await.unwrap().len(), 1);
    assert_eq!(
        store
            .resources(tenant, "observation", "M-1")
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(store.denials(tenant, "C-1").await.unwrap().len(), 1);
    let row = store
        .crosswalk_back(tenant, &partner("ehr"), "Observation", "9")
        .await
        .unwrap();
    assert_eq!(row.unwrap().our_id, "OBS1");
    let jobs = clinic.chain(&chain("observation", "M-1")).await;
    assert_eq!(jobs.len(), 2);
    assert!(jobs[0].seq < jobs[1].seq);
    assert!(
        jobs.iter()
            .all(|j| j.state == State::Waiting && j.reach == Reach::Not)
    );
    let status = store.status(tenant, at(0), 10).await.unwrap();
    assert_eq!(
        (status.versions, status.jobs_made, status.denials_open),
        (1, 2, 1)
    );
}

pub(in crate::store) async fn a_repeat_gets_its_first_answer_and_writes_nothing(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic
        .accept(draft("observation", "M-1", 2).with(job("J2", "ehr")))
        .await;
    for v in [1, 2] {
        let mut again = draft("observation", "M-1", v).with(job("J3", "ehr"));
        again.given = given("another answer");
        again.raw = Some(raw("RAW", "clinic:him", None, "x"));
        again.idempotency = Some(("him".into(), "k".into(), hash("x")));
        let first = given(&format!("observation/M-1/{v}"));
        assert_eq!(clinic.try_accept(again).await, Admitted::Repeat(first));
    }
    assert_eq!(clinic.chain(&chain("observation", "M-1")).await.len(), 2);
    let raw = store.raw(&clinic.tenant, &RawId::new("RAW")).await.unwrap();
    assert!(raw.is_none());
    let key = store.idempotent(&clinic.tenant, "him", "k").await.unwrap();
    assert!(key.is_none());
    clinic.adds_up().await;
}

pub(in crate::store) async fn an_idempotency_key_belongs_to_one_caller_and_one_body(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    let first = keyed("k", "him", "one", draft("observation", "M-1", 1));
    clinic.accept(first).await;
    // The same key and body: the first answer, even for another record.
    let again = keyed("k", "him", "one", draft("observation", "M-2", 1));
    assert_eq!(
        clinic.try_accept(again).await,
        Admitted::Repeat(given("observation/M-1/1"))
    );
    // Another body: refused before anything else is looked at, an exact repeat included.
    let other = keyed("k", "him", "two", draft("observation", "M-1", 1));
    assert_eq!(clinic.try_accept(other).await, Admitted::KeyReused);
    // Another caller's key is another key.
    clinic
        .accept(keyed("k", "her", "two", draft("observation", "M-3", 1)))
        .await;
}

pub(in crate::store) async fn a_refused_submission_does_not_consume_its_key(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.accept(draft("observation", "M-1", 2)).await;
    let low = keyed("k", "him", "one", draft("observation", "M-1", 1));
    assert_eq!(clinic.try_accept(low).await, Admitted::Conflict(2));
    clinic
        .accept(keyed("k", "him", "two", draft("observation", "M-1", 3)))
        .await;
}

pub(in crate::store) async fn a_lower_version_and_other_content_conflict(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.accept(draft("observation", "M-1", 5)).await;
    let lower = draft("observation", "M-1", 4);
    assert_eq!(clinic.try_accept(lower).await, Admitted::Conflict(5));
    let mut other = draft("observation", "M-1", 5);
    if let Some(v) = &mut other.version {
        v.hash = hash("other");
    }
    assert_eq!(clinic.try_accept(other).await, Admitted::Conflict(5));
    clinic.accept(draft("observation", "M-1", 9)).await;
}

pub(in crate::store) async fn what_has_moved_is_not_written(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    let decided = clinic
        .ready(
            draft("observation", "M-1", 3)
                .with(job("J3", "ehr"))
                .replaces("J1", State::Waiting),
        )
        .await;
    // A job of the chain moved.
    let claimed = clinic.next("ehr", 0).await;
    assert_eq!(store.admit(decided.clone()).await.unwrap(), Admitted::Moved);
    // Its reach moved, though its state did not.
    let mut back = settles(&claimed, State::Waiting, Reason::TryLater, 1);
    if let Some(settle) = &mut back.settle {
        settle.reach = Reach::Maybe;
    }
    clinic.report(back).await;
    assert_eq!(store.admit(decided.clone()).await.unwrap(), Admitted::Moved);
    // The head moved.
    let mut fresh = clinic.ready(decided.clone()).await;
    clinic.accept(draft("observation", "M-1", 2)).await;
    assert_eq!(store.admit(fresh.clone()).await.unwrap(), Admitted::Moved);
    fresh.head = Some(2);
    // A job more in the chain.
    clinic
        .accept(
            draft("dispense", "F-1", 1)
                .in_chain(&chain("observation", "M-1"))
                .with(job("J2", "clinic")),
        )
        .await;
    assert_eq!(store.admit(fresh).await.unwrap(), Admitted::Moved);
    let names = [("observation".to_owned(), "M-1".to_owned())];
    let newest = store.newest(&clinic.tenant, &names).await.unwrap();
    assert_eq!(newest[0].as_ref().unwrap().record.version, 2);
    // Decided anew, it goes.
    clinic.accept(decided).await;
    assert_eq!(
        clinic.state("observation", "M-1", "J1").await,
        State::Superseded
    );
    clinic.adds_up().await;
}

pub(in crate::store) async fn a_transition_needs_the_state_that_was_seen(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    // Of another chain, so that only its own state is compared.
    let mut a = draft("observation", "M-2", 1);
    a.transitions = vec![Transition {
        job: JobId::new("J1"),
        from: State::Parked,
        to: State::Cancelled,
        reason: Reason::CancelledInChain,
    }];
    assert_eq!(clinic.try_accept(a.clone()).await, Admitted::Moved);
    a.transitions[0].job = JobId::new("nobody");
    assert_eq!(clinic.try_accept(a.clone()).await, Admitted::Moved);
    a.transitions[0].job = JobId::new("J1");
    a.transitions[0].from = State::Waiting;
    clinic.accept(a).await;
    let shown = clinic.shown("observation", "M-1", "J1").await;
    assert_eq!(
        (shown.state, shown.reason),
        (State::Cancelled, Some(Reason::CancelledInChain))
    );
    assert_eq!(clinic.goes("ehr", 9).await, [""; 0]);
}

pub(in crate::store) async fn raw_bytes_are_settled_once(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let bytes = raw("RAW1", "ehr", Some("S1"), "bytes");
    store.receive(&clinic.tenant, bytes, at(0)).await.unwrap();
    let settles = |id: &str| Admission {
        settles_raw: Some((RawId::new("RAW1"), RawState::Done)),
        ..draft("observation", id, 1)
    };
    clinic.accept(settles("M-1")).await;
    assert_eq!(
        clinic.try_accept(settles("M-2")).await,
        Admitted::RawSettled
    );
    let names = [("observation".to_owned(), "M-2".to_owned())];
    let newest = store.newest(&clinic.tenant, &names).await.unwrap();
    assert!(newest[0].is_none(), "nothing of it was written");
}
