//! A simulated strict pharmacy over SCRIPT 2017071: takes NewRx and CancelRx, refuses what the schema
//! refuses, counts what would do harm, and tells the gateway what became of its prescriptions.
//!
//! ```text
//! let pharmacy = PharmacySim::start("pharmacy-main", clock, journal, Options::default()).await?;
//! // config: url = pharmacy.url(), duplicates = "answers-220" if options.answers_220
//! pharmacy.connect("http://127.0.0.1:8080/in/pharmacy-main", "token");   // where it tells
//! pharmacy.faults().writes([Some(Fault::ResetAfter), None]);              // what goes wrong next
//! pharmacy.switch().down();                                               // refuses connections
//! pharmacy.verify(&message).await?;                                       // Verify
//! pharmacy.fill(&message, Fill::Partly("14".into())).await?;              // RxFill
//! pharmacy.answer_cancel(&cancel, None).await?;                           // CancelRxResponse Approved
//! pharmacy.work().await?;                                                 // all that is left to do
//! assert_eq!(pharmacy.harm().sum(), 0);
//! ```
//!
//! Faults: [`Fault::Script`] and [`Fault::ScriptAfter`] answer Error with any codes
//! (`Fault::Script("600", "210")`: try later), [`Fault::ErrorIn200`] is Error 600; the others are those of
//! every simulated partner. Its journal has the order number in `ours`, the MessageID in `message` and
//! the pharmacy's prescription number in `theirs`.
//!
//! It knows nothing of the gateway but the address of its door and a token.

mod keep;
mod say;
mod schema;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{Method, Response, StatusCode, Uri};
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::demo::sim::{Fault, Faults, Journal, JournalLine, Loopback, Peer, Switch};
use crate::partner::wire::{Ask, Credential, Http, HttpSettings};
use crate::phi::Secret;
pub use keep::{Cancel, Harm, Rx};
use keep::{Done, Keep, Word};
pub use say::Fill;
pub use schema::violations;

/// How often it sends a message of its own until there is a clear answer, and how soon again.
const TRIES: usize = 300;
const AGAIN: Duration = Duration::from_millis(100);

/// What this pharmacy is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its NCPDP provider id: what is for another one is refused.
    pub ncpdp_id: String,
    /// Answers 220 to a MessageID that it has had; else books it a second time.
    pub answers_220: bool,
    /// Answers Status 010, as the pharmacy itself; else 000, as somebody on the way.
    pub at_once: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            ncpdp_id: "7701630".to_owned(),
            answers_220: true,
            at_once: true,
        }
    }
}

/// The pharmacy. Cheap to clone; lives as long as the process.
#[derive(Clone)]
pub struct PharmacySim {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    address: SocketAddr,
    switch: Switch,
    clock: Arc<dyn Clock>,
    journal: Journal,
    faults: Faults,
    keep: Mutex<Keep>,
    door: Mutex<Option<Door>>,
}

#[derive(Clone)]
struct Door {
    url: reqwest::Url,
    http: Http,
}

/// What the gateway answered to a message of the pharmacy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
    /// The MessageID that it answers.
    pub message: String,
}

