//! Partners are down or slow: theirs waits, others get on.

use std::time::Duration;

use fhir_gateway::clock::Clock;

use super::Run;
use crate::check::{Found, Wrong};
use crate::clinic::Mix;
use crate::stage::{EHR, Outcome, PHARMACY, STRICT, Setup, Stage};

const SECOND: Duration = Duration::from_secs(1);

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
    let lags = look.lags(STRICT, since, "");
    let says = format!(
        "while one EHR was down, the other got {} with a p99 of {:?}",
        lags.count(),
        lags.p99()
    );
    // A machine that does other things, too: what is looked for is a lag as long as the outage.
    if lags.count() < 20 || lags.p99() > 2 * SECOND {
        found.add(Wrong::Held, says.clone());
    }
    stage.note(says);
    let waiting = look.counts(Some(EHR)).map_or(0, |c| c.open);
    stage.partner(EHR).up();
    traffic.stop().await;
    if !stage.drained(Some(EHR), 20 * SECOND).await {
        found.add(Wrong::Unfinished, "what waited for a partner did not leave");
    }
    let charged = look.number("SELECT coalesce(sum(attempts), 0) FROM JOB WHERE partner = 'ehr-a'");
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
    let came = came.iter().filter(|line| !line.took.is_empty()).count();
    // The first one may have been on its way when the pharmacy went down.
    if came > 6 {
        let says = format!("a pharmacy got {came} messages of four orders");
        found.add(Wrong::Undue, says);
    }
    stage.finish(20 * SECOND, found).await
}

/// F4: one EHR answers some two hundred times slower; the other one and the senders notice little of it.
pub(crate) async fn slow(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(run.setup("slow")).await;
    stage.open().await;
    stage.drained(None, 10 * SECOND).await;
    let pause = Duration::from_millis(40);
    let mut measured = Vec::new();
    for delay in [Duration::ZERO, Duration::from_millis(250)] {
        stage.partner(EHR).slow(delay);
        let since = stage.clock.now().micros();
        let traffic = stage.clinic.traffic(Mix::default(), 3, pause);
        tokio::time::sleep(run.of(5, 20) * SECOND).await;
        traffic.stop().await;
        stage.drained(Some(STRICT), 10 * SECOND).await;
        let waits = stage.clinic.waits();
        let accepted = waits[(waits.len() - 1) * 99 / 100];
        let lags = stage.look().lags(STRICT, since, "");
        measured.push((lags.p99(), accepted, lags.count()));
    }
    let [(lag, wait, _), (slow_lag, slow_wait, n)] = measured[..] else {
        unreachable!("two were measured")
    };
    let says = format!(
        "beside an EHR 250 ms slow: p99 of the other's lag {lag:?} → {slow_lag:?} ({n} jobs), of answers \
         {wait:?} → {slow_wait:?}"
    );
    // Twice, and what a machine with other things to do may add.
    let room = Duration::from_millis(150);
    if slow_lag > 2 * lag + room || slow_wait > 2 * wait + room {
        found.add(Wrong::Held, says.clone());
    }
    stage.note(says);
    stage.finish(run.rest(), found).await
}

/// F7: one patient has a long line, others stand beside it.
pub(crate) async fn backlog(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[STRICT],
        ..run.setup("backlog")
    })
    .await;
    stage.open().await;
    stage.drained(None, 10 * SECOND).await;
    let pause = Duration::from_millis(60);
    let mut measured = Vec::new();
    let long = run.of(2_000, 20_000);
    for waiting in [0, long] {
        if waiting > 0 {
            stage.partner(STRICT).down();
            stage.clinic.flood(0, waiting, 16).await;
            stage.partner(STRICT).up();
            let before = stage.partner(STRICT).asked();
            let look = stage.look();
            // Until its probe is over.
            let moves = |s: &Stage| s.partner(STRICT).asked() > before + 10;
            stage.until(10 * SECOND, moves).await;
            let left = look.counts(Some(STRICT)).map_or(0, |c| c.open);
            stage.note(format!("{left} were waiting when the others came"));
        }
        let since = stage.clock.now().micros();
        let traffic = stage.clinic.traffic(Mix::MEASURES, 2, pause);
        tokio::time::sleep(4 * SECOND).await;
        traffic.stop().await;
        tokio::time::sleep(SECOND).await;
        let lags = stage.look().lags(STRICT, since, "patient/C-1007-0");
        measured.push((lags.p99(), lags.count()));
    }
    let [(alone, _), (beside, n)] = measured[..] else {
        unreachable!("two were measured")
    };
    let says = format!(
        "beside a line of {long}: p99 of the others' lag {alone:?} → {beside:?} ({n} jobs)"
    );
    if n < 20 || beside > 2 * alone + Duration::from_millis(150) {
        found.add(Wrong::Held, says.clone());
    }
    stage.note(says);
    let rest = Duration::from_secs(run.of(60, 900));
    stage.finish(rest, found).await
}
