//! What happens in the middle: an order that is changed or cancelled while its first version is on its
//! way to an EHR, or has arrived there in part.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::ehr::Options;
use fhir_gateway::demo::sim::{EhrSim, Fault, Journal};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, Request, Respond, ResponseTemplate};

use crate::support::{Fake, Gateway, Setup, fixture, fixture_whole, only_embedded, until};

/// Nothing waits longer than this.
const DEADLINE: Duration = Duration::from_secs(20);
const ORDER: &str = "/records/medication-request/RX-2026-00101";

struct Both {
    gateway: Gateway,
    ehr: EhrSim,
}

/// A clinic whose orders go to one EHR, by `more` of its block.
async fn both(more: &str) -> Both {
    let journal = Journal::new(Arc::new(System::default()));
    let ehr = EhrSim::start("ehr", journal, Options::default())
        .await
        .expect("an EHR");
    let gateway = Setup::new()
        .caller("ehr", "\"inbound:ehr\"")
        .config(&format!(
            "[[partners]]\nid = \"ehr\"\nkind = \"ehr-fhir\"\nurl = \"{}\"\nbearer = \"x\"\n\
             create = \"conditional\"\nclass = \"treating_providers\"\n{more}\n\
             [[routes]]\nto = \"ehr\"\nkinds = [\"medication-request\"]",
            ehr.url()
        ))
        .start()
        .await;
    Both { gateway, ehr }
}

impl Both {
    async fn states(&self) -> Vec<(String, String, String)> {
        states_of(&self.gateway).await
    }

    async fn submit(&self, order: &Value) {
        let got = self.gateway.submit("medication-request", order).await;
        assert_eq!(got.status, 202, "{}", got.text());
    }

    fn orders(&self) -> Vec<Value> {
        let kept = self.ehr.of_type("MedicationRequest");
        kept.into_iter().map(|k| k.resource).collect()
    }
}

/// The order's versions: signed, and cancelled.
fn order() -> (Value, Value, Value) {
    let whole = fixture_whole("medication-request", "sertraline");
    let mut cancelled = whole["record"].clone();
    cancelled["version"] = json!(2);
    cancelled["state"] = json!("cancelled");
    let first = whole["record"].clone();
    (whole, first, cancelled)
}

