//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::issue::Issue;
use crate::record::party::{Address, PersonName};
use crate::record::registration::{check_dea, check_npi};
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// What somebody does in the programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaffRole {
    /// Psychiatrist.
    Psychiatrist,
    /// Nurse practitioner.
    #[serde(rename = "NP")]
    NursePractitioner,
    /// Therapist.
    Therapist,
    /// Case manager.
    CaseManager,
    /// Nurse.
    Nurse,
    /// Peer.
    Peer,
}

impl StaffRole {
    /// The role, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            StaffRole::Psychiatrist => "Psychiatrist",
            StaffRole::NursePractitioner => "Nurse practitioner",
            StaffRole::Therapist => "Therapist",
            StaffRole::CaseManager => "Case manager",
            StaffRole::Nurse => "Nurse",
            StaffRole::Peer => "Peer",
        }
    }
}

/// A member of staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staff {
    /// The clinic's id.
    pub staff_id: String,
    /// Version, from 1.
    pub version: u64,
    /// Name.
    pub name: PersonName,
    /// Role.
    pub role: StaffRole,
    /// National Provider Identifier, 10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub npi: Option<String>,
    /// DEA registration number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dea_no: Option<String>,
    /// State licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_license: Option<String>,
    /// Office address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Telephone, 10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl Mapping for Staff {
    const KIND: Kind = Kind::Staff;

    fn id(&self) -> &str {
        &self.staff_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        Vec::new()
    }

    fn rules(&self, _context: &Context, _env: &MapEnv) -> Vec<Issue> {
        [
            check_npi(self.npi.as_deref(), "/npi"),
            check_dea(self.dea_no.as_deref(), "/dea_no"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn to_fhir(&self, _context: &Context, env: &MapEnv) -> Mapped {
        super::to_fhir::to_fhir(self, env)
    }
}
