//! Evaluation → ClinicalImpression, and a Condition per problem. Pure; the other way is in
//! `from_fhir`.
//!
//! The Conditions are what others refer to. The substance history stands in extensions of the
//! ClinicalImpression: it is the part that least may travel alone.

use serde_json::{Value, json};

use crate::fhir::system::ICD10CM;
use crate::record::evaluation::{Evaluation, Problem, ProblemStatus, SubstanceUse};
use crate::record::map::no_episode;
use crate::record::writing::{OURS, Writing, code_of, concept, local};
use crate::record::{Context, Kind, MapEnv, Mapped};

const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";

/// The ClinicalImpression as `""`, the Conditions as `problem/<no>`.
#[must_use]
pub fn to_fhir(evaluation: &Evaluation, context: &Context, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let id = evaluation.evaluation_id.as_str();
    let subject = context
        .episode
        .as_ref()
        .map(|e| env.reference("Patient", Kind::Client, &e.client_no, ""));
    if subject.is_none() {
        mapped.issues.push(no_episode("/episode_id"));
    }
    let coordinates = (Kind::Evaluation, id, "");
    let mut w = Writing::begin(
        &mut mapped,
        "ClinicalImpression",
        env,
        coordinates,
        "/evaluation_id",
    );
    w.version("/version", evaluation.version);
    w.fixed("status", "completed");
    w.fixed(
        "code",
        local(
            env,
            "impression",
            "initial-evaluation",
            "Initial evaluation",
        ),
    );
    w.set_some("subject", "/episode_id", subject.clone());
    let episode = env.reference("EpisodeOfCare", Kind::Episode, &evaluation.episode_id, "");
    w.extend(
        "",
        "evaluation-episode",
        ("valueReference", episode),
        "/episode_id",
    );
    w.set("effectiveDateTime", "/date", evaluation.date.to_string());
    w.set("date", "/date", evaluation.date.to_string());
    let evaluator = &evaluation.evaluator_staff_id;
    let assessor = env.reference("Practitioner", Kind::Staff, evaluator, "");
    w.set("assessor", "/evaluator_staff_id", assessor);
    for (i, problem) in evaluation.problems.iter().enumerate() {
        let condition = env.reference("Condition", Kind::Evaluation, id, &problem.part());
        w.set(
            &format!("problem[{i}]"),
            &format!("/problems/{i}/no"),
            condition,
        );
    }
    w.set_some("summary", "/summary", evaluation.summary.as_deref());
    let medication = json!({
        "url": format!("{OURS}evaluation-medication"),
        "extension": [
            {"url": "indicated", "valueBoolean": evaluation.medication_indicated},
            {"url": "reason", "valueString": evaluation.medication_reason},
        ],
    });
    w.extend_with("", medication, "/medication_indicated");
    let at = w.count("extension") - 1;
    w.note(
        &format!("extension[{at}].extension[1]"),
        "/medication_reason",
    );
    for (i, used) in evaluation.substance_history.iter().enumerate() {
        w.extend_with("", substance(used, env), &format!("/substance_history/{i}"));
    }
    w.end();
    for (i, problem) in evaluation.problems.iter().enumerate() {
        condition(&mut mapped, evaluation, (i, problem), subject.clone(), env);
    }
    mapped
}

fn substance(used: &SubstanceUse, env: &MapEnv) -> Value {
    let mut parts = vec![json!({
        "url": "substance",
        "valueCodeableConcept": local(env, "substance", &code_of(&used.substance), &code_of(&used.substance)),
    })];
    let mut add = |url: &str, key: &str, value: Option<Value>| {
        if let Some(value) = value {
            parts.push(json!({"url": url, key: value}));
        }
    };
    add(
        "detail",
        "valueString",
        used.detail.as_deref().map(Value::from),
    );
    add(
        "route",
        "valueCode",
        used.route.as_ref().map(|r| code_of(r).into()),
    );
    add(
        "frequency",
        "valueCode",
        Some(code_of(&used.frequency).into()),
    );
    add(
        "age_at_first_use",
        "valueUnsignedInt",
        used.age_at_first_use.map(Value::from),
    );
    add(
        "last_use",
        "valueDate",
        used.last_use.map(|d| d.to_string().into()),
    );
    add(
        "overdoses",
        "valueUnsignedInt",
        used.overdoses.map(Value::from),
    );
    add("note", "valueString", used.note.as_deref().map(Value::from));
    json!({"url": format!("{OURS}evaluation-substance"), "extension": parts})
}

fn condition(
    mapped: &mut Mapped,
    evaluation: &Evaluation,
    (i, problem): (usize, &Problem),
    subject: Option<Value>,
    env: &MapEnv,
) {
    let part = problem.part();
    let from = |field: &str| format!("/problems/{i}/{field}");
    let coordinates = (
        Kind::Evaluation,
        evaluation.evaluation_id.as_str(),
        part.as_str(),
    );
    let mut w = Writing::begin(mapped, "Condition", env, coordinates, &from("no"));
    w.profiles(None, Some("us-core-condition-problems-health-concerns"));
    let status = match problem.status {
        ProblemStatus::Active => "active",
        ProblemStatus::InRemission => "remission",
        ProblemStatus::Resolved => "resolved",
    };
    w.set("clinicalStatus", &from("status"), concept(CLINICAL, status));
    w.fixed("verificationStatus", concept(VERIFICATION, "confirmed"));
    w.fixed("category[0]", concept(CATEGORY, "problem-list-item"));
    w.set(
        "code.coding[0]",
        &from("code"),
        json!({"system": ICD10CM, "code": problem.code}),
    );
    w.set("code.text", &from("text"), problem.text.as_str());
    w.set_some("subject", "/episode_id", subject);
    let onset = problem.onset_date.map(|d| d.to_string());
    w.set_some("onsetDateTime", &from("onset_date"), onset);
    let over = problem.resolved_date.map(|d| d.to_string());
    w.set_some("abatementDateTime", &from("resolved_date"), over);
    w.set("recordedDate", "/date", evaluation.date.to_string());
    let evaluator = &evaluation.evaluator_staff_id;
    let asserter = env.reference("Practitioner", Kind::Staff, evaluator, "");
    w.set("asserter", "/evaluator_staff_id", asserter);
    w.end();
}
