//! One patient with twenty thousand waiting, others beside: what a claim takes, and what the others feel
//! of it. The store by itself, in this process, so that nothing else is in the figure.

use std::time::Duration;

use fhir_gateway::clock::{Clock, System, Time};
use fhir_gateway::ids::{PartnerId, TenantId};
use fhir_gateway::store::sqlite::Sqlite;
use fhir_gateway::sync::job::{Claimed, Reach, State};
use fhir_gateway::sync::ports::{
    AttemptRow, ClaimRequest, EffectDone, Report, Reported, Settle, Store,
};
use fhir_gateway::sync::reason::Reason;
use fhir_gateway::sync::verdict::{Remote, Verdict};

use super::backlog::{Lanes, ROOM, Template, database, multiply, open};
use super::bare;

/// Jobs of the patient.
const LONG: u64 = 20_000;
/// Jobs of others, each in a lane of its own.
const OTHERS: u64 = 12_000;
/// Rounds of claiming and reporting that are counted, after some that are not.
const ROUNDS: usize = 500;
const WARM: usize = 50;

/// What was measured.
pub(crate) struct Lane {
    /// The longest of a hundred claims, in milliseconds.
    pub(crate) claim_p99_ms: f64,
    /// From the claim to the outcome, of others' jobs: with the patient over without.
    pub(crate) others_p99_ratio: f64,
    pub(crate) others_p99_ms: f64,
}

/// Measures both.
pub(crate) async fn measure(template: &Template) -> Lane {
    let mut with = Vec::new();
    let mut without = Vec::new();
    // In turns, so that both see the same machine.
    for _ in 0..3 {
        with.push(run(template, true).await);
        without.push(run(template, false).await);
    }
    let middle = |of: &dyn Fn(&(f64, f64)) -> f64, all: &[(f64, f64)]| {
        let mut all: Vec<f64> = all.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let others = middle(&|r| r.1, &with);
    Lane {
        claim_p99_ms: middle(&|r| r.0, &with),
        others_p99_ratio: others / middle(&|r| r.1, &without),
        others_p99_ms: others,
    }
}

/// p99 of a claim, and of others' jobs from claim to outcome, in milliseconds.
async fn run(template: &Template, long: bool) -> (f64, f64) {
    let folder = template.copy("lane");
    {
        let db = open(&folder.0);
        if long {
            multiply(&db, 1, LONG, &Lanes::One);
        }
        multiply(&db, 100_001, OTHERS, &Lanes::Filled(1));
    }
    let store = Sqlite::open(&database(&folder)).expect("a store");
    let clock = System::default();
    let (mut claims, mut others) = (Vec::new(), Vec::new());
    for round in 0..WARM + ROUNDS {
        let begun = clock.monotonic();
        let request = ClaimRequest {
            worker: "load".to_owned(),
            now: clock.now(),
            lease: Duration::from_secs(120),
            room: vec![(
                TenantId::new("clinic"),
                PartnerId::new(&bare::name(0)),
                ROOM,
            )],
            turn: u64::try_from(round).unwrap_or(0),
        };
        let jobs = store.claim(request).await.expect("a claim");
        let claimed = clock.monotonic() - begun;
        assert_eq!(jobs.len(), ROOM, "there is enough to do");
        let all = jobs.iter().map(|job| store.report(done(job, clock.now())));
        for reported in futures_util::future::join_all(all).await {
            assert_eq!(reported.expect("a report"), Reported::Stored);
        }
        if round >= WARM {
            claims.push(claimed);
            others.push(clock.monotonic() - begun);
        }
    }
    (p99_ms(claims), p99_ms(others))
}

fn done(job: &Claimed, now: Time) -> Report {
    let effect = job.effects.last().expect("an effect").n;
    Report {
        tenant: job.tenant.clone(),
        job: job.id.clone(),
        token: job.token,
        attempt: Some(AttemptRow {
            together: 1,
            effect,
            asked: false,
            started: now,
            took: Duration::from_millis(1),
            verdict: Verdict::Accepted,
            reason: Reason::Delivered,
            status: Some(201),
            charged: false,
            body: Vec::new(),
        }),
        done: vec![EffectDone {
            effect,
            remote: Some(Remote {
                id: job.id.as_str().to_owned(),
                version: Some("1".to_owned()),
            }),
        }],
        settle: Some(Settle {
            state: State::Done,
            due: now,
            reason: Reason::Delivered,
            held: false,
            unsure: false,
            reach: Reach::There,
        }),
        pause: None,
        opens_after: 1,
        partner_well: false,
        now,
    }
}

fn p99_ms(mut all: Vec<Duration>) -> f64 {
    all.sort_unstable();
    all[all.len() * 99 / 100].as_secs_f64() * 1e3
}
