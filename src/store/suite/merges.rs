//! Merges: both patients wait, and nothing waits in a circle.

use super::make::*;
use crate::ids::JobId;
use crate::sync::job::{LaneKey, NewJob, State, VersionRef};
use crate::sync::ports::{Act, Admission, Store};
use crate::sync::reason::Reason;

fn clients(all: &[&str]) -> Vec<VersionRef> {
    all.iter().map(|c| version("client", c, 1)).collect()
}

/// A merge of `merged` into `survivor`, whose job refers to both.
fn merge(id: &str, survivor: &str, merged: &str, lane: Option<&str>) -> Admission {
    let holds = [survivor, merged]
        .iter()
        .map(|c| (partner("ehr"), (*c).to_owned(), JobId::new(id)))
        .collect();
    let job = NewJob {
        needs: clients(&[survivor, merged]),
        lane: LaneKey(lane.unwrap_or_default().to_owned()),
        ..job(id, "ehr")
    };
    Admission {
        holds,
        ..draft("client-merge", id, 1).of_client(survivor).with(job)
    }
}

async fn observation(clinic: &Clinic<'_>, id: &str, client: &str) {
    clinic
        .accept(
            draft("observation", id, 1)
                .of_client(client)
                .with(job(id, "ehr")),
        )
        .await;
}

pub(in crate::store) async fn both_patients_wait_for_their_merge(store: &dyn Store) {
    let clinic = Clinic::of(store);
    observation(&clinic, "before", "C-2").await;
    clinic.accept(merge("merge", "C-1", "C-2", None)).await;
    observation(&clinic, "after", "C-1").await;
    observation(&clinic, "other", "C-3").await;
    clinic
        .one("observation", "nobody", job("nobody", "ehr"))
        .await;
    clinic
        .accept(
            draft("observation", "M-9", 1)
                .of_client("C-1")
                .with(cancel("cancel", "ehr")),
        )
        .await;
    let at_lab = draft("observation", "M-8", 1).of_client("C-1");
    clinic.accept(at_lab.with(job("lab", "lab"))).await;
    assert_eq!(clinic.goes("lab", 0).await, ["lab"], "held per partner");
    let shown = clinic.shown("observation", "after", "after").await;
    assert_eq!(
        held_back_by(&shown),
        ["hold: a merge of the patient is on its way, job merge (waiting)"]
    );
    let first = clinic.claim("ehr", 0).await;
    assert_eq!(ids(&first), ["cancel", "merge", "other", "nobody"]);
    let merge = &first[1];
    clinic
        .settle(merge, State::Waiting, Reason::TryLater, 1)
        .await;
    let merge = clinic.next("ehr", 1).await;
    clinic.done(&merge, 1).await;
    assert_eq!(clinic.goes("ehr", 1).await, ["before", "after"]);
    clinic.adds_up().await;
}

pub(in crate::store) async fn a_merge_goes_although_it_needs_who_it_holds(store: &dyn Store) {
    let clinic = Clinic::of(store);
    for c in ["C-1", "C-2"] {
        let a = draft("client", c, 1).of_client(c);
        clinic.accept(a.with(job(c, "ehr"))).await;
    }
    clinic.accept(merge("merge", "C-1", "C-2", None)).await;
    // One of them changes while the merge waits: its successor goes first, too.
    clinic
        .accept(
            draft("client", "C-2", 2)
                .of_client("C-2")
                .with(job("C-2b", "ehr"))
                .replaces("C-2", State::Waiting),
        )
        .await;
    observation(&clinic, "obs", "C-2").await;
    let first = clinic.claim("ehr", 0).await;
    assert_eq!(ids(&first), ["C-1", "C-2b"]);
    for job in &first {
        clinic.done(job, 1).await;
    }
    let merge = clinic.next("ehr", 1).await;
    assert_eq!(merge.id.as_str(), "merge");
    clinic.done(&merge, 2).await;
    assert_eq!(clinic.goes("ehr", 2).await, ["obs"]);
}

pub(in crate::store) async fn in_a_patient_line_a_merge_takes_its_turn(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let put = async |kind: &str, id: &str, client: &str| {
        let job = NewJob {
            lane: LaneKey(format!("patient/{client}")),
            ..job(id, "ehr")
        };
        clinic
            .accept(draft(kind, id, 1).of_client(client).with(job))
            .await;
    };
    put("observation", "one", "C-1").await;
    put("observation", "two", "C-2").await;
    put("client", "C-2", "C-2").await;
    clinic
        .accept(merge("merge", "C-1", "C-2", Some("patient/C-1")))
        .await;
    put("observation", "three", "C-1").await;
    put("observation", "four", "C-2").await;
    let mut order = Vec::new();
    for n in 1..10 {
        for job in clinic.claim("ehr", n).await {
            clinic.done(&job, n).await;
            order.push(job.id.as_str().to_owned());
        }
    }
    assert_eq!(order, ["one", "two", "C-2", "merge", "three", "four"]);
}

pub(in crate::store) async fn a_second_merge_waits_for_the_first(store: &dyn Store) {
    let clinic = Clinic::of(store);
    clinic.accept(merge("first", "C-1", "C-2", None)).await;
    clinic.accept(merge("second", "C-3", "C-1", None)).await;
    let first = clinic.next("ehr", 0).await;
    assert_eq!(first.id.as_str(), "first");
    clinic.done(&first, 1).await;
    let second = clinic.next("ehr", 1).await;
    assert_eq!(second.id.as_str(), "second");
}

pub(in crate::store) async fn what_a_merge_waits_for_through_others_is_not_held(store: &dyn Store) {
    let clinic = Clinic::of(store);
    observation(&clinic, "obs", "C-1").await;
    let needs = NewJob {
        needs: vec![version("observation", "obs", 1)],
        ..job("C-1", "ehr")
    };
    let client = draft("client", "C-1", 1).of_client("C-1");
    clinic.accept(client.with(needs)).await;
    clinic.accept(merge("merge", "C-1", "C-2", None)).await;
    observation(&clinic, "held", "C-1").await;
    for id in ["obs", "C-1", "merge", "held"] {
        let next = clinic.next("ehr", 1).await;
        assert_eq!(next.id.as_str(), id);
        clinic.done(&next, 1).await;
    }
}

pub(in crate::store) async fn a_parked_merge_holds_on_and_a_cancelled_one_lets_go(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    clinic.accept(merge("merge", "C-1", "C-2", None)).await;
    observation(&clinic, "obs", "C-2").await;
    clinic
        .next_goes_to("ehr", State::Parked, Reason::Refused, 1)
        .await;
    assert_eq!(clinic.goes("ehr", 1).await, [""; 0]);
    let id = JobId::new("merge");
    let ended = store
        .act(&clinic.tenant, &id, Act::Cancel, "admin", "because", at(2))
        .await;
    assert!(ended.unwrap());
    assert_eq!(clinic.goes("ehr", 2).await, ["obs"]);
    // A hold by a job that has ended already is none.
    let mut ended = merge("ended", "C-1", "C-2", None);
    ended.jobs[0].state = State::Cancelled;
    ended.jobs[0].reason = Some(Reason::NothingThere);
    clinic.accept(ended).await;
    observation(&clinic, "later", "C-1").await;
    assert_eq!(clinic.goes("ehr", 3).await, ["later"]);
}
