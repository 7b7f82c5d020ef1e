//! The keys of an EHR's block, and the client that they make.
//!
//! Messages name keys and never values.

use std::collections::HashMap;
use std::time::Duration;

use crate::partner::settings::Settings;
use crate::partner::wire::HttpSettings;

/// The manual's page of this kind.
pub const DOC: &str = r#"# An EHR that is written to over FHIR R4 REST.
# Its base address, without a slash at the end.
url = "https://ehr.example/fhir"
# Resource types that it takes; the others make no effects, and a warning says so.
takes = ["Patient", "MedicationRequest", "Observation", "CarePlan", "Goal", "CareTeam", "Condition", "Provenance"]
# How a patient gets a row in the crosswalk: "searched" by identifier; "created" where the search finds
# none, by one message at a time; "configured" in [patient_ids]. A patient without a row parks what concerns
# it.
patients = "searched"
# Searches patients by their identifier of this system instead of ours.
#patient_system = "urn:oid:2.16.840.1.113883.3.0"
# "search-first": a search right before each create; "conditional": it honours If-None-Exist.
create = "search-first"
# Resources of one message that go in one request, a FHIR transaction, at most: all of them or none. 0: each
# goes by itself. Needs create = "conditional", because only what a repeat would not double goes so; what it
# refuses as a whole goes one by one after that.
transaction_entries_max = 0
# Whether it understands chained search parameters (R4, search.html#chaining), in a search and in the condition
# of a create. Then what has no identifier, an order's signature (Provenance), goes in the transaction that makes
# its order, and is found again by target:MedicationRequest.identifier; else it goes after it. Only where that is
# so: a repeat would double what is there and not found by a chain.
chained_search = false
# Whether it keeps versions and honours If-Match.
if_match = true
# When its copy changed since we wrote it: "overwrite" writes ours over the version just read (the clinic
# owns the record), "park" leaves it to a person, who replays it after switching to "overwrite".
on_change = "overwrite"
# The bearer token: the first line of a file, read at each attempt, or, less well, `bearer` itself.
#bearer_file = "ehr.token"
# Certificates that are trusted besides the system's.
#ca_file = "ehr-ca.pem"
# Name look-up, connecting and TLS at most; what fails here is charged to the partner, not the message.
connect_timeout_ms = 5000
# Bytes of an answer that are read, and entries of a bundle that it sends us, at most.
answer_bytes_max = 4194304
bundle_entries_max = 1000
# Headers sent with every request, and its ids of patients by our identifier's value, for "configured".
#headers = { "x-tenant" = "clinic" }
#patient_ids = { "C-1001" = "e000001" }
"#;

/// How a patient gets a row in the crosswalk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patients {
    /// Found by identifier, never made.
    Searched,
    /// Made where none is found.
    Created,
    /// Listed in the config.
    Configured,
}

/// How a resource is created so that a repeat does not make two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// `If-None-Exist`.
    Conditional,
    /// A search right before.
    SearchFirst,
}

/// What happens when their copy changed since we wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Ours is written over the version that was just read.
    Overwrite,
    /// A person decides.
    Park,
}

/// An EHR's capabilities and policies.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its base address, without a slash at its end.
    pub url: String,
    /// The types it takes.
    pub takes: Vec<String>,
    /// Its patients.
    pub patients: Patients,
    /// The identifier system that its patients are searched by, where it is not ours.
    pub patient_system: Option<String>,
    /// Identifier value → its id, for [`Patients::Configured`].
    pub patient_ids: HashMap<String, String>,
    /// Creating.
    pub create: Create,
    /// Resources in one transaction, at most; 0: it takes none.
    pub transaction_entries_max: usize,
    /// Whether it finds something by the identifier of what that is about.
    pub chained_search: bool,
    /// Whether it keeps versions.
    pub if_match: bool,
    /// Their changes.
    pub on_change: OnChange,
    /// Entries of an inbound bundle at most.
    pub entries_max: usize,
    /// The client.
    pub http: HttpSettings,
}

const TAKES: [&str; 8] = [
    "Patient",
    "MedicationRequest",
    "Observation",
    "CarePlan",
    "Goal",
    "CareTeam",
    "Condition",
    "Provenance",
];

impl Config {
    /// Reads the block.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(mut s: Settings, timeout: Duration) -> Result<Config, Vec<String>> {
        let mut takes = s.texts("takes");
        if takes.is_empty() {
            takes = TAKES.map(str::to_owned).to_vec();
        }
        let patient_ids: HashMap<String, String> = s
            .secrets("patient_ids")
            .into_iter()
            .map(|(value, id)| (value, id.into_revealed()))
            .collect();
        let config = Config {
            url: s.url("url").trim_end_matches('/').to_owned(),
            takes,
            patients: s.one_of(
                "patients",
                &[
                    ("searched", Patients::Searched),
                    ("created", Patients::Created),
                    ("configured", Patients::Configured),
                ],
                Patients::Searched,
            ),
            patient_system: s.text_opt("patient_system"),
            patient_ids,
            create: s.one_of(
                "create",
                &[
                    ("conditional", Create::Conditional),
                    ("search-first", Create::SearchFirst),
                ],
                Create::SearchFirst,
            ),
            transaction_entries_max: usize::try_from(s.number(
                "transaction_entries_max",
                0,
                0,
                1000,
            ))
            .unwrap_or(0),
            chained_search: s.flag("chained_search", false),
            if_match: s.flag("if_match", true),
            on_change: s.one_of(
                "on_change",
                &[("overwrite", OnChange::Overwrite), ("park", OnChange::Park)],
                OnChange::Overwrite,
            ),
            entries_max: usize::try_from(s.number("bundle_entries_max", 1000, 1, 100_000))
                .unwrap_or(1000),
            http: HttpSettings::read(&mut s, timeout, 4 << 20, 64 << 20),
        };
        if config.patients == Patients::Configured && config.patient_ids.is_empty() {
            s.fault("patient_ids", "is missing for patients = \"configured\"");
        }
        if config.transaction_entries_max > 0 && config.create != Create::Conditional {
            s.fault(
                "transaction_entries_max",
                "needs create = \"conditional\": what a repeat would double does not go in a transaction",
            );
        }
        s.finish(config)
    }
}
