//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::issue::Issue;
use crate::record::party::Address;
use crate::record::registration::check_npi;
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// A laboratory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Laboratory {
    /// The clinic's id.
    pub lab_id: String,
    /// Version, from 1.
    pub version: u64,
    /// Name.
    pub name: String,
    /// CLIA number, `NNDNNNNNNN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clia: Option<String>,
    /// National Provider Identifier, 10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub npi: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Telephone, 10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl Mapping for Laboratory {
    const KIND: Kind = Kind::Laboratory;

    fn id(&self) -> &str {
        &self.lab_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        Vec::new()
    }

    fn rules(&self, _context: &Context, _env: &MapEnv) -> Vec<Issue> {
        [check_npi(self.npi.as_deref(), "/npi")]
            .into_iter()
            .flatten()
            .collect()
    }

    fn to_fhir(&self, _context: &Context, env: &MapEnv) -> Mapped {
        super::to_fhir::to_fhir(self, env)
    }
}
