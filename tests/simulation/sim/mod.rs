//! A clinic, some nodes of the gateway on one store, and their partners, in simulated time on one thread:
//! a seed decides who goes next, what fails, who dies and when. What must hold is looked at at every step,
//! and at the end, when everything has healed, all of it is counted over. The same seed is the same run.
//!
//! The core, the store, the partners' encoders and the reading of their answers are the product's own; only
//! the network, the clocks and the order of events are not.

mod base;
mod desk;
mod ehr;
mod end;
mod mutant;
mod network;
mod node;
mod people;
mod pharmacy;
mod records;
mod start;
mod turn_of;
mod turns;
mod watch;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fhir_gateway::clock::Time;
use fhir_gateway::fhir::validate::Validator;

pub use mutant::Mutant;

/// 2026-11-24T12:00:00Z, where time begins.
const BEGIN: Time = Time::from_micros(1_795_521_600_000_000);
/// The one tenant.
const TENANT: &str = "clinic";
/// Its clients.
const CLIENTS: [&str; 3] = ["C-1001", "C-1007", "C-1011"];

/// A partner, as the simulation plays it.
struct Played {
    id: &'static str,
    kind: &'static str,
    /// Its NCPDP id, if it is a pharmacy.
    ncpdp_id: &'static str,
    answers_220: bool,
    keys: &'static str,
    kinds: &'static [fhir_gateway::record::Kind],
}

use fhir_gateway::record::Kind;

const COPIES: &[Kind] = &[
    Kind::Client,
    Kind::MedicationRequest,
    Kind::Observation,
    Kind::CarePlan,
    Kind::ClientMerge,
];

const PARTNERS: [Played; 5] = [
    Played {
        id: "ehr-strict",
        kind: "ehr-fhir",
        ncpdp_id: "",
        answers_220: false,
        keys: "url = \"http://strict/\"\ncreate = \"conditional\"\npatients = \"created\"\nif_match = true",
        kinds: COPIES,
    },
    Played {
        id: "ehr-plain",
        kind: "ehr-fhir",
        ncpdp_id: "",
        answers_220: false,
        // Its patients: see `start`. No client's record goes there, so that the first of the others has to
        // find or make the patient.
        keys: "url = \"http://plain/\"\ncreate = \"search-first\"\nif_match = true",
        kinds: &[Kind::MedicationRequest, Kind::Observation],
    },
    Played {
        id: "pharmacy-knows",
        kind: "ncpdp-script",
        ncpdp_id: "7701630",
        answers_220: true,
        keys: "url = \"http://knows/\"\nncpdp_ids = [\"7701630\"]\nduplicates = \"answers-220\"",
        kinds: &[Kind::MedicationRequest],
    },
    Played {
        id: "pharmacy-plain",
        kind: "ncpdp-script",
        ncpdp_id: "7701648",
        answers_220: false,
        keys: "url = \"http://other/\"\nncpdp_ids = [\"7701648\"]",
        kinds: &[Kind::MedicationRequest],
    },
    Played {
        id: "clinic-hook",
        kind: "clinic-webhook",
        ncpdp_id: "",
        answers_220: true,
        keys: "url = \"http://hook/\"\nsecret = \"s\"",
        kinds: &[Kind::OrderEvent, Kind::Dispense],
    },
];

/// What a run needs that is the same for all: compiled profiles, and a store in which what everything leans
/// on was handed in.
pub struct Kit {
    validator: Arc<Validator>,
    folder: PathBuf,
    template: PathBuf,
}

impl Kit {
    /// Makes it, in memory where the machine has a place for that.
    pub fn new() -> Self {
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() {
            shm.to_owned()
        } else {
            std::env::temp_dir()
        };
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = base.join(format!("fhir-gateway-sim-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut kit = Kit {
            validator: Arc::new(Validator::standard()),
            template: folder.join("template.db"),
            folder,
        };
        kit.template = start::template(&kit);
        kit
    }
}

impl Default for Kit {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Turns, arrivals, answers, deaths, acts: everything that the seed chose.
    pub steps: u64,
    /// Record versions acknowledged.
    pub acknowledged: u64,
    /// Attempts reported.
    pub attempts: u64,
    /// Requests that went wrong on the network, and calls of the store that failed.
    pub faults: u64,
    /// Nodes that died.
    pub crashes: u64,
    /// Leases that ran out, and reports that came too late.
    pub leases_lost: u64,
    /// Simulated time, seconds.
    pub seconds: u64,
    /// A digest of everything that happened, in its order.
    pub digest: u64,
}

/// A run that went wrong.
#[derive(Debug)]
pub struct Wrong {
    /// What was wrong.
    pub what: String,
    /// The last steps, without a value of any record.
    pub trace: Vec<String>,
}

/// Runs a seed.
///
/// # Errors
/// What did not hold.
pub fn run(kit: &Kit, seed: u64, mutant: Option<Mutant>) -> Result<Tally, Box<Wrong>> {
    start::run(kit, seed, mutant).map_err(|what| wrong(what, Vec::new()))
}

/// Runs a seed again, and tells its steps.
///
/// # Errors
/// What did not hold.
pub fn replay(kit: &Kit, seed: u64, mutant: Option<Mutant>) -> Result<Tally, Box<Wrong>> {
    let mut trace = Vec::new();
    start::traced(kit, seed, mutant, &mut trace).map_err(|what| wrong(what, trace))
}

fn wrong(what: String, trace: Vec<String>) -> Box<Wrong> {
    Box::new(Wrong { what, trace })
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Tally) {
        self.steps += other.steps;
        self.acknowledged += other.acknowledged;
        self.attempts += other.attempts;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.leases_lost += other.leases_lost;
        self.seconds += other.seconds;
    }
}

/// The seeds within which a planted bug has to be found.
const WITHIN: u64 = 400;

/// In which seed each planted bug was found; `None`: in none.
pub fn found(kit: &Kit, mutant: Mutant) -> Option<(u64, String)> {
    (1..=WITHIN).find_map(|seed| Some((seed, run(kit, seed, Some(mutant)).err()?.what)))
}
