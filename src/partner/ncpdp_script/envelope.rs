//! The envelope: `Message`, `Header`, and one transaction in its `Body`. Written in the schema's order;
//! read by names.

use quick_xml::escape::escape;

use crate::clock::{Instant, Time};
use crate::issue::Issue;
use crate::partner::ncpdp_script::writer::{Form, Writer};
use crate::partner::ncpdp_script::xml::{self, Node};

/// What version 2017071 is called on the wire.
pub const VERSION: &str = "20170715";
/// Who made the sending software.
const DEVELOPER: &str = "fhir-gateway";

/// A party in `To` and `From`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// `P` pharmacy, `D` prescriber, `C` clinic…
    pub qualifier: String,
    /// Its id.
    pub id: String,
}

/// A header to be written.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Receiver.
    pub to: &'a Party,
    /// Sender.
    pub from: &'a Party,
    /// Its name, the same at every attempt.
    pub message_id: &'a str,
    /// The message that it answers or takes back.
    pub relates_to: Option<&'a str>,
    /// When it was accepted: the same at every attempt.
    pub sent: Time,
    /// The prescriber's order number.
    pub order_no: Option<&'a str>,
    /// Whether the order was signed as 21 CFR part 1311 asks.
    pub signed: bool,
}

/// Writes a whole message; `body` writes the transaction.
pub fn message(w: &mut Writer, header: &Header<'_>, body: impl FnOnce(&mut Writer)) {
    let versions = [
        ("DatatypesVersion", VERSION),
        ("TransportVersion", VERSION),
        ("TransactionDomain", "SCRIPT"),
        ("TransactionVersion", VERSION),
        ("StructuresVersion", VERSION),
        ("ECLVersion", VERSION),
    ];
    let attributes: String = versions
        .iter()
        .map(|(name, value)| format!(" {name}=\"{}\"", escape(*value)))
        .collect();
    w.tagged("Message", &attributes, |w| {
        w.within("Header", |w| head(w, header));
        w.within("Body", body);
    });
}

fn head(w: &mut Writer, header: &Header<'_>) {
    let party = |w: &mut Writer, name, party: &Party| {
        w.qualified(name, &party.qualifier, Form::Text(80), "", &party.id);
    };
    party(w, "To", header.to);
    party(w, "From", header.from);
    w.put("MessageID", Form::Text(35), "", header.message_id);
    w.put_some("RelatesToMessageID", Form::Text(35), "", header.relates_to);
    w.put("SentTime", Form::Text(40), "", &whole_seconds(header.sent));
    w.within("SenderSoftware", |w| {
        w.put("SenderSoftwareDeveloper", Form::Text(35), "", DEVELOPER);
        w.put(
            "SenderSoftwareProduct",
            Form::Text(35),
            "",
            env!("CARGO_PKG_NAME"),
        );
        let release = env!("CARGO_PKG_VERSION");
        w.put("SenderSoftwareVersionRelease", Form::Text(50), "", release);
    });
    w.put_some(
        "PrescriberOrderNumber",
        Form::Text(35),
        "/order_no",
        header.order_no,
    );
    if header.signed {
        w.tagged("DigitalSignature", " Version=\"1\"", |w| {
            w.put(
                "DigitalSignatureIndicator",
                Form::Code(&["true"]),
                "",
                "true",
            );
        });
    }
}

/// RFC 3339, UTC, without a fraction: what every receiver's dateTime takes.
fn whole_seconds(time: Time) -> String {
    let micros = time.micros();
    Time::from_micros(micros - micros.rem_euclid(1_000_000)).to_string()
}

/// A message that came in, or stood in an answer.
#[derive(Clone, Debug)]
pub struct Message {
    version: Option<String>,
    header: Node,
    /// The transaction: `Status`, `RxFill`…
    pub transaction: Node,
}

/// Reads a message.
///
/// # Errors
/// Why it cannot be read, or that it is no SCRIPT message.
pub fn read(bytes: &[u8]) -> Result<Message, Issue> {
    let root = xml::read(bytes)?;
    let lacks = |rule, path: &str, message| Issue::error("structure", rule, path, message);
    let Some(message) = root.find("Message") else {
        return Err(lacks("script-message", "", "it is no SCRIPT message"));
    };
    let transaction = message.child("Body").and_then(|body| {
        let mut all = body.children.iter();
        all.next().filter(|_| all.next().is_none()).cloned()
    });
    let Some(transaction) = transaction else {
        return Err(lacks(
            "script-body",
            "Message/Body",
            "the body does not hold exactly one transaction",
        ));
    };
    Ok(Message {
        version: ["TransactionVersion", "version"]
            .iter()
            .find_map(|name| message.attribute(name))
            .map(str::to_owned),
        header: message.child("Header").cloned().unwrap_or_default(),
        transaction,
    })
}

impl Message {
    /// The transaction's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.transaction.name
    }

    /// Whether it says that it is of another version than 2017071.
    #[must_use]
    pub fn other_version(&self) -> bool {
        self.version
            .as_deref()
            .is_some_and(|v| !matches!(v, "20170715" | "20170714" | "2017071"))
    }

    /// `MessageID`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.header.text_at("MessageID")
    }

    /// `RelatesToMessageID`.
    #[must_use]
    pub fn relates_to(&self) -> Option<&str> {
        self.header.text_at("RelatesToMessageID")
    }

    /// `PrescriberOrderNumber`.
    #[must_use]
    pub fn order_no(&self) -> Option<&str> {
        self.header.text_at("PrescriberOrderNumber")
    }

    /// `RxReferenceNumber`: the pharmacy's prescription number.
    #[must_use]
    pub fn rx_no(&self) -> Option<&str> {
        self.header.text_at("RxReferenceNumber")
    }

    /// `SentTime`; UTC where it names no offset.
    #[must_use]
    pub fn sent(&self) -> Option<Instant> {
        let text = self.header.text_at("SentTime")?;
        Instant::parse(text).or_else(|| Instant::parse(&format!("{text}Z")))
    }

    /// Whether the order was signed as 21 CFR part 1311 asks.
    #[must_use]
    pub fn signed(&self) -> bool {
        let path = "DigitalSignature/DigitalSignatureIndicator";
        matches!(self.header.text_at(path), Some("true" | "1"))
    }

    /// `From`.
    #[must_use]
    pub fn from(&self) -> Option<Party> {
        self.party("From")
    }

    /// `To`.
    #[must_use]
    pub fn to(&self) -> Option<Party> {
        self.party("To")
    }

    fn party(&self, name: &str) -> Option<Party> {
        let node = self.header.child(name)?;
        (!node.text.is_empty()).then(|| Party {
            qualifier: node.attribute("Qualifier").unwrap_or("ZZZ").to_owned(),
            id: node.text.clone(),
        })
    }
}
