//! A prescription that changed after it went: the old one is taken back first, and at most one is live.

use std::time::Duration;

use serde_json::{Value, json};

use super::house::{House, NAME, next, two_pharmacies};
use crate::support::fixture;

fn more(order: &Value) -> Value {
    next(order, |o| {
        o["qty"] = json!(60);
        o["days_supply"] = json!(60);
        o["signed_at"] = json!("2026-11-24T06:30:00-05:00");
    })
}

/// An order that went, and its change, up to the cancel.
async fn changed() -> (House, Value, String) {
    let house = House::new().await;
    let order = house.sent("sertraline").await;
    let changed = more(&order);
    house.submit(&changed).await;
    house.gateway.work().await;
    let cancels = house.pharmacy.cancels();
    assert_eq!(cancels.len(), 1);
    let newest = house.newest();
    assert_eq!(cancels[0].relates_to, newest.message);
    assert_eq!(house.pharmacy.prescriptions().len(), 1, "the change waits");
    let cancel = cancels[0].message.clone();
    (house, changed, cancel)
}

#[tokio::test]
async fn a_changed_prescription_goes_when_the_cancel_is_approved() {
    let (house, order, cancel) = changed().await;
    let waits = house.jobs(&order).await;
    assert_eq!(waits[2].1, "waiting");
    assert_eq!(waits[2].2, "awaits-cancel");
    house
        .pharmacy
        .answer_cancel(&cancel, None)
        .await
        .expect("a door");
    house.gateway.work().await;
    let newest = house.newest();
    assert!(newest.live);
    let quantity = newest
        .content
        .text_at("MedicationPrescribed/Quantity/Value");
    assert_eq!(quantity, Some("60"));
    assert_eq!(house.pharmacy.prescriptions().len(), 2);
    house.harmless();
}

#[tokio::test]
async fn a_denied_cancel_parks_the_change() {
    let (house, order, cancel) = changed().await;
    house
        .pharmacy
        .answer_cancel(&cancel, Some("AR"))
        .await
        .expect("a door");
    house.gateway.work().await;
    let jobs = house.jobs(&order).await;
    assert_eq!(
        (jobs[2].1.as_str(), jobs[2].2.as_str()),
        ("parked", "cancel-denied")
    );
    assert_eq!(house.pharmacy.prescriptions().len(), 1);
    let last = house.feed().await.pop().expect("an event").1;
    assert_eq!(last["event"], "cancel_denied");
    assert_eq!(last["detail_codes"], json!(["AR"]));
    house.harmless();
}

#[tokio::test]
async fn silence_about_a_cancel_parks_the_change() {
    let (house, order, _) = changed().await;
    house.gateway.advance(Duration::from_secs(25 * 3600));
    house.gateway.work().await;
    let jobs = house.jobs(&order).await;
    assert_eq!(
        (jobs[2].1.as_str(), jobs[2].2.as_str()),
        ("parked", "cancel-silent")
    );
    house.harmless();
}

#[tokio::test]
async fn to_send_a_change_whose_earlier_one_may_be_live_takes_two() {
    let (house, order, cancel) = changed().await;
    let denied = house.pharmacy.answer_cancel(&cancel, Some("AR")).await;
    denied.expect("a door");
    house.gateway.work().await;
    let story = house.story(&order).await;
    let job = story["jobs"][2]["id"].as_str().expect("an id").to_owned();
    let post = async |path: String, who: &str, body: Value| {
        let got = house.gateway.post(&path, who, &body).await;
        (got.status, got.json())
    };
    // Not among many, and not by one person alone.
    let replay = json!({"partner": NAME, "state": "parked"});
    let (status, dry) = post("/replays/dry-run".to_owned(), "admin", replay).await;
    assert_eq!(
        (status, &dry["skipped"]["earlier-may-be-live"]),
        (200, &json!(1)),
        "{dry}"
    );
    let why = json!({"why": "they say that they ended it"});
    let (status, proposed) = post(format!("/jobs/{job}/retry"), "admin", why).await;
    assert_eq!(status, 202, "{proposed}");
    house.gateway.work().await;
    assert_eq!(house.pharmacy.prescriptions().len(), 1, "nothing went");
    let proposal = proposed["proposal"].as_str().expect("an id");
    let confirm = format!("/proposals/{proposal}/confirm");
    assert_eq!(post(confirm.clone(), "admin", json!({})).await.0, 409);
    assert_eq!(post(confirm, "second", json!({})).await.0, 200);
    house.gateway.work().await;
    assert_eq!(house.pharmacy.prescriptions().len(), 2);
}

