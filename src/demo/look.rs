//! What the gateway says of itself, read at its doors: the status, and the story of each record.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use serde_json::Value;

use crate::demo::recount::{Job, Name, Story};
use crate::demo::sim::Door;
use crate::record::Kind;

/// Stories that are read at once.
const AT_ONCE: usize = 8;

/// The counts of the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Jobs ever made.
    pub jobs: u64,
    /// By state.
    pub by_state: BTreeMap<String, u64>,
    /// Of the waiting: held by the gate, until a consent is given.
    pub held: u64,
    /// Whether every job is in exactly one state.
    pub adds_up: bool,
    /// Inbound messages that are parked, and patients to be linked.
    pub inbound_open: u64,
    /// The sentence at the head of the status page.
    pub headline: String,
}

impl Totals {
    /// Jobs in a state.
    #[must_use]
    pub fn of(&self, state: &str) -> u64 {
        self.by_state.get(state).copied().unwrap_or(0)
    }

    /// Jobs that are on their way.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.of("waiting") + self.of("sending") + self.of("asking")
    }

    /// Whether nothing moves by itself any more.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.of("sending") + self.of("asking") == 0 && self.of("waiting") == self.held
    }
}

/// The status. `None`: no answer at the moment.
pub async fn totals(door: &Door) -> Option<Totals> {
    let heard = door.read("/status").await?;
    if heard.status != 200 {
        return None;
    }
    let status: Value = serde_json::from_slice(&heard.body).ok()?;
    let by_state = status["totals"].as_object()?;
    let partners = status["partners"].as_array()?;
    Some(Totals {
        jobs: status["jobs_made"].as_u64()?,
        by_state: by_state
            .iter()
            .filter_map(|(state, n)| Some((state.clone(), n.as_u64()?)))
            .collect(),
        held: partners.iter().filter_map(|p| p["held"].as_u64()).sum(),
        adds_up: status["adds_up"] == true,
        inbound_open: status["unmatched"].as_u64().unwrap_or(0)
            + u64::try_from(status["parked_inbound"].as_array().map_or(0, Vec::len)).unwrap_or(0),
        headline: status["headline"].as_str().unwrap_or_default().to_owned(),
    })
}

/// The stories of these records.
///
/// # Errors
/// One of them is not to be had.
pub async fn stories(door: &Door, names: BTreeSet<Name>) -> anyhow::Result<BTreeMap<Name, Story>> {
    let all: Vec<anyhow::Result<(Name, Story)>> = futures_util::stream::iter(names)
        .map(|name| async move {
            let path = format!("/records/{}/{}", name.0, name.1);
            for _ in 0..5 {
                if let Some(heard) = door.read(&path).await
                    && heard.status == 200
                    && let Ok(value) = serde_json::from_slice::<Value>(&heard.body)
                {
                    let story = story(&name, &value);
                    return Ok((name, story));
                }
            }
            anyhow::bail!("the gateway does not tell the story of {path}")
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    all.into_iter().collect()
}

fn story(name: &Name, value: &Value) -> Story {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let own = |job: &Value| {
        job["record"]["kind"] == name.0.as_str() && job["record"]["id"] == name.1.as_str()
    };
    let jobs = list(&value["jobs"]);
    Story {
        jobs: jobs
            .iter()
            .filter(|job| own(job))
            .map(|job| Job {
                partner: text(&job["partner"]).unwrap_or_default(),
                version: job["record"]["version"].as_u64().unwrap_or(0),
                purpose: text(&job["purpose"]).unwrap_or_default(),
                state: text(&job["state"]).unwrap_or_default(),
                reason: text(&job["reason"]),
                words: text(&job["what"]),
                message: text(&job["message"]),
                tries: list(&job["tries"])
                    .iter()
                    .map(|t| {
                        let verdict = text(&t["verdict"]).unwrap_or_default();
                        (verdict, t["asked"] == true)
                    })
                    .collect(),
            })
            .collect(),
        denials: list(&value["denials"])
            .iter()
            .map(|d| {
                (
                    d["version"].as_u64().unwrap_or(0),
                    text(&d["partner"]).unwrap_or_default(),
                    text(&d["why"]).unwrap_or_default(),
                    d["open"] == true,
                )
            })
            .collect(),
    }
}

/// All of the clinic's feed, from its beginning.
///
/// # Errors
/// It is not to be had.
pub async fn feed(door: &Door) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let heard = door.read(&format!("/feed?after={after}")).await;
        let page = heard
            .filter(|h| h.status == 200)
            .and_then(|h| serde_json::from_slice::<Value>(&h.body).ok());
        let Some(mut page) = page else {
            anyhow::bail!("the gateway does not give the feed");
        };
        if let Value::Array(entries) = page["entries"].take() {
            all.extend(entries);
        }
        after = page["next"].as_i64().unwrap_or(after);
        if page["more"] != true {
            return Ok(all);
        }
    }
}

/// A record of the gateway's, from a message that the clinic was told.
#[must_use]
pub fn name_of(told: &Value) -> Option<Name> {
    let kind = Kind::parse(told["kind"].as_str()?)?;
    Some((kind, told["id"].as_str()?.to_owned()))
}
