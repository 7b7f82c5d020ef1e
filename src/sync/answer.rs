//! The JSON that a door answers with: what was accepted and where it goes, or what is wrong.
//!
//! Holds ids, states, rules and our own words; never a value from a record.

use serde::Serialize;
use serde_json::json;

use crate::issue::Issue;
use crate::sync::dispatch::Dispatched;
use crate::sync::job::VersionRef;

/// What the sender of an accepted record is told: its jobs, who was denied, what to know, where its
/// story is.
#[must_use]
pub fn accepted(version: &VersionRef, dispatched: &Dispatched, warnings: &[Issue]) -> Vec<u8> {
    let jobs: Vec<_> = dispatched
        .jobs
        .iter()
        .map(|j| {
            json!({"id": j.id.as_str(), "partner": j.partner.as_str(),
                   "purpose": j.purpose.as_str(), "state": j.state.as_str()})
        })
        .collect();
    let denied: Vec<_> = dispatched
        .denials
        .iter()
        .map(|d| json!({"partner": d.partner.as_str(), "why": d.why}))
        .collect();
    let warnings: Vec<&Issue> = warnings.iter().chain(&dispatched.warnings).collect();
    bytes(&json!({
        "kind": version.kind,
        "id": version.id,
        "version": version.version,
        "jobs": jobs,
        "denied": denied,
        "warnings": warnings,
        "story": format!("/records/{}/{}", version.kind, version.id),
    }))
}

/// What is kept beside a version that nobody is told of: what to know.
#[must_use]
pub fn warnings(warnings: &[Issue]) -> Vec<u8> {
    bytes(&json!({"warnings": warnings}))
}

/// What the sender of a refused record is told.
#[must_use]
pub fn issues(issues: &[Issue]) -> Vec<u8> {
    bytes(&json!({"issues": issues}))
}

fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