#[tokio::test]
async fn only_the_pharmacy_that_was_asked_can_confirm_a_cancel() {
    let (house, second) = two_pharmacies().await;
    let order = house.prepare("sertraline").await;
    let ph2 = house
        .gateway
        .submit("pharmacy", &fixture("pharmacy", "PH-02"))
        .await;
    assert_eq!(ph2.status, 202, "{}", ph2.text());
    house.submit(&order).await;
    house.gateway.work().await;
    assert!(
        second.prescriptions().is_empty(),
        "it was for the first one"
    );

    // The order moves: the second waits until the first has let go.
    let moved = next(&order, |o| o["pharmacy_id"] = json!("PH-02"));
    house.submit(&moved).await;
    house.gateway.work().await;
    assert!(second.prescriptions().is_empty());
    let cancel = house.pharmacy.cancels().pop().expect("a cancel").message;
    let rx = house.newest();
    let forged = "<CancelRxResponse><Response><Approved/></Response></CancelRxResponse>";
    let receipt = second
        .tell(&rx, Some(&cancel), forged)
        .await
        .expect("a door");
    assert_eq!(receipt.status, 200);
    house.gateway.work().await;
    assert!(
        second.prescriptions().is_empty(),
        "somebody else's word does not count"
    );

    house
        .pharmacy
        .answer_cancel(&cancel, None)
        .await
        .expect("a door");
    house.gateway.work().await;
    assert_eq!(second.prescriptions().len(), 1);
    let approved = house
        .feed()
        .await
        .into_iter()
        .find(|(_, r)| r["event"] == "cancel_approved");
    assert_eq!(approved.expect("an event").1["pharmacy_id"], "PH-01");
    house.harmless();
    assert_eq!(second.harm().sum(), 0);
}

/// The second pharmacy is under no consent when the order moves there; the first one's answer to the cancel
/// still counts when a consent comes.
#[tokio::test]
async fn an_order_that_moved_waits_for_the_first_pharmacy_when_a_consent_comes_later() {
    for (denied, wanted) in [(Some("AR"), "cancel-denied"), (None, "delivered")] {
        let (house, second) = two_pharmacies().await;
        let consent = |version: u64, to: &[&str]| {
            let mut consent = fixture("consent", "CO-1001");
            consent["version"] = json!(version);
            consent["granted_to"] = json!(to);
            consent
        };
        let accepts = async |kind: &str, record: &Value| {
            let got = house.gateway.submit(kind, record).await;
            assert_eq!(got.status, 202, "{}", got.text());
        };
        let mut order = house.prepare("sertraline").await;
        order["episode_id"] = json!("E-1001");
        let fields = order.as_object_mut().expect("an order");
        fields.remove("evaluation_id");
        fields.remove("problem_no");
        accepts("client", &fixture("client", "C-1001")).await;
        accepts("episode", &fixture("episode", "E-1001")).await;
        accepts("pharmacy", &fixture("pharmacy", "PH-02")).await;
        accepts("consent", &consent(1, &[NAME])).await;
        house.submit(&order).await;
        house.gateway.work().await;
        assert_eq!(house.pharmacy.prescriptions().len(), 1);
        let moved = next(&order, |o| o["pharmacy_id"] = json!("PH-02"));
        house.submit(&moved).await;
        house.gateway.work().await;
        let cancel = house.pharmacy.cancels().pop().expect("a cancel").message;
        // The consent comes while the cancel is out: it is waited for.
        accepts("consent", &consent(2, &[NAME, "pharmacy-second"])).await;
        house.gateway.work().await;
        assert!(second.prescriptions().is_empty());
        let answered = house.pharmacy.answer_cancel(&cancel, denied).await;
        answered.expect("a door");
        house.gateway.work().await;
        let last = house.jobs(&order).await.pop().expect("a job");
        assert_eq!((last.0.as_str(), last.2.as_str()), ("newrx", wanted));
        assert_eq!(second.prescriptions().len(), usize::from(denied.is_none()));
    }
}

#[tokio::test]
async fn a_change_before_anything_went_replaces_the_prescription() {
    let house = House::new().await;
    let order = house.prepare("sertraline").await;
    house.submit(&order).await;
    house.submit(&more(&order)).await;
    house.gateway.work().await;
    let all = house.pharmacy.prescriptions();
    assert_eq!(all.len(), 1);
    let quantity = all[0]
        .content
        .text_at("MedicationPrescribed/Quantity/Value");
    assert_eq!(quantity, Some("60"));
    assert!(house.pharmacy.cancels().is_empty());
    assert_eq!(house.jobs(&order).await[0].1, "superseded");
    house.harmless();
}

#[tokio::test]
async fn a_stopped_order_discontinues_what_is_left_and_one_on_hold_is_taken_back() {
    for (state, flag) in [("discontinued", "D"), ("on_hold", "C")] {
        let house = House::new().await;
        let order = house.sent("sertraline").await;
        house
            .submit(&next(&order, |o| {
                o["state"] = json!(state);
                o["state_reason"] = json!({"code": "side_effects"});
            }))
            .await;
        house.gateway.work().await;
        let cancels = house.pharmacy.cancels();
        assert_eq!(cancels.len(), 1, "{state}");
        assert_eq!(cancels[0].flag, flag, "{state}");
        house.harmless();
    }
}
