//! Claims, leases, reports, pauses.

use std::time::Duration;

use super::make::*;
use crate::clock::Time;
use crate::sync::job::{NewJob, Reach, State};
use crate::sync::ports::{ClaimRequest, EffectDone, Keep, Reported, Store};
use crate::sync::reason::Reason;
use crate::sync::verdict::Verdict;

pub(in crate::store) async fn only_what_is_due_and_has_room_is_claimed(store: &dyn Store) {
    let clinic = Clinic::of(store);
    for n in 1..=4 {
        let id = format!("J{n}");
        let later = NewJob {
            due: at(if n == 2 { 50 } else { 0 }),
            ..job(&id, "ehr")
        };
        clinic.one("observation", &id, later).await;
    }
    assert_eq!(ids(&clinic.claim_some("ehr", 0, 1).await), [""; 0]);
    assert_eq!(ids(&clinic.claim_some("ehr", 2, 1).await), ["J1", "J3"]);
    assert_eq!(ids(&clinic.claim_some("lab", 9, 1).await), [""; 0]);
    assert_eq!(ids(&clinic.claim_some("ehr", 9, 1).await), ["J4"]);
    assert_eq!(ids(&clinic.claim_some("ehr", 9, 49).await), [""; 0]);
    assert_eq!(ids(&clinic.claim_some("ehr", 9, 50).await), ["J2"]);
    // What begins parked or ended never goes.
    for (id, state) in [("P", State::Parked), ("X", State::Cancelled)] {
        let made = NewJob {
            state,
            reason: Some(Reason::NothingThere),
            ..job(id, "ehr")
        };
        clinic.one("observation", id, made).await;
        assert_eq!(clinic.state("observation", id, id).await, state);
    }
    assert_eq!(clinic.goes("ehr", 60).await, [""; 0]);
}

pub(in crate::store) async fn a_claim_says_all_that_a_worker_needs(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let made = NewJob {
        deadline: Some(at(99)),
        guarded: true,
        policy: "{\"schedule_s\":[1]}".to_owned(),
        effects: vec![effect("Patient", "P1"), effect("Observation", "O1")],
        ..rx("J1", "ehr")
    };
    let wanted = made.effects.clone();
    clinic
        .accept(draft("observation", "M-1", 7).of_client("C-1").with(made))
        .await;
    let got = clinic.next("ehr", 3).await;
    assert_eq!(got.tenant, clinic.tenant);
    assert_eq!(got.record, version("observation", "M-1", 7));
    assert_eq!(got.chain, chain("observation", "M-1"));
    assert_eq!(got.client.as_deref(), Some("C-1"));
    assert_eq!(got.state, State::Sending);
    assert_eq!(got.lease_until, at(3).plus(lease()));
    assert_eq!((got.attempts, got.asks, got.unsure), (0, 0, false));
    assert_eq!((got.deadline, got.guarded), (Some(at(99)), true));
    assert_eq!(got.accepted, at(0));
    assert_eq!(got.message.as_ref().map(|m| m.as_str()), Some("MSGJ1"));
    assert_eq!(got.policy, "{\"schedule_s\":[1]}");
    let effects: Vec<_> = got.effects.iter().map(|e| e.what.clone()).collect();
    assert_eq!(effects, wanted);
    assert!(got.effects.iter().all(|e| !e.done));
    assert_eq!(
        clinic.state("observation", "M-1", "J1").await,
        State::Sending
    );
}

pub(in crate::store) async fn a_paused_partner_gets_nothing(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic.one("observation", "M-2", job("J2", "lab")).await;
    let pause = async |pause: Option<(Time, Reason)>| {
        store
            .pause(&clinic.tenant, &partner("ehr"), pause)
            .await
            .unwrap();
    };
    pause(Some((Time::NEVER, Reason::ByPerson))).await;
    assert_eq!(clinic.goes("ehr", 9).await, [""; 0]);
    assert_eq!(clinic.goes("lab", 9).await, ["J2"], "others go on");
    let shown = clinic.shown("observation", "M-1", "J1").await;
    assert_eq!(held_back_by(&shown), ["pause: by-person"]);
    let status = store.status(&clinic.tenant, at(9), 9).await.unwrap();
    assert_eq!(
        status.partners[0].paused,
        Some((Time::NEVER, Reason::ByPerson))
    );
    // A pause that is over lasts until somebody says that the partner is well.
    pause(Some((at(20), Reason::Connect))).await;
    assert_eq!(clinic.goes("ehr", 30).await, [""; 0]);
    pause(None).await;
    assert_eq!(clinic.goes("ehr", 30).await, ["J1"]);
}

