//! FHIR that an EHR sends us: a resource, or a bundle.
//!
//! Pure. Reads with the caps of every door; a transaction or message comes whole or not at all, a batch
//! or collection entry by entry. An entry that is no resource is handed on as it is, so that it is seen
//! and kept with its issue rather than passed over.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::issue::Issue;
use crate::json::{self, Limits};
use crate::partner::ehr_fhir::encode::FHIR_JSON;
use crate::sync::ports::{Envelope, Incoming, RawReceipt, Reply};

/// The sender's name of it: `Bundle.identifier`, or type, id and version of a resource.
pub fn envelope(bytes: &[u8], limits: &Limits) -> Envelope {
    let sender_id = json::read(bytes, limits).ok().and_then(|document| {
        let value = document.value;
        if value["resourceType"] == "Bundle" {
            let identifier = &value["identifier"];
            let system = identifier["system"].as_str().unwrap_or_default();
            return Some(format!("{system}|{}", identifier["value"].as_str()?));
        }
        Some(format!(
            "{}/{}/{}",
            value["resourceType"].as_str()?,
            value["id"].as_str()?,
            value["meta"]["versionId"].as_str()?
        ))
    });
    Envelope { sender_id }
}

/// What came in.
///
/// # Errors
/// Why it cannot be read: no JSON, a duplicate key, not FHIR, a kind of bundle that is not taken in, too
/// many entries.
pub fn decode(
    content_type: &str,
    bytes: &[u8],
    entries_max: usize,
    limits: &Limits,
) -> Result<Vec<Incoming>, Vec<Issue>> {
    if content_type.to_ascii_lowercase().contains("xml") {
        return wrong(
            "not-supported",
            "fhir-json",
            "",
            "FHIR is read as JSON only",
        );
    }
    let document = json::read(bytes, limits).map_err(|issue| vec![issue])?;
    if !document.duplicates.is_empty() {
        return Err(document
            .duplicates
            .into_iter()
            .map(|pointer| {
                Issue::error(
                    "structure",
                    "json-duplicate-key",
                    pointer,
                    "a key stands twice",
                )
            })
            .collect());
    }
    let mut value = document.value;
    let Some(resource_type) = value["resourceType"].as_str() else {
        return wrong("structure", "resource-type", "", "it is no FHIR resource");
    };
    if resource_type != "Bundle" {
        return Ok(vec![Incoming::Resource(value)]);
    }
    let bundle_type = value["type"].as_str().unwrap_or_default().to_owned();
    let entries = match value["entry"].take() {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    };
    if entries.is_empty() {
        return wrong(
            "required",
            "bundle-empty",
            "Bundle.entry",
            "the bundle has no entries",
        );
    }
    if entries.len() > entries_max {
        return wrong(
            "too-long",
            "bundle-entries",
            "Bundle.entry",
            "the bundle has more entries than the limit",
        );
    }
    match bundle_type.as_str() {
        "transaction" | "message" => whole(entries, bundle_type == "transaction"),
        "batch" | "collection" | "searchset" => Ok(resolved(entries)
            .into_iter()
            .filter(|r| r["resourceType"] != "OperationOutcome")
            .map(Incoming::Resource)
            .collect()),
        _ => wrong(
            "not-supported",
            "bundle-type",
            "Bundle.type",
            "bundles of this type are not taken in",
        ),
    }
}

fn wrong<T>(
    code: &'static str,
    rule: &'static str,
    path: &str,
    message: &'static str,
) -> Result<T, Vec<Issue>> {
    Err(vec![Issue::error(code, rule, path, message)])
}

/// A transaction or message: one bad entry keeps all of it out.
fn whole(entries: Vec<Value>, transaction: bool) -> Result<Vec<Incoming>, Vec<Issue>> {
    let mut issues = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        let path = format!("Bundle.entry[{n}]");
        if !entry["resource"]["resourceType"].is_string() {
            issues.push(Issue::error(
                "required",
                "entry-resource",
                path.clone(),
                "the entry holds no resource",
            ));
        }
        let method = entry["request"]["method"].as_str().unwrap_or_default();
        if transaction && !matches!(method, "POST" | "PUT") {
            issues.push(Issue::error(
                "not-supported",
                "entry-method",
                format!("{path}.request.method"),
                "of a transaction only POST and PUT are taken in",
            ));
        }
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    let resources = resolved(entries)
        .into_iter()
        .filter(|r| r["resourceType"] != "MessageHeader")
        .collect();
    Ok(vec![Incoming::Whole(resources)])
}

/// The entries' resources. One that is known only by its entry's `urn:uuid:` takes that as its id, and
/// references by `urn:uuid:` become references by type and id.
fn resolved(entries: Vec<Value>) -> Vec<Value> {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut resources = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let full_url = entry["fullUrl"].as_str().unwrap_or_default().to_owned();
        let mut resource = entry["resource"].take();
        if !resource.is_object() {
            resources.push(entry);
            continue;
        }
        if let Some(uuid) = full_url.strip_prefix("urn:uuid:") {
            if resource["id"].is_null() {
                resource["id"] = Value::from(uuid);
            }
            if let (Some(resource_type), Some(id)) =
                (resource["resourceType"].as_str(), resource["id"].as_str())
            {
                names.insert(full_url.clone(), format!("{resource_type}/{id}"));
            }
        }
        resources.push(resource);
    }
    if !names.is_empty() {
        for resource in &mut resources {
            rename(resource, &names);
        }
    }
    resources
}

fn rename(value: &mut Value, names: &HashMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, child) in fields.iter_mut() {
                match child {
                    Value::String(text) if name == "reference" => {
                        if let Some(new) = names.get(text.as_str()) {
                            text.clone_from(new);
                        }
                    }
                    child => rename(child, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// 201 for a resource, 200 for a bundle: we have it, whatever it means.
pub fn reply(received: &RawReceipt<'_>, limits: &Limits) -> Reply {
    let is_bundle =
        json::read(received.bytes, limits).is_ok_and(|d| d.value["resourceType"] == "Bundle");
    let text = if received.parked {
        "Received and stored; somebody will look at it before it is used."
    } else {
        "Received and stored."
    };
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "information",
            "code": "informational",
            "details": {"text": text},
            "diagnostics": format!("receipt {}", received.id),
        }],
    });
    Reply {
        status: if is_bundle { 200 } else { 201 },
        media_type: FHIR_JSON.to_owned(),
        body: outcome.to_string().into_bytes(),
    }
}
