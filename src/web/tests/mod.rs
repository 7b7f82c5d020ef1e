//! The doors against a store of fixed answers: who is let in, what is too much, what people see and do.

mod fixed_store;
mod pages;
mod sockets;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::clock::Manual;
use crate::ids::{Hash, JobId, Key, PartnerId, TenantId};
use crate::sync::house::Settings;
use crate::sync::job::{Chain, Purpose, State, VersionRef};
use crate::sync::ports::{Given, JobView, PartnerView, Status, StoredVersion, Story, Unmatched};
use crate::sync::reason::Reason;
use fixed_store::Fixed;

/// 2026-11-24T12:00:00Z.
const NOW: i64 = 1_795_521_600_000_000;

fn ago(seconds: i64) -> Time {
    Time::from_micros(NOW - seconds * 1_000_000)
}

fn version(kind: &str, id: &str) -> StoredVersion {
    StoredVersion {
        record: VersionRef {
            kind: kind.to_owned(),
            id: id.to_owned(),
            version: 1,
        },
        chain: Chain(format!("{kind}/{id}")),
        client: Some("C-1".to_owned()),
        body: br#"{"name":"Canaryquill"}"#.to_vec(),
        context: Vec::new(),
        hash: Hash::sha256(b"x"),
        origin: "clinic".to_owned(),
        accepted: ago(60),
        given: Given {
            status: 202,
            body: Vec::new(),
        },
    }
}

fn job(id: &str, state: State, reason: Reason, unsure: bool) -> JobView {
    JobView {
        id: JobId::new(id),
        partner: PartnerId::new("ehr-north"),
        record: VersionRef {
            kind: "observation".to_owned(),
            id: "<b>M-1</b>".to_owned(),
            version: 2,
        },
        purpose: Purpose::Copy,
        state,
        reason: Some(reason),
        accepted: ago(600),
        due: ago(-30),
        attempts: 3,
        unsure,
        message: None,
        blocked_by: vec!["lane: <J0>".to_owned()],
        effects: Vec::new(),
        tries: Vec::new(),
    }
}

fn status() -> Status {
    Status {
        partners: vec![PartnerView {
            partner: PartnerId::new("ehr-north"),
            jobs: [("parked", 2), ("waiting", 1), ("done", 7)].into(),
            retrying: 1,
            held: 0,
            oldest: Some(ago(600)),
            paused: None,
            last_success: Some(ago(12)),
        }],
        jobs: vec![
            job("J1", State::Parked, Reason::Refused, false),
            job("J2", State::Parked, Reason::Unclear, true),
            job("J3", State::Waiting, Reason::TryLater, false),
        ],
        parked_raw: Vec::new(),
        unmatched: vec![Unmatched {
            partner: PartnerId::new("ehr-north"),
            their_id: "<i>77</i>".to_owned(),
            waiting: 2,
            since: ago(4000),
        }],
        refusals: Vec::new(),
        denials_open: 0,
        versions: 9,
        jobs_made: 10,
    }
}

fn fixed() -> Fixed {
    Fixed {
        status: status(),
        story: Some(Story {
            versions: vec![version("observation", "M-1")],
            resources: Vec::new(),
            jobs: vec![job("J1", State::Parked, Reason::Refused, false)],
            denials: Vec::new(),
            answers: Vec::new(),
        }),
        feed: (1..=3)
            .map(|n| (n, version("dispense", &format!("D-{n}"))))
            .collect(),
        known_client: Some(version("client", "C-1")),
        well: true,
        done: std::sync::Mutex::default(),
    }
}

struct Built {
    router: Router,
    store: Arc<Fixed>,
}

fn token(name: &str, rights: &[&str]) -> Token {
    Token {
        name: name.to_owned(),
        tenant: TenantId::new("t"),
        hash: TokenHash::of(&format!("{name}-token")),
        rights: rights
            .iter()
            .map(|r| Right::parse(r).expect("right"))
            .collect(),
    }
}

fn doors_with(store: Fixed, change: impl FnOnce(&mut DoorLimits)) -> Built {
    let store = Arc::new(store);
    let tenant = Tenant {
        id: TenantId::new("t"),
        base: "https://clinic.example".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        key: Key::new(b"a key for tests"),
    };
    let mut settings = Settings::default();
    settings.json.bytes_max = 2000;
    let shared: Arc<dyn crate::sync::ports::Store> = Arc::<Fixed>::clone(&store);
    let house = House {
        tenants: HashMap::from([(tenant.id.clone(), tenant)]),
        partners: HashMap::new(),
        routes: Vec::new(),
        store: shared,
        validator: Arc::default(),
        clock: Arc::new(Manual::at(Time::from_micros(NOW))),
        settings,
    };
    let mut limits = DoorLimits {
        requests_max: 4,
        body_timeout: Duration::from_millis(50),
        status_rows_max: 100,
        feed_rows_max: 2,
        free_mb_min: 0,
        folder: None,
    };
    change(&mut limits);
    let tokens = vec![
        token("clinic", &["submit", "feed"]),
        token("reader", &["read"]),
        token("admin", &["operate"]),
        token("lab", &["inbound:lab-east"]),
        token("scraper", &["metrics"]),
    ];
    let acceptor = Acceptor::new(Arc::new(house));
    let doors = Doors::new(
        &acceptor,
        tokens,
        limits,
        Box::new(|| "measured 1\n".to_owned()),
    );
    Built {
        router: router(Arc::new(doors)),
        store,
    }
}

