//! What the EHR keeps against what was accepted, where it can be compared without the gateway's maps: how
//! an order stands, what a vital sign measured, with its digits.
//!
//! A header that names the newest version is not enough: the copy itself has to be that of the newest.

use serde_json::Value;

use super::{Evidence, Found, Wrong};
use crate::demo::clinic::Taken;
use crate::demo::site::{BASE, EHR};
use crate::record::Kind;

pub(super) fn recount(evidence: &Evidence, found: &mut Found) {
    for (kind, resource_type) in [
        (Kind::MedicationRequest, "MedicationRequest"),
        (Kind::Observation, "Observation"),
    ] {
        for newest in evidence.newest_of(kind) {
            let jobs = evidence.jobs(kind, &newest.id, EHR);
            let done = |job: &&super::Job| job.version == newest.version && job.is_done();
            if !jobs.iter().any(done) {
                continue;
            }
            let copy = evidence
                .kept
                .iter()
                .find(|r| r["resourceType"] == resource_type && is_copy(r, newest));
            if copy.is_some_and(|copy| !same(newest, copy)) {
                found.add(
                    Wrong::Lost,
                    format!(
                        "{kind}/{}/{}: the EHR's copy says something else",
                        newest.id, newest.version
                    ),
                );
            }
        }
    }
}

/// Whether a resource is the copy of the record as a whole, not of a part.
fn is_copy(resource: &Value, taken: &Taken) -> bool {
    let system = format!("{BASE}/id/{}", taken.kind);
    let identifiers = resource["identifier"].as_array().map(Vec::as_slice);
    identifiers
        .unwrap_or_default()
        .iter()
        .any(|i| i["system"] == system.as_str() && i["value"] == taken.id.as_str())
}

fn same(taken: &Taken, copy: &Value) -> bool {
    let record = &taken.record;
    if taken.kind == Kind::MedicationRequest {
        return copy["status"] == order_status(record["state"].as_str().unwrap_or_default());
    }
    if record["status"] == "error" {
        return copy["status"] == "entered-in-error";
    }
    // Numbers are compared as they are written: their digits matter.
    let value = &record["vital"]["value"];
    value.is_null() || copy["valueQuantity"]["value"] == *value
}

/// MedicationRequest.status of an order's state, as FHIR's own definitions have it.
fn order_status(state: &str) -> &'static str {
    match state {
        "proposed" | "client_considering" => "draft",
        "on_hold" => "on-hold",
        "completed" => "completed",
        "cancelled" | "declined" => "cancelled",
        "discontinued" => "stopped",
        "error" => "entered-in-error",
        _ => "active",
    }
}
