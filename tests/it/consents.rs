//! 42 CFR Part 2 on a whole gateway: consent at acceptance, between acceptance and attempt, revoked, given
//! again; what leaves is labelled and carries the notice, and what takes back carries the least.

use std::sync::Arc;

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::ehr::{Kept, Options};
use fhir_gateway::demo::sim::{EhrSim, Journal};
use serde_json::{Value, json};

use crate::middleman::Middleman;
use crate::support::{Gateway, Setup, fixture, fixture_whole};

const STORY: &str = "/records/observation/M-2002";

struct Both {
    gateway: Gateway,
    ehr: EhrSim,
}

/// A clinic under Part 2 whose measures go to one EHR; its client, episode and staff are there.
async fn both() -> Both {
    let ehr = ehr().await;
    let url = ehr.url();
    behind(ehr, &url).await
}

async fn ehr() -> EhrSim {
    let journal = Journal::new(Arc::new(System::default()));
    EhrSim::start("ehr", journal, Options::default())
        .await
        .expect("an EHR")
}

/// The EHR, reached under an address.
async fn behind(ehr: EhrSim, url: &str) -> Both {
    let gateway = Setup::new()
        .config(&format!(
            "[[partners]]\nid = \"ehr\"\nkind = \"ehr-fhir\"\nurl = \"{}\"\nbearer = \"x\"\n\
             create = \"conditional\"\npatients = \"created\"\nclass = \"treating_providers\"\n\
             [[routes]]\nto = \"ehr\"\nkinds = [\"observation\", \"medication-request\"]",
            url
        ))
        .start()
        .await;
    Both { gateway, ehr }
}

fn screen(version: u64, analytes: usize) -> Value {
    let mut record = fixture("observation", "uds-negative");
    record["version"] = json!(version);
    if version > 1 {
        record["status"] = json!("amended");
    }
    let all = record["uds"]["analytes"].as_array_mut().expect("analytes");
    all.truncate(analytes);
    record
}

impl Both {
    async fn submit(&self, kind: &str, record: &Value) -> Value {
        let got = self.gateway.submit(kind, record).await;
        assert_eq!(got.status, 202, "{}", got.text());
        got.json()
    }

    async fn consent(&self, version: u64, revoked: bool) {
        let mut consent = json!({"consent_id": "CO-9001", "version": version, "client_no": "C-1002",
            "kind": "tpo_part2", "granted_to": ["treating_providers"], "purpose": ["treatment"],
            "info_scope": ["uds", "med_orders"], "signed_on": "2026-10-01"});
        if revoked {
            consent["revoked_on"] = json!("2026-11-24");
        }
        self.submit("consent", &consent).await;
    }

    async fn states(&self) -> Vec<(String, String)> {
        let story = self.gateway.get(STORY, "reader").await.json();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let jobs = story["jobs"].as_array().cloned().unwrap_or_default();
        jobs.iter()
            .map(|j| (text(&j["state"]), text(&j["reason"])))
            .collect()
    }

    fn observations(&self) -> Vec<Kept> {
        self.ehr.of_type("Observation")
    }

    fn in_error(&self) -> usize {
        let all = self.observations();
        all.iter()
            .filter(|k| k.resource["status"] == "entered-in-error")
            .count()
    }

    fn labelled_and_noticed(&self) {
        for kept in self.ehr.kept() {
            let labels = kept.resource["meta"]["security"].to_string();
            assert!(
                labels.contains("42CFRPart2"),
                "{}: {labels}",
                kept.resource_type
            );
            let notice = kept.resource["extension"].to_string();
            assert!(
                notice.contains("42 CFR part 2") || kept.resource_type == "Patient",
                "{}",
                kept.resource_type
            );
        }
    }
}

async fn with_context() -> Both {
    told(both().await).await
}

/// With whom and what everything leans on.
async fn told(both: Both) -> Both {
    let whole = fixture_whole("observation", "uds-negative");
    for (role, kind) in [("client", "client"), ("episode", "episode")] {
        both.submit(kind, &whole["context"][role]).await;
    }
    both.submit("staff", &fixture("staff", "S-03")).await;
    both
}

#[tokio::test]
async fn what_leaves_is_labelled_and_carries_the_notice_the_patient_too() {
    let both = with_context().await;
    both.consent(1, false).await;
    both.submit("observation", &screen(1, 5)).await;
    both.submit("observation", &screen(2, 4)).await;
    both.gateway.work().await;
    both.submit("observation", &screen(3, 3)).await;
    both.gateway.work().await;
    assert_eq!((both.observations().len(), both.in_error()), (5, 1));
    both.labelled_and_noticed();
}

