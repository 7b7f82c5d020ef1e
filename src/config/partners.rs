//! From a partner's block to the partner: the one place where the config meets the kinds.

use std::sync::Arc;

use crate::config::PartnerBlock;
use crate::sync::house::Tenant;
use crate::sync::ports::Partner;

/// The manual's page of each kind: (name, commented TOML).
pub(super) fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    [].into_iter()
}

/// Builds a partner. Opens no connection.
///
/// # Errors
/// Everything that is wrong with its block, each complaint naming its key.
pub fn build(block: &PartnerBlock, tenant: &Tenant) -> Result<Arc<dyn Partner>, Vec<String>> {
    let _ = (block, tenant);
    Err(vec!["kind: no such kind of partner".to_owned()])
}
