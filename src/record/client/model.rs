//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::clock::Date;
use crate::issue::Issue;
use crate::record::dates::not_future;
use crate::record::party::{Address, Gender, PersonName};
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// A person in care.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The clinic's number.
    pub client_no: String,
    /// Version, from 1.
    pub version: u64,
    /// Name.
    pub name: PersonName,
    /// Birth date.
    pub birth_date: Date,
    /// Gender.
    pub gender: Gender,
    /// Where they live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Telephone, 10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// E-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl Mapping for Client {
    const KIND: Kind = Kind::Client;

    fn id(&self) -> &str {
        &self.client_no
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        Vec::new()
    }

    fn rules(&self, _context: &Context, env: &MapEnv) -> Vec<Issue> {
        not_future(("/birth_date", Some(self.birth_date)), env)
            .into_iter()
            .collect()
    }

    fn to_fhir(&self, _context: &Context, env: &MapEnv) -> Mapped {
        super::to_fhir::to_fhir(self, env)
    }
}
