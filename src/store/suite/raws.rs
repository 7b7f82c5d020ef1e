//! Raw bytes of partners' doors: kept first, repeated to the first answer, never lost.

use super::make::*;
use crate::ids::RawId;
use crate::issue::Issue;
use crate::sync::ports::{CrosswalkRow, RawState, Received, Store, StoredRaw};

fn repeat(received: Received) -> StoredRaw {
    match received {
        Received::Repeat(stored) => *stored,
        Received::New => panic!("a repeat"),
    }
}

fn is_new(received: &Received) -> bool {
    matches!(received, Received::New)
}

async fn state(clinic: &Clinic<'_>, id: &str) -> RawState {
    let raw = clinic.store.raw(&clinic.tenant, &RawId::new(id)).await;
    raw.unwrap().unwrap().state
}

pub(in crate::store) async fn bytes_are_kept_before_anything_else(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let bytes = raw("R1", "ehr", Some("S1"), "not even JSON \u{0}");
    let received = store.receive(&clinic.tenant, bytes.clone(), at(5)).await;
    assert!(is_new(&received.unwrap()));
    let kept = store
        .raw(&clinic.tenant, &RawId::new("R1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.raw.bytes, bytes.bytes);
    assert_eq!(
        (kept.raw.hash, kept.raw.sender_id),
        (bytes.hash, bytes.sender_id)
    );
    assert_eq!((kept.raw.door.as_str(), kept.received), ("ehr", at(5)));
    assert_eq!(kept.state, RawState::Received);
    assert!(kept.given.is_none() && kept.issues.is_empty());
    let none = store.raw(&clinic.tenant, &RawId::new("R2")).await.unwrap();
    assert!(none.is_none());
}

pub(in crate::store) async fn a_repeat_finds_the_first_bytes(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let receive = async |id: &str, door: &str, text: &str| {
        let bytes = raw(id, door, Some("S1"), text);
        store.receive(t, bytes, at(1)).await.unwrap()
    };
    assert!(is_new(&receive("R1", "ehr", "one").await));
    let first = RawId::new("R1");
    store
        .settle_raw(t, &first, RawState::Done, vec![], None, Some(given("yes")))
        .await
        .unwrap();
    let again = repeat(receive("R2", "ehr", "one").await);
    assert_eq!(
        (again.raw.id, again.given),
        (first.clone(), Some(given("yes")))
    );
    // Other bytes under the same id: the first answer and the first bytes stand.
    let other = repeat(receive("R3", "ehr", "two").await);
    assert_eq!((other.raw.id, other.raw.bytes), (first, b"one".to_vec()));
    assert!(is_new(&receive("R4", "lab", "one").await), "another door");
}

pub(in crate::store) async fn same_bytes_without_an_id_repeat_for_seven_days(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let receive = async |id: &str, now: i64| {
        let bytes = raw(id, "ehr", None, "same");
        store.receive(&clinic.tenant, bytes, at(now)).await.unwrap()
    };
    const DAYS: i64 = 7 * 86_400;
    assert!(is_new(&receive("R1", 0).await));
    assert_eq!(repeat(receive("R2", DAYS).await).raw.id, RawId::new("R1"));
    assert!(is_new(&receive("R3", DAYS + 1).await));
    // With a sender's id the same bytes are another message.
    let bytes = raw("R4", "ehr", Some("S"), "same");
    let received = store.receive(&clinic.tenant, bytes, at(DAYS + 1)).await;
    assert!(is_new(&received.unwrap()));
}

pub(in crate::store) async fn settled_bytes_say_why(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let id = RawId::new("R1");
    let bytes = raw("R1", "ehr", None, "odd");
    store.receive(t, bytes, at(0)).await.unwrap();
    let issue = Issue::error("structure", "resource-type", "/x", "it is none");
    store
        .settle_raw(
            t,
            &id,
            RawState::Parked,
            vec![issue.clone()],
            None,
            Some(given("kept")),
        )
        .await
        .unwrap();
    let kept = store.raw(t, &id).await.unwrap().unwrap();
    assert_eq!(
        (kept.state, &kept.given),
        (RawState::Parked, &Some(given("kept")))
    );
    assert_eq!(kept.issues, [issue]);
    let status = store.status(t, at(9), 10).await.unwrap();
    let shown = &status.parked_raw[0];
    assert_eq!((&shown.0, shown.1.as_str(), shown.2), (&id, "ehr", at(0)));
    assert_eq!(shown.3, ["resource-type"]);
    // The first answer stands.
    store
        .settle_raw(t, &id, RawState::Done, vec![], None, Some(given("other")))
        .await
        .unwrap();
    let kept = store.raw(t, &id).await.unwrap().unwrap();
    assert_eq!(
        (kept.state, kept.given),
        (RawState::Done, Some(given("kept")))
    );
    assert!(kept.issues.is_empty());
}

pub(in crate::store) async fn what_a_crash_left_is_found_oldest_first(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    for (id, now) in [("R2", 20), ("R1", 10), ("R3", 30)] {
        let bytes = raw(id, "ehr", Some(id), id);
        store.receive(t, bytes, at(now)).await.unwrap();
    }
    let left = store.raws_left(t, at(30), 9).await.unwrap();
    assert_eq!(left, [RawId::new("R1"), RawId::new("R2")]);
    assert_eq!(
        store.raws_left(t, at(30), 1).await.unwrap(),
        [RawId::new("R1")]
    );
    store
        .settle_raw(t, &RawId::new("R1"), RawState::Parked, vec![], None, None)
        .await
        .unwrap();
    assert_eq!(
        store.raws_left(t, at(30), 9).await.unwrap(),
        [RawId::new("R2")]
    );
}

fn patient(theirs: &str) -> CrosswalkRow {
    CrosswalkRow {
        partner: partner("ehr"),
        resource_type: "Patient".to_owned(),
        our_id: "PAT1".to_owned(),
        their_id: theirs.to_owned(),
        their_version: None,
    }
}

pub(in crate::store) async fn unmatched_bytes_wait_for_their_patient_and_go_on_when_linked(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    for (n, (id, theirs)) in [("R1", "77"), ("R2", "77"), ("R3", "78")]
        .iter()
        .enumerate()
    {
        let bytes = raw(id, "ehr", Some(id), id);
        store.receive(t, bytes, at(n as i64)).await.unwrap();
        let named = Some((partner("ehr"), (*theirs).to_owned()));
        store
            .settle_raw(
                t,
                &RawId::new(id),
                RawState::Unmatched,
                vec![],
                named,
                Some(given("yes")),
            )
            .await
            .unwrap();
    }
    let status = store.status(t, at(9), 10).await.unwrap();
    let shown: Vec<_> = status
        .unmatched
        .iter()
        .map(|u| (u.partner.as_str(), u.their_id.as_str(), u.waiting, u.since))
        .collect();
    assert_eq!(shown, [("ehr", "77", 2, at(0)), ("ehr", "78", 1, at(2))]);
    assert!(store.raws_left(t, at(9), 9).await.unwrap().is_empty());
    store.link(t, patient("77"), None, at(10)).await.unwrap();
    let left = store.raws_left(t, at(11), 9).await.unwrap();
    assert_eq!(left, [RawId::new("R1"), RawId::new("R2")]);
    assert_eq!(state(&clinic, "R3").await, RawState::Unmatched);
    let status = store.status(t, at(9), 10).await.unwrap();
    assert_eq!(status.unmatched.len(), 1);
    let back = store
        .crosswalk_back(t, &partner("ehr"), "Patient", "77")
        .await;
    assert_eq!(back.unwrap().unwrap(), patient("77"));
}

pub(in crate::store) async fn a_patient_linked_while_a_message_was_looked_at_is_not_missed(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let bytes = raw("R1", "ehr", Some("S1"), "x");
    store.receive(t, bytes, at(0)).await.unwrap();
    // Looked up, not found; then a person links the patient; then it is settled as unmatched.
    store.link(t, patient("77"), None, at(1)).await.unwrap();
    let named = Some((partner("ehr"), "77".to_owned()));
    store
        .settle_raw(
            t,
            &RawId::new("R1"),
            RawState::Unmatched,
            vec![],
            named,
            None,
        )
        .await
        .unwrap();
    assert_eq!(state(&clinic, "R1").await, RawState::Received);
    assert!(
        store
            .status(t, at(9), 10)
            .await
            .unwrap()
            .unmatched
            .is_empty()
    );
}
