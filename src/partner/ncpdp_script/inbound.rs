//! What a pharmacy sends us: which transactions are taken in, what each tells of its order, and the
//! answer that the pharmacy gets.
//!
//! Pure. A transaction that is known but has no file here yet (RxRenewalRequest, RxChangeRequest…) is
//! parked by the core and shown; whatever came, the pharmacy is told that we have it.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::issue::Issue;
use crate::partner::ncpdp_script::envelope::{self, Header, Message, Party};
use crate::partner::ncpdp_script::writer::in_line;
use crate::partner::ncpdp_script::{cancel_rx_response, error, rx_fill, status, verify};
use crate::record::Kind;
use crate::record::order_event::{EventKind, EventSource};
use crate::sync::ports::{Envelope, RawReceipt, Reply, Told};

/// A message, and what is known beside it.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// The message.
    pub message: &'a Message,
    /// The partner's name in the config, where one is known.
    pub partner: Option<&'a str>,
    /// The tenant's zone, for dates.
    pub zone: &'a TimeZone,
}

/// The fields of an event or a fill, without those that intake gives.
pub type Fields = Map<String, Value>;

impl Heard<'_> {
    /// The fields that every event has.
    ///
    /// # Errors
    /// It does not say when it was sent.
    pub fn event(&self, event: EventKind, source: EventSource) -> Result<Fields, Vec<Issue>> {
        let mut fields = Fields::new();
        put(&mut fields, "event", Some(event.as_str()));
        put(&mut fields, "source", Some(source.as_str()));
        put(&mut fields, "at", Some(self.sent()?.as_str()));
        put(&mut fields, "partner", self.partner);
        put(&mut fields, "pharmacy_rx_no", self.message.rx_no());
        put(&mut fields, "message_id", self.message.id());
        put(&mut fields, "relates_to", self.message.relates_to());
        Ok(fields)
    }

    /// When it was sent, as it was written.
    ///
    /// # Errors
    /// It does not say so.
    pub fn sent(&self) -> Result<String, Vec<Issue>> {
        let sent = self.message.sent().map(|at| at.text().to_owned());
        sent.ok_or_else(|| {
            vec![Issue::error(
                "required",
                "script-sent-time",
                "Message/Header/SentTime",
                "the message does not say when it was sent",
            )]
        })
    }

    /// What is told by these fields.
    #[must_use]
    pub fn told(&self, kind: Kind, fields: Fields, cancel_confirmed: Option<bool>) -> Told {
        Told {
            kind,
            record: Value::Object(fields),
            order_no: self.message.order_no().map(str::to_owned),
            relates_to: self.message.relates_to().map(str::to_owned),
            cancel_confirmed,
        }
    }

    /// What the message tells of its order.
    ///
    /// # Errors
    /// What keeps it from being understood.
    pub fn read(&self) -> Result<Told, Vec<Issue>> {
        match self.message.name() {
            "Status" => status::told(self),
            "Error" => error::told(self),
            "Verify" => verify::told(self),
            "RxFill" => rx_fill::told(self),
            "CancelRxResponse" => cancel_rx_response::told(self),
            _ => Err(vec![Issue::error(
                "not-supported",
                "script-transaction",
                "Message/Body",
                "a transaction that is not taken in yet: a person has to read it",
            )]),
        }
    }
}

/// Puts a text, in one line, where there is one.
pub fn put(fields: &mut Fields, name: &str, value: Option<&str>) {
    let value = value.map(|v| v.split_whitespace().collect::<Vec<_>>().join(" "));
    if let Some(value) = value.filter(|v| !v.is_empty()) {
        fields.insert(name.to_owned(), Value::from(value));
    }
}

/// Puts the further codes of an event, where there are any.
pub fn put_details<'a>(fields: &mut Fields, codes: impl Iterator<Item = &'a str>) {
    let codes: Vec<Value> = codes.filter(|c| !c.is_empty()).map(Value::from).collect();
    if !codes.is_empty() {
        fields.insert("detail_codes".to_owned(), Value::from(codes));
    }
}

/// The sender's name of a message: who sent it, and its MessageID.
#[must_use]
pub fn envelope(bytes: &[u8]) -> Envelope {
    let sender_id = envelope::read(bytes).ok().and_then(|message| {
        let from = message.from().map(|p| p.id).unwrap_or_default();
        Some(format!("{from}/{}", message.id()?))
    });
    Envelope { sender_id }
}

/// What the pharmacy is told once its message is stored: Status 010, or, where a person has to look,
/// Status 000. Never Error: it would make the pharmacy send again what we have.
#[must_use]
pub fn reply(received: &RawReceipt<'_>) -> Reply {
    let message = envelope::read(received.bytes).ok();
    let nobody = |qualifier: &str| Party {
        qualifier: qualifier.to_owned(),
        id: "unknown".to_owned(),
    };
    // What is said again is what can be: short enough, and characters that XML has.
    let says = |text: &str, most: usize| text.chars().count() <= most && text.chars().all(in_line);
    let fits = |id: &&str| says(id, 35);
    let party = |found: Option<Party>, qualifier: &str| {
        found
            .filter(|p| says(&p.id, 80) && says(&p.qualifier, 80))
            .unwrap_or_else(|| nobody(qualifier))
    };
    let header = Header {
        to: &party(message.as_ref().and_then(Message::from), "P"),
        from: &party(message.as_ref().and_then(Message::to), "C"),
        message_id: received.message.as_str(),
        relates_to: message.as_ref().and_then(Message::id).filter(fits),
        sent: received.now,
        order_no: None,
        signed: false,
    };
    Reply {
        status: 200,
        media_type: "application/xml".to_owned(),
        body: status::write(&header, received.parked),
    }
}
