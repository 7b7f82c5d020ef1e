//! The parts of a plan that are lists or blocks: goals, team, phases, reviews, family, aftercare.
//! To FHIR and back, side by side; pure.

use serde_json::{Value, json};

use super::model::{CarePlan, Goal, GoalStatus, PlanStatus, Review};
use crate::issue::Issue;
use crate::record::reading::{Fields, Reading, own_id};
use crate::record::writing::{Writing, code_of, complex, concept, local, members};
use crate::record::{Kind, MapEnv, Mapped};

const ACHIEVEMENT: &str = "http://terminology.hl7.org/CodeSystem/goal-achievement";

/// Writes a complex extension on the CarePlan and says what made it; `from` is the block's pointer.
pub(super) fn block(w: &mut Writing<'_>, under: &str, name: &str, fields: Fields, from: &str) {
    let (extension, made) = complex(name, &fields.done());
    let list = if under.is_empty() {
        "extension".to_owned()
    } else {
        format!("{under}.extension")
    };
    let at = w.count(&list);
    w.extend_with(under, extension, from);
    for (k, field) in made.iter().enumerate() {
        w.note(
            &format!("{list}[{at}].extension[{k}]"),
            &format!("{from}/{field}"),
        );
    }
}

fn orders(env: &MapEnv, order_nos: &[String]) -> Vec<Value> {
    let order = |no: &String| env.reference("MedicationRequest", Kind::MedicationRequest, no, "");
    order_nos.iter().map(order).collect()
}

/// Phases, family, aftercare and signature: extensions of the CarePlan.
pub(super) fn write_blocks(w: &mut Writing<'_>, plan: &CarePlan, env: &MapEnv) {
    for (i, phase) in plan.phases.iter().enumerate() {
        let mut fields = Fields::default();
        fields.put("id", Some(phase.id.as_str()));
        fields.put("name", Some(phase.name.as_str()));
        fields.put("state", Some(code_of(&phase.state)));
        fields.put("start", phase.start.map(|d| d.to_string()));
        fields.put("end", phase.end.map(|d| d.to_string()));
        fields.put("done_when", phase.done_when.as_deref());
        block(w, "", "care-plan-phase", fields, &format!("/phases/{i}"));
    }
    if let Some(family) = &plan.family {
        let mut fields = Fields::default();
        fields.put("involved", Some(family.involved));
        let consent = family.consent_id.as_deref();
        let consent = consent.map(|id| env.reference("Consent", Kind::Consent, id, ""));
        fields.put("consent_id", consent);
        fields.put("sessions", family.sessions);
        block(w, "", "care-plan-family", fields, "/family");
    }
    if let Some(aftercare) = &plan.aftercare {
        let mut fields = Fields::default();
        fields.put("provider", Some(aftercare.provider.as_str()));
        fields.put("first_appt", aftercare.first_appt.map(|d| d.to_string()));
        fields.list("meds_continuing", orders(env, &aftercare.meds_continuing));
        fields.put("relapse_plan", aftercare.relapse_plan.as_deref());
        block(w, "", "care-plan-aftercare", fields, "/aftercare");
    }
    if let Some(on) = plan.signed_by_client_on {
        let value = ("valueDate", json!(on.to_string()));
        w.extend("", "care-plan-signed-on", value, "/signed_by_client_on");
    }
    if let Some(declined) = plan.declined_to_sign {
        let value = ("valueBoolean", json!(declined));
        w.extend("", "care-plan-declined-to-sign", value, "/declined_to_sign");
    }
}

/// Takes the blocks back.
pub(super) fn read_blocks(r: &mut Reading, record: &mut Fields, env: &MapEnv) {
    let mut phases = Vec::new();
    while let Some(at) = r.extension_at("", "care-plan-phase") {
        let extension = r.take(&at).unwrap_or_default();
        phases.push(fields(&extension, env).done());
    }
    record.list("phases", phases);
    for (name, field) in [
        ("care-plan-family", "family"),
        ("care-plan-aftercare", "aftercare"),
    ] {
        if let Some(at) = r.extension_at("", name) {
            let extension = r.take(&at).unwrap_or_default();
            record.put(field, Some(fields(&extension, env).done()));
        }
    }
    record.put(
        "signed_by_client_on",
        r.extension("", "care-plan-signed-on", "valueDate"),
    );
    record.put(
        "declined_to_sign",
        r.extension("", "care-plan-declined-to-sign", "valueBoolean"),
    );
}

