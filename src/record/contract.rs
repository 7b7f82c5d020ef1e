//! The contracts of the kinds: JSON Schemas, compiled once, and the typed reading behind them.
//!
//! An unknown field, a wrong type, a bad code is an issue that names the JSON pointer and the rule
//! (`schema-…`), never the value.

use serde_json::Value;

use crate::issue::Issue;
use crate::record::{Kind, Record};

/// Checks a value against the contract of its kind and reads it.
///
/// # Errors
/// All issues, each with the JSON pointer and the rule.
pub fn parse(kind: Kind, value: Value) -> Result<Record, Vec<Issue>> {
    let _ = (kind, value);
    Err(Vec::new())
}
