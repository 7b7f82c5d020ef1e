//! The simulated clinic's webhook: checks signatures, takes a message once, counts what came twice under
//! other ids or out of order, and goes wrong on order.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::clock::Clock;
use crate::demo::sim::order::Order;
use crate::demo::sim::{Fault, Faults, Journal, JournalLine, Loopback, Peer, Switch};
use crate::partner::clinic::{MESSAGE_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify};

/// The clinic's webhook. Cheap to clone; lives as long as the process.
#[derive(Clone)]
pub struct ClinicSim {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    secret: String,
    address: SocketAddr,
    switch: Switch,
    clock: Arc<dyn Clock>,
    journal: Journal,
    faults: Faults,
    heard: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    messages: Vec<Value>,
    /// Message id by `kind/id/version`.
    versions: HashMap<String, String>,
    repeats: u64,
    duplicates: u64,
    forged: u64,
    order: Order,
}

impl ClinicSim {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start(
        name: &str,
        secret: &str,
        clock: Arc<dyn Clock>,
        journal: Journal,
    ) -> std::io::Result<Self> {
        let loopback = Loopback::bind().await?;
        let sim = ClinicSim {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                secret: secret.to_owned(),
                address: loopback.address(),
                switch: loopback.switch(),
                clock,
                journal,
                faults: Faults::default(),
                heard: Mutex::default(),
            }),
        };
        let app = Router::new().fallback(serve).with_state(sim.clone());
        tokio::spawn(async move {
            let _ = axum::serve(loopback, app.into_make_service_with_connect_info::<Peer>()).await;
        });
        Ok(sim)
    }

    /// The webhook's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.inner.address)
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

    /// The messages taken, in order, repeats aside.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        self.heard().messages.clone()
    }

    /// Messages that came again under their own id: harmless.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.heard().repeats
    }

    /// Record versions that came under two message ids.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.heard().duplicates
    }

    /// Requests whose signature or timestamp was wrong.
    #[must_use]
    pub fn forged(&self) -> u64 {
        self.heard().forged
    }

    /// How often an older version of a record came after a newer one.
    #[must_use]
    pub fn order_violations(&self) -> u64 {
        self.heard().order.violations()
    }

    fn heard(&self) -> MutexGuard<'_, Told> {
        self.inner
            .heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in: status and outcome.
    fn take(
        &self,
        line: &mut JournalLine,
        headers: &HeaderMap,
        body: &[u8],
    ) -> (u16, &'static str) {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
        };
        let genuine = verify(
            self.inner.secret.as_bytes(),
            text(TIMESTAMP_HEADER),
            text(SIGNATURE_HEADER),
            body,
            self.inner.clock.now(),
        );
        let mut told = self.heard();
        if !genuine {
            told.forged += 1;
            return (401, "forged");
        }
        let Ok(message) = serde_json::from_slice::<Value>(body) else {
            return (400, "refused");
        };
        let field = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let id = field("message");
        if id.is_empty() || id != text(MESSAGE_HEADER) {
            return (400, "refused");
        }
        let record = format!("{}/{}/{}", field("kind"), field("id"), message["version"]);
        line.message = Some(id.clone());
        line.record = Some(record.clone());
        if told.messages.iter().any(|m| m["message"] == id.as_str()) {
            told.repeats += 1;
            return (200, "repeat");
        }
        if told.versions.insert(record.clone(), id).is_some() {
            told.duplicates += 1;
        }
        told.order.note(&record);
        told.messages.push(message);
        (200, "accepted")
    }
}

async fn serve(
    State(sim): State<ClinicSim>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut line = JournalLine {
        partner: sim.inner.name.clone(),
        method: method.to_string(),
        path: uri.path().to_owned(),
        ..JournalLine::default()
    };
    if method != Method::POST {
        line.status = 405;
        line.outcome = "refused".to_owned();
        sim.inner.journal.write(line);
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let fault = sim.faults().next(true);
    let (mut status, outcome) = match fault {
        Some(fault) if !fault.takes_effect() => (
            match fault {
                Fault::Unavailable => 503,
                Fault::Throttled(_) => 429,
                Fault::Unauthorized => 401,
                Fault::Forbidden => 403,
                Fault::Refused => 422,
                Fault::Conflict => 409,
                Fault::Stale => 412,
                _ => 500,
            },
            fault.name(),
        ),
        _ => sim.take(&mut line, &headers, &body),
    };
    line.outcome = match fault.filter(|f| f.takes_effect()) {
        Some(fault) => format!("{outcome}-{}", fault.name()),
        None => outcome.to_owned(),
    };
    if fault == Some(Fault::ServerErrorAfter) {
        status = 500;
    }
    line.status = match fault {
        Some(Fault::Reset | Fault::ResetAfter | Fault::Silent | Fault::SilentAfter) => 0,
        _ => status,
    };
    sim.inner.journal.write(line);
    match fault {
        Some(Fault::Reset | Fault::ResetAfter) => peer.break_off(),
        Some(Fault::Silent | Fault::SilentAfter) => std::future::pending::<()>().await,
        Some(Fault::Slow(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, "{}").into_response();
    if let Some(Fault::Throttled(seconds)) = fault {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}
