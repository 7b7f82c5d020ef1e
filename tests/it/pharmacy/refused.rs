//! What does not go: refused at the clinic's door, by the gate, by the pharmacy; or meant for another one.

use fhir_gateway::demo::sim::Fault;
use serde_json::{Value, json};

use super::house::{House, next};

#[tokio::test]
async fn a_controlled_drug_without_its_signature_or_with_another_content_is_refused() {
    let house = House::new().await;
    let order = house.prepare("buprenorphine-naloxone-weekly").await;
    for change in [
        |o: &mut Value| {
            o.as_object_mut().expect("an order").remove("epcs");
            o["signed_at"] = json!("2026-11-24T06:00:00-05:00");
        },
        |o: &mut Value| o["qty"] = json!(84),
    ] {
        let mut bad = order.clone();
        change(&mut bad);
        let got = house.gateway.submit("medication-request", &bad).await;
        assert_eq!(got.status, 422, "{}", got.text());
    }
    assert_eq!(house.gateway.work().await, 0);
    assert!(house.pharmacy.prescriptions().is_empty());
    house.harmless();
}

#[tokio::test]
async fn an_order_for_another_pharmacy_or_none_makes_no_message() {
    let house = House::new().await;
    for case in ["clonazepam-taper", "naltrexone-injection"] {
        let order = house.prepare(case).await;
        let answer = house.submit(&order).await;
        assert_eq!(answer["jobs"], json!([]), "{case}");
    }
    assert_eq!(house.gateway.work().await, 0);
    house.harmless();
}

#[tokio::test]
async fn what_script_cannot_say_is_told_at_the_records_field() {
    let house = House::new().await;
    let order = house.prepare("buprenorphine-naloxone-weekly").await;
    let mut long = order.clone();
    long["pharmacy_note"] = json!("Canary ".repeat(28).trim());
    let got = house.gateway.submit("medication-request", &long).await;
    assert_eq!(got.status, 422, "{}", got.text());
    let issue = got.json()["issues"][0].clone();
    assert_eq!(
        (&issue["path"], &issue["rule"]),
        (&json!("/pharmacy_note"), &json!("script-notice"))
    );
    assert!(!got.text().contains("Canary"));

    let mut lines = house.prepare("sertraline").await;
    lines["sig_text"] = json!("Take 1 tablet\nonce a day.");
    let got = house.gateway.submit("medication-request", &lines).await;
    assert_eq!(got.status, 422);
    assert_eq!(got.json()["issues"][0]["path"], "/sig_text");
    assert_eq!(got.rules(), ["script-characters"]);
    house.submit(&order).await;
}

#[tokio::test]
async fn without_consent_nothing_goes_but_a_cancel_of_what_went() {
    let house = House::new().await;
    let order = house.sent("buprenorphine-naloxone-weekly").await;
    assert_eq!(house.pharmacy.prescriptions().len(), 1);
    let mut consent = crate::support::fixture("consent", "CO-1001");
    consent["version"] = json!(2);
    consent["revoked_on"] = json!("2026-11-24");
    consent["revoked_in_writing"] = json!(true);
    let got = house.gateway.submit("consent", &consent).await;
    assert_eq!(got.status, 202, "{}", got.text());
    let ended = next(&order, |o| {
        o["state"] = json!("discontinued");
        o["state_reason"] = json!({"code": "client_choice"});
    });
    house.submit(&ended).await;
    house.gateway.work().await;
    assert_eq!(house.pharmacy.cancels().len(), 1);
    house.harmless();
}

#[tokio::test]
async fn what_the_pharmacy_refuses_parks_and_the_clinic_hears_why() {
    let house = House::new().await;
    house
        .pharmacy
        .faults()
        .writes([Some(Fault::Script("900", "144"))]);
    let order = house.sent("sertraline").await;
    let jobs = house.jobs(&order).await;
    assert_eq!(
        (jobs[0].1.as_str(), jobs[0].2.as_str()),
        ("parked", "refused")
    );
    let feed = house.feed().await;
    assert_eq!(feed.len(), 1);
    assert_eq!(feed[0].1["event"], "error");
    assert_eq!(feed[0].1["code"], "900");
    assert_eq!(feed[0].1["detail_codes"], json!(["144"]));
    // Nothing of it is there: a change goes at once, and takes the refused one's place.
    let smaller = next(&order, |o| {
        o["qty"] = json!(15);
        o["days_supply"] = json!(15);
    });
    house.submit(&smaller).await;
    house.gateway.work().await;
    assert_eq!(house.pharmacy.prescriptions().len(), 1);
    assert!(house.pharmacy.cancels().is_empty());
    house.harmless();
}

#[tokio::test]
async fn what_was_refused_and_is_signed_anew_goes_again_with_what_was_mended() {
    let house = House::new().await;
    let refuses = [Some(Fault::Script("900", "144"))];
    house.pharmacy.faults().writes(refuses);
    let order = house.sent("sertraline").await;
    // A new version that nobody signed anew changes nothing.
    let noted = next(&order, |o| o["review_due"] = json!("2026-12-20"));
    house.submit(&noted).await;
    assert_eq!(house.jobs(&order).await.len(), 1);
    let signed = next(&noted, |o| {
        o["signed_at"] = json!("2026-11-24T06:30:00-05:00")
    });
    house.submit(&signed).await;
    house.gateway.work().await;
    let states: Vec<String> = house.jobs(&order).await.into_iter().map(|j| j.1).collect();
    assert_eq!(states, ["superseded", "done"]);
    assert_eq!(house.pharmacy.prescriptions().len(), 1);
    house.harmless();
}

#[tokio::test]
async fn what_may_be_a_controlled_drug_stays_parked_whoever_presses_retry() {
    let house = House::new().await;
    let mut order = house.prepare("sertraline").await;
    order["drug"] = json!({"local_code": "COMP-7", "label": "lorazepam 2 mg compounded tablet",
        "strength_text": "2 mg", "form": "tablet", "route": "oral", "schedule": "NC"});
    house.submit(&order).await;
    house.gateway.work().await;
    let parked = [(
        "newrx".to_owned(),
        "parked".to_owned(),
        "unknown-drug".to_owned(),
    )];
    assert_eq!(house.jobs(&order).await, parked);
    let job = house.story(&order).await["jobs"][0]["id"].clone();
    let retry = format!("/jobs/{}/retry", job.as_str().expect("an id"));
    let why = json!({"why": "surely it is fine"});
    house.gateway.post(&retry, "admin", &why).await;
    house.gateway.work().await;
    assert_eq!(house.jobs(&order).await, parked);
    assert!(house.pharmacy.prescriptions().is_empty());
    house.harmless();
}
