//! What may be wrong with a plan although its shape is right.

use std::collections::HashSet;

use super::model::{CarePlan, InterventionKind, InterventionState, PhaseState, PlanStatus};
use crate::clock::Date;
use crate::issue::Issue;
use crate::record::consent::ConsentKind;
use crate::record::dates::{broken, in_order, not_future};
use crate::record::{Context, MapEnv};

/// The rules: whose it is, dates in order, names known, the family only with the client's consent.
/// A plan that is taken back as written by mistake only has to say whose it was.
pub(super) fn rules(plan: &CarePlan, context: &Context, env: &MapEnv) -> Vec<Issue> {
    let mut issues = Vec::new();
    whose(plan, context, &mut issues);
    if plan.status == PlanStatus::Error {
        return issues;
    }
    dates(plan, context, env, &mut issues);
    names(plan, &mut issues);
    problems(plan, context, &mut issues);
    interventions(plan, &mut issues);
    people(plan, context, &mut issues);
    family(plan, context, env, &mut issues);
    issues
}

fn whose(plan: &CarePlan, context: &Context, issues: &mut Vec<Issue>) {
    if plan.client_no.is_none() && plan.episode_id.is_none() {
        issues.push(broken(
            "client-known",
            "/episode_id",
            "a plan belongs to an episode, or says whose it is by client_no",
        ));
    }
    if let (Some(client), Some(episode)) = (&plan.client_no, &context.episode)
        && *client != episode.client_no
    {
        issues.push(broken(
            "client-episode",
            "/client_no",
            "is not the client of the episode",
        ));
    }
    if plan.signed_by_client_on.is_some() && plan.declined_to_sign == Some(true) {
        issues.push(broken(
            "signed-or-declined",
            "/declined_to_sign",
            "a plan that the client signed was not declined",
        ));
    }
}

fn dates(plan: &CarePlan, context: &Context, env: &MapEnv, issues: &mut Vec<Issue>) {
    let mut ordered = |(a, from): (String, Option<Date>), (b, to): (String, Option<Date>)| {
        issues.extend(in_order((&a, from), (&b, to)));
    };
    let top = |field: &str, date| (format!("/{field}"), date);
    ordered(top("start", plan.start), top("end", plan.end));
    ordered(
        top("written_on", plan.written_on),
        top("signed_by_client_on", plan.signed_by_client_on),
    );
    if let Some(episode) = &context.episode {
        ordered(
            top("episode_id", Some(episode.admit_date)),
            top("start", plan.start),
        );
    }
    for (i, phase) in plan.phases.iter().enumerate() {
        let at = |field: &str, date| (format!("/phases/{i}/{field}"), date);
        ordered(at("start", phase.start), at("end", phase.end));
        if i > 0 {
            let before = format!("/phases/{}/start", i - 1);
            ordered((before, plan.phases[i - 1].start), at("start", phase.start));
        }
    }
    for (i, goal) in plan.goals.iter().enumerate() {
        let at = |field: &str, date| (format!("/goals/{i}/{field}"), date);
        ordered(at("start", goal.start), at("target_date", goal.target_date));
    }
    for (i, step) in plan.interventions.iter().enumerate() {
        let at = |field: &str, date| (format!("/interventions/{i}/{field}"), date);
        ordered(at("start", step.start), at("end", step.end));
    }
    for (i, member) in plan.team.iter().enumerate() {
        let at = |field: &str, date| (format!("/team/{i}/{field}"), date);
        ordered(at("from", member.from), at("to", member.to));
    }
    for (i, review) in plan.reviews.iter().enumerate() {
        let here = format!("/reviews/{i}/date");
        ordered(
            top("written_on", plan.written_on),
            (here.clone(), Some(review.date)),
        );
        if i > 0 {
            let before = format!("/reviews/{}/date", i - 1);
            ordered(
                (before, Some(plan.reviews[i - 1].date)),
                (here, Some(review.date)),
            );
        }
    }
    issues.extend(not_future(("/written_on", plan.written_on), env));
    issues.extend(not_future(
        ("/signed_by_client_on", plan.signed_by_client_on),
        env,
    ));
    for (i, review) in plan.reviews.iter().enumerate() {
        issues.extend(not_future(
            (&format!("/reviews/{i}/date"), Some(review.date)),
            env,
        ));
    }
}

/// Names within the plan are unique, and what is named is there.
fn names(plan: &CarePlan, issues: &mut Vec<Issue>) {
    let mut unique = |list: &str, ids: Vec<&String>| {
        let mut seen = HashSet::new();
        for (i, id) in ids.into_iter().enumerate() {
            if !seen.insert(id) {
                let pointer = format!("/{list}/{i}/id");
                issues.push(broken("part-unique", pointer, "stands twice"));
            }
        }
    };
    unique("phases", plan.phases.iter().map(|p| &p.id).collect());
    unique("goals", plan.goals.iter().map(|g| &g.id).collect());
    unique(
        "interventions",
        plan.interventions.iter().map(|s| &s.id).collect(),
    );
    for (i, step) in plan.interventions.iter().enumerate() {
        if let Some(phase) = &step.phase
            && !plan.phases.iter().any(|p| p.id == *phase)
        {
            let pointer = format!("/interventions/{i}/phase");
            issues.push(broken("part-known", pointer, "is no phase of this plan"));
        }
        for (j, goal) in step.goals.iter().enumerate() {
            if !plan.goals.iter().any(|g| g.id == *goal) {
                let pointer = format!("/interventions/{i}/goals/{j}");
                issues.push(broken("part-known", pointer, "is no goal of this plan"));
            }
        }
    }
    let current = plan
        .phases
        .iter()
        .filter(|p| p.state == PhaseState::Current)
        .count();
    if current > 1 {
        issues.push(broken(
            "phase-current",
            "/phases",
            "a client is in one phase at a time",
        ));
    }
}

