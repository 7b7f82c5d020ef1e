//! A patient is made once at a partner: of the jobs that would make them, one at a time.

use super::make::*;
use crate::ids::JobId;
use crate::sync::job::{Claimed, EffectKind, NewEffect, NewJob, Purpose, State};
use crate::sync::ports::{Act, Blocker, CrosswalkRow, EffectDone, Report, Steer, Store};
use crate::sync::reason::Reason;

const OBS: &str = "observation";

/// A job that makes patient `P-{patient}` at the EHR, before it brings something of its own.
pub(in crate::store) fn making(id: &str, patient: &str) -> NewJob {
    let made = job(id, "ehr");
    let patient = NewEffect {
        kind: EffectKind::Patient,
        ..effect("Patient", &format!("P-{patient}"))
    };
    NewJob {
        effects: [vec![patient], made.effects.clone()].concat(),
        ..made
    }
}

/// The patient is there; the rest of the job is not yet.
pub(in crate::store) fn found(job: &Claimed, now: i64) -> Report {
    Report {
        done: vec![EffectDone {
            effect: 0,
            remote: Some(remote("their-patient", None)),
        }],
        ..report(job, now)
    }
}

/// What is said to hold a job back.
pub(in crate::store) async fn who_holds(clinic: &Clinic<'_>, job: &str, now: i64) -> Vec<Blocker> {
    let job = JobId::new(job);
    let sheet = clinic.store.job(&clinic.tenant, &job, at(now)).await;
    sheet.unwrap().expect("a job").job.blocked_by
}

pub(in crate::store) fn waits_for(job: &str, state: State) -> Blocker {
    Blocker::Patient {
        job: JobId::new(job),
        state,
    }
}

pub(in crate::store) async fn first_messages_of_a_patient_go_one_at_a_time(store: &dyn Store) {
    let clinic = Clinic::of(store);
    for id in ["J1", "J2", "J3"] {
        clinic.one(OBS, id, making(id, "1")).await;
    }
    clinic.one(OBS, "O1", making("O1", "2")).await;
    clinic.one(OBS, "L1", job("L1", "lab")).await;
    assert_eq!(who_holds(&clinic, "J1", 1).await, []);
    let first = [waits_for("J1", State::Waiting)];
    assert_eq!(who_holds(&clinic, "J2", 1).await, first);
    // Another patient, another partner: nobody waits for those.
    let claimed = clinic.claim("ehr", 1).await;
    assert_eq!(ids(&claimed), ["J1", "O1"]);
    assert_eq!(clinic.goes("lab", 1).await, ["L1"]);
    let first = [waits_for("J1", State::Sending)];
    assert_eq!(who_holds(&clinic, "J3", 1).await, first);
    assert_eq!(store.next_due().await.unwrap(), None);
    // As soon as the patient has a name there, all the others go, although the first is not done.
    clinic.report(found(&claimed[0], 2)).await;
    assert_eq!(who_holds(&clinic, "J3", 2).await, []);
    assert_eq!(clinic.goes("ehr", 2).await, ["J2", "J3"]);
    // Whoever comes now never waits.
    for id in ["J4", "J5"] {
        clinic.one(OBS, id, making(id, "1")).await;
    }
    assert_eq!(clinic.goes("ehr", 3).await, ["J4", "J5"]);
    clinic.is_sound().await;
}

pub(in crate::store) async fn whoever_may_have_made_the_patient_is_waited_for(store: &dyn Store) {
    let clinic = Clinic::of(store);
    for id in ["J1", "J2"] {
        clinic.one(OBS, id, making(id, "1")).await;
    }
    // Unclear: it is asked about first, however long that takes.
    let first = clinic.next("ehr", 1).await;
    let mut unclear = settles(&first, State::Asking, Reason::TimedOut, 1);
    if let Some(settle) = &mut unclear.settle {
        (settle.unsure, settle.due) = (true, at(50));
    }
    clinic.report(unclear).await;
    assert_eq!(clinic.goes("ehr", 2).await, [""; 0]);
    let unclear = [waits_for("J1", State::Asking)];
    assert_eq!(who_holds(&clinic, "J2", 2).await, unclear);
    let asked = clinic.next("ehr", 50).await;
    assert_eq!((asked.id.as_str(), asked.state), ("J1", State::Asking));
    // Not there: it comes again at its time, and the other one need not wait for that.
    let mut again = settles(&asked, State::Waiting, Reason::NotThere, 50);
    if let Some(settle) = &mut again.settle {
        (settle.unsure, settle.due) = (true, at(60));
    }
    clinic.report(again).await;
    let second = clinic.next("ehr", 51).await;
    assert_eq!(second.id.as_str(), "J2");
    // Nor does the first one go while the other does.
    assert_eq!(clinic.goes("ehr", 61).await, [""; 0]);
    let other = [waits_for("J2", State::Sending)];
    assert_eq!(who_holds(&clinic, "J1", 61).await, other);
    // A lease that ran out is unclear, too.
    assert_eq!(store.rescue(at(200)).await.unwrap(), 1);
    let unclear = [waits_for("J2", State::Asking)];
    assert_eq!(who_holds(&clinic, "J1", 200).await, unclear);
    let asked = clinic.next("ehr", 200).await;
    assert_eq!(asked.id.as_str(), "J2");
    clinic
        .settle(&asked, State::Parked, Reason::Refused, 201)
        .await;
    assert_eq!(clinic.goes("ehr", 202).await, ["J1"]);
    clinic.is_sound().await;
}