fn doors() -> Built {
    doors_with(fixed(), |_| ())
}

struct Got {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |v| v.to_str().expect("text"))
    }
}

impl Built {
    async fn send(&self, request: Request<Body>) -> Got {
        let answer = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = answer.into_parts();
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.expect("a chunk"));
        }
        Got {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes).expect("UTF-8"),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        who: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        if !who.is_empty() {
            request = request.header("authorization", format!("Bearer {who}-token"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).expect("request"))
            .await
    }

    async fn get(&self, path: &str, who: &str) -> Got {
        self.ask(Method::GET, path, who, &[], "").await
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const BROWSER: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

#[tokio::test]
async fn nobody_gets_in_without_a_token_and_nobody_beyond_their_right() {
    let house = doors();
    let all: &[(Method, &str, &[&str])] = &[
        (Method::POST, "/records/observation", &["clinic"]),
        (
            Method::GET,
            "/records/observation/M-1",
            &["reader", "admin"],
        ),
        (Method::GET, "/feed", &["clinic"]),
        (Method::POST, "/in/lab-east", &["lab"]),
        (Method::POST, "/in/lab-west", &[]),
        (Method::GET, "/status", &["reader", "admin"]),
        (Method::POST, "/jobs/J1/retry", &["admin"]),
        (Method::POST, "/partners/none/pause", &["admin"]),
        (Method::GET, "/unmatched", &["admin"]),
        (Method::POST, "/unmatched/link", &["admin"]),
        (Method::GET, "/metrics", &["scraper", "reader"]),
    ];
    for (method, path, may) in all {
        for who in ["", "nobody", "clinic", "reader", "admin", "lab", "scraper"] {
            let got = house.ask(method.clone(), path, who, &[], "").await;
            let expected = match who {
                "" | "nobody" => Some(StatusCode::UNAUTHORIZED),
                who if may.contains(&who) => None,
                _ => Some(StatusCode::FORBIDDEN),
            };
            match expected {
                Some(status) => {
                    assert_eq!(got.status, status, "{method} {path} as {who:?}");
                    assert!(got.json()["issues"][0]["rule"].is_string());
                }
                None => assert!(
                    !matches!(got.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
                    "{method} {path} as {who}"
                ),
            }
            assert_eq!(got.header("cache-control"), "no-store", "{method} {path}");
            assert_eq!(got.header("x-request-id").len(), 20);
        }
    }
}

#[tokio::test]
async fn a_browser_is_asked_and_gets_in_with_the_token_as_password() {
    let house = doors();
    let got = house.get("/status", "").await;
    assert!(got.header("www-authenticate").starts_with("Basic "));
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("me:{password}")));
    let shown = basic("admin-token");
    let got = house
        .ask(
            Method::GET,
            "/status",
            "",
            &[("authorization", &shown), BROWSER],
            "",
        )
        .await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.header("content-type"), "text/html; charset=utf-8");
    let wrong = basic("admin");
    let got = house
        .ask(Method::GET, "/status", "", &[("authorization", &wrong)], "")
        .await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
    // Another site makes the browser post: it sends the password along, and says where from.
    for (site, status) in [("cross-site", 403), ("same-origin", 200)] {
        let headers = [("authorization", shown.as_str()), ("sec-fetch-site", site)];
        let got = house
            .ask(Method::POST, "/jobs/J1/retry", "", &headers, "")
            .await;
        assert_eq!(got.status.as_u16(), status, "{site}");
    }
    assert_eq!(house.store.done.lock().expect("lock").len(), 1);
}

