//! The network between the nodes and their partners. A request that left its node belongs to the network:
//! it may arrive although its node is dead or has given up, be lost, be answered with nonsense, or arrive
//! late; its seed says which.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fhir_gateway::clock::Time;
use fhir_gateway::partner::wire::{Ask, Carrier, Heard};
use fhir_gateway::sync::reason::Reason;
use fhir_gateway::sync::verdict::{Answer, Verdict};
use tokio::sync::oneshot;

use super::turns::Hands;
use super::watch::Watch;

/// The longest that a request may take, as the partners' blocks say.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// A request that arrives after its sender gave up does so within this: before it is asked about.
const LATE_MAX_MS: u64 = 4000;

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Which partner, by its place.
    pub(crate) partner: usize,
    pub(crate) write: bool,
    pub(crate) method: String,
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    fn of(partner: usize, ask: Ask<'_>) -> Self {
        let segments = ask.url.path_segments();
        let path = segments.map(|s| s.map(str::to_owned).collect());
        let query = ask.url.query_pairs();
        Request {
            partner,
            write: ask.body.is_some(),
            method: ask.method.to_string(),
            path: path.unwrap_or_default(),
            query: query
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect(),
            headers: ask.headers,
            body: ask.body.map(|(_, bytes)| bytes).unwrap_or_default(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    NoConnection,
    /// This status, and nothing done; with this `Retry-After`, seconds.
    Status(u16, Option<u64>),
    ResetBefore,
    ResetAfter,
    /// 500 after it was done.
    ErrorAfter,
    /// A page of HTML after it was done.
    PageAfter,
    /// Done after the sender gave up.
    Late,
    /// Arrives a second time, right after the first, at an EHR that honours conditions: nobody hears what that
    /// one was answered.
    Twice,
    /// Never arrives.
    Lost,
    /// SCRIPT Error with this code, nothing done.
    Script(&'static str),
    /// SCRIPT Error 602 after it was done.
    ScriptAfter,
}

impl Fate {
    fn takes_effect(self) -> bool {
        use Fate::*;
        matches!(
            self,
            Good | ResetAfter | ErrorAfter | PageAfter | Late | Twice | ScriptAfter
        )
    }

    /// Whether its sender cannot know what was done.
    fn unclear(self) -> bool {
        use Fate::*;
        matches!(
            self,
            ResetBefore | ResetAfter | ErrorAfter | PageAfter | Late | Lost | ScriptAfter
        ) || self == Status(500, None)
    }
}

struct Sent {
    request: Request,
    fate: Fate,
    /// Its answer, once it arrived.
    answer: Option<Result<Heard, Answer>>,
    not_before: Time,
    latest: Time,
    reply: Option<oneshot::Sender<Result<Heard, Answer>>>,
}

struct Inner {
    rng: fastrand::Rng,
    next: u64,
    sent: BTreeMap<u64, Sent>,
    /// Of 100 requests, how many go wrong.
    wrong: u32,
    down_until: [Time; super::PARTNERS.len()],
    faults: u64,
}

/// The network.
pub(crate) struct Network {
    inner: Mutex<Inner>,
    hands: Arc<Hands>,
    watch: Arc<Watch>,
}

/// What the world has to do with a request: have it done, by its partner, or see its answer delivered.
pub(crate) enum Event {
    /// It arrives, once or twice: its partner says this.
    Arrives { request: Request, twice: bool },
    /// Nothing arrives; or its answer does.
    Over(&'static str),
}

impl Network {
    pub(crate) fn new(seed: u64, wrong: u32, hands: Arc<Hands>, watch: Arc<Watch>) -> Self {
        Network {
            inner: Mutex::new(Inner {
                rng: fastrand::Rng::with_seed(seed),
                next: 0,
                sent: BTreeMap::new(),
                wrong,
                down_until: Default::default(),
                faults: 0,
            }),
            hands,
            watch,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&self) {
        let mut inner = self.inner();
        inner.wrong = 0;
        inner.down_until = Default::default();
    }

    /// A partner is down until then.
    pub(crate) fn down(&self, partner: usize, until: Time) {
        self.inner().down_until[partner] = until;
    }

    pub(crate) fn faults(&self) -> u64 {
        self.inner().faults
    }

    fn send(&self, partner: usize, ask: Ask<'_>) -> oneshot::Receiver<Result<Heard, Answer>> {
        let now = self.hands.now();
        let request = Request::of(partner, ask);
        let (reply, answer) = oneshot::channel();
        let mut inner = self.inner();
        let fate = inner.fate(partner, request.write, now);
        if fate != Fate::Good {
            inner.faults += 1;
        }
        self.watch.sends(&request, fate.unclear());
        let late = Duration::from_millis(inner.rng.u64(1..LATE_MAX_MS));
        let (not_before, latest) = match fate {
            Fate::Late => (now.plus(TIMEOUT + late), now.plus(TIMEOUT + late)),
            Fate::Lost => (Time::NEVER, Time::NEVER),
            _ => (now, now.plus(TIMEOUT / 2)),
        };
        let id = inner.next;
        inner.next += 1;
        let sent = Sent {
            request,
            fate,
            answer: None,
            not_before,
            latest,
            reply: Some(reply),
        };
        inner.sent.insert(id, sent);
        answer
    }

    /// What can happen now, in the order in which it was sent.
    pub(crate) fn ready(&self) -> Vec<u64> {
        let now = self.hands.now();
        let inner = self.inner();
        let ready = inner.sent.iter().filter(|(_, s)| s.not_before <= now);
        ready.map(|(id, _)| *id).collect()
    }

    /// How far time may go before something has to happen here.
    pub(crate) fn latest(&self) -> Time {
        let inner = self.inner();
        let all = inner.sent.values().map(|s| s.latest);
        all.min().unwrap_or(Time::NEVER)
    }

    /// Whether a message of ours to a pharmacy is still on its way there.
    pub(crate) fn on_its_way(&self, part: &str) -> bool {
        let inner = self.inner();
        inner.sent.values().any(|s| {
            s.answer.is_none()
                && s.fate.takes_effect()
                && (s.request.header("x-request-id") == Some(part)
                    || String::from_utf8_lossy(&s.request.body).contains(part))
        })
    }

    /// Lets the next thing happen to a request.
    pub(crate) fn next(&self, id: u64) -> Event {
        let mut inner = self.inner();
        let Some(sent) = inner.sent.get_mut(&id) else {
            return Event::Over("nothing");
        };
        if let Some(answer) = sent.answer.take() {
            let reply = sent.reply.take();
            let request = inner.sent.remove(&id).map(|s| s.request);
            // Who gave up, or died, does not hear it.
            let heard = reply.is_some_and(|r| r.send(answer).is_ok());
            if let (false, Some(request)) = (heard, request) {
                self.watch.unheard(&request);
            }
            return Event::Over(if heard {
                "answered"
            } else {
                "nobody hears the answer"
            });
        }
        if sent.fate.takes_effect() {
            return Event::Arrives {
                request: sent.request.clone(),
                twice: sent.fate == Fate::Twice,
            };
        }
        let answer = match sent.fate {
            Fate::NoConnection => Err(Answer::outage(Reason::Connect)),
            Fate::ResetBefore => Err(Answer::new(Verdict::Unsure, Reason::Reset)),
            Fate::Status(status, retry_after) => Ok(Heard {
                retry_after: retry_after.map(Duration::from_secs),
                token_refused: status == 401,
                ..heard(status, Vec::new())
            }),
            Fate::Script(code) => Ok(heard(200, super::pharmacy::error(code))),
            _ => return Event::Over("lost"),
        };
        sent.answer = Some(answer);
        Event::Over("refused on the way")
    }

    /// What its partner said when it arrived.
    pub(crate) fn said(&self, id: u64, said: Heard) {
        let mut inner = self.inner();
        let Some(sent) = inner.sent.get_mut(&id) else {
            return;
        };
        sent.answer = Some(match sent.fate {
            Fate::ResetAfter => Err(Answer::new(Verdict::Unsure, Reason::Reset)),
            Fate::ErrorAfter => Ok(heard(500, Vec::new())),
            Fate::PageAfter => Ok(heard(200, b"<html>Back soon".to_vec())),
            Fate::ScriptAfter => Ok(heard(200, super::pharmacy::error("602"))),
            _ => Ok(said),
        });
        if sent.fate == Fate::Late {
            inner.sent.remove(&id);
        }
    }
}

impl Inner {
    fn fate(&mut self, partner: usize, write: bool, now: Time) -> Fate {
        if self.down_until[partner] > now {
            return Fate::NoConnection;
        }
        if self.wrong == 0 || self.rng.u32(..100) >= self.wrong {
            return Fate::Good;
        }
        let script = super::PARTNERS[partner].kind == "ncpdp-script" && write;
        match self.rng.u32(..16) {
            0 => Fate::NoConnection,
            1 => Fate::Status(503, None),
            2 => Fate::Status(429, Some(self.rng.u64(1..120))),
            3 => Fate::Status(401, None),
            4 => Fate::Status(500, None),
            5 if script => Fate::Script("600"),
            6 if script => Fate::Script("900"),
            7 if script => Fate::ScriptAfter,
            5 | 6 if write => Fate::Status(422, None),
            7..=9 => Fate::ResetAfter,
            10 => Fate::ResetBefore,
            11 => Fate::ErrorAfter,
            12 => Fate::PageAfter,
            13 if write && partner == 0 => Fate::Twice,
            13 | 14 => Fate::Late,
            _ => Fate::Lost,
        }
    }
}

/// An answer with this status and body.
pub(crate) fn heard(status: u16, body: Vec<u8>) -> Heard {
    Heard {
        status,
        media_type: String::new(),
        etag: None,
        location: None,
        retry_after: None,
        token_refused: false,
        body,
        complete: true,
    }
}

/// A node's line to one partner.
pub(crate) struct Line {
    pub(crate) partner: usize,
    pub(crate) network: Arc<Network>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({})", self.partner)
    }
}

#[async_trait]
impl Carrier for Line {
    async fn carry(&self, ask: Ask<'_>) -> Result<Heard, Answer> {
        let answer = self.network.send(self.partner, ask);
        match tokio::time::timeout(TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Answer::new(Verdict::Unsure, Reason::TimedOut)),
        }
    }
}