/// The fields of a complex extension: references become record ids, repeated ones lists.
fn fields(extension: &Value, env: &MapEnv) -> Fields {
    let mut out = Fields::default();
    let mut lists: Vec<(&str, Vec<Value>)> = Vec::new();
    for (field, value) in members(extension) {
        let id = |kind| own_id(env, &value, kind).map(|(id, _)| Value::String(id));
        let (value, many) = match field {
            "consent_id" => (id(Kind::Consent), false),
            "by_staff_id" => (id(Kind::Staff), false),
            "meds_continuing" | "med_changes" => (id(Kind::MedicationRequest), true),
            "attendees" => (id(Kind::Staff), true),
            _ => (Some(value.clone()), false),
        };
        match (value, many) {
            (Some(value), true) => match lists.iter_mut().find(|(name, _)| *name == field) {
                Some((_, items)) => items.push(value),
                None => lists.push((field, vec![value])),
            },
            (value, _) => out.put(field, value),
        }
    }
    for (field, items) in lists {
        out.list(field, items);
    }
    out
}

/// A review in words: what stands in `note.text` for systems that do not know our extension.
pub(super) fn review_text(review: &Review) -> String {
    let decisions: Vec<&str> = review.decisions.iter().map(|d| d.text.as_str()).collect();
    if decisions.is_empty() {
        review.meeting.clone()
    } else {
        format!("{}: {}", review.meeting, decisions.join("; "))
    }
}

/// Writes the reviews as notes, each with its structure.
pub(super) fn write_reviews(w: &mut Writing<'_>, plan: &CarePlan, env: &MapEnv) {
    let staff = |id: &String| env.reference("Practitioner", Kind::Staff, id, "");
    for (i, review) in plan.reviews.iter().enumerate() {
        let note = format!("note[{i}]");
        let from = format!("/reviews/{i}");
        let mut fields = Fields::default();
        fields.put("meeting", Some(review.meeting.as_str()));
        fields.list("attendees", review.attendees.iter().map(staff).collect());
        fields.put("client_present", review.client_present);
        fields.list("med_changes", orders(env, &review.med_changes));
        block(w, &note, "care-plan-review", fields, &from);
        for (j, decision) in review.decisions.iter().enumerate() {
            let mut fields = Fields::default();
            fields.put("text", Some(decision.text.as_str()));
            fields.put("by_staff_id", Some(staff(&decision.by_staff_id)));
            let from = format!("{from}/decisions/{j}");
            block(w, &note, "care-plan-decision", fields, &from);
        }
        w.set(
            &format!("{note}.time"),
            &format!("{from}/date"),
            review.date.to_string(),
        );
        w.fixed(&format!("{note}.text"), review_text(review));
    }
}

/// Takes the notes that are reviews of ours.
pub(super) fn read_reviews(r: &mut Reading, record: &mut Fields, env: &MapEnv) {
    let mut reviews = Vec::new();
    for i in 0..r.count("/note") {
        let note = format!("/note/{i}");
        let Some(at) = r.extension_at(&note, "care-plan-review") else {
            continue;
        };
        let extension = r.take(&at).unwrap_or_default();
        let mut review = fields(&extension, env);
        let mut decisions = Vec::new();
        while let Some(at) = r.extension_at(&note, "care-plan-decision") {
            let extension = r.take(&at).unwrap_or_default();
            decisions.push(fields(&extension, env).done());
        }
        review.list("decisions", decisions);
        review.put("date", r.date(&format!("{note}/time")));
        r.take(&format!("{note}/text"));
        reviews.push(review.done());
    }
    record.list("reviews", reviews);
}

