//! The self-check, again and again, beside the workers and not by them: it has to notice that they are
//! gone. What it finds is told to the administrator (status, metrics, log); it mends nothing.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::house::House;
use super::ports::{Finding, StoreError};

/// Looks after a house's store.
#[derive(Clone)]
pub struct Auditor {
    house: Arc<House>,
}

impl Auditor {
    /// Of this house.
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Auditor { house }
    }

    /// Checks at each interval until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.house.settings.audit_every) => {}
            }
            if let Err(error) = self.check().await {
                tracing::warn!(%error, "the self-check failed");
            }
        }
    }

    /// One check: what is wrong now.
    ///
    /// # Errors
    /// The store's.
    pub async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        let house = &self.house;
        let now = house.clock.now();
        let found = house.store.audit(now, house.settings.audit_grace).await?;
        for f in &found {
            tracing::error!(fault = f.fault.as_str(), tenant = %f.tenant,
                partner = f.partner.as_ref().map(crate::ids::PartnerId::as_str), n = f.n,
                what = f.fault.what(), "the self-check found a fault");
        }
        Ok(found)
    }
}
