//! Jobs that people have made anew, on a whole gateway: replays, edits, reroutes, and the second person.

use std::sync::Arc;
use std::time::Duration;

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::ehr::Options;
use fhir_gateway::demo::sim::{EhrSim, Fault, Journal};
use serde_json::{Value, json};

use crate::pharmacy::house::{House, NAME, next, two_pharmacies};
use crate::support::{Gateway, Setup, fixture, fixture_whole};

struct Desk {
    gateway: Gateway,
    ehr: EhrSim,
}

/// A clinic whose clients and observations go to one EHR.
async fn desk(more: &str) -> Desk {
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
             [[routes]]\nto = \"ehr\"\nkinds = [\"client\", \"observation\"]",
        )
        .caller("second", "\"operate\"")
        .config(more)
        .start()
        .await;
    Desk { gateway, ehr }
}

impl Desk {
    async fn post(&self, path: &str, who: &str, body: Value) -> (u16, Value) {
        let got = self.gateway.post(path, who, &body).await;
        assert!(!got.text().contains("Canary"), "{path} names a patient");
        (got.status, got.json())
    }

    async fn see(&self, path: &str) -> Value {
        let got = self.gateway.get(path, "admin").await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        assert!(!got.text().contains("Canary"), "{path} names a patient");
        got.json()
    }

    /// The status page, as somebody sees it.
    async fn page(&self, who: &str) -> String {
        let html = [("accept", "text/html")];
        let get = reqwest::Method::GET;
        let got = self.gateway.send(get, "/status", who, &html, None).await;
        assert_eq!(got.status, 200);
        assert!(!got.text().contains("Canary"), "the page names a patient");
        got.text()
    }

    /// A button of a page; where it leads.
    async fn press(&self, path: &str, who: &str) -> u16 {
        let html = [("accept", "text/html")];
        let form = "application/x-www-form-urlencoded";
        let body = Some((form, b"back=%2Fstatus".to_vec()));
        let post = reqwest::Method::POST;
        self.gateway.send(post, path, who, &html, body).await.status
    }

    async fn clients(&self) {
        for id in ["C-1001", "C-1002", "C-1003"] {
            let got = self.gateway.submit("client", &fixture("client", id)).await;
            assert_eq!(got.status, 202, "{}", got.text());
        }
        self.gateway.work().await;
    }

    async fn done(&self) -> usize {
        let done = self.see("/jobs?state=done").await;
        done["jobs"].as_array().map_or(0, Vec::len)
    }
}

#[tokio::test]
async fn a_replay_is_tried_dry_goes_step_by_step_and_once() {
    let desk = desk("").await;
    desk.clients().await;
    let filter = json!({"partner": "ehr", "kind": "client", "rate_per_s": 2});
    let (status, dry) = desk.post("/replays/dry-run", "admin", filter.clone()).await;
    assert_eq!(status, 200, "{dry}");
    let counts =
        ["anew", "retried", "compared", "same", "differs", "eta_s"].map(|k| dry[k].clone());
    assert_eq!(counts, [3, 0, 3, 3, 0, 2].map(|n| json!(n)), "{dry}");
    assert_eq!(desk.done().await, 3, "it does nothing");

    let mut start = filter;
    start["id"] = json!("R-1");
    start["why"] = json!("they restored a backup");
    let (status, begun) = desk.post("/replays", "admin", start.clone()).await;
    assert_eq!(
        (status, &begun["state"]),
        (202, &json!("running")),
        "{begun}"
    );
    let (status, again) = desk.post("/replays", "admin", start.clone()).await;
    assert_eq!((status, &again["id"]), (200, &json!("R-1")));
    start["kind"] = json!("observation");
    assert_eq!(desk.post("/replays", "admin", start).await.0, 409);

    let status = desk.see("/status").await;
    assert_eq!(status["replays"][0]["id"], "R-1");
    desk.gateway.work().await;
    assert_eq!(desk.done().await, 5, "two in the first second");
    desk.gateway.advance(Duration::from_secs(1));
    desk.gateway.work().await;
    assert_eq!(desk.done().await, 6);
    desk.gateway.advance(Duration::from_secs(5));
    desk.gateway.work().await;
    let end = desk.see("/replays/R-1").await;
    assert_eq!(
        (&end["state"], &end["made"], &end["looked_through_percent"]),
        (&json!("done"), &json!(3), &json!(100)),
        "{end}"
    );
    assert_eq!(desk.done().await, 6, "and no more");
    assert_eq!(desk.ehr.of_type("Patient").len(), 3, "they are the same");
    let status = desk.see("/status").await;
    assert_eq!(status["adds_up"], true);
}