pub(in crate::store) async fn a_pause_holds_in_a_claim_for_several_partners(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic.one("observation", "M-2", job("J2", "lab")).await;
    let pause = Some((Time::NEVER, Reason::ByPerson));
    let ehr = partner("ehr");
    store.pause(&clinic.tenant, &ehr, pause).await.unwrap();
    let request = ClaimRequest {
        worker: "w".to_owned(),
        now: at(0),
        lease: lease(),
        room: vec![
            (clinic.tenant.clone(), ehr, 9),
            (clinic.tenant.clone(), partner("lab"), 9),
        ],
        turn: 0,
    };
    assert_eq!(ids(&store.claim(request).await.unwrap()), ["J2"]);
}

pub(in crate::store) async fn a_report_writes_attempt_outcome_and_state(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    let first = clinic.next("ehr", 0).await;
    let mut busy = settles(&first, State::Waiting, Reason::TryLater, 2);
    if let Some(settle) = &mut busy.settle {
        settle.due = at(10);
    }
    assert_eq!(clinic.report(busy).await, Reported::Stored);
    let shown = clinic.shown("observation", "M-1", "J1").await;
    assert_eq!((shown.state, shown.attempts), (State::Waiting, 1));
    assert_eq!((shown.reason, shown.due), (Some(Reason::TryLater), at(10)));
    let second = clinic.next("ehr", 10).await;
    assert_eq!((second.attempts, second.asks), (1, 0));
    assert!(second.token > first.token);
    let mut done = settles(&second, State::Done, Reason::Delivered, 11);
    done.done = vec![EffectDone {
        effect: 0,
        remote: Some(remote("9", Some("1"))),
    }];
    clinic.report(done).await;
    let shown = clinic.shown("observation", "M-1", "J1").await;
    assert_eq!(
        (shown.state, shown.attempts),
        (State::Done, 1),
        "not charged"
    );
    assert_eq!(shown.effects[0].their_id.as_deref(), Some("9"));
    assert!(shown.effects[0].done);
    let tries: Vec<_> = shown
        .tries
        .iter()
        .map(|t| {
            (
                t.verdict,
                t.reason,
                t.started,
                t.took_ms,
                t.status,
                t.answer_bytes,
            )
        })
        .collect();
    assert_eq!(
        tries,
        [
            (Verdict::Busy, Reason::TryLater, at(2), 20, Some(200), 6),
            (
                Verdict::Accepted,
                Reason::Delivered,
                at(11),
                20,
                Some(200),
                6
            )
        ]
    );
    let jobs = clinic.chain(&chain("observation", "M-1")).await;
    assert_eq!(jobs[0].reach, Reach::There);
    let status = store.status(&clinic.tenant, at(11), 9).await.unwrap();
    assert_eq!(status.partners[0].last_success, Some(at(11)));
    assert_eq!(clinic.goes("ehr", 99).await, [""; 0]);
}

pub(in crate::store) async fn effects_resume_at_the_first_open_one(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let made = NewJob {
        effects: vec![effect("Patient", "P1"), effect("Observation", "O1")],
        ..job("J1", "ehr")
    };
    clinic.one("observation", "M-1", made).await;
    let claimed = clinic.next("ehr", 0).await;
    let mut half = report(&claimed, 1);
    half.attempt = Some(attempt(Verdict::Accepted, Reason::Delivered, 1));
    half.done = vec![EffectDone {
        effect: 0,
        remote: Some(remote("77", None)),
    }];
    assert_eq!(clinic.report(half).await, Reported::Stored);
    assert_eq!(
        clinic.state("observation", "M-1", "J1").await,
        State::Sending
    );
    assert_eq!(
        clinic.goes("ehr", 1).await,
        [""; 0],
        "it is still in those hands"
    );
    // The node goes away.
    assert_eq!(store.rescue(at(61)).await.unwrap(), 1);
    let again = clinic.next("ehr", 61).await;
    let done: Vec<_> = again.effects.iter().map(|e| e.done).collect();
    assert_eq!(done, [true, false]);
    let ours = [("Patient".to_owned(), "P1".to_owned())];
    let rows = store
        .crosswalk(&clinic.tenant, &partner("ehr"), &ours)
        .await;
    assert_eq!(rows.unwrap()[0].their_id, "77");
}

