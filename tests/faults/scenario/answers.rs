//! Partners answer badly.

use std::time::Duration;

use super::Run;
use crate::check::Found;
use crate::clinic::Mix;
use crate::partner::Bad;
use crate::stage::{EHR, Outcome, STRICT, Setup, Stage};

const SECOND: Duration = Duration::from_secs(1);

/// An EHR asks to be left alone for three seconds, again and again.
pub(crate) async fn throttled(run: Run) -> Outcome {
    let mut stage = Stage::new(Setup {
        partners: &[EHR, STRICT],
        ..run.setup("throttled")
    })
    .await;
    stage.open().await;
    let traffic = stage
        .clinic
        .traffic(Mix::MEASURES, 2, Duration::from_millis(30));
    tokio::time::sleep(SECOND / 2).await;
    let ehr = stage.partner(EHR);
    ehr.standing(Some(Bad::Status(429, Some(3), false)));
    tokio::time::sleep(Duration::from_millis(4500)).await;
    ehr.heal();
    traffic.stop().await;
    stage.finish(30 * SECOND, Found::default()).await
}

/// Answers take their time: each lane waits for its own.
pub(crate) async fn claims(run: Run) -> Outcome {
    let mut stage = Stage::new(Setup {
        partners: &[EHR],
        patients: 2,
        ..run.setup("claims")
    })
    .await;
    stage.open().await;
    stage.drained(None, 10 * SECOND).await;
    stage.partner(EHR).slow(Duration::from_millis(300));
    let changes = Mix {
        changes: 100,
        ..Mix::MEASURES
    };
    stage.clinic.send(changes, 8).await;
    stage.drained(None, 20 * SECOND).await;
    stage.finish(20 * SECOND, Found::default()).await
}