fn triple(purpose: &str, state: &str, reason: &str) -> (String, String, String) {
    (purpose.to_owned(), state.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_cancel_takes_back_what_arrived_in_part() {
    let both = both("patients = \"created\"").await;
    let (whole, _, cancelled) = order();
    both.ehr
        .faults()
        .writes([None, None, Some(Fault::Unavailable)]);
    both.gateway
        .submit_whole("medication-request", &whole)
        .await;
    both.gateway.work().await;
    assert_eq!(both.orders().len(), 1, "the order is there");
    let waiting = both.states().await;
    assert_eq!(waiting[0].1, "waiting", "and something of it is not");
    both.submit(&cancelled).await;
    both.gateway.advance(Duration::from_secs(60));
    both.gateway.work().await;
    assert_eq!(
        both.orders()[0]["status"],
        "cancelled",
        "{:?}",
        both.states().await
    );
}

/// Answers a create with 503, but only when it is told to; says when it was asked.
struct Held {
    asked: Mutex<mpsc::Sender<()>>,
    go: Mutex<mpsc::Receiver<u16>>,
}

impl Respond for Held {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let _ = self.asked.lock().expect("a lock").send(());
        let said = self.go.lock().expect("a lock").recv_timeout(DEADLINE);
        ResponseTemplate::new(said.unwrap_or(500))
    }
}

/// An order on its way to an EHR that holds its answer; the EHR answers with `status` once the cancel was
/// accepted.
async fn cancelled_in_flight(status: u16) -> (Gateway, Fake) {
    let ehr = Fake::start().await;
    let (asked, was_asked) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let held = Held {
        asked: Mutex::new(asked),
        go: Mutex::new(gone),
    };
    ehr.expects(
        Mock::given(method("POST"))
            .and(path("/fhir/MedicationRequest"))
            .respond_with(held)
            .up_to_n_times(1),
    )
    .await;
    ehr.expects(
        Mock::given(method("GET"))
            .and(path("/fhir/metadata"))
            .respond_with(ResponseTemplate::new(200)),
    )
    .await;
    let gateway = Setup::new()
        .partner(
            "ehr",
            &ehr,
            "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"\ncreate = \"conditional\"\n\
             patients = \"configured\"\npatient_ids = { \"C-1007\" = \"p7\" }\n\
             [[routes]]\nto = \"ehr\"\nkinds = [\"medication-request\"]",
        )
        .start()
        .await;
    let (whole, _, cancelled) = order();
    gateway.submit_whole("medication-request", &whole).await;
    let meanwhile = async {
        let asked = tokio::task::spawn_blocking(move || was_asked.recv_timeout(DEADLINE));
        asked
            .await
            .expect("it ends")
            .expect("the order is on its way");
        let got = gateway.submit("medication-request", &cancelled).await;
        assert_eq!(got.status, 202, "{}", got.text());
        go.send(status).expect("somebody waits");
    };
    tokio::join!(gateway.work(), meanwhile);
    for _ in 0..8 {
        gateway.advance(Duration::from_secs(36_000));
        gateway.work().await;
    }
    (gateway, ehr)
}

async fn states_of(gateway: &Gateway) -> Vec<(String, String, String)> {
    let story = gateway.get(ORDER, "reader").await.json();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let jobs = story["jobs"].as_array().cloned().unwrap_or_default();
    jobs.iter()
        .map(|j| (text(&j["purpose"]), text(&j["state"]), text(&j["reason"])))
        .collect()
}

#[tokio::test]
async fn what_did_not_arrive_before_its_cancel_never_leaves_again() {
    for status in [503, 422, 425] {
        let (gateway, _ehr) = cancelled_in_flight(status).await;
        assert_eq!(
            states_of(&gateway).await,
            [
                triple("copy", "cancelled", "cancelled-in-chain"),
                triple("cancel", "cancelled", "nothing-there"),
            ],
            "{status}"
        );
    }
}

/// The patient is known, so only the order is sent; the node dies before it hears the answer. What is asked
/// about is the order, not the patient who was found long ago.
#[tokio::test]
async fn what_a_dead_node_sent_after_what_it_skipped_is_asked_about_and_taken_back() {
    if only_embedded("leases go by the server's clock, which no test sets forward") {
        return;
    }
    let both = both("patients = \"created\"\n[[routes]]\nto = \"ehr\"\nkinds = [\"client\"]").await;
    let (whole, _, cancelled) = order();
    both.gateway.submit_context(&whole["context"]).await;
    both.gateway.work().await;
    assert_eq!(both.ehr.of_type("Patient").len(), 1);
    both.submit(&whole["record"]).await;
    both.ehr.faults().writes([Some(Fault::SilentAfter)]);
    tokio::select! {
        _ = both.gateway.work() => panic!("it hears an answer"),
        () = until("the order is there", async || both.orders().len() == 1) => {}
    }
    both.submit(&cancelled).await;
    for _ in 0..4 {
        both.gateway.advance(Duration::from_secs(400));
        both.gateway.work().await;
    }
    assert_eq!(both.orders()[0]["status"], "cancelled");
    assert_eq!(
        both.states().await,
        [
            triple("copy", "superseded", "replaced"),
            triple("cancel", "done", "delivered"),
        ]
    );
}

#[tokio::test]
async fn patients_who_were_not_found_are_released_together_once_one_is() {
    let both = both("patients = \"searched\"").await;
    let (whole, first, _) = order();
    both.gateway
        .submit_whole("medication-request", &whole)
        .await;
    let mut other = first.clone();
    other["order_no"] = json!("RX-2026-00199");
    both.gateway.work().await;
    assert_eq!(
        both.states().await,
        [triple("copy", "parked", "patient-unknown")]
    );
    both.ehr.put(json!({"resourceType": "Patient",
        "identifier": [{"system": "https://clinic.example/id/client", "value": "C-1007"}]}));
    both.submit(&other).await;
    both.gateway.work().await;
    assert_eq!(both.orders().len(), 2, "the first one went on, too");
    assert_eq!(both.states().await[0].1, "done");
}

#[tokio::test]
async fn a_patient_who_is_there_twice_waits_for_the_registrar() {
    let both = both("patients = \"searched\"").await;
    let (whole, ..) = order();
    let twin = json!({"resourceType": "Patient",
        "identifier": [{"system": "https://clinic.example/id/client", "value": "C-1007"}]});
    let right = both.ehr.put(twin.clone());
    both.ehr.put(twin);
    both.gateway
        .submit_whole("medication-request", &whole)
        .await;
    both.gateway.work().await;
    assert_eq!(
        both.states().await,
        [triple("copy", "parked", "patient-ambiguous")]
    );
    let link = json!({"partner": "ehr", "their_id": right, "client": "C-1007"});
    let got = both.gateway.post("/unmatched/link", "admin", &link).await;
    assert_eq!(got.status, 200, "{}", got.text());
    both.gateway.work().await;
    let subject = &both.orders()[0]["subject"]["reference"];
    assert_eq!(*subject, format!("Patient/{right}"));
}

#[tokio::test]
async fn an_older_copy_that_is_found_is_not_taken_for_what_was_sent() {
    let both = both("patients = \"created\"").await;
    let (whole, ..) = order();
    let older = json!({"resourceType": "MedicationRequest", "status": "draft", "intent": "order",
        "identifier": [{"system": "https://clinic.example/id/medication-request", "value": "RX-2026-00101"}]});
    both.ehr.put(older);
    both.ehr.faults().writes([None, Some(Fault::ResetAfter)]);
    both.gateway
        .submit_whole("medication-request", &whole)
        .await;
    for _ in 0..4 {
        both.gateway.work().await;
        both.gateway.advance(Duration::from_secs(400));
    }
    let orders = both.orders();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0]["status"], "active", "{:?}", both.states().await);
}

