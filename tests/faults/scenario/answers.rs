//! Partners answer badly.

use std::time::Duration;

use super::Run;
use crate::check::{Found, Wrong};
use crate::clinic::Mix;
use crate::partner::{Bad, tls};
use crate::stage::{EHR, Outcome, PHARMACY, STRICT, Setup, Stage};

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

/// All that can go wrong with an answer.
const ALL: [Bad; 16] = [
    Bad::Status(500, None, false),
    Bad::Status(500, None, true),
    Bad::Status(502, None, true),
    Bad::Status(503, Some(1), false),
    // Longer than what is under way may take.
    Bad::Status(429, Some(2), false),
    Bad::Status(408, None, false),
    Bad::Status(408, None, true),
    Bad::Silent(false),
    Bad::Silent(true),
    Bad::Reset(false),
    Bad::Reset(true),
    Bad::HalfHead,
    Bad::HalfBody,
    Bad::HeadThenReset,
    Bad::Page,
    Bad::Garbage,
];

/// And what can go wrong with a transaction.
const OF_TRANSACTIONS: [Bad; 3] = [Bad::Apart, Bad::HalfSaid, Bad::Edited];

/// F5: every bad answer, several times, at each sort of partner.
pub(crate) async fn bad(run: Run) -> Outcome {
    let mut random = fastrand::Rng::with_seed(run.seed);
    let mut found = Found::default();
    let mut stage = Stage::new(run.setup("bad")).await;
    stage.open().await;
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 4, Duration::from_millis(30));
    for _ in 0..run.of(2, 12) {
        for name in [EHR, STRICT, PHARMACY] {
            let mut all = ALL;
            random.shuffle(&mut all);
            stage.partner(name).next(all);
            if name == EHR {
                stage.partner(name).next(OF_TRANSACTIONS);
            }
        }
        let over = |s: &Stage| {
            [EHR, STRICT, PHARMACY]
                .iter()
                .all(|n| s.partner(n).to_come() == 0)
        };
        if !stage.until(60 * SECOND, over).await {
            found.add(Wrong::Held, "a bad answer was never given");
        }
    }
    traffic.stop().await;
    Run::had_transactions(stage.finish(run.rest(), found).await)
}

/// F5: certificates that have expired, and of another host: an outage, which costs no message anything.
pub(crate) async fn certificates(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[EHR],
        more: vec![(EHR, "ca_file = \"ca.pem\"".to_owned())],
        ..run.setup("certs")
    })
    .await;
    let front = tls::Front::before(stage.partner(EHR).address()).await;
    std::fs::write(stage.folder().join("ca.pem"), front.authority()).expect("a file");
    stage.configure(&[(EHR, format!("https://{}", front.address()))]);
    stage.open().await;
    if !stage.drained(None, 10 * SECOND).await {
        found.add(Wrong::Held, "nothing arrives by TLS");
    }
    for wrong in [tls::Shows::Expired, tls::Shows::AnotherHost] {
        front.show(wrong);
        // Connections that there are end within this.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = stage.partner(EHR).asked();
        stage.clinic.send(Mix::MEASURES, 5).await;
        tokio::time::sleep(2 * SECOND).await;
        if stage.partner(EHR).asked() > before {
            found.add(Wrong::Undue, format!("something was sent by {wrong:?}"));
        }
        stage.faults += 1;
        front.show(tls::Shows::Right);
        if !stage.drained(None, 10 * SECOND).await {
            found.add(
                Wrong::Unfinished,
                format!("nothing goes on after {wrong:?}"),
            );
        }
    }
    let charged = stage
        .look()
        .number("SELECT coalesce(sum(attempts), 0) FROM JOB");
    if charged > 0 {
        found.add(
            Wrong::Impatient,
            format!("certificates cost {charged} attempts"),
        );
    }
    stage.finish(20 * SECOND, found).await
}
