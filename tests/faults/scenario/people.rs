//! Where a person has to decide.

use std::time::Duration;

use super::Run;
use crate::check::{Found, Wrong};
use crate::clinic::Mix;
use crate::partner::{Bad, Keep};
use crate::stage::{EHR, Outcome, STRICT, Setup, Stage, UNKNOWING};

const SECOND: Duration = Duration::from_secs(1);

/// The person: looks into the pharmacy's book for each parked message, and says what stands there.
pub(crate) async fn decide(stage: &Stage, found: &mut Found) {
    for (id, partner, message) in stage.look().parked() {
        let there = match (&*stage.partner(&partner).keep(), &message) {
            (Keep::Pharmacy(pharmacy), Some(message)) => pharmacy.has(message),
            _ => false,
        };
        if there {
            act(stage, found, &id, "resolve-there").await;
        } else {
            act(stage, found, &id, "resolve-not-there").await;
            act(stage, found, &id, "retry").await;
        }
    }
}

async fn act(stage: &Stage, found: &mut Found, job: &str, word: &str) {
    let heard = stage.door.act(&format!("/jobs/{job}/{word}")).await;
    if !matches!(heard, Ok((200, _))) {
        let status = heard.map(|(status, _)| status);
        found.add(Wrong::Held, format!("{word} was answered with {status:?}"));
    }
}

/// A pharmacy that takes every message for another prescription does not answer: never again without a
/// person, who looks into its book.
pub(crate) async fn unclear(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[UNKNOWING],
        patients: 2,
        ..run.setup("unclear")
    })
    .await;
    stage.open().await;
    stage.watch();
    let bad = [
        Bad::Reset(true),
        Bad::Silent(true),
        Bad::HalfHead,
        Bad::Status(500, None, true),
        Bad::Status(500, None, false),
        Bad::Reset(false),
        Bad::Page,
        Bad::Garbage,
    ];
    stage.partner(UNKNOWING).next(bad);
    let elsewhere = Mix {
        elsewhere: 100,
        ..Mix::ORDERS
    };
    stage.clinic.send(elsewhere, bad.len() + 4).await;
    stage.drained(None, 20 * SECOND).await;
    let parked = stage.look().parked().len();
    if parked != bad.len() {
        let says = format!(
            "{} prescriptions are unclear, {parked} are parked",
            bad.len()
        );
        found.add(Wrong::Held, says);
    }
    decide(&stage, &mut found).await;
    stage.drained(None, 20 * SECOND).await;
    stage.finish(20 * SECOND, found).await
}

/// F6: records that a partner refuses are parked, the rest of their lanes goes on, and a person sends them
/// again once the partner takes them.
pub(crate) async fn poison(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[EHR, STRICT],
        patients: 2,
        ..run.setup("poison")
    })
    .await;
    stage.open().await;
    stage.drained(None, 10 * SECOND).await;
    stage.watch();
    let refused = Bad::Status(422, None, false);
    stage.partner(EHR).next([refused, refused]);
    stage.partner(STRICT).next([refused]);
    stage.clinic.send(Mix::MEASURES, 20).await;
    stage.drained(None, 20 * SECOND).await;
    let parked = stage.look().parked();
    if parked.len() != 3 {
        found.add(
            Wrong::Held,
            format!("three were refused, {} are parked", parked.len()),
        );
    }
    for (job, _, _) in parked {
        act(&stage, &mut found, &job, "retry").await;
    }
    stage.drained(None, 20 * SECOND).await;
    stage.finish(20 * SECOND, found).await
}
