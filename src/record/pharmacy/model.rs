//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::issue::Issue;
use crate::record::party::Address;
use crate::record::registration::{check_dea, check_npi};
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// A pharmacy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pharmacy {
    /// The clinic's id.
    pub pharmacy_id: String,
    /// Version, from 1.
    pub version: u64,
    /// Business name.
    pub name: String,
    /// NCPDP provider id, 7 digits.
    pub ncpdp_id: String,
    /// National Provider Identifier, 10 digits.
    pub npi: String,
    /// DEA registration number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dea_no: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Telephone, 10 digits.
    pub phone: String,
}

impl Mapping for Pharmacy {
    const KIND: Kind = Kind::Pharmacy;

    fn id(&self) -> &str {
        &self.pharmacy_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        Vec::new()
    }

    fn rules(&self, _context: &Context, _env: &MapEnv) -> Vec<Issue> {
        [
            check_npi(Some(&self.npi), "/npi"),
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
