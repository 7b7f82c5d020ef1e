//! Limits and policies on a whole gateway: a line that is as long as it may be, a partner that asks to be
//! left alone, a policy that changes while jobs wait.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::support::{Fake, Gateway, Setup, fixture, fixture_whole};

const EHR: &str = "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"\npatients = \"created\"\n\
                   create = \"conditional\"\nconcurrency_max = 8\n[partners.retry]\noutage_s = 3600\n\
                   [[routes]]\nto = \"ehr\"\nkinds = [\"client\"]";

fn created() -> ResponseTemplate {
    let body = serde_json::to_vec(&json!({"resourceType": "Patient", "id": "77"})).expect("JSON");
    ResponseTemplate::new(201)
        .set_body_raw(body, "application/fhir+json")
        .insert_header("location", "/fhir/Patient/77/_history/1")
        .insert_header("etag", "W/\"1\"")
}

/// Answers creates: so often with the first, then with the second.
async fn creates(ehr: &Fake, first: ResponseTemplate, times: u64, then: ResponseTemplate) {
    let one = || Mock::given(method("POST")).and(path("/fhir/Patient"));
    ehr.expects(
        one()
            .respond_with(first)
            .up_to_n_times(times)
            .with_priority(1),
    )
    .await;
    ehr.expects(one().respond_with(then).with_priority(2)).await;
}

