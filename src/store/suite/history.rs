//! What stands in the stored fixtures of databases of every schema, and what has to be there once they are
//! opened as the newest one.

use super::make::*;
use super::patients::{found, making, waits_for, who_holds};
use crate::ids::{JobId, RawId};
use crate::issue::Issue;
use crate::sync::job::{State, VersionRef};
use crate::sync::ports::{
    Act, Admission, CrosswalkRow, Denial, EffectDone, RawState, Refusal, Store,
};
use crate::sync::reason::Reason;

/// A little of everything: a job in each state, needs, a merge, denials, keys, what partners sent.
pub(in crate::store) async fn history(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    for state in State::ALL {
        let id = state.as_str();
        let keyed = Admission {
            idempotency: Some(("him".to_owned(), id.to_owned(), hash(id))),
            ..draft("observation", id, 1)
        };
        clinic
            .accept(keyed.of_client("C-1").with(job(id, "ehr")))
            .await;
        if state == State::Waiting {
            continue;
        }
        let claimed = clinic.claim("ehr", 1).await;
        for claimed in claimed {
            let id = claimed.id.as_str();
            let mut report = settles(&claimed, State::Waiting, Reason::TryLater, 1);
            if let Some(settle) = &mut report.settle {
                settle.due = at(5000);
            }
            if id == state.as_str() {
                if state == State::Sending {
                    continue;
                }
                report = settles(&claimed, state, Reason::ByPerson, 1);
                if let Some(settle) = &mut report.settle {
                    settle.due = at(5000);
                }
            }
            if id == "done" {
                report.done = vec![EffectDone {
                    effect: 0,
                    remote: Some(remote("their-1", Some("7"))),
                }];
            }
            clinic.report(report).await;
        }
    }
    let mut needing = job("needing", "lab");
    needing.needs = vec![version("client", "C-1", 1)];
    clinic.one("client", "C-1", job("client", "lab")).await;
    let plan = draft("care-plan", "P-1", 1).of_client("C-1");
    clinic
        .accept(plan.leans_on(&[version("client", "C-1", 1)]).with(needing))
        .await;
    clinic
        .one("medication-request", "rx", cancel("C1", "rx"))
        .await;
    clinic
        .accept(draft("medication-request", "rx", 2).with(rx_after("R1", "rx", "C1")))
        .await;
    let merge = Admission {
        holds: vec![(partner("lab"), "C-2".to_owned(), JobId::new("merge"))],
        ..draft("client-merge", "MG-1", 1).with(job("merge", "lab"))
    };
    clinic.accept(merge).await;
    let record = version("care-plan", "P-2", 1);
    let denied = Admission {
        denials: vec![Denial {
            record: record.clone(),
            partner: partner("ehr"),
            client: Some("C-2".to_owned()),
            why: "consent".to_owned(),
        }],
        ..draft("care-plan", "P-2", 1).of_client("C-2")
    };
    clinic.accept(denied).await;
    let mut fed = draft("dispense", "D-1", 1);
    if let Some(v) = &mut fed.version {
        v.in_feed = true;
    }
    clinic.accept(fed).await;
    for (id, state, patient) in [
        ("parked", RawState::Parked, None),
        (
            "unmatched",
            RawState::Unmatched,
            Some((partner("ehr"), "p-9".to_owned())),
        ),
        ("open", RawState::Received, None),
    ] {
        let message = raw(id, "ehr", Some(id), &format!("{{\"{id}\":1}}"));
        store.receive(t, message, at(3)).await.expect("receive");
        if state != RawState::Received {
            let issue = Issue::error("structure", "unreadable", "", "it could not be read");
            store
                .settle_raw(t, &RawId::new(id), state, vec![issue], patient, None)
                .await
                .expect("settle");
        }
    }
    let refusal = Refusal {
        kind: "observation".to_owned(),
        rule: "required".to_owned(),
        pointer: "/value".to_owned(),
        caller: "him".to_owned(),
    };
    store
        .count_refusals(t, vec![refusal], at(4))
        .await
        .expect("refusals");
    let row = CrosswalkRow {
        partner: partner("ehr"),
        resource_type: "Patient".to_owned(),
        our_id: "OURS".to_owned(),
        their_id: "theirs".to_owned(),
        their_version: None,
    };
    store.link(t, row, None, at(4)).await.expect("link");
    store
        .act(
            t,
            &JobId::new("parked"),
            Act::Cancel,
            "her",
            "she said so",
            at(5),
        )
        .await
        .expect("act");
    clinic
        .one("observation", "parked-2", job("parked-2", "ehr"))
        .await;
    let again = clinic.next("ehr", 6).await;
    clinic
        .settle(&again, State::Parked, Reason::Refused, 6)
        .await;
}

