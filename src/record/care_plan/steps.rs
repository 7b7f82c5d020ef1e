//! Interventions ↔ `CarePlan.activity`. A linked order is `activity.reference`, everything else
//! `activity.detail`, never both (cpl-3); what neither has a place for stands in
//! `care-plan-intervention`.

use serde_json::{Value, json};

use super::model::{CarePlan, Intervention, InterventionKind, InterventionState};
use crate::record::reading::{Fields, Reading};
use crate::record::writing::{Writing, code_of, complex, local, members};
use crate::record::{Kind, MapEnv};

impl InterventionKind {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            InterventionKind::Individual => "Individual session",
            InterventionKind::Group => "Group session",
            InterventionKind::FamilySession => "Family session",
            InterventionKind::Education => "Education",
            InterventionKind::MedReview => "Medication review",
            InterventionKind::Medication => "Medication",
            InterventionKind::Uds => "Urine drug screen",
            InterventionKind::Lab => "Laboratory test",
            InterventionKind::CaseMgmt => "Case management",
            InterventionKind::AftercareAppt => "Aftercare appointment",
            InterventionKind::Other => "Other",
        }
    }
}

/// FHIR's `activity.detail.status` of a state.
const fn status(state: Option<InterventionState>) -> &'static str {
    match state {
        None => "unknown",
        Some(InterventionState::Planned) => "not-started",
        Some(InterventionState::Scheduled) => "scheduled",
        Some(InterventionState::Ongoing) => "in-progress",
        Some(InterventionState::OnHold) => "on-hold",
        Some(InterventionState::Done) => "completed",
        Some(InterventionState::Missed | InterventionState::Cancelled) => "cancelled",
        Some(InterventionState::Stopped) => "stopped",
        Some(InterventionState::Error) => "entered-in-error",
    }
}

/// Our state of FHIR's status; `None` for `unknown`.
fn state(status: &str) -> Option<&'static str> {
    Some(match status {
        "not-started" => "planned",
        "scheduled" => "scheduled",
        "in-progress" => "ongoing",
        "on-hold" => "on_hold",
        "completed" => "done",
        "cancelled" => "cancelled",
        "stopped" => "stopped",
        "entered-in-error" => "error",
        _ => return None,
    })
}

/// Writes one intervention as an activity.
pub(super) fn write(
    w: &mut Writing<'_>,
    plan: &CarePlan,
    (i, step): (usize, &Intervention),
    env: &MapEnv,
) {
    let activity = format!("activity[{i}]");
    let of = |field: &str| format!("/interventions/{i}/{field}");
    let mut more = Fields::default();
    more.put("id", Some(step.id.as_str()));
    more.put("state", step.state.as_ref().map(code_of));
    more.put(
        "responsible_role",
        step.responsible_role.as_ref().map(code_of),
    );
    more.put("phase", step.phase.as_deref());
    let words = step.kind.words();
    // The kind's own words in `code.text` say nothing: a text that equals them stands here.
    more.put("text", step.text.as_deref().filter(|t| *t == words));
    let linked = step.linked_order_no.as_deref();
    if let Some(order) = linked {
        let reference = env.reference("MedicationRequest", Kind::MedicationRequest, order, "");
        w.set(
            &format!("{activity}.reference"),
            &of("linked_order_no"),
            reference,
        );
        more.put("kind", Some(code_of(&step.kind)));
        more.put("text", step.text.as_deref());
        more.put("freq_text", step.freq_text.as_deref());
        more.put("start", step.start.map(|d| d.to_string()));
        more.put("end", step.end.map(|d| d.to_string()));
        more.put("missed_reason", step.missed_reason.as_deref());
        more.list("goals", step.goals.iter().map(|g| json!(g)).collect());
    }
    let (extension, urls) = complex("care-plan-intervention", &more.done());
    w.extend_with(&activity, extension, &of("id"));
    for (k, field) in urls.iter().enumerate() {
        let pointer = match field.strip_prefix("goals/") {
            Some(n) => format!("/interventions/{i}/goals/{n}"),
            None => of(field),
        };
        w.note(&format!("{activity}.extension[0].extension[{k}]"), &pointer);
    }
    if linked.is_some() {
        return;
    }
    let detail = |rest: &str| format!("{activity}.detail.{rest}");
    let mut code = local(env, "intervention", &code_of(&step.kind), words);
    if let Some(text) = &step.text {
        code["text"] = json!(text);
    }
    w.set(&detail("code"), &of("kind"), code);
    if step.text.is_some() {
        w.note(&detail("code.text"), &of("text"));
    }
    for (j, goal) in step.goals.iter().enumerate() {
        let reference = env.reference(
            "Goal",
            Kind::CarePlan,
            &plan.plan_id,
            &format!("goal/{goal}"),
        );
        let from = format!("/interventions/{i}/goals/{j}");
        w.set(&detail(&format!("goal[{j}]")), &from, reference);
    }
    w.fixed(&detail("status"), status(step.state));
    if step.state.is_some() {
        w.note(&detail("status"), &of("state"));
    }
    let why = step.missed_reason.as_deref();
    w.set_some(&detail("statusReason.text"), &of("missed_reason"), why);
    let start = step.start.map(|d| d.to_string());
    w.set_some(
        &detail("scheduledTiming.repeat.boundsPeriod.start"),
        &of("start"),
        start,
    );
    let end = step.end.map(|d| d.to_string());
    w.set_some(
        &detail("scheduledTiming.repeat.boundsPeriod.end"),
        &of("end"),
        end,
    );
    let freq = step.freq_text.as_deref();
    w.set_some(&detail("scheduledTiming.code.text"), &of("freq_text"), freq);
}