#[tokio::test]
async fn a_replay_goes_on_after_a_restart_and_stops_when_it_is_told() {
    let mut desk = desk("").await;
    desk.clients().await;
    let start = json!({"partner": "ehr", "rate_per_s": 1, "id": "R-2", "why": "x"});
    assert_eq!(desk.post("/replays", "admin", start).await.0, 202);
    desk.gateway.work().await;
    desk.gateway.restart().await;
    desk.gateway.advance(Duration::from_secs(1));
    desk.gateway.work().await;
    let there = desk.see("/replays/R-2").await;
    assert_eq!(
        (&there["state"], &there["made"]),
        (&json!("running"), &json!(2))
    );
    let why = json!({"why": "enough"});
    assert_eq!(
        desk.post("/replays/R-2/cancel", "admin", why.clone())
            .await
            .0,
        200
    );
    assert_eq!(desk.post("/replays/R-2/cancel", "admin", why).await.0, 409);
    desk.gateway.advance(Duration::from_secs(1));
    desk.gateway.work().await;
    let end = desk.see("/replays/R-2").await;
    assert_eq!(
        (&end["state"], &end["made"]),
        (&json!("cancelled"), &json!(2))
    );
    assert_eq!(desk.done().await, 5);
}

#[tokio::test]
async fn a_big_replay_takes_two_people() {
    let desk = desk("[people]\ntwo_replay_above = 2\nreplay_jobs_max = 3").await;
    desk.clients().await;
    let start = json!({"partner": "ehr", "rate_per_s": 5, "id": "R-3", "why": "x"});
    let (status, proposed) = desk.post("/replays", "admin", start).await;
    assert_eq!(status, 202, "{proposed}");
    let proposal = proposed["proposal"].as_str().expect("a proposal");
    let open = desk.see("/proposals").await;
    assert_eq!(
        (
            &open["proposals"][0]["what"],
            &open["proposals"][0]["deed"]["who"]
        ),
        (&json!("replay"), &json!("admin"))
    );
    desk.gateway.work().await;
    assert_eq!(desk.done().await, 3);
    let confirm = format!("/proposals/{proposal}/confirm");
    assert_eq!(
        desk.post(&confirm, "admin", json!({})).await.0,
        409,
        "their own"
    );
    let (own, others) = (desk.page("admin").await, desk.page("second").await);
    assert!(
        own.contains("1 decision waits for a second person"),
        "{own}"
    );
    assert!(
        !own.contains(&confirm) && own.contains("Take back"),
        "{own}"
    );
    assert!(others.contains(&confirm) && others.contains("Reject"));
    assert_eq!(desk.press(&confirm, "second").await, 303);
    let page = desk.page("admin").await;
    assert!(
        page.contains("/replays/R-3/cancel") && !page.contains(&confirm),
        "{page}"
    );
    desk.gateway.work().await;
    assert_eq!(desk.done().await, 6);
    let end = desk.see("/replays/R-3").await;
    assert_eq!(end["deed"]["who"], "admin, confirmed by second");
    for (body, rule) in [
        (
            json!({"partner": "ehr", "rate_per_s": 51, "why": "x"}),
            "rate",
        ),
        (json!({"partner": "nobody", "why": "x"}), "partner"),
        (
            json!({"partner": "ehr", "state": "parked", "why": "x"}),
            "nothing",
        ),
        (json!({"partner": "ehr", "why": ""}), "why"),
    ] {
        let (status, said) = desk.post("/replays", "admin", body).await;
        assert_eq!((status, &said["issues"][0]["rule"]), (422, &json!(rule)));
    }
}

