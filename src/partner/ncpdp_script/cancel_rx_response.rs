//! `CancelRxResponse`: whether a prescription was taken back. A new one may be waiting for it.

use crate::issue::Issue;
use crate::partner::ncpdp_script::inbound::{Heard, put, put_details};
use crate::record::Kind;
use crate::record::order_event::{EventKind, EventSource};
use crate::sync::ports::Told;

/// What a CancelRxResponse tells.
///
/// # Errors
/// It says neither approved nor denied, or both; or not when it was sent.
pub fn told(heard: &Heard<'_>) -> Result<Told, Vec<Issue>> {
    let response = heard.message.transaction.child("Response");
    let outcome = |name| response.and_then(|r| r.child(name));
    let (approved, outcome) = match (outcome("Approved"), outcome("Denied")) {
        (Some(approved), None) => (true, approved),
        (None, Some(denied)) => (false, denied),
        _ => {
            return Err(vec![Issue::error(
                "structure",
                "script-response",
                "Message/Body/CancelRxResponse/Response",
                "the response is neither Approved nor Denied",
            )]);
        }
    };
    let event = if approved {
        EventKind::CancelApproved
    } else {
        EventKind::CancelDenied
    };
    let mut fields = heard.event(event, EventSource::CancelRxResponse)?;
    put_details(
        &mut fields,
        outcome.all("ReasonCode").map(|n| n.text.as_str()),
    );
    let text = outcome
        .text_at("DenialReason")
        .or_else(|| outcome.text_at("Note"));
    put(&mut fields, "text", text);
    Ok(heard.told(Kind::OrderEvent, fields, Some(approved)))
}
