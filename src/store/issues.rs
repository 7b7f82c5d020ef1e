//! Issues as they are stored: JSON, whichever database it is in.

use serde::Deserialize;

use crate::issue::{Issue, Severity};

/// An issue as it is stored.
#[derive(Deserialize)]
struct StoredIssue {
    severity: String,
    code: String,
    rule: String,
    path: String,
    profile: Option<String>,
    message: String,
}

/// Issues from their stored JSON; what cannot be read is left out.
pub(super) fn read(bytes: &[u8]) -> Vec<Issue> {
    let stored: Vec<StoredIssue> = serde_json::from_slice(bytes).unwrap_or_default();
    stored
        .into_iter()
        .map(|i| Issue {
            severity: match i.severity.as_str() {
                "information" => Severity::Information,
                "warning" => Severity::Warning,
                _ => Severity::Error,
            },
            code: CODES
                .iter()
                .find(|c| **c == i.code)
                .copied()
                .unwrap_or("processing"),
            rule: i.rule.into(),
            path: i.path,
            profile: i.profile.map(Into::into),
            message: i.message.into(),
        })
        .collect()
}

/// FHIR issue codes, so that a stored one finds its constant again.
const CODES: &[&str] = &[
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
];
