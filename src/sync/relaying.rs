//! Carries a relay: FHIR from one partner to another, not by way of a record (contracts section 4).

use serde_json::Value;

use crate::issue::Issue;
use crate::sync::inbound::{Inbound, Message};
use crate::sync::ports::StoreError;

impl Inbound {
    /// Relays one resource by every route that takes it.
    pub(super) async fn relay(
        &self,
        message: &Message<'_>,
        resource: &Value,
    ) -> Result<Result<(), Vec<Issue>>, StoreError> {
        let _ = (message, resource);
        Ok(Err(vec![Issue::error(
            "not-supported",
            "relay",
            "",
            "relays are not carried yet",
        )]))
    }
}
