//! Coming back: what a pharmacy handed over.

mod model;

pub use model::{Dispense, Reason, ReasonCode, Source, Status};

use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

impl Mapping for Dispense {
    const KIND: Kind = Kind::Dispense;

    fn id(&self) -> &str {
        &self.fill_no
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        let link = |kind, id: &str, pointer: &str, role| Link {
            kind,
            id: id.to_owned(),
            pointer: pointer.to_owned(),
            role,
        };
        let mut links = vec![link(
            Kind::MedicationRequest,
            &self.order_no,
            "/order_no",
            Role::Order,
        )];
        if let Some(id) = &self.client_no {
            links.push(link(Kind::Client, id, "/client_no", Role::Client));
        }
        if let Some(id) = &self.pharmacy_id {
            links.push(link(Kind::Pharmacy, id, "/pharmacy_id", Role::Pharmacy));
        }
        links
    }

    fn to_fhir(&self, _context: &Context, _env: &MapEnv) -> Mapped {
        Mapped::default()
    }
}
