//! Three partners that take everything at once and keep nothing: what they cost is as little as can be,
//! so that the sender is measured.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{ETAG, LOCATION};
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

async fn renew(_body: axum::body::Bytes) -> impl IntoResponse {
    (StatusCode::OK, [(ETAG, "W/\"2\"")])
}
