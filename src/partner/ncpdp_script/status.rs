//! `Status`: somebody on the way, or the pharmacy itself (010), took a message.

use crate::issue::Issue;
use crate::partner::ncpdp_script::envelope::{self, Header};
use crate::partner::ncpdp_script::inbound::{Heard, put, put_details};
use crate::partner::ncpdp_script::writer::{Form, Writer};
use crate::record::Kind;
use crate::record::order_event::{EventKind, EventSource};
use crate::sync::ports::Told;

/// The codes of a Status.
pub const CODES: &[&str] = &["000", "001", "002", "003", "005", "010"];
/// The code that says that the ultimate receiver has it.
pub const ACCEPTED: &str = "010";

/// What a Status tells: the order is acknowledged.
///
/// # Errors
/// It says no code that a Status has, or not when it was sent.
pub fn told(heard: &Heard<'_>) -> Result<Told, Vec<Issue>> {
    let status = &heard.message.transaction;
    let Some(code) = status.text_at("Code").filter(|c| CODES.contains(c)) else {
        return Err(vec![Issue::error(
            "required",
            "script-status-code",
            "Message/Body/Status/Code",
            "a Status says one of its codes",
        )]);
    };
    let mut fields = heard.event(EventKind::Acknowledged, EventSource::Status)?;
    put(&mut fields, "code", Some(code));
    put_details(
        &mut fields,
        status.all("DescriptionCode").map(|n| n.text.as_str()),
    );
    put(&mut fields, "text", status.text_at("Description"));
    Ok(heard.told(Kind::OrderEvent, fields, None))
}

/// The Status that we answer with: 010, or 000 where a person has to look.
#[must_use]
pub fn write(header: &Header<'_>, parked: bool) -> Vec<u8> {
    let mut w = Writer::default();
    envelope::message(&mut w, header, |w| {
        w.within("Status", |w| {
            let code = if parked { "000" } else { ACCEPTED };
            w.put("Code", Form::Code(CODES), "", code);
            if parked {
                let text = "Received and kept; a person will look at it.";
                w.put("Description", Form::Text(70), "", text);
            }
        });
    });
    // What the sender wrote in its header may be odd; then there is nothing better to say than nothing.
    w.finish().map(|(bytes, _)| bytes).unwrap_or_default()
}