/// The intervention that an activity is; one that has no name of ours is named by its place.
pub(super) fn read(r: &mut Reading, i: usize, env: &MapEnv) -> Option<Value> {
    let activity = format!("/activity/{i}");
    r.peek(&activity)?;
    let mut step = Fields::default();
    let mut goals: Vec<Value> = Vec::new();
    let mut ours = false;
    if let Some(at) = r.extension_at(&activity, "care-plan-intervention") {
        ours = true;
        let extension = r.take(&at).unwrap_or_default();
        for (field, value) in members(&extension) {
            match field {
                "goals" => goals.push(value),
                field => step.put(field, Some(value)),
            }
        }
    }
    if !ours {
        step.put("id", Some(format!("i{}", i + 1)));
    }
    let order = r.own_reference(
        env,
        &format!("{activity}/reference"),
        Kind::MedicationRequest,
    );
    if let Some((order, _)) = order {
        step.put("linked_order_no", Some(order));
        if !ours {
            step.put("kind", Some("medication"));
        }
    } else if r.peek(&format!("{activity}/detail")).is_some() {
        detail(
            r,
            &format!("{activity}/detail"),
            ours,
            env,
            &mut step,
            &mut goals,
        );
    } else if !ours {
        // A reference to something of theirs: nothing that a plan of ours could say.
        return None;
    }
    step.list("goals", goals);
    Some(step.done())
}

fn detail(
    r: &mut Reading,
    at: &str,
    ours: bool,
    env: &MapEnv,
    step: &mut Fields,
    goals: &mut Vec<Value>,
) {
    let kind = r.coding(
        &format!("{at}/code"),
        &format!("{}/code/intervention", env.base),
    );
    let parsed = kind
        .as_deref()
        .and_then(|k| serde_json::from_value::<InterventionKind>(json!(k)).ok());
    let text = r.text(&format!("{at}/code/text"));
    match parsed {
        Some(parsed) => {
            step.put("kind", kind);
            step.put("text", text.filter(|t| t != parsed.words()));
        }
        None => {
            step.put("kind", Some("other"));
            let text = text
                .or_else(|| r.text(&format!("{at}/description")))
                .or_else(|| r.text(&format!("{at}/code/coding/0/display")));
            step.put(
                "text",
                text.or_else(|| Some("Activity of a foreign plan".to_owned())),
            );
        }
    }
    for j in 0..r.count(&format!("{at}/goal")) {
        let goal = r.own_reference(env, &format!("{at}/goal/{j}"), Kind::CarePlan);
        if let Some(id) = goal.and_then(|(_, part)| part.strip_prefix("goal/").map(str::to_owned)) {
            goals.push(json!(id));
        }
    }
    let status = r.text(&format!("{at}/status"));
    if !ours {
        step.put("state", status.as_deref().and_then(state));
    }
    step.put("missed_reason", r.text(&format!("{at}/statusReason/text")));
    if let Some(freq) = r.text(&format!("{at}/scheduledString")) {
        step.put("freq_text", Some(freq));
    }
    for period in ["scheduledTiming/repeat/boundsPeriod", "scheduledPeriod"] {
        for end in ["start", "end"] {
            if let Some(date) = r.date(&format!("{at}/{period}/{end}")) {
                step.put(end, Some(date));
            }
        }
    }
    if let Some(freq) = r.text(&format!("{at}/scheduledTiming/code/text")) {
        step.put("freq_text", Some(freq));
    }
}
