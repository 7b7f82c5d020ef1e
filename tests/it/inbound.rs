//! What an EHR sends by its door: results become the clinic's records, fills are linked to their
//! order, a changed copy becomes an event, and nothing of it is believed without its order or patient.

use std::sync::Arc;

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::ehr::Options;
use fhir_gateway::demo::sim::{EhrSim, Journal};
use serde_json::{Value, json};

use crate::support::{Gateway, Setup, fixture, fixture_whole};

struct Both {
    gateway: Gateway,
    ehr: EhrSim,
}

/// A clinic whose orders, and clients with them, go to one EHR.
async fn both() -> Both {
    let journal = Journal::new(Arc::new(System::default()));
    let ehr = EhrSim::start("ehr", journal, Options::default())
        .await
        .expect("an EHR");
    let gateway = Setup::new()
        .caller("ehr", "\"inbound:ehr\"")
        .config(&format!(
            "[[partners]]\nid = \"ehr\"\nkind = \"ehr-fhir\"\nurl = \"{}\"\nbearer = \"x\"\n\
             create = \"conditional\"\npatients = \"created\"\nclass = \"treating_providers\"\n\
             [[routes]]\nto = \"ehr\"\nkinds = [\"medication-request\", \"client\"]",
            ehr.url()
        ))
        .start()
        .await;
    Both { gateway, ehr }
}

impl Both {
    /// A fixture with all that it leans on; delivered.
    async fn submit_case(&self, kind: &str, case: &str) {
        self.gateway
            .submit_whole(kind, &fixture_whole(kind, case))
            .await;
        self.gateway.work().await;
    }

    async fn sends(&self, body: &Value) {
        let got = self.gateway.post("/in/ehr", "ehr", body).await;
        assert!(matches!(got.status, 200 | 201), "{}", got.text());
        self.gateway.work().await;
    }

    /// What the clinic hears, oldest first.
    async fn feed(&self) -> Vec<Value> {
        let feed = self.gateway.get("/feed?after=0", "clinic-system").await;
        feed.json()["entries"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// The rules of what is parked.
    async fn parked(&self) -> String {
        let status = self.gateway.get("/status", "admin").await.json();
        status["parked_inbound"].to_string()
    }

    fn their(&self, resource_type: &str) -> String {
        let kept = self.ehr.of_type(resource_type);
        format!("{resource_type}/{}", kept[0].id)
    }
}

fn lithium(patient: &str, status: &str, value: &str, version: u64) -> Value {
    let mut level = json!({
        "resourceType": "Observation", "id": "lab-1", "meta": {"versionId": version.to_string()},
        "status": status,
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "14334-7"}], "text": "Lithium"},
        "subject": {"reference": patient},
        "effectiveDateTime": "2026-11-20T08:00:00-05:00",
        "valueQuantity": {"unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
    });
    level["valueQuantity"]["value"] = serde_json::from_str(value).expect("a number");
    level
}

#[tokio::test]
async fn a_result_of_theirs_becomes_a_record_and_its_amendment_a_version() {
    let both = both().await;
    both.submit_case("client", "C-1007").await;
    let patient = both.their("Patient");
    both.sends(&lithium(&patient, "preliminary", "0.80", 1))
        .await;
    both.sends(&lithium(&patient, "preliminary", "0.80", 1))
        .await;
    both.sends(&lithium(&patient, "final", "0.850", 2)).await;
    let feed = both.feed().await;
    assert_eq!(feed.len(), 2, "{feed:?}");
    let newest = &feed[1];
    assert_eq!(newest["kind"], "observation");
    assert_eq!(newest["version"], 2);
    assert_eq!(newest["record"]["client_no"], "C-1007");
    assert!(newest["record"].to_string().contains("0.850"), "{newest}");
    // What they said before that comes late, and is no news.
    let mut late = lithium(&patient, "preliminary", "0.8", 1);
    late["note"] = json!([{"text": "sent again"}]);
    late["meta"]["versionId"] = json!("01");
    both.sends(&late).await;
    assert_eq!(both.feed().await.len(), 2);
    assert_eq!(both.parked().await, "[]");
    // It does not go back to whoever brought it.
    assert_eq!(both.ehr.of_type("Observation").len(), 0);
}

