//! Leases go by the time that passes, not by the wall clock: somebody may set that while a job is with its
//! partner.

use std::sync::Arc;
use std::time::Duration;

use super::super::Sqlite;
use super::Folder;
use crate::clock::{Clock, Manual};
use crate::store::suite::make::{Clinic, at, job, lease, partner};
use crate::sync::ports::{ClaimRequest, Fault, Store};
use crate::sync::reason::Reason;

/// A second more than a lease.
const LONGER: Duration = Duration::from_secs(61);

struct Stage {
    clock: Arc<Manual>,
    folder: Folder,
}

impl Stage {
    fn new() -> Self {
        Stage {
            clock: Arc::new(Manual::at(at(1000))),
            folder: Folder::new(),
        }
    }

    /// The store, opened by a process that starts now.
    fn store(&self) -> Sqlite {
        let store = Sqlite::open_for_tests(&self.folder.file()).expect("a database");
        store.leases_by(Arc::clone(&self.clock) as Arc<dyn Clock>, lease())
    }

    async fn claims(&self, clinic: &Clinic<'_>) -> usize {
        let request = ClaimRequest {
            worker: "w".to_owned(),
            now: self.clock.now(),
            lease: lease(),
            room: vec![(clinic.tenant.clone(), partner("ehr"), 9)],
            turn: 0,
        };
        clinic.store.claim(request).await.expect("claim").len()
    }

    async fn rescues(&self, store: &Sqlite) -> u64 {
        store.rescue(self.clock.now()).await.expect("rescue")
    }
}

#[tokio::test]
async fn a_step_of_the_wall_clock_ends_no_lease_and_time_does() {
    let stage = Stage::new();
    let store = stage.store();
    let clinic = Clinic::of(&store);
    clinic.one("observation", "O-1", job("J1", "ehr")).await;
    assert_eq!(stage.claims(&clinic).await, 1);
    stage.clock.step(Duration::from_secs(86_400));
    assert_eq!(stage.rescues(&store).await, 0);
    let over =
        |found: Vec<crate::sync::ports::Finding>| found.iter().any(|f| f.fault == Fault::LeaseOver);
    let found = store.audit(stage.clock.now(), Duration::from_secs(5)).await;
    assert!(!over(found.unwrap()), "nor does the self-check mind");
    // One that is taken after the step lasts as long as it should.
    clinic.one("observation", "O-2", job("J2", "ehr")).await;
    stage.clock.advance(LONGER / 2);
    assert_eq!(stage.claims(&clinic).await, 1);
    stage.clock.advance(LONGER / 2 + Duration::from_secs(1));
    assert_eq!(
        stage.rescues(&store).await,
        1,
        "the first one's time is over"
    );
    stage.clock.advance(LONGER / 2);
    assert_eq!(stage.rescues(&store).await, 1, "and the other's");
}

#[tokio::test]
async fn a_probe_stays_with_whoever_has_it_over_a_step_of_the_wall_clock() {
    let stage = Stage::new();
    let store = stage.store();
    let clinic = Clinic::of(&store);
    let down = Some((at(900), Reason::Connect));
    store
        .pause(&clinic.tenant, &partner("ehr"), down)
        .await
        .unwrap();
    let taken = async || {
        store
            .take_probes(stage.clock.now(), lease())
            .await
            .unwrap()
            .len()
    };
    assert_eq!(taken().await, 1);
    stage.clock.step(Duration::from_secs(86_400));
    assert_eq!(taken().await, 0);
    stage.clock.advance(LONGER);
    assert_eq!(taken().await, 1);
}

#[tokio::test]
async fn a_lease_of_an_earlier_process_ends_at_its_time() {
    let stage = Stage::new();
    let store = stage.store();
    let clinic = Clinic::of(&store);
    clinic.one("observation", "O-1", job("J1", "ehr")).await;
    assert_eq!(stage.claims(&clinic).await, 1);
    stage.clock.advance(LONGER / 2);
    drop(store);
    let store = stage.store();
    assert_eq!(
        stage.rescues(&store).await,
        0,
        "what it sent may be on its way"
    );
    stage.clock.advance(LONGER / 2 + Duration::from_secs(1));
    assert_eq!(stage.rescues(&store).await, 1);
}

#[tokio::test]
async fn a_lease_of_a_process_whose_clock_was_ahead_ends_a_lease_after_the_next_began() {
    let stage = Stage::new();
    let now = stage.clock.now();
    stage.clock.step(Duration::from_secs(86_400));
    let store = stage.store();
    let clinic = Clinic::of(&store);
    clinic.one("observation", "O-1", job("J1", "ehr")).await;
    assert_eq!(stage.claims(&clinic).await, 1);
    drop(store);
    let after = Arc::new(Manual::at(now));
    let stage = Stage {
        clock: Arc::clone(&after),
        folder: stage.folder,
    };
    let store = stage.store();
    assert_eq!(stage.rescues(&store).await, 0);
    after.advance(LONGER);
    assert_eq!(stage.rescues(&store).await, 1);
}
