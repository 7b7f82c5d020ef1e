//! The administrator's desk on a whole gateway: what is found, what holds it back, what is stopped; over
//! HTTP, and by the commands that press the same buttons.

use std::process::{Command, Output};

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::support::{Fake, Gateway, Setup, fixture};

const EHR: &str = "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"\npatients = \"created\"\n\
                   create = \"conditional\"\n[[routes]]\nto = \"ehr\"\nkinds = [\"client\"]";

fn fhir(status: u16, body: &Value) -> ResponseTemplate {
    let bytes = serde_json::to_vec(body).expect("JSON");
    ResponseTemplate::new(status).set_body_raw(bytes, "application/fhir+json")
}

/// An EHR that takes every patient.
async fn ehr() -> Fake {
    let ehr = Fake::start().await;
    let taken = fhir(201, &json!({"resourceType": "Patient", "id": "77"}))
        .insert_header("location", "/fhir/Patient/77/_history/1");
    let create = Mock::given(method("POST")).and(path("/fhir/Patient"));
    ehr.expects(create.respond_with(taken)).await;
    let probe = Mock::given(method("GET")).and(path("/fhir/metadata"));
    let statement = json!({"resourceType": "CapabilityStatement"});
    ehr.expects(probe.respond_with(fhir(200, &statement))).await;
    ehr
}

async fn gateway(ehr: &Fake) -> Gateway {
    Setup::new().partner("ehr", ehr, EHR).start().await
}

async fn client(gateway: &Gateway, id: &str) {
    let got = gateway.submit("client", &fixture("client", id)).await;
    assert_eq!(got.status, 202, "{}", got.text());
}

async fn press(gateway: &Gateway, address: &str, body: Value) -> (u16, Value) {
    let got = gateway.post(address, "admin", &body).await;
    (got.status, got.json())
}

async fn see(gateway: &Gateway, address: &str) -> Value {
    let got = gateway.get(address, "admin").await;
    assert_eq!(got.status, 200, "{address}: {}", got.text());
    assert!(!got.text().contains("Canary"), "{address} names a patient");
    got.json()
}

async fn job_of(gateway: &Gateway, record: &str) -> String {
    let found = see(gateway, &format!("/jobs?kind=client&record={record}")).await;
    found["jobs"][0]["id"].as_str().expect("a job").to_owned()
}

/// What holds a job back: the words before the colons.
async fn blockers(gateway: &Gateway, job: &str) -> Vec<String> {
    let said = see(gateway, &format!("/jobs/{job}/blocked-by")).await;
    let all = said["blocked_by"].as_array().expect("a list");
    assert_eq!(
        said["claimable"],
        json!(all.is_empty() && said["state"] == "waiting")
    );
    let by = |b: &Value| b["by"].as_str().expect("a word").to_owned();
    all.iter().map(by).collect()
}

