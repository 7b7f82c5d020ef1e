//! What is shown: counts, stories, the status, refusals; and what is dropped in the end.

use super::make::*;
use crate::sync::job::{NewJob, State};
use crate::sync::ports::{Admission, Keep, Refusal, Store};
use crate::sync::reason::Reason;

pub(in crate::store) async fn the_counts_add_up_in_every_state(store: &dyn Store) {
    let clinic = Clinic::of(store);
    for state in State::ALL {
        let id = state.as_str();
        clinic.one("observation", id, job(id, "ehr")).await;
        let claimed = clinic.next("ehr", 0).await;
        if state != State::Sending {
            let mut report = settles(&claimed, state, Reason::ByPerson, 1);
            if let Some(settle) = &mut report.settle {
                // Out of the way of the others.
                settle.due = at(5000);
            }
            clinic.report(report).await;
        }
        clinic.adds_up().await;
    }
    let status = store.status(&clinic.tenant, at(2), 99).await.unwrap();
    assert_eq!(status.jobs_made, 7);
    assert_eq!(status.partners[0].jobs.len(), 7);
    for (state, n) in &status.partners[0].jobs {
        assert_eq!(*n, 1, "{state}");
    }
    // And each job is in one state.
    let mut found = 0;
    for state in State::ALL {
        let id = state.as_str();
        let jobs = clinic.chain(&chain("observation", id)).await;
        found += jobs.iter().filter(|j| j.state == state).count();
    }
    assert_eq!(found, 7);
}

pub(in crate::store) async fn a_story_tells_everything(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    assert!(
        store
            .story(t, "observation", "M-1")
            .await
            .unwrap()
            .is_none()
    );
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic
        .accept(draft("observation", "M-1", 2).with(job("J2", "ehr")))
        .await;
    let answer = draft("order-event", "EV-1", 1).in_chain(&chain("observation", "M-1"));
    clinic.accept(answer.with(job("J3", "clinic"))).await;
    let story = store.story(t, "observation", "M-1").await.unwrap().unwrap();
    let versions: Vec<_> = story.versions.iter().map(|v| v.record.version).collect();
    assert_eq!(versions, [2, 1], "newest first");
    let jobs: Vec<_> = story.jobs.iter().map(|j| j.id.as_str()).collect();
    assert_eq!(jobs, ["J1", "J2"], "oldest first, of this record");
    assert_eq!(
        held_back_by(&story.jobs[1]),
        ["lane: job J1 goes first (waiting)"]
    );
    let answers: Vec<_> = story.answers.iter().map(|v| v.record.clone()).collect();
    assert_eq!(answers, [version("order-event", "EV-1", 1)]);
    assert_eq!(
        story.versions[1].body,
        draft("observation", "M-1", 1).version.unwrap().body
    );
}

pub(in crate::store) async fn the_status_lists_what_needs_looking_at(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let accepted = |id: &str, seconds: i64| Admission {
        now: at(seconds),
        ..draft("observation", id, 1).with(NewJob {
            due: at(seconds),
            ..job(id, "ehr")
        })
    };
    for (n, (id, state)) in [
        ("asking", State::Asking),
        ("parked", State::Parked),
        ("retrying", State::Waiting),
        ("done", State::Done),
    ]
    .into_iter()
    .enumerate()
    {
        clinic.accept(accepted(id, n as i64)).await;
        let claimed = clinic.next("ehr", 10).await;
        let mut report = settles(&claimed, state, Reason::TryLater, 10);
        if let Some(settle) = &mut report.settle {
            settle.due = at(5000);
        }
        clinic.report(report).await;
    }
    clinic.accept(accepted("slow", 20)).await;
    clinic.accept(accepted("fresh", 70)).await;
    let listed = async |limit: usize| {
        let status = store.status(&clinic.tenant, at(81), limit).await.unwrap();
        let ids = status.jobs.iter().map(|j| j.id.as_str().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(listed(9).await, ["asking", "parked", "retrying", "slow"]);
    assert_eq!(listed(2).await, ["asking", "parked"]);
    let status = store.status(&clinic.tenant, at(81), 9).await.unwrap();
    let view = &status.partners[0];
    assert_eq!((view.retrying, view.held, view.oldest), (1, 0, Some(at(0))));
    assert_eq!(view.last_success, Some(at(10)));
    assert_eq!(status.versions, 6);
}

pub(in crate::store) async fn refusals_are_counted_without_bodies(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let refusal = |pointer: &str| Refusal {
        kind: "observation".to_owned(),
        rule: "unknown-field".to_owned(),
        pointer: pointer.to_owned(),
        caller: "him".to_owned(),
    };
    let count = async |all: Vec<Refusal>, now: i64| {
        store.count_refusals(t, all, at(now)).await.unwrap();
    };
    count(vec![refusal("/a"), refusal("/b")], 1).await;
    count(vec![refusal("/a")], 2).await;
    let status = store.status(t, at(9), 9).await.unwrap();
    assert_eq!(
        status.refusals,
        [(refusal("/a"), 2, at(2)), (refusal("/b"), 1, at(1))]
    );
    // A sender can make up pointers without end; rows have one.
    let many = (0..10_010).map(|n| refusal(&format!("/{n}"))).collect();
    count(many, 3).await;
    let status = store.status(t, at(9), 9).await.unwrap();
    assert_eq!(status.refusals[0], (refusal(""), 12, at(3)));
    count(vec![refusal("/a"), refusal("/new")], 4).await;
    let status = store.status(t, at(9), 9).await.unwrap();
    let first: Vec<_> = status.refusals[..2].iter().map(|r| r.1).collect();
    assert_eq!(first, [13, 3]);
}

/// No body goes.
const FOR_EVER: Keep = Keep {
    answers: None,
    payloads: None,
    inbound: None,
};

pub(in crate::store) async fn old_keys_are_dropped_and_nothing_else(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    const DAYS: i64 = 7 * 86_400;
    for (id, seconds) in [("M-1", 0), ("M-2", 10)] {
        let keyed = Admission {
            idempotency: Some(("him".to_owned(), id.to_owned(), hash(id))),
            now: at(seconds),
            raw: Some(raw(id, "clinic:him", None, id)),
            ..draft("observation", id, 1).with(job(id, "ehr"))
        };
        clinic.accept(keyed).await;
    }
    assert_eq!(store.prune(at(DAYS), &FOR_EVER).await.unwrap(), 0);
    assert_eq!(store.prune(at(DAYS + 10), &FOR_EVER).await.unwrap(), 1);
    assert_eq!(store.prune(at(DAYS + 10), &FOR_EVER).await.unwrap(), 0);
    assert!(store.idempotent(t, "him", "M-1").await.unwrap().is_none());
    assert!(store.idempotent(t, "him", "M-2").await.unwrap().is_some());
    // Old as it is, nothing else is dropped: an exact repeat has its answer, the job goes.
    store.prune(at(99 * DAYS), &FOR_EVER).await.unwrap();
    for id in ["M-1", "M-2"] {
        assert!(
            store
                .raw(t, &crate::ids::RawId::new(id))
                .await
                .unwrap()
                .is_some()
        );
        assert!(store.story(t, "observation", id).await.unwrap().is_some());
    }
    assert_eq!(clinic.goes("ehr", 99 * DAYS).await, ["M-1", "M-2"]);
}
