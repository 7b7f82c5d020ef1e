//! The initial evaluation.

use serde::{Deserialize, Serialize};

use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The clinic's id.
    pub evaluation_id: String,
    /// Version, from 1.
    pub version: u64,
    /// The stay it opens.
    pub episode_id: String,
}

impl Mapping for Evaluation {
    const KIND: Kind = Kind::Evaluation;

    fn id(&self) -> &str {
        &self.evaluation_id
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
