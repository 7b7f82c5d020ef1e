//! Relays on a whole gateway: what a laboratory sends arrives at an EHR as it was, once, in its newest
//! state, and under 42 CFR Part 2 only while a consent covers it.

use std::sync::Arc;
use std::time::Duration;

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::ehr::{Kept, Options};
use fhir_gateway::demo::sim::{EhrSim, Journal};
use serde_json::{Value, json};

use crate::support::{Fake, Gateway, Setup, fixture};

struct Both {
    gateway: Gateway,
    ehr: EhrSim,
}

/// A laboratory that sends, an EHR that gets; `route` is more of the relay's block.
async fn both(route: &str) -> Both {
    let journal = Journal::new(Arc::new(System::default()));
    let ehr = EhrSim::start("ehr", journal, Options::default())
        .await
        .expect("an EHR");
    let lab = Fake::start().await;
    let gateway = Setup::new()
        .caller("ehr", "\"inbound:ehr\"")
        .partner(
            "lab",
            &lab,
            "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"",
        )
        .config(&format!(
            "[[partners]]\nid = \"ehr\"\nkind = \"ehr-fhir\"\nurl = \"{}\"\nbearer = \"x\"\n\
             create = \"conditional\"\npatients = \"created\"\n\
             takes = [\"Patient\", \"Practitioner\", \"Observation\"]\n\
             [[routes]]\nto = \"ehr\"\nrelay_from = \"lab\"\n\
             relay_types = [\"Patient\", \"Practitioner\", \"Observation\"]\n{route}",
            ehr.url()
        ))
        .start()
        .await;
    Both { gateway, ehr }
}

impl Both {
    async fn sends(&self, body: &Value) {
        let got = self.gateway.post("/in/lab", "lab", body).await;
        assert!(matches!(got.status, 200 | 201), "{}", got.text());
        self.gateway.work().await;
    }

    fn observations(&self) -> Vec<Kept> {
        self.ehr.of_type("Observation")
    }

    async fn parked(&self) -> usize {
        let status = self.gateway.get("/status", "admin").await.json();
        status["parked_inbound"].as_array().map_or(0, Vec::len)
    }
}

fn weight(value: &str, updated: &str) -> Value {
    let version: String = updated.chars().filter(char::is_ascii_digit).collect();
    let text = format!(
        r#"{{"resourceType": "Observation", "id": "o1",
            "meta": {{"versionId": "{version}", "lastUpdated": "{updated}"}},
            "extension": [{{"url": "https://lab.example/analyser", "valueString": "A-7"}}],
            "identifier": [{{"system": "https://lab.example/id", "value": "77"}}],
            "status": "final",
            "category": [{{"coding": [{{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}}]}}],
            "code": {{"coding": [{{"system": "http://loinc.org", "code": "29463-7"}}]}},
            "subject": {{"reference": "Patient/p1"}},
            "performer": [{{"reference": "Practitioner/d1"}}],
            "effectiveDateTime": "2026-11-20T08:00:00Z",
            "valueQuantity": {{"value": {value}, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}}}}"#
    );
    serde_json::from_str(&text).expect("JSON")
}

fn bundle(observation: Value) -> Value {
    let entries = [
        json!({"resourceType": "Patient", "id": "p1", "name": [{"family": "Canarylark"}]}),
        json!({"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Doe"}]}),
        observation,
    ];
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|r| json!({"resource": r}))
        .collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries})
}

