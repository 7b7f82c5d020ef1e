//! A simulated EHR: keeps FHIR resources under ids of its own, honours If-None-Exist and If-Match, finds
//! by identifier, refuses references to what it does not have, and goes wrong on order.

mod keep;
mod transaction;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};

use crate::demo::sim::{Fault, Faults, Journal, JournalLine, Loopback, Peer, Switch};
pub use keep::Kept;
use keep::{Done, Keep};

/// What this EHR is like.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Honours `If-None-Exist`; otherwise ignores it, as most do.
    pub conditional: bool,
    /// Demands `If-Match` on updates.
    pub if_match: bool,
    /// Refuses a literal reference to what it does not have.
    pub integrity: bool,
    /// Matches on a page of a search.
    pub page: usize,
    /// Takes transactions.
    pub transactions: bool,
    /// Understands chained search parameters, in searches and in conditions.
    pub chains: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            conditional: true,
            if_match: true,
            integrity: true,
            page: 20,
            transactions: true,
            chains: true,
        }
    }
}

/// The EHR. Cheap to clone; lives as long as the process.
#[derive(Clone)]
pub struct EhrSim {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    address: SocketAddr,
    switch: Switch,
    journal: Journal,
    faults: Faults,
    keep: Mutex<Keep>,
    /// The last write that a fault kept from its effect.
    held_up: Mutex<Option<Call>>,
}

impl EhrSim {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start(name: &str, journal: Journal, options: Options) -> std::io::Result<Self> {
        let loopback = Loopback::bind().await?;
        let sim = EhrSim {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                address: loopback.address(),
                switch: loopback.switch(),
                journal,
                faults: Faults::default(),
                keep: Mutex::new(Keep::new(options)),
                held_up: Mutex::default(),
            }),
        };
        let app = Router::new().fallback(serve).with_state(sim.clone());
        tokio::spawn(async move {
            let _ = axum::serve(loopback, app.into_make_service_with_connect_info::<Peer>()).await;
        });
        Ok(sim)
    }

    /// Its base address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/fhir", self.inner.address)
    }

    /// Takes it down and up.
    #[must_use]
    pub fn switch(&self) -> &Switch {
        &self.inner.switch
    }

    /// What goes wrong next.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Puts something there that is no work of the gateway's (a patient of the registrar's); its id.
    pub fn put(&self, resource: Value) -> String {
        self.keep().insert(resource)
    }

    /// Somebody at the EHR changes a copy.
    pub fn edit(&self, resource_type: &str, id: &str, change: impl FnOnce(&mut Value)) {
        self.keep().edit(resource_type, id, change);
    }

    /// Somebody at the EHR deletes a copy.
    pub fn delete(&self, resource_type: &str, id: &str) {
        self.keep().delete(resource_type, id);
    }

    /// The last write that a fault kept from its effect takes effect now, when nobody waits for its answer any
    /// more. Whether there was one.
    pub fn arrives_late(&self) -> bool {
        let held_up = self.held_up().take();
        held_up.is_some_and(|call| {
            let mut done = self.keep().handle(&call.request());
            let line = self.line(&call, &mut done);
            self.inner.journal.write(JournalLine { status: 0, ..line });
            true
        })
    }

    /// All that it keeps.
    #[must_use]
    pub fn kept(&self) -> Vec<Kept> {
        self.keep().all()
    }

    /// What it keeps of a type.
    #[must_use]
    pub fn of_type(&self, resource_type: &str) -> Vec<Kept> {
        let mut kept = self.kept();
        kept.retain(|k| k.resource_type == resource_type);
        kept
    }

    /// How many resources have an identifier (a Provenance: targets and time) that another has, too.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.keep().duplicates()
    }

    /// How often an older version of a record took effect after a newer one.
    #[must_use]
    pub fn order_violations(&self) -> u64 {
        self.keep().order.violations()
    }

    fn keep(&self) -> MutexGuard<'_, Keep> {
        self.inner
            .keep
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn held_up(&self) -> MutexGuard<'_, Option<Call>> {
        self.inner
            .held_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What the journal says of a request.
    fn line(&self, call: &Call, done: &mut Done) -> JournalLine {
        let text = |name: &str| {
            let value = call.headers.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let path = call.uri.path_and_query();
        JournalLine {
            partner: self.inner.name.clone(),
            method: call.method.to_string(),
            path: path.map(ToString::to_string).unwrap_or_default(),
            ours: done.ours.take(),
            record: text("gateway-record"),
            message: text("x-request-id"),
            theirs: done.theirs.take(),
            status: done.status,
            outcome: done.outcome.to_owned(),
            ..JournalLine::default()
        }
    }
}

