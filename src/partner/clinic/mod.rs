//! The clinic's own system: hears by a signed webhook of the records that came back (dispenses, order
//! events, observations from elsewhere). It can also read the feed with its cursor; this is the push.
//!
//! One `POST` per record version, `application/json`:
//!
//! ```text
//! {"message":"<20 characters>","kind":"dispense","id":"…","version":1,"at":"<RFC 3339>","record":{…}}
//!
//! gateway-message:   the message's id, as in the body; the same at every attempt
//! gateway-timestamp: seconds since 1970 of this attempt
//! gateway-signature: v1=<hex of HMAC-SHA-256 with the shared secret over "timestamp.body">
//! ```
//!
//! The receiver computes the signature over the bytes as they came, compares it in constant time,
//! refuses a timestamp more than five minutes off its own clock (a replay), and takes a message id that
//! it has seen as a repeat: 2xx, nothing done. Because of that an unclear attempt is settled by sending
//! the same message again. Any 2xx is yes; a 4xx is a refusal that a person looks at.
//!
//! Must never change a record, nor send one without the signature.

mod sign;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, Url};
use serde_json::json;

use crate::issue::Issue;
use crate::partner::settings::Settings;
use crate::partner::wire::{Ask, Credential, Heard, Http, HttpSettings, by_status};
use crate::partner::{Built, Common, PartnerKind};
use crate::sync::job::{EffectKind, Find, NewEffect, Payload, payload_hash};
use crate::sync::ports::{
    Delivery, Encoded, Envelope, Facts, Incoming, Outgoing, Partner, RawReceipt, Reply, Style,
};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Verdict};
pub use sign::{REPLAY_WINDOW, signature, verify};

/// The header with the message's id.
pub const MESSAGE_HEADER: &str = "gateway-message";
/// The header with the moment of the attempt.
pub const TIMESTAMP_HEADER: &str = "gateway-timestamp";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "gateway-signature";

const DOC: &str = r#"# The clinic's own system, told of what came back by a signed webhook.
url = "https://clinic.example/hooks/gateway"
# The shared secret: the first line of a file, read at each attempt, or, less well, `secret` itself.
secret_file = "webhook.secret"
# Certificates that are trusted besides the system's.
#ca_file = "clinic-ca.pem"
# Name look-up, connecting and TLS at most; what fails here is charged to the partner, not the message.
connect_timeout_ms = 5000
# Headers sent with every request.
#headers = { "x-tenant" = "clinic" }
"#;

/// This kind's line in the table.
pub const KIND: PartnerKind = PartnerKind {
    name: "clinic-webhook",
    relays: false,
    doc: DOC,
    build,
};

/// The clinic's own system.
#[derive(Debug)]
pub struct Clinic {
    facts: Facts,
    url: Url,
    secret: Credential,
    http: Http,
}

fn build(common: Common, keys: toml::Table) -> Result<Built, Vec<String>> {
    let mut s = Settings::new(keys);
    let url = s.url("url");
    let secret = match (s.secret_opt("secret"), s.text_opt("secret_file")) {
        (Some(secret), None) => Credential::Fixed(secret),
        (None, Some(path)) => Credential::File(PathBuf::from(path)),
        (Some(_), Some(_)) => {
            s.fault("secret_file", "cannot stand beside secret");
            Credential::None
        }
        (None, None) => {
            s.fault("secret_file", "is missing");
            Credential::None
        }
    };
    let settings = HttpSettings {
        timeout: Duration::from_millis(common.timeout_ms),
        connect_timeout: Duration::from_millis(s.number("connect_timeout_ms", 5000, 1, 60_000)),
        body_max: 64 << 10,
        credential: Credential::None,
        headers: s.secrets("headers"),
        ca_file: s.text_opt("ca_file").map(PathBuf::from),
        carrier: common.carrier.clone(),
    };
    s.finish(())?;
    Ok(std::sync::Arc::new(Clinic {
        facts: common.facts(Style::Clinic, "", false),
        url: Url::parse(&url).map_err(|_| vec!["url: is no address".to_owned()])?,
        secret,
        http: Http::new(&settings)?,
    }))
}

