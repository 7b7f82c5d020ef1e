//! What takes two people, and jobs that stand in for others.

use super::hands::ADMIN;
use super::make::*;
use crate::ids::JobId;
use crate::sync::job::{LaneKey, State};
use crate::sync::ports::{NewProposal, StandIn, Store, Tie};
use crate::sync::reason::Reason;

const OBS: &str = "observation";

pub(in crate::store) async fn one_proposes_and_another_confirms_once(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    for id in ["P1", "P2"] {
        let new = NewProposal {
            id: id.to_owned(),
            what: "edit".to_owned(),
            about: "J1".to_owned(),
            body: b"exactly this".to_vec(),
        };
        store.propose(t, new, ADMIN, at(1)).await.unwrap();
    }
    let open = async || {
        let open = store.proposals(t, 9).await.unwrap();
        open.into_iter().map(|p| p.id).collect::<Vec<_>>()
    };
    assert_eq!(open().await, ["P1", "P2"]);
    let decide = async |id, who, confirms| {
        let decided = store.decide(t, id, who, confirms, at(2)).await.unwrap();
        decided.map(|p| (p.body, p.deed.who))
    };
    assert_eq!(decide("P1", ADMIN.who, true).await, None, "their own");
    let other = Clinic::named(store, "other");
    let theirs = store.decide(&other.tenant, "P1", "bob", true, at(2)).await;
    assert!(theirs.unwrap().is_none(), "of another tenant");
    let kept = (b"exactly this".to_vec(), ADMIN.who.to_owned());
    assert_eq!(decide("P1", "bob", true).await, Some(kept.clone()));
    assert_eq!(decide("P1", "bob", true).await, None, "once");
    // Whoever proposed it may take it back.
    assert_eq!(decide("P2", ADMIN.who, false).await, Some(kept));
    assert!(open().await.is_empty());
}

pub(in crate::store) async fn a_job_stands_in_for_what_has_not_moved(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    clinic.one(OBS, "M-1", job("old", "ehr")).await;
    let stand_in = |id: &str, to: &str, from, becomes| {
        let mut job = job(id, to);
        job.lane = LaneKey(format!("{OBS}/M-1"));
        job.chain = chain(OBS, "M-1");
        StandIn {
            source: JobId::new("old"),
            from,
            to: becomes,
            record: version(OBS, "M-1", 1),
            head: Some(1),
            job,
            how: "edit",
            now: at(3),
        }
    };
    let tries = async |s: StandIn| store.stand_in(t, s, ADMIN).await.unwrap();
    let parked = State::Parked;
    let superseded = Some(State::Superseded);
    assert!(
        !tries(stand_in("x", "ehr", parked, superseded)).await,
        "it waits"
    );
    let sent = clinic.next("ehr", 1).await;
    let waiting = State::Waiting;
    assert!(
        !tries(stand_in("x", "ehr", waiting, superseded)).await,
        "it is sent"
    );
    clinic
        .settle(&sent, State::Parked, Reason::Refused, 2)
        .await;
    assert!(tries(stand_in("new", "ehr", parked, superseded)).await);
    assert_eq!(clinic.state(OBS, "M-1", "old").await, State::Superseded);
    assert!(
        !tries(stand_in("x", "ehr", parked, superseded)).await,
        "once"
    );
    let sheet = store.job(t, &JobId::new("new"), at(4)).await.unwrap();
    let ties = sheet.expect("a job").ties;
    assert!(ties.iter().any(|t| t.tie == Tie::MadeFrom));
    let sheet = store.job(t, &JobId::new("old"), at(4)).await.unwrap();
    assert_eq!(sheet.expect("a job").acts[0].what, "edit");
    clinic
        .next_goes_to("ehr", State::Done, Reason::Delivered, 4)
        .await;

    // What was done may go elsewhere, too, where the record has nothing yet.
    let mut elsewhere = stand_in("lab", "lab", State::Done, None);
    elsewhere.source = JobId::new("new");
    // A version that came after it was decided: it may say something else.
    clinic.accept(draft(OBS, "M-1", 2)).await;
    assert!(!tries(elsewhere.clone()).await, "another version came");
    elsewhere.head = Some(2);
    assert!(tries(elsewhere.clone()).await);
    elsewhere.job.id = JobId::new("again");
    assert!(!tries(elsewhere).await, "it has something by now");
    assert_eq!(clinic.goes("lab", 5).await, ["lab"]);
    clinic.adds_up().await;
}
