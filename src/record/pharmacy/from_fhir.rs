//! Organization → pharmacy. Pure; reads ours and foreign ones, and tells what it has no place for.

use serde_json::{Value, json};

use crate::fhir::system::NPI;
use crate::issue::Issue;
use crate::record::party::{DEA, NCPDP, read_address, read_identifier, read_phone};
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// The pharmacy that an Organization is.
///
/// # Errors
/// `resource-type` if the first resource is no Organization.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let organization = bundle
        .first()
        .filter(|r| r["resourceType"] == "Organization")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(organization);
    let id = match r.own_identifier(env, Kind::Pharmacy) {
        Some((id, _)) => id,
        None => foreign_id(env, Kind::Pharmacy, organization),
    };
    let mut record = Fields::default();
    record.put("pharmacy_id", Some(id));
    record.put("version", Some(r.version()));
    r.active();
    let types = format!("{}/code/organization-type", env.base);
    if r.coding("/type/0", &types).is_some() {
        r.take("/type/0");
    }
    record.put("name", r.text("/name"));
    record.put("ncpdp_id", read_identifier(&mut r, NCPDP));
    record.put("npi", read_identifier(&mut r, NPI));
    record.put("dea_no", read_identifier(&mut r, DEA));
    record.put("address", read_address(&mut r, "/address"));
    record.put("phone", read_phone(&mut r, "/telecom", "phone"));
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues: r.leftovers(),
    })
}
