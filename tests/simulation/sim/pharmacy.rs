//! A pharmacy's book: prescriptions and cancels by MessageID, what is live, and what it has still to say.

use std::collections::BTreeMap;
use std::fmt::Write;

use fhir_gateway::clock::Time;
use fhir_gateway::partner::ncpdp_script::xml;
use fhir_gateway::partner::wire::Heard;

use super::network::{Request, heard};
use super::watch::Watch;

/// A prescription that it took.
#[derive(Clone, Debug)]
pub(crate) struct Rx {
    pub(crate) message: String,
    pub(crate) order_no: String,
    pub(crate) quantity: String,
    pub(crate) live: bool,
}

/// Something that it has to say, under a MessageID of its own.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub(crate) id: String,
    pub(crate) bytes: Vec<u8>,
    /// Whether it got its answer.
    pub(crate) heard: bool,
}

/// What it answers to a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Approves,
    Denies,
    Silent,
}

/// The book.
pub(crate) struct Pharmacy {
    name: &'static str,
    ncpdp_id: &'static str,
    answers_220: bool,
    rng: fastrand::Rng,
    healed: bool,
    next: u64,
    pub(crate) prescriptions: Vec<Rx>,
    cancels: BTreeMap<String, bool>,
    /// Cancels that it has not answered: message, order, what they take back.
    silent: Vec<(String, String, String)>,
    pub(crate) says: Vec<Says>,
}

impl Pharmacy {
    pub(crate) fn new(
        name: &'static str,
        ncpdp_id: &'static str,
        answers_220: bool,
        seed: u64,
    ) -> Self {
        Pharmacy {
            name,
            ncpdp_id,
            answers_220,
            rng: fastrand::Rng::with_seed(seed),
            healed: false,
            next: 1,
            prescriptions: Vec::new(),
            cancels: BTreeMap::new(),
            silent: Vec::new(),
            says: Vec::new(),
        }
    }

    /// From now on it answers every cancel, and approves what it can.
    pub(crate) fn heal(&mut self, now: Time) {
        self.healed = true;
        for (message, order_no, about) in std::mem::take(&mut self.silent) {
            self.answer(&message, &order_no, &about, Manner::Approves, now);
        }
    }

    pub(crate) fn has(&self, message: &str) -> bool {
        self.cancels.contains_key(message)
            || self.prescriptions.iter().any(|r| r.message == message)
    }

    pub(crate) fn live(&self, order_no: &str) -> Vec<&Rx> {
        let of = |r: &&Rx| r.live && r.order_no == order_no;
        self.prescriptions.iter().filter(of).collect()
    }

    pub(crate) fn take(&mut self, request: &Request, watch: &Watch, now: Time) -> Heard {
        if !request.write {
            return heard(405, Vec::new());
        }
        let Ok(root) = xml::read(&request.body) else {
            watch.fail(format!("{}: what came cannot be read", self.name));
            return heard(400, Vec::new());
        };
        let text = |path: &str| root.text_at(path).unwrap_or_default().to_owned();
        let (message, order_no) = (
            text("Header/MessageID"),
            text("Header/PrescriberOrderNumber"),
        );
        if text("Header/To") != self.ncpdp_id {
            watch.fail(format!("{}: a message for another pharmacy", self.name));
        }
        watch.effect_of_message(self.name, &message);
        let body = root.child("Body").and_then(|b| b.children.first());
        let answer = match body.map(|b| b.name.as_str()) {
            Some("NewRx") => {
                let quantity = text("Body/NewRx/MedicationPrescribed/Quantity/Value");
                self.new_rx(&message, &order_no, quantity, watch)
            }
            Some("CancelRx") => {
                let about = text("Header/RelatesToMessageID");
                self.cancel(&message, &order_no, &about, now)
            }
            _ => error("4040"),
        };
        heard(200, answer)
    }

    fn new_rx(
        &mut self,
        message: &str,
        order_no: &str,
        quantity: String,
        watch: &Watch,
    ) -> Vec<u8> {
        if self.prescriptions.iter().any(|r| r.message == message) {
            if self.answers_220 {
                return error("220");
            }
            watch.fail(format!("{}: a prescription was booked twice", self.name));
        } else if !self.live(order_no).is_empty() {
            watch.fail(format!(
                "{}: two prescriptions of {order_no} are live",
                self.name
            ));
        }
        self.prescriptions.push(Rx {
            message: message.to_owned(),
            order_no: order_no.to_owned(),
            quantity,
            live: true,
        });
        self.status()
    }

