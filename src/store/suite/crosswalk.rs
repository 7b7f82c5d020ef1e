//! The crosswalk: their names for what is ours.

use super::make::*;
use super::patients::{found, making};
use crate::sync::job::{Claimed, State};
use crate::sync::ports::{CrosswalkRow, EffectDone, Store};
use crate::sync::reason::Reason;
use crate::sync::verdict::Verdict;

fn row(resource_type: &str, ours: &str, theirs: &str) -> CrosswalkRow {
    CrosswalkRow {
        partner: partner("ehr"),
        resource_type: resource_type.to_owned(),
        our_id: ours.to_owned(),
        their_id: theirs.to_owned(),
        their_version: None,
    }
}

pub(in crate::store) async fn a_row_is_made_and_renewed(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    let job = clinic.next("ehr", 0).await;
    let renew = async |theirs: &str, version: Option<&str>| {
        let mut report = report(&job, 1);
        report.done = vec![EffectDone {
            effect: 0,
            remote: Some(remote(theirs, version)),
        }];
        clinic.report(report).await;
        let ours = [
            ("Observation".to_owned(), "nothing".to_owned()),
            ("Observation".to_owned(), "J1".to_owned()),
        ];
        let found = store.crosswalk(t, &partner("ehr"), &ours).await.unwrap();
        assert_eq!(found.len(), 1);
        (found[0].their_id.clone(), found[0].their_version.clone())
    };
    assert_eq!(renew("9", Some("1")).await, ("9".into(), Some("1".into())));
    assert_eq!(renew("9", Some("2")).await, ("9".into(), Some("2".into())));
    assert_eq!(renew("10", None).await, ("10".into(), None));
    let back = |theirs: &'static str, of: &'static str, at: &'static str| async move {
        let found = store.crosswalk_back(t, &partner(at), of, theirs).await;
        found.unwrap().map(|r| r.our_id)
    };
    assert_eq!(
        back("10", "Observation", "ehr").await.as_deref(),
        Some("J1")
    );
    assert_eq!(back("9", "Observation", "ehr").await, None);
    assert_eq!(back("10", "Patient", "ehr").await, None);
    assert_eq!(back("10", "Observation", "lab").await, None);
    let elsewhere = [("Observation".to_owned(), "J1".to_owned())];
    let found = store
        .crosswalk(t, &partner("lab"), &elsewhere)
        .await
        .unwrap();
    assert!(found.is_empty());
}

pub(in crate::store) async fn a_merged_patient_answers_to_the_survivor(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    // In either order of names: who had the name first is the survivor.
    for (n, (survivor, merged)) in [("A", "B"), ("D", "C")].into_iter().enumerate() {
        let (one, two) = (format!("1{n}"), format!("2{n}"));
        let link = async |row: CrosswalkRow, now: i64| {
            store.link(t, row, None, at(now)).await.unwrap();
        };
        link(row("Patient", survivor, &one), 1).await;
        link(row("Patient", merged, &two), 2).await;
        link(row("Patient", merged, &one), 3).await;
        // Told again later, the survivor's name is not younger for it.
        link(row("Patient", survivor, &one), 4).await;
        let back = store
            .crosswalk_back(t, &partner("ehr"), "Patient", &one)
            .await;
        assert_eq!(back.unwrap().unwrap().our_id, survivor);
    }
}

pub(in crate::store) async fn linking_releases_the_jobs_of_the_patient(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    for (id, client, reason) in [
        ("J1", "C-1", Reason::PatientUnknown),
        ("J2", "C-1", Reason::PatientAmbiguous),
        ("J3", "C-1", Reason::Refused),
        ("J4", "C-2", Reason::PatientUnknown),
    ] {
        clinic
            .accept(
                draft("observation", id, 1)
                    .of_client(client)
                    .with(job(id, "ehr")),
            )
            .await;
        clinic.next_goes_to("ehr", State::Parked, reason, 1).await;
    }
    let link = row("Patient", "PAT1", "77");
    store.link(t, link.clone(), None, at(2)).await.unwrap();
    assert_eq!(clinic.goes("ehr", 3).await, [""; 0], "nobody was named");
    let elsewhere = CrosswalkRow {
        partner: partner("lab"),
        ..link.clone()
    };
    store
        .link(t, elsewhere, Some("C-1".into()), at(2))
        .await
        .unwrap();
    assert_eq!(clinic.goes("ehr", 3).await, [""; 0], "another partner");
    store
        .link(t, link, Some("C-1".into()), at(4))
        .await
        .unwrap();
    assert_eq!(clinic.goes("ehr", 4).await, ["J1", "J2"]);
    assert_eq!(clinic.state("observation", "J3", "J3").await, State::Parked);
    assert_eq!(clinic.state("observation", "J4", "J4").await, State::Parked);
    clinic.adds_up().await;
}

pub(in crate::store) async fn whoever_finds_a_patient_releases_the_jobs_that_wait_for_them(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    // Jobs that find their patient, and do not make them.
    for (id, client) in [
        ("J1", "C-1"),
        ("J2", "C-1"),
        ("J3", "C-1"),
        ("other", "C-2"),
    ] {
        let mut finds = making(id, &client[2..]);
        finds.effects[0].payload = None;
        let of_client = draft("observation", id, 1).of_client(client);
        clinic.accept(of_client.with(finds)).await;
    }
    let claimed = clinic.claim("ehr", 1).await;
    assert_eq!(ids(&claimed), ["J1", "J2", "J3", "other"]);
    let nobody = async |job: &Claimed| {
        let mut report = settles(job, State::Parked, Reason::PatientUnknown, 2);
        report.attempt = Some(attempt(Verdict::Refused, Reason::PatientUnknown, 2));
        clinic.report(report).await;
    };
    nobody(&claimed[0]).await;
    nobody(&claimed[3]).await;
    assert_eq!(clinic.state("observation", "J1", "J1").await, State::Parked);
    // The second one finds them: whoever waits goes on with that very report,
    clinic.report(found(&claimed[1], 3)).await;
    assert_eq!(
        clinic.state("observation", "J1", "J1").await,
        State::Waiting
    );
    // and the third, which had looked before, need not wait for anybody.
    nobody(&claimed[2]).await;
    assert_eq!(clinic.goes("ehr", 4).await, ["J1", "J3"]);
    let other = clinic.state("observation", "other", "other").await;
    assert_eq!(other, State::Parked, "another patient");
    clinic.is_sound().await;
}