#[tokio::test]
async fn a_denial_decided_anew_takes_back_what_its_version_lacks() {
    let both = with_context().await;
    both.consent(1, false).await;
    both.submit("observation", &screen(1, 5)).await;
    both.gateway.work().await;
    assert_eq!(both.observations().len(), 6);
    both.consent(2, true).await;
    let denied = both.submit("observation", &screen(2, 4)).await;
    assert_eq!(denied["denied"][0]["why"], "consent-revoked");
    both.gateway.work().await;
    assert_eq!(both.in_error(), 0);
    both.consent(3, false).await;
    both.gateway.work().await;
    assert_eq!(both.in_error(), 1, "{:?}", both.states().await);
    both.labelled_and_noticed();
}

#[tokio::test]
async fn revoked_between_acceptance_and_attempt_it_is_held_and_holds_nobody() {
    let both = with_context().await;
    both.consent(1, false).await;
    both.submit("observation", &screen(1, 5)).await;
    both.consent(2, true).await;
    both.gateway.work().await;
    let held = ("waiting".to_owned(), "consent".to_owned());
    assert_eq!(both.states().await, [held]);
    assert!(both.ehr.kept().is_empty());
    // A newer version that is allowed goes, and the held one is no longer wanted.
    both.consent(3, false).await;
    both.consent(4, true).await;
    both.submit("observation", &screen(2, 5)).await;
    both.consent(5, false).await;
    both.gateway.work().await;
    let states = both.states().await;
    assert_eq!(states[0].0, "superseded", "{states:?}");
    assert_eq!(states[1].0, "done");
    assert_eq!(both.observations()[0].version, 1);
}

#[tokio::test]
async fn revoked_while_it_is_sent_the_rest_of_it_stays() {
    let ehr = ehr().await;
    let middle = Middleman::before(&ehr.url()).await;
    let both = told(behind(ehr, middle.url()).await).await;
    both.consent(1, false).await;
    both.submit("observation", &screen(1, 5)).await;
    // The patient is looked for and made, one part goes, and the next is on its way.
    middle.stop_at(4);
    let revoked = async {
        middle.reached().await;
        both.consent(2, true).await;
        middle.go_on();
    };
    tokio::join!(both.gateway.work(), revoked);
    let held = ("waiting".to_owned(), "consent".to_owned());
    assert_eq!(both.states().await, [held]);
    assert_eq!(both.observations().len(), 2, "what had left by then");
    let story = both.gateway.get(STORY, "reader").await.json();
    let effects = story["jobs"][0]["effects"].as_array().expect("effects");
    let done = effects.iter().filter(|e| e["done"] == json!(true)).count();
    assert_eq!((done, effects.len()), (3, 7), "{effects:?}");
    // Given again, it goes on with what is left, each part once.
    both.consent(3, false).await;
    both.gateway.work().await;
    assert_eq!(both.states().await[0].0, "done");
    assert_eq!(both.observations().len(), 6);
    assert_eq!(both.ehr.duplicates(), 0);
    both.labelled_and_noticed();
}

#[tokio::test]
async fn taking_back_passes_the_gate_with_the_least_and_what_never_left_is_not_taken_back() {
    let both = with_context().await;
    both.consent(1, false).await;
    both.submit("observation", &screen(1, 5)).await;
    both.gateway.work().await;
    both.consent(2, true).await;
    let mut wrong = screen(2, 5);
    wrong["status"] = json!("error");
    both.submit("observation", &wrong).await;
    both.gateway.work().await;
    let story = both.gateway.get(STORY, "reader").await.json();
    assert_eq!(
        both.in_error(),
        6,
        "the panel and all that it has: {}",
        story["jobs"]
    );
    for taken in both.observations() {
        for told in [
            "hasMember",
            "effectiveDateTime",
            "performer",
            "note",
            "valueCodeableConcept",
            "interpretation",
        ] {
            assert!(taken.resource.get(told).is_none(), "{told}");
        }
    }
    // Another one that was denied from the beginning.
    let mut other = screen(1, 5);
    other["measure_id"] = json!("M-2999");
    both.submit("observation", &other).await;
    other["version"] = json!(2);
    other["status"] = json!("error");
    let said = both.submit("observation", &other).await;
    assert_eq!(said["jobs"][0]["state"], "cancelled");
    both.gateway.work().await;
    assert_eq!(both.observations().len(), 6);
}
