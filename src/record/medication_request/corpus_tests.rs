//! Published MedicationRequests that nobody here wrote: how many become an order, and what of them the
//! order has no place for. Needs the shared material; says so where it is not there.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::*;
use crate::fhir::shared;
use crate::record::contract;

fn corpus() -> Option<Vec<Value>> {
    let bytes = shared::read("conformance/corpus/MedicationRequest.ndjson.zst")?;
    let spawned = Command::new("zstd")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("SKIPPED: no zstd to read the corpus with");
        return None;
    };
    let mut stdin = child.stdin.take()?;
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let out = child.wait_with_output().ok()?;
    writer.join().ok()?.ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let lines = text.lines().filter(|l| !l.is_empty());
    Some(
        lines
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["resource"].take())
            .collect(),
    )
}

#[test]
fn published_requests_become_orders_or_say_why_not() {
    let Some(all) = corpus() else { return };
    let env = MapEnv::example();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let mut orders = 0;
    for resource in &all {
        let read = match from_fhir(std::slice::from_ref(resource), &env) {
            Ok(read) => read,
            Err(issues) => {
                *refused.entry(issues[0].rule.to_string()).or_default() += 1;
                continue;
            }
        };
        let checked = contract::check(Kind::MedicationRequest, &read.record);
        assert!(checked.is_ok(), "{}: {checked:?}", resource["id"]);
        let order: MedicationRequest =
            serde_json::from_value(read.record.clone()).expect("the model reads it");
        assert!(
            matches!(order.delivery, Delivery::Outside | Delivery::HomeReported),
            "never a prescription of ours"
        );
        // And back: the same order again, out of our own FHIR.
        let mapped = order.to_fhir(&Context::default(), &env);
        let bundle: Vec<Value> = mapped.resources.iter().map(|r| r.value.clone()).collect();
        let back = from_fhir(&bundle, &env).expect("an order");
        assert_eq!(back.record, read.record, "{}", resource["id"]);
        orders += 1;
        for issue in read.issues {
            let element: String = issue
                .path
                .split('.')
                .skip(1)
                .take(1)
                .map(|s| s.split('[').next().unwrap_or(s))
                .collect();
            *left.entry(element).or_default() += 1;
        }
    }
    eprintln!("{orders} of {} became orders; not: {refused:?}", all.len());
    eprintln!("elements without a place: {left:?}");
    assert!(orders * 10 >= all.len() * 7, "{orders} of {}", all.len());
}
