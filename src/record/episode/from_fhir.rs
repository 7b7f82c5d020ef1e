//! EpisodeOfCare → episode. Pure; reads ours and foreign ones, and tells what it has no place for.

use serde_json::{Value, json};

use crate::fhir::system::ICD10CM;
use crate::issue::Issue;
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// The episode that an EpisodeOfCare is. A foreign one that does not say so is taken to be of a Part 2
/// programme: not knowing is no licence.
///
/// # Errors
/// `resource-type` if the first resource is no EpisodeOfCare.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let resource = bundle
        .first()
        .filter(|r| r["resourceType"] == "EpisodeOfCare")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(resource);
    let id = match r.own_identifier(env, Kind::Episode) {
        Some((id, _)) => id,
        None => foreign_id(env, Kind::Episode, resource),
    };
    let mut record = Fields::default();
    record.put("episode_id", Some(id));
    record.put("version", Some(r.version()));
    let client = r.own_reference(env, "/patient", Kind::Client);
    record.put("client_no", client.map(|(id, _)| id));
    let program = r.coding("/type/0", &format!("{}/code/program", env.base));
    if program.is_some() {
        r.take("/type/0");
    }
    record.put("program", program);
    record.put("admit_date", r.date("/period/start"));
    record.put(
        "step_down_date",
        r.extension("", "episode-step-down-date", "valueDate"),
    );
    let end = r.date("/period/end");
    r.exactly("/status", if end.is_some() { "finished" } else { "active" });
    record.put("discharge_date", end);
    record.put(
        "discharge_disposition",
        r.extension("", "episode-discharge-disposition", "valueString"),
    );
    let part2 = r.extension("", "episode-part2-program", "valueBoolean");
    record.put("part2_program", Some(part2.unwrap_or(Value::Bool(true))));
    let code = "valueCodeableConcept";
    for (field, name, system) in [
        (
            "primary_problem",
            "episode-primary-problem",
            ICD10CM.to_owned(),
        ),
        (
            "level_of_care",
            "episode-level-of-care",
            format!("{}/code/level-of-care", env.base),
        ),
    ] {
        if let Some(at) = r.extension_at("", name) {
            let found = r.coding(&format!("{at}/{code}"), &system);
            if found.is_some() {
                r.take(&at);
            }
            record.put(field, found);
        }
    }
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues: r.leftovers(),
    })
}
