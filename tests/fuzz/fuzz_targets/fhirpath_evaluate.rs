//! Any expression on any resource, divided by a line end: it ends within its limits, without a panic.

#![no_main]

use fhir_gateway::clock::Time;
use fhir_gateway::fhir::path::{Env, Expression, Limits, Node, Types};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    steps_max: 50_000,
    depth_max: 400,
    items_max: 2_000,
    text_max: 50_000,
    regex_max: 200_000,
};

/// What is evaluated on where the input brings no resource of its own.
const SAMPLE: &str = r##"{"resourceType":"Observation","id":"o","status":"final","_status":{"id":"s"},
    "contained":[{"resourceType":"Patient","id":"p","birthDate":"1970-05"}],
    "code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"#p"},
    "effectiveDateTime":"2012-02-29T10:30:00.5+02:00",
    "valueQuantity":{"value":72.50,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"},
    "component":[{"code":{"text":"a"},"valueString":"x"},{"code":{"text":"b"},"valueInteger":3}]}"##;

fuzz_target!(|input: &str| {
    let (text, resource) = input.split_once('\n').unwrap_or((input, SAMPLE));
    let Ok(expression) = Expression::compile(text) else {
        return;
    };
    let resource = if resource.is_empty() { SAMPLE } else { resource };
    let Ok(resource) = serde_json::from_str(resource) else {
        return;
    };
    let types = Types::r4();
    let node = Node::resource(types, &resource);
    let _ = expression.check(types, node.kind());
    let env = Env::new(types)
        .resource(&resource)
        .now(Time::from_micros(1_800_000_000_000_000))
        .limits(LIMITS);
    if let Ok(items) = expression.evaluate(&env, node) {
        for item in items {
            let _ = (item.type_name(types), item.to_json());
        }
    }
    let _ = expression.truth(&env, node);
});