#[tokio::test]
async fn a_merge_holds_both_patients_until_it_arrived_and_then_there_is_one() {
    let journal = Journal::new(Arc::new(System::default()));
    let ehr = EhrSim::start("ehr", journal, Options::default())
        .await
        .expect("an EHR");
    let gateway = Setup::new()
        .partner_at(
            "ehr",
            &ehr.url(),
            "kind = \"ehr-fhir\"\nurl = \"{url}\"\nbearer = \"x\"\ncreate = \"conditional\"\n\
             patients = \"created\"\nclass = \"treating_providers\"\n\
             [[routes]]\nto = \"ehr\"\nkinds = [\"client\", \"client-merge\", \"medication-request\"]",
        )
        .start()
        .await;
    let (whole, ..) = order();
    for client in ["C-1001", "C-1007"] {
        let got = gateway.submit("client", &fixture("client", client)).await;
        assert_eq!(got.status, 202, "{}", got.text());
    }
    gateway.work().await;
    // C-1007 turns out to be C-1001; the merge cannot be told at once.
    ehr.faults().writes([Some(Fault::ServerError)]);
    let merge = json!({"merge_id": "M-77", "version": 1, "survivor_client_no": "C-1001",
        "merged_client_no": "C-1007", "merged_on": "2026-11-23"});
    let got = gateway.submit("client-merge", &merge).await;
    assert_eq!(got.status, 202, "{}", got.text());
    gateway.work().await;
    gateway.submit_whole("medication-request", &whole).await;
    gateway.work().await;
    assert!(ehr.of_type("MedicationRequest").is_empty(), "held");
    for _ in 0..4 {
        gateway.advance(Duration::from_secs(400));
        gateway.work().await;
    }
    let patients = ehr.of_type("Patient");
    let survivor = patients
        .iter()
        .find(|p| p.resource["link"][0]["type"] == "replaces")
        .expect("the survivor");
    let orders = ehr.of_type("MedicationRequest");
    assert_eq!(
        orders[0].resource["subject"]["reference"],
        format!("Patient/{}", survivor.id)
    );
    // What the clinic says of the merged one later is not written over the survivor.
    let mut late = fixture("client", "C-1007");
    late["version"] = json!(2);
    late["name"]["last"] = json!("Canarylate");
    let got = gateway.submit("client", &late).await;
    assert_eq!(got.status, 202, "{}", got.text());
    gateway.work().await;
    let all: Vec<String> = ehr
        .of_type("Patient")
        .iter()
        .map(|p| p.resource.to_string())
        .collect();
    assert!(all.iter().all(|p| !p.contains("Canarylate")), "{all:?}");
    let story = gateway.get("/records/client/C-1007", "reader").await.json();
    assert_eq!(story["jobs"][1]["reason"], "not-needed");
}
