//! What broke, what is unclear, what is down: a prescription is never handed out twice for it.

use std::time::Duration;

use fhir_gateway::demo::sim::Fault;
use fhir_gateway::demo::sim::pharmacy::Options;
use serde_json::{Value, json};

use super::house::{House, next};

/// An order whose first attempts go like this; the clock moves on between.
async fn with_faults(house: &House, faults: Vec<Option<Fault>>) -> Value {
    let rounds = faults.len();
    house.pharmacy.faults().writes(faults);
    let order = house.sent("sertraline").await;
    for _ in 0..rounds {
        house.gateway.advance(Duration::from_secs(600));
        house.gateway.work().await;
    }
    order
}

async fn ends(house: &House, order: &Value) -> (String, String) {
    let job = house.jobs(order).await.remove(0);
    (job.1, job.2)
}

#[tokio::test]
async fn what_may_have_arrived_is_asked_about_where_the_pharmacy_knows_repeats() {
    for (fault, repeats, reason) in [
        (Fault::ResetAfter, 1, "already-there"),
        (Fault::SilentAfter, 1, "already-there"),
        (Fault::ServerErrorAfter, 1, "already-there"),
        (Fault::ScriptAfter("602", "008"), 1, "already-there"),
        (Fault::Reset, 0, "delivered"),
        (Fault::Script("900", "4020"), 0, "delivered"),
    ] {
        let house = House::new().await;
        let order = with_faults(&house, vec![Some(fault)]).await;
        assert_eq!(
            ends(&house, &order).await,
            ("done".into(), reason.into()),
            "{fault:?}"
        );
        assert_eq!(house.pharmacy.prescriptions().len(), 1, "{fault:?}");
        assert_eq!(house.pharmacy.repeats(), repeats, "{fault:?}");
        house.harmless();
    }
}

#[tokio::test]
async fn a_busy_word_after_an_unclear_attempt_leaves_it_unclear() {
    let house = House::new().await;
    let faults = vec![Some(Fault::ResetAfter), Some(Fault::Script("600", "210"))];
    let order = with_faults(&house, faults).await;
    assert_eq!(
        ends(&house, &order).await,
        ("done".into(), "already-there".into())
    );
    let refused = House::new().await;
    let faults = vec![Some(Fault::ResetAfter), Some(Fault::Script("900", "1000"))];
    let order = with_faults(&refused, faults).await;
    assert_eq!(ends(&refused, &order).await.0, "parked");
    // A refusal of the question settles nothing: a change takes back what may be there first.
    let change = next(&order, |o| {
        o["qty"] = json!(60);
        o["days_supply"] = json!(60);
    });
    refused.submit(&change).await;
    refused.gateway.work().await;
    assert_eq!(refused.pharmacy.cancels().len(), 1);
    refused.harmless();
}

#[tokio::test]
async fn an_unclear_prescription_is_not_sent_past_its_last_send_to_ask_about_it() {
    let house = House::new().await;
    house.pharmacy.faults().writes([Some(Fault::Reset)]);
    let order = house.sent("sertraline").await;
    assert_eq!(ends(&house, &order).await.0, "asking");
    house.gateway.advance(Duration::from_secs(80 * 3600));
    house.gateway.work().await;
    assert_eq!(
        ends(&house, &order).await,
        ("parked".into(), "unclear".into())
    );
    assert!(house.pharmacy.prescriptions().is_empty());
}

/// The clinic's own system is down and its line is full; what the pharmacy says is heard all the same.
#[tokio::test]
async fn an_answer_is_written_although_nothing_more_is_taken_in() {
    let hook = "[[partners]]\nid = \"hook\"\nkind = \"clinic-webhook\"\nurl = \"http://127.0.0.1:9/\"\n\
                secret = \"a secret of the test\"\n[[routes]]\nto = \"hook\"\nkinds = [\"order-event\"]";
    let keys = "duplicates = \"answers-220\"";
    let mut house = House::beside(Options::default(), keys, hook).await;
    let limit = |config: &mut fhir_gateway::config::Config| config.settings.jobs_open_max = 1;
    house.gateway.restart_with(limit).await;
    let mut order = house.sent("sertraline").await;
    for n in 2..4 {
        house.gateway.advance(Duration::from_secs(1));
        order["order_no"] = json!(format!("RX-2026-0099{n}"));
        house.submit(&order).await;
        house.gateway.work().await;
        assert_eq!(ends(&house, &order).await.0, "done", "{n}");
    }
    assert_eq!(house.pharmacy.prescriptions().len(), 3);
    assert_eq!(house.pharmacy.repeats(), 0);
}

