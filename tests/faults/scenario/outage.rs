//! Partners are down or slow: theirs waits, others get on.

use std::time::Duration;

use fhir_gateway::clock::Clock;

use super::Run;
use crate::check::{Found, Wrong};
use crate::clinic::Mix;
use crate::stage::{EHR, Outcome, PHARMACY, STRICT, Setup, Stage};

const SECOND: Duration = Duration::from_secs(1);

/// The lag, accepted to delivered, that all but one of a hundred keep within.
fn p99(lags: &[i64]) -> Duration {
    let at = lags.len().saturating_sub(1) * 99 / 100;
    let micros = lags.get(at).copied().unwrap_or(0);
    Duration::from_micros(micros.try_into().unwrap_or(0))
}

/// F3: one EHR is down for a while; its messages lose nothing of their schedule, the other EHR notices
/// nothing.
pub(crate) async fn outage(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(run.setup("outage")).await;
    stage.open().await;
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 4, Duration::from_millis(20));
    tokio::time::sleep(2 * SECOND).await;
    let since = stage.clock.now().micros();
    stage.partner(EHR).down();
    tokio::time::sleep(run.of(4, 10) * SECOND).await;
    let look = stage.look();
    let lags = look.lags(STRICT, since);
    // A machine that does other things, too: what is looked for is a lag as long as the outage.
    if lags.len() < 20 || p99(&lags) > 2 * SECOND {
        let says = format!(
            "while one partner was down, another got {} with a p99 of {:?}",
            lags.len(),
            p99(&lags)
        );
        found.add(Wrong::Held, says);
    }
    let waiting = look.counts(Some(EHR)).map_or(0, |c| c.open);
    stage.partner(EHR).up();
    traffic.stop().await;
    if !stage.drained(Some(EHR), 20 * SECOND).await {
        found.add(Wrong::Unfinished, "what waited for a partner did not leave");
    }
    let charged = look.number("SELECT ifnull(sum(attempts), 0) FROM job WHERE partner = 'ehr-a'");
    // Only what was in flight when the lines broke is unclear, and its own.
    if waiting == 0 || charged > 8 {
        let says = format!("an outage cost {charged} attempts of {waiting} that waited");
        found.add(Wrong::Impatient, says);
    }
    stage.finish(30 * SECOND, found).await
}

/// Patients' lines wait for a partner that is down, and leave in order.
pub(crate) async fn lanes(run: Run) -> Outcome {
    let mut stage = Stage::new(Setup {
        partners: &[STRICT],
        patients: 3,
        ..run.setup("lanes")
    })
    .await;
    stage.open().await;
    stage.drained(None, 10 * SECOND).await;
    stage.partner(STRICT).down();
    stage.clinic.send(Mix::MEASURES, 40).await;
    stage.partner(STRICT).up();
    stage.drained(None, 20 * SECOND).await;
    stage.finish(20 * SECOND, Found::default()).await
}

/// Orders are signed and cancelled while their pharmacy is down: it never hears of them.
pub(crate) async fn cancels(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[EHR, PHARMACY],
        patients: 2,
        ..run.setup("cancels")
    })
    .await;
    stage.open().await;
    stage.partner(PHARMACY).down();
    let all = Mix {
        changes: 100,
        cancels: 100,
        ..Mix::ORDERS
    };
    stage.clinic.send(all, 8).await;
    stage.partner(PHARMACY).up();
    // And some that stay.
    stage.clinic.send(Mix::ORDERS, 4).await;
    stage.drained(None, 20 * SECOND).await;
    let came = stage.partner(PHARMACY).book();
    let came = came.iter().filter(|line| line.took.is_some()).count();
    // The first one may have been on its way when the pharmacy went down.
    if came > 6 {
        let says = format!("a pharmacy got {came} messages of four orders");
        found.add(Wrong::Undue, says);
    }
    stage.finish(20 * SECOND, found).await
}
