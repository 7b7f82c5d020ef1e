//! Coming back: what became of an order at a pharmacy or an EHR; it becomes a Task about the order.
//!
//! A Task, because it is a step of the order's way and not the order's own status: `Task.status` is
//! the nearest of FHIR's list, `Task.code` (list `order-event`) says exactly what happened.
//!
//! | field | FHIR |
//! |---|---|
//! | `event_id`, `version` | `identifier[0]`, extension `record-version` |
//! | `pharmacy_rx_no` | `identifier[1]` (`{base}/id/pharmacy-rx-number`) |
//! | `order_no` | `focus` |
//! | `client_no` (else the order's) | `for` |
//! | `event` | `code`, `status` |
//! | `at` | `lastModified` |
//! | `pharmacy_id` | `owner` |
//! | `code` | `businessStatus` (list `partner-code`) |
//! | `detail_codes`, `text` | `statusReason` (list `partner-detail`) |
//! | `source`, `partner`, `message_id`, `relates_to`, `outside_status`, `changed_elements` | extensions `order-event-…` |
//!
//! It never changes the order that it is about.

mod from_fhir;
mod model;
#[cfg(test)]
mod tests;
mod to_fhir;

pub use from_fhir::{LOSSES, from_fhir};
pub use model::{EventKind, EventSource, OrderEvent};

use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

impl Mapping for OrderEvent {
    const KIND: Kind = Kind::OrderEvent;

    fn id(&self) -> &str {
        &self.event_id
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

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        to_fhir::to_fhir(self, context, env)
    }
}
