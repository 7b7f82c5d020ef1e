//! Replays: begun once, stepped once, stopped without loss; new jobs beside the old ones.

use super::hands::ADMIN;
use super::make::*;
use crate::ids::JobId;
use crate::sync::job::{NewJob, State};
use crate::sync::ports::{
    Again, Begun, JobFilter, NewReplay, Replay, ReplayState, ReplayStep, Skips, Store, Tie,
};
use crate::sync::reason::Reason;

const OBS: &str = "observation";

pub(in crate::store) fn at_ehr() -> JobFilter {
    JobFilter {
        partner: Some(partner("ehr")),
        ..JobFilter::default()
    }
}

pub(in crate::store) async fn begin(clinic: &Clinic<'_>, id: &str, filter: JobFilter) -> Begun {
    let new = NewReplay {
        id: id.to_owned(),
        filter,
        rate: 2,
    };
    let begun = clinic
        .store
        .replay_begin(&clinic.tenant, new, ADMIN, at(10))
        .await;
    begun.expect("begin")
}

pub(in crate::store) async fn seen(clinic: &Clinic<'_>, id: &str) -> Replay {
    let found = clinic.store.replay(&clinic.tenant, id).await;
    found.expect("replay").expect("it is there")
}

pub(in crate::store) fn step(from: i64, to: i64, again: Vec<Again>, ended: bool) -> ReplayStep {
    ReplayStep {
        id: "R".to_owned(),
        from,
        to,
        again,
        skipped: Skips::from([("open".to_owned(), 1)]),
        ended,
        next: at(11),
        now: at(10),
    }
}

pub(in crate::store) fn make(source: &str, id: &str) -> Again {
    Again::Make {
        source: JobId::new(source),
        record: version(OBS, source, 1),
        job: Box::new(NewJob {
            lane: crate::sync::job::LaneKey(format!("{OBS}/{source}")),
            chain: chain(OBS, source),
            priority: 4,
            ..job(id, "ehr")
        }),
    }
}

/// Three jobs: done, done, parked.
pub(in crate::store) async fn furnished(clinic: &Clinic<'_>) {
    for id in ["a", "b", "c"] {
        clinic.one(OBS, id, job(id, "ehr")).await;
    }
    for claimed in clinic.claim("ehr", 1).await {
        if claimed.id.as_str() == "c" {
            clinic
                .settle(&claimed, State::Parked, Reason::Refused, 2)
                .await;
        } else {
            clinic.done(&claimed, 2).await;
        }
    }
}

pub(in crate::store) async fn candidates_come_in_accepted_order(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let other = Clinic::named(store, "other");
    other.one(OBS, "x", job("x", "ehr")).await;
    furnished(&clinic).await;
    clinic
        .accept(draft(OBS, "a", 2).with(job("a2", "ehr")))
        .await;
    let find = async |filter: &JobFilter, limit| {
        let (mut all, mut after) = (Vec::new(), 0);
        while after < i64::MAX {
            let found = store.candidates(&clinic.tenant, filter, (after, i64::MAX), limit);
            let (found, upto) = found.await.unwrap();
            assert!(found.len() <= limit && upto > after);
            after = upto;
            all.extend(found.into_iter().map(|c| (c.job.id.to_string(), c.newer)));
        }
        all
    };
    let wanted = [("a", true), ("b", false), ("c", false), ("a2", false)];
    let wanted = wanted.map(|(id, newer)| (id.to_owned(), newer));
    for limit in [1, 2, 9] {
        assert_eq!(find(&at_ehr(), limit).await, wanted, "{limit} at a time");
    }
    let parked = JobFilter {
        state: Some(State::Parked),
        ..at_ehr()
    };
    assert_eq!(find(&parked, 9).await, [("c".to_owned(), false)]);
    let one = JobFilter {
        job: Some(JobId::new("b")),
        ..at_ehr()
    };
    assert_eq!(find(&one, 9).await, [("b".to_owned(), false)]);
    let (none, _) = store
        .candidates(&clinic.tenant, &at_ehr(), (0, 1), 9)
        .await
        .unwrap();
    assert!(none.is_empty(), "up to a place and no further");
}

pub(in crate::store) async fn a_whole_job_has_its_bytes(store: &dyn Store) {
    let clinic = Clinic::of(store);
    furnished(&clinic).await;
    let whole = async |id: &str| {
        let found = store.whole(&clinic.tenant, &JobId::new(id)).await;
        found.unwrap()
    };
    let a = whole("a").await.expect("a job");
    assert_eq!(a.effects.len(), 1);
    assert_eq!(a.effects[0].what, effect("Observation", "a"));
    assert_eq!((a.job.state, a.ever_refused), (State::Done, false));
    assert_eq!(a.lane.0, "observation/a");
    let c = whole("c").await.expect("a job");
    assert_eq!((c.ever_refused, c.ever_unsure), (true, false));
    assert_eq!(c.reason, Some(Reason::Refused));
    assert!(whole("nobody").await.is_none());
}

