//! `Error`: a message was refused, or could not be taken; and what its codes mean (contracts section 8).

use crate::issue::Issue;
use crate::partner::ncpdp_script::inbound::{Heard, put, put_details};
use crate::partner::ncpdp_script::xml::Node;
use crate::record::Kind;
use crate::record::order_event::{EventKind, EventSource};
use crate::sync::ports::Told;
use crate::sync::reason::Reason;
use crate::sync::verdict::Verdict;

/// What an Error means for the message that it answers.
///
/// | code, description code | meaning |
/// |---|---|
/// | 220 | they have it already |
/// | 602, 008, 4020 | it may have been processed |
/// | 600, 601, 210, 4000 | certainly not processed, try later |
/// | 4030; 700, 4040 | forbidden; not supported |
/// | any other | refused |
///
/// Where several stand there, the first line of the table that fits holds: what may have been processed
/// is never called safe.
#[must_use]
pub fn meaning(error: &Node) -> (Verdict, Reason) {
    let codes: Vec<&str> = codes(error).collect();
    let any = |names: &[&str]| codes.iter().any(|c| names.contains(c));
    if any(&["220"]) {
        (Verdict::Accepted, Reason::AlreadyThere)
    } else if any(&["008"]) {
        (Verdict::Unsure, Reason::TimedOut)
    } else if any(&["602", "4020"]) {
        (Verdict::Unsure, Reason::ServerError)
    } else if any(&["600", "601", "210", "4000"]) {
        (Verdict::Busy, Reason::TryLater)
    } else if any(&["4030"]) {
        (Verdict::Refused, Reason::Forbidden)
    } else if any(&["700", "4040"]) {
        (Verdict::Refused, Reason::Unsupported)
    } else if codes.is_empty() {
        (Verdict::Unsure, Reason::BrokenAnswer)
    } else {
        (Verdict::Refused, Reason::Refused)
    }
}

/// Its code and description codes.
fn codes(error: &Node) -> impl Iterator<Item = &str> {
    let all = error.all("Code").chain(error.all("DescriptionCode"));
    all.map(|n| n.text.as_str()).filter(|c| !c.is_empty())
}

/// What an Error tells: that the order was refused; or, by 220, that it was there already.
///
/// # Errors
/// It says no code, or not when it was sent.
pub fn told(heard: &Heard<'_>) -> Result<Told, Vec<Issue>> {
    let error = &heard.message.transaction;
    let Some(code) = error.text_at("Code") else {
        return Err(vec![Issue::error(
            "required",
            "script-error-code",
            "Message/Body/Error/Code",
            "an Error says its code",
        )]);
    };
    let event = match meaning(error).0 {
        Verdict::Accepted | Verdict::Pending => EventKind::Acknowledged,
        Verdict::Refused | Verdict::Busy | Verdict::Unsure => EventKind::Error,
    };
    let mut fields = heard.event(event, EventSource::Error)?;
    put(&mut fields, "code", Some(code));
    put_details(
        &mut fields,
        error.all("DescriptionCode").map(|n| n.text.as_str()),
    );
    put(&mut fields, "text", error.text_at("Description"));
    Ok(heard.told(Kind::OrderEvent, fields, None))
}
