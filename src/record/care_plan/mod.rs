//! The personal plan (domain.md section 7, care_plan).

use serde::{Deserialize, Serialize};

use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarePlan {
    /// The clinic's id.
    pub plan_id: String,
    /// Version, from 1.
    pub rev: u64,
    /// The client, where no episode says it (what an EHR tells us).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_no: Option<String>,
}

impl Mapping for CarePlan {
    const KIND: Kind = Kind::CarePlan;

    fn id(&self) -> &str {
        &self.plan_id
    }

    fn version(&self) -> u64 {
        self.rev
    }

    fn links(&self) -> Vec<Link> {
        Vec::new()
    }

    fn to_fhir(&self, _context: &Context, _env: &MapEnv) -> Mapped {
        Mapped::default()
    }
}
