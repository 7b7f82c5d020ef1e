//! What may be wrong with an evaluation although its shape is right.

use crate::issue::Issue;
use crate::record::dates::{broken, in_order, not_future};
use crate::record::evaluation::{Evaluation, ProblemStatus, Substance};
use crate::record::{Context, MapEnv};

/// The rules: dates in order, problem numbers unique, an active problem not over, a known evaluator.
pub(super) fn rules(evaluation: &Evaluation, context: &Context, env: &MapEnv) -> Vec<Issue> {
    let date = ("/date", Some(evaluation.date));
    let mut issues: Vec<Issue> = not_future(date, env).into_iter().collect();
    if let Some(episode) = &context.episode {
        issues.extend(in_order(date, ("/episode_id", episode.discharge_date)));
    }
    if context
        .staff_member(&evaluation.evaluator_staff_id)
        .is_none()
    {
        issues.push(broken(
            "staff-unknown",
            "/evaluator_staff_id",
            "is no known member of staff",
        ));
    }
    for (i, problem) in evaluation.problems.iter().enumerate() {
        let at = |field: &str| format!("/problems/{i}/{field}");
        if evaluation.problems[..i].iter().any(|p| p.no == problem.no) {
            issues.push(broken("problem-no-unique", at("no"), "stands twice"));
        }
        if problem.status == ProblemStatus::Active && problem.resolved_date.is_some() {
            issues.push(broken(
                "problem-active",
                at("resolved_date"),
                "a problem that is active is not over",
            ));
        }
        let onset_at = at("onset_date");
        let onset = (onset_at.as_str(), problem.onset_date);
        let over_at = at("resolved_date");
        let over = (over_at.as_str(), problem.resolved_date);
        issues.extend(in_order(onset, over));
        issues.extend(in_order(onset, date).map(|i| Issue {
            path: onset_at.clone(),
            ..i
        }));
        issues.extend(not_future(over, env));
    }
    for (i, used) in evaluation.substance_history.iter().enumerate() {
        let at = |field: &str| format!("/substance_history/{i}/{field}");
        if used.substance == Substance::Other && used.detail.is_none() {
            issues.push(broken(
                "substance-detail",
                at("detail"),
                "a substance that is not in the list is named here",
            ));
        }
        let last_at = at("last_use");
        issues.extend(not_future((last_at.as_str(), used.last_use), env));
    }
    issues
}
