//! The official validator's own test suite: our verdict beside the one it recorded.

use std::sync::Arc;

use fhir_gateway::fhir::facts::Definitions;
use fhir_gateway::fhir::validate::Options;
use fhir_gateway::issue::Issue;
use serde_json::Value;

use crate::faults::shown;
use crate::figures::Figures;
use crate::material::Material;

const FILES: &str = "conformance/validator/files";

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(crate) fn run(material: &Material, figures: &mut Figures) {
    let suite = "validator";
    let cases: Value =
        serde_json::from_slice(&material.bytes("conformance/validator/cases.json")).expect("JSON");
    let (mut right, mut all, mut right_profile, mut all_profile) = (0, 0, 0, 0);
    for case in cases["cases"].as_array().expect("cases") {
        let id = case["id"].as_str().expect("an id");
        let mut definitions = Definitions::default();
        let mut add = |path: &str| {
            let bytes = material.bytes(&format!("{FILES}/{path}"));
            if let Ok(value) = serde_json::from_slice(&bytes) {
                definitions.add(&value);
            }
        };
        strings(&case["supporting"])
            .iter()
            .for_each(|path| add(path));
        let profile_file = case["profile"].as_str().map(|path| path.to_owned());
        if let Some(path) = &profile_file {
            add(path);
        }
        let mut packages = vec!["hl7.fhir.r4.core#4.0.1".to_owned()];
        packages.push("hl7.terminology.r4#7.0.1".to_owned());
        packages.push("hl7.fhir.uv.extensions.r4#5.3.0-ballot-tc1".to_owned());
        packages.extend(strings(&case["packages"]));
        // As the suite's own runs are set: unknown extensions are refused, example addresses only where
        // the case says so.
        let validator = material.load(
            &packages,
            Options {
                definitions,
                known_extensions_only: true,
                clock: Some(Arc::new(fhir_gateway::clock::System::default())),
                example_addresses: case["options"]["examples"] != Value::Bool(false),
                ..Options::default()
            },
        );
        let asked: Vec<&str> = case["profile_url"].as_str().into_iter().collect();
        let file = case["file"].as_str().expect("a file");
        let bytes = material.bytes(&format!("{FILES}/{file}"));
        let mut found = validator.check_text(&bytes, &asked).issues;
        found.retain(Issue::is_error);
        let theirs = case["java"]["errors"].as_u64().unwrap_or(0) > 0;
        let agree = theirs != found.is_empty();
        all += 1;
        right += usize::from(agree);
        if case["run"] == "profile" {
            all_profile += 1;
            right_profile += usize::from(agree);
        }
        if !agree && !figures.differences.met(suite, id) && figures.verbose {
            let texts: Vec<String> = case["issues"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|issue| matches!(issue["sev"].as_str(), Some("error" | "fatal")))
                .map(|issue| format!("\n      java: {} {}", issue["expr"], issue["text"]))
                .collect();
            println!(
                "DIFFERS {id} {file} {asked:?}{}{}",
                texts.concat(),
                shown(&found)
            );
        }
    }
    figures.differences.ran(suite);
    figures.row("validator suite: all runs", right, all, 95.0);
    figures.row(
        "validator suite: profile runs",
        right_profile,
        all_profile,
        90.0,
    );
}
