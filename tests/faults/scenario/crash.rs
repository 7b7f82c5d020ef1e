//! The process dies or hangs: at random, and at every named place.

use std::time::Duration;

use fhir_gateway::fault::Point;

use super::Run;
use crate::check::{Found, Wrong};
use crate::clinic::Mix;
use crate::stage::{EHR, Outcome, PHARMACY, STRICT, Setup, Stage, UNKNOWING};

const SECOND: Duration = Duration::from_secs(1);

/// F1: SIGKILL at random moments, while all partners go wrong now and then.
pub(crate) async fn kills(run: Run) -> Outcome {
    let mut random = fastrand::Rng::with_seed(run.seed);
    let mut stage = Stage::new(run.setup("kills")).await;
    stage.open().await;
    for name in [EHR, STRICT, PHARMACY] {
        stage.partner(name).shaky(8);
    }
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 8, Duration::from_millis(4));
    for _ in 0..run.of(22, 120) {
        tokio::time::sleep(Duration::from_millis(random.u64(60..600))).await;
        stage.kill();
        stage.start(&[]).await;
    }
    traffic.stop().await;
    Run::had_transactions(stage.finish(run.rest(), Found::default()).await)
}

/// The arguments that arm a place.
pub(super) fn fault(point: Point, passage: u64, rest: &str) -> Vec<String> {
    let plan = format!("{}:{passage}:{rest}", point.as_str());
    vec!["--fault".to_owned(), plan]
}

/// F2: killed at each named place, one after the other, under load.
pub(crate) async fn places(run: Run) -> Outcome {
    let mut random = fastrand::Rng::with_seed(run.seed);
    let mut found = Found::default();
    let mut stage = Stage::new(run.setup("places")).await;
    if stage.start(&fault(Point::InMigration, 1, "kill")).await {
        found.add(Wrong::Held, "no migration was killed");
    }
    stage.kills += 1;
    stage.open().await;
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 6, Duration::from_millis(4));
    for _ in 0..run.of(1, 6) {
        for point in Point::ALL {
            // Checkpoints are killed at different moments of theirs, once the log has some length.
            let (passage, rest) = match point {
                Point::InMigration => continue,
                // There the log is the server's own.
                Point::InCheckpoint if run.postgres => continue,
                Point::InCheckpoint => (60, format!("kill:{}", random.u64(0..4))),
                Point::AfterAnswer => (random.u64(1..40), "kill:5".to_owned()),
                _ => (random.u64(1..40), "kill".to_owned()),
            };
            stage.kill();
            let args = fault(point, passage, &rest);
            if !stage.start(&args).await {
                stage.kills += 1;
            } else if !stage.dies(20 * SECOND).await {
                found.add(Wrong::Held, format!("{} was never passed", point.as_str()));
            }
        }
        // What was to be committed fails: nobody is told yes.
        stage.kill();
        stage.start(&fault(Point::BeforeCommit, 9, "fail")).await;
        tokio::time::sleep(SECOND / 2).await;
    }
    stage.kill();
    stage.start(&[]).await;
    traffic.stop().await;
    Run::had_transactions(stage.finish(run.rest(), found).await)
}

/// Killed right before the commit, held there long enough for a wrong yes to be heard.
pub(crate) async fn told(run: Run) -> Outcome {
    let mut random = fastrand::Rng::with_seed(run.seed);
    let mut stage = Stage::new(Setup {
        partners: &[EHR],
        ..run.setup("told")
    })
    .await;
    stage.open_sound().await;
    // Nothing but acceptances is written.
    stage.partner(EHR).down();
    let traffic = stage.clinic.traffic(Mix::MEASURES, 6, Duration::ZERO);
    for _ in 0..3 {
        stage.kill();
        let place = fault(Point::BeforeCommit, random.u64(20..40), "kill:80");
        stage.start(&place).await;
        stage.dies(20 * SECOND).await;
    }
    stage.start(&[]).await;
    traffic.stop().await;
    stage.finish(run.rest(), Found::default()).await
}

/// Killed right before a send.
pub(crate) async fn posts(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[EHR],
        ..run.setup("posts")
    })
    .await;
    stage.open().await;
    stage.kill();
    stage.start(&fault(Point::BeforePost, 3, "kill:50")).await;
    let mix = Mix {
        plans: 50,
        ..Mix::MEASURES
    };
    let traffic = stage.clinic.traffic(mix, 3, Duration::from_millis(10));
    if !stage.dies(20 * SECOND).await {
        found.add(Wrong::Held, "no send was killed");
    }
    stage.start(&[]).await;
    traffic.stop().await;
    stage.finish(30 * SECOND, found).await
}

/// A worker hangs between the answer and the report until long after its lease: meanwhile a person is asked,
/// because the pharmacy cannot be.
pub(crate) async fn late(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[UNKNOWING],
        patients: 1,
        ..run.setup("late")
    })
    .await;
    stage.open().await;
    stage.kill();
    stage.start(&fault(Point::AfterPost, 1, "hang:12000")).await;
    stage.watch();
    let elsewhere = Mix {
        elsewhere: 100,
        ..Mix::ORDERS
    };
    stage.clinic.send(elsewhere, 1).await;
    let look = stage.look();
    let parked = |_: &Stage| look.counts(None).is_some_and(|c| c.parked == 1);
    if !stage.until(11 * SECOND, parked).await {
        found.add(Wrong::Held, "a lease ran out, and nobody was asked");
    }
    // The worker that hung comes back now, with what it heard.
    tokio::time::sleep(Duration::from_millis(12_500)).await;
    super::people::decide(&stage, &mut found).await;
    stage.faults += 1;
    stage.finish(20 * SECOND, found).await
}

/// Answers take nearly as long as a request may: nobody else may take the job up meanwhile.
pub(crate) async fn leases(run: Run) -> Outcome {
    let mut stage = Stage::new(Setup {
        partners: &[EHR],
        patients: 1,
        lease_s: 10,
        timeout_ms: 7000,
        ..run.setup("leases")
    })
    .await;
    stage.open().await;
    stage.clinic.send(Mix::MEASURES, 1).await;
    stage.drained(None, 10 * SECOND).await;
    stage.partner(EHR).slow(Duration::from_millis(6200));
    stage.clinic.send(Mix::MEASURES, 3).await;
    stage.drained(None, 12 * SECOND).await;
    stage.finish(20 * SECOND, Found::default()).await
}

/// F9: the wall clock jumps by an hour, either way, and the process dies in between. What was to wait while
/// the clock was ahead waits until the clock is there again: it is set ahead once more in the end.
pub(crate) async fn clock(run: Run) -> Outcome {
    let mut stage = Stage::new(Setup {
        partners: &[EHR, PHARMACY],
        ..run.setup("clock")
    })
    .await;
    let file = stage.folder().join("clock");
    let set = |seconds: i64| {
        let beside = file.with_extension("tmp");
        std::fs::write(&beside, seconds.to_string()).expect("a file");
        std::fs::rename(&beside, &file).expect("renamed");
    };
    set(0);
    let args = ["--clock-file".to_owned(), "clock".to_owned()];
    stage.start(&args).await;
    stage.clinic.open().await;
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 4, Duration::from_millis(15));
    for _ in 0..run.of(1, 5) {
        for seconds in [3600, 0, -3600, 0, 3600, -3600] {
            set(seconds);
            stage.faults += 1;
            tokio::time::sleep(SECOND / 2).await;
            stage.kill();
            stage.start(&args).await;
            tokio::time::sleep(SECOND / 2).await;
        }
    }
    traffic.stop().await;
    set(3700);
    stage.finish(run.rest(), Found::default()).await
}
