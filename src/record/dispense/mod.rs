//! Coming back: what a pharmacy handed over.

use serde::{Deserialize, Serialize};

use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// A fill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispense {
    /// Our id of the fill.
    pub fill_no: String,
    /// Version, from 1.
    pub version: u64,
    /// The order it answers.
    pub order_no: String,
}

impl Mapping for Dispense {
    const KIND: Kind = Kind::Dispense;

    fn id(&self) -> &str {
        &self.fill_no
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
