//! Raw bytes of partners' doors, and refused input: the calls (sql/raws.sql does them).

use std::time::Duration;

use serde_json::{Value, json};
use tokio_postgres::Row;

use super::locks::Wish;
use super::rows::{self, Read};
use super::writer::Work;
use crate::clock::Time;
use crate::ids::{PartnerId, RawId, TenantId};
use crate::issue::Issue;
use crate::store::seal::seal;
use crate::sync::ports::{Given, NewRaw, RawState, Received, Refusal};

/// How long the same bytes without a sender's id count as a repeat.
const SAME_BYTES: Duration = Duration::from_secs(7 * 24 * 3600);

/// Different refusals that are told apart for a tenant.
const DIFFERENT_MAX: i64 = 10_000;

/// The call that stores bytes, or finds that they were stored before.
pub(super) fn receive(tenant: &TenantId, raw: &NewRaw, now: Time) -> Work {
    let same = match &raw.sender_id {
        Some(sender) => sender.clone(),
        None => raw.hash.hex(),
    };
    let own = |text: &str| rows::text(text).into_owned();
    Work::new(
        concat!(
            "SELECT ",
            rows::raw_columns!(),
            " FROM receive($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        ),
        Wish::default().name("sender", tenant, &[&raw.door, &same]),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(own(raw.id.as_str())),
            Box::new(own(&raw.door)),
            Box::new(raw.sender_id.as_deref().map(own)),
            Box::new(own(&raw.media_type)),
            Box::new(seal(&raw.bytes)),
            Box::new(raw.hash.0.to_vec()),
            Box::new(now.micros()),
            Box::new(now.minus(SAME_BYTES).micros()),
        ],
    )
    .weighing(raw.bytes.len())
    // Done twice, they would be a repeat of themselves.
    .once()
}

/// Whether they are new.
pub(super) fn received(rows: &[Row]) -> Read<Received> {
    Ok(match rows.first() {
        Some(row) => Received::Repeat(Box::new(rows::stored_raw(row)?)),
        None => Received::New,
    })
}

/// The call that notes what became of bytes that make no record, and what the sender was told.
pub(super) fn settle(
    tenant: &TenantId,
    raw: &RawId,
    state: RawState,
    issues: &[Issue],
    unmatched: Option<&(PartnerId, String)>,
    given: Option<&Given>,
) -> Work {
    let mut wish = Wish::default().name("raw", tenant, &[raw.as_str()]);
    if let Some((partner, _)) = unmatched {
        // Nobody links the patient meanwhile.
        wish = wish.partner(tenant, partner);
    }
    let issues =
        (!issues.is_empty()).then(|| seal(&serde_json::to_vec(issues).unwrap_or_default()));
    Work::new(
        "SELECT settle_raw($1, $2, $3, $4, $5, $6, $7, $8)",
        wish,
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(rows::text(raw.as_str()).into_owned()),
            Box::new(state.as_str()),
            Box::new(issues),
            Box::new(unmatched.map(|u| rows::text(u.0.as_str()).into_owned())),
            Box::new(unmatched.map(|u| rows::text(&u.1).into_owned())),
            Box::new(given.map(|g| i32::from(g.status))),
            Box::new(given.map(|g| seal(&g.body))),
        ],
    )
}

/// The call that counts refused inputs: kind, rule, pointer, caller; no body is kept.
pub(super) fn count_refusals(tenant: &TenantId, refusals: &[Refusal], now: Time) -> Work {
    let all: Value = refusals
        .iter()
        .map(|r| json!([r.kind, r.rule, r.pointer, r.caller]))
        .collect();
    Work::new(
        "SELECT count_refusals($1, $2::text::jsonb, $3, $4)",
        Wish::default().name("refusals", tenant, &[]),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(rows::document(all)),
            Box::new(DIFFERENT_MAX),
            Box::new(now.micros()),
        ],
    )
    .once()
    .quiet()
}