/// What came over the wire.
struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn request(&self) -> Request<'_> {
        let path = self.uri.path().trim_start_matches("/fhir");
        Request {
            method: &self.method,
            path: path.split('/').filter(|s| !s.is_empty()).collect(),
            query: pairs(self.uri.query().unwrap_or_default()),
            headers: &self.headers,
            body: &self.body,
        }
    }
}

/// A request, as far as it matters here.
struct Request<'a> {
    method: &'a Method,
    path: Vec<&'a str>,
    query: Vec<(String, String)>,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

async fn serve(
    State(sim): State<EhrSim>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let call = Call {
        method,
        uri,
        headers,
        body,
    };
    let write = call.method != Method::GET;
    let fault = sim.faults().next(write);
    let mut done = match fault {
        Some(fault) if !fault.takes_effect() => failed(fault),
        _ => sim.keep().handle(&call.request()),
    };
    let mut line = sim.line(&call, &mut done);
    if write && fault.is_some_and(|f| !f.takes_effect()) {
        *sim.held_up() = Some(call);
    }
    if let Some(fault) = fault.filter(|f| f.takes_effect()) {
        line.outcome = format!("{}-{}", line.outcome, fault.name());
    }
    match fault {
        Some(Fault::ServerErrorAfter) => {
            done = failed(Fault::ServerError);
            line.status = done.status;
        }
        Some(Fault::Reset | Fault::ResetAfter | Fault::Silent | Fault::SilentAfter) => {
            line.status = 0;
        }
        _ => {}
    }
    sim.inner.journal.write(line);
    match fault {
        Some(Fault::Reset | Fault::ResetAfter) => peer.break_off(),
        Some(Fault::Silent | Fault::SilentAfter) => std::future::pending::<()>().await,
        Some(Fault::Slow(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    answer(&sim.url(), done)
}

fn answer(base: &str, done: Done) -> Response<Body> {
    let mut response = Response::new(Body::from(
        done.body.map(|b| b.to_string()).unwrap_or_default(),
    ));
    *response.status_mut() = StatusCode::from_u16(done.status).unwrap_or(StatusCode::OK);
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    put("content-type", "application/fhir+json".to_owned());
    if let Some(location) = done.location {
        put("location", format!("{base}/{location}"));
    }
    if let Some(version) = done.version {
        put("etag", format!("W/\"{version}\""));
    }
    if let Some(seconds) = done.retry_after {
        put("retry-after", seconds.to_string());
    }
    if done.status == 401 {
        put("www-authenticate", "Bearer".to_owned());
    }
    response
}

/// What a fault answers without doing anything.
fn failed(fault: Fault) -> Done {
    let status = match fault {
        Fault::Unavailable => 503,
        Fault::Throttled(_) => 429,
        Fault::Unauthorized => 401,
        Fault::Forbidden => 403,
        Fault::Refused => 422,
        Fault::Stale => 412,
        Fault::Conflict => 409,
        Fault::ErrorIn200 => 200,
        _ => 500,
    };
    Done {
        status,
        body: Some(json!({
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": "processing"}],
        })),
        retry_after: match fault {
            Fault::Throttled(seconds) => Some(seconds),
            _ => None,
        },
        outcome: fault.name(),
        ..Done::default()
    }
}

/// A query's pairs, decoded.
fn pairs(query: &str) -> Vec<(String, String)> {
    reqwest::Url::parse(&format!("http://h/?{query}"))
        .map(|url| {
            url.query_pairs()
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect()
        })
        .unwrap_or_default()
}
