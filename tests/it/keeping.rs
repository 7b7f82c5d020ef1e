//! The database is lost and a backup put back: nothing that was sent since goes twice.

use serde_json::json;

use crate::pharmacy::house::{House, NAME};
use crate::support::only_embedded;

fn word(purpose: &str, state: &str, reason: &str) -> (String, String, String) {
    (purpose.to_owned(), state.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_prescription_that_the_lost_database_sent_is_not_sent_again() {
    if only_embedded("its backups are files of ours") {
        return;
    }
    let mut house = House::new().await;
    let waiting = house.prepare("sertraline").await;
    let mut lost = waiting.clone();
    lost["order_no"] = json!("RX-LOST-1");
    // One waits when the backup is taken; another comes later; then both are sent.
    let pause = format!("/partners/{NAME}/pause");
    let paused = house.gateway.post(&pause, "admin", &json!({})).await;
    assert_eq!(paused.status, 200);
    house.submit(&waiting).await;
    let backup = house.gateway.back_up();
    let resume = format!("/partners/{NAME}/resume");
    house.gateway.post(&resume, "admin", &json!({})).await;
    house.submit(&lost).await;
    house.gateway.work().await;
    assert_eq!(house.pharmacy.prescriptions().len(), 2);

    house.gateway.put_back(&backup).await;
    // A person ends the pause that stands in the backup.
    house.gateway.post(&resume, "admin", &json!({})).await;
    house.gateway.work().await;
    assert_eq!(
        house.jobs(&waiting).await,
        [word("newrx", "done", "already-there")],
        "the pharmacy was asked by the same message"
    );
    // The clinic hands in again what the backup does not know.
    house.submit(&lost).await;
    house.gateway.work().await;
    assert_eq!(
        house.jobs(&lost).await,
        [word("newrx", "parked", "restored")]
    );
    assert_eq!(house.pharmacy.prescriptions().len(), 2, "each once");

    // What is signed after that goes as ever.
    let mut fresh = waiting.clone();
    fresh["order_no"] = json!("RX-FRESH-1");
    house.gateway.advance(std::time::Duration::from_secs(7200));
    fresh["signed_at"] = json!("2026-11-24T08:00:00-05:00");
    house.submit(&fresh).await;
    house.gateway.work().await;
    assert_eq!(
        house.jobs(&fresh).await,
        [word("newrx", "done", "delivered")]
    );
}
