//! What a store does for its own keeping: self-checks, bodies that go, what a restored backup means.

use std::time::Duration;

use super::make::*;
use crate::ids::RawId;
use crate::sync::job::State;
use crate::sync::ports::{
    Act, Admission, By, Fault, JobFilter, Keep, NewProposal, NewReplay, RawState, ReplayState,
    Store,
};
use crate::sync::reason::Reason;

const GRACE: Duration = Duration::from_secs(900);
const DAY: i64 = 86_400;

pub(in crate::store) async fn what_is_sound_passes(store: &dyn Store) {
    let clinic = Clinic::of(store);
    assert_eq!(store.audit(at(0), GRACE).await.unwrap(), []);
    clinic.one("client", "C-1", job("J1", "ehr")).await;
    let needs = |id: &str| {
        let mut job = job(id, "ehr");
        job.needs = vec![version("client", "C-1", 1)];
        job
    };
    clinic.one("observation", "M-1", needs("J2")).await;
    clinic
        .accept(draft("observation", "M-1", 2).with(needs("J3")))
        .await;
    clinic.is_sound().await;
    let first = clinic.next("ehr", 1).await;
    clinic.is_sound().await;
    clinic
        .settle(&first, State::Asking, Reason::TimedOut, 2)
        .await;
    clinic.is_sound().await;
    let first = clinic.next("ehr", 3).await;
    clinic.done(&first, 4).await;
    clinic
        .next_goes_to("ehr", State::Parked, Reason::Refused, 5)
        .await;
    clinic.is_sound().await;
    let status = store.status(&clinic.tenant, at(6), 9).await.unwrap();
    assert_eq!(status.audited.at, Some(at(0)));
    assert_eq!(status.audited.findings, []);
}

pub(in crate::store) async fn what_nobody_takes_is_found_and_forgotten_when_taken(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic.one("observation", "M-2", job("J2", "lab")).await;
    store
        .pause(
            &clinic.tenant,
            &partner("lab"),
            Some((at(9999), Reason::Connect)),
        )
        .await
        .unwrap();
    // Due, but not for long; due for long, but its partner is paused.
    assert_eq!(store.audit(at(800), GRACE).await.unwrap(), []);
    let found = store.audit(at(1000), GRACE).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].fault, Fault::Unclaimed);
    assert_eq!(found[0].partner, Some(partner("ehr")));
    assert_eq!(found[0].n, 1);
    // It is remembered since when.
    store.audit(at(1100), GRACE).await.unwrap();
    let audited = store
        .status(&clinic.tenant, at(1101), 9)
        .await
        .unwrap()
        .audited;
    assert_eq!(audited.at, Some(at(1100)));
    assert_eq!(audited.findings, [(found[0].clone(), at(1000))]);
    let other = Clinic::named(store, "other");
    let theirs = store.status(&other.tenant, at(1101), 9).await.unwrap();
    assert_eq!(theirs.audited.findings, [], "another tenant's");
    let taken = clinic.next("ehr", 1200).await;
    assert_eq!(store.audit(at(1201), GRACE).await.unwrap(), []);
    let audited = store
        .status(&clinic.tenant, at(1202), 9)
        .await
        .unwrap()
        .audited;
    assert_eq!(audited.findings, []);
    // Taken, and never seen again: nobody rescues it.
    drop(taken);
    let found = store.audit(at(9000), GRACE).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].fault, Fault::LeaseOver);
}

pub(in crate::store) async fn bodies_go_after_their_time(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let keep = Keep {
        answers: Some(Duration::from_secs(10 * DAY.unsigned_abs())),
        payloads: Some(Duration::from_secs(20 * DAY.unsigned_abs())),
        inbound: Some(Duration::from_secs(30 * DAY.unsigned_abs())),
    };
    for id in ["done", "parked"] {
        let message = raw(id, "ehr", Some(id), id);
        store.receive(t, message, at(0)).await.unwrap();
        let from = Admission {
            settles_raw: Some((RawId::new(id), RawState::Done)),
            ..draft("observation", id, 1).with(job(id, "ehr"))
        };
        clinic.accept(from).await;
    }
    let message = raw("left", "ehr", Some("left"), "left");
    store.receive(t, message, at(0)).await.unwrap();
    store
        .settle_raw(
            t,
            &RawId::new("left"),
            RawState::Parked,
            Vec::new(),
            None,
            None,
        )
        .await
        .unwrap();
    for job in clinic.claim("ehr", 1).await {
        if job.id.as_str() == "done" {
            clinic.done(&job, 2).await;
        } else {
            clinic.settle(&job, State::Parked, Reason::Refused, 2).await;
        }
    }
    let all = |day: i64| async move {
        // A round, and what is left of it.
        let mut n = 0;
        for _ in 0..4 {
            n += store.prune(at(day * DAY), &keep).await.unwrap();
        }
        n
    };
    assert_eq!(all(9).await, 0);
    assert_eq!(all(11).await, 2, "two answers");
    let tries = clinic.shown("observation", "done", "done").await.tries;
    assert_eq!(
        (tries.len(), tries[0].answer_bytes),
        (1, 0),
        "the attempt stays"
    );
    assert_eq!(all(21).await, 1, "what was sent, of what has ended");
    assert_eq!(all(31).await, 2, "what came in and was worked on");
    assert_eq!(all(3000).await, 0);
    let kept = |id: &'static str| async move {
        let found = store.raw(t, &RawId::new(id)).await.unwrap().expect(id);
        found.raw.bytes.len()
    };
    assert_eq!(kept("done").await, 0);
    assert_eq!(kept("left").await, 4, "parked: a person has to look at it");
    // What is parked can still be sent, and what was said of a repeat is still known.
    let parked = crate::ids::JobId::new("parked");
    assert!(
        store
            .act(t, &parked, Act::Retry, "her", "", at(3))
            .await
            .unwrap()
    );
    let again = clinic.next("ehr", 4).await;
    assert!(
        again.effects[0]
            .what
            .payload
            .as_ref()
            .is_some_and(|p| !p.bytes.is_empty())
    );
    clinic.adds_up().await;
}

