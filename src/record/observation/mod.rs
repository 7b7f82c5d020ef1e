//! A measure (domain.md section 7).

use serde::{Deserialize, Serialize};

use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// A measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The clinic's id.
    pub measure_id: String,
    /// Version, from 1.
    pub version: u64,
    /// The client, where no episode says it (what an EHR or laboratory tells us).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_no: Option<String>,
}

impl Mapping for Observation {
    const KIND: Kind = Kind::Observation;

    fn id(&self) -> &str {
        &self.measure_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        Vec::new()
    }

    fn to_fhir(&self, _context: &Context, _env: &MapEnv) -> Mapped {
        Mapped::default()
    }
}
