//! What people see and press while a partner refuses, is down, is paused: over HTTP, on a whole gateway.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::support::{Fake, Gateway, Setup, fixture, fixture_whole};

const EHR: &str = "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"\npatients = \"created\"\n\
                   [[routes]]\nto = \"ehr\"\nkinds = [\"client\"]";

fn fhir(status: u16, body: &Value) -> ResponseTemplate {
    let bytes = serde_json::to_vec(body).expect("JSON");
    ResponseTemplate::new(status).set_body_raw(bytes, "application/fhir+json")
}

/// An EHR that has no such patient.
async fn empty(ehr: &Fake) {
    let none = json!({"resourceType": "Bundle", "type": "searchset", "total": 0});
    ehr.expects(
        Mock::given(method("GET"))
            .and(path("/fhir/Patient"))
            .respond_with(fhir(200, &none)),
    )
    .await;
}

/// Its next answers to a create, in order; each once.
async fn creates(ehr: &Fake, answers: Vec<ResponseTemplate>) {
    for (priority, answer) in (1..).zip(answers) {
        ehr.expects(
            Mock::given(method("POST"))
                .and(path("/fhir/Patient"))
                .respond_with(answer)
                .up_to_n_times(1)
                .with_priority(priority),
        )
        .await;
    }
}

fn created() -> ResponseTemplate {
    fhir(201, &json!({"resourceType": "Patient", "id": "77"}))
        .insert_header("location", "/fhir/Patient/77/_history/1")
        .insert_header("etag", "W/\"1\"")
}

async fn gateway(ehr: &Fake) -> Gateway {
    let gateway = Setup::new().partner("ehr", ehr, EHR).start().await;
    let got = gateway.submit("client", &fixture("client", "C-1001")).await;
    assert_eq!(got.status, 202, "{}", got.text());
    gateway
}

async fn job(gateway: &Gateway) -> Value {
    let story = gateway.get("/records/client/C-1001", "admin").await.json();
    story["jobs"][0].clone()
}

async fn press(gateway: &Gateway, address: &str) -> u16 {
    let why = json!({"why": "because"});
    gateway.post(address, "admin", &why).await.status
}

#[tokio::test]
async fn a_record_arrives_and_its_story_says_so() {
    let ehr = Fake::start().await;
    empty(&ehr).await;
    creates(&ehr, vec![created()]).await;
    let gateway = gateway(&ehr).await;
    assert_eq!(gateway.work().await, 1);
    let job = job(&gateway).await;
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(job["effects"][0]["their_id"], "77");
    let status = gateway.get("/status", "admin").await.json();
    assert!(
        status["headline"]
            .as_str()
            .is_some_and(|h| h.starts_with("All quiet"))
    );
}

