//! The clinic's door: from bytes to a committed record version with one job per partner.
//!
//! Says yes only after the commit. Keeps nothing of what it refuses but a count.

use std::sync::Arc;

use crate::ids::TenantId;
use crate::record::Kind;
use crate::sync::house::House;

/// What the sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// HTTP status: 202, 400, 409, 422, 503.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
}

/// The clinic's door.
#[derive(Clone)]
pub struct Intake {
    house: Arc<House>,
}

impl Intake {
    /// A door of this house.
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Intake { house }
    }

    /// Takes one record in. `caller` is the name of the token that was shown.
    pub async fn submit(
        &self,
        tenant: &TenantId,
        caller: &str,
        kind: Kind,
        idempotency_key: Option<&str>,
        media_type: &str,
        body: &[u8],
    ) -> Outcome {
        let _ = (
            &self.house,
            tenant,
            caller,
            kind,
            idempotency_key,
            media_type,
            body,
        );
        Outcome {
            status: 503,
            body: b"{}".to_vec(),
        }
    }
}
