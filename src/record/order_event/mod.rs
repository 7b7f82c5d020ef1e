//! Coming back: what became of an order at a pharmacy or an EHR.

use serde::{Deserialize, Serialize};

use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping};

/// An event of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderEvent {
    /// Our id of the event.
    pub event_id: String,
    /// Version, from 1.
    pub version: u64,
    /// The order it is about.
    pub order_no: String,
}

impl Mapping for OrderEvent {
    const KIND: Kind = Kind::OrderEvent;

    fn id(&self) -> &str {
        &self.event_id
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
