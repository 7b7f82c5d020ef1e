//! Consent: denials decided anew, jobs that the gate holds, and consents that come in between.

use super::make::*;
use crate::sync::job::{Claimed, State};
use crate::sync::ports::{Admission, Admitted, Denial, Report, Store};
use crate::sync::reason::Reason;

fn denied(a: Admission, to: &str) -> Admission {
    let denial = Denial {
        record: a.for_record.clone(),
        partner: partner(to),
        client: Some("C-1".to_owned()),
        why: "no-consent".to_owned(),
    };
    Admission {
        denials: vec![denial],
        ..a.of_client("C-1")
    }
}

fn consent(id: &str, v: u64) -> Admission {
    Admission {
        wakes_client: Some("C-1".to_owned()),
        ..draft("consent", id, v).of_client("C-1")
    }
}

/// A report by which the gate holds a job.
fn holds(job: &Claimed, state: State, now: i64) -> Report {
    let mut report = settles(job, state, Reason::Consent, now);
    if let Some(settle) = &mut report.settle {
        settle.held = true;
    }
    report
}

async fn open(clinic: &Clinic<'_>) -> Vec<(String, u64, String)> {
    let found = clinic.store.denials(&clinic.tenant, "C-1").await.unwrap();
    let names = found.into_iter();
    names
        .map(|d| (d.record.id, d.record.version, d.partner.as_str().to_owned()))
        .collect()
}

pub(in crate::store) async fn denials_are_kept_until_decided_anew(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic
        .accept(denied(draft("observation", "M-1", 1), "ehr"))
        .await;
    clinic
        .accept(denied(draft("observation", "M-2", 1), "ehr"))
        .await;
    let name = |id: &str, v: u64, to: &str| (id.to_owned(), v, to.to_owned());
    assert_eq!(
        open(&clinic).await,
        [name("M-1", 1, "ehr"), name("M-2", 1, "ehr")]
    );
    assert!(
        store
            .denials(&clinic.tenant, "C-2")
            .await
            .unwrap()
            .is_empty()
    );
    // A newer version was decided by itself, at every partner.
    clinic
        .accept(denied(draft("observation", "M-1", 2), "lab"))
        .await;
    assert_eq!(
        open(&clinic).await,
        [name("M-2", 1, "ehr"), name("M-1", 2, "lab")]
    );
    // Decided anew without a version: the denial is settled by the job.
    let anew = Admission {
        version: None,
        denials_settled: vec![partner("ehr")],
        ..draft("observation", "M-2", 1).with(job("J2", "ehr"))
    };
    clinic.accept(anew).await;
    assert_eq!(open(&clinic).await, [name("M-1", 2, "lab")]);
    let claimed = clinic.next("ehr", 0).await;
    assert_eq!(
        claimed.client.as_deref(),
        Some("C-1"),
        "it is the client's all the same"
    );
    let story = store.story(&clinic.tenant, "observation", "M-1").await;
    let told: Vec<_> = story
        .unwrap()
        .unwrap()
        .denials
        .into_iter()
        .map(|(d, open)| (d.record.version, d.why, open))
        .collect();
    let why = "no-consent".to_owned();
    assert_eq!(told, [(1, why.clone(), false), (2, why, true)]);
    let status = store.status(&clinic.tenant, at(0), 9).await.unwrap();
    assert_eq!(status.denials_open, 1);
}

pub(in crate::store) async fn a_cancel_may_go_where_a_copy_is_denied(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let both = draft("observation", "M-1", 1).with(cancel("J1", "ehr"));
    clinic.accept(denied(both, "ehr")).await;
    assert_eq!(
        open(&clinic).await.len(),
        1,
        "the cancel does not settle it"
    );
}

pub(in crate::store) async fn what_the_gate_holds_leaves_its_lane_until_consents_change(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    for (v, id) in [(1, "J1"), (2, "J2"), (3, "J3")] {
        let a = draft("observation", "M-1", v).of_client("C-1");
        clinic.accept(a.with(job(id, "ehr"))).await;
    }
    let held = clinic.next("ehr", 0).await;
    clinic.report(holds(&held, State::Waiting, 1)).await;
    let shown = clinic.shown("observation", "M-1", "J1").await;
    assert_eq!(
        (shown.state, shown.reason),
        (State::Waiting, Some(Reason::Consent))
    );
    assert_eq!(
        held_back_by(&shown),
        ["gate: no consent covers this receiver"]
    );
    // One that is unclear and may not be asked about, because that would disclose it, is held, too.
    let unclear = clinic.next("ehr", 1).await;
    assert_eq!(unclear.id.as_str(), "J2", "what is allowed goes on");
    clinic
        .settle(&unclear, State::Asking, Reason::TimedOut, 1)
        .await;
    let asked = clinic.next("ehr", 1).await;
    clinic.report(holds(&asked, State::Asking, 1)).await;
    let third = clinic.next("ehr", 1).await;
    assert_eq!(third.id.as_str(), "J3");
    clinic.done(&third, 2).await;
    assert_eq!(clinic.goes("ehr", 1_000_000).await, [""; 0]);
    let status = store.status(&clinic.tenant, at(2), 9).await.unwrap();
    assert_eq!(status.partners[0].held, 1);

    let mut other = consent("CS-9", 1).of_client("C-2");
    other.wakes_client = Some("C-2".to_owned());
    clinic.accept(other).await;
    assert_eq!(clinic.goes("ehr", 3).await, [""; 0], "another's consent");
    clinic.accept(consent("CS-1", 1)).await;
    let asked = clinic.next("ehr", 3).await;
    assert_eq!((asked.id.as_str(), asked.state), ("J2", State::Asking));
    clinic
        .settle(&asked, State::Done, Reason::FoundThere, 3)
        .await;
    let first = clinic.next("ehr", 3).await;
    assert_eq!(first.id.as_str(), "J1");
    clinic.done(&first, 3).await;
    clinic.adds_up().await;
}

pub(in crate::store) async fn a_consent_that_came_meanwhile_is_not_missed(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let a = draft("observation", "M-1", 1).of_client("C-1");
    clinic.accept(a.with(job("J1", "ehr"))).await;
    // The worker asked the gate; then the consent was accepted; then the worker says: held.
    let looked = clinic.next("ehr", 0).await;
    clinic.accept(consent("CS-1", 1)).await;
    clinic.report(holds(&looked, State::Waiting, 1)).await;
    let again = clinic.next("ehr", 1).await;
    assert_eq!(again.id.as_str(), "J1", "it is looked at again");
    clinic.report(holds(&again, State::Waiting, 2)).await;
    assert_eq!(clinic.goes("ehr", 2).await, [""; 0], "and held for good");
}

pub(in crate::store) async fn a_denial_under_older_consents_is_decided_again(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.accept(consent("CS-1", 1)).await;
    let seen = [version("consent", "CS-1", 1)];
    let stale = denied(draft("observation", "M-1", 1).leans_on(&seen), "ehr");
    clinic.accept(consent("CS-1", 2)).await;
    assert_eq!(clinic.try_accept(stale.clone()).await, Admitted::Moved);
    let seen = [version("consent", "CS-1", 2)];
    clinic.accept(stale.clone().leans_on(&seen)).await;
    // One more consent that was not there.
    clinic.accept(consent("CS-2", 1)).await;
    let next = denied(draft("observation", "M-1", 2).leans_on(&seen), "ehr");
    assert_eq!(clinic.try_accept(next).await, Admitted::Moved);
    // What was not denied does not care.
    clinic
        .accept(
            draft("observation", "M-1", 2)
                .of_client("C-1")
                .leans_on(&seen),
        )
        .await;
}
