//! The pharmacy's side: what should be dispensed is there as one live prescription, what was taken back
//! is not, and there were never two at once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ask, Evidence, Found, Script, Wrong};
use crate::demo::clinic::Taken;
use crate::demo::days::CONNECTED_PHARMACY;
use crate::demo::site::PHARMACY;
use crate::record::Kind;

const ORDER: Kind = Kind::MedicationRequest;

pub(super) fn recount(evidence: &Evidence, found: &mut Found) {
    let live = play(&evidence.scripts, found);
    messages(evidence, found);
    for order in evidence.newest_of(ORDER) {
        stands(evidence, order, live.get(order.id.as_str()), found);
    }
    for script in &evidence.scripts {
        let ever = evidence
            .taken
            .iter()
            .any(|t| t.kind == ORDER && t.id == script.order_no && goes_there(t));
        if !ever {
            found.add(
                Wrong::Undue,
                format!(
                    "the pharmacy got order {}, which is not for it",
                    script.order_no
                ),
            );
        }
    }
}

/// Plays the messages in their order: which is live, by order, at the end.
fn play<'a>(scripts: &'a [Script], found: &mut Found) -> BTreeMap<&'a str, &'a str> {
    let mut live: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for script in scripts {
        let order = script.order_no.as_str();
        if !seen.insert(&script.message) {
            found.add(
                Wrong::Doubled,
                format!("the pharmacy took message {} twice", script.message),
            );
        }
        match &script.ask {
            Ask::NewRx => {
                if live.insert(order, &script.message).is_some() {
                    found.add(
                        Wrong::Doubled,
                        format!("the pharmacy had two live prescriptions of {order} at once"),
                    );
                }
            }
            Ask::Cancel { of, approved } => {
                if !seen.contains(of.as_str()) {
                    found.add(
                        Wrong::Disordered,
                        format!("the pharmacy was asked to take back {order} before it had it"),
                    );
                }
                if *approved && live.get(order) == Some(&of.as_str()) {
                    live.remove(order);
                }
            }
        }
    }
    live
}

/// Each message is one of the gateway's, and what it calls done is there.
fn messages(evidence: &Evidence, found: &mut Found) {
    let there: BTreeSet<&str> = evidence
        .scripts
        .iter()
        .map(|s| s.message.as_str())
        .collect();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for ((kind, id), story) in &evidence.stories {
        if *kind != ORDER {
            continue;
        }
        for job in story.jobs.iter().filter(|j| j.partner == PHARMACY) {
            let Some(message) = job.message.as_deref() else {
                continue;
            };
            known.insert(message);
            if job.is_done() && !there.contains(message) {
                found.add(
                    Wrong::Lost,
                    format!(
                        "{id} version {}: its {} is done in the gateway's story, and not at the pharmacy",
                        job.version, job.purpose
                    ),
                );
            }
        }
    }
    for script in &evidence.scripts {
        if !known.contains(script.message.as_str()) {
            found.add(
                Wrong::Undue,
                format!(
                    "the pharmacy got a message for {} that the gateway's story does not have",
                    script.order_no
                ),
            );
        }
    }
}

/// Whether a version is for this pharmacy at all.
fn goes_there(order: &Taken) -> bool {
    order.record["delivery"] == "pharmacy" && order.record["pharmacy_id"] == CONNECTED_PHARMACY
}

/// The newest version of an order against what the pharmacy has of it.
fn stands(evidence: &Evidence, order: &Taken, live: Option<&&str>, found: &mut Found) {
    let state = order.record["state"].as_str().unwrap_or_default();
    let holds = matches!(
        state,
        "signed" | "sent" | "acked" | "filled" | "partially_filled"
    );
    let wanted = holds && goes_there(order);
    let jobs = evidence.jobs(ORDER, &order.id, PHARMACY);
    let open = |purpose: &str| {
        jobs.iter().any(|j| {
            j.purpose == purpose
                && matches!(
                    j.state.as_str(),
                    "waiting" | "sending" | "asking" | "parked"
                )
        })
    };
    let name = format!("{}/{}", order.id, order.version);
    if wanted && live.is_none() {
        let denied = evidence.denied(ORDER, &order.id, order.version, PHARMACY);
        if !open("newrx") && !denied {
            found.add(
                Wrong::Lost,
                format!("{name} is signed, and the pharmacy has no prescription of it"),
            );
        }
    }
    if let (Some(message), true) = (live, wanted) {
        let job = jobs.iter().find(|j| j.message.as_deref() == Some(*message));
        let sent = job.and_then(|job| {
            evidence
                .taken
                .iter()
                .find(|t| t.kind == ORDER && t.id == order.id && t.version == job.version)
        });
        // A message that no story has is told above.
        let same = sent.is_none_or(|sent| {
            [
                "drug",
                "dose_amount",
                "frequency_code",
                "sig_text",
                "qty",
                "refills",
            ]
            .iter()
            .all(|field| sent.record[*field] == order.record[*field])
        });
        if !same && !open("newrx") && !open("cancel") {
            found.add(
                Wrong::Lost,
                format!("{name} was changed, and the pharmacy still has the one before"),
            );
        }
    }
    let over = matches!(state, "cancelled" | "discontinued" | "error" | "on_hold");
    if over && live.is_some() && !open("cancel") && !denied_by_pharmacy(evidence, &order.id) {
        found.add(
            Wrong::Lost,
            format!("{name} was taken back, and the pharmacy still has it"),
        );
    }
}

fn denied_by_pharmacy(evidence: &Evidence, order: &str) -> bool {
    evidence.scripts.iter().any(|s| {
        s.order_no == order
            && matches!(
                s.ask,
                Ask::Cancel {
                    approved: false,
                    ..
                }
            )
    })
}