#[tokio::test]
async fn what_was_refused_is_edited_by_two_people_marked_and_sent() {
    let desk = desk("").await;
    let whole = fixture_whole("observation", "temperature");
    // The observation's patient is made with it.
    desk.gateway.submit_context(&whole["context"]).await;
    desk.gateway.work().await;
    desk.ehr.faults().writes([Some(Fault::Refused)]);
    let got = desk.gateway.submit("observation", &whole["record"]).await;
    assert_eq!(got.status, 202, "{}", got.text());
    desk.gateway.work().await;
    let parked = desk.see("/jobs?state=parked").await["jobs"][0].take();
    assert_eq!(parked["reason"], "refused", "{parked}");
    let job = parked["id"].as_str().expect("an id").to_owned();
    let sheet = desk.see(&format!("/jobs/{job}")).await;
    let effects = sheet["effects"].as_array().expect("effects");
    let n = effects.iter().position(|e| e["type"] == "Observation");
    let edit = format!("/jobs/{job}/edit");
    let body =
        |patch: Value| json!({"effect": n, "patch": patch, "why": "their code list lacks it"});
    for (patch, rule) in [
        (json!({"subject": {"reference": "Patient/1"}}), "patch"),
        (json!({"meta": {"security": []}}), "patch"),
        (json!({}), "patch"),
        (json!([1]), "patch"),
        (json!({"status": "nonsense"}), "not-valid"),
        (json!({"code": null}), "not-valid"),
    ] {
        let (status, said) = desk.post(&edit, "admin", body(patch)).await;
        assert_eq!(
            (status, &said["issues"][0]["rule"]),
            (422, &json!(rule)),
            "{said}"
        );
    }
    let note = json!({"note": [{"text": "Resent without its method."}]});
    let (status, proposed) = desk.post(&edit, "admin", body(note)).await;
    assert_eq!(status, 202, "{proposed}");
    let confirm = format!(
        "/proposals/{}/confirm",
        proposed["proposal"].as_str().expect("an id")
    );
    let (status, made) = desk.post(&confirm, "second", json!({})).await;
    assert_eq!(status, 200, "{made}");
    desk.gateway.work().await;
    let there = desk.ehr.of_type("Observation");
    assert_eq!(there.len(), 1);
    let resource = &there[0].resource;
    assert_eq!(resource["note"][0]["text"], "Resent without its method.");
    assert_eq!(resource["meta"]["tag"][0]["code"], "edited", "{resource}");
    let old = desk.see(&format!("/jobs/{job}")).await;
    assert_eq!(
        (&old["state"], &old["acts"][0]["what"]),
        (&json!("superseded"), &json!("edit"))
    );
    assert_eq!(old["acts"][0]["who"], "admin, confirmed by second");
    let new = made["job"].as_str().expect("a job");
    let new = desk.see(&format!("/jobs/{new}")).await;
    assert_eq!(
        (&new["state"], &new["ties"][1]["tie"]),
        (&json!("done"), &json!("made-from"))
    );
}

/// The pharmacy record of the second one.
fn second_record() -> Value {
    let all = ["PH-01", "PH-02", "PH-03"].map(|id| fixture("pharmacy", id));
    let found = all.into_iter().find(|p| p["ncpdp_id"] == "7701648");
    found.expect("a pharmacy with that id")
}

#[tokio::test]
async fn a_refused_prescription_goes_to_another_pharmacy_and_one_that_arrived_does_not() {
    let (house, second) = two_pharmacies().await;
    let record = second_record();
    house.gateway.submit("pharmacy", &record).await;
    let pharmacy = record["pharmacy_id"].clone();
    house
        .pharmacy
        .faults()
        .writes([Some(Fault::Script("900", "1000"))]);
    let order = house.sent("sertraline").await;
    let story = house.story(&order).await;
    assert_eq!(story["jobs"][0]["reason"], "refused", "{story}");
    let reroute = |job: &Value| format!("/jobs/{}/reroute", job["id"].as_str().expect("an id"));
    let body =
        json!({"to": "pharmacy-second", "pharmacy": pharmacy, "why": "they do not stock it"});
    let path = reroute(&story["jobs"][0]);
    let silent = json!({"to": "pharmacy-second", "why": "x"});
    let got = house.gateway.post(&path, "admin", &silent).await;
    assert_eq!(
        (got.status, got.rules()),
        (422, vec!["no-pharmacy".to_owned()])
    );
    let got = house.gateway.post(&path, "admin", &body).await;
    assert_eq!(got.status, 200, "{}", got.text());
    house.gateway.work().await;
    assert_eq!(second.prescriptions().len(), 1);
    assert!(house.pharmacy.prescriptions().is_empty());
    let jobs = house.story(&order).await["jobs"].take();
    assert_eq!(
        (&jobs[0]["state"], &jobs[1]["state"], &jobs[1]["partner"]),
        (
            &json!("cancelled"),
            &json!("done"),
            &json!("pharmacy-second")
        )
    );
    // It is there now: it does not go back.
    let back = json!({"to": NAME, "pharmacy": order["pharmacy_id"], "why": "x"});
    let got = house.gateway.post(&reroute(&jobs[1]), "admin", &back).await;
    assert_eq!(
        (got.status, got.rules()),
        (422, vec!["may-be-there".to_owned()])
    );
    assert_eq!(second.harm().sum(), 0);
    house.harmless();
}