pub(in crate::store) async fn a_lost_lease_writes_nothing(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    let first = clinic.next("ehr", 0).await;
    let mut late = settles(&first, State::Done, Reason::Delivered, 70);
    late.done = vec![EffectDone {
        effect: 0,
        remote: Some(remote("9", None)),
    }];
    late.pause = Some((at(99), Reason::Connect));
    // Taken away, whether or not somebody has it by now.
    assert_eq!(store.rescue(at(61)).await.unwrap(), 1);
    assert_eq!(clinic.report(late.clone()).await, Reported::LeaseLost);
    let second = clinic.next("ehr", 62).await;
    assert_eq!(clinic.report(late.clone()).await, Reported::LeaseLost);
    let shown = clinic.shown("observation", "M-1", "J1").await;
    assert_eq!((shown.state, shown.attempts), (State::Asking, 1));
    assert_eq!(shown.tries[0].reason, Reason::LeaseLost);
    assert!(shown.tries.len() == 1 && !shown.effects[0].done);
    let status = store.status(&clinic.tenant, at(62), 9).await.unwrap();
    assert_eq!(status.partners[0].paused, None);
    clinic.done(&second, 63).await;
    // Settled is settled: nobody has it.
    let mut again = late.clone();
    again.token = second.token;
    assert_eq!(clinic.report(again).await, Reported::LeaseLost);
    let mut nobody = late;
    nobody.job = crate::ids::JobId::new("nobody");
    assert_eq!(clinic.report(nobody).await, Reported::LeaseLost);
    assert_eq!(
        clinic.shown("observation", "M-1", "J1").await.tries.len(),
        2
    );
    clinic.adds_up().await;
}

pub(in crate::store) async fn a_lease_that_ran_out_is_unclear(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    let held = clinic.next("ehr", 0).await;
    assert_eq!(store.rescue(at(60)).await.unwrap(), 0, "not over yet");
    assert_eq!(store.rescue(at(61)).await.unwrap(), 1);
    assert_eq!(store.rescue(at(61)).await.unwrap(), 0);
    let jobs = clinic.chain(&chain("observation", "M-1")).await;
    assert_eq!(
        (jobs[0].state, jobs[0].reach, jobs[0].unsure),
        (State::Asking, Reach::Maybe, true)
    );
    assert_eq!(
        clinic.reason("observation", "M-1", "J1").await,
        Some(Reason::LeaseLost)
    );
    let asked = clinic.next("ehr", 61).await;
    assert!(asked.unsure && asked.state == State::Asking && asked.token > held.token);
    // A lease that ran out while it was asked about, too.
    assert_eq!(store.rescue(at(200)).await.unwrap(), 1);
    assert_eq!(clinic.goes("ehr", 200).await, ["J1"]);
    clinic.adds_up().await;
}

pub(in crate::store) async fn asking_is_claimed_when_due(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    clinic
        .accept(draft("observation", "M-1", 2).with(job("J2", "ehr")))
        .await;
    let sent = clinic.next("ehr", 0).await;
    let mut unclear = settles(&sent, State::Asking, Reason::TimedOut, 1);
    if let Some(settle) = &mut unclear.settle {
        settle.due = at(5);
    }
    clinic.report(unclear).await;
    assert_eq!(
        clinic.goes("ehr", 4).await,
        [""; 0],
        "what follows waits for it"
    );
    let asked = clinic.next("ehr", 5).await;
    assert_eq!((asked.id.as_str(), asked.state), ("J1", State::Asking));
    let mut still = settles(&asked, State::Asking, Reason::TimedOut, 6);
    if let Some(attempt) = &mut still.attempt {
        (attempt.asked, attempt.charged) = (true, false);
    }
    clinic.report(still).await;
    let asked = clinic.next("ehr", 7).await;
    assert_eq!((asked.attempts, asked.asks, asked.unsure), (1, 1, true));
    let mut found = settles(&asked, State::Done, Reason::FoundThere, 7);
    if let Some(settle) = &mut found.settle {
        settle.unsure = false;
    }
    clinic.report(found).await;
    assert_eq!(clinic.goes("ehr", 7).await, ["J2"]);
    let jobs = clinic.chain(&chain("observation", "M-1")).await;
    assert!(!jobs[0].unsure);
}