#[tokio::test]
async fn what_is_not_there_and_what_does_not_fit_is_said_in_one_form() {
    let house = doors();
    let long = "x".repeat(300);
    let key = [JSON, ("idempotency-key", long.as_str())];
    let cases: &[(Method, &str, &str, &[(&str, &str)], u16, &str)] = &[
        (Method::GET, "/nowhere", "", &[], 404, "address"),
        (Method::DELETE, "/status", "", &[], 405, "method"),
        (
            Method::POST,
            "/records/nonsense",
            "clinic",
            &[JSON],
            404,
            "kind",
        ),
        (
            Method::POST,
            "/records/observation",
            "clinic",
            &[],
            415,
            "media-type",
        ),
        (
            Method::POST,
            "/records/observation",
            "clinic",
            &[("content-type", "text/plain")],
            415,
            "media-type",
        ),
        (
            Method::POST,
            "/records/observation",
            "clinic",
            &key,
            400,
            "idempotency-key",
        ),
        (
            Method::GET,
            "/records/observation/none",
            "reader",
            &[],
            404,
            "address",
        ),
        (
            Method::GET,
            "/records/nonsense/none",
            "reader",
            &[],
            404,
            "address",
        ),
        (Method::GET, "/feed?after=x", "clinic", &[], 400, "cursor"),
        (
            Method::POST,
            "/jobs/J1/explode",
            "admin",
            &[],
            404,
            "address",
        ),
        (
            Method::POST,
            "/jobs/J9/retry",
            "admin",
            &[],
            409,
            "job-state",
        ),
        (
            Method::POST,
            "/partners/none/pause",
            "admin",
            &[],
            404,
            "address",
        ),
        (Method::POST, "/in/lab-east", "lab", &[], 404, "address"),
    ];
    for (method, path, who, headers, status, rule) in cases {
        let got = house.ask(method.clone(), path, who, headers, "").await;
        assert_eq!(got.status.as_u16(), *status, "{method} {path}");
        assert_eq!(got.json()["issues"][0]["rule"], *rule, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_is_read_as_much_and_as_long_as_allowed() {
    let house = doors();
    let post = |body: Body| {
        Request::post("/records/observation")
            .header("authorization", "Bearer clinic-token")
            .header("content-type", "application/json")
            .body(body)
            .expect("request")
    };
    let big = "x".repeat(2001);
    let mut said = post(Body::from("{}"));
    said.headers_mut().insert(
        "content-length",
        axum::http::HeaderValue::from_static("99999999999"),
    );
    let halves = futures_util::stream::iter([
        Ok::<_, std::io::Error>("x".repeat(1500)),
        Ok("x".repeat(1500)),
    ]);
    let broken =
        futures_util::stream::iter([Ok("{".to_owned()), Err(std::io::Error::other("gone"))]);
    let slow = futures_util::stream::pending::<Result<String, std::io::Error>>();
    for (request, status) in [
        (post(Body::from(big)), 413),
        (said, 413),
        (post(Body::from_stream(halves)), 413),
        (post(Body::from_stream(broken)), 400),
        (post(Body::from_stream(slow)), 408),
        (post(Body::from("{")), 400),
    ] {
        let got = house.send(request).await;
        assert_eq!(got.status.as_u16(), status, "{}", got.body);
        assert!(got.json()["issues"].is_array());
    }
}

#[tokio::test]
async fn too_many_at_once_are_sent_away_but_the_pulse_can_be_felt() {
    let house = doors_with(fixed(), |limits| limits.requests_max = 0);
    let got = house.get("/status", "reader").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.header("retry-after"), "2");
    assert_eq!(house.get("/health", "").await.status, StatusCode::OK);
    assert_eq!(house.get("/ready", "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_store_that_fails_is_503_and_not_ready() {
    let house = doors_with(
        Fixed {
            well: false,
            ..fixed()
        },
        |_| (),
    );
    let got = house.get("/ready", "").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.json()["store"], false);
    let key = [JSON, ("idempotency-key", "k")];
    let got = house
        .ask(Method::POST, "/records/observation", "clinic", &key, "{}")
        .await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.header("retry-after"), "2");
}

#[tokio::test]
async fn a_full_disk_is_not_ready() {
    let house = doors_with(fixed(), |limits| {
        limits.folder = Some(std::env::temp_dir());
        limits.free_mb_min = u64::MAX;
    });
    let got = house.get("/ready", "").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.json()["disk"], false);
    assert_eq!(got.json()["store"], true);
}

#[tokio::test]
async fn the_feed_goes_on_where_the_reader_stands() {
    let house = doors();
    let first = house.get("/feed", "clinic").await.json();
    assert_eq!((&first["next"], &first["more"]), (&json!(2), &json!(true)));
    assert_eq!(first["entries"][0]["record"]["name"], "Canaryquill");
    let second = house.get("/feed?after=2&limit=50", "clinic").await.json();
    assert_eq!(
        (&second["next"], &second["more"]),
        (&json!(3), &json!(false))
    );
    let end = house.get("/feed?after=3", "clinic").await.json();
    assert_eq!((&end["next"], &end["entries"]), (&json!(3), &json!([])));
}

#[tokio::test]
async fn every_contract_is_served() {
    let house = doors();
    let list = house.get("/schemas", "").await.json();
    for entry in list["schemas"].as_array().expect("list") {
        let got = house.get(entry["schema"].as_str().expect("path"), "").await;
        assert_eq!(got.status, StatusCode::OK);
        assert!(got.json().is_object());
    }
    assert_eq!(list["schemas"].as_array().map(Vec::len), Some(13));
}

#[tokio::test]
async fn metrics_count_partners_and_name_no_record() {
    let house = doors();
    let got = house.get("/metrics", "scraper").await;
    assert!(got.body.starts_with("measured 1\n"));
    assert!(
        got.body
            .contains("gateway_jobs{partner=\"ehr-north\",state=\"parked\"} 2")
    );
    assert!(
        got.body
            .contains("gateway_oldest_open_seconds{partner=\"ehr-north\"} 600")
    );
    for name in ["M-1", "C-1", "J1", "Canary"] {
        assert!(!got.body.contains(name), "{name}");
    }
}