#[tokio::test]
async fn where_it_does_not_know_repeats_an_unclear_prescription_waits_for_a_person() {
    let options = Options {
        answers_220: false,
        ..Options::default()
    };
    let house = House::with(options, "").await;
    let order = with_faults(&house, vec![Some(Fault::ResetAfter)]).await;
    assert_eq!(
        ends(&house, &order).await,
        ("parked".into(), "unclear".into())
    );
    house.gateway.advance(Duration::from_secs(48 * 3600));
    house.gateway.work().await;
    assert_eq!(house.pharmacy.prescriptions().len(), 1);
    let job = house.story(&order).await["jobs"][0]["id"].clone();
    let path = format!("/jobs/{}/resolve-there", job.as_str().expect("an id"));
    let pressed = house
        .gateway
        .post(&path, "admin", &json!({"why": "called them"}))
        .await;
    // It takes two to say that a pharmacy has a prescription.
    assert_eq!(pressed.status, 202, "{}", pressed.text());
    assert_eq!(ends(&house, &order).await.0, "parked");
    let proposal = pressed.json()["proposal"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/proposals/{proposal}/confirm");
    for (who, status) in [("admin", 409), ("second", 200), ("second", 409)] {
        let got = house.gateway.post(&path, who, &json!({})).await;
        assert_eq!(got.status, status, "{who}: {}", got.text());
    }
    assert_eq!(ends(&house, &order).await.0, "done");
    house.harmless();
}

#[tokio::test]
async fn what_was_certainly_not_taken_goes_again_under_the_same_id() {
    for fault in [
        Fault::Script("600", "000"),
        Fault::Script("900", "210"),
        Fault::ErrorIn200,
        Fault::Unavailable,
        Fault::Throttled(30),
        Fault::Unauthorized,
    ] {
        let house = House::new().await;
        let order = with_faults(&house, vec![Some(fault)]).await;
        assert_eq!(
            ends(&house, &order).await,
            ("done".into(), "delivered".into()),
            "{fault:?}"
        );
        assert_eq!(house.pharmacy.prescriptions().len(), 1);
        house.harmless();
    }
}

/// Waits until it listens, or does not.
async fn listens(house: &House, up: bool) {
    let url = house.pharmacy.url();
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/script")
        .to_owned();
    let wait = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() != up {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("in time");
}

#[tokio::test]
async fn a_pharmacy_that_is_down_costs_the_prescription_nothing() {
    let house = House::new().await;
    house.pharmacy.switch().down();
    listens(&house, false).await;
    let order = house.prepare("sertraline").await;
    house.submit(&order).await;
    for _ in 0..5 {
        house.gateway.work().await;
        house.gateway.advance(Duration::from_secs(60));
    }
    let job = house.story(&order).await["jobs"][0].clone();
    assert_eq!(
        (&job["state"], &job["attempts"]),
        (&json!("waiting"), &json!(0)),
        "{job}"
    );
    house.pharmacy.switch().up();
    listens(&house, true).await;
    house.gateway.advance(Duration::from_secs(60));
    house.gateway.work().await;
    assert_eq!(ends(&house, &order).await.0, "done");
    house.harmless();
}

#[tokio::test]
async fn a_status_of_somebody_on_the_way_ends_the_job_and_tells_the_order() {
    let options = Options {
        at_once: false,
        ..Options::default()
    };
    let house = House::with(options, "").await;
    let order = house.sent("sertraline").await;
    assert_eq!(ends(&house, &order).await, ("done".into(), "taken".into()));
    let feed = house.feed().await;
    assert_eq!(
        (&feed[0].1["event"], &feed[0].1["code"]),
        (&json!("acknowledged"), &json!("000"))
    );
}

fn cancelled(order: &Value) -> Value {
    next(order, |o| {
        o["state"] = json!("cancelled");
        o["state_reason"] = json!({"code": "client_choice"});
    })
}

#[tokio::test]
async fn an_order_that_may_be_there_is_cancelled_past_the_parked_prescription() {
    let options = Options {
        answers_220: false,
        ..Options::default()
    };
    let house = House::with(options, "").await;
    let order = with_faults(&house, vec![Some(Fault::ResetAfter)]).await;
    house.submit(&cancelled(&order)).await;
    house.gateway.work().await;
    let cancels = house.pharmacy.cancels();
    assert_eq!(cancels.len(), 1);
    assert_eq!(cancels[0].relates_to, house.newest().message);
    house.pharmacy.work().await.expect("a door");
    assert_eq!(house.pharmacy.live(&cancels[0].order_no), 0);
    house.harmless();
}

#[tokio::test]
async fn a_cancel_that_may_have_arrived_is_asked_about_too_and_is_booked_once() {
    let house = House::new().await;
    let order = house.sent("sertraline").await;
    house.pharmacy.faults().writes([Some(Fault::ResetAfter)]);
    house.submit(&cancelled(&order)).await;
    house.gateway.work().await;
    house.gateway.advance(Duration::from_secs(600));
    house.gateway.work().await;
    let jobs = house.jobs(&order).await;
    assert_eq!(
        (jobs[1].1.as_str(), jobs[1].2.as_str()),
        ("done", "already-there")
    );
    assert_eq!(
        (house.pharmacy.cancels().len(), house.pharmacy.repeats()),
        (1, 1)
    );
    house.harmless();
}

#[tokio::test]
async fn what_was_on_its_way_when_the_gateway_stopped_goes_once_after_the_start() {
    let mut house = House::new().await;
    let order = house.prepare("sertraline").await;
    house.submit(&order).await;
    house.gateway.restart().await;
    house.gateway.work().await;
    house.gateway.restart().await;
    house.gateway.work().await;
    assert_eq!(house.pharmacy.prescriptions().len(), 1);
    assert_eq!(ends(&house, &order).await.0, "done");
    house.harmless();
}