pub(in crate::store) async fn an_outage_pauses_and_a_good_answer_ends_it(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    for n in 1..=5 {
        let id = format!("J{n}");
        clinic.one("observation", &id, job(&id, "ehr")).await;
    }
    let all = clinic.claim_some("ehr", 4, 0).await;
    let paused = async || store.status(t, at(0), 9).await.unwrap().partners[0].paused;
    let down = async |n: usize, until: i64, reason: Reason| {
        let mut report = settles(&all[n], State::Waiting, reason, 1);
        report.pause = Some((at(until), reason));
        clinic.report(report).await;
    };
    down(0, 30, Reason::Connect).await;
    assert_eq!(paused().await, Some((at(30), Reason::Connect)));
    assert_eq!(clinic.goes("ehr", 2).await, [""; 0]);
    // The longer pause counts.
    down(1, 20, Reason::Tls).await;
    assert_eq!(paused().await, Some((at(30), Reason::Connect)));
    let well = |n: usize| {
        let mut report = settles(&all[n], State::Done, Reason::Delivered, 3);
        report.partner_well = true;
        report
    };
    clinic.report(well(2)).await;
    assert_eq!(paused().await, None);
    assert_eq!(clinic.goes("ehr", 3).await, ["J1", "J2", "J5"]);
    // Who asked to be left alone is, and so is whom a person paused.
    for pause in [(at(90), Reason::Throttled), (Time::NEVER, Reason::ByPerson)] {
        store.pause(t, &partner("ehr"), Some(pause)).await.unwrap();
        let mut report = report(&all[3], 3);
        report.partner_well = true;
        clinic.report(report).await;
        assert_eq!(paused().await, Some(pause));
    }
    let mut report = report(&all[3], 3);
    report.pause = Some((at(500), Reason::Connect));
    clinic.report(report).await;
    assert_eq!(paused().await, Some((Time::NEVER, Reason::ByPerson)));
}

pub(in crate::store) async fn a_probe_ends_what_it_was_asked_about(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let ehr = partner("ehr");
    let paused = async || store.status(t, at(0), 9).await.unwrap().partners[0].paused;
    let pause = async |pause: (Time, Reason)| store.pause(t, &ehr, Some(pause)).await.unwrap();
    pause((at(10), Reason::Connect)).await;
    assert!(clinic.probes(9).await.is_empty());
    let due = clinic.probes(10).await;
    assert_eq!(due, [(t.clone(), ehr.clone())]);
    store
        .probed(t, &ehr, at(10), Some((at(25), Reason::Tls)))
        .await
        .unwrap();
    assert_eq!(paused().await, Some((at(25), Reason::Tls)));
    // Meanwhile another outage began: the older probe does not end that.
    store.probed(t, &ehr, at(10), None).await.unwrap();
    assert_eq!(paused().await, Some((at(25), Reason::Tls)));
    // Nor what a person did meanwhile, and a person's pause is never probed.
    pause((Time::NEVER, Reason::ByPerson)).await;
    assert!(clinic.probes(9999).await.is_empty());
    for again in [None, Some((at(99), Reason::Connect))] {
        store.probed(t, &ehr, at(30), again).await.unwrap();
        assert_eq!(paused().await, Some((Time::NEVER, Reason::ByPerson)));
    }
    pause((at(40), Reason::Connect)).await;
    store.probed(t, &ehr, at(40), None).await.unwrap();
    assert_eq!(paused().await, None);
    assert!(clinic.probes(9999).await.is_empty());
}

