//! What people see and stop: lists of jobs and lanes, one job with all that belongs to it, drains, holds.

use super::hands::ADMIN;
use super::make::*;
use crate::clock::Time;
use crate::ids::JobId;
use crate::sync::job::{LaneKey, NewJob, State};
use crate::sync::ports::{Act, Blocker, JobFilter, Steer, Store, Tie};
use crate::sync::reason::Reason;

const OBS: &str = "observation";

fn ids_of(jobs: &[crate::sync::ports::JobView]) -> Vec<String> {
    jobs.iter().map(|j| j.id.to_string()).collect()
}

/// Five jobs at two partners in four states, accepted a minute apart.
async fn furnished(clinic: &Clinic<'_>) {
    for (n, (id, to)) in [
        ("a", "ehr"),
        ("b", "lab"),
        ("c", "ehr"),
        ("d", "ehr"),
        ("e", "lab"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut made = draft(OBS, id, 1).with(job(id, to));
        made.now = at(60 * n as i64);
        clinic.accept(made).await;
    }
    let claimed = clinic.claim("ehr", 300).await;
    clinic.done(&claimed[0], 301).await;
    clinic
        .settle(&claimed[1], State::Parked, Reason::Refused, 301)
        .await;
    clinic
        .settle(&claimed[2], State::Asking, Reason::TimedOut, 301)
        .await;
}

pub(in crate::store) async fn jobs_are_found_by_what_they_are(store: &dyn Store) {
    let clinic = Clinic::of(store);
    furnished(&clinic).await;
    let find = async |filter: JobFilter| {
        for limit in [1, 2, 50] {
            let found = ids_of(&clinic.find_all(&filter, limit, 400).await);
            if limit == 50 {
                return found;
            }
            let whole = ids_of(&clinic.find_all(&filter, 50, 400).await);
            assert_eq!(found, whole, "pages of {limit}: {filter:?}");
        }
        Vec::new()
    };
    let any = JobFilter::default();
    assert_eq!(find(any.clone()).await, ["e", "d", "c", "b", "a"]);
    for (state, wanted) in [
        (State::Waiting, vec!["b", "e"]),
        (State::Parked, vec!["c"]),
        (State::Asking, vec!["d"]),
        (State::Done, vec!["a"]),
        (State::Sending, vec![]),
    ] {
        let state = Some(state);
        assert_eq!(
            find(JobFilter {
                state,
                ..any.clone()
            })
            .await,
            wanted
        );
    }
    let at_lab = JobFilter {
        partner: Some(partner("lab")),
        ..any.clone()
    };
    assert_eq!(find(at_lab.clone()).await, ["e", "b"]);
    let waiting = State::Waiting;
    assert_eq!(
        find(JobFilter {
            state: Some(waiting),
            until: Some(at(100)),
            ..at_lab
        })
        .await,
        ["b"]
    );
    let refused = JobFilter {
        reason: Some(Reason::Refused),
        ..any.clone()
    };
    assert_eq!(find(refused).await, ["c"]);
    let one = JobFilter {
        kind: Some(OBS.to_owned()),
        record: Some("d".to_owned()),
        ..any.clone()
    };
    assert_eq!(find(one).await, ["d"]);
    let since = JobFilter {
        since: Some(at(180)),
        ..any
    };
    assert_eq!(find(since).await, ["e", "d"]);
}

pub(in crate::store) async fn a_job_is_shown_with_all_that_belongs_to_it(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one(OBS, "M-1", job("first", "ehr")).await;
    let first = clinic.next("ehr", 0).await;
    clinic
        .settle(&first, State::Parked, Reason::Refused, 1)
        .await;
    let (t, id) = (&clinic.tenant, JobId::new("first"));
    let acted = store.act(t, &id, Act::Retry, "ada", "they mended it", at(2));
    assert!(acted.await.unwrap());
    clinic
        .accept(draft(OBS, "M-1", 2).with(job("second", "ehr")))
        .await;
    let sheet = store.job(t, &id, at(3)).await.unwrap().expect("a job");
    assert_eq!((sheet.job.tries.len(), sheet.job.effects.len()), (1, 1));
    assert_eq!(
        (sheet.lane.as_str(), sheet.priority),
        ("observation/M-1", 3)
    );
    assert_eq!(sheet.acts.len(), 1);
    let act = &sheet.acts[0];
    assert_eq!(
        (
            act.what.as_str(),
            act.who.as_str(),
            act.why.as_str(),
            act.at
        ),
        ("retry", "ada", "they mended it", at(2))
    );
    let ties: Vec<_> = sheet.ties.iter().map(|t| (t.tie, t.job.as_str())).collect();
    assert_eq!(ties, [(Tie::Later, "second")]);
    let nobody = store.job(t, &JobId::new("nobody"), at(3)).await.unwrap();
    assert!(nobody.is_none());
}

pub(in crate::store) async fn lanes_are_listed_biggest_first(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let in_lane = |id: &str, lane: &str| NewJob {
        lane: LaneKey(lane.to_owned()),
        ..job(id, "ehr")
    };
    for n in 0..3 {
        let id = format!("p{n}");
        clinic.one(OBS, &id, in_lane(&id, "patient/C-1")).await;
    }
    for n in 0..2 {
        let id = format!("q{n}");
        clinic.one(OBS, &id, in_lane(&id, "patient/C-2")).await;
    }
    for n in 0..5 {
        let id = format!("one{n}");
        let to = if n % 2 == 0 { "ehr" } else { "lab" };
        clinic.one(OBS, &id, job(&id, to)).await;
    }
    let lanes = clinic.lanes(1).await;
    let sizes: Vec<(&str, u64)> = lanes.iter().map(|l| (l.1.as_str(), l.2)).collect();
    assert_eq!(sizes[..2], [("patient/C-1", 3), ("patient/C-2", 2)]);
    assert_eq!(lanes.len(), 7);
    let t = &clinic.tenant;
    let line = store
        .lane(t, &partner("ehr"), "patient/C-1", 2, at(1))
        .await
        .unwrap();
    assert_eq!(ids_of(&line), ["p0", "p1"]);
    assert!(line[0].blocked_by.is_empty());
    assert_eq!(
        line[1].blocked_by,
        [Blocker::Lane {
            job: JobId::new("p0"),
            state: State::Waiting
        }]
    );
    let first = clinic.claim_some("ehr", 1, 1).await.remove(0);
    clinic.done(&first, 2).await;
    assert_eq!(clinic.lanes(2).await[0].2, 2);
}

pub(in crate::store) async fn every_blocker_has_its_name(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one(OBS, "M-1", job("J1", "ehr")).await;
    let first = clinic.next("ehr", 0).await;
    let blockers = async || {
        let sheet = store.job(&clinic.tenant, &first.id, at(2)).await;
        sheet.unwrap().expect("a job").job.blocked_by
    };
    assert_eq!(blockers().await, [Blocker::InHand { until: at(60) }]);
    let mut later = settles(&first, State::Waiting, Reason::Throttled, 1);
    if let Some(settle) = &mut later.settle {
        settle.due = at(50);
    }
    clinic.report(later).await;
    assert_eq!(
        blockers().await,
        [Blocker::Due {
            at: at(50),
            reason: Some(Reason::Throttled)
        }]
    );
    let pause = Some((at(70), Reason::Connect));
    let ehr = partner("ehr");
    store.pause(&clinic.tenant, &ehr, pause).await.unwrap();
    let by = blockers().await;
    assert!(by.contains(&Blocker::Pause {
        reason: Reason::Connect,
        until: Some(at(70))
    }));
    clinic.steer(&ehr, Steer::Pause, 2).await;
    let by = blockers().await;
    assert!(by.contains(&Blocker::Pause {
        reason: Reason::ByPerson,
        until: None
    }));
}

pub(in crate::store) async fn a_drain_lets_go_what_was_there_and_nothing_newer(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let ehr = partner("ehr");
    clinic.one(OBS, "M-1", job("old", "ehr")).await;
    clinic.one(OBS, "M-2", job("retried", "ehr")).await;
    clinic.steer(&ehr, Steer::Drain, 1).await;
    clinic.one(OBS, "M-3", job("new", "ehr")).await;
    clinic.one(OBS, "M-4", job("lab", "lab")).await;
    let mut urgent = draft(OBS, "M-5", 1).with(cancel("cancel", "ehr"));
    urgent.now = at(2);
    clinic.accept(urgent).await;
    assert_eq!(clinic.goes("lab", 3).await, ["lab"]);
    let claimed = clinic.claim("ehr", 3).await;
    assert_eq!(ids(&claimed), ["old", "retried"]);
    let drained = async || {
        let steered = store.steered(&clinic.tenant).await.unwrap();
        let view = steered.into_iter().find(|s| s.partner == ehr);
        view.expect("it was steered")
    };
    assert_eq!(drained().await.drained, Some(false));
    clinic.done(&claimed[0], 4).await;
    let mut again = settles(&claimed[1], State::Waiting, Reason::TryLater, 4);
    if let Some(settle) = &mut again.settle {
        settle.due = at(20);
    }
    clinic.report(again).await;
    assert_eq!(drained().await.drained, Some(false), "it is tried again");
    assert_eq!(store.next_due().await.unwrap(), Some(at(20)));
    // A version that takes the place of what was there goes, too.
    clinic
        .accept(
            draft(OBS, "M-2", 2)
                .with(job("instead", "ehr"))
                .replaces("retried", State::Waiting),
        )
        .await;
    clinic
        .next_goes_to("ehr", State::Done, Reason::Delivered, 20)
        .await;
    assert_eq!(clinic.state(OBS, "M-2", "instead").await, State::Done);
    let view = drained().await;
    assert_eq!(view.drained, Some(true));
    let last = view.last.expect("a deed");
    assert_eq!(
        (last.what.as_str(), last.why.as_str()),
        ("drain", ADMIN.why)
    );
    assert_eq!(store.next_due().await.unwrap(), None);
    let waits = clinic.shown(OBS, "M-3", "new").await;
    assert_eq!(waits.blocked_by, [Blocker::Drain]);
    // A second drain lets nothing in that came since the first.
    clinic.steer(&ehr, Steer::Drain, 21).await;
    assert_eq!(clinic.goes("ehr", 21).await, [""; 0]);
    clinic.steer(&ehr, Steer::Resume, 22).await;
    assert_eq!(clinic.goes("ehr", 22).await, ["cancel", "new"]);
}

pub(in crate::store) async fn a_drain_lets_go_what_stands_in_front_of_what_was_there(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    let ehr = partner("ehr");
    let in_lane = |made: NewJob| NewJob {
        lane: LaneKey("patient/C-1".to_owned()),
        ..made
    };
    clinic.one(OBS, "M-1", in_lane(job("old", "ehr"))).await;
    clinic.steer(&ehr, Steer::Drain, 1).await;
    // A cancel of something else goes first in the patient's line, and is newer than the drain.
    clinic.one(OBS, "M-2", in_lane(cancel("C2", "ehr"))).await;
    clinic.one(OBS, "M-3", in_lane(job("new", "ehr"))).await;
    let drained = async || {
        let steered = store.steered(&clinic.tenant).await.unwrap();
        steered[0].drained
    };
    assert_eq!(drained().await, Some(false), "what was there is left");
    let first = clinic.next("ehr", 2).await;
    assert_eq!(first.id.as_str(), "C2");
    clinic.done(&first, 3).await;
    let old = clinic.next("ehr", 3).await;
    assert_eq!(old.id.as_str(), "old");
    clinic.done(&old, 4).await;
    assert_eq!(clinic.goes("ehr", 5).await, [""; 0]);
    assert_eq!(drained().await, Some(true));
}

pub(in crate::store) async fn a_probe_by_hand_comes_now_and_touches_no_pause_by_a_person(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    let ehr = partner("ehr");
    let t = &clinic.tenant;
    let down = Some((at(900), Reason::Connect));
    store.pause(t, &ehr, down).await.unwrap();
    assert!(clinic.probes(5).await.is_empty());
    clinic.steer(&ehr, Steer::Probe, 5).await;
    assert_eq!(clinic.probes(5).await.len(), 1);
    clinic.steer(&ehr, Steer::Pause, 6).await;
    clinic.steer(&ehr, Steer::Probe, 7).await;
    assert!(clinic.probes(8).await.is_empty());
    let status = store.status(t, at(8), 1).await.unwrap();
    let paused = status.partners[0].paused;
    assert_eq!(paused, Some((Time::NEVER, Reason::ByPerson)));
}

pub(in crate::store) async fn a_hold_stops_a_patient_at_one_partner_or_at_all(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let ehr = partner("ehr");
    for (id, client, to) in [
        ("a", "C-1", "ehr"),
        ("b", "C-1", "lab"),
        ("c", "C-2", "ehr"),
    ] {
        let made = draft(OBS, id, 1).of_client(client).with(job(id, to));
        clinic.accept(made).await;
    }
    let taken_back = draft(OBS, "d", 1).of_client("C-1");
    clinic.accept(taken_back.with(cancel("d", "ehr"))).await;
    assert!(clinic.hold("C-1", Some(&ehr), true, 1).await);
    assert!(!clinic.hold("C-1", Some(&ehr), true, 2).await, "it stands");
    let shown = clinic.shown(OBS, "a", "a").await;
    assert_eq!(
        shown.blocked_by,
        [Blocker::Hold {
            who: "admin".to_owned(),
            since: at(1),
            everywhere: false
        }]
    );
    assert_eq!(clinic.goes("ehr", 3).await, ["d", "c"], "cancels go on");
    assert!(clinic.hold("C-1", None, true, 4).await);
    assert_eq!(clinic.goes("lab", 4).await, [""; 0]);
    let holds = store.holds(&clinic.tenant, 9).await.unwrap();
    let who: Vec<_> = holds
        .iter()
        .map(|h| (h.client.as_str(), h.partner.clone(), h.deed.why.as_str()))
        .collect();
    assert_eq!(
        who,
        [
            ("C-1", Some(ehr.clone()), ADMIN.why),
            ("C-1", None, ADMIN.why)
        ]
    );
    // What comes later is held, too; each hold ends by itself.
    let later = draft(OBS, "e", 1).of_client("C-1").with(job("e", "lab"));
    clinic.accept(later).await;
    assert_eq!(clinic.goes("lab", 5).await, [""; 0]);
    assert!(clinic.hold("C-1", None, false, 6).await);
    assert_eq!(clinic.goes("lab", 6).await, ["b", "e"]);
    assert_eq!(clinic.goes("ehr", 6).await, [""; 0]);
    assert!(clinic.hold("C-1", Some(&ehr), false, 7).await);
    assert!(!clinic.hold("C-1", Some(&ehr), false, 7).await);
    assert_eq!(clinic.goes("ehr", 7).await, ["a"]);
}

pub(in crate::store) async fn a_hold_stops_a_merge_of_either_patient(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let mut merge = draft("client-merge", "X", 1)
        .of_client("C-1")
        .with(job("merge", "ehr"));
    merge.holds = ["C-1", "C-2"]
        .map(|c| (partner("ehr"), c.to_owned(), JobId::new("merge")))
        .to_vec();
    clinic.accept(merge).await;
    assert!(clinic.hold("C-2", None, true, 1).await);
    assert_eq!(clinic.goes("ehr", 2).await, [""; 0]);
    assert!(clinic.hold("C-2", None, false, 3).await);
    assert_eq!(clinic.goes("ehr", 3).await, ["merge"]);
}
