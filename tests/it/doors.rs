//! The doors of a whole gateway, over HTTP, with a store that keeps: from submission to story.

use serde_json::{Value, json};

use crate::support::{Gateway, Setup, fixture};

fn client() -> Value {
    fixture("client", "C-1001")
}

fn newer(record: &Value) -> Value {
    let mut newer = record.clone();
    let version = record["version"].as_u64().expect("a version");
    newer["version"] = json!(version + 1);
    newer
}

#[tokio::test]
async fn a_record_is_accepted_once_and_its_repeat_gets_the_first_answer() {
    let gateway = Setup::new().start().await;
    let record = client();
    let first = gateway.submit("client", &record).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let again = gateway.submit("client", &record).await;
    assert_eq!((again.status, again.body), (202, first.body.clone()));
    let status = gateway.get("/status", "reader").await.json();
    assert_eq!(status["versions"], 1);

    let update = gateway.submit("client", &newer(&record)).await;
    assert_eq!(update.status, 202, "{}", update.text());
    // An older version that was accepted is a repeat still.
    let old = gateway.submit("client", &record).await;
    assert_eq!((old.status, old.body), (202, first.body));
    let status = gateway.get("/status", "reader").await.json();
    assert_eq!(status["versions"], 2);
    assert_eq!(status["adds_up"], true);
}

#[tokio::test]
async fn the_same_version_with_other_content_and_an_unknown_field_are_refused() {
    let gateway = Setup::new().start().await;
    let record = client();
    assert_eq!(gateway.submit("client", &record).await.status, 202);
    let mut odd = newer(&record);
    odd["not_a_field"] = json!("Canary-value");
    let refused = gateway.submit("client", &odd).await;
    assert_eq!(refused.status, 400);
    assert!(!refused.text().contains("Canary"));
    let mut other = record.clone();
    other["version"] = json!(0);
    assert!((400..500).contains(&gateway.submit("client", &other).await.status));
    // The count of refusals is shown, by rule.
    let status = gateway.get("/status", "reader").await.json();
    assert!(status["refusals"].as_array().is_some_and(|r| !r.is_empty()));
}

async fn with_key(gateway: &Gateway, key: &str, record: &Value) -> (u16, Vec<u8>) {
    let body = serde_json::to_vec(record).expect("JSON");
    let got = gateway
        .send(
            reqwest::Method::POST,
            "/records/client",
            "clinic-system",
            &[("idempotency-key", key)],
            Some(("application/json", body)),
        )
        .await;
    (got.status, got.body)
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_one_body_and_survives_a_restart() {
    let mut gateway = Setup::new().start().await;
    let record = client();
    let first = with_key(&gateway, "key-1", &record).await;
    assert_eq!(first.0, 202);
    gateway.restart().await;
    assert_eq!(with_key(&gateway, "key-1", &record).await, first);
    assert_eq!(with_key(&gateway, "key-1", &newer(&record)).await.0, 422);
    assert_eq!(with_key(&gateway, "key-2", &newer(&record)).await.0, 202);
}

#[tokio::test]
async fn the_story_of_a_record_has_its_versions_and_a_page() {
    let gateway = Setup::new().start().await;
    let record = client();
    gateway.submit("client", &record).await;
    gateway.submit("client", &newer(&record)).await;
    let story = gateway.get("/records/client/C-1001", "reader").await.json();
    assert_eq!(story["versions"].as_array().map(Vec::len), Some(2));
    assert_eq!(story["versions"][1]["record"], record);
    let page = gateway
        .send(
            reqwest::Method::GET,
            "/records/client/C-1001",
            "reader",
            &[("accept", "text/html")],
            None,
        )
        .await;
    assert_eq!((page.status, page.media_type.as_str()), (200, "text/html"));
    assert!(!page.text().contains("Canary"));
}

#[tokio::test]
async fn a_body_too_deep_or_twice_keyed_is_refused() {
    let gateway = Setup::new()
        .config("[limits]\ndepth_max = 10\nbody_bytes_max = 100000")
        .start()
        .await;
    let post = |body: String| {
        let gateway = &gateway;
        async move {
            let body = Some(("application/json", body.into_bytes()));
            gateway
                .send(
                    reqwest::Method::POST,
                    "/records/client",
                    "clinic-system",
                    &[],
                    body,
                )
                .await
        }
    };
    let deep = post(format!("{}1{}", "[".repeat(20), "]".repeat(20))).await;
    assert_eq!(
        (deep.status, deep.rules()),
        (400, vec!["json-depth".to_owned()])
    );
    let twice = post(r#"{"client_no":"C-1","client_no":"C-2"}"#.to_owned()).await;
    assert_eq!(twice.status, 400);
    let long = post("x".repeat(100_001)).await;
    assert_eq!(
        (long.status, long.rules()),
        (413, vec!["body-bytes".to_owned()])
    );
    let many = post(format!("[{}1]", "1,".repeat(1000))).await;
    assert_eq!(many.status, 400);
}

#[tokio::test]
async fn it_is_ready_and_measured() {
    let gateway = Setup::new().system_clock().start().await;
    assert_eq!(gateway.get("/ready", "").await.status, 200);
    gateway.submit("client", &client()).await;
    let metrics = gateway.get("/metrics", "reader").await.text();
    assert!(metrics.contains("gateway_requests_total"), "{metrics}");
    assert!(metrics.contains("gateway_record_versions 1"));
    assert!(!metrics.contains("C-1001"));
}