#[tokio::test]
async fn a_resource_arrives_as_it_was_under_the_ids_of_the_one_who_gets_it() {
    let both = both("").await;
    both.sends(&bundle(weight("72.50", "2026-11-20T09:00:00Z")))
        .await;
    let kept = both.observations();
    assert_eq!(kept.len(), 1);
    let got = &kept[0].resource;
    let patient = &both.ehr.of_type("Patient")[0].id;
    assert_eq!(got["subject"]["reference"], format!("Patient/{patient}"));
    assert_eq!(got["valueQuantity"]["value"].to_string(), "72.50");
    assert_eq!(got["extension"][0]["valueString"], "A-7");
    let identifiers = got["identifier"].as_array().expect("identifiers");
    assert_eq!(identifiers.len(), 2);
    assert_eq!(identifiers[1]["system"], "https://clinic.example/id/other");

    // The same again, by itself and with another time stamp, is no news.
    both.sends(&weight("72.50", "2026-11-20T09:00:00Z")).await;
    both.sends(&weight("72.50", "2026-11-21T09:00:00Z")).await;
    assert_eq!(both.observations()[0].version, 1);
    // A correction goes to the same copy; what was said before it comes too late.
    both.sends(&weight("72.75", "2026-11-22T09:00:00Z")).await;
    both.sends(&weight("71", "2026-11-20T09:30:00Z")).await;
    let kept = both.observations();
    let status = both.gateway.get("/status", "admin").await.json();
    assert_eq!((kept.len(), kept[0].version), (1, 2), "{status}");
    assert_eq!(
        kept[0].resource["valueQuantity"]["value"].to_string(),
        "72.75"
    );
    assert_eq!(both.ehr.duplicates(), 0);

    let story = both
        .gateway
        .get("/records/other/lab%2FObservation%2Fo1", "reader")
        .await;
    assert_eq!(story.status, 200, "{}", story.text());
    assert_eq!(story.json()["jobs"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_comes_back_of_a_relay_is_an_echo() {
    let both = both("[[routes]]\nto = \"lab\"\nrelay_from = \"ehr\"").await;
    both.sends(&bundle(weight("72.50", "2026-11-20T09:00:00Z")))
        .await;
    let jobs = || async { both.gateway.get("/status", "admin").await.json()["jobs_made"].clone() };
    let before = jobs().await;
    let mut copy = both.observations()[0].resource.clone();
    let got = both.gateway.post("/in/ehr", "ehr", &copy).await;
    assert_eq!(got.status, 201, "{}", got.text());
    both.gateway.work().await;
    assert_eq!(
        (jobs().await, both.parked().await),
        (before.clone(), 0),
        "unchanged it ends here"
    );
    copy["valueQuantity"]["value"] = json!(80);
    copy["meta"]["versionId"] = json!("2");
    both.gateway.post("/in/ehr", "ehr", &copy).await;
    both.gateway.work().await;
    assert_eq!(
        (jobs().await, both.parked().await),
        (before, 1),
        "changed it is looked at"
    );
}

#[tokio::test]
async fn what_fails_base_r4_is_kept_or_goes_on_as_the_route_says() {
    let mut odd = weight("72.50", "2026-11-20T09:00:00Z");
    odd["status"] = json!("nearly");
    let strict = both("").await;
    strict.sends(&bundle(odd.clone())).await;
    assert!(strict.observations().is_empty());
    assert_eq!(strict.parked().await, 1);
    // The rest of a collection went on.
    assert_eq!(strict.ehr.of_type("Patient").len(), 1);

    let lenient = both("relay_check = \"warn\"").await;
    lenient.sends(&bundle(odd)).await;
    assert_eq!(lenient.observations()[0].resource["status"], "nearly");
}

#[tokio::test]
async fn part_2_leaves_only_for_a_linked_patient_under_a_consent() {
    let both = both("relay_part2 = true").await;
    let gateway = &both.gateway;
    both.sends(&weight("72.50", "2026-11-20T09:00:00Z")).await;
    assert!(both.observations().is_empty());
    let unmatched = gateway.get("/unmatched", "admin").await.json();
    assert!(unmatched.to_string().contains("p1"), "{unmatched}");

    assert_eq!(
        gateway
            .submit("client", &fixture("client", "C-1001"))
            .await
            .status,
        202
    );
    let link = json!({"partner": "lab", "their_id": "p1", "client": "C-1001"});
    let linked = gateway.post("/unmatched/link", "admin", &link).await;
    assert_eq!(linked.status, 200, "{}", linked.text());
    gateway.advance(Duration::from_secs(61));
    gateway.work().await;
    assert!(both.observations().is_empty(), "no consent covers it yet");
    let status = gateway.get("/status", "admin").await.json();
    assert_eq!(status["denials_open"], 1, "{status}");

    let consent = fixture("consent", "CO-1001");
    let got = gateway.submit("consent", &consent).await;
    assert_eq!(got.status, 202, "{}", got.text());
    gateway.work().await;
    let kept = both.observations();
    assert_eq!(kept.len(), 1);
    let notice = kept[0].resource["extension"]
        .as_array()
        .expect("extensions");
    assert!(
        notice.iter().any(|e| e["valueString"]
            .as_str()
            .is_some_and(|t| t.starts_with("42 CFR part 2"))),
        "the notice goes with it"
    );

    // Revoked: what is new stays, taking back what they have goes.
    let mut revoked = consent.clone();
    revoked["version"] = json!(2);
    revoked["revoked_on"] = json!("2026-11-23");
    assert_eq!(gateway.submit("consent", &revoked).await.status, 202);
    both.sends(&weight("72.75", "2026-11-22T09:00:00Z")).await;
    assert_eq!(both.observations()[0].version, 1);
    let mut wrong = weight("72.75", "2026-11-23T09:00:00Z");
    wrong["status"] = json!("entered-in-error");
    both.sends(&wrong).await;
    let kept = both.observations();
    assert_eq!(kept[0].resource["status"], "entered-in-error");
    assert!(
        kept[0].resource.get("valueQuantity").is_none(),
        "the least that identifies it"
    );
}
