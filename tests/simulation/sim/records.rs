//! What the clinic hands in: a few records and their histories, drawn by the seed from the fixtures. All
//! people are invented.

use std::collections::VecDeque;
use std::path::PathBuf;

use fhir_gateway::record::Kind;
use serde_json::{Value, json};

/// One version of a record, as it is handed in.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) body: Vec<u8>,
    /// An order: whether it holds; its quantity, and its pharmacy.
    pub(crate) order: Option<Order>,
    /// A consent: (client, whether it is there).
    pub(crate) consent: Option<(String, bool)>,
    /// Whether 42 CFR Part 2 holds for it.
    pub(crate) guarded: bool,
}

/// What a pharmacy should have of an order's version.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) live: bool,
    pub(crate) quantity: String,
    pub(crate) pharmacy: String,
}

/// A record's versions that are still to come.
pub(crate) type History = VecDeque<Version>;

fn fixture(kind: &str, case: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(kind)
        .join(case)
        .join("record.json");
    let bytes = std::fs::read(path).expect("a fixture");
    let mut whole: Value = serde_json::from_slice(&bytes).expect("JSON");
    whole["record"].take()
}

fn version(kind: Kind, record: &Value) -> Version {
    let field = |names: &[&str]| {
        let found = names.iter().find_map(|n| record[*n].as_str());
        found.expect("an id").to_owned()
    };
    let names = [
        "order_no",
        "measure_id",
        "plan_id",
        "merge_id",
        "client_no",
        "staff_id",
        "pharmacy_id",
    ];
    let id = match kind {
        Kind::Episode => field(&["episode_id"]),
        Kind::Evaluation => field(&["evaluation_id"]),
        Kind::Consent => field(&["consent_id"]),
        _ => field(&names),
    };
    let version = record["version"].as_u64().or(record["rev"].as_u64());
    let state = record["state"].as_str().unwrap_or_default();
    Version {
        kind,
        id,
        version: version.expect("a version"),
        body: serde_json::to_vec(record).expect("JSON"),
        order: (kind == Kind::MedicationRequest).then(|| Order {
            live: state == "signed",
            quantity: record["qty"].to_string(),
            pharmacy: record["pharmacy_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }),
        consent: (kind == Kind::Consent).then(|| {
            let client = record["client_no"].as_str().unwrap_or_default();
            (client.to_owned(), record["revoked_on"].is_null())
        }),
        guarded: record["episode_id"] == "E-1001",
    }
}

/// What everything leans on.
pub(crate) fn setup() -> Vec<Version> {
    [
        (Kind::Staff, "staff", "S-01"),
        (Kind::Staff, "staff", "S-03"),
        (Kind::Client, "client", "C-1001"),
        (Kind::Client, "client", "C-1007"),
        (Kind::Client, "client", "C-1011"),
        (Kind::Pharmacy, "pharmacy", "PH-01"),
        (Kind::Pharmacy, "pharmacy", "PH-02"),
        (Kind::Episode, "episode", "E-1001"),
        (Kind::Episode, "episode", "E-1007"),
        (Kind::Episode, "episode", "E-1011"),
        (Kind::Evaluation, "evaluation", "EV-1007"),
        (Kind::Evaluation, "evaluation", "EV-1011"),
        (Kind::Consent, "consent", "CO-1001"),
    ]
    .iter()
    .map(|(kind, folder, case)| version(*kind, &fixture(folder, case)))
    .collect()
}

/// The histories of a seed.
pub(crate) fn histories(rng: &mut fastrand::Rng) -> Vec<History> {
    let mut all = vec![order(rng, "RX-A", "E-1007", "PH-01")];
    if rng.bool() {
        all.push(order(rng, "RX-B", "E-1007", "PH-02"));
    }
    if rng.bool() {
        all.push(order(rng, "RX-P2", "E-1001", "PH-01"));
    }
    if rng.bool() {
        all.push(measures(rng, "weight", "M-W", "E-1007"));
    }
    if rng.bool() {
        all.push(measures(rng, "phq9", "M-P2", "E-1001"));
    }
    if rng.bool() {
        all.push(consents(rng));
    }
    if rng.bool() {
        all.push(plan(rng));
    }
    if rng.u8(..4) == 0 {
        let merge = fixture("client-merge", "M-01");
        all.push([version(Kind::ClientMerge, &merge)].into());
    }
    if rng.u8(..4) == 0 {
        let mut client = fixture("client", "C-1007");
        client["version"] = json!(2);
        client["phone"] = json!("5185550199");
        all.push([version(Kind::Client, &client)].into());
    }
    all
}

fn order(rng: &mut fastrand::Rng, id: &str, episode: &str, pharmacy: &str) -> History {
    let mut record = fixture("medication-request", "sertraline");
    record["order_no"] = json!(id);
    record["episode_id"] = json!(episode);
    record["pharmacy_id"] = json!(pharmacy);
    record["signed_at"] = json!("2026-11-24T06:00:00-05:00");
    record["start_date"] = json!("2026-11-24");
    if episode != "E-1007" {
        let fields = record.as_object_mut().expect("an order");
        fields.shift_remove("evaluation_id");
        fields.shift_remove("problem_no");
    }
    let mut all = History::from([version(Kind::MedicationRequest, &record)]);
    for n in 2..2 + rng.u64(..4) {
        record["version"] = json!(n);
        record["state"] = json!("signed");
        match rng.u8(..10) {
            0..4 => {
                let quantity = rng.u64(2..9) * 10;
                record["qty"] = json!(quantity);
                record["days_supply"] = json!(quantity);
            }
            4 | 5 => record["review_due"] = json!(format!("2026-12-{}", 10 + n)),
            6 => record["pharmacy_id"] = json!(["PH-01", "PH-02"][rng.usize(..2)]),
            7 => {
                record["state"] = json!("on_hold");
                record["state_reason"] = json!({"code": "client_choice"});
            }
            _ => {
                record["state"] = json!(["cancelled", "discontinued"][rng.usize(..2)]);
                record["state_reason"] = json!({"code": "client_choice"});
                all.push_back(version(Kind::MedicationRequest, &record));
                return all;
            }
        }
        all.push_back(version(Kind::MedicationRequest, &record));
        record
            .as_object_mut()
            .expect("an order")
            .shift_remove("state_reason");
    }
    all
}

fn measures(rng: &mut fastrand::Rng, case: &str, id: &str, episode: &str) -> History {
    let mut record = fixture("observation", case);
    record["measure_id"] = json!(id);
    record["episode_id"] = json!(episode);
    record["taken_at"] = json!("2026-11-20T09:20:00-05:00");
    let mut all = History::from([version(Kind::Observation, &record)]);
    for n in 2..2 + rng.u64(..3) {
        record["version"] = json!(n);
        record["status"] = json!("amended");
        record["taken_at"] = json!(format!("2026-11-20T09:2{n}:00-05:00"));
        if n > 2 && rng.u8(..3) == 0 {
            record["status"] = json!("error");
            all.push_back(version(Kind::Observation, &record));
            return all;
        }
        all.push_back(version(Kind::Observation, &record));
    }
    all
}

fn plan(rng: &mut fastrand::Rng) -> History {
    let mut record = fixture("care-plan", "anxiety-therapy-only");
    let mut all = History::from([version(Kind::CarePlan, &record)]);
    for n in 2..2 + rng.u64(..3) {
        record["rev"] = json!(n);
        let goals = record["goals"].as_array_mut().expect("goals");
        if n == 2 {
            goals.truncate(1);
        } else {
            goals[0]["text"] = json!("Ride the bus twice.");
        }
        all.push_back(version(Kind::CarePlan, &record));
    }
    all
}

fn consents(rng: &mut fastrand::Rng) -> History {
    let mut record = fixture("consent", "CO-1001");
    let mut all = History::new();
    for n in 2..3 + rng.u64(..3) {
        record["version"] = json!(n);
        if n % 2 == 0 {
            record["revoked_on"] = json!("2026-11-24");
        } else {
            record
                .as_object_mut()
                .expect("a consent")
                .shift_remove("revoked_on");
        }
        all.push_back(version(Kind::Consent, &record));
    }
    all
}
