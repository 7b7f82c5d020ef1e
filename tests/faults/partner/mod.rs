//! A partner over raw TCP that goes wrong on command and keeps its own book of what it was asked and what
//! took effect. What it says and what it does are two things: each fault says whether the effect was taken.

pub(crate) mod ehr;
pub(crate) mod http;
pub(crate) mod pharmacy;
pub(crate) mod tls;
mod transaction;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::check::{Line, Took};
use ehr::Ehr;
use http::{Answer, Request};
use pharmacy::Pharmacy;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// This status, with `Retry-After` in seconds; whether it took effect all the same.
    Status(u16, Option<u64>, bool),
    /// No answer at all.
    Silent(bool),
    /// The connection is reset.
    Reset(bool),
    /// It breaks off within the head of the answer. Took effect, as all that follow.
    HalfHead,
    /// It breaks off within the body.
    HalfBody,
    /// A whole head, then a reset where the body should be.
    HeadThenReset,
    /// A page of HTML.
    Page,
    /// Bytes that are no HTTP.
    Garbage,
    /// The next transaction is refused as a whole; what else comes before it is well.
    Apart,
    /// The next transaction took effect, and the answer says so of its first half only.
    HalfSaid,
    /// Somebody there has changed all that the next transaction with an update means to update.
    Edited,
}

/// What it keeps.
pub(crate) enum Keep {
    Ehr(Ehr),
    Pharmacy(Pharmacy),
}

/// How it behaves, from now on.
#[derive(Default)]
struct Manner {
    next: VecDeque<Bad>,
    /// Every request, or every write, until told otherwise.
    standing: Option<Bad>,
    /// Before each answer.
    delay: Duration,
    /// Of a hundred writes, so many go wrong at random, half of them after the effect.
    shaky: u8,
    random: fastrand::Rng,
    /// How much went wrong so far.
    faults: u64,
}

struct Inner {
    name: String,
    address: SocketAddr,
    clock: Arc<System>,
    up: watch::Sender<bool>,
    manner: Mutex<Manner>,
    keep: Mutex<Keep>,
    book: Mutex<Vec<Line>>,
}

