//! An order for a drug (domain.md section 7, med_order).

use serde::{Deserialize, Serialize};

use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MedicationRequest {
    /// The clinic's order number.
    pub order_no: String,
    /// Version, from 1.
    pub version: u64,
    /// The client, where no episode says it (what an EHR tells us).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_no: Option<String>,
}

impl Mapping for MedicationRequest {
    const KIND: Kind = Kind::MedicationRequest;

    fn id(&self) -> &str {
        &self.order_no
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
