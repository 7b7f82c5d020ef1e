//! What a pharmacy says: answers in the HTTP response, and messages to the gateway's door.

use std::fmt::Write;

use quick_xml::escape::escape;

use crate::clock::Time;
use crate::partner::ncpdp_script::xml::Node;

use super::keep::{Rx, Word};

/// What became of a fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fill {
    /// All of it was handed over.
    Dispensed,
    /// This much of it.
    Partly(String),
    /// Nothing, for this reason (`BP` not in stock, `DC` no refills…).
    Not(String),
    /// It went to another pharmacy.
    Transferred,
}

/// Who speaks, to what, when.
pub(super) struct Line<'a> {
    pub(super) from: &'a str,
    pub(super) message: &'a str,
    pub(super) relates_to: Option<&'a str>,
    pub(super) rx_no: Option<&'a str>,
    pub(super) order_no: Option<&'a str>,
    pub(super) now: Time,
}

/// A whole message around a transaction.
pub(super) fn message(line: &Line<'_>, body: &str) -> Vec<u8> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Message");
    for name in ["Datatypes", "Transport", "Transaction", "Structures", "ECL"] {
        let _ = write!(out, " {name}Version=\"20170715\"");
    }
    out.push_str(" TransactionDomain=\"SCRIPT\"><Header><To Qualifier=\"C\">clinic</To>");
    let _ = write!(out, "<From Qualifier=\"P\">{}</From>", escape(line.from));
    leaf(&mut out, "MessageID", Some(line.message));
    leaf(&mut out, "RelatesToMessageID", line.relates_to);
    leaf(&mut out, "SentTime", Some(&line.now.to_string()));
    out.push_str(
        "<SenderSoftware><SenderSoftwareDeveloper>sim</SenderSoftwareDeveloper>\
         <SenderSoftwareProduct>sim-pharmacy</SenderSoftwareProduct>\
         <SenderSoftwareVersionRelease>1</SenderSoftwareVersionRelease></SenderSoftware>",
    );
    leaf(&mut out, "RxReferenceNumber", line.rx_no);
    leaf(&mut out, "PrescriberOrderNumber", line.order_no);
    let _ = write!(out, "</Header><Body>{body}</Body></Message>");
    out.into_bytes()
}

fn leaf(out: &mut String, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        let _ = write!(out, "<{name}>{}</{name}>", escape(text));
    }
}

/// The transaction of an answer; `None`: no word.
pub(super) fn word(word: &Word) -> Option<String> {
    Some(match word {
        Word::Nothing => return None,
        Word::Status(code) => format!("<Status><Code>{code}</Code></Status>"),
        Word::Error(code, detail) => format!(
            "<Error><Code>{code}</Code><DescriptionCode>{detail}</DescriptionCode>\
             <Description>Not taken by the simulated pharmacy.</Description></Error>"
        ),
    })
}

/// A Verify.
pub(super) fn verify() -> String {
    "<Verify><VerifyStatus><Code>010</Code></VerifyStatus></Verify>".to_owned()
}

/// A CancelRxResponse: approved with a note, or denied for a reason.
pub(super) fn cancelled(denied: Option<&str>) -> String {
    let said = match denied {
        None => "<Approved><Note>Cancelled at the pharmacy.</Note></Approved>".to_owned(),
        Some(code) => format!(
            "<Denied><ReasonCode>{}</ReasonCode><DenialReason>Not cancelled.</DenialReason></Denied>",
            escape(code)
        ),
    };
    format!("<CancelRxResponse><Response>{said}</Response></CancelRxResponse>")
}

/// An RxFill of a prescription.
pub(super) fn fill(rx: &Rx, fill: &Fill, day: &str) -> String {
    let status = match fill {
        Fill::Dispensed => "<Dispensed><Note>Picked up</Note></Dispensed>".to_owned(),
        Fill::Partly(_) => {
            "<PartiallyDispensed><Note>Part of it</Note></PartiallyDispensed>".to_owned()
        }
        Fill::Not(code) => {
            format!(
                "<NotDispensed><ReasonCode>{}</ReasonCode></NotDispensed>",
                escape(code)
            )
        }
        Fill::Transferred => "<Transferred/>".to_owned(),
    };
    let copy = |name: &str| rx.content.child(name).map(xml).unwrap_or_default();
    let dispensed = match fill {
        Fill::Dispensed => dispensed(rx, None, day),
        Fill::Partly(much) => dispensed(rx, Some(much), day),
        Fill::Not(_) | Fill::Transferred => String::new(),
    };
    format!(
        "<RxFill><FillStatus>{status}</FillStatus>{}{}{}{dispensed}{}</RxFill>",
        copy("Patient"),
        copy("Pharmacy"),
        copy("Prescriber"),
        copy("MedicationPrescribed"),
    )
}

/// The drug as it was handed over, made from the prescription.
fn dispensed(rx: &Rx, much: Option<&str>, day: &str) -> String {
    let Some(prescribed) = rx.content.child("MedicationPrescribed") else {
        return String::new();
    };
    let mut node = prescribed.clone();
    node.name = "MedicationDispensed".to_owned();
    let said = ["Note", "RxFillIndicator", "OtherMedicationDate"];
    node.children.retain(|c| !said.contains(&c.name.as_str()));
    for child in &mut node.children {
        if child.name == "Quantity" {
            for part in &mut child.children {
                match (part.name.as_str(), much) {
                    ("CodeListQualifier", _) => part.text = "87".to_owned(),
                    ("Value", Some(much)) => part.text = much.to_owned(),
                    _ => {}
                }
            }
        }
    }
    let at = node.children.iter().position(|c| c.name == "WrittenDate");
    let date = Node {
        name: "Date".to_owned(),
        text: day.to_owned(),
        ..Node::default()
    };
    let filled = Node {
        name: "LastFillDate".to_owned(),
        children: vec![date],
        ..Node::default()
    };
    node.children.insert(at.map_or(0, |at| at + 1), filled);
    xml(&node)
}

/// An element, written out.
pub(super) fn xml(node: &Node) -> String {
    let mut out = format!("<{}", node.name);
    for (name, value) in &node.attributes {
        let _ = write!(out, " {name}=\"{}\"", escape(value.as_str()));
    }
    out.push('>');
    out.push_str(&escape(node.text.as_str()));
    for child in &node.children {
        out.push_str(&xml(child));
    }
    let _ = write!(out, "</{}>", node.name);
    out
}