#[tokio::test]
async fn a_patient_whom_nobody_knows_is_shown_and_linked_and_what_waited_goes_on() {
    let both = both().await;
    both.submit_case("client", "C-1007").await;
    both.sends(&lithium("Patient/zz9", "final", "0.80", 1))
        .await;
    assert!(both.feed().await.is_empty());
    let link = json!({"partner": "ehr", "their_id": "zz9", "client": "C-1007"});
    let got = both.gateway.post("/unmatched/link", "admin", &link).await;
    assert_eq!(got.status, 200, "{}", got.text());
    both.gateway.work().await;
    assert_eq!(both.feed().await.len(), 1, "at once, not a minute later");
}

#[tokio::test]
async fn a_fill_of_theirs_is_linked_to_the_order_that_they_have_of_ours() {
    let both = both().await;
    both.submit_case("medication-request", "sertraline").await;
    let fill = |id: &str, prescription: &str, patient: &str| {
        json!({
            "resourceType": "MedicationDispense", "id": id, "status": "completed",
            "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "312941"}],
                "text": "sertraline 50 MG Oral Tablet"},
            "subject": {"reference": patient},
            "authorizingPrescription": [{"reference": prescription}],
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "FF"}]},
            "quantity": {"value": 30, "unit": "tablet"},
            "whenHandedOver": "2026-11-22T10:00:00-05:00",
        })
    };
    let (order, patient) = (both.their("MedicationRequest"), both.their("Patient"));
    both.sends(&fill("d1", &order, &patient)).await;
    let feed = both.feed().await;
    assert_eq!(feed.len(), 1, "{}", both.parked().await);
    assert_eq!(feed[0]["kind"], "dispense");
    assert_eq!(feed[0]["record"]["order_no"], "RX-2026-00101");
    assert_eq!(feed[0]["record"]["status"], "filled");

    // Of an order that they do not have of ours, or of somebody else's: kept, shown, not believed.
    both.sends(&fill("d2", "MedicationRequest/unknown", &patient))
        .await;
    assert!(both.parked().await.contains("order-unknown"));
    both.submit_case("client", "C-1003").await;
    let others = both.ehr.of_type("Patient");
    let other = others
        .iter()
        .map(|p| format!("Patient/{}", p.id))
        .find(|p| *p != patient)
        .expect("another patient");
    both.sends(&fill("d3", &order, &other)).await;
    assert!(both.parked().await.contains("fill-of-another"));
    assert_eq!(both.feed().await.len(), 1);
}

