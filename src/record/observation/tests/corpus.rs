//! Published Observations that nobody here wrote: how many become a record of ours, and back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::record::observation::{Observation, from_fhir};
use crate::record::{Context, Kind, MapEnv, Mapping, Record, contract};

/// The lines of a compressed file, if the material is there.
#[expect(
    clippy::disallowed_methods,
    reason = "where the shared material lies is said by the environment"
)]
fn lines(file: &str) -> Option<Vec<Value>> {
    let shared = std::env::var("GATEWAY_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = PathBuf::from(shared).join("conformance/corpus").join(file);
    if !path.exists() {
        return None;
    }
    let out = Command::new("zstd").arg("-dc").arg(&path).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    text.lines()
        .map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn record_of(resource: &Value, env: &MapEnv) -> Result<(Observation, Vec<String>), String> {
    let one = std::slice::from_ref(resource);
    let first = |issues: Vec<crate::issue::Issue>| match issues.first() {
        Some(issue) => format!("{} {}", issue.rule, issue.path),
        None => "nothing said".to_owned(),
    };
    let mut read = from_fhir(one, env).map_err(first)?;
    read.record["client_no"] = json!("C-1001");
    let left = read.issues.into_iter().map(|i| i.path).collect();
    match contract::parse(Kind::Observation, &read.record).map_err(first)? {
        Record::Observation(record) => Ok((*record, left)),
        _ => Err("another kind".to_owned()),
    }
}

/// A path without indices and below its second step: for grouping.
fn group(path: &str) -> String {
    let plain: String = path
        .split('.')
        .take(2)
        .map(|step| step.split('[').next().unwrap_or(step))
        .collect::<Vec<_>>()
        .join(".");
    plain
}

#[test]
fn published_observations_become_records_and_come_back() {
    let Some(lines) = lines("Observation.ndjson.zst") else {
        println!("SKIPPED: no corpus under GATEWAY_SHARED, or no zstd");
        return;
    };
    let env = MapEnv::example();
    let (mut records, mut back, mut whole) = (0usize, 0usize, 0u32);
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    let mut left: BTreeMap<String, u32> = BTreeMap::new();
    for line in &lines {
        let (record, leftovers) = match record_of(&line["resource"], &env) {
            Ok(found) => found,
            Err(reason) => {
                *reasons.entry(reason).or_default() += 1;
                continue;
            }
        };
        records += 1;
        let mut groups: Vec<String> = leftovers.iter().map(|p| group(p)).collect();
        groups.sort();
        groups.dedup();
        // The subject is settled by the door that the resource comes in by.
        groups.retain(|g| g != "Observation.subject");
        whole += u32::from(groups.is_empty());
        for g in groups {
            *left.entry(g).or_default() += 1;
        }
        let mapped = record.to_fhir(&Context::default(), &env);
        let bundle: Vec<Value> = mapped.resources.into_iter().map(|r| r.value).collect();
        match from_fhir(&bundle, &env) {
            Ok(again) => {
                let value = serde_json::to_value(&record).expect("JSON");
                let same = again.record == value;
                back += usize::from(same);
                if !same {
                    *reasons.entry("comes back changed".to_owned()).or_default() += 1;
                }
            }
            Err(_) => *reasons.entry("does not come back".to_owned()).or_default() += 1,
        }
    }
    println!(
        "Observations: {} published, {records} become a record, {back} come back the same, {whole} leave nothing behind",
        lines.len()
    );
    println!("reasons against: {reasons:?}");
    println!("left behind, by resources: {left:?}");
    assert_eq!(back, records, "{reasons:?}");
    assert!(records * 100 >= lines.len() * 99, "{reasons:?}");
}
