//! Practitioner (and PractitionerRole) → staff. Pure; reads ours and foreign ones, and tells what it
//! has no place for.

use serde_json::{Value, json};

use crate::fhir::system::NPI;
use crate::issue::Issue;
use crate::record::party::{DEA, read_address, read_identifier, read_name, read_phone};
use crate::record::reading::{Fields, Reading, first, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// The member of staff that a Practitioner is.
///
/// # Errors
/// `resource-type` if the first resource is no Practitioner.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let practitioner = bundle
        .first()
        .filter(|r| r["resourceType"] == "Practitioner")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(practitioner);
    let staff_id = match r.own_identifier(env, Kind::Staff) {
        Some((id, _)) => id,
        None => foreign_id(env, Kind::Staff, practitioner),
    };
    let mut record = Fields::default();
    record.put("staff_id", Some(staff_id));
    record.put("version", Some(r.version()));
    r.active();
    record.put("name", read_name(&mut r, "/name"));
    let mut issues = Vec::new();
    if let Some(role) = first(bundle, "PractitionerRole") {
        let mut role = Reading::begin(role);
        role.own_identifier(env, Kind::Staff);
        role.own_reference(env, "/practitioner", Kind::Staff);
        role.active();
        let code = role.coding("/code/0", &format!("{}/code/staff-role", env.base));
        if code.is_some() {
            role.take("/code/0");
        }
        record.put("role", code);
        read_phone(&mut role, "/telecom", "phone");
        issues = role.leftovers();
    }
    record.put("npi", read_identifier(&mut r, NPI));
    record.put("dea_no", read_identifier(&mut r, DEA));
    let license = format!("{}/id/state-license", env.base);
    record.put("state_license", read_identifier(&mut r, &license));
    record.put("address", read_address(&mut r, "/address"));
    record.put("phone", read_phone(&mut r, "/telecom", "phone"));
    issues.extend(r.leftovers());
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues,
    })
}
