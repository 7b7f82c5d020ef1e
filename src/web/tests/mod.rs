//! The doors against a store of fixed answers: who is let in, what is too much, what people see and do.

mod browser;
mod doors;
mod fixed_desk;
mod fixed_store;
mod pages;
mod sockets;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::clock::Manual;
use crate::ids::{Hash, JobId, Key, PartnerId, TenantId};
use crate::sync::house::Settings;
use crate::sync::job::{Chain, Purpose, State, VersionRef};
use crate::sync::ports::{
    Audited, Blocker, Given, JobView, PartnerView, Status, StoredVersion, Story, Unmatched,
};
use crate::sync::reason::Reason;
use fixed_store::Fixed;

/// 2026-11-24T12:00:00Z.
const NOW: i64 = 1_795_521_600_000_000;

fn ago(seconds: i64) -> Time {
    Time::from_micros(NOW - seconds * 1_000_000)
}

fn version(kind: &str, id: &str) -> StoredVersion {
    StoredVersion {
        record: VersionRef {
            kind: kind.to_owned(),
            id: id.to_owned(),
            version: 1,
        },
        chain: Chain(format!("{kind}/{id}")),
        client: Some("C-1".to_owned()),
        body: br#"{"name":"Canaryquill"}"#.to_vec(),
        context: Vec::new(),
        hash: Hash::sha256(b"x"),
        origin: "clinic".to_owned(),
        accepted: ago(60),
        given: Given {
            status: 202,
            body: Vec::new(),
        },
    }
}

fn job(id: &str, state: State, reason: Reason, unsure: bool) -> JobView {
    JobView {
        id: JobId::new(id),
        partner: PartnerId::new("ehr-north"),
        record: VersionRef {
            kind: "observation".to_owned(),
            id: "<b>M-1</b>".to_owned(),
            version: 2,
        },
        purpose: Purpose::Copy,
        state,
        reason: Some(reason),
        accepted: ago(600),
        due: ago(-30),
        attempts: 3,
        unsure,
        message: None,
        blocked_by: vec![Blocker::Lane {
            job: JobId::new("<J0>"),
            state: State::Waiting,
        }],
        effects: Vec::new(),
        tries: Vec::new(),
    }
}

fn status() -> Status {
    Status {
        partners: vec![PartnerView {
            partner: PartnerId::new("ehr-north"),
            jobs: [("parked", 2), ("waiting", 1), ("done", 7)].into(),
            retrying: 1,
            held: 0,
            oldest: Some(ago(600)),
            paused: None,
            last_success: Some(ago(12)),
        }],
        jobs: vec![
            job("J1", State::Parked, Reason::Refused, false),
            job("J2", State::Parked, Reason::Unclear, true),
            job("J3", State::Waiting, Reason::TryLater, false),
        ],
        parked_raw: Vec::new(),
        unmatched: vec![Unmatched {
            partner: PartnerId::new("ehr-north"),
            their_id: "<i>77</i>".to_owned(),
            waiting: 2,
            since: ago(4000),
        }],
        refusals: Vec::new(),
        denials_open: 0,
        versions: 9,
        jobs_made: 10,
        jobs_by_people: 0,
        audited: Audited::default(),
    }
}

fn fixed() -> Fixed {
    Fixed {
        status: status(),
        story: Some(Story {
            versions: vec![version("observation", "M-1")],
            resources: Vec::new(),
            jobs: vec![job("J1", State::Parked, Reason::Refused, false)],
            denials: Vec::new(),
            answers: Vec::new(),
        }),
        feed: (1..=3)
            .map(|n| (n, version("dispense", &format!("D-{n}"))))
            .collect(),
        known_client: Some(version("client", "C-1")),
        well: true,
        done: std::sync::Mutex::default(),
    }
}

struct Built {
    router: Router,
    store: Arc<Fixed>,
}

fn token(name: &str, rights: &[&str]) -> Token {
    Token {
        name: name.to_owned(),
        tenant: TenantId::new("t"),
        hash: TokenHash::of(&format!("{name}-token")),
        rights: rights
            .iter()
            .map(|r| Right::parse(r).expect("right"))
            .collect(),
    }
}

fn doors_with(store: Fixed, change: impl FnOnce(&mut DoorLimits)) -> Built {
    let store = Arc::new(store);
    let tenant = Tenant {
        id: TenantId::new("t"),
        base: "https://clinic.example".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        key: Key::new(b"a key for tests"),
    };
    let mut settings = Settings::default();
    settings.json.bytes_max = 2000;
    let shared: Arc<dyn crate::sync::ports::Store> = Arc::<Fixed>::clone(&store);
    let house = House {
        tenants: HashMap::from([(tenant.id.clone(), tenant)]),
        partners: HashMap::new(),
        routes: Vec::new(),
        store: shared,
        validator: Arc::default(),
        rulings: crate::sync::judge::Rulings::default(),
        clock: Arc::new(Manual::at(Time::from_micros(NOW))),
        settings,
        freed: Arc::default(),
    };
    let mut limits = DoorLimits {
        requests_max: 4,
        body_timeout: Duration::from_millis(50),
        status_rows_max: 100,
        feed_rows_max: 2,
        list_rows_max: 2,
        free_mb_min: 0,
        folder: None,
    };
    change(&mut limits);
    let tokens = vec![
        token("clinic", &["submit", "feed"]),
        token("reader", &["read"]),
        token("admin", &["operate"]),
        token("lab", &["inbound:lab-east"]),
        token("scraper", &["metrics"]),
    ];
    let acceptor = Acceptor::new(Arc::new(house));
    let doors = Doors::new(
        &acceptor,
        tokens,
        limits,
        Box::new(|| "measured 1\n".to_owned()),
    );
    Built {
        router: router(Arc::new(doors)),
        store,
    }
}

fn doors() -> Built {
    doors_with(fixed(), |_| ())
}

struct Got {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |v| v.to_str().expect("text"))
    }
}

impl Built {
    async fn send(&self, request: Request<Body>) -> Got {
        let answer = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = answer.into_parts();
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.expect("a chunk"));
        }
        Got {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes).expect("UTF-8"),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        who: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        if !who.is_empty() {
            request = request.header("authorization", format!("Bearer {who}-token"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).expect("request"))
            .await
    }

    async fn get(&self, path: &str, who: &str) -> Got {
        self.ask(Method::GET, path, who, &[], "").await
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const BROWSER: (&str, &str) = ("accept", "text/html,*/*;q=0.8");
