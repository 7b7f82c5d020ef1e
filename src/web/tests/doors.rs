//! Who is let in, and what is too much.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

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
        (Method::GET, "/jobs", &["reader", "admin"]),
        (Method::GET, "/jobs/J1", &["reader", "admin"]),
        (Method::GET, "/jobs/J1/blocked-by", &["reader", "admin"]),
        (Method::GET, "/lanes", &["reader", "admin"]),
        (Method::GET, "/partners", &["reader", "admin"]),
        (Method::GET, "/holds", &["reader", "admin"]),
        (Method::POST, "/holds", &["admin"]),
        (Method::POST, "/holds/release", &["admin"]),
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
    type Case<'a> = (
        Method,
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        u16,
        &'a str,
    );
    let cases: &[Case<'_>] = &[
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
        (Method::GET, "/jobs?state=lost", "admin", &[], 400, "state"),
        (Method::GET, "/jobs?name=Doe", "admin", &[], 400, "query"),
        (Method::GET, "/jobs?record=M-1", "admin", &[], 400, "kind"),
        (Method::GET, "/lanes?after=x", "admin", &[], 400, "after"),
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
