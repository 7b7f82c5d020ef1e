//! A mix of records as a clinic sends them, made of the fixtures: many measures, some orders, few plans.

use std::path::PathBuf;

use fhir_gateway::record::Kind;
use serde_json::Value;

/// What twenty records of the mix are.
const TWENTY: [(Kind, &str); 20] = [
    (Kind::Observation, "phq9"),
    (Kind::MedicationRequest, "sertraline"),
    (Kind::Observation, "blood-pressure"),
    (Kind::Observation, "weight"),
    (Kind::Observation, "lithium-level"),
    (Kind::MedicationRequest, "lithium"),
    (Kind::Observation, "uds-negative"),
    (Kind::CarePlan, "depression"),
    (Kind::Observation, "gad7"),
    (Kind::MedicationRequest, "buprenorphine-naloxone-weekly"),
    (Kind::Observation, "blood-pressure"),
    (Kind::Observation, "temperature"),
    (Kind::MedicationRequest, "naltrexone-injection"),
    (Kind::Observation, "lithium-level"),
    (Kind::Observation, "cows"),
    (Kind::MedicationRequest, "sertraline-solution"),
    (Kind::Observation, "weight"),
    (Kind::CarePlan, "bipolar-lithium"),
    (Kind::MedicationRequest, "sertraline"),
    (Kind::Observation, "adherence"),
];

/// The mix: kind and fixture, `{"record":…, "context":…}`.
pub(crate) fn twenty() -> Vec<(Kind, Value)> {
    TWENTY.iter().map(|(k, c)| (*k, whole(*k, c))).collect()
}

/// A fixture.
pub(crate) fn whole(kind: Kind, case: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(kind.as_str())
        .join(case)
        .join("record.json");
    serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON")
}