impl Clinic {
    async fn send(&self, delivery: &Delivery<'_>) -> Result<Heard, Answer> {
        let what = &delivery.effect.what;
        let Some(payload) = &what.payload else {
            return Err(Answer::new(Verdict::Refused, Reason::Integrity));
        };
        let Some(secret) = self.secret.read().await? else {
            return Err(Answer::outage(Reason::Token));
        };
        let timestamp = delivery.now.micros().div_euclid(1_000_000);
        let signed = signature(secret.reveal().as_bytes(), timestamp, &payload.bytes);
        let ask = Ask {
            method: Method::POST,
            url: self.url.clone(),
            headers: vec![
                (MESSAGE_HEADER, what.our_id.clone()),
                (TIMESTAMP_HEADER, timestamp.to_string()),
                (SIGNATURE_HEADER, signed),
            ],
            body: Some((&payload.media_type, payload.bytes.clone())),
        };
        self.http.send(ask, delivery.now).await
    }
}

/// What an answer means: any 2xx is yes, whatever its body.
fn meaning(heard: &Heard, yes: Reason) -> Answer {
    if heard.is_success() {
        return heard.answer(Verdict::Accepted, yes);
    }
    by_status(heard).unwrap_or_else(|| {
        let reason = match heard.status {
            403 => Reason::Forbidden,
            404 | 405 | 415 | 501 => Reason::Unsupported,
            410 => Reason::Gone,
            _ => Reason::Refused,
        };
        heard.answer(Verdict::Refused, reason)
    })
}

#[async_trait]
impl Partner for Clinic {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn encode(&self, out: &Outgoing<'_>) -> Result<Encoded, Vec<Issue>> {
        let Some(record) = out.record else {
            return Err(vec![Issue::error(
                "not-supported",
                "relay-to-clinic",
                "",
                "a relay goes to a FHIR partner; the clinic gets records",
            )]);
        };
        let bytes = json!({
            "message": out.message.as_str(),
            "kind": record.kind().as_str(),
            "id": record.id(),
            "version": record.version(),
            "at": out.now.to_string(),
            "record": record.to_json(),
        })
        .to_string()
        .into_bytes();
        Ok(Encoded {
            effects: vec![NewEffect {
                kind: EffectKind::Message,
                resource_type: "record".to_owned(),
                our_id: out.message.as_str().to_owned(),
                find: Find::SameMessage,
                payload: Some(Payload {
                    media_type: "application/json".to_owned(),
                    hash: payload_hash(&out.env.key, &bytes, &[]),
                    bytes,
                    holes: Vec::new(),
                }),
            }],
            issues: Vec::new(),
        })
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Answer {
        match self.send(delivery).await {
            Ok(heard) => meaning(&heard, Reason::Delivered),
            Err(answer) => answer,
        }
    }

    fn can_ask(&self, effect: &NewEffect) -> bool {
        effect.find == Find::SameMessage
    }

    async fn ask(&self, delivery: &Delivery<'_>) -> Answer {
        // The receiver knows the message by its id: sent again, it is there afterwards, once.
        match self.send(delivery).await {
            Ok(heard) => meaning(&heard, Reason::FoundThere),
            Err(answer) => answer,
        }
    }

    async fn probe(&self) -> Answer {
        let heard = self
            .http
            .send(Ask::get(self.url.clone()), crate::clock::Time::NEVER)
            .await;
        match heard {
            // A webhook need not answer GET; that it says so means that it is there.
            Ok(heard) if heard.status < 500 && heard.status != 429 => {
                heard.answer(Verdict::Accepted, Reason::Delivered)
            }
            Ok(heard) => heard.fill(Answer::outage(if heard.status == 429 {
                Reason::Throttled
            } else {
                Reason::Unavailable
            })),
            Err(answer) => Answer::outage(answer.reason),
        }
    }

    fn envelope(&self, _content_type: &str, _bytes: &[u8]) -> Envelope {
        Envelope { sender_id: None }
    }

    fn decode(&self, _content_type: &str, _bytes: &[u8]) -> Result<Vec<Incoming>, Vec<Issue>> {
        Err(vec![Issue::error(
            "not-supported",
            "clinic-inbound",
            "",
            "the clinic hands its records in at the records door",
        )])
    }

    fn reply(&self, received: &RawReceipt<'_>) -> Reply {
        Reply {
            status: 201,
            media_type: "application/json".to_owned(),
            body: json!({"received": received.id}).to_string().into_bytes(),
        }
    }
}