pub(in crate::store) async fn a_restored_database_asks_before_it_sends(store: &dyn Store) {
    let clinic = Clinic::of(store);
    assert_eq!(store.restored().await.unwrap(), None);
    for id in ["waiting", "sending", "parked", "done"] {
        clinic.one("observation", id, job(id, "ehr")).await;
    }
    for job in clinic.claim("ehr", 1).await {
        match job.id.as_str() {
            "done" => clinic.done(&job, 2).await,
            "parked" => clinic.settle(&job, State::Parked, Reason::Refused, 2).await,
            "waiting" => {
                clinic
                    .settle(&job, State::Waiting, Reason::TryLater, 2)
                    .await
            }
            _ => {}
        }
    }
    clinic
        .one("medication-request", "rx", cancel("C1", "rx"))
        .await;
    clinic
        .accept(draft("medication-request", "rx", 2).with(rx_after("R1", "rx", "C1")))
        .await;
    let marked = store.mark_restored(at(100)).await.unwrap();
    assert_eq!((marked.asking, marked.parked), (3, 2), "{marked:?}");
    assert_eq!(marked.newest, Some(at(0)));
    assert_eq!(store.restored().await.unwrap(), Some(at(100)));
    for (id, state) in [
        ("waiting", State::Asking),
        ("sending", State::Asking),
        ("parked", State::Parked),
    ] {
        let job = clinic.shown("observation", id, id).await;
        assert_eq!(
            (job.state, job.unsure, job.reason),
            (state, true, Some(Reason::Restored)),
            "{id}"
        );
    }
    assert_eq!(
        clinic.state("observation", "done", "done").await,
        State::Done
    );
    let rx = clinic.shown("medication-request", "rx", "R1").await;
    assert_eq!(
        (rx.state, rx.unsure),
        (State::Parked, true),
        "asking a pharmacy is sending"
    );
    // Nobody sends what may be there; what is claimed is asked about.
    let claimed = clinic.claim("ehr", 101).await;
    assert_eq!(ids(&claimed), ["waiting", "sending"]);
    assert!(claimed.iter().all(|j| j.state == State::Asking && j.unsure));
    let retry = store
        .act(
            &clinic.tenant,
            &crate::ids::JobId::new("parked"),
            Act::Retry,
            "her",
            "",
            at(102),
        )
        .await
        .unwrap();
    assert!(!retry, "a person has to say first whether it is there");
    clinic.adds_up().await;
}

pub(in crate::store) async fn readers_of_the_feed_miss_nothing_after_a_restore(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let fed = |id: &str| {
        let mut a = draft("dispense", id, 1);
        if let Some(v) = &mut a.version {
            v.in_feed = true;
        }
        a
    };
    clinic.accept(fed("D-1")).await;
    let before = store.feed(&clinic.tenant, 0, 9).await.unwrap();
    // The lost database went on to give positions that a reader has seen.
    let seen = before[0].0 + 500;
    store.mark_restored(at(1)).await.unwrap();
    clinic.accept(fed("D-2")).await;
    let after = store.feed(&clinic.tenant, seen, 9).await.unwrap();
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].1.record.id, "D-2");
}

pub(in crate::store) async fn a_restored_database_goes_on_with_no_wish(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic.done(&clinic.next("ehr", 1).await, 2).await;
    let by = By {
        who: "ann",
        why: "they ask for it",
    };
    let replay = NewReplay {
        id: "R-1".to_owned(),
        filter: JobFilter {
            partner: Some(partner("ehr")),
            ..JobFilter::default()
        },
        rate: 1,
    };
    store.replay_begin(t, replay, by, at(3)).await.unwrap();
    let proposal = NewProposal {
        id: "P-1".to_owned(),
        what: "edit".to_owned(),
        about: "J1".to_owned(),
        body: b"{}".to_vec(),
    };
    store.propose(t, proposal, by, at(3)).await.unwrap();
    let marked = store.mark_restored(at(10)).await.unwrap();
    assert_eq!((marked.replays, marked.proposals), (1, 1));
    assert_eq!(store.replays_due(at(99)).await.unwrap().len(), 0);
    let replay = store.replay(t, "R-1").await.unwrap().expect("it is kept");
    assert_eq!(replay.state, ReplayState::Cancelled);
    assert!(store.proposals(t, 9).await.unwrap().is_empty());
    let decided = store.decide(t, "P-1", "bob", true, at(11)).await.unwrap();
    assert!(decided.is_none(), "nobody confirms it any more");
}