/// Writes a goal as a Goal of its own.
pub(super) fn write_goal(
    mapped: &mut Mapped,
    plan: &CarePlan,
    (i, goal): (usize, &Goal),
    subject: Option<&Value>,
    env: &MapEnv,
) {
    let part = format!("goal/{}", goal.id);
    let of = |field: &str| format!("/goals/{i}/{field}");
    let coordinates = (Kind::CarePlan, plan.plan_id.as_str(), part.as_str());
    let mut w = Writing::begin(mapped, "Goal", env, coordinates, &of("id"));
    w.profiles(Some(super::to_fhir::GOAL), Some("us-core-goal"));
    let status = match goal.status {
        GoalStatus::Proposed => "proposed",
        GoalStatus::Active => "active",
        GoalStatus::OnHold => "on-hold",
        GoalStatus::Achieved => "completed",
        GoalStatus::Dropped => "cancelled",
        GoalStatus::Error => "entered-in-error",
    };
    w.set("lifecycleStatus", &of("status"), status);
    if let Some(progress) = goal.progress {
        let code = match progress {
            0 => "no-progress",
            1 | 2 => "in-progress",
            3 => "improving",
            _ => "achieved",
        };
        w.set(
            "achievementStatus",
            &of("progress"),
            concept(ACHIEVEMENT, code),
        );
        let value = ("valueUnsignedInt", json!(progress));
        w.extend("", "goal-progress", value, &of("progress"));
    }
    w.set("description.text", &of("text"), goal.text.as_str());
    if let Some(subject) = subject {
        w.fixed("subject", subject.clone());
        w.fixed("expressedBy", subject.clone());
    }
    w.set_some("startDate", &of("start"), goal.start.map(|d| d.to_string()));
    w.set_some(
        "target[0].measure.text",
        &of("measure"),
        goal.measure.as_deref(),
    );
    w.set_some(
        "target[0].detailString",
        &of("target"),
        goal.target.as_deref(),
    );
    let due = goal.target_date.map(|d| d.to_string());
    w.set_some("target[0].dueDate", &of("target_date"), due);
    if let Some(baseline) = &goal.baseline {
        w.extend(
            "",
            "goal-baseline",
            ("valueString", json!(baseline)),
            &of("baseline"),
        );
    }
    if let Some(evaluation) = &plan.evaluation_id {
        for (j, no) in goal.problems.iter().enumerate() {
            let part = format!("problem/{no}");
            let condition = env.reference("Condition", Kind::Evaluation, evaluation, &part);
            let from = format!("/goals/{i}/problems/{j}");
            w.set(&format!("addresses[{j}]"), &from, condition);
        }
    }
    w.end();
}

/// The goal that a Goal is, and what is left of it; `next` names one that has no name of ours.
pub(super) fn read_goal(resource: &Value, next: usize, env: &MapEnv) -> (Value, Vec<Issue>) {
    let mut r = Reading::begin(resource);
    let own = r.own_identifier(env, Kind::CarePlan);
    let name = own.and_then(|(_, part)| Some(part.strip_prefix("goal/")?.to_owned()));
    let mut goal = Fields::default();
    goal.put("id", Some(name.unwrap_or_else(|| format!("g{next}"))));
    let text = r
        .text("/description/text")
        .or_else(|| r.text("/description/coding/0/display"));
    goal.put("text", text);
    let status = match r.text("/lifecycleStatus").as_deref() {
        Some("proposed" | "planned") => "proposed",
        Some("on-hold") => "on_hold",
        Some("completed") => "achieved",
        Some("cancelled" | "rejected") => "dropped",
        Some("entered-in-error") => "error",
        _ => "active",
    };
    goal.put("status", Some(status));
    let measure = r
        .text("/target/0/measure/text")
        .or_else(|| r.text("/target/0/measure/coding/0/display"));
    if measure.is_some() {
        goal.put("target", r.text("/target/0/detailString"));
    }
    goal.put("measure", measure);
    goal.put("baseline", r.extension("", "goal-baseline", "valueString"));
    goal.put("target_date", r.date("/target/0/dueDate"));
    goal.put("start", r.date("/startDate"));
    let progress = r.extension("", "goal-progress", "valueUnsignedInt");
    let achieved = r.coding("/achievementStatus", ACHIEVEMENT);
    let known = achieved.and_then(|code| match code.as_str() {
        "no-progress" | "not-achieved" | "not-attainable" | "no-change" | "worsening" => Some(0),
        "in-progress" => Some(2),
        "improving" => Some(3),
        "achieved" | "sustaining" => Some(4),
        _ => None,
    });
    goal.put("progress", progress.or_else(|| known.map(Value::from)));
    r.own_reference(env, "/subject", Kind::Client);
    r.own_reference(env, "/expressedBy", Kind::Client);
    let mut problems = Vec::new();
    for j in 0..r.count("/addresses") {
        let found = r.own_reference(env, &format!("/addresses/{j}"), Kind::Evaluation);
        problems.extend(found.and_then(|(_, part)| problem_no(&part)));
    }
    goal.list("problems", problems);
    (goal.done(), r.leftovers())
}

