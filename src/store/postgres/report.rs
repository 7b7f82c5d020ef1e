//! A worker's report, pauses, probes, rescue: the calls (sql/work.sql does them).

use std::time::Duration;

use serde_json::{Value, json};

use super::locks::Wish;
use super::rows;
use super::writer::Work;
use crate::clock::Time;
use crate::ids::{PartnerId, TenantId};
use crate::store::seal::seal;
use crate::sync::ports::Report;
use crate::sync::reason::Reason;
use crate::sync::retry::Policy;

/// Writes a report.
pub(super) const REPORT: &str = "SELECT report($1::text::jsonb, $2)";

/// The call that writes a report.
pub(super) fn work(r: &Report) -> Work {
    let attempt = r.attempt.as_ref().map(|a| {
        json!({
            "effect": a.effect, "asked": a.asked, "started": a.started.micros(),
            "took": i64::try_from(a.took.as_micros()).unwrap_or(i64::MAX),
            "verdict": a.verdict.as_str(), "reason": a.reason.as_str(), "status": a.status,
            "charged": a.charged, "together": a.together,
        })
    });
    let done = r.done.iter().map(|d| {
        json!({
            "effect": d.effect,
            "remote": d.remote.as_ref().map(|o| json!([o.id, o.version])),
        })
    });
    let done: Vec<Value> = done.collect();
    let settle = r.settle.as_ref().map(|s| {
        json!({
            "state": s.state.as_str(), "due": s.due.micros(), "reason": s.reason.as_str(),
            "held": s.held, "unsure": s.unsure, "reach": s.reach.as_str(),
        })
    });
    let document = json!({
        "tenant": r.tenant.as_str(), "job": r.job.as_str(), "token": r.token,
        "now": r.now.micros(), "attempt": attempt, "done": done,
        "settle": settle,
        "pause": r.pause.as_ref().map(|(until, why)| json!([until.micros(), why.as_str()])),
        "opens_after": r.opens_after, "partner_well": r.partner_well,
    });
    let body = r.attempt.as_ref().map(|a| seal(&a.body));
    let size = body.as_ref().map_or(0, Vec::len);
    // Whether it is to be held is decided by the client's consents.
    let held = r.settle.as_ref().is_some_and(|s| s.held);
    Work::new(
        REPORT,
        Wish::default().job(&r.tenant, r.job.as_str(), held),
        vec![Box::new(rows::document(document)), Box::new(body)],
    )
    .weighing(size)
}

/// The call that pauses a partner by hand or ends its pause.
pub(super) fn pause(tenant: &TenantId, partner: &PartnerId, pause: Option<(Time, Reason)>) -> Work {
    Work::new(
        "SELECT pause($1, $2, $3, $4)",
        Wish::default().partner(tenant, partner),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(partner.as_str().to_owned()),
            Box::new(pause.map(|p| p.0.micros())),
            Box::new(pause.map(|p| p.1.as_str())),
        ],
    )
}

/// Partners whose probe is due and in nobody's hand.
pub(super) const PROBES: &str = "SELECT tenant, partner FROM partner
   WHERE paused_until <= $1 AND coalesce(probing, 0) < lease_clock($1, $2)";

/// The call that takes a probe that is due.
pub(super) fn take_probe(
    tenant: &TenantId,
    partner: &PartnerId,
    now: Time,
    lease: Duration,
    by_caller: bool,
) -> Work {
    // Taken, perhaps, and not known: it comes again when that has run out.
    Work::new(
        "SELECT probe_take($1, $2, $3, $4, $5)",
        Wish::default().partner(tenant, partner),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(partner.as_str().to_owned()),
            Box::new(now.micros()),
            Box::new(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)),
            Box::new(by_caller),
        ],
    )
    .once()
    .quiet()
}

/// The call that notes what a probe found.
pub(super) fn probed(
    tenant: &TenantId,
    partner: &PartnerId,
    asked: Time,
    again: Option<(Time, Reason)>,
) -> Work {
    Work::new(
        "SELECT probed($1, $2, $3, $4, $5)",
        Wish::default().partner(tenant, partner),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(partner.as_str().to_owned()),
            Box::new(asked.micros()),
            Box::new(again.map(|p| p.0.micros())),
            Box::new(again.map(|p| p.1.as_str())),
        ],
    )
}

/// The call that looks after one partner.
pub(super) fn rescue(tenant: &TenantId, partner: &PartnerId, now: Time, by_caller: bool) -> Work {
    Work::new(
        "SELECT rescue($1, $2, $3, $4, $5, $6)",
        Wish::default().partner(tenant, partner),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(partner.as_str().to_owned()),
            Box::new(now.micros()),
            Box::new(by_caller),
            Box::new(i32::try_from(Policy::default().asks_max).unwrap_or(i32::MAX)),
            Box::new(seal(&[])),
        ],
    )
}
