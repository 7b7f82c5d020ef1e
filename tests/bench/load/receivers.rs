//! Three partners that take everything at once and keep nothing: what they cost is as little as can be,
//! so that the sender is measured.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::net::TcpListener;

/// How many there are.
pub(crate) const PARTNERS: usize = 3;

/// Serves all of them; says their addresses, in one line.
pub(crate) async fn run() {
    let mut addresses = Vec::new();
    for _ in 0..PARTNERS {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        addresses.push(listener.local_addr().expect("an address").to_string());
        let app = Router::new()
            .route(
                "/fhir/metadata",
                get(|| async { "{\"resourceType\":\"CapabilityStatement\"}" }),
            )
            .route("/fhir", post(take_all))
            .route("/fhir/", post(|body| take(Path("Bundle".to_owned()), body)))
            .route("/fhir/{type}", post(take))
            .route("/fhir/{type}/{id}", axum::routing::put(renew));
        tokio::spawn(async move { axum::serve(listener, app).await });
    }
    println!("{}", addresses.join(" "));
    std::future::pending::<()>().await;
}

async fn take(Path(resource_type): Path<String>, _body: axum::body::Bytes) -> impl IntoResponse {
    let id = fastrand::u64(..);
    let location = format!("/fhir/{resource_type}/{id}/_history/1");
    (
        StatusCode::CREATED,
        [(LOCATION, location), (ETAG, "W/\"1\"".to_owned())],
    )
}

/// A transaction: each of its entries is taken. It is not read, but looked through for what each entry asks.
async fn take_all(body: axum::body::Bytes) -> impl IntoResponse {
    const ASKED: &str = r#""request":{"method":""#;
    let text = String::from_utf8_lossy(&body);
    let entries: Vec<String> = text
        .match_indices(ASKED)
        .map(|(at, _)| {
            let asked = &text[at + ASKED.len()..];
            let mut words = asked.split('"');
            let (method, url) = (words.next(), words.nth(3).unwrap_or(""));
            match method {
                Some("POST") => {
                    let id = fastrand::u64(..);
                    format!(
                        r#"{{"response":{{"status":"201","location":"{url}/{id}/_history/1","etag":"W/\"1\""}}}}"#
                    )
                }
                _ => r#"{"response":{"status":"200","etag":"W/\"2\""}}"#.to_owned(),
            }
        })
        .collect();
    let said = format!(
        r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[{}]}}"#,
        entries.join(",")
    );
    (
        StatusCode::OK,
        [(CONTENT_TYPE, "application/fhir+json")],
        said,
    )
}

async fn renew(_body: axum::body::Bytes) -> impl IntoResponse {
    (StatusCode::OK, [(ETAG, "W/\"2\"")])
}
