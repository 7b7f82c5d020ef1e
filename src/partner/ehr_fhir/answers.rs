//! What an EHR's answers mean: OperationOutcomes, `Location`, versions, bundles of matches.
//!
//! Reads, decides nothing about what to do next. Must keep nothing of a body but ids and versions.

use serde_json::Value;

use crate::partner::wire::{Heard, by_status};
use crate::sync::job::Find;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Remote, Verdict};

/// What an OperationOutcome in a body says, where it says that something went wrong although the status
/// does not: an error or fatal issue.
pub fn outcome_error(heard: &Heard) -> Option<Answer> {
    let body: Value = serde_json::from_slice(&heard.body).ok()?;
    if body["resourceType"] != "OperationOutcome" {
        return None;
    }
    let codes: Vec<&str> = body["issue"]
        .as_array()?
        .iter()
        .filter(|i| matches!(i["severity"].as_str(), Some("error" | "fatal")))
        .map(|i| i["code"].as_str().unwrap_or_default())
        .collect();
    let any = |names: &[&str]| codes.iter().any(|c| names.contains(c));
    if codes.is_empty() {
        None
    } else if any(&["throttled"]) {
        Some(heard.answer(Verdict::Busy, Reason::TryLater))
    } else if any(&[
        "transient",
        "lock-error",
        "timeout",
        "exception",
        "incomplete",
        "no-store",
    ]) {
        Some(heard.answer(Verdict::Unsure, Reason::ServerError))
    } else if any(&["forbidden", "suppressed"]) {
        Some(heard.answer(Verdict::Refused, Reason::Forbidden))
    } else {
        Some(heard.answer(Verdict::Refused, Reason::Refused))
    }
}

/// What a status means that is neither a success nor one that the interaction reads itself.
pub fn failure(heard: &Heard) -> Answer {
    if let Some(answer) = by_status(heard) {
        return answer;
    }
    match heard.status {
        403 => heard.answer(Verdict::Refused, Reason::Forbidden),
        404 | 405 | 406 | 415 | 501 => heard.answer(Verdict::Refused, Reason::Unsupported),
        410 => heard.answer(Verdict::Refused, Reason::Gone),
        409 => heard.answer(Verdict::Unsure, Reason::Conflict),
        400..=499 => heard.answer(Verdict::Refused, Reason::Refused),
        // A success that this interaction does not know: nobody can tell what was done.
        _ => heard.answer(Verdict::Unsure, Reason::BrokenAnswer),
    }
}

/// Their id and version of what was written: from `Location`, `ETag` and the body, in this order.
pub fn remote(heard: &Heard, resource_type: &str) -> Option<Remote> {
    let body: Option<Value> = serde_json::from_slice(&heard.body).ok();
    let body = body.filter(|b| b["resourceType"] == resource_type);
    let located = heard
        .location
        .as_deref()
        .and_then(|l| location(l, resource_type));
    let id = located
        .as_ref()
        .map(|(id, _)| id.clone())
        .or_else(|| Some(body.as_ref()?["id"].as_str()?.to_owned()))?;
    let version = heard
        .etag
        .as_deref()
        .and_then(etag)
        .or_else(|| located.and_then(|(_, version)| version))
        .or_else(|| Some(body.as_ref()?["meta"]["versionId"].as_str()?.to_owned()));
    Some(Remote { id, version })
}

/// Id and version of `[base]/Type/id[/_history/version]`.
pub fn location(text: &str, resource_type: &str) -> Option<(String, Option<String>)> {
    let text = text.split(['?', '#']).next()?;
    let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
    let at = parts.iter().rposition(|p| *p == resource_type)?;
    let id = parts.get(at + 1).filter(|id| !id.is_empty())?;
    let version = match (parts.get(at + 2), parts.get(at + 3)) {
        (Some(&"_history"), Some(version)) if !version.is_empty() => Some((*version).to_owned()),
        _ => None,
    };
    Some(((*id).to_owned(), version))
}

/// The version within `W/"3"`.
pub fn etag(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    let version = text.trim_matches('"');
    (!version.is_empty()).then(|| version.to_owned())
}

/// A page of a search.
pub struct Page {
    /// The resources of the type that carry what was searched for.
    pub matches: Vec<Value>,
    /// The address of the next page.
    pub next: Option<String>,
}

/// Reads a page of a search; outcomes and included resources among the entries are passed over.
///
/// # Errors
/// `None`: it is no searchset, or an error stands in the place of the matches.
pub fn page(heard: &Heard, resource_type: &str, find: &Find) -> Option<Page> {
    let mut body: Value = serde_json::from_slice(&heard.body).ok()?;
    if body["resourceType"] != "Bundle" || !heard.complete {
        return None;
    }
    let next = body["link"].as_array().and_then(|links| {
        let next = links.iter().find(|l| l["relation"] == "next")?;
        next["url"].as_str().map(str::to_owned)
    });
    let mut matches = Vec::new();
    let mut failed = false;
    if let Some(Value::Array(entries)) = body.get_mut("entry").map(Value::take) {
        for mut entry in entries {
            let mode = entry["search"]["mode"].as_str().unwrap_or("match");
            if mode != "match" && mode != "outcome" {
                continue;
            }
            let resource = entry["resource"].take();
            if resource["resourceType"] == resource_type && carries(&resource, find) {
                matches.push(resource);
            } else if resource["resourceType"] == "OperationOutcome" {
                failed |= resource["issue"].as_array().is_some_and(|issues| {
                    issues
                        .iter()
                        .any(|i| matches!(i["severity"].as_str(), Some("error" | "fatal")))
                });
            }
        }
    }
    (!failed || !matches.is_empty()).then_some(Page { matches, next })
}

/// Whether a match really has the identifier: a server that does not know the parameter ignores it and
/// gives everything.
fn carries(resource: &Value, find: &Find) -> bool {
    let Find::Identifier { system, value } = find else {
        return true;
    };
    let is = |i: &Value| i["system"] == system.as_str() && i["value"] == value.as_str();
    match &resource["identifier"] {
        Value::Array(items) => items.iter().any(is),
        other => is(other),
    }
}
