//! Organization → laboratory. Pure; reads ours and foreign ones, and tells what it has no place for.

use serde_json::{Value, json};

use crate::fhir::system::NPI;
use crate::issue::Issue;
use crate::record::party::{CLIA, read_address, read_identifier, read_phone};
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// The laboratory that an Organization is.
///
/// # Errors
/// `resource-type` if the first resource is no Organization.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let organization = bundle
        .first()
        .filter(|r| r["resourceType"] == "Organization")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(organization);
    let id = match r.own_identifier(env, Kind::Laboratory) {
        Some((id, _)) => id,
        None => foreign_id(env, Kind::Laboratory, organization),
    };
    let mut record = Fields::default();
    record.put("lab_id", Some(id));
    record.put("version", Some(r.version()));
    r.active();
    let types = format!("{}/code/organization-type", env.base);
    if r.coding("/type/0", &types).is_some() {
        r.take("/type/0");
    }
    record.put("name", r.text("/name"));
    record.put("npi", read_identifier(&mut r, NPI));
    record.put("clia", read_identifier(&mut r, CLIA));
    record.put("address", read_address(&mut r, "/address"));
    record.put("phone", read_phone(&mut r, "/telecom", "phone"));
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues: r.leftovers(),
    })
}
