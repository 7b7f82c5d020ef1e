//! From a record to checked resources: maps, labels, and lets the validator seal what passes.
//!
//! Pure. Both forms of each resource are checked: with literal references, and with logical ones where
//! a partner may lack the row (contracts section 5). An issue of the validator is told with the
//! record's field that made the element.

use serde_json::Value;

use crate::fhir::validate::{Checked, Validator};
use crate::issue::{Issue, Severity, any_error};
use crate::record::map::Made;
use crate::record::{Context, MapEnv, Mapped, MappedResource, Record};
use crate::sync::judge::{Judge, Kept};
use crate::sync::ports::CheckedPart;

/// A record, mapped and checked.
#[derive(Debug)]
pub struct Prepared {
    /// Its resources, the principal one first.
    pub parts: Vec<CheckedPart>,
    /// What did not keep it out; paths are JSON pointers into the record where they can be.
    pub warnings: Vec<Issue>,
    /// Whom the rules keep it from, although it is accepted.
    pub kept: Kept,
}

/// Maps and checks a record; what becomes of what is wrong is the judge's to say.
///
/// # Errors
/// All issues, errors among them; paths are JSON pointers into the record where they can be.
pub fn prepare(
    validator: &Validator,
    record: &Record,
    context: &Context,
    env: &MapEnv,
    judge: &Judge<'_>,
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
    issues.retain(|i| i.severity == Severity::Warning);
    let labels = crate::consent::labels(record, context);
    let mut parts = Vec::with_capacity(resources.len());
    let mut kept = Kept::new();
    for MappedResource {
        part,
        profile,
        mut value,
    } in resources
    {
        crate::consent::apply_labels(&mut value, &labels);
        let found = match certify(validator, value, profile, &|i| !judge.refuses(i)) {
            Ok((checked, found)) => {
                let part = part.clone();
                parts.push(CheckedPart { part, checked });
                found
            }
            Err(found) => found,
        };
        let (told, from) = judge.weigh(found);
        issues.extend(told.into_iter().map(|i| at_source(i, &part, &made)));
        for (partner, action) in from {
            let own = kept.entry(partner).or_insert(action);
            *own = action.max(*own);
        }
    }
    if any_error(&issues) {
        return Err(issues);
    }
    Ok(Prepared {
        parts,
        warnings: issues,
        kept,
    })
}

/// Checks both forms of a resource and seals it, if all that is wrong may pass. Beside it what was found in
/// either form, as bad as it is by itself. The logical form is not run through where no rule looks at what
/// it lacks.
///
/// # Errors
/// All issues of the form that may not.
pub(super) fn certify(
    validator: &Validator,
    value: Value,
    profile: Option<&'static str>,
    passes: &dyn Fn(&Issue) -> bool,
) -> Result<(Checked, Vec<Issue>), Vec<Issue>> {
    let profiles: Vec<&str> = profile.into_iter().collect();
    let more = match validator.sees_literal(&value, &profiles) {
        true => {
            let mut logical = value.clone();
            match degrade(&mut logical) {
                true => validator.check(&logical, &profiles),
                false => Vec::new(),
            }
        }
        false => Vec::new(),
    };
    if !more.iter().all(passes) {
        return Err(more);
    }
    let (checked, mut found) = validator
        .certify_by(value, &profiles, passes)
        .map_err(|(_, issues)| issues)?;
    for issue in more {
        if !found.contains(&issue) {
            found.push(issue);
        }
    }
    Ok((checked, found))
}

