//! Between the gateway and a partner: passes everything on, and stops where a test has something to do first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use fhir_gateway::partner::wire::{Ask, Http, HttpSettings};
use tokio::sync::{Semaphore, watch};

use crate::support::BEGIN;

/// What a partner has to see of a request's head.
const PASSED_ON: [&str; 6] = [
    "authorization",
    "gateway-record",
    "if-match",
    "if-none-exist",
    "prefer",
    "x-request-id",
];
/// How long a request may take to come.
const DEADLINE: Duration = Duration::from_secs(30);

/// The man in the middle. Lives as long as the process.
pub(crate) struct Middleman {
    url: String,
    inner: Arc<Inner>,
}

struct Inner {
    to: String,
    http: Http,
    /// At which request it stops; 0: at none.
    stop_at: AtomicUsize,
    came: watch::Sender<usize>,
    goes_on: Semaphore,
}

impl Middleman {
    /// On the way to `to`.
    pub(crate) async fn before(to: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port of loopback");
        let inner = Arc::new(Inner {
            to: to.to_owned(),
            http: Http::new(&HttpSettings::default()).expect("a client"),
            stop_at: AtomicUsize::new(0),
            came: watch::channel(0).0,
            goes_on: Semaphore::new(0),
        });
        let address = listener.local_addr().expect("an address");
        let app = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Middleman {
            url: format!("http://{address}"),
            inner,
        }
    }

    /// Its address, without a slash at its end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The n-th request goes no further until [`Middleman::go_on`].
    pub(crate) fn stop_at(&self, n: usize) {
        self.inner.stop_at.store(n, Ordering::SeqCst);
    }

    /// Waits for that request.
    pub(crate) async fn reached(&self) {
        let n = self.inner.stop_at.load(Ordering::SeqCst);
        let mut came = self.inner.came.subscribe();
        let there = tokio::time::timeout(DEADLINE, came.wait_for(|m| *m >= n)).await;
        there.expect("it comes").expect("the middleman lives");
    }

    /// Lets it go.
    pub(crate) fn go_on(&self) {
        self.inner.goes_on.add_permits(1);
    }
}

async fn pass(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let mut n = 0;
    inner.came.send_modify(|m| {
        *m += 1;
        n = *m;
    });
    if n == inner.stop_at.load(Ordering::SeqCst) {
        let permit = inner.goes_on.acquire().await;
        permit.expect("never closed").forget();
    }
    let path = uri.path_and_query().map_or("", |p| p.as_str());
    let said = |name| Some((name, headers.get(name)?.to_str().ok()?.to_owned()));
    let media_type = said("content-type").map(|(_, value)| value);
    let ask = Ask {
        method,
        url: reqwest::Url::parse(&format!("{}{path}", inner.to)).expect("an address"),
        headers: PASSED_ON.iter().filter_map(|name| said(name)).collect(),
        body: media_type.as_deref().map(|m| (m, body.to_vec())),
    };
    let heard = inner.http.send(ask, BEGIN).await.expect("an answer");
    let mut response = Response::builder()
        .status(heard.status)
        .header("content-type", heard.media_type);
    for (name, value) in [("etag", heard.etag), ("location", heard.location)] {
        if let Some(value) = value {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(heard.body)).expect("an answer")
}
