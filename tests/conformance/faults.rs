//! Planted faults: `oracle/faults`, judged by HL7's Java validator. Caught, located, false alarms.

use fhir_gateway::fhir::validate::Validator;
use fhir_gateway::issue::Issue;
use serde_json::Value;

use crate::figures::Figures;
use crate::material::Material;
use crate::places::{located, plain};

/// Rules of the Java validator that are policy rather than fault (the material's README).
pub(crate) fn policy(rule: &str) -> bool {
    rule.starts_with("Display_Name_")
        || rule.starts_with("Terminology_PassThrough_")
        || [
            "INVALID_DISPLAY_NAME",
            "Type_Specific_Checks_DT_URL_Resolve",
            "Resource_RES_ID_Missing",
            "TERMINOLOGY_TX_SYSTEM_HTTPS",
        ]
        .contains(&rule)
}

/// The Java verdict of a line: its errors, and those that are faults.
pub(crate) struct Verdict {
    pub(crate) errors: usize,
    pub(crate) faults: Vec<(String, String, String)>,
}

impl Verdict {
    pub(crate) fn read(java: &Value) -> Verdict {
        let errors = java["errors"].as_array().expect("errors");
        let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let faults = errors
            .iter()
            .filter(|error| !policy(&text(error, "rule")))
            .map(|error| {
                (
                    text(error, "path"),
                    text(error, "rule"),
                    text(error, "text"),
                )
            })
            .collect();
        Verdict {
            errors: errors.len(),
            faults,
        }
    }

    pub(crate) fn places(&self) -> Vec<String> {
        self.faults.iter().map(|(path, _, _)| plain(path)).collect()
    }
}

pub(crate) fn packages(line: &Value) -> Vec<String> {
    let names = line["packages"].as_array().expect("packages");
    let names = names.iter().filter_map(Value::as_str).map(str::to_owned);
    names.collect()
}

/// The errors of a resource's text.
pub(crate) fn errors(validator: &Validator, text: &[u8]) -> Vec<Issue> {
    let mut issues = validator.check_text(text, &[]).issues;
    issues.retain(Issue::is_error);
    issues
}

pub(crate) fn shown(issues: &[Issue]) -> String {
    let one = |issue: &Issue| {
        let profile = issue.profile.as_deref().unwrap_or_default();
        format!(
            "\n      we: {} {} {} [{profile}]",
            issue.rule, issue.path, issue.message
        )
    };
    issues.iter().map(one).collect()
}

pub(crate) fn run(material: &Material, figures: &mut Figures) {
    let suite = "faults";
    let (mut faulty, mut sound, mut caught, mut at, mut alarms) = (0, 0, 0, 0, 0);
    for line in material.lines("conformance/oracle/faults.ndjson.zst") {
        let head: Value = serde_json::from_str(&line).expect("a line of JSON");
        let id = head["id"].as_str().expect("an id");
        let (_, resource) = line.split_once("\"resource\":").expect("a resource");
        let resource = resource.strip_suffix('}').expect("the line's end");
        let verdict = Verdict::read(&head["java"]);
        let validator = material.validator(&packages(&head));
        let found = errors(&validator, resource.as_bytes());
        let theirs = || {
            let one = |(path, rule, text): &(String, String, String)| {
                format!("\n      java: {rule} {path} {text}")
            };
            verdict.faults.iter().map(one).collect::<String>()
        };
        if !verdict.faults.is_empty() {
            faulty += 1;
            let places: Vec<String> = found.iter().map(|issue| plain(&issue.path)).collect();
            let located = located(&places, &verdict.places());
            caught += usize::from(!found.is_empty());
            at += usize::from(located);
            if !located && !figures.differences.met(suite, id) && figures.verbose {
                let what = if found.is_empty() {
                    "MISSED"
                } else {
                    "ELSEWHERE"
                };
                println!("{what} {id} {}{}{}", head["fault"], theirs(), shown(&found));
            }
        } else if verdict.errors == 0 {
            sound += 1;
            alarms += usize::from(!found.is_empty());
            if !found.is_empty() && !figures.differences.met(suite, id) && figures.verbose {
                println!(
                    "ALARM {id} {} {}{}",
                    head["fault"],
                    head["at"],
                    shown(&found)
                );
            }
        }
    }
    figures.differences.ran(suite);
    figures.row("faults: caught", caught, faulty, 99.0);
    figures.row("faults: located", at, faulty, 97.0);
    figures.row("faults: sound ones left alone", sound - alarms, sound, 99.0);
}