pub(in crate::store) async fn a_probe_that_is_due_is_handed_out_once(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let ehr = partner("ehr");
    let due = [(t.clone(), ehr.clone())];
    let down = |until| Some((at(until), Reason::Connect));
    store.pause(t, &ehr, down(10)).await.unwrap();
    assert_eq!(clinic.probes(10).await, due);
    assert_eq!(clinic.probes(11).await, [], "somebody has it in hand");
    // What came of it ends that, also where it says that the partner is still away.
    store.probed(t, &ehr, at(10), down(12)).await.unwrap();
    assert_eq!(clinic.probes(11).await, []);
    assert_eq!(clinic.probes(12).await, due);
    // Whoever had it died: another has it when its time is over.
    let over = 12 + i64::try_from(lease().as_secs()).unwrap();
    assert_eq!(clinic.probes(over).await, []);
    assert_eq!(clinic.probes(over + 1).await, due);
    store.probed(t, &ehr, at(over + 1), None).await.unwrap();
    assert_eq!(clinic.probes(over + 99).await, [], "it is well");
}

pub(in crate::store) async fn the_next_due_time_is_known(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let next = async || store.next_due().await.unwrap();
    assert_eq!(next().await, None);
    let later = NewJob {
        due: at(50),
        ..job("J1", "ehr")
    };
    clinic.one("observation", "M-1", later).await;
    assert_eq!(next().await, Some(at(50)));
    let later = NewJob {
        due: at(40),
        ..job("J2", "lab")
    };
    clinic.one("observation", "M-2", later).await;
    assert_eq!(next().await, Some(at(40)));
    // What cannot go wakes nobody: a paused partner, one in flight.
    let pause = Some((at(60), Reason::Connect));
    store
        .pause(&clinic.tenant, &partner("lab"), pause)
        .await
        .unwrap();
    assert_eq!(next().await, Some(at(50)));
    let claimed = clinic.next("ehr", 50).await;
    assert_eq!(next().await, None);
    clinic.one("observation", "M-3", job("J3", "ehr")).await;
    assert!(next().await.is_some_and(|t| t <= at(0)), "due already");
    clinic.goes("ehr", 50).await;
    clinic
        .settle(&claimed, State::Parked, Reason::Refused, 51)
        .await;
    assert_eq!(next().await, None);
}

pub(in crate::store) async fn a_change_is_announced(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one("observation", "M-1", job("J1", "ehr")).await;
    let bounded = tokio::time::timeout(Duration::from_secs(20), store.changed());
    bounded.await.expect("a change was committed");
    // Asking for what is not there changes nothing, or workers would wake each other for ever.
    let request = ClaimRequest {
        worker: "w".to_owned(),
        now: at(0),
        lease: lease(),
        room: vec![(clinic.tenant.clone(), partner("nobody"), 9)],
        turn: 0,
    };
    assert!(store.claim(request).await.unwrap().is_empty());
    store.check().await.unwrap();
    store.prune(at(0), &Keep::default()).await.unwrap();
    store.rescue(at(0)).await.unwrap();
    let quiet = futures_util::FutureExt::now_or_never(store.changed());
    assert!(quiet.is_none());
}

pub(in crate::store) async fn leases_that_run_out_come_to_an_end(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let policy = NewJob {
        policy: "{\"asks_max\": 3}".to_owned(),
        ..job("J1", "ehr")
    };
    clinic.one("observation", "M-1", policy).await;
    // A send that nobody reports counts as one, and is told in the story.
    let sent = clinic.next("ehr", 0).await;
    assert_eq!((sent.attempts, sent.asks), (0, 0));
    store.rescue(at(100)).await.unwrap();
    let shown = clinic.shown("observation", "M-1", "J1").await;
    assert_eq!((shown.attempts, shown.state), (1, State::Asking));
    let last = shown.tries.last().expect("an attempt");
    assert_eq!(last.reason, Reason::LeaseLost);
    // So does a question; after as many as the policy has, a person is asked.
    for n in 1..=3 {
        let asked = clinic.next("ehr", n * 200).await;
        assert_eq!((asked.state, i64::from(asked.asks)), (State::Asking, n - 1));
        store.rescue(at(n * 200 + 100)).await.unwrap();
    }
    let shown = clinic.shown("observation", "M-1", "J1").await;
    let ends = (shown.state, shown.reason, shown.unsure);
    assert_eq!(ends, (State::Parked, Some(Reason::Unclear), true));
    assert_eq!(clinic.goes("ehr", 1000).await, [""; 0]);
    clinic.is_sound().await;
}
