//! `Verify`: the pharmacy has looked at a message, after it had told us that it came.

use crate::issue::Issue;
use crate::partner::ncpdp_script::inbound::{Heard, put, put_details};
use crate::record::Kind;
use crate::record::order_event::{EventKind, EventSource};
use crate::sync::ports::Told;

/// What a Verify tells.
///
/// # Errors
/// It does not say when it was sent.
pub fn told(heard: &Heard<'_>) -> Result<Told, Vec<Issue>> {
    let mut fields = heard.event(EventKind::Verified, EventSource::Verify)?;
    if let Some(status) = heard.message.transaction.child("VerifyStatus") {
        put(&mut fields, "code", status.text_at("Code"));
        put_details(
            &mut fields,
            status.all("DescriptionCode").map(|n| n.text.as_str()),
        );
        put(&mut fields, "text", status.text_at("Description"));
    }
    Ok(heard.told(Kind::OrderEvent, fields, None))
}
