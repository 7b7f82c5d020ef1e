//! A pharmacy over NCPDP SCRIPT 2017071: it fills prescriptions, and tells of them.
//!
//! | we send | they answer | meaning |
//! | --- | --- | --- |
//! | NewRx, CancelRx | Status 010 | accepted |
//! | | Status 000, 001, 002, 003, 005 | pending: taken on the way, an answer comes later |
//! | | Error with 220 | they have it already |
//! | | Error 600, 601, 210, 4000; 503, 429, no connection | not processed: safe again |
//! | | Error 602, 008, 4020; time-out, reset, other 5xx, a broken answer, a 2xx without SCRIPT | unclear |
//! | | any other Error, other 4xx | refused |
//!
//! An unclear message is asked about by sending the very same bytes again, and only where the config says
//! that the pharmacy answers 220 to a MessageID that it has had; else a person decides. They send Status,
//! Error, Verify, RxFill and CancelRxResponse: each becomes an event or a fill of its order.
//!
//! SCRIPT has holes for nothing of theirs: a payload is final at acceptance, MessageID and SentTime with it.
//! Must never print a body, cut a text to fit, or send a controlled drug without evidence of its signature.

pub mod answers;
pub mod cancel_rx;
pub mod cancel_rx_response;
mod config;
pub mod envelope;
pub mod error;
pub mod inbound;
mod map;
pub mod medication;
pub mod new_rx;
pub mod people;
pub mod rx_fill;
pub mod status;
#[cfg(test)]
mod tests;
pub mod verify;
pub mod writer;
pub mod xml;

use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use reqwest::{Method, Url};

use crate::clock::Time;
use crate::issue::Issue;
use crate::partner::settings::Settings;
use crate::partner::wire::{Ask, Http, by_status};
use crate::partner::{Built, Common, PartnerKind};
use crate::record::medication_request::MedicationRequest;
use crate::record::staff::Staff;
use crate::record::{Context, MapEnv, Record};
use crate::sync::job::{EffectKind, Find, NewEffect, Payload, Purpose, payload_hash};
use crate::sync::ports::{
    Delivery, Encoded, Envelope, Facts, Incoming, Outgoing, Partner, RawReceipt, Reply, Style, Told,
};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Verdict};

use config::{Config, Duplicates};
pub use config::{Manner, Sender};
use envelope::Party;
use inbound::Heard;
pub use map::{from_script, to_script};

/// This kind's line in the table.
pub const KIND: PartnerKind = PartnerKind {
    name: "ncpdp-script",
    relays: false,
    doc: config::DOC,
    build,
};

/// How consents name the class, where the config says nothing else.
const CLASS: &str = "pharmacies";

/// A pharmacy, or a network of them.
#[derive(Debug)]
pub struct NcpdpScript {
    facts: Facts,
    config: Config,
    http: Http,
    url: Url,
    probe_url: Url,
    zone: TimeZone,
}

fn build(common: Common, keys: toml::Table) -> Result<Built, Vec<String>> {
    let limit = Duration::from_millis(common.timeout_ms);
    let mut config = Config::read(Settings::new(keys), limit)?;
    config.http.carrier = common.carrier.clone();
    let parse = |key: &str, text: &str| {
        Url::parse(text).map_err(|_| vec![format!("{key}: must be an http:// or https:// address")])
    };
    Ok(std::sync::Arc::new(NcpdpScript {
        facts: common.facts(Style::Prescriptions, CLASS, false),
        http: Http::new(&config.http)?,
        url: parse("url", &config.url)?,
        probe_url: parse("probe_url", &config.probe_url)?,
        config,
        zone: common.zone,
    }))
}

/// What a message of ours is written with, besides the order.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The tenant's facts.
    pub env: &'a MapEnv,
    /// What the order leans on.
    pub context: &'a Context,
    /// Its MessageID.
    pub message: &'a str,
    /// Its SentTime.
    pub now: Time,
    /// A cancel: the message it takes back.
    pub relates_to: Option<&'a str>,
    /// The notice of 42 CFR 2.32.
    pub notice: Option<&'a str>,
}

impl Letter<'_> {
    fn sender(&self, sender: &Sender, prescriber: &Staff) -> Party {
        Party {
            qualifier: sender.qualifier.to_owned(),
            id: sender
                .id
                .clone()
                .or_else(|| prescriber.npi.clone())
                .unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    /// The field of the order that leads to the client.
    fn client_field(&self, order: &MedicationRequest) -> &'static str {
        if order.client_no.is_some() {
            "/client_no"
        } else {
            "/episode_id"
        }
    }

    /// Whom or what a prescription cannot do without, and is not known.
    fn incomplete(&self) -> Vec<Issue> {
        let c = self.context;
        [
            (
                c.client.is_none(),
                "/episode_id",
                "a prescription says for whom it is",
            ),
            (
                c.pharmacy.is_none(),
                "/pharmacy_id",
                "a prescription says where it is filled",
            ),
            (
                c.prescriber.is_none(),
                "/prescriber_staff_id",
                "a prescription says who prescribes",
            ),
        ]
        .into_iter()
        .filter(|(lacks, _, _)| *lacks)
        .map(|(_, field, message)| Issue::error("required", "script-required", field, message))
        .collect()
    }
}