/// Takes the literal reference out of every Reference that has an identifier beside it, except to
/// patients. Whether there was one.
pub fn degrade(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => {
            let degradable = map.contains_key("reference")
                && map.get("identifier").is_some_and(Value::is_object)
                && map
                    .get("type")
                    .and_then(Value::as_str)
                    .is_some_and(|t| t != "Patient");
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

/// The top-level elements of ours that a partner's copy has otherwise, by name. Its id, meta, text and
/// contained are its own; references count by what they name, not by where; what it added does not
/// count.
#[must_use]
pub fn changed_elements(ours: &Value, theirs: &Value) -> Vec<String> {
    const OWN: [&str; 6] = [
        "id",
        "meta",
        "text",
        "contained",
        "implicitRules",
        "language",
    ];
    let Some(ours) = ours.as_object() else {
        return Vec::new();
    };
    ours.iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .filter(|(name, value)| {
            theirs
                .get(name.as_str())
                .is_none_or(|other| !same(name, value, other))
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// Equal, but for the addresses of references; identifiers may have been added to.
fn same(name: &str, ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let reference = a.contains_key("reference") || b.contains_key("reference");
            let counts = |key: &str| {
                !(reference && matches!(key, "reference" | "display" | "identifier" | "type"))
            };
            a.iter()
                .filter(|(k, _)| counts(k))
                .all(|(k, v)| b.get(k).is_some_and(|other| same(k, v, other)))
                && b.keys().filter(|k| counts(k)).all(|k| a.contains_key(k))
        }
        (Value::Array(a), Value::Array(b)) if name == "identifier" => {
            a.iter().all(|x| b.iter().any(|y| same("", x, y)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same("", x, y))
        }
        (Value::Number(a), Value::Number(b)) => crate::decimal::Decimal::same_value(a, b),
        (a, b) => a == b,
    }
}

/// The resource as one that was entered in error; `None` for a type that cannot say so.
#[must_use]
pub fn entered_in_error(mut value: Value) -> Option<Value> {
    let (element, word) = match value.get("resourceType")?.as_str()? {
        "Observation" | "CareTeam" | "MedicationRequest" | "Medication" | "MedicationDispense"
        | "CarePlan" | "EpisodeOfCare" => ("status", "entered-in-error"),
        "Goal" => ("lifecycleStatus", "entered-in-error"),
        "Condition" => ("verificationStatus", ""),
        _ => return None,
    };
    let map = value.as_object_mut()?;
    if word.is_empty() {
        // con-5: no clinical status where the verification status is entered-in-error
        map.shift_remove("clinicalStatus");
        map.insert(
            element.to_owned(),
            serde_json::json!({"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
                "code": "entered-in-error",
            }]}),
        );
    } else {
        map.insert(element.to_owned(), Value::String(word.to_owned()));
    }
    Some(value)
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
        let issue = Issue::error(
            "value",
            "r",
            "MedicationRequest.dosageInstruction[0].timing",
            "m",
        );
        assert_eq!(at_source(issue, "", &made).path, "/frequency_code");
        let other = Issue::error("value", "r", "MedicationRequest.dosageInstruction[01]", "m");
        assert_eq!(at_source(other.clone(), "", &made), other);
    }

    /// All fixtures' resources, whole and with each of their elements taken out.
    fn resources() -> Vec<(Value, Option<&'static str>)> {
        let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let env = crate::sync::house::Tenant {
            id: crate::ids::TenantId::new("clinic"),
            base: "https://clinic.example".to_owned(),
            zone: jiff::tz::TimeZone::UTC,
            key: crate::ids::Key::new(&[7; 32]),
        }
        .env(crate::clock::Time::from_micros(1_760_000_000_000_000));
        let mut out = Vec::new();
        for kind in crate::record::Kind::ALL {
            let cases = std::fs::read_dir(root.join(kind.as_str()));
            for case in cases.into_iter().flatten().flatten() {
                let Ok(bytes) = std::fs::read(case.path().join("record.json")) else {
                    continue;
                };
                let whole: Value = serde_json::from_slice(&bytes).expect("JSON");
                let record = crate::record::contract::parse(kind, &whole["record"]);
                let context = crate::record::contract::parse_context(&whole["context"]);
                let (Ok(record), Ok(context)) = (record, context) else {
                    continue;
                };
                for mapped in record.to_fhir(&context, &env).resources {
                    let fields = mapped.value.as_object().expect("an object").clone();
                    out.push((mapped.value, mapped.profile));
                    for name in fields.keys().filter(|n| *n != "resourceType") {
                        let mut less = fields.clone();
                        less.shift_remove(name);
                        out.push((Value::Object(less), mapped.profile));
                    }
                }
            }
        }
        out
    }

    #[test]
    fn the_logical_form_is_left_out_only_where_it_says_nothing_more() {
        let validator = Validator::standard();
        let (mut left_out, mut wrong) = (0, 0);
        for (value, profile) in resources() {
            let profiles: Vec<&str> = profile.into_iter().collect();
            let mut logical = value.clone();
            if validator.sees_literal(&value, &profiles) || !degrade(&mut logical) {
                continue;
            }
            left_out += 1;
            let literal = validator.check(&value, &profiles);
            wrong += usize::from(any_error(&literal));
            for issue in validator.check(&logical, &profiles) {
                assert!(literal.contains(&issue), "{issue:?} in {value}");
            }
        }
        assert!(left_out > 300 && wrong > 50, "{left_out} {wrong}");
    }
}
