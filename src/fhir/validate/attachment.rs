//! Rule `attachment-size`: a stated size is the size of the data beside it.

use serde_json::Value;

use super::at::At;
use super::check::Check;

impl Check<'_> {
    /// An Attachment.
    pub(super) fn attachment(&mut self, value: &Value, at: &At<'_>) {
        let stated = value.get("size").and_then(Value::as_u64);
        if let (Some(stated), Some(own)) = (stated, data(value))
            && stated != own
        {
            let words = "the stated size is not the size of the data";
            self.error("value", "attachment-size", at, words);
        }
    }
}

/// Bytes of the data, decoded, by counting.
fn data(value: &Value) -> Option<u64> {
    let text = value.get("data").and_then(Value::as_str)?;
    let digits = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace() && *b != b'=')
        .count();
    u64::try_from(digits * 3 / 4).ok()
}

/// The size of an attachment: what its data has, else what it states.
pub(super) fn size(value: &Value) -> Option<u64> {
    data(value).or_else(|| value.get("size").and_then(Value::as_u64))
}
