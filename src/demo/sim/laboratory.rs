//! The simulated laboratory: sends results as FHIR bundles, preliminary, final, amended, each until it
//! has its receipt, and some of them a second time on purpose.
//!
//! It names clients by the clinic's number, as the requisition told it. Each result has its own moment of
//! collection: by client and moment whoever recounts knows it again at the clinic.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::demo::sim::door::Door;

/// What was found.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// LOINC code.
    pub code: &'static str,
    /// In words.
    pub text: &'static str,
    /// UCUM unit.
    pub unit: &'static str,
    /// The reports of it, one after the other: status and value with its digits as written.
    pub reports: &'static [(&'static str, &'static str)],
}

/// A specimen of a client.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// The clinic's number of the client.
    pub client_no: String,
    /// When it was taken, RFC 3339.
    pub taken_at: String,
    /// What is looked for.
    pub test: Test,
}

/// A report that the laboratory has its receipt for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The client.
    pub client_no: String,
    /// When the specimen was taken.
    pub taken_at: String,
    /// Which report of it, from 1.
    pub version: u64,
    /// Its status: `preliminary`, `final`, `amended`.
    pub status: String,
    /// Its value with its digits as written.
    pub value: String,
}

/// The laboratory. Cheap to clone.
#[derive(Clone)]
pub struct LabSim {
    inner: Arc<Inner>,
}

struct Inner {
    path: String,
    clients: String,
    door: Door,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    next: u64,
    reported: Vec<Reported>,
    repeats: u64,
    odd: Vec<String>,
}

impl LabSim {
    /// A laboratory that is the partner `name` of the gateway behind `door`. `clients`: the system of
    /// the clinic's client numbers.
    #[must_use]
    pub fn new(name: &str, clients: &str, door: Door) -> Self {
        LabSim {
            inner: Arc::new(Inner {
                path: format!("/in/{name}"),
                clients: clients.to_owned(),
                door,
                ledger: Mutex::default(),
            }),
        }
    }

    /// Reports what was found, report after report; the first one twice if `again`.
    pub async fn report(&self, specimen: &Specimen, again: bool) {
        let accession = {
            let mut ledger = self.ledger();
            ledger.next += 1;
            format!("CW-{:05}", ledger.next)
        };
        for (version, (status, value)) in (1..).zip(specimen.test.reports) {
            let bundle = self.bundle(specimen, &accession, version, status, value);
            let bytes = bundle.to_string().into_bytes();
            if !self.send(&bytes).await {
                return;
            }
            self.ledger().reported.push(Reported {
                client_no: specimen.client_no.clone(),
                taken_at: specimen.taken_at.clone(),
                version,
                status: (*status).to_owned(),
                value: (*value).to_owned(),
            });
            if again && version == 1 {
                self.ledger().repeats += 1;
                self.send(&bytes).await;
            }
        }
    }

    /// Sends a bundle until there is a receipt.
    async fn send(&self, bytes: &[u8]) -> bool {
        let heard = self
            .inner
            .door
            .hand_in(&self.inner.path, "application/fhir+json", &[], bytes)
            .await;
        match heard {
            Some(heard) if heard.is_success() => true,
            Some(heard) => {
                let said = format!("the gateway answered {} to a result", heard.status);
                self.ledger().odd.push(said);
                false
            }
            None => {
                let said = "the gateway gave no receipt for a result".to_owned();
                self.ledger().odd.push(said);
                false
            }
        }
    }

    fn bundle(
        &self,
        specimen: &Specimen,
        accession: &str,
        version: u64,
        status: &str,
        value: &str,
    ) -> Value {
        let value: Value = serde_json::from_str(value).unwrap_or(Value::Null);
        let test = specimen.test;
        json!({
            "resourceType": "Bundle",
            "identifier": {
                "system": "https://clearwater-lab.example/reports",
                "value": format!("{accession}-{version}"),
            },
            "type": "collection",
            "entry": [{
                "fullUrl": format!("https://clearwater-lab.example/fhir/Observation/{accession}"),
                "resource": {
                    "resourceType": "Observation",
                    "id": accession,
                    "meta": {"versionId": version.to_string()},
                    "identifier": [{
                        "system": "https://clearwater-lab.example/accession",
                        "value": accession,
                    }],
                    "status": status,
                    "category": [{"coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }]}],
                    "code": {
                        "coding": [{"system": "http://loinc.org", "code": test.code}],
                        "text": test.text,
                    },
                    "subject": {"identifier": {
                        "system": self.inner.clients,
                        "value": specimen.client_no,
                    }},
                    "effectiveDateTime": specimen.taken_at,
                    "performer": [{"display": "Clearwater Invented Laboratory"}],
                    "valueQuantity": {
                        "value": value,
                        "unit": test.unit,
                        "system": "http://unitsofmeasure.org",
                        "code": test.unit,
                    },
                },
            }],
        })
    }

    /// The reports that it has its receipt for.
    #[must_use]
    pub fn reported(&self) -> Vec<Reported> {
        self.ledger().reported.clone()
    }

    /// How many were sent twice on purpose.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.ledger().repeats
    }

    /// What it had not expected.
    #[must_use]
    pub fn odd(&self) -> Vec<String> {
        self.ledger().odd.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.inner
            .ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