#[tokio::test]
async fn what_holds_a_job_back_is_said_exactly_and_what_is_stopped_stays() {
    let ehr = ehr().await;
    let gateway = gateway(&ehr).await;
    client(&gateway, "C-1001").await;
    let job = job_of(&gateway, "C-1001").await;
    assert_eq!(blockers(&gateway, &job).await, [""; 0]);

    let hold = json!({"client": "C-1001", "why": "two charts"});
    assert_eq!(
        press(&gateway, "/holds", hold.clone()).await.1["changed"],
        true
    );
    assert_eq!(
        press(&gateway, "/holds", hold.clone()).await.1["changed"],
        false
    );
    let why = json!({"why": "their upgrade"});
    press(&gateway, "/partners/ehr/pause", why.clone()).await;
    assert_eq!(blockers(&gateway, &job).await, ["hold", "pause"]);
    assert_eq!(gateway.work().await, 0);
    let partners = see(&gateway, "/partners").await;
    let ehr_row = &partners["partners"][0];
    assert_eq!(
        (&ehr_row["paused"]["by_person"], &ehr_row["last"]["who"]),
        (&json!(true), &json!("admin"))
    );
    assert_eq!(ehr_row["last"]["why"], "their upgrade");
    let holds = see(&gateway, "/holds").await;
    assert_eq!(holds["holds"][0]["why"], "two charts");

    press(&gateway, "/partners/ehr/resume", why).await;
    assert_eq!(blockers(&gateway, &job).await, ["hold"]);
    assert_eq!(gateway.work().await, 0);
    assert_eq!(
        press(&gateway, "/holds/release", hold).await.1["changed"],
        true
    );
    assert_eq!(gateway.work().await, 1);
    let sheet = see(&gateway, &format!("/jobs/{job}")).await;
    assert_eq!(
        (&sheet["state"], &sheet["lane"]),
        (&json!("done"), &json!("client/C-1001"))
    );
    assert_eq!(sheet["effects"][0]["their_id"], "77");
    assert_eq!(sheet["tries"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_drain_finishes_what_was_there_and_says_when_it_is_through() {
    let ehr = ehr().await;
    let gateway = gateway(&ehr).await;
    client(&gateway, "C-1001").await;
    let why = json!({"why": "maintenance"});
    press(&gateway, "/partners/ehr/drain", why.clone()).await;
    client(&gateway, "C-1002").await;
    let drained = async || see(&gateway, "/partners").await["partners"][0]["drained"].take();
    assert_eq!(drained().await, json!(false));
    assert_eq!(gateway.work().await, 1);
    assert_eq!(drained().await, json!(true));
    let later = job_of(&gateway, "C-1002").await;
    assert_eq!(blockers(&gateway, &later).await, ["drain"]);
    press(&gateway, "/partners/ehr/resume", why).await;
    assert_eq!(drained().await, Value::Null);
    assert_eq!(gateway.work().await, 1);
}

#[tokio::test]
async fn a_probe_now_ends_an_outage_and_not_a_pause_by_a_person() {
    let ehr = Fake::start().await;
    let gone = Mock::given(method("POST")).and(path("/fhir/Patient"));
    ehr.expects(
        gone.respond_with(ResponseTemplate::new(503))
            .up_to_n_times(1),
    )
    .await;
    let probe = Mock::given(method("GET")).and(path("/fhir/metadata"));
    let statement = json!({"resourceType": "CapabilityStatement"});
    ehr.expects(probe.respond_with(fhir(200, &statement))).await;
    let gateway = gateway(&ehr).await;
    client(&gateway, "C-1001").await;
    gateway.work().await;
    let mood = async || see(&gateway, "/partners").await["partners"][0]["mood"].take();
    assert_eq!(mood().await, "down");
    let why = json!({"why": "they rang"});
    let (_, said) = press(&gateway, "/partners/ehr/probe", why.clone()).await;
    assert_eq!(said["well"], true, "{said}");
    assert_ne!(mood().await, "down");
    press(&gateway, "/partners/ehr/pause", why.clone()).await;
    press(&gateway, "/partners/ehr/probe", why).await;
    assert_eq!(mood().await, "paused");
}

#[tokio::test]
async fn lists_come_in_pages_and_take_no_word_that_they_do_not_know() {
    let ehr = Fake::start().await;
    let gateway = gateway(&ehr).await;
    for id in ["C-1001", "C-1002", "C-1003"] {
        client(&gateway, id).await;
    }
    for list in ["jobs?state=waiting&", "jobs?", "lanes?"] {
        let name = list.split('?').next().expect("a name");
        let (mut n, mut after) = (0, String::new());
        loop {
            let page = see(&gateway, &format!("/{list}limit=1{after}")).await;
            n += page[name].as_array().expect("a list").len();
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(n, 3, "{list}");
    }
    let lane = see(&gateway, "/lanes?partner=ehr&lane=client/C-1002").await;
    assert_eq!(lane["jobs"][0]["record"]["id"], "C-1002");
    let old = see(&gateway, "/jobs?state=waiting&older_s=60").await;
    assert_eq!(old["jobs"], json!([]));
    let got = gateway.get("/jobs?patient=Doe", "admin").await;
    assert_eq!((got.status, got.rules()), (400, vec!["query".to_owned()]));
    let unknown = json!({"client": "C-9999", "why": "x"});
    assert_eq!(press(&gateway, "/holds", unknown).await.0, 422);
    let silent = json!({"client": "C-1001"});
    assert_eq!(press(&gateway, "/holds", silent).await.0, 422);
}

/// Runs a command against a gateway, as `admin`.
async fn command(gateway: &Gateway, arguments: &[&str]) -> Output {
    let folder = std::env::temp_dir();
    let token = folder.join(format!("fhir-gateway-desk-token-{}", std::process::id()));
    std::fs::write(&token, "admin-token").expect("a token");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fhir-gateway"));
    command
        .args(arguments)
        .args(["--url", &gateway.url(), "--token-file"])
        .arg(&token);
    let ended = tokio::task::spawn_blocking(move || command.output());
    ended.await.expect("it ends").expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_press_the_same_buttons() {
    let ehr = ehr().await;
    let gateway = gateway(&ehr).await;
    client(&gateway, "C-1001").await;
    let job = job_of(&gateway, "C-1001").await;
    for (arguments, wanted) in [
        (vec!["partners", "pause", "ehr", "--why", "night"], "done\n"),
        (vec!["partners", "list"], "pause by admin: night"),
        (vec!["lanes", "hold", "C-1001", "--why", "twins"], "done\n"),
        (
            vec!["lanes", "hold", "C-1001", "--why", "twins"],
            "it was so already\n",
        ),
        (vec!["lanes", "holds"], "twins"),
        (
            vec!["jobs", "list", "--state", "waiting"],
            "client/C-1001 v1",
        ),
        (
            vec!["jobs", "blocked-by", &job],
            "hold: admin stopped the patient at all partners\npause: by-person\n",
        ),
        (vec!["lanes", "list"], "client/C-1001"),
        (vec!["lanes", "show", "ehr", "client/C-1001"], "waiting"),
        (
            vec!["lanes", "release", "C-1001", "--why", "told apart"],
            "done\n",
        ),
        (vec!["partners", "resume", "ehr", "--why", "day"], "done\n"),
        (
            vec!["partners", "probe", "ehr", "--why", "day"],
            "it is there\n",
        ),
        (
            vec!["jobs", "blocked-by", &job],
            "nothing: it goes next, as soon as its partner has room\n",
        ),
        (vec!["jobs", "cancel", &job, "--why", "a test"], "done\n"),
        (vec!["jobs", "show", &job], "a test"),
        (
            vec!["jobs", "blocked-by", &job],
            "nothing: it is cancelled\n",
        ),
    ] {
        let ended = command(&gateway, &arguments).await;
        let text = said(&ended);
        assert!(text.contains(wanted), "{arguments:?}: {text}");
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
        assert!(!text.contains("Canary"));
    }
    let refused = command(&gateway, &["jobs", "retry", &job, "--why", "x"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("job-state"));
    let json = command(&gateway, &["partners", "list", "--json"]).await;
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["partners"][0]["partner"], "ehr");
}
