//! ClinicalImpression and Conditions → evaluation. Pure; reads ours and, as far as they go, foreign
//! ones, and tells what it has no place for.

use serde_json::{Value, json};

use crate::fhir::system::ICD10CM;
use crate::issue::Issue;
use crate::record::reading::{Fields, Reading, foreign_id, refers, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// The evaluation that a ClinicalImpression is, with the Conditions beside it as its problems. The
/// client comes back in the context's episode only.
///
/// # Errors
/// `resource-type` if the first resource is no ClinicalImpression.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let resource = bundle
        .first()
        .filter(|r| r["resourceType"] == "ClinicalImpression")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(resource);
    let id = match r.own_identifier(env, Kind::Evaluation) {
        Some((id, _)) => id,
        None => foreign_id(env, Kind::Evaluation, resource),
    };
    let mut record = Fields::default();
    record.put("evaluation_id", Some(id));
    record.put("version", Some(r.version()));
    if let Some(at) = r.extension_at("", "evaluation-episode") {
        let episode = r.own_reference(env, &format!("{at}/valueReference"), Kind::Episode);
        if episode.is_some() {
            r.take(&at);
        }
        record.put("episode_id", episode.map(|(id, _)| id));
    }
    r.own_reference(env, "/subject", Kind::Client);
    r.exactly("/status", "completed");
    if r.coding("/code", &format!("{}/code/impression", env.base))
        .is_some()
    {
        r.take("/code");
    }
    let date = r.date("/date");
    let effective = r.date("/effectiveDateTime");
    record.put("date", effective.or(date));
    let assessor = r.own_reference(env, "/assessor", Kind::Staff);
    record.put("evaluator_staff_id", assessor.map(|(id, _)| id));

    let mut issues = Vec::new();
    let mut problems = Vec::new();
    let named = bundle
        .iter()
        .filter(|c| c["resourceType"] == "Condition" && refers(&resource["problem"], c));
    for condition in named {
        let (problem, left) = problem(condition, env, problems.len() + 1);
        problems.push(problem);
        issues.extend(left);
    }
    for i in 0..r.count("/problem") {
        r.own_reference(env, &format!("/problem/{i}"), Kind::Evaluation);
    }
    record.list("problems", problems);

    let mut history = Vec::new();
    while let Some(at) = r.extension_at("", "evaluation-substance") {
        let extension = r.take(&at).unwrap_or_default();
        history.push(substance(&extension));
    }
    record.list("substance_history", history);
    if let Some(at) = r.extension_at("", "evaluation-medication") {
        let extension = r.take(&at).unwrap_or_default();
        for part in extension["extension"].as_array().into_iter().flatten() {
            match part["url"].as_str() {
                Some("indicated") => {
                    record.put("medication_indicated", part.get("valueBoolean").cloned())
                }
                Some("reason") => record.put("medication_reason", part.get("valueString").cloned()),
                _ => {}
            }
        }
    }
    record.put("summary", r.text("/summary"));
    issues.extend(r.leftovers());
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues,
    })
}

/// One problem; `next` is its number where it has none of ours.
fn problem(condition: &Value, env: &MapEnv, next: usize) -> (Value, Vec<Issue>) {
    let mut r = Reading::begin(condition);
    let own = r.own_identifier(env, Kind::Evaluation);
    let no = own
        .and_then(|(_, part)| part.strip_prefix("problem/")?.parse::<u32>().ok())
        .map_or_else(|| Value::from(next), Value::from);
    let mut problem = Fields::default();
    problem.put("no", Some(no));
    problem.put("code", r.coding("/code", ICD10CM));
    problem.put("text", r.text("/code/text"));
    let clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical";
    let status = match r.coding("/clinicalStatus", clinical).as_deref() {
        Some("remission" | "inactive") => "in_remission",
        Some("resolved") => "resolved",
        _ => "active",
    };
    problem.put("status", Some(status));
    problem.put("onset_date", r.date("/onsetDateTime"));
    problem.put("resolved_date", r.date("/abatementDateTime"));
    // These follow from the evaluation.
    r.own_reference(env, "/subject", Kind::Client);
    r.own_reference(env, "/asserter", Kind::Staff);
    r.date("/recordedDate");
    let verification = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
    if r.peek("/verificationStatus/coding/0/code") == Some(&json!("confirmed")) {
        r.coding("/verificationStatus", verification);
    }
    let category = "http://terminology.hl7.org/CodeSystem/condition-category";
    if r.peek("/category/0/coding/0/code") == Some(&json!("problem-list-item")) {
        r.coding("/category/0", category);
    }
    (problem.done(), r.leftovers())
}

fn substance(extension: &Value) -> Value {
    let mut used = Fields::default();
    for part in extension["extension"].as_array().into_iter().flatten() {
        let Some(name) = part["url"].as_str() else {
            continue;
        };
        let key = match name {
            "substance" => {
                let code = part["valueCodeableConcept"]["coding"][0]["code"].as_str();
                used.put("substance", code);
                continue;
            }
            "route" | "frequency" => "valueCode",
            "age_at_first_use" | "overdoses" => "valueUnsignedInt",
            "last_use" => "valueDate",
            _ => "valueString",
        };
        used.put(name, part.get(key).cloned());
    }
    used.done()
}
