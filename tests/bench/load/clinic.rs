//! The clinic that sends the load: the fixtures' clients in as many copies as asked for, with all that
//! their records lean on, and any number of records of the mix, each under an id of its own.

use std::collections::HashMap;
use std::path::PathBuf;

use fhir_gateway::record::Kind;
use serde_json::Value;

use super::mix::{twenty, whole};

fn all_of(kind: Kind) -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(kind.as_str());
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("fixtures")
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
        .iter()
        .map(|n| whole(kind, n)["record"].take())
        .collect()
}

/// The clinic whose records the mix is of.
pub(crate) struct Clinic {
    cases: Vec<(Kind, Value)>,
    leant_on: Vec<(Kind, Value)>,
}

impl Clinic {
    /// Reads the fixtures.
    pub(crate) fn read() -> Self {
        let cases = twenty();
        let mut leant_on: Vec<(Kind, Value)> = Vec::new();
        for kind in [
            Kind::Staff,
            Kind::Pharmacy,
            Kind::Laboratory,
            Kind::Client,
            Kind::Episode,
            Kind::Evaluation,
            Kind::Consent,
        ] {
            leant_on.extend(all_of(kind).into_iter().map(|r| (kind, r)));
        }
        for (_, case) in &cases {
            for order in case["context"]["orders"].as_array().into_iter().flatten() {
                let kind = Kind::MedicationRequest;
                let one = (kind, order.clone());
                if !leant_on.contains(&one) {
                    leant_on.push(one);
                }
            }
        }
        Clinic { cases, leant_on }
    }

    /// All that the records of one copy of the clients lean on, in an order in which it can be
    /// submitted. What is nobody's own (staff, pharmacies) comes with copy 0.
    pub(crate) fn leant_on(&self, copy: usize) -> Vec<(Kind, Value)> {
        self.leant_on
            .iter()
            .filter(|(kind, _)| copy == 0 || personal(*kind))
            .map(|(kind, record)| (*kind, self.renamed(record, copy)))
            .collect()
    }

    /// The n-th record, of one of `copies` of the clients, under an id of its own.
    pub(crate) fn record(&self, n: usize, copies: usize) -> (Kind, Value) {
        let (kind, case) = &self.cases[n % self.cases.len()];
        let copy = n / self.cases.len() % copies;
        let mut record = self.renamed(&case["record"], copy);
        record[kind.id_field()] = Value::from(format!("N-{n}"));
        (*kind, record)
    }

    fn renamed(&self, record: &Value, copy: usize) -> Value {
        if copy == 0 {
            return record.clone();
        }
        let names: HashMap<&str, String> = self
            .leant_on
            .iter()
            .filter(|(kind, _)| personal(*kind))
            .filter_map(|(kind, r)| r[kind.id_field()].as_str())
            .map(|id| (id, format!("{id}-{copy}")))
            .collect();
        let mut record = record.clone();
        rename(&mut record, &names);
        record
    }
}

/// Whether each client has their own.
const fn personal(kind: Kind) -> bool {
    !matches!(kind, Kind::Staff | Kind::Pharmacy | Kind::Laboratory)
}

fn rename(value: &mut Value, names: &HashMap<&str, String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = names.get(text.as_str()) {
                text.clone_from(new);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|i| rename(i, names)),
        Value::Object(fields) => fields.values_mut().for_each(|f| rename(f, names)),
        _ => {}
    }
}
