//! From a record to checked resources: maps, labels, and lets the validator seal what passes.
//!
//! Pure. Both forms of each resource are checked: with literal references, and with logical ones where
//! a partner may lack the row (contracts section 5). An issue of the validator is told with the
//! record's field that made the element.

use serde_json::Value;

use crate::fhir::validate::Validator;
use crate::issue::{Issue, any_error};
use crate::record::map::Made;
use crate::record::{Context, MapEnv, Mapped, MappedResource, Record};
use crate::sync::ports::CheckedPart;

/// A record, mapped and checked.
#[derive(Debug)]
pub struct Prepared {
    /// Its resources, the principal one first.
    pub parts: Vec<CheckedPart>,
    /// What did not keep it out; paths are JSON pointers into the record where they can be.
    pub warnings: Vec<Issue>,
}

/// Maps and checks a record.
///
/// # Errors
/// All issues, errors among them; paths are JSON pointers into the record where they can be.
pub fn prepare(
    validator: &Validator,
    record: &Record,
    context: &Context,
    env: &MapEnv,
) -> Result<Prepared, Vec<Issue>> {
    let mapped = record.to_fhir(context, env);
    let Mapped {
        resources,
        made,
        mut issues,
        ..
    } = mapped;
    if any_error(&issues) {
        return Err(issues);
    }
    let labels = crate::consent::labels(record, context);
    let mut parts = Vec::with_capacity(resources.len());
    for MappedResource {
        part,
        profile,
        mut value,
    } in resources
    {
        crate::consent::apply_labels(&mut value, &labels);
        match certify(validator, value, profile) {
            Ok((checked, warnings)) => {
                issues.extend(warnings.into_iter().map(|i| at_source(i, &part, &made)));
                parts.push(CheckedPart { part, checked });
            }
            Err(found) => {
                issues.extend(found.into_iter().map(|i| at_source(i, &part, &made)));
            }
        }
    }
    if any_error(&issues) {
        return Err(issues);
    }
    issues.retain(|i| i.severity == crate::issue::Severity::Warning);
    Ok(Prepared {
        parts,
        warnings: issues,
    })
}

/// Checks both forms of a resource and seals it.
fn certify(
    validator: &Validator,
    value: Value,
    profile: Option<&'static str>,
) -> Result<(crate::fhir::validate::Checked, Vec<Issue>), Vec<Issue>> {
    let profiles: Vec<&str> = profile.into_iter().collect();
    let mut logical = value.clone();
    if degrade(&mut logical) {
        let issues = validator.check(&logical, &profiles);
        if any_error(&issues) {
            return Err(issues);
        }
    }
    match validator.certify(value, &profiles) {
        Ok(checked) => {
            let warnings = checked.warnings().to_vec();
            Ok((checked, warnings))
        }
        Err((_, issues)) => Err(issues),
    }
}

/// Takes the literal reference out of every Reference that has an identifier beside it, except to
/// patients. Whether there was one.
pub fn degrade(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => {
            let degradable = map.contains_key("reference")
                && map.get("identifier").is_some_and(Value::is_object)
                && map.get("type").and_then(Value::as_str).is_some_and(|t| t != "Patient");
            if degradable {
                map.shift_remove("reference");
                return true;
            }
            map.values_mut().fold(false, |any, v| degrade(v) | any)
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, v| degrade(v) | any),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Puts the record's field in the place of the element, where a field made it.
fn at_source(mut issue: Issue, part: &str, made: &[Made]) -> Issue {
    let source = made
        .iter()
        .filter(|m| m.part == part && covers(&m.element, &issue.path))
        .max_by_key(|m| m.element.len());
    if let Some(source) = source {
        issue.message = format!("{} (element {})", issue.message, issue.path).into();
        issue.path.clone_from(&source.from);
    }
    issue
}

fn covers(element: &str, path: &str) -> bool {
    path.strip_prefix(element)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_logical_form_keeps_patients_and_identifiers() {
        let mut value = json!({
            "subject": {"reference": "Patient/1", "type": "Patient", "identifier": {"value": "a"}},
            "performer": [{"reference": "Practitioner/2", "type": "Practitioner", "identifier": {"value": "b"}}],
            "contained": [{"x": {"reference": "#c"}}],
        });
        assert!(degrade(&mut value));
        assert_eq!(value["subject"]["reference"], "Patient/1");
        assert!(value["performer"][0].get("reference").is_none());
        assert_eq!(value["performer"][0]["identifier"]["value"], "b");
        assert_eq!(value["contained"][0]["x"]["reference"], "#c");
    }

    #[test]
    fn an_issue_names_the_field_that_made_the_element() {
        let made = [Made {
            element: "MedicationRequest.dosageInstruction[0]".into(),
            part: String::new(),
            from: "/frequency_code".into(),
        }];
        let issue = Issue::error("value", "r", "MedicationRequest.dosageInstruction[0].timing", "m");
        assert_eq!(at_source(issue, "", &made).path, "/frequency_code");
        let other = Issue::error("value", "r", "MedicationRequest.dosageInstruction[01]", "m");
        assert_eq!(at_source(other.clone(), "", &made), other);
    }
}