pub(in crate::store) async fn a_replay_is_begun_once_and_a_step_done_once(store: &dyn Store) {
    let clinic = Clinic::of(store);
    furnished(&clinic).await;
    let t = &clinic.tenant;
    let Begun::New(first) = begin(&clinic, "R", at_ehr()).await else {
        panic!("it is new");
    };
    assert_eq!((first.cursor, first.upto), (0, 3));
    assert_eq!(first.deed.who, ADMIN.who);
    assert_eq!(
        begin(&clinic, "R", at_ehr()).await,
        Begun::Known(first.clone())
    );
    let other = JobFilter {
        kind: Some("client".to_owned()),
        ..at_ehr()
    };
    assert_eq!(begin(&clinic, "R", other).await, Begun::OtherThere);

    let due = store.replays_due(at(10)).await.unwrap();
    assert_eq!(due, [(t.clone(), first)]);
    let one = || step(0, 1, vec![make("a", "a2")], false);
    assert!(store.replay_step(t, one()).await.unwrap());
    assert!(
        !store.replay_step(t, one()).await.unwrap(),
        "another did it"
    );
    assert!(store.replays_due(at(10)).await.unwrap().is_empty());
    let rest = vec![make("b", "b2"), Again::Retry(JobId::new("c"))];
    assert!(store.replay_step(t, step(1, 3, rest, true)).await.unwrap());
    let end = seen(&clinic, "R").await;
    assert_eq!(
        (end.state, end.made, end.retried),
        (ReplayState::Done, 2, 1)
    );
    assert_eq!(end.skipped, Skips::from([("open".to_owned(), 2)]));
    assert!(store.replays_due(at(99)).await.unwrap().is_empty());

    assert_eq!(
        clinic.goes("ehr", 11).await,
        ["c", "a2", "b2"],
        "behind the rest"
    );
    let sheet = store.job(t, &JobId::new("a2"), at(11)).await.unwrap();
    let ties = sheet.expect("a job").ties;
    assert!(
        ties.iter()
            .any(|t| t.tie == Tie::MadeFrom && t.job.as_str() == "a")
    );
    let sheet = store.job(t, &JobId::new("a"), at(11)).await.unwrap();
    let old = sheet.expect("a job");
    assert_eq!(old.job.state, State::Done, "the old one is as it was");
    assert!(old.ties.iter().any(|t| t.tie == Tie::MadeInto));
    let sheet = store.job(t, &JobId::new("c"), at(11)).await.unwrap();
    assert_eq!(sheet.expect("a job").acts[0].why, ADMIN.why);
    let status = store.status(t, at(11), 9).await.unwrap();
    assert_eq!((status.jobs_made, status.jobs_by_people), (5, 2));
    clinic.adds_up().await;
}

pub(in crate::store) async fn what_has_moved_is_not_replayed(store: &dyn Store) {
    let clinic = Clinic::of(store);
    furnished(&clinic).await;
    begin(&clinic, "R", at_ehr()).await;
    // A newer version of one, and a decision about another, come between the look and the step.
    clinic
        .accept(draft(OBS, "a", 2).with(job("newer", "ehr")))
        .await;
    let gone = JobId::new("c");
    let acted = store.act(
        &clinic.tenant,
        &gone,
        crate::sync::ports::Act::Cancel,
        "ada",
        "no",
        at(10),
    );
    assert!(acted.await.unwrap());
    let all = vec![make("a", "a2"), Again::Retry(gone), make("c", "c2")];
    let stepped = store
        .replay_step(&clinic.tenant, step(0, 3, all, true))
        .await;
    assert!(stepped.unwrap());
    let end = seen(&clinic, "R").await;
    assert_eq!((end.made, end.retried), (0, 0));
    assert_eq!((end.skipped["newer"], end.skipped["moved"]), (1, 2));
    assert_eq!(clinic.goes("ehr", 11).await, ["newer"]);
}

pub(in crate::store) async fn a_stopped_replay_takes_back_what_was_never_tried(store: &dyn Store) {
    let clinic = Clinic::of(store);
    furnished(&clinic).await;
    let t = &clinic.tenant;
    begin(&clinic, "R", at_ehr()).await;
    let made = vec![make("a", "a2"), make("b", "b2")];
    assert!(store.replay_step(t, step(0, 2, made, false)).await.unwrap());
    let sent = clinic.claim_some("ehr", 1, 11).await.remove(0);
    assert!(store.replay_stop(t, "R", ADMIN, at(12)).await.unwrap());
    assert!(!store.replay_stop(t, "R", ADMIN, at(12)).await.unwrap());
    let more = step(2, 3, vec![Again::Retry(JobId::new("c"))], true);
    assert!(!store.replay_step(t, more).await.unwrap(), "it was stopped");
    assert_eq!(store.replays_due(at(12)).await.unwrap().len(), 1);
    store.replay_sweep(t, "R", at(12)).await.unwrap();
    assert_eq!(seen(&clinic, "R").await.state, ReplayState::Cancelled);
    assert_eq!(clinic.state(OBS, "b", "b2").await, State::Cancelled);
    assert_eq!(clinic.state(OBS, "b", "b").await, State::Done);
    clinic.done(&sent, 13).await;
    assert_eq!(clinic.goes("ehr", 13).await, [""; 0]);
    assert_eq!(store.replays(t, 9).await.unwrap().len(), 1);
    clinic.adds_up().await;
}