#[tokio::test]
async fn what_a_partner_refuses_waits_for_a_person_who_retries_it() {
    let ehr = Fake::start().await;
    empty(&ehr).await;
    let refusal = json!({"resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "invalid", "diagnostics": "Canaryquill is odd"}]});
    creates(&ehr, vec![fhir(422, &refusal), created()]).await;
    let gateway = gateway(&ehr).await;
    gateway.work().await;
    let parked = job(&gateway).await;
    assert_eq!(
        (&parked["state"], &parked["reason"]),
        (&json!("parked"), &json!("refused"))
    );
    let status = gateway.get("/status", "admin").await;
    assert!(!status.text().contains("Canary"));
    assert_eq!(status.json()["partners"][0]["mood"], "needs-you");

    let id = parked["id"].as_str().expect("an id");
    assert_eq!(
        press(&gateway, &format!("/jobs/{id}/resolve-there")).await,
        409
    );
    assert_eq!(press(&gateway, &format!("/jobs/{id}/retry")).await, 200);
    gateway.work().await;
    assert_eq!(job(&gateway).await["state"], "done");
    assert_eq!(press(&gateway, &format!("/jobs/{id}/retry")).await, 409);
}

#[tokio::test]
async fn a_partner_that_is_down_is_probed_and_one_that_is_paused_is_left_alone() {
    let ehr = Fake::start().await;
    empty(&ehr).await;
    creates(&ehr, vec![ResponseTemplate::new(503), created()]).await;
    ehr.expects(
        Mock::given(method("GET"))
            .and(path("/fhir/metadata"))
            .respond_with(fhir(200, &json!({"resourceType": "CapabilityStatement"}))),
    )
    .await;
    let gateway = gateway(&ehr).await;
    gateway.work().await;
    let status = gateway.get("/status", "admin").await.json();
    assert_eq!(status["partners"][0]["mood"], "down", "{status}");
    assert_eq!(
        job(&gateway).await["attempts"],
        0,
        "an outage uses up nothing"
    );

    assert_eq!(press(&gateway, "/partners/ehr/pause").await, 200);
    gateway.advance(Duration::from_secs(3600));
    assert_eq!(gateway.work().await, 0);
    let status = gateway.get("/status", "admin").await.json();
    assert_eq!(status["partners"][0]["mood"], "paused");

    assert_eq!(press(&gateway, "/partners/ehr/resume").await, 200);
    gateway.work().await;
    assert_eq!(job(&gateway).await["state"], "done");
}

#[tokio::test]
async fn what_is_cancelled_never_leaves() {
    let ehr = Fake::start().await;
    let gateway = gateway(&ehr).await;
    let id = job(&gateway).await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(press(&gateway, &format!("/jobs/{id}/cancel")).await, 200);
    assert_eq!(gateway.work().await, 0);
    assert_eq!(job(&gateway).await["state"], "cancelled");
    let counts = gateway.get("/status", "reader").await.json();
    assert_eq!(counts["totals"]["cancelled"], 1);
}

#[tokio::test]
async fn what_nobody_understands_is_kept_and_shown_and_its_sender_has_a_receipt() {
    let ehr = Fake::start().await;
    let gateway = Setup::new().partner("ehr", &ehr, EHR).start().await;
    let send = |body: &'static str| {
        let gateway = &gateway;
        async move {
            let body = Some(("application/fhir+json", body.as_bytes().to_vec()));
            gateway
                .send(reqwest::Method::POST, "/in/ehr", "ehr", &[], body)
                .await
        }
    };
    let first = send("{\"Canary\": is no JSON").await;
    assert_eq!(first.status, 201, "{}", first.text());
    let again = send("{\"Canary\": is no JSON").await;
    assert_eq!((again.status, again.body), (201, first.body));
    let status = gateway.get("/status", "admin").await;
    assert!(!status.text().contains("Canary"));
    let status = status.json();
    assert_eq!(status["parked_inbound"].as_array().map(Vec::len), Some(1));
    assert_eq!(status["parked_inbound"][0]["door"], "ehr");
    let page = gateway
        .send(
            reqwest::Method::GET,
            "/status",
            "admin",
            &[("accept", "text/html")],
            None,
        )
        .await;
    assert!(
        page.text()
            .contains("1 inbound message could not be understood")
    );
}

/// An order at an EHR that takes it and then refuses its signature.
#[tokio::test]
async fn what_was_sent_in_part_is_taken_back_there_and_not_only_here() {
    let ehr = Fake::start().await;
    empty(&ehr).await;
    creates(&ehr, vec![created()]).await;
    let none = json!({"resourceType": "Bundle", "type": "searchset", "total": 0});
    for kind in ["MedicationRequest", "Provenance"] {
        let search = Mock::given(method("GET")).and(path(format!("/fhir/{kind}")));
        ehr.expects(search.respond_with(fhir(200, &none))).await;
    }
    let taken = fhir(201, &json!({}))
        .insert_header("location", "/fhir/MedicationRequest/m1/_history/1")
        .insert_header("etag", "W/\"1\"");
    let order = Mock::given(method("POST")).and(path("/fhir/MedicationRequest"));
    ehr.expects(order.respond_with(taken)).await;
    let refused = fhir(
        422,
        &json!({"resourceType": "OperationOutcome", "issue": []}),
    );
    let signature = Mock::given(method("POST")).and(path("/fhir/Provenance"));
    ehr.expects(signature.respond_with(refused)).await;

    let routes = EHR.replace("\"client\"", "\"medication-request\"");
    let gateway = Setup::new().partner("ehr", &ehr, &routes).start().await;
    let whole = fixture_whole("medication-request", "lithium");
    gateway.submit_whole("medication-request", &whole).await;
    gateway.work().await;
    let id = whole["record"]["order_no"].as_str().expect("an id");
    let story = format!("/records/medication-request/{id}");
    let parked = gateway.get(&story, "admin").await.json()["jobs"][0].take();
    assert_eq!(parked["state"], "parked", "{parked}");
    assert_eq!(parked["effects"][1]["their_id"], "m1", "{parked}");

    let mut cancelled = whole["record"].clone();
    cancelled["version"] = json!(2);
    cancelled["state"] = json!("cancelled");
    cancelled["state_reason"] = json!({"code": "client_choice"});
    let got = gateway.submit("medication-request", &cancelled).await;
    assert_eq!(got.status, 202, "{}", got.text());
    let job = got.json()["jobs"][0].take();
    assert_eq!(job["purpose"], "cancel", "{job}");
    assert_eq!(job["state"], "waiting", "{job}");
}
