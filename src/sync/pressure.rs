//! Back-pressure: what would make jobs for a partner whose line is as long as it may be is not taken in,
//! so that one who does not answer never fills the disk. The sender holds it, and comes again.
//!
//! The last tenth of a line is for new prescriptions; what takes something back, and the copies that go with
//! either, have as much room again beyond it: an EHR that does not answer keeps no prescription from its
//! pharmacy.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::ids::{PartnerId, TenantId};
use crate::sync::house::House;
use crate::sync::job::{NewJob, Purpose};
use crate::sync::ports::StoreError;

/// For how long counts are believed: what is taken in meanwhile is over the limit, at most.
const FRESH: Duration = Duration::from_millis(250);

/// Open jobs of each partner, as they were counted last.
#[derive(Debug, Default)]
pub(super) struct Pressure(Mutex<HashMap<TenantId, Counted>>);

#[derive(Debug, Default)]
struct Counted {
    at: Duration,
    open: HashMap<PartnerId, u64>,
}

impl Pressure {
    /// Whether these jobs may still be made.
    ///
    /// # Errors
    /// [`StoreError::Full`] if not; or the store's.
    pub(super) async fn allows(
        &self,
        house: &House,
        tenant: &TenantId,
        jobs: &[NewJob],
    ) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let now = house.clock.monotonic();
        if let Some(answer) = self.known(house, tenant, jobs, now) {
            return answer;
        }
        let open = house.store.open_jobs(tenant).await?;
        let counted = Counted {
            at: now,
            open: open.into_iter().collect(),
        };
        let answer = judged(house.settings.jobs_open_max, &counted.open, jobs);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(tenant.clone(), counted);
        answer
    }

    fn known(
        &self,
        house: &House,
        tenant: &TenantId,
        jobs: &[NewJob],
        now: Duration,
    ) -> Option<Result<(), StoreError>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = all.get(tenant)?;
        let fresh = now.saturating_sub(counted.at) < FRESH;
        fresh.then(|| judged(house.settings.jobs_open_max, &counted.open, jobs))
    }
}

fn judged(max: u64, open: &HashMap<PartnerId, u64>, jobs: &[NewJob]) -> Result<(), StoreError> {
    let urgent = jobs.iter().any(|j| j.purpose != Purpose::Copy);
    for job in jobs {
        let own = match job.purpose {
            Purpose::NewRx => max,
            Purpose::Cancel => max.saturating_mul(2),
            Purpose::Copy if urgent => max.saturating_mul(2),
            Purpose::Copy => max - max / 10,
        };
        if open.get(&job.partner).is_some_and(|n| *n >= own) {
            tracing::warn!(partner = %job.partner, "as many jobs wait for it as may: nothing more is taken in");
            return Err(StoreError::Full(
                "admit: a partner's line is as long as it may be",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::ids::JobId;
    use crate::sync::job::{Chain, LaneKey, State};

    fn job(purpose: Purpose) -> NewJob {
        NewJob {
            id: JobId::new("J1"),
            partner: PartnerId::new("ehr"),
            lane: LaneKey(String::new()),
            chain: Chain(String::new()),
            purpose,
            state: State::Waiting,
            reason: None,
            due: Time::from_micros(0),
            deadline: None,
            priority: 3,
            message: None,
            needs: Vec::new(),
            awaits: None,
            guarded: false,
            holds_lane: false,
            policy: String::new(),
            effects: Vec::new(),
        }
    }

    #[test]
    fn the_last_tenth_is_for_prescriptions_and_cancels() {
        let goes = |open: u64, purpose: Purpose| {
            let counted = HashMap::from([(PartnerId::new("ehr"), open)]);
            judged(100, &counted, &[job(purpose)]).is_ok()
        };
        assert!(goes(89, Purpose::Copy) && !goes(90, Purpose::Copy));
        assert!(goes(99, Purpose::NewRx) && !goes(100, Purpose::NewRx));
        assert!(goes(199, Purpose::Cancel) && !goes(200, Purpose::Cancel));
        // The copy of a prescription goes with it, to an EHR that is full.
        let rx = NewJob {
            partner: PartnerId::new("pharmacy"),
            ..job(Purpose::NewRx)
        };
        for (open, goes) in [(100, true), (200, false)] {
            let counted = HashMap::from([(PartnerId::new("ehr"), open)]);
            let both = [job(Purpose::Copy), rx.clone()];
            assert_eq!(judged(100, &counted, &both).is_ok(), goes);
        }
        let others = HashMap::from([(PartnerId::new("lab"), 1000)]);
        assert!(judged(100, &others, &[job(Purpose::Copy)]).is_ok());
    }
}
