//! The crosswalk: their names for what is ours.

use super::make::*;
use crate::sync::job::State;
use crate::sync::ports::{CrosswalkRow, EffectDone, Store};
use crate::sync::reason::Reason;

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
        report.effect_done = Some(EffectDone {
            effect: 0,
            remote: Some(remote(theirs, version)),
        });
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
