//! The pharmacy partner: what it says, what each answer means, what comes in.

mod answers;
mod corpus;
mod encoding;
mod inbound;
mod wire;

use serde_json::Value;

use crate::clock::Time;
use crate::ids::PartnerId;
use crate::partner::{Built, Common};
use crate::record::{Context, Kind, MapEnv, Record, exchange};

/// 2026-11-24T12:00:00Z.
const NOW: Time = Time::from_micros(1_795_521_600_000_000);

/// A fixture of an order, changed.
fn changed(case: &str, change: impl FnOnce(&mut Value)) -> (Record, Context) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/medication-request")
        .join(case)
        .join("record.json");
    let bytes = std::fs::read(path).expect("a fixture");
    let mut value: Value = serde_json::from_slice(&bytes).expect("JSON");
    change(&mut value);
    exchange::read(Kind::MedicationRequest, &value).expect("a record")
}

fn order(case: &str) -> (Record, Context) {
    changed(case, |_| {})
}

fn partner(keys: &str) -> Built {
    try_partner(keys).expect("a good block")
}

fn try_partner(keys: &str) -> Result<Built, Vec<String>> {
    let common = Common {
        id: PartnerId::new("pharmacy-main"),
        party: None,
        class: None,
        order_by_patient: false,
        concurrency_max: 4,
        timeout_ms: 500,
        json: crate::json::Limits::default(),
        base: "https://clinic.example".to_owned(),
        zone: MapEnv::example().zone,
        carrier: None,
    };
    super::build(common, toml::from_str(keys).expect("TOML"))
}

/// A message around a transaction.
fn message(header: &str, body: &str) -> Vec<u8> {
    format!("<Message><Header>{header}</Header><Body>{body}</Body></Message>").into_bytes()
}