impl PharmacySim {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start(
        name: &str,
        clock: Arc<dyn Clock>,
        journal: Journal,
        options: Options,
    ) -> std::io::Result<Self> {
        let loopback = Loopback::bind().await?;
        let keep = Keep {
            ncpdp_id: options.ncpdp_id,
            answers_220: options.answers_220,
            status: if options.at_once { "010" } else { "000" },
            ..Keep::default()
        };
        let sim = PharmacySim {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                address: loopback.address(),
                switch: loopback.switch(),
                clock,
                journal,
                faults: Faults::default(),
                keep: Mutex::new(keep),
                door: Mutex::new(None),
            }),
        };
        let app = Router::new().fallback(serve).with_state(sim.clone());
        tokio::spawn(async move {
            let _ = axum::serve(loopback, app.into_make_service_with_connect_info::<Peer>()).await;
        });
        Ok(sim)
    }

    /// Where it takes messages.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/script", self.inner.address)
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

    /// Where it tells what became of prescriptions: the gateway's door, and the bearer token for it.
    ///
    /// # Errors
    /// No address.
    pub fn connect(&self, url: &str, token: &str) -> std::io::Result<()> {
        let odd = |_| std::io::Error::from(std::io::ErrorKind::InvalidInput);
        let http = Http::new(&HttpSettings {
            credential: Credential::Fixed(Secret::new(token.to_owned())),
            ..HttpSettings::default()
        });
        *self.door() = Some(Door {
            url: reqwest::Url::parse(url).map_err(|_| odd(()))?,
            http: http.map_err(|_| odd(()))?,
        });
        Ok(())
    }

    /// The prescriptions taken, in order.
    #[must_use]
    pub fn prescriptions(&self) -> Vec<Rx> {
        self.keep().prescriptions.clone()
    }

    /// The cancels taken, in order.
    #[must_use]
    pub fn cancels(&self) -> Vec<Cancel> {
        self.keep().cancels.clone()
    }

    /// Prescriptions of an order that may still be filled.
    #[must_use]
    pub fn live(&self, order_no: &str) -> usize {
        self.keep().live(order_no)
    }

    /// Most prescriptions of any one order that were live at once, ever.
    #[must_use]
    pub fn live_most(&self) -> usize {
        self.keep().live_most.values().copied().max().unwrap_or(0)
    }

    /// Messages that came again under their MessageID and did no harm.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.keep().repeats
    }

    /// What must never happen.
    #[must_use]
    pub fn harm(&self) -> Harm {
        self.keep().harm.clone()
    }

    /// Tells that it looked at a prescription (a MessageID).
    ///
    /// # Errors
    /// Nothing of that name is there, no door is known, or the door does not answer.
    pub async fn verify(&self, message: &str) -> std::io::Result<Receipt> {
        let rx = self.rx(message)?;
        let receipt = self.tell(&rx, None, &say::verify()).await?;
        self.change(message, |rx| rx.verified = true);
        Ok(receipt)
    }

    /// Tells what became of a fill.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn fill(&self, message: &str, fill: Fill) -> std::io::Result<Receipt> {
        let rx = self.rx(message)?;
        let day = self.inner.clock.now().date_in(&TimeZone::UTC).to_string();
        let receipt = self.tell(&rx, None, &say::fill(&rx, &fill, &day)).await?;
        match fill {
            Fill::Dispensed | Fill::Partly(_) => self.change(message, |rx| rx.fills += 1),
            Fill::Transferred => self.change(message, |rx| rx.live = false),
            Fill::Not(_) => {}
        }
        Ok(receipt)
    }

    /// Answers a cancel (its MessageID): approved, or denied for a reason (`AR` transferred…).
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn answer_cancel(
        &self,
        cancel: &str,
        denied: Option<&str>,
    ) -> std::io::Result<Receipt> {
        let found = self.cancels().into_iter().find(|c| c.message == cancel);
        let asked = found.ok_or(std::io::ErrorKind::NotFound)?;
        let rx = self.rx(&asked.relates_to).unwrap_or_else(|_| Rx {
            order_no: asked.order_no.clone(),
            ..Rx::default()
        });
        if denied.is_none() {
            // Before it is told: the next prescription of the order may come at once.
            self.change(&asked.relates_to, |rx| rx.live = false);
        }
        let receipt = self
            .tell(&rx, Some(cancel), &say::cancelled(denied))
            .await?;
        for c in &mut self.keep().cancels {
            if c.message == cancel {
                c.approved = Some(denied.is_none());
            }
        }
        Ok(receipt)
    }

    /// Does what a pharmacy does next: approves cancels that wait, verifies what is new, fills what is
    /// verified, once. How many messages it sent.
    ///
    /// # Errors
    /// No door is known, or it does not answer.
    pub async fn work(&self) -> std::io::Result<usize> {
        let mut sent = 0;
        for cancel in self.cancels().iter().filter(|c| c.approved.is_none()) {
            self.answer_cancel(&cancel.message, None).await?;
            sent += 1;
        }
        for rx in self.prescriptions().iter().filter(|r| r.live) {
            if !rx.verified {
                self.verify(&rx.message).await?;
            } else if rx.fills == 0 {
                self.fill(&rx.message, Fill::Dispensed).await?;
            } else {
                continue;
            }
            sent += 1;
        }
        Ok(sent)
    }

    /// Sends any transaction about a prescription, under a new MessageID, until there is a clear answer;
    /// `relates_to` names another message than its NewRx.
    ///
    /// # Errors
    /// No door is known, or it does not answer for a long time.
    pub async fn tell(
        &self,
        rx: &Rx,
        relates_to: Option<&str>,
        body: &str,
    ) -> std::io::Result<Receipt> {
        let (from, message) = {
            let mut keep = self.keep();
            (keep.ncpdp_id.clone(), keep.next_id())
        };
        let line = say::Line {
            from: &from,
            message: &message,
            relates_to: relates_to.or(Some(&rx.message)).filter(|m| !m.is_empty()),
            rx_no: Some(rx.rx_no.as_str()).filter(|n| !n.is_empty()),
            order_no: Some(&rx.order_no),
            now: self.inner.clock.now(),
        };
        let bytes = say::message(&line, body);
        for _ in 0..TRIES {
            match self.send(&message, bytes.clone()).await {
                Ok(receipt) if receipt.status < 500 => return Ok(receipt),
                Err(e) if e.kind() == std::io::ErrorKind::NotConnected => return Err(e),
                // It may have got through: the same message again, never another one.
                Ok(_) | Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
        Err(std::io::ErrorKind::TimedOut.into())
    }

    /// Sends these bytes to the gateway's door.
    ///
    /// # Errors
    /// No door is known, or it does not answer.
    pub async fn send(&self, message: &str, bytes: Vec<u8>) -> std::io::Result<Receipt> {
        let door = self
            .door()
            .clone()
            .ok_or(std::io::ErrorKind::NotConnected)?;
        let ask = Ask {
            method: Method::POST,
            url: door.url,
            headers: Vec::new(),
            body: Some(("application/xml", bytes)),
        };
        let heard = door.http.send(ask, self.inner.clock.now()).await;
        let heard = heard.map_err(|_| std::io::ErrorKind::ConnectionAborted)?;
        Ok(Receipt {
            status: heard.status,
            body: heard.body,
            message: message.to_owned(),
        })
    }

    fn rx(&self, message: &str) -> std::io::Result<Rx> {
        let keep = self.keep();
        let found = keep.prescriptions.iter().find(|r| r.message == message);
        Ok(found.cloned().ok_or(std::io::ErrorKind::NotFound)?)
    }

    fn change(&self, message: &str, change: impl Fn(&mut Rx)) {
        for rx in &mut self.keep().prescriptions {
            if rx.message == message {
                change(rx);
            }
        }
    }

    fn keep(&self) -> MutexGuard<'_, Keep> {
        self.inner
            .keep
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn door(&self) -> MutexGuard<'_, Option<Door>> {
        self.inner
            .door
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(
    State(sim): State<PharmacySim>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response<Body> {
    let write = method == Method::POST;
    let fault = sim.faults().next(write);
    let done = match fault {
        Some(fault) if !fault.takes_effect() => Done {
            outcome: fault.name(),
            ..Done::default()
        },
        _ if write => sim.keep().take(&body),
        _ => Done {
            outcome: "read",
            ..Done::default()
        },
    };
    let (status, answer) = answered(fault, write, done.answer);
    let mut line = JournalLine {
        partner: sim.inner.name.clone(),
        method: method.to_string(),
        path: uri.path().to_owned(),
        ours: done.order_no,
        message: done.message.clone(),
        theirs: done.theirs,
        status,
        outcome: match fault.filter(|f| f.takes_effect()) {
            Some(fault) => format!("{}-{}", done.outcome, fault.name()),
            None => done.outcome.to_owned(),
        },
        ..JournalLine::default()
    };
    if let Some(Fault::Reset | Fault::ResetAfter | Fault::Silent | Fault::SilentAfter) = fault {
        line.status = 0;
    }
    sim.inner.journal.write(line);
    match fault {
        Some(Fault::Reset | Fault::ResetAfter) => peer.break_off(),
        Some(Fault::Silent | Fault::SilentAfter) => std::future::pending::<()>().await,
        Some(Fault::Slow(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    let bytes = say::word(&answer).map(|body| {
        let (from, message) = {
            let mut keep = sim.keep();
            (keep.ncpdp_id.clone(), keep.next_id())
        };
        let line = say::Line {
            from: &from,
            message: &message,
            relates_to: done.message.as_deref(),
            rx_no: None,
            order_no: None,
            now: sim.inner.clock.now(),
        };
        say::message(&line, &body)
    });
    let mut response = Response::new(Body::from(bytes.unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        axum::http::HeaderValue::from_static("text/html"),
    );
    match fault {
        Some(Fault::Throttled(seconds)) => {
            headers.insert("retry-after", seconds.into());
        }
        Some(Fault::Unauthorized) => {
            let bearer = axum::http::HeaderValue::from_static("Bearer");
            headers.insert("www-authenticate", bearer);
        }
        _ => {}
    }
    response
}

/// HTTP status and word of an answer.
fn answered(fault: Option<Fault>, write: bool, word: Word) -> (u16, Word) {
    match fault {
        Some(Fault::Unavailable) => (503, Word::Nothing),
        Some(Fault::Throttled(_)) => (429, Word::Nothing),
        Some(Fault::Unauthorized) => (401, Word::Nothing),
        Some(Fault::Forbidden) => (403, Word::Nothing),
        Some(Fault::Refused) => (422, Word::Nothing),
        Some(Fault::Stale) => (412, Word::Nothing),
        Some(Fault::Conflict) => (409, Word::Nothing),
        Some(Fault::ServerError | Fault::ServerErrorAfter) => (500, Word::Nothing),
        Some(Fault::ErrorIn200) => (200, Word::Error("600", "000")),
        Some(Fault::Script(code, detail) | Fault::ScriptAfter(code, detail)) => {
            (200, Word::Error(code, detail))
        }
        _ if write => (200, word),
        _ => (405, Word::Nothing),
    }
}