/// The number in `problem/<no>`.
pub(super) fn problem_no(part: &str) -> Option<Value> {
    part.strip_prefix("problem/")?
        .parse::<u32>()
        .ok()
        .map(Value::from)
}

/// Writes the team as a CareTeam.
pub(super) fn write_team(
    mapped: &mut Mapped,
    plan: &CarePlan,
    subject: Option<&Value>,
    env: &MapEnv,
) {
    let coordinates = (Kind::CarePlan, plan.plan_id.as_str(), "team");
    let mut w = Writing::begin(mapped, "CareTeam", env, coordinates, "/plan_id");
    w.profiles(Some(super::to_fhir::CARE_TEAM), Some("us-core-careteam"));
    let status = match plan.status {
        PlanStatus::Draft => "proposed",
        PlanStatus::InForce | PlanStatus::UnderReview => "active",
        PlanStatus::Superseded | PlanStatus::Closed => "inactive",
        PlanStatus::Error => "entered-in-error",
    };
    w.set("status", "/status", status);
    if let Some(subject) = subject {
        w.fixed("subject", subject.clone());
    }
    for (i, member) in plan.team.iter().enumerate() {
        let at = |rest: &str| format!("participant[{i}].{rest}");
        let of = |field: &str| format!("/team/{i}/{field}");
        let role = local(
            env,
            "staff-role",
            &code_of(&member.role),
            member.role.words(),
        );
        w.set(&at("role[0]"), &of("role"), role);
        let who = env.reference("Practitioner", Kind::Staff, &member.staff_id, "");
        w.set(&at("member"), &of("staff_id"), who);
        w.set_some(
            &at("period.start"),
            &of("from"),
            member.from.map(|d| d.to_string()),
        );
        w.set_some(
            &at("period.end"),
            &of("to"),
            member.to.map(|d| d.to_string()),
        );
        let lead = ("valueBoolean", json!(member.lead));
        w.extend(
            &format!("participant[{i}]"),
            "care-team-lead",
            lead,
            &of("lead"),
        );
    }
    w.end();
}

/// The members that a CareTeam of ours names, and what is left of it.
pub(super) fn read_team(resource: &Value, env: &MapEnv) -> (Vec<Value>, Vec<Issue>) {
    let mut r = Reading::begin(resource);
    if r.own_identifier(env, Kind::CarePlan).is_some() {
        r.take("/status");
    }
    r.own_reference(env, "/subject", Kind::Client);
    let mut team = Vec::new();
    for i in 0..r.count("/participant") {
        let at = format!("/participant/{i}");
        let Some((staff_id, _)) = r.own_reference(env, &format!("{at}/member"), Kind::Staff) else {
            continue;
        };
        let mut member = Fields::default();
        member.put("staff_id", Some(staff_id));
        let roles = format!("{}/code/staff-role", env.base);
        let role = r.coding(&format!("{at}/role/0"), &roles);
        if role.is_some() {
            r.take(&format!("{at}/role/0"));
        }
        member.put("role", role);
        let lead = r.extension(&at, "care-team-lead", "valueBoolean");
        member.put("lead", Some(lead.unwrap_or(Value::Bool(false))));
        member.put("from", r.date(&format!("{at}/period/start")));
        member.put("to", r.date(&format!("{at}/period/end")));
        team.push(member.done());
    }
    (team, r.leftovers())
}
