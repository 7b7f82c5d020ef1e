//! From a partner's block to the partner: the one place where the config meets the kinds.

use crate::config::PartnerBlock;
use crate::partner::{self, Built, Common, KINDS};
use crate::sync::house::Tenant;

/// The manual's page of each kind: (name, commented TOML).
pub(super) fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().map(|k| (k.name, k.doc))
}

/// Whether FHIR can be relayed from and to a kind; of a kind that nobody knows it is not said.
pub(super) fn relays(kind: &str) -> bool {
    KINDS
        .iter()
        .find(|k| k.name == kind)
        .is_none_or(|k| k.relays)
}

/// Builds a partner. Opens no connection.
///
/// # Errors
/// Everything that is wrong with its block, each complaint naming its key.
pub fn build(block: &PartnerBlock, tenant: &Tenant) -> Result<Built, Vec<String>> {
    let common = Common {
        id: block.id.clone(),
        party: block.party.clone(),
        class: block.class.clone(),
        order_by_patient: block.order_by_patient,
        concurrency_max: block.pace.concurrency_max,
        timeout_ms: u64::try_from(block.timeout.as_millis()).unwrap_or(u64::MAX),
        json: block.json,
        base: tenant.base.clone(),
        zone: tenant.zone.clone(),
        carrier: None,
    };
    partner::build(&block.kind, common, block.own.clone())
}
