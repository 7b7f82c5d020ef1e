//! Published CarePlans that nobody here wrote: how many become a plan, and what of them a plan has no
//! place for. Needs the shared material; says so where it is not there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CarePlan, from_fhir};
use crate::fhir::shared;
use crate::record::{Context, Kind, MapEnv, Mapping, contract};

#[test]
fn published_plans_become_plans_and_come_back_as_far_as_a_plan_goes() {
    let (Some(all), Some(others)) = (shared::corpus("CarePlan"), shared::corpus("referenced"))
    else {
        return;
    };
    let env = MapEnv::example();
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut plans = 0;
    for resource in &all {
        let mut bundle = vec![resource.clone()];
        bundle.extend(others.iter().cloned());
        let read = from_fhir(&bundle, &env).expect("a CarePlan");
        for issue in &read.issues {
            assert!(!issue.is_error());
            let element = issue.path.split('[').next().unwrap_or_default().to_owned();
            *left.entry(element).or_default() += 1;
        }
        let mut record = read.record;
        if let Err(issues) = contract::check(Kind::CarePlan, &record) {
            *refused
                .entry(format!("{} {}", issues[0].path, issues[0].rule))
                .or_default() += 1;
            continue;
        }
        // Whose it is, matching says.
        record["client_no"] = json!("C-1001");
        let plan: CarePlan = serde_json::from_value(record.clone()).expect("the model reads it");
        let mapped = plan.to_fhir(&Context::default(), &env);
        assert!(mapped.issues.is_empty(), "{:?}", mapped.issues);
        let bundle: Vec<Value> = mapped.resources.into_iter().map(|r| r.value).collect();
        let back = from_fhir(&bundle, &env).expect("a plan");
        assert!(back.issues.is_empty(), "{:?}", back.issues);
        assert_eq!(record, back.record);
        // Nothing that the foreign plan did is forgotten: a place in the plan or a warning.
        let done = resource["activity"].as_array().map_or(0, Vec::len);
        assert!(plan.interventions.len() <= done);
        plans += 1;
    }
    println!(
        "{plans} of {} published CarePlans become plans; refused: {refused:?}",
        all.len()
    );
    println!("no place: {left:?}");
    assert!(
        plans * 100 >= all.len() * 95,
        "{plans} of {}: {refused:?}",
        all.len()
    );
}