#[tokio::test]
async fn a_copy_that_was_changed_there_becomes_an_event_and_an_unchanged_one_nothing() {
    let both = both().await;
    both.submit_case("medication-request", "sertraline").await;
    let copy = both.ehr.of_type("MedicationRequest")[0].resource.clone();
    both.sends(&copy).await;
    assert!(both.feed().await.is_empty());
    let mut changed = copy;
    changed["status"] = json!("stopped");
    changed["meta"]["versionId"] = json!("2");
    both.sends(&changed).await;
    let feed = both.feed().await;
    assert_eq!(feed.len(), 1, "{}", both.parked().await);
    assert_eq!(feed[0]["record"]["event"], "changed_outside");
    assert_eq!(feed[0]["record"]["outside_status"], "stopped");
    // Our order is as it was.
    let story = both
        .gateway
        .get("/records/medication-request/RX-2026-00101", "reader")
        .await;
    assert_eq!(story.json()["versions"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_receipted_and_a_bad_entry_keeps_out_its_transaction() {
    let both = both().await;
    both.submit_case("client", "C-1007").await;
    let patient = both.their("Patient");
    let got = both
        .gateway
        .send(
            reqwest::Method::POST,
            "/in/ehr",
            "ehr",
            &[],
            Some((
                "application/fhir+json",
                b"{\"resourceType\": \"Obs".to_vec(),
            )),
        )
        .await;
    assert_eq!(got.status, 201, "we have it, whatever it is");
    let mut odd = lithium(&patient, "nearly", "0.8", 1);
    odd["id"] = json!("lab-2");
    let whole = |kind: &str| {
        let entry =
            |r: Value| json!({"resource": r, "request": {"method": "POST", "url": "Observation"}});
        json!({"resourceType": "Bundle", "type": kind,
            "entry": [entry(lithium(&patient, "final", "0.8", 1)), entry(odd.clone())]})
    };
    both.sends(&whole("transaction")).await;
    assert!(both.feed().await.is_empty(), "all of it or nothing");
    both.sends(&whole("batch")).await;
    assert_eq!(both.feed().await.len(), 1, "entry by entry");
    let status = both.gateway.get("/status", "admin").await.json();
    assert_eq!(status["parked_inbound"].as_array().map(Vec::len), Some(3));
    assert!(fixture("client", "C-1007").is_object());
}

#[tokio::test]
async fn a_plan_of_theirs_becomes_a_plan_and_its_change_a_revision() {
    let both = both().await;
    both.submit_case("client", "C-1007").await;
    let mut plan = json!({"resourceType": "CarePlan", "id": "plan-1", "status": "active",
        "intent": "plan", "title": "One", "subject": {"reference": both.their("Patient")}});
    both.sends(&plan).await;
    plan["title"] = json!("Two");
    both.sends(&plan).await;
    let feed = both.feed().await;
    let revisions: Vec<&Value> = feed.iter().map(|e| &e["record"]["rev"]).collect();
    assert_eq!(revisions, [&json!(1), &json!(2)], "{}", both.parked().await);
}

#[tokio::test]
async fn an_echo_is_compared_with_what_went_there_and_known_by_its_own_identifier_only() {
    let both = both().await;
    both.submit_case("medication-request", "sertraline").await;
    let copy = both.ehr.of_type("MedicationRequest")[0].resource.clone();
    // A second version waits for the EHR to come back; its notice of the first one comes meanwhile.
    let mut second = fixture("medication-request", "sertraline");
    second["version"] = json!(2);
    second["sig_text"] = json!("Take 1 tablet by mouth every evening.");
    assert_eq!(
        both.gateway
            .submit("medication-request", &second)
            .await
            .status,
        202
    );
    let got = both.gateway.post("/in/ehr", "ehr", &copy).await;
    assert_eq!(got.status, 201);
    both.gateway.work().await;
    assert!(both.feed().await.is_empty(), "no change of theirs");
    assert_eq!(both.parked().await, "[]");

    // An order of theirs that names ours as its placer's is theirs.
    let mut theirs = copy.clone();
    theirs["id"] = json!("t1");
    theirs["status"] = json!("on-hold");
    theirs["identifier"][0]["type"] = json!({"coding": [{"code": "PLAC"}]});
    both.sends(&theirs).await;
    let feed = both.feed().await;
    assert!(
        feed.iter()
            .all(|e| e["record"]["event"] != "changed_outside"),
        "{feed:?} {}",
        both.parked().await
    );

    // Ours that stands behind another identifier is ours still, and taken back it says so and no more.
    let mut cancelled = second;
    cancelled["version"] = json!(3);
    cancelled["state"] = json!("cancelled");
    assert_eq!(
        both.gateway
            .submit("medication-request", &cancelled)
            .await
            .status,
        202
    );
    both.gateway.work().await;
    let before = both.feed().await.len();
    let mut copy = both.ehr.of_type("MedicationRequest")[0].resource.clone();
    assert_eq!(copy["status"], "cancelled");
    let ours = copy["identifier"][0].clone();
    copy["identifier"] = json!([
        {"system": "https://clinic.example/id/medication-request", "value": "RX-UNKNOWN"}, ours]);
    both.sends(&copy).await;
    assert_eq!(both.feed().await.len(), before, "{}", both.parked().await);
    copy["status"] = json!("active");
    copy["meta"]["versionId"] = json!("99");
    both.sends(&copy).await;
    assert_eq!(both.feed().await.len(), before + 1);
}

#[tokio::test]
async fn a_patient_who_carries_two_of_our_numbers_waits_for_a_person() {
    let both = both().await;
    both.submit_case("client", "C-1007").await;
    both.submit_case("client", "C-1001").await;
    let named = |no: &str| json!({"system": "https://clinic.example/id/client", "value": no});
    let patient = json!({"resourceType": "Patient", "id": "zz9",
        "identifier": [named("C-1007"), named("C-1001")]});
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": patient}, {"resource": lithium("Patient/zz9", "final", "0.80", 1)}]});
    both.sends(&bundle).await;
    assert!(both.feed().await.is_empty());
    let link = json!({"partner": "ehr", "their_id": "zz9", "client": "C-1001"});
    let got = both.gateway.post("/unmatched/link", "admin", &link).await;
    assert_eq!(got.status, 200, "{}", got.text());
    both.gateway.work().await;
    let feed = both.feed().await;
    assert_eq!(feed[0]["record"]["client_no"], "C-1001");
}
