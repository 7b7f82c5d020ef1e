//! Patient → client. Pure; reads ours and foreign ones, and tells what it has no place for.

use serde_json::{Value, json};

use crate::issue::Issue;
use crate::record::party::{read_address, read_name, read_phone};
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// The client that a Patient is.
///
/// # Errors
/// `resource-type` if the first resource is no Patient.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let patient = bundle
        .first()
        .filter(|r| r["resourceType"] == "Patient")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(patient);
    let client_no = match r.own_identifier(env, Kind::Client) {
        Some((id, _)) => id,
        None => foreign_id(env, Kind::Client, patient),
    };
    let mut record = Fields::default();
    record.put("client_no", Some(client_no));
    record.put("version", Some(r.version()));
    r.active();
    record.put("name", read_name(&mut r, "/name"));
    record.put("birth_date", r.date("/birthDate"));
    let gender = r.text("/gender").unwrap_or_else(|| "unknown".to_owned());
    record.put("gender", Some(gender));
    record.put("address", read_address(&mut r, "/address"));
    record.put("phone", read_phone(&mut r, "/telecom", "phone"));
    record.put("email", read_phone(&mut r, "/telecom", "email"));
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues: r.leftovers(),
    })
}
