//! What holds for new prescriptions only: their last send, and why one waits for a person from its
//! beginning.

use std::time::Duration;

use super::One;
use super::standing::suspected;
use crate::clock::Time;
use crate::ids::MessageId;
use crate::record::Record;
use crate::sync::chain::{self, Elsewhere};
use crate::sync::job::Purpose;
use crate::sync::ports::StoreError;
use crate::sync::reason::Reason;

impl One<'_> {
    /// Why a new prescription waits for a person from its beginning, if it does.
    pub(super) async fn parks(
        &self,
        purpose: Purpose,
        elsewhere: &Elsewhere,
    ) -> Result<Option<Reason>, StoreError> {
        let Record::MedicationRequest(order) = self.fresh.record else {
            return Ok(None);
        };
        if purpose != Purpose::NewRx {
            return Ok(None);
        }
        if suspected(self.fresh.record) {
            return Ok(Some(Reason::UnknownDrug));
        }
        if let Elsewhere::Parks(reason) = elsewhere {
            return Ok(Some(*reason));
        }
        // It is new here, but the database that was lost may have sent it.
        let restored = self.house.store.restored().await?;
        Ok(restored
            .filter(|then| order.signed_by(*then, &self.env.zone))
            .map(|_| Reason::Restored))
    }

    /// What a new prescription waits for at other pharmacies: the cancel that is `planned` there now, or
    /// one that was made before (a denial is decided anew for one partner, which sees the others' jobs).
    pub(super) fn elsewhere(&self, planned: Option<&MessageId>) -> Elsewhere {
        match planned {
            Some(message) => Elsewhere::Awaits(message.clone()),
            None => {
                let here = &self.member.partner.facts().id;
                chain::elsewhere(here, self.fresh.version, self.fresh.jobs)
            }
        }
    }

    /// Last send, for new prescriptions only (contracts section 7).
    pub(super) fn deadline(&self, purpose: Purpose) -> Option<Time> {
        let Record::MedicationRequest(order) = self.fresh.record else {
            return None;
        };
        if purpose != Purpose::NewRx {
            return None;
        }
        let schedule = order.schedule();
        let span: Duration = self
            .house
            .settings
            .last_send_by_schedule
            .iter()
            .find(|(s, _)| schedule.as_str() == s)
            .map_or(self.house.settings.last_send, |(_, span)| {
                (*span).min(self.house.settings.last_send)
            });
        Some(order.signed_time(&self.env.zone)?.plus(span))
    }
}