    fn cancel(&mut self, message: &str, order_no: &str, about: &str, now: Time) -> Vec<u8> {
        if self.cancels.contains_key(message) {
            return match self.answers_220 {
                true => error("220"),
                false => self.status(),
            };
        }
        let manner = match self.rng.u32(..10) {
            _ if self.healed => Manner::Approves,
            0 => Manner::Denies,
            1 => Manner::Silent,
            _ => Manner::Approves,
        };
        self.cancels.insert(message.to_owned(), false);
        if manner == Manner::Silent {
            let cancel = (message.to_owned(), order_no.to_owned(), about.to_owned());
            self.silent.push(cancel);
        } else {
            self.answer(message, order_no, about, manner, now);
        }
        self.status()
    }

    fn answer(&mut self, message: &str, order_no: &str, about: &str, manner: Manner, now: Time) {
        let known = self.prescriptions.iter_mut().find(|r| r.message == about);
        let approved = match (known, manner) {
            (Some(rx), Manner::Approves) => {
                rx.live = false;
                true
            }
            _ => false,
        };
        self.cancels.insert(message.to_owned(), approved);
        let said = match approved {
            true => "<Approved><Note>Cancelled.</Note></Approved>",
            false => "<Denied><ReasonCode>AR</ReasonCode></Denied>",
        };
        let body = format!("<CancelRxResponse><Response>{said}</Response></CancelRxResponse>");
        self.say(Some(message), Some(order_no), &body, now);
    }

    fn status(&mut self) -> Vec<u8> {
        let code = if self.rng.bool() { "010" } else { "000" };
        message(
            "PHX",
            None,
            None,
            &format!("<Status><Code>{code}</Code></Status>"),
            None,
        )
    }

    /// Puts a message of its own on its list.
    pub(crate) fn say(&mut self, about: Option<&str>, order: Option<&str>, body: &str, now: Time) {
        let id = format!("PH{}{:06}", self.ncpdp_id, self.next);
        self.next += 1;
        let bytes = message(&id, about, order, body, Some((self.ncpdp_id, now)));
        self.says.push(Says {
            id,
            bytes,
            heard: false,
        });
    }

    /// Tells of a prescription that it looked at it.
    pub(crate) fn verify(&mut self, which: usize, now: Time) {
        let Some(rx) = self.prescriptions.get(which).cloned() else {
            return;
        };
        let body = "<Verify><VerifyStatus><Code>010</Code></VerifyStatus></Verify>";
        self.say(Some(&rx.message), Some(&rx.order_no), body, now);
    }
}

/// An answer that is an Error with this description code.
pub(crate) fn error(detail: &str) -> Vec<u8> {
    let body =
        format!("<Error><Code>900</Code><DescriptionCode>{detail}</DescriptionCode></Error>");
    message("PHX", None, None, &body, None)
}

fn message(
    id: &str,
    about: Option<&str>,
    order: Option<&str>,
    body: &str,
    from: Option<(&str, Time)>,
) -> Vec<u8> {
    let (from, sent) = from.unwrap_or(("7701630", super::BEGIN));
    let mut out = String::from("<Message");
    for name in ["Datatypes", "Transport", "Transaction", "Structures", "ECL"] {
        let _ = write!(out, " {name}Version=\"20170715\"");
    }
    let _ = write!(
        out,
        " TransactionDomain=\"SCRIPT\"><Header><To Qualifier=\"C\">clinic</To>\
         <From Qualifier=\"P\">{from}</From><MessageID>{id}</MessageID>"
    );
    if let Some(about) = about {
        let _ = write!(out, "<RelatesToMessageID>{about}</RelatesToMessageID>");
    }
    let _ = write!(out, "<SentTime>{sent}</SentTime>");
    if let Some(order) = order {
        let _ = write!(
            out,
            "<PrescriberOrderNumber>{order}</PrescriberOrderNumber>"
        );
    }
    let _ = write!(out, "</Header><Body>{body}</Body></Message>");
    out.into_bytes()
}
