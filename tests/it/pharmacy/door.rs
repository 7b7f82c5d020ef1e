//! What a pharmacy sends: kept whatever it is, believed only about its own orders, told once.

use fhir_gateway::partner::ncpdp_script::envelope;
use serde_json::json;

use super::house::{House, NAME};

async fn parked(house: &House) -> usize {
    let status = house.gateway.get("/status", "admin").await;
    assert!(!status.text().contains("Canary"));
    status.json()["parked_inbound"]
        .as_array()
        .map_or(0, Vec::len)
}

fn said(body: &[u8]) -> (String, Option<String>) {
    let message = envelope::read(body).expect("a SCRIPT message");
    let code = message
        .transaction
        .text_at("Code")
        .unwrap_or_default()
        .to_owned();
    assert_eq!(message.name(), "Status");
    (code, message.relates_to().map(str::to_owned))
}

#[tokio::test]
async fn what_comes_again_under_its_message_id_gets_the_first_answer_and_is_told_once() {
    let house = House::new().await;
    house.sent("sertraline").await;
    let rx = house.newest();
    let verify = format!(
        "<Message><Header><To Qualifier=\"C\">clinic</To><From Qualifier=\"P\">7701630</From>\
         <MessageID>V-1</MessageID><RelatesToMessageID>{}</RelatesToMessageID>\
         <SentTime>2026-11-24T12:00:00Z</SentTime></Header><Body><Verify/></Body></Message>",
        rx.message
    );
    let first = house
        .pharmacy
        .send("V-1", verify.clone().into_bytes())
        .await
        .expect("a door");
    assert_eq!(first.status, 200);
    assert_eq!(
        said(&first.body),
        ("010".to_owned(), Some("V-1".to_owned()))
    );
    let again = house
        .pharmacy
        .send("V-1", verify.into_bytes())
        .await
        .expect("a door");
    assert_eq!(again, first);
    let verified = house
        .feed()
        .await
        .iter()
        .filter(|(_, r)| r["event"] == "verified")
        .count();
    assert_eq!(verified, 1);
    assert_eq!(parked(&house).await, 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_parked_and_its_sender_has_a_status() {
    let house = House::new().await;
    house.sent("sertraline").await;
    let rx = house.newest();
    let renewal = "<RxRenewalRequest><Patient><HumanPatient/></Patient></RxRenewalRequest>";
    let requests = [
        house
            .pharmacy
            .tell(&rx, None, renewal)
            .await
            .expect("a door"),
        house
            .pharmacy
            .tell(&rx, None, "<RxChangeRequest/>")
            .await
            .expect("a door"),
        house
            .pharmacy
            .tell(&rx, None, "<Status/>")
            .await
            .expect("a door"),
        house
            .pharmacy
            .tell(&rx, None, "<RxFill/>")
            .await
            .expect("a door"),
    ];
    for receipt in &requests {
        assert_eq!(receipt.status, 200);
        assert_eq!(
            said(&receipt.body),
            ("000".to_owned(), Some(receipt.message.clone()))
        );
    }
    for odd in [
        "<Message><Canary",
        "",
        "<!DOCTYPE m [<!ENTITY c 'Canary'>]><m>&c;</m>",
    ] {
        let receipt = house.pharmacy.send("", odd.into()).await.expect("a door");
        assert_eq!(receipt.status, 200, "{odd}");
        assert_eq!(said(&receipt.body), ("000".to_owned(), None));
    }
    assert_eq!(parked(&house).await, 7);
}

#[tokio::test]
async fn what_is_told_of_an_order_that_did_not_go_there_is_not_believed() {
    let house = House::new().await;
    // For another pharmacy: accepted here, and not sent to this one.
    let order = house.prepare("clonazepam-taper").await;
    house.submit(&order).await;
    let stranger = fhir_gateway::demo::sim::pharmacy::Rx {
        message: "NOT-OURS".to_owned(),
        order_no: order["order_no"].as_str().expect("a number").to_owned(),
        ..Default::default()
    };
    let receipt = house
        .pharmacy
        .tell(&stranger, None, "<Verify/>")
        .await
        .expect("a door");
    assert_eq!(receipt.status, 200);
    assert_eq!(parked(&house).await, 1);
    assert!(house.feed().await.is_empty());
}

#[tokio::test]
async fn a_message_that_names_only_the_order_is_told_of_it() {
    let house = House::new().await;
    let order = house.sent("sertraline").await;
    let text = format!(
        "<string xmlns=\"urn:x\">&lt;Message&gt;&lt;Header&gt;&lt;MessageID&gt;S-9&lt;/MessageID&gt;\
         &lt;SentTime&gt;2026-11-24T13:00:00&lt;/SentTime&gt;&lt;PrescriberOrderNumber&gt;{}&lt;/PrescriberOrderNumber&gt;\
         &lt;/Header&gt;&lt;Body&gt;&lt;Error&gt;&lt;Code&gt;900&lt;/Code&gt;&lt;DescriptionCode&gt;2000&lt;/DescriptionCode&gt;\
         &lt;/Error&gt;&lt;/Body&gt;&lt;/Message&gt;</string>",
        order["order_no"].as_str().expect("a number")
    );
    let body = Some(("text/html", text.into_bytes()));
    let path = format!("/in/{NAME}");
    let got = house
        .gateway
        .send(reqwest::Method::POST, &path, NAME, &[], body)
        .await;
    assert_eq!(got.status, 200);
    assert_eq!(got.media_type, "application/xml");
    let last = house.feed().await.pop().expect("an event").1;
    assert_eq!(last["event"], "error");
    assert_eq!(last["at"], json!("2026-11-24T13:00:00Z"));
}
