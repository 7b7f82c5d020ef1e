//! What the HTTP answer to a message means (contracts section 8).
//!
//! Reads; decides nothing about what to do next. What may have been processed is never called safe.

use crate::partner::ncpdp_script::envelope::{self, Message};
use crate::partner::ncpdp_script::{error, status};
use crate::partner::wire::{Heard, by_status};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Charge, Verdict};

/// The meaning of an answer to the message with this id.
#[must_use]
pub fn meaning(heard: &Heard, message_id: Option<&str>) -> Answer {
    if !heard.is_success()
        && let Some(answer) = by_status(heard)
    {
        return answer;
    }
    if heard.status == 501 {
        return heard.answer(Verdict::Unsure, Reason::ServerError);
    }
    let script = if heard.complete {
        envelope::read(&heard.body).ok()
    } else {
        None
    };
    let script = script.filter(|m| match (m.relates_to(), message_id) {
        (Some(relates), Some(ours)) => relates == ours,
        _ => true,
    });
    match script {
        Some(message) => said(heard, &message),
        None if heard.is_success() => heard.answer(Verdict::Unsure, Reason::BrokenAnswer),
        None => unspoken(heard),
    }
}

/// What a SCRIPT body says, whatever the status (below 500).
fn said(heard: &Heard, message: &Message) -> Answer {
    let unclear = || heard.answer(Verdict::Unsure, Reason::BrokenAnswer);
    match message.name() {
        "Error" => {
            let (verdict, reason) = error::meaning(&message.transaction);
            let answer = heard.answer(verdict, reason);
            // They ask to be left alone: that is about them, not about the message.
            if verdict == Verdict::Busy && heard.retry_after.is_some() {
                return Answer {
                    charge: Charge::Partner,
                    ..answer
                };
            }
            answer
        }
        "Status" if heard.is_success() => match message.transaction.text_at("Code") {
            Some(status::ACCEPTED) => heard.answer(Verdict::Accepted, Reason::Delivered),
            Some(code) if status::CODES.contains(&code) => {
                heard.answer(Verdict::Pending, Reason::Taken)
            }
            _ => unclear(),
        },
        // The pharmacy's own answer, at once.
        "Verify" | "CancelRxResponse" if heard.is_success() => {
            heard.answer(Verdict::Accepted, Reason::Delivered)
        }
        _ => unclear(),
    }
}

/// A failure below 500 without a word of SCRIPT.
fn unspoken(heard: &Heard) -> Answer {
    match heard.status {
        403 => heard.answer(Verdict::Refused, Reason::Forbidden),
        404 | 405 | 406 | 410 | 415 => heard.answer(Verdict::Refused, Reason::Unsupported),
        409 => heard.answer(Verdict::Unsure, Reason::Conflict),
        400..=499 => heard.answer(Verdict::Refused, Reason::Refused),
        _ => heard.answer(Verdict::Unsure, Reason::BrokenAnswer),
    }
}
