//! Issues as a FHIR OperationOutcome, for machines.

use serde_json::{Value, json};

use crate::issue::{Issue, Severity};

/// The system of the rule ids in an outcome.
pub const RULES: &str = "urn:fhir-gateway:rule";

/// One issue each, with severity, FHIR's code, the rule's id, the place and the profile; one that says so
/// where nothing is wrong.
#[must_use]
pub fn outcome(issues: &[Issue]) -> Value {
    let mut all: Vec<Value> = issues.iter().map(one).collect();
    if all.is_empty() {
        all.push(json!({"severity": "information", "code": "informational",
            "diagnostics": "nothing is wrong"}));
    }
    json!({"resourceType": "OperationOutcome", "issue": all})
}

fn one(issue: &Issue) -> Value {
    let severity = match issue.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "information",
    };
    let text = match &issue.profile {
        Some(profile) => format!("{} (rule of {profile})", issue.message),
        None => issue.message.to_string(),
    };
    let mut out = json!({
        "severity": severity,
        "code": issue.code,
        "details": {"coding": [{"system": RULES, "code": issue.rule}]},
        "diagnostics": text,
    });
    if !issue.path.is_empty() {
        out["expression"] = json!([issue.path]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::validate::Validator;

    #[test]
    fn an_outcome_is_itself_a_sound_resource() {
        let validator = Validator::standard();
        let broken = json!({"resourceType": "Observation", "code": {"text": "x"}, "subjct": 1,
            "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/bp"]}});
        let issues = validator.check(&broken, &[]);
        assert!(issues.len() > 3);
        for issues in [&issues[..], &[]] {
            let outcome = outcome(issues);
            let wrong = validator.check(&outcome, &[]);
            assert!(!crate::issue::any_error(&wrong), "{wrong:?}");
        }
    }
}
