//! What a faulty pharmacy keeps: prescriptions by MessageID, which of them are live, cancels, and whether
//! it told the gateway what became of those. It approves every cancel, by a message of its own.

use std::fmt::Write as _;

use fhir_gateway::clock::Time;
use fhir_gateway::partner::ncpdp_script::xml;

use super::http::{Answer, Request};
use super::took;
use crate::check::{Line, Took};

/// A prescription.
#[derive(Clone, Debug)]
pub(crate) struct Rx {
    pub(crate) message: String,
    pub(crate) order: String,
    pub(crate) live: bool,
}

/// A cancel.
#[derive(Clone, Debug)]
struct Cancel {
    message: String,
    order: String,
    told: bool,
}

/// The pharmacy's side of the book.
pub(crate) struct Pharmacy {
    ncpdp_id: String,
    /// Whether it knows a MessageID that it has had, and answers 220.
    answers_220: bool,
    prescriptions: Vec<Rx>,
    cancels: Vec<Cancel>,
    /// Orders of which two prescriptions were live at once.
    pub(crate) live_twice: Vec<String>,
}

impl Pharmacy {
    pub(crate) fn new(ncpdp_id: &str, answers_220: bool) -> Self {
        Pharmacy {
            ncpdp_id: ncpdp_id.to_owned(),
            answers_220,
            prescriptions: Vec::new(),
            cancels: Vec::new(),
            live_twice: Vec::new(),
        }
    }

    pub(crate) fn prescriptions(&self) -> &[Rx] {
        &self.prescriptions
    }

    /// Messages that it has, of either sort.
    pub(crate) fn has(&self, message: &str) -> bool {
        self.prescriptions.iter().any(|rx| rx.message == message)
            || self.cancels.iter().any(|c| c.message == message)
    }

    pub(crate) fn handle(&mut self, request: &Request, line: &mut Line) -> (Answer, Vec<Took>) {
        let xml_answer = |status, body: String| Answer {
            media_type: "application/xml",
            body: body.into_bytes(),
            ..Answer::new(status)
        };
        if !request.is_write() {
            return (Answer::new(200), Vec::new());
        }
        let Ok(root) = xml::read(&request.body) else {
            return (Answer::new(400), Vec::new());
        };
        let text = |path: &str| root.text_at(path).unwrap_or_default().to_owned();
        let message = text("Header/MessageID");
        let order = text("Header/PrescriberOrderNumber");
        line.message = Some(message.clone());
        let relates_to = text("Header/RelatesToMessageID");
        let body = root.child("Body").and_then(|b| b.children.first());
        let kind = body.map_or("", |b| b.name.as_str());
        if self.answers_220 && self.has(&message) {
            let error = "<Error><Code>900</Code><DescriptionCode>220</DescriptionCode>\
                <Description>Had already</Description></Error>";
            return (xml_answer(200, self.letter(&message, error)), Vec::new());
        }
        match kind {
            "NewRx" => {
                let live = |rx: &&Rx| rx.live && rx.order == order;
                if self.prescriptions.iter().any(|rx| live(&rx)) {
                    self.live_twice.push(order.clone());
                }
                self.prescriptions.push(Rx {
                    message: message.clone(),
                    order,
                    live: true,
                });
            }
            "CancelRx" => {
                for rx in &mut self.prescriptions {
                    rx.live &= rx.message != relates_to;
                }
                self.cancels.push(Cancel {
                    message: message.clone(),
                    order,
                    told: false,
                });
            }
            _ => return (Answer::new(400), Vec::new()),
        }
        let status = "<Status><Code>010</Code></Status>";
        let answer = xml_answer(200, self.letter(&message, status));
        (answer, vec![took(message, true)])
    }

    /// What it has to tell: the cancel's MessageID, and the message.
    pub(crate) fn to_tell(&self, now: Time) -> Option<(String, Vec<u8>)> {
        let cancel = self.cancels.iter().find(|c| !c.told)?;
        let body = "<CancelRxResponse><Response><Approved><Note>Done</Note></Approved></Response>\
            </CancelRxResponse>";
        let letter = self.written(
            &format!("R{}", cancel.message),
            &cancel.message,
            Some(&cancel.order),
            now,
            body,
        );
        Some((cancel.message.clone(), letter.into_bytes()))
    }

    pub(crate) fn told(&mut self, message: &str) {
        for cancel in &mut self.cancels {
            cancel.told |= cancel.message == message;
        }
    }

    fn letter(&self, relates_to: &str, body: &str) -> String {
        let id = format!("A{relates_to}");
        self.written(
            &id,
            relates_to,
            None,
            Time::from_micros(1_790_000_000_000_000),
            body,
        )
    }

    fn written(
        &self,
        message: &str,
        relates_to: &str,
        order: Option<&str>,
        now: Time,
        body: &str,
    ) -> String {
        let mut out = String::from("<Message");
        for name in ["Datatypes", "Transport", "Transaction", "Structures", "ECL"] {
            let _ = write!(out, " {name}Version=\"20170715\"");
        }
        let _ = write!(
            out,
            " TransactionDomain=\"SCRIPT\"><Header><To Qualifier=\"C\">clinic</To>\
             <From Qualifier=\"P\">{}</From><MessageID>{message}</MessageID>\
             <RelatesToMessageID>{relates_to}</RelatesToMessageID><SentTime>{now}</SentTime>",
            self.ncpdp_id
        );
        if let Some(order) = order {
            let _ = write!(
                out,
                "<PrescriberOrderNumber>{order}</PrescriberOrderNumber>"
            );
        }
        let _ = write!(out, "</Header><Body>{body}</Body></Message>");
        out
    }
}
