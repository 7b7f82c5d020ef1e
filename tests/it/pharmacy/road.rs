//! An order goes out, and what the pharmacy tells of it comes back.

use fhir_gateway::demo::sim::pharmacy::Fill;
use serde_json::json;

use super::house::{House, next};

#[tokio::test]
async fn an_order_goes_out_and_status_verify_and_fill_come_back() {
    let house = House::new().await;
    let order = house.sent("buprenorphine-naloxone-weekly").await;
    assert_eq!(
        house.jobs(&order).await,
        [(
            "newrx".to_owned(),
            "done".to_owned(),
            "delivered".to_owned()
        )]
    );
    let rx = house.newest();
    let at = |path: &str| rx.content.text_at(path).unwrap_or_default().to_owned();
    assert_eq!(
        at("MedicationPrescribed/DrugCoded/DEASchedule/Code"),
        "C48676"
    );
    assert_eq!(at("MedicationPrescribed/WrittenDate/Date"), "2026-11-23");
    assert!(at("MedicationPrescribed/Note").contains("42 CFR part 2 prohibits"));

    assert_eq!(
        house
            .pharmacy
            .verify(&rx.message)
            .await
            .expect("a door")
            .status,
        200
    );
    let receipt = house
        .pharmacy
        .fill(&rx.message, Fill::Partly("14".into()))
        .await;
    assert_eq!(receipt.expect("a door").status, 200);
    let feed = house.feed().await;
    let events: Vec<_> = feed
        .iter()
        .map(|(_, r)| (&r["event"], &r["status"]))
        .collect();
    assert_eq!(
        events,
        [
            (&json!("acknowledged"), &json!(null)),
            (&json!("verified"), &json!(null)),
            (&json!(null), &json!("partially_filled")),
        ]
    );
    assert_eq!(feed[2].1["order_no"], order["order_no"]);
    assert_eq!(feed[2].1["qty"], 14);
    house.harmless();
}

#[tokio::test]
async fn an_order_that_is_taken_back_after_it_went_is_cancelled_there() {
    let house = House::new().await;
    let order = house.sent("sertraline").await;
    let message = house.newest().message;
    let ended = next(&order, |o| {
        o["state"] = json!("cancelled");
        o["state_reason"] = json!({"code": "client_choice"});
    });
    house.submit(&ended).await;
    house.gateway.work().await;
    let cancels = house.pharmacy.cancels();
    assert_eq!(cancels.len(), 1);
    assert_eq!(
        (cancels[0].relates_to.as_str(), cancels[0].flag.as_str()),
        (message.as_str(), "C")
    );
    house
        .pharmacy
        .answer_cancel(&cancels[0].message, None)
        .await
        .expect("a door");
    let order_no = order["order_no"].as_str().expect("a number");
    assert_eq!(house.pharmacy.live(order_no), 0);
    let last = house.feed().await.pop().expect("an event");
    assert_eq!(last.1["event"], "cancel_approved");
    house.harmless();
}

#[tokio::test]
async fn every_sort_of_fill_becomes_a_dispense_of_the_order() {
    let house = House::new().await;
    house.sent("sertraline").await;
    let message = house.newest().message;
    for fill in [
        Fill::Dispensed,
        Fill::Partly("15".into()),
        Fill::Not("BP".into()),
        Fill::Transferred,
    ] {
        let receipt = house.pharmacy.fill(&message, fill).await.expect("a door");
        assert_eq!(receipt.status, 200);
    }
    let fills: Vec<_> = house
        .feed()
        .await
        .into_iter()
        .filter(|(kind, _)| kind == "dispense")
        .map(|(_, r)| r)
        .collect();
    let of = |field: &str| fills.iter().map(|f| f[field].clone()).collect::<Vec<_>>();
    assert_eq!(
        of("status"),
        [
            json!("filled"),
            json!("partially_filled"),
            json!("not_filled"),
            json!("transferred")
        ]
    );
    assert_eq!(of("qty")[..2], [json!(30), json!(15)]);
    assert_eq!(
        of("reason")[2],
        json!({"code": "out_of_stock", "source_code": "BP"})
    );
    assert_eq!(of("fill_date")[0], "2026-11-24");
    assert!(of("pharmacy_id").iter().all(|id| id == "PH-01"));
}

#[tokio::test]
async fn an_order_of_a_nurse_goes_with_its_supervisor_and_a_late_one_parks() {
    for late in [false, true] {
        let house = House::new().await;
        let mut order = house.prepare("alprazolam-np-supervised").await;
        order["state"] = json!("signed");
        house.submit(&order).await;
        if late {
            // Signed on the 21st at 22:00 UTC: 72 hours end on the 24th at 22:00.
            house
                .gateway
                .advance(std::time::Duration::from_secs(11 * 3600));
        }
        house.gateway.work().await;
        let job = house.jobs(&order).await.remove(0);
        if late {
            assert!(house.pharmacy.prescriptions().is_empty());
            assert_eq!(
                (job.1.as_str(), job.2.as_str()),
                ("parked", "past-deadline")
            );
        } else {
            let supervisor = house
                .newest()
                .content
                .at("Supervisor/NonVeterinarian")
                .cloned();
            let supervisor = supervisor.expect("a supervisor");
            assert_eq!(supervisor.text_at("Identification/NPI"), Some("1003000134"));
        }
        house.harmless();
    }
}
