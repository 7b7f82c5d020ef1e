//! CarePlan (with Goals and CareTeam beside it or contained) → plan. Pure; reads ours and foreign
//! ones, and tells what it has no place for.
//!
//! A foreign subject is never taken for a client of ours: who it is, matching says.

use serde_json::{Value, json};

use super::{parts, steps};
use crate::issue::Issue;
use crate::record::reading::{Fields, Reading, foreign_id, refers, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// The plan that a CarePlan is.
///
/// # Errors
/// `resource-type` if the first resource is no CarePlan.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let resource = bundle
        .first()
        .filter(|r| r["resourceType"] == "CarePlan")
        .ok_or_else(wrong_type)?;
    let mut r = Reading::begin(resource);
    let own = r.own_identifier(env, Kind::CarePlan);
    let ours = own.is_some();
    let mut record = Fields::default();
    let id = own.map_or_else(|| foreign_id(env, Kind::CarePlan, resource), |(id, _)| id);
    record.put("plan_id", Some(id));
    record.put("rev", Some(r.version()));
    let client = r.own_reference(env, "/subject", Kind::Client);
    let (mut episode, mut evaluation) = (None, None);
    for i in 0..r.count("/supportingInfo") {
        let at = format!("/supportingInfo/{i}");
        if let Some((id, _)) = r.own_reference(env, &at, Kind::Episode) {
            episode = Some(id);
        } else if let Some((id, _)) = r.own_reference(env, &at, Kind::Evaluation) {
            evaluation = Some(id);
        }
    }
    if episode.is_none() {
        record.put("client_no", client.map(|(id, _)| id));
    }
    record.put("episode_id", episode);
    record.put("status", status(&mut r));
    if matches!(
        r.peek("/intent").and_then(Value::as_str),
        Some("plan" | "order")
    ) {
        r.exactly("/intent", "plan");
    }
    let us_core = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category";
    if ours && r.coding("/category/0", us_core).is_some() {
        r.take("/category/0");
    }
    record.put("title", r.text("/title"));
    let description = r.text("/description");
    record.put("assessment_text", description.or_else(|| told(resource)));
    record.put("written_on", r.date("/created"));
    let author = r.own_reference(env, "/author", Kind::Staff);
    record.put("author_staff_id", author.map(|(id, _)| id));
    record.put("start", r.date("/period/start"));
    record.put("end", r.date("/period/end"));
    let mut problems = Vec::new();
    for i in 0..r.count("/addresses") {
        let found = r.own_reference(env, &format!("/addresses/{i}"), Kind::Evaluation);
        if let Some((id, part)) = found {
            evaluation = Some(id);
            problems.extend(parts::problem_no(&part).map(|no| json!({"no": no})));
        }
    }
    record.put("evaluation_id", evaluation);
    record.list("problems", problems);

    let mut issues = Vec::new();
    let contained = contained(&mut r);
    let referred = bundle
        .iter()
        .skip(1)
        .filter(|other| refers(&resource["goal"], other) || refers(&resource["careTeam"], other));
    let beside = referred.chain(&contained);
    let (mut goals, mut team) = (Vec::new(), Vec::new());
    for other in beside {
        match other["resourceType"].as_str() {
            Some("Goal") => {
                let (goal, left) = parts::read_goal(other, goals.len() + 1, env);
                goals.push(goal);
                issues.extend(left);
            }
            Some("CareTeam") => {
                let (members, left) = parts::read_team(other, env);
                team.extend(members);
                issues.extend(left);
            }
            _ => {}
        }
    }
    if ours {
        for i in 0..r.count("/goal") {
            r.own_reference(env, &format!("/goal/{i}"), Kind::CarePlan);
        }
        r.own_reference(env, "/careTeam/0", Kind::CarePlan);
    }
    record.list("goals", goals);
    record.list("team", team);
    let steps = (0..r.count("/activity")).filter_map(|i| steps::read(&mut r, i, env));
    record.list("interventions", steps.collect());
    parts::read_blocks(&mut r, &mut record, env);
    parts::read_reviews(&mut r, &mut record, env);
    issues.extend(r.leftovers());
    Ok(FromFhir {
        record: record.done(),
        context: json!({}),
        issues,
    })
}

/// Our status: exactly, where we wrote it; `None` where FHIR does not know it either.
fn status(r: &mut Reading) -> Option<Value> {
    let exact = r.extension("", "care-plan-state", "valueCode");
    let said = match r.peek("/status").and_then(Value::as_str)? {
        "draft" => "draft",
        "active" => "in_force",
        "on-hold" => "under_review",
        "revoked" => "superseded",
        "completed" => "closed",
        "entered-in-error" => "error",
        _ => return None,
    };
    r.take("/status");
    // A system that changed the status and kept our extension means the status.
    let agrees = match (said, exact.as_ref().and_then(Value::as_str)) {
        ("in_force", Some("in_force" | "under_review")) => true,
        (said, exact) => Some(said) == exact,
    };
    exact.filter(|_| agrees).or_else(|| Some(said.into()))
}

/// Goals and teams that stand inside the plan.
fn contained(r: &mut Reading) -> Vec<Value> {
    (0..r.count("/contained"))
        .filter_map(|i| {
            let at = format!("/contained/{i}");
            let kind = r.peek(&at)?["resourceType"].as_str()?;
            matches!(kind, "Goal" | "CareTeam").then(|| r.take(&at))?
        })
        .collect()
}

/// The narrative in plain words, where it says more than the resource (`additional`): some systems
/// keep the whole plan there.
fn told(resource: &Value) -> Option<String> {
    if resource["text"]["status"] != "additional" {
        return None;
    }
    let mut out = String::new();
    let mut in_tag = false;
    for c in resource["text"]["div"].as_str()?.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                out.push(' ');
            }
            _ if in_tag => {}
            c => out.push(c),
        }
    }
    for (entity, c) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        out = out.replace(entity, c);
    }
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then_some(words)
}