pub(in crate::store) async fn who_makes_the_patient_goes_by_acceptance(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let ehr = partner("ehr");
    for id in ["J1", "J2"] {
        clinic.one(OBS, id, making(id, "1")).await;
    }
    // The first waits for its time: the second goes, and the first goes before the third again.
    let first = clinic.next("ehr", 1).await;
    let mut later = settles(&first, State::Waiting, Reason::TryLater, 1);
    if let Some(settle) = &mut later.settle {
        settle.due = at(400);
    }
    clinic.report(later).await;
    let second = clinic.next("ehr", 2).await;
    assert_eq!(second.id.as_str(), "J2");
    clinic.one(OBS, "J3", making("J3", "1")).await;
    clinic
        .settle(&second, State::Parked, Reason::Refused, 3)
        .await;
    let order = |id: &str, by: Vec<Blocker>| (id.to_owned(), by);
    let mut seen = Vec::new();
    for id in ["J1", "J3"] {
        seen.push(order(id, who_holds(&clinic, id, 500).await));
    }
    let first = waits_for("J1", State::Waiting);
    assert_eq!(seen, [order("J1", vec![]), order("J3", vec![first])]);
    // A drain lets go what was there: that came before what stands behind it.
    clinic.steer(&ehr, Steer::Drain, 500).await;
    clinic.one(OBS, "J4", making("J4", "1")).await;
    assert_eq!(clinic.goes("ehr", 500).await, ["J1"]);
    clinic.steer(&ehr, Steer::Resume, 501).await;
    assert_eq!(clinic.goes("ehr", 501).await, [""; 0]);
    // Stopped by a person, or taken back, nobody waits for it.
    store.rescue(at(600)).await.unwrap();
    let (tenant, first) = (&clinic.tenant, JobId::new("J1"));
    let done = store
        .act(tenant, &first, Act::Cancel, "ann", "why", at(601))
        .await;
    assert!(done.unwrap());
    assert_eq!(clinic.goes("ehr", 602).await, ["J3"]);
    // A person who links the patient lets all of them go.
    let row = CrosswalkRow {
        partner: ehr,
        resource_type: "Patient".to_owned(),
        our_id: "P-1".to_owned(),
        their_id: "theirs".to_owned(),
        their_version: None,
    };
    store.link(tenant, row, None, at(603)).await.unwrap();
    assert_eq!(clinic.goes("ehr", 603).await, ["J4"]);
    clinic.is_sound().await;
}

pub(in crate::store) async fn only_who_may_make_the_patient_waits(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.one(OBS, "J1", making("J1", "1")).await;
    // Finds the patient and makes nobody; takes back what is there.
    let mut finds = making("finds", "1");
    finds.effects[0].payload = None;
    clinic.one(OBS, "finds", finds).await;
    let takes_back = NewJob {
        purpose: Purpose::Cancel,
        ..making("takes-back", "1")
    };
    clinic.one(OBS, "takes-back", takes_back).await;
    // The client's own record makes them as well.
    let own = NewJob {
        effects: vec![effect("Patient", "P-1")],
        ..job("own", "ehr")
    };
    clinic.one("client", "C-1", own).await;
    assert_eq!(clinic.goes("ehr", 1).await, ["J1", "finds", "takes-back"]);
    let first = [waits_for("J1", State::Sending)];
    assert_eq!(who_holds(&clinic, "own", 1).await, first);
    clinic.is_sound().await;
}
