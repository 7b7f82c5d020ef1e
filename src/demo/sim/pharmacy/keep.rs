//! What a pharmacy keeps: prescriptions, cancels, and what went wrong with them.

use std::collections::HashMap;

use crate::partner::ncpdp_script::xml::{self, Node};

use super::schema::violations;

/// A prescription that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rx {
    /// MessageID of the NewRx.
    pub message: String,
    /// The prescriber's order number.
    pub order_no: String,
    /// The pharmacy's own number.
    pub rx_no: String,
    /// Whether it may still be filled: it was not taken back.
    pub live: bool,
    /// Whether we were told that it was looked at.
    pub verified: bool,
    /// Times that something was handed over.
    pub fills: u32,
    /// The whole transaction.
    pub content: Node,
}

/// A cancel that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cancel {
    /// MessageID of the CancelRx.
    pub message: String,
    /// The NewRx that it takes back.
    pub relates_to: String,
    /// The order it names.
    pub order_no: String,
    /// `C` or `D`.
    pub flag: String,
    /// What the pharmacy answered, if it did.
    pub approved: Option<bool>,
}

/// What must never happen, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// A NewRx that came while another of the same order was live, under a MessageID of its own.
    pub live_twice: u64,
    /// A NewRx that came again under the same MessageID at a pharmacy that does not know repeats: it was
    /// booked, and would be handed out, a second time.
    pub booked_twice: u64,
    /// A controlled drug without indicator of signature or DEA number.
    pub unsigned: u64,
    /// A message for another pharmacy.
    pub misdirected: u64,
    /// A cancel for which no prescription is known.
    pub nothing_to_cancel: u64,
    /// What the schema refuses: places and rules.
    pub refused: Vec<String>,
}

impl Harm {
    /// All of it, in one number.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.live_twice
            + self.booked_twice
            + self.unsigned
            + self.misdirected
            + u64::try_from(self.refused.len()).unwrap_or(u64::MAX)
    }
}

/// The books of a pharmacy.
#[derive(Debug, Default)]
pub(super) struct Keep {
    pub(super) ncpdp_id: String,
    pub(super) answers_220: bool,
    /// The code of a Status: 000 or 010.
    pub(super) status: &'static str,
    pub(super) prescriptions: Vec<Rx>,
    pub(super) cancels: Vec<Cancel>,
    pub(super) harm: Harm,
    pub(super) repeats: u64,
    /// Most NewRx that were live at once, by order.
    pub(super) live_most: HashMap<String, usize>,
    pub(super) said: u64,
}

/// What is answered.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) answer: Word,
    pub(super) outcome: &'static str,
    pub(super) message: Option<String>,
    pub(super) order_no: Option<String>,
    pub(super) theirs: Option<String>,
}

/// A word of SCRIPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Word {
    #[default]
    Nothing,
    Status(&'static str),
    Error(&'static str, &'static str),
}

impl Keep {
    /// Takes a message in.
    pub(super) fn take(&mut self, body: &[u8]) -> Done {
        let Ok(root) = xml::read(body) else {
            self.harm.refused.push("not well-formed".to_owned());
            return refused("900", "500");
        };
        let text = |path: &str| root.text_at(path).map(str::to_owned);
        let mut done = Done {
            message: text("Header/MessageID"),
            order_no: text("Header/PrescriberOrderNumber"),
            ..Done::default()
        };
        let wrong = violations(&root);
        if !wrong.is_empty() {
            self.harm.refused.extend(wrong);
            return Done {
                ..with(done, refused("900", "3000"))
            };
        }
        if root.text_at("Header/To") != Some(self.ncpdp_id.as_str()) {
            self.harm.misdirected += 1;
            return with(done, refused("900", "4040"));
        }
        let body = root.child("Body").and_then(|b| b.children.first()).cloned();
        let said = match body {
            Some(body) if body.name == "NewRx" => self.new_rx(&root, body, &mut done),
            Some(body) if body.name == "CancelRx" => self.cancel(&root, &body, &mut done),
            _ => refused("900", "4040"),
        };
        with(done, said)
    }

    fn new_rx(&mut self, root: &Node, content: Node, done: &mut Done) -> Done {
        let message = done.message.clone().unwrap_or_default();
        let order_no = done.order_no.clone().unwrap_or_default();
        if let Some(known) = self.prescriptions.iter().find(|r| r.message == message) {
            done.theirs = Some(known.rx_no.clone());
            if self.answers_220 {
                self.repeats += 1;
                return Done {
                    answer: Word::Error("900", "220"),
                    outcome: "repeat",
                    ..Done::default()
                };
            }
            self.harm.booked_twice += 1;
        } else if self.live(&order_no) > 0 {
            self.harm.live_twice += 1;
        }
        let schedule = content.text_at("MedicationPrescribed/DrugCoded/DEASchedule/Code");
        let controlled = schedule.is_some_and(|code| code != "C38046");
        let signed = root.text_at("Header/DigitalSignature/DigitalSignatureIndicator");
        let dea = content.text_at("Prescriber/NonVeterinarian/Identification/DEANumber");
        if controlled && (signed != Some("true") || dea.is_none()) {
            self.harm.unsigned += 1;
            return refused("900", "3000");
        }
        let rx_no = format!("{}", 7_000_001 + self.prescriptions.len());
        done.theirs = Some(rx_no.clone());
        self.prescriptions.push(Rx {
            message,
            order_no: order_no.clone(),
            rx_no,
            live: true,
            content,
            ..Rx::default()
        });
        let live = self.live(&order_no);
        let most = self.live_most.entry(order_no).or_default();
        *most = live.max(*most);
        accepted(self.status)
    }

    fn cancel(&mut self, root: &Node, content: &Node, done: &mut Done) -> Done {
        let message = done.message.clone().unwrap_or_default();
        if self.cancels.iter().any(|c| c.message == message) {
            self.repeats += 1;
            if self.answers_220 {
                return Done {
                    answer: Word::Error("900", "220"),
                    outcome: "repeat",
                    ..Done::default()
                };
            }
            return accepted(self.status);
        }
        let text = |path: &str| root.text_at(path).unwrap_or_default().to_owned();
        let relates_to = text("Header/RelatesToMessageID");
        if !self.prescriptions.iter().any(|r| r.message == relates_to) {
            self.harm.nothing_to_cancel += 1;
        }
        self.cancels.push(Cancel {
            message,
            relates_to,
            order_no: done.order_no.clone().unwrap_or_default(),
            flag: content
                .text_at("ChangeOfPrescriptionStatusFlag")
                .unwrap_or_default()
                .to_owned(),
            approved: None,
        });
        accepted(self.status)
    }

    /// Prescriptions of an order that may still be filled.
    pub(super) fn live(&self, order_no: &str) -> usize {
        self.prescriptions
            .iter()
            .filter(|r| r.live && r.order_no == order_no)
            .count()
    }

    /// A MessageID of the pharmacy's own.
    pub(super) fn next_id(&mut self) -> String {
        self.said += 1;
        format!("PH{}{:010}", self.ncpdp_id, self.said)
    }
}

fn refused(code: &'static str, detail: &'static str) -> Done {
    Done {
        answer: Word::Error(code, detail),
        outcome: "refused",
        ..Done::default()
    }
}

fn accepted(status: &'static str) -> Done {
    Done {
        answer: Word::Status(status),
        outcome: "accepted",
        ..Done::default()
    }
}

/// What is known of the message, with what is answered.
fn with(done: Done, said: Done) -> Done {
    Done {
        answer: said.answer,
        outcome: said.outcome,
        ..done
    }
}