/// The partner. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Partner(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Partner {
    /// Starts it on a free port of loopback.
    pub(crate) async fn start(name: &str, keep: Keep, clock: Arc<System>, seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let partner = Partner(Arc::new(Inner {
            name: name.to_owned(),
            address: listener.local_addr().expect("an address"),
            clock,
            up: watch::Sender::new(true),
            manner: Mutex::new(Manner {
                random: fastrand::Rng::with_seed(seed),
                ..Manner::default()
            }),
            keep: Mutex::new(keep),
            book: Mutex::default(),
        }));
        tokio::spawn(partner.clone().listen(listener));
        partner
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// How much went wrong so far.
    pub(crate) fn faults(&self) -> u64 {
        lock(&self.0.manner).faults
    }

    /// Refuses connections from now on, and breaks those that there are.
    pub(crate) fn down(&self) {
        lock(&self.0.manner).faults += 1;
        self.0.up.send_replace(false);
    }

    pub(crate) fn up(&self) {
        self.0.up.send_replace(true);
    }

    /// The next writes go wrong like this.
    pub(crate) fn next(&self, bad: impl IntoIterator<Item = Bad>) {
        lock(&self.0.manner).next.extend(bad);
    }

    /// How many of those are still to come.
    pub(crate) fn to_come(&self) -> usize {
        lock(&self.0.manner).next.len()
    }

    /// Every request goes wrong like this, probes too, until told otherwise.
    pub(crate) fn standing(&self, bad: Option<Bad>) {
        lock(&self.0.manner).standing = bad;
    }

    pub(crate) fn slow(&self, delay: Duration) {
        lock(&self.0.manner).delay = delay;
    }

    pub(crate) fn shaky(&self, percent: u8) {
        lock(&self.0.manner).shaky = percent;
    }

    /// Everything is well from now on.
    pub(crate) fn heal(&self) {
        {
            let mut manner = lock(&self.0.manner);
            manner.next.clear();
            manner.standing = None;
            manner.delay = Duration::ZERO;
            manner.shaky = 0;
        }
        self.up();
    }

    /// What it was asked, in the order in which it was done.
    pub(crate) fn book(&self) -> Vec<Line> {
        lock(&self.0.book).clone()
    }

    /// How many lines the book has.
    pub(crate) fn asked(&self) -> usize {
        lock(&self.0.book).len()
    }

    pub(crate) fn keep(&self) -> MutexGuard<'_, Keep> {
        lock(&self.0.keep)
    }

    async fn listen(self, first: TcpListener) {
        let mut listener = Some(first);
        let mut up = self.0.up.subscribe();
        loop {
            if !*up.borrow_and_update() {
                listener = None;
                if up.wait_for(|up| *up).await.is_err() {
                    return;
                }
            }
            let Some(open) = &listener else {
                match TcpListener::bind(self.0.address).await {
                    Ok(open) => listener = Some(open),
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
                continue;
            };
            tokio::select! {
                accepted = open.accept() => {
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(self.clone().talk(stream));
                    }
                }
                changed = up.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn talk(self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut up = self.0.up.subscribe();
        loop {
            let request = tokio::select! {
                request = http::read(&mut stream) => request,
                _ = up.wait_for(|up| !*up) => None,
            };
            let Some(request) = request else { return };
            if !self.answer(&mut stream, &request).await {
                return;
            }
        }
    }

    /// Does and answers one request. Whether the connection goes on.
    async fn answer(&self, stream: &mut TcpStream, request: &Request) -> bool {
        let begun = self.0.clock.monotonic();
        let (bad, delay) = self.manner(request);
        lock(&self.0.manner).faults += u64::from(bad.is_some() || !delay.is_zero());
        let mut gone = None;
        if !delay.is_zero() {
            gone = self.hold(stream, delay).await;
        }
        let effect = !matches!(
            bad,
            Some(Bad::Status(_, _, false) | Bad::Silent(false) | Bad::Reset(false))
        );
        let mut line = line(request, begun);
        let answer = if effect {
            let (answer, took) = match &mut *self.keep() {
                Keep::Ehr(ehr) => {
                    if bad == Some(Bad::Edited) {
                        ehr.edit(&request.body);
                    }
                    ehr.handle(request)
                }
                Keep::Pharmacy(pharmacy) => pharmacy.handle(request, &mut line),
            };
            line.took = took;
            answer
        } else {
            Answer::new(500)
        };
        line.at = self.0.clock.monotonic();
        line.ended = Duration::MAX;
        let answer = match bad {
            Some(Bad::Status(status, wait, _)) => Answer {
                headers: wait
                    .map(|s| ("retry-after", s.to_string()))
                    .into_iter()
                    .collect(),
                ..Answer::new(status)
            },
            Some(Bad::Page) => Answer {
                media_type: "text/html",
                body: b"<html><body>Please log in</body></html>".to_vec(),
                ..Answer::new(200)
            },
            Some(Bad::HalfSaid) => transaction::half_said(answer),
            // So that there is a body to break off in.
            Some(Bad::HalfBody | Bad::HeadThenReset) if answer.body.is_empty() => Answer {
                body: br#"{"resourceType": "OperationOutcome"}"#.to_vec(),
                ..answer
            },
            _ => answer,
        };
        line.status = answer.status;
        if let Some(Bad::Status(_, Some(wait), _)) = bad {
            line.retry_after = Some(Duration::from_secs(wait));
        }
        if matches!(
            bad,
            Some(Bad::Silent(_) | Bad::Reset(_) | Bad::HalfHead | Bad::Garbage)
        ) {
            line.status = 0;
        }
        // In the book before it is said: nobody may know more than the book does.
        let at = {
            let mut book = lock(&self.0.book);
            book.push(line);
            book.len() - 1
        };
        let goes_on = self.say(stream, bad, &answer).await;
        lock(&self.0.book)[at].ended = gone.unwrap_or_else(|| self.0.clock.monotonic());
        goes_on && gone.is_none()
    }

    /// Waits; when the other side went away, if it did.
    async fn hold(&self, stream: &TcpStream, delay: Duration) -> Option<Duration> {
        let mut byte = [0];
        let end = tokio::time::sleep(delay);
        tokio::pin!(end);
        tokio::select! {
            () = &mut end => None,
            _ = stream.peek(&mut byte) => {
                let gone = self.0.clock.monotonic();
                end.await;
                Some(gone)
            }
        }
    }

    async fn say(&self, stream: &mut TcpStream, bad: Option<Bad>, answer: &Answer) -> bool {
        let (bytes, head) = answer.bytes();
        let (part, resets) = match bad {
            Some(Bad::Silent(_)) => {
                let mut byte = [0];
                let mut up = self.0.up.subscribe();
                tokio::select! {
                    _ = stream.peek(&mut byte) => {}
                    _ = up.wait_for(|up| !*up) => {}
                }
                return false;
            }
            Some(Bad::Reset(_)) => (&bytes[..0], true),
            Some(Bad::HalfHead) => (&bytes[..head / 2], false),
            Some(Bad::HalfBody) => (&bytes[..head + answer.body.len() / 2], false),
            Some(Bad::HeadThenReset) => (&bytes[..head], true),
            Some(Bad::Garbage) => (&b"\x00\xffgarbage\r\n\x01\r\n\r\n"[..], false),
            _ => (&bytes[..], false),
        };
        let whole = part.len() == bytes.len() && !matches!(bad, Some(Bad::Garbage));
        let written = stream.write_all(part).await.is_ok();
        if resets {
            let _ = stream.set_zero_linger();
        }
        written && whole
    }

    fn manner(&self, request: &Request) -> (Option<Bad>, Duration) {
        let mut manner = lock(&self.0.manner);
        let delay = manner.delay;
        if !request.is_write() {
            return (manner.standing, delay);
        }
        let comes = match manner.next.front() {
            Some(Bad::Apart | Bad::HalfSaid) => request.is_transaction(),
            Some(Bad::Edited) => request.is_transaction() && transaction::updates(&request.body),
            _ => true,
        };
        if comes && let Some(bad) = manner.next.pop_front() {
            let refused = Bad::Status(422, None, false);
            return (Some(if bad == Bad::Apart { refused } else { bad }), delay);
        }
        if manner.shaky > 0 && manner.random.u8(0..100) < manner.shaky {
            let effect = manner.random.bool();
            let bad = match manner.random.u8(0..3) {
                0 => Bad::Status(500, None, effect),
                1 => Bad::Reset(effect),
                _ => Bad::HalfHead,
            };
            return (Some(bad), delay);
        }
        (manner.standing, delay)
    }
}

fn line(request: &Request, begun: Duration) -> Line {
    Line {
        begun,
        method: request.method.clone(),
        record: request.header("gateway-record").map(str::to_owned),
        job: request.header("x-request-id").map(str::to_owned),
        ..Line::default()
    }
}

/// Something that took effect.
pub(crate) fn took(name: String, created: bool) -> Took {
    Took { name, created }
}