async fn probed_well(ehr: &Fake) {
    let there = json!({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"});
    let bytes = serde_json::to_vec(&there).expect("JSON");
    ehr.expects(
        Mock::given(method("GET"))
            .and(path("/fhir/metadata"))
            .respond_with(ResponseTemplate::new(200).set_body_raw(bytes, "application/fhir+json")),
    )
    .await;
}

async fn job(gateway: &Gateway, client: &str) -> Value {
    let path = format!("/records/client/{client}");
    let story = gateway.get(&path, "admin").await.json();
    story["jobs"][0].clone()
}

async fn press(gateway: &Gateway, what: &str) {
    let why = json!({"why": "because"});
    let got = gateway.post(what, "admin", &why).await;
    assert_eq!(got.status, 200, "{}", got.text());
}

#[tokio::test]
async fn changing_a_policy_never_wakes_old_jobs() {
    let ehr = Fake::start().await;
    creates(&ehr, ResponseTemplate::new(503), 1, created()).await;
    let mut gateway = Setup::new().partner("ehr", &ehr, EHR).start().await;
    let got = gateway.submit("client", &fixture("client", "C-1001")).await;
    assert_eq!(got.status, 202, "{}", got.text());
    assert_eq!(gateway.work().await, 1);
    let before = job(&gateway, "C-1001").await;
    assert_eq!(
        (&before["state"], &before["attempts"]),
        (&json!("waiting"), &json!(0))
    );

    gateway
        .restart_with(|config| config.partners[0].policy.outage_s = 1)
        .await;
    press(&gateway, "/partners/ehr/resume").await;
    gateway.advance(Duration::from_secs(60));
    assert_eq!(
        gateway.work().await,
        0,
        "what waits, waits by the policy of its day"
    );
    assert_eq!(job(&gateway, "C-1001").await["due"], before["due"]);
    gateway.advance(Duration::from_secs(3600));
    assert_eq!(gateway.work().await, 1);
    assert_eq!(job(&gateway, "C-1001").await["state"], "done");
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is_and_the_message_pays_nothing() {
    let ehr = Fake::start().await;
    let later = ResponseTemplate::new(429).insert_header("retry-after", "7200");
    creates(&ehr, later, 1, created()).await;
    probed_well(&ehr).await;
    let gateway = Setup::new().partner("ehr", &ehr, EHR).start().await;
    let breaker = async || {
        let status = gateway.get("/status", "admin").await.json();
        status["partners"][0]["breaker"].clone()
    };
    gateway.submit("client", &fixture("client", "C-1001")).await;
    assert_eq!(breaker().await, "closed");
    assert_eq!(gateway.work().await, 1);
    assert_eq!(breaker().await, "open");
    let waits = job(&gateway, "C-1001").await;
    assert_eq!(
        (&waits["state"], &waits["attempts"]),
        (&json!("waiting"), &json!(0))
    );
    let house = gateway.house();
    let places: Vec<usize> = house.partners.values().map(|m| m.room.open()).collect();
    assert_eq!(places, [4], "half the places are closed");
    gateway.advance(Duration::from_secs(7199));
    assert_eq!(gateway.work().await, 0);
    gateway.advance(Duration::from_secs(1));
    assert_eq!(breaker().await, "half-open");
    assert_eq!(gateway.work().await, 1, "the probe, then the message");
    assert_eq!(breaker().await, "closed");
    assert_eq!(job(&gateway, "C-1001").await["state"], "done");
}

#[tokio::test]
async fn a_person_who_lets_a_partner_go_on_is_obeyed_although_it_asked_to_be_left_alone() {
    let ehr = Fake::start().await;
    creates(&ehr, created(), 1, created()).await;
    let measures = || Mock::given(method("POST")).and(path("/fhir/Observation"));
    let later = ResponseTemplate::new(429).insert_header("retry-after", "7200");
    let first = measures().respond_with(later).up_to_n_times(1);
    ehr.expects(first.with_priority(1)).await;
    let taken =
        ResponseTemplate::new(201).insert_header("location", "/fhir/Observation/8/_history/1");
    ehr.expects(measures().respond_with(taken).with_priority(2))
        .await;
    let routed = EHR.replace("\"client\"]", "\"client\", \"observation\"]");
    let gateway = Setup::new().partner("ehr", &ehr, &routed).start().await;
    let whole = fixture_whole("observation", "temperature");
    gateway.submit_context(&whole["context"]).await;
    gateway.work().await;
    for id in ["M-1", "M-2"] {
        let mut measure = whole["record"].clone();
        measure["measure_id"] = json!(id);
        let got = gateway.submit("observation", &measure).await;
        assert_eq!(got.status, 202, "{}", got.text());
        assert_eq!(gateway.work().await, usize::from(id == "M-1"));
    }
    press(&gateway, "/partners/ehr/resume").await;
    // Its patient has a name there: the only request is its own.
    assert_eq!(gateway.work().await, 1);
    let story = gateway
        .get("/records/observation/M-2", "admin")
        .await
        .json();
    assert_eq!(story["jobs"][0]["state"], "done");
}

#[tokio::test]
async fn what_would_make_a_full_line_longer_is_told_to_come_again() {
    let ehr = Fake::start().await;
    creates(&ehr, created(), 1, created()).await;
    let mut gateway = Setup::new().partner("ehr", &ehr, EHR).start().await;
    gateway
        .restart_with(|config| config.settings.jobs_open_max = 2)
        .await;
    press(&gateway, "/partners/ehr/pause").await;
    for client in ["C-1001", "C-1002"] {
        let got = gateway.submit("client", &fixture("client", client)).await;
        assert_eq!(got.status, 202, "{}", got.text());
        gateway.advance(Duration::from_secs(1));
    }
    let third = fixture("client", "C-1003");
    let got = gateway.submit("client", &third).await;
    assert_eq!(got.status, 503, "{}", got.text());
    let story = gateway.get("/records/client/C-1003", "admin").await;
    assert_eq!(story.status, 404, "nothing of it is kept");

    press(&gateway, "/partners/ehr/resume").await;
    assert_eq!(gateway.work().await, 2);
    gateway.advance(Duration::from_secs(1));
    assert_eq!(gateway.submit("client", &third).await.status, 202);
    assert_eq!(gateway.work().await, 1);
}

/// The clinic's system is down and its line is full. What a laboratory sends waits, but partners that are back
/// are found, and the line drains.
#[tokio::test]
async fn what_cannot_be_taken_in_yet_keeps_nothing_else_from_being_done() {
    let (hook, laboratory) = (Fake::start().await, Fake::start().await);
    let answers = |status| Mock::given(method("POST")).respond_with(ResponseTemplate::new(status));
    hook.expects(answers(503).up_to_n_times(1)).await;
    hook.expects(answers(204)).await;
    hook.expects(Mock::given(method("GET")).respond_with(ResponseTemplate::new(204)))
        .await;
    let mut gateway = Setup::new()
        .partner(
            "laboratory",
            &laboratory,
            "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"",
        )
        .partner(
            "hook",
            &hook,
            "kind = \"clinic-webhook\"\nurl = \"{url}/hook\"\nsecret = \"a secret of the test\"\n\
             [[routes]]\nto = \"hook\"\nkinds = [\"observation\"]",
        )
        .start()
        .await;
    gateway
        .restart_with(|config| config.settings.jobs_open_max = 1)
        .await;
    let got = gateway.submit("client", &fixture("client", "C-1007")).await;
    assert_eq!(got.status, 202, "{}", got.text());
    let result = |id: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": "Lithium level"}, "valueQuantity": {"value": 0.8, "unit": "mmol/L"},
            "subject": {"identifier": {"system": "https://clinic.example/id/client", "value": "C-1007"}},
            "effectiveDateTime": "2026-11-20T07:30:00-05:00"})
    };
    let sends = async |id| {
        gateway
            .post("/in/laboratory", "laboratory", &result(id))
            .await
    };
    assert_eq!(sends("r1").await.status, 201);
    gateway.work().await;
    gateway.advance(Duration::from_secs(1));
    assert_eq!(sends("r2").await.status, 503, "its line is full");
    let hook_of = async || {
        let status = gateway.get("/status", "admin").await.json();
        let partners = status["partners"].as_array().cloned().unwrap_or_default();
        partners
            .into_iter()
            .find(|p| p["partner"] == "hook")
            .expect("the hook")
    };
    assert_eq!(hook_of().await["breaker"], "open");
    for _ in 0..4 {
        gateway.advance(Duration::from_secs(120));
        gateway.work().await;
    }
    let hook = hook_of().await;
    assert_eq!(
        (&hook["breaker"], &hook["jobs"]["done"]),
        (&json!("closed"), &json!(2)),
        "{hook}"
    );
}