fn problems(plan: &CarePlan, context: &Context, issues: &mut Vec<Issue>) {
    let known = |no: u32| match (&plan.evaluation_id, &context.evaluation) {
        (None, _) => false,
        (Some(_), Some(evaluation)) => evaluation.problems.iter().any(|p| p.no == no),
        // An evaluation that is not there is told as an unknown reference, once.
        (Some(_), None) => true,
    };
    let words = "is no problem of the evaluation";
    for (i, problem) in plan.problems.iter().enumerate() {
        if !known(problem.no) {
            issues.push(broken("problem-known", format!("/problems/{i}/no"), words));
        }
    }
    for (i, goal) in plan.goals.iter().enumerate() {
        for (j, no) in goal.problems.iter().enumerate() {
            if !known(*no) {
                let pointer = format!("/goals/{i}/problems/{j}");
                issues.push(broken("problem-known", pointer, words));
            }
        }
    }
}

fn interventions(plan: &CarePlan, issues: &mut Vec<Issue>) {
    use InterventionState::{Cancelled, Missed, OnHold, Stopped};
    for (i, step) in plan.interventions.iter().enumerate() {
        let at = |field: &str| format!("/interventions/{i}/{field}");
        if step.kind == InterventionKind::Medication && step.linked_order_no.is_none() {
            issues.push(broken(
                "medication-order",
                at("linked_order_no"),
                "medication in a plan is an order",
            ));
        }
        if step.kind == InterventionKind::Other && step.text.is_none() {
            issues.push(broken("other-text", at("text"), "says what it is"));
        }
        let may_have_reason = matches!(step.state, Some(Missed | Cancelled | Stopped | OnHold));
        if step.state == Some(Missed) && step.missed_reason.is_none() {
            issues.push(broken(
                "missed-reason",
                at("missed_reason"),
                "what was missed has its reason",
            ));
        }
        if step.missed_reason.is_some() && !may_have_reason {
            issues.push(broken(
                "missed-reason",
                at("missed_reason"),
                "only what was missed, called off, stopped or rests has a reason for it",
            ));
        }
    }
}

fn people(plan: &CarePlan, context: &Context, issues: &mut Vec<Issue>) {
    let mut known = |staff_id: &str, pointer: String| {
        if context.staff_member(staff_id).is_none() {
            issues.push(broken(
                "staff-unknown",
                pointer,
                "is no known member of staff",
            ));
        }
    };
    if let Some(author) = &plan.author_staff_id {
        known(author, "/author_staff_id".to_owned());
    }
    for (i, review) in plan.reviews.iter().enumerate() {
        for (j, attendee) in review.attendees.iter().enumerate() {
            known(attendee, format!("/reviews/{i}/attendees/{j}"));
        }
        for (j, decision) in review.decisions.iter().enumerate() {
            known(
                &decision.by_staff_id,
                format!("/reviews/{i}/decisions/{j}/by_staff_id"),
            );
        }
    }
    for (i, member) in plan.team.iter().enumerate() {
        known(&member.staff_id, format!("/team/{i}/staff_id"));
    }
    let leads = plan
        .team
        .iter()
        .filter(|m| m.lead && m.to.is_none())
        .count();
    if leads > 1 {
        issues.push(broken(
            "team-lead",
            "/team",
            "a team has one lead at a time",
        ));
    }
}

/// The family takes part only under an active consent of this client that names the person.
fn family(plan: &CarePlan, context: &Context, env: &MapEnv, issues: &mut Vec<Issue>) {
    let involved = plan.family.as_ref().is_some_and(|f| f.involved);
    for (i, step) in plan.interventions.iter().enumerate() {
        use InterventionState::{Cancelled, Missed, Stopped};
        let happens = !matches!(
            step.state,
            Some(Missed | Cancelled | Stopped | InterventionState::Error)
        );
        if step.kind == InterventionKind::FamilySession && happens && !involved {
            issues.push(broken(
                "family-consent",
                format!("/interventions/{i}/kind"),
                "a family session needs the family to be involved, with the client's consent",
            ));
        }
    }
    if !involved {
        return;
    }
    let pointer = "/family/consent_id";
    let Some(consent_id) = plan.family.as_ref().and_then(|f| f.consent_id.as_ref()) else {
        issues.push(broken(
            "family-consent",
            pointer,
            "the family takes part only with the client's consent to it",
        ));
        return;
    };
    let client = match (&context.episode, &plan.client_no) {
        (Some(episode), _) => Some(&episode.client_no),
        (None, no) => no.as_ref(),
    };
    let today = env.now.date_in(&env.zone);
    let words = match context
        .consents
        .iter()
        .find(|c| c.consent_id == *consent_id)
    {
        None => "is no known consent of the client",
        Some(c) if Some(&c.client_no) != client => "is another client's consent",
        Some(c) if c.kind != ConsentKind::FamilyInvolvement || c.family_member.is_none() => {
            "is no consent to the involvement of a family member"
        }
        Some(c) if c.signed_on > today => "holds only from a later day",
        Some(c) if c.expires_on.is_some_and(|last| last < today) => "has expired",
        Some(c) if c.revoked_on.is_some_and(|on| on <= today) => "was revoked",
        Some(_) => return,
    };
    issues.push(broken("family-consent", pointer, words));
}