/// All of it is there, and goes on.
pub(in crate::store) async fn is_there(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    clinic.adds_up().await;
    for (id, state) in [
        ("waiting", State::Waiting),
        ("sending", State::Sending),
        ("asking", State::Asking),
        ("parked", State::Cancelled),
        ("done", State::Done),
        ("cancelled", State::Cancelled),
        ("superseded", State::Superseded),
        ("parked-2", State::Parked),
    ] {
        let shown = clinic.shown("observation", id, id).await;
        assert_eq!(shown.state, state, "{id}");
        assert_eq!(shown.effects.len(), 1, "{id}");
    }
    assert!(
        !clinic
            .shown("observation", "done", "done")
            .await
            .tries
            .is_empty()
    );
    let status = store.status(t, at(10), 99).await.expect("status");
    assert_eq!((status.unmatched.len(), status.parked_raw.len()), (1, 1));
    assert_eq!((status.denials_open, status.refusals.len()), (1, 1));
    assert_eq!(store.feed(t, 0, 9).await.expect("feed").len(), 1);
    let key = store.idempotent(t, "him", "done").await.expect("key");
    assert_eq!(key.map(|k| k.0), Some(hash("done")));
    let row = ("Observation".to_owned(), "done".to_owned());
    let rows = store
        .crosswalk(t, &partner("ehr"), &[row])
        .await
        .expect("crosswalk");
    assert_eq!(rows[0].their_id, "their-1");
    let left = store.raws_left(t, at(9), 9).await.expect("raws");
    assert_eq!(left, [RawId::new("open")]);
    let body = store
        .raw(t, &RawId::new("open"))
        .await
        .expect("raw")
        .expect("open");
    assert_eq!(body.raw.bytes, b"{\"open\":1}");
    let jobs = clinic.chain(&chain("medication-request", "rx")).await;
    assert_eq!(
        jobs.iter().map(|j| j.id.as_str()).collect::<Vec<_>>(),
        ["C1", "R1"]
    );
    let leaning = store.referred_to(t, "client", "C-1").await.expect("leans");
    assert!(leaning);
    // Lanes go on where they were: the plan waits for its client.
    let names = |jobs: &[VersionRef]| jobs.iter().map(|r| r.kind.clone()).collect::<Vec<_>>();
    let first = clinic.claim("lab", 10).await;
    let records: Vec<VersionRef> = first.iter().map(|j| j.record.clone()).collect();
    assert_eq!(names(&records), ["client", "client-merge"]);
    clinic.done(&first[0], 11).await;
    assert_eq!(ids(&clinic.claim("lab", 12).await), ["needing"]);
    assert_eq!(store.rescue(at(10_000)).await.expect("rescue"), 3);
    clinic.adds_up().await;
}

/// Two patients whom a partner does not know. Of the first, one job is being sent and two wait; of the
/// second, one waits for its time and two are due.
pub(in crate::store) async fn patients(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let accept = async |id: &str, patient: &str| {
        let made = crate::sync::job::NewJob {
            partner: partner("twin"),
            ..making(id, patient)
        };
        clinic.one("observation", id, made).await;
    };
    accept("J1", "1").await;
    accept("K1", "2").await;
    let claimed = clinic.claim("twin", 0).await;
    assert_eq!(ids(&claimed), ["J1", "K1"]);
    let mut later = settles(&claimed[1], State::Waiting, Reason::TryLater, 0);
    if let Some(settle) = &mut later.settle {
        settle.due = at(90);
    }
    clinic.report(later).await;
    for (id, patient) in [("J2", "1"), ("J3", "1"), ("K2", "2"), ("K3", "2")] {
        accept(id, patient).await;
    }
}

/// Of each patient one goes at a time, whatever the schema before thought of that.
pub(in crate::store) async fn patients_are_there(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.is_sound().await;
    assert_eq!(clinic.goes("twin", 1).await, ["K2"]);
    for (id, first) in [("J3", "J1"), ("K3", "K2")] {
        let first = [waits_for(first, State::Sending)];
        assert_eq!(who_holds(&clinic, id, 1).await, first);
    }
    assert_eq!(store.rescue(at(100)).await.expect("rescue"), 2);
    let asked = clinic.claim("twin", 100).await;
    assert_eq!(ids(&asked), ["J1", "K2"]);
    for (job, next) in asked.iter().zip([["J2", "J3"], ["K1", "K3"]]) {
        clinic.report(found(job, 101)).await;
        assert_eq!(clinic.goes("twin", 101).await, next);
    }
    clinic.adds_up().await;
}