#[tokio::test]
async fn a_controlled_drug_is_neither_rerouted_nor_edited() {
    let (house, second) = two_pharmacies().await;
    let record = second_record();
    house.gateway.submit("pharmacy", &record).await;
    house
        .pharmacy
        .faults()
        .writes([Some(Fault::Script("900", "1000"))]);
    let order = house.sent("buprenorphine-naloxone-weekly").await;
    let story = house.story(&order).await;
    let job = story["jobs"][0]["id"].as_str().expect("an id");
    let body = json!({"to": "pharmacy-second", "pharmacy": record["pharmacy_id"], "why": "x"});
    let got = house
        .gateway
        .post(&format!("/jobs/{job}/reroute"), "admin", &body)
        .await;
    assert_eq!(
        (got.status, got.rules()),
        (422, vec!["controlled".to_owned()])
    );
    let edit = json!({"patch": {"note": []}, "why": "x"});
    let got = house
        .gateway
        .post(&format!("/jobs/{job}/edit"), "admin", &edit)
        .await;
    assert_eq!((got.status, got.rules()), (422, vec!["signed".to_owned()]));
    assert!(second.prescriptions().is_empty());
}

#[tokio::test]
async fn no_replay_brings_a_prescription_twice() {
    let house = House::new().await;
    let order = house.sent("sertraline").await;
    assert_eq!(house.pharmacy.prescriptions().len(), 1);
    let bulk = json!({"partner": NAME, "why": "x"});
    let got = house.gateway.post("/replays", "admin", &bulk).await;
    assert_eq!((got.status, got.rules()), (422, vec!["nothing".to_owned()]));
    let dry = house
        .gateway
        .post("/replays/dry-run", "admin", &bulk)
        .await
        .json();
    assert_eq!(dry["skipped"], json!({"new-prescription": 1}));
    // By itself it goes as the same message, where the pharmacy knows repeats: and is known as one.
    let job = house.story(&order).await["jobs"][0]["id"].clone();
    let one = json!({"job": job, "why": "they lost it"});
    let got = house.gateway.post("/replays", "admin", &one).await;
    assert_eq!(got.status, 202, "{}", got.text());
    house.gateway.work().await;
    let jobs = house.story(&order).await["jobs"].take();
    assert_eq!(jobs[1]["state"], "done", "{jobs}");
    assert_eq!(jobs[0]["message"], jobs[1]["message"]);
    assert_eq!(house.pharmacy.prescriptions().len(), 1);
    house.harmless();
}

#[tokio::test]
async fn what_the_clinic_has_ended_is_prescribed_nowhere_else() {
    let (house, second) = two_pharmacies().await;
    let record = second_record();
    house.gateway.submit("pharmacy", &record).await;
    let order = house.sent("sertraline").await;
    let ended = next(&order, |o| {
        o["state"] = json!("cancelled");
        o["state_reason"] = json!({"code": "client_choice"});
    });
    house.submit(&ended).await;
    house.gateway.work().await;
    let cancel = house.pharmacy.cancels().pop().expect("a cancel").message;
    let answered = house.pharmacy.answer_cancel(&cancel, None).await;
    answered.expect("a door");
    house.gateway.work().await;
    let job = house.story(&order).await["jobs"][0]["id"].clone();
    let path = format!("/jobs/{}/reroute", job.as_str().expect("an id"));
    let body = json!({"to": "pharmacy-second", "pharmacy": record["pharmacy_id"], "why": "x"});
    let got = house.gateway.post(&path, "admin", &body).await;
    assert_eq!((got.status, got.rules()), (422, vec!["newer".to_owned()]));
    house.gateway.work().await;
    assert!(second.prescriptions().is_empty());
}
