//! Between the gateway and a partner: passes everything on, and stops where a test has something to do first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use tokio::sync::{Semaphore, watch};

/// How long a request may take to come.
const DEADLINE: Duration = Duration::from_secs(30);

/// The man in the middle. Lives as long as the process.
pub(crate) struct Middleman {
    url: String,
    inner: Arc<Inner>,
}

struct Inner {
    to: String,
    http: reqwest::Client,
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
            http: reqwest::Client::new(),
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
    let mut headers = headers;
    headers.remove("host");
    let sent = inner
        .http
        .request(method, format!("{}{path}", inner.to))
        .headers(headers)
        .body(body)
        .send();
    let answer = sent.await.expect("the partner answers");
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "transfer-encoding" && name != "content-length" {
            response = response.header(name, value);
        }
    }
    let body = answer.bytes().await.expect("all of it");
    response.body(Body::from(body)).expect("an answer")
}