impl NcpdpScript {
    async fn post(&self, delivery: &Delivery<'_>) -> Answer {
        let Some(payload) = &delivery.effect.what.payload else {
            return Answer::new(Verdict::Refused, Reason::Integrity);
        };
        let ask = Ask {
            method: Method::POST,
            url: self.url.clone(),
            headers: vec![(
                "accept",
                "application/xml, text/xml;q=0.9, */*;q=0.5".to_owned(),
            )],
            body: Some((&payload.media_type, payload.bytes.clone())),
        };
        let id = delivery.job.message.as_ref().map(|m| m.as_str());
        match self.http.send(ask, delivery.now).await {
            Ok(heard) => answers::meaning(&heard, id),
            Err(answer) => answer,
        }
    }

    fn heard<'a>(&'a self, message: &'a envelope::Message) -> Heard<'a> {
        Heard {
            message,
            partner: Some(self.facts.id.as_str()),
            zone: &self.zone,
        }
    }
}

#[async_trait]
impl Partner for NcpdpScript {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn takes(&self, record: &Record, context: &Context) -> bool {
        let Record::MedicationRequest(order) = record else {
            return false;
        };
        let ids = &self.config.ncpdp_ids;
        let here = |id: &String| ids.is_empty() || ids.contains(id);
        order.goes_to_pharmacy() && context.pharmacy.as_ref().is_some_and(|p| here(&p.ncpdp_id))
    }

    fn encode(&self, out: &Outgoing<'_>) -> Result<Encoded, Vec<Issue>> {
        let Some(Record::MedicationRequest(order)) = out.record else {
            return Ok(Encoded::default());
        };
        let letter = Letter {
            env: out.env,
            context: out.context,
            message: out.message.as_str(),
            now: out.now,
            relates_to: out.relates_to.map(|m| m.as_str()),
            notice: out.notice,
        };
        let manner = &self.config.manner;
        let (name, written) = match out.purpose {
            Purpose::Copy => return Ok(Encoded::default()),
            Purpose::NewRx => ("NewRx", new_rx::write(order, &letter, manner)),
            Purpose::Cancel => {
                let cause = match out.cause {
                    Some(Record::MedicationRequest(cause)) => cause,
                    _ => order,
                };
                ("CancelRx", cancel_rx::write(order, cause, &letter, manner))
            }
        };
        let (bytes, issues) = written?;
        let find = match self.config.duplicates {
            Duplicates::Answers220 => Find::SameMessage,
            Duplicates::Unknown => Find::None,
        };
        Ok(Encoded {
            effects: vec![NewEffect {
                kind: EffectKind::Message,
                resource_type: name.to_owned(),
                our_id: out.message.as_str().to_owned(),
                find,
                payload: Some(Payload {
                    media_type: self.config.media_type.clone(),
                    hash: payload_hash(&out.env.key, &bytes, &[]),
                    bytes,
                    holes: Vec::new(),
                }),
            }],
            issues,
        })
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Answer {
        self.post(delivery).await
    }

    fn can_ask(&self, effect: &NewEffect) -> bool {
        effect.find == Find::SameMessage && self.config.duplicates == Duplicates::Answers220
    }

    async fn ask(&self, delivery: &Delivery<'_>) -> Answer {
        self.post(delivery).await
    }

    async fn probe(&self) -> Answer {
        match self
            .http
            .send(Ask::get(self.probe_url.clone()), Time::NEVER)
            .await
        {
            Ok(heard) => match by_status(&heard) {
                Some(answer) if answer.verdict == Verdict::Busy => answer,
                Some(_) => heard.fill(Answer::outage(Reason::Unavailable)),
                // A 404 or 405 is an answer, too: somebody is there.
                None => heard.answer(Verdict::Accepted, Reason::Delivered),
            },
            Err(answer) if answer.verdict == Verdict::Busy => answer,
            Err(answer) => Answer::outage(answer.reason),
        }
    }

    fn envelope(&self, _content_type: &str, bytes: &[u8]) -> Envelope {
        inbound::envelope(bytes)
    }

    fn decode(&self, _content_type: &str, bytes: &[u8]) -> Result<Vec<Incoming>, Vec<Issue>> {
        let message = envelope::read(bytes).map_err(|issue| vec![issue])?;
        let told = self.heard(&message).read()?;
        Ok(vec![Incoming::Told(told)])
    }

    fn reply(&self, received: &RawReceipt<'_>) -> Reply {
        inbound::reply(received)
    }

    fn told(&self, effect: &NewEffect, answer: &Answer) -> Vec<Told> {
        let Ok(message) = envelope::read(&answer.body) else {
            return Vec::new();
        };
        let told = self.heard(&message).read();
        told.into_iter()
            .map(|told| Told {
                // It stood in the answer to our message, whatever it says itself.
                relates_to: Some(effect.our_id.clone()),
                ..told
            })
            .collect()
    }
}
