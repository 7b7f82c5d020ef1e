//! Patient with a link → client merge. Pure; reads ours and foreign ones.

use serde_json::{Value, json};

use crate::issue::Issue;
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// The merge that a Patient's first link `replaces` tells of. Who the Patient is belongs to the
/// client's record and is no leftover here.
///
/// # Errors
/// `resource-type` if the first resource is no Patient with such a link.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let patient = bundle
        .first()
        .filter(|r| r["resourceType"] == "Patient" && r["link"][0]["type"] == "replaces")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(&json!({
        "resourceType": "Patient",
        "identifier": patient["identifier"],
        "link": patient["link"],
    }));
    let survivor = r.own_identifier(env, Kind::Client).map(|(id, _)| id);
    let merged = r
        .own_reference(env, "/link/0/other", Kind::Client)
        .map(|(id, _)| id);
    r.exactly("/link/0/type", "replaces");
    let mut record = Fields::default();
    let (mut id, mut version, mut on) = (None, None, None);
    if let Some(at) = r.extension_at("/link/0", "client-merge-event") {
        let event = r.take(&at).unwrap_or_default();
        for part in event["extension"].as_array().into_iter().flatten() {
            match part["url"].as_str() {
                Some("merge_id") => id = part.get("valueString").cloned(),
                Some("version") => version = part.get("valuePositiveInt").cloned(),
                Some("merged_on") => on = part.get("valueDate").cloned(),
                _ => {}
            }
        }
    }
    let id = id.unwrap_or_else(|| Value::String(foreign_id(env, Kind::ClientMerge, patient)));
    record.put("merge_id", Some(id));
    record.put("version", Some(version.unwrap_or_else(|| Value::from(1))));
    record.put("survivor_client_no", survivor);
    record.put("merged_client_no", merged);
    record.put("merged_on", on);
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues: r.leftovers(),
    })
}
