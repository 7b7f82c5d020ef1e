//! An EHR over FHIR R4 REST: it keeps copies of the clinic's resources under ids of its own.
//!
//! What it can do differs (domain facts, section 6): types that it takes, conditional create or not,
//! versions or not; all of that is config. Which interaction an effect becomes is chosen at each attempt,
//! by what the crosswalk says:
//!
//! | crosswalk row | interaction | its answers |
//! | --- | --- | --- |
//! | none | create: `If-None-Exist`, or a search right before | 201 accepted; there already: compare, update; 412 several: drift; 409 unclear |
//! | one | update with `If-Match` | 200 accepted; 409, 412 stale: read, compare, decide; 404, 410 gone |
//! | none, entered in error | nothing | not needed |
//! | none, a cancel | a search, and an update if it is there | nothing there: nothing is made |
//!
//! Where it takes transactions, the creates and updates of one message go in one, all of them or none
//! (`transaction.rs`), as far as each is found again (`query.rs`); what that leaves open goes by the table.
//!
//! A 2xx whose body is an OperationOutcome with an error is what that says. 401 is the token, 429 and
//! 503 an outage, other 5xx, time-outs and resets are unclear and settled by reading back (`ask.rs`).
//! When their copy changed since we wrote it, ours is written over the version just read (the clinic
//! owns the record; what the EHR changed comes in as an event by its own way), or, with
//! `on_change = "park"`, a person decides; to go on after that the switch is set to `overwrite` and the
//! job replayed.
//!
//! Must never print a body, and never know what a kind of record means.

mod answers;
mod ask;
mod config;
mod encode;
mod exchange;
mod fill;
mod inbound;
mod query;
#[cfg(test)]
mod tests;
mod transaction;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;

use crate::issue::Issue;
use crate::json::Limits;
use crate::partner::settings::Settings;
use crate::partner::wire::{Ask, Http, by_status, cut_off};
use crate::partner::{Built, Common, PartnerKind};
use crate::sync::job::{Find, NewEffect};
use crate::sync::ports::{
    Delivery, Encoded, Envelope, Facts, Incoming, Outgoing, Partner, RawReceipt, Reply, Style,
    Together,
};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Verdict};
use config::Config;
use exchange::Exchange;

/// This kind's line in the table.
pub const KIND: PartnerKind = PartnerKind {
    name: "ehr-fhir",
    relays: true,
    doc: config::DOC,
    build,
};

/// An EHR.
#[derive(Debug)]
pub struct EhrFhir {
    facts: Facts,
    config: Config,
    encodes_like: String,
    http: Http,
    base: Url,
    limit: Duration,
    json: Limits,
}

fn build(common: Common, keys: toml::Table) -> Result<Built, Vec<String>> {
    let limit = Duration::from_millis(common.timeout_ms);
    let mut config = Config::read(Settings::new(keys), limit)?;
    config.http.carrier = common.carrier.clone();
    let base = Url::parse(&config.url)
        .ok()
        .filter(|u| !u.cannot_be_a_base())
        .ok_or_else(|| vec!["url: must be an http:// or https:// address".to_owned()])?;
    Ok(std::sync::Arc::new(EhrFhir {
        facts: Facts {
            together_max: config.transaction_entries_max,
            reads_back: true,
            ..common.facts(Style::Copies, "treating_providers", true)
        },
        http: Http::new(&config.http)?,
        encodes_like: format!("{:?}", encode::Language::of(&config)),
        config,
        base,
        limit,
        json: common.json,
    }))
}

impl EhrFhir {
    /// The address of something at this EHR.
    fn url(&self, path: &[&str]) -> Result<Url, Answer> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(path);
            }
            Err(()) => return Err(Answer::new(Verdict::Refused, Reason::Unsupported)),
        }
        Ok(url)
    }
}

#[async_trait]
impl Partner for EhrFhir {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn encode(&self, out: &Outgoing<'_>) -> Result<Encoded, Vec<Issue>> {
        Ok(encode::encode(encode::Language::of(&self.config), out))
    }

    fn encodes_like(&self) -> Option<&str> {
        Some(&self.encodes_like)
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Answer {
        let wrote = AtomicBool::new(false);
        let exchange = Exchange {
            ehr: self,
            delivery,
            wrote: &wrote,
        };
        match tokio::time::timeout(self.limit, exchange.run()).await {
            Ok(answer) => answer,
            Err(_) => cut_off(wrote.load(Ordering::Relaxed)),
        }
    }

    fn together(&self, deliveries: &[Delivery<'_>]) -> usize {
        transaction::fits(self, deliveries)
    }

    async fn deliver_together(&self, deliveries: &[Delivery<'_>]) -> Together {
        let wrote = AtomicBool::new(false);
        let sent = transaction::send(self, deliveries, &wrote);
        match tokio::time::timeout(self.limit, sent).await {
            Ok(together) => together,
            Err(_) => Together::Failed(cut_off(wrote.load(Ordering::Relaxed))),
        }
    }

    fn can_ask(&self, effect: &NewEffect) -> bool {
        matches!(effect.find, Find::Identifier { .. } | Find::Search(_))
    }

    async fn ask(&self, delivery: &Delivery<'_>) -> Answer {
        let wrote = AtomicBool::new(false);
        let exchange = Exchange {
            ehr: self,
            delivery,
            wrote: &wrote,
        };
        match tokio::time::timeout(self.limit, exchange.ask()).await {
            Ok(answer) => answer,
            Err(_) => cut_off(true),
        }
    }

    async fn probe(&self) -> Answer {
        let url = match self.url(&["metadata"]) {
            Ok(url) => url,
            Err(answer) => return answer,
        };
        let mut ask = Ask::get(url);
        ask.headers.push(("accept", encode::FHIR_JSON.to_owned()));
        match self.http.send(ask, crate::clock::Time::NEVER).await {
            Ok(heard) if heard.is_success() => heard.answer(Verdict::Accepted, Reason::Delivered),
            Ok(heard) => match by_status(&heard) {
                Some(answer) if answer.verdict == Verdict::Busy => answer,
                _ => heard.fill(Answer::outage(Reason::Unavailable)),
            },
            Err(answer) if answer.verdict == Verdict::Busy => answer,
            Err(answer) => Answer::outage(answer.reason),
        }
    }

    fn envelope(&self, _content_type: &str, bytes: &[u8]) -> Envelope {
        inbound::envelope(bytes, &self.json)
    }

    fn decode(&self, content_type: &str, bytes: &[u8]) -> Result<Vec<Incoming>, Vec<Issue>> {
        inbound::decode(content_type, bytes, self.config.entries_max, &self.json)
    }

    fn reply(&self, received: &RawReceipt<'_>) -> Reply {
        inbound::reply(received, &self.json)
    }
}
