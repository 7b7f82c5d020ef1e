//! Plan → CarePlan, Goals, CareTeam (US Core 7.0.0). Pure; the other way is in `from_fhir`.

use serde_json::json;

use super::model::{CarePlan, PlanStatus};
use super::{narrative, parts, steps};
use crate::record::map::no_episode;
use crate::record::writing::{Writing, code_of, concept};
use crate::record::{Context, Kind, MapEnv, Mapped};

/// Our profile of CarePlan.
pub const CARE_PLAN: &str = "https://fhir-gateway.example/StructureDefinition/iop-careplan";
/// Our profile of Goal.
pub const GOAL: &str = "https://fhir-gateway.example/StructureDefinition/iop-goal";
/// Our profile of CareTeam.
pub const CARE_TEAM: &str = "https://fhir-gateway.example/StructureDefinition/iop-careteam";

/// What does not come back: JSON pointer pattern and reason.
pub const LOSSES: &[(&str, &str)] = &[(
    "/client_no",
    "where an episode is named, the episode says whose the plan is",
)];

/// The CarePlan as `""`, the Goals as `goal/<id>`, the CareTeam as `team`.
#[must_use]
pub fn to_fhir(plan: &CarePlan, context: &Context, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let id = plan.plan_id.as_str();
    let client = match &context.episode {
        Some(episode) => Some(episode.client_no.as_str()),
        None => plan.client_no.as_deref(),
    };
    let subject = client.map(|no| env.reference("Patient", Kind::Client, no, ""));
    if subject.is_none() {
        mapped.issues.push(no_episode("/episode_id"));
    }

    let mut w = Writing::begin(
        &mut mapped,
        "CarePlan",
        env,
        (Kind::CarePlan, id, ""),
        "/plan_id",
    );
    w.profiles(Some(CARE_PLAN), Some("us-core-careplan"));
    w.fixed(
        "text",
        json!({"status": "generated", "div": narrative::div(plan)}),
    );
    w.version("/rev", plan.rev);
    w.set("status", "/status", status(plan.status));
    let state = ("valueCode", json!(code_of(&plan.status)));
    w.extend("", "care-plan-state", state, "/status");
    w.fixed("intent", "plan");
    w.fixed(
        "category[0]",
        concept(
            "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
            "assess-plan",
        ),
    );
    w.set_some("title", "/title", plan.title.as_deref());
    w.set_some(
        "description",
        "/assessment_text",
        plan.assessment_text.as_deref(),
    );
    if let Some(subject) = &subject {
        w.fixed("subject", subject.clone());
        if plan.client_no.is_some() {
            w.note("subject", "/client_no");
        }
    }
    w.set_some("period.start", "/start", plan.start.map(|d| d.to_string()));
    w.set_some("period.end", "/end", plan.end.map(|d| d.to_string()));
    w.set_some(
        "created",
        "/written_on",
        plan.written_on.map(|d| d.to_string()),
    );
    let author = plan.author_staff_id.as_deref();
    let author = author.map(|staff| env.reference("Practitioner", Kind::Staff, staff, ""));
    w.set_some("author", "/author_staff_id", author);
    if !plan.team.is_empty() {
        w.set(
            "careTeam[0]",
            "/team",
            env.reference("CareTeam", Kind::CarePlan, id, "team"),
        );
    }
    if let Some(evaluation) = &plan.evaluation_id {
        for (i, problem) in plan.problems.iter().enumerate() {
            let part = format!("problem/{}", problem.no);
            let condition = env.reference("Condition", Kind::Evaluation, evaluation, &part);
            w.set(
                &format!("addresses[{i}]"),
                &format!("/problems/{i}/no"),
                condition,
            );
        }
    }
    for (resource_type, kind, id, from) in [
        (
            "EpisodeOfCare",
            Kind::Episode,
            &plan.episode_id,
            "/episode_id",
        ),
        (
            "ClinicalImpression",
            Kind::Evaluation,
            &plan.evaluation_id,
            "/evaluation_id",
        ),
    ] {
        if let Some(id) = id {
            let element = format!("supportingInfo[{}]", w.count("supportingInfo"));
            w.set(&element, from, env.reference(resource_type, kind, id, ""));
        }
    }
    for (i, goal) in plan.goals.iter().enumerate() {
        let reference = env.reference("Goal", Kind::CarePlan, id, &format!("goal/{}", goal.id));
        w.set(&format!("goal[{i}]"), &format!("/goals/{i}"), reference);
    }
    for (i, step) in plan.interventions.iter().enumerate() {
        steps::write(&mut w, plan, (i, step), env);
    }
    parts::write_blocks(&mut w, plan, env);
    parts::write_reviews(&mut w, plan, env);
    w.end();

    for (i, goal) in plan.goals.iter().enumerate() {
        parts::write_goal(&mut mapped, plan, (i, goal), subject.as_ref(), env);
    }
    if !plan.team.is_empty() {
        parts::write_team(&mut mapped, plan, subject.as_ref(), env);
    }
    mapped
}

/// FHIR's status of ours.
const fn status(status: PlanStatus) -> &'static str {
    match status {
        PlanStatus::Draft => "draft",
        PlanStatus::InForce | PlanStatus::UnderReview => "active",
        PlanStatus::Superseded => "revoked",
        PlanStatus::Closed => "completed",
        PlanStatus::Error => "entered-in-error",
    }
}
