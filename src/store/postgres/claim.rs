//! Claiming: due heads of lanes, under a lease with a fencing token (sql/work.sql).

use serde_json::{Value, json};
use tokio_postgres::Row;

use super::locks::Wish;
use super::rows::{self, Read, get};
use super::writer::Work;
use crate::ids::{JobId, PartnerId, TenantId};
use crate::sync::job::{Chain, Claimed};
use crate::sync::ports::ClaimRequest;

/// The room of a request, as a document.
pub(super) fn room(request: &ClaimRequest) -> Value {
    request
        .room
        .iter()
        .map(|(tenant, partner, n)| {
            json!([tenant.as_str(), partner.as_str(), n, request.by_age(*n)])
        })
        .collect()
}

/// The call that claims, from those partners only that `room` names: others have nothing, and nobody has
/// to wait for them.
pub(super) fn work(request: &ClaimRequest, room: &Value, by_caller: bool) -> Work {
    let mut wish = Wish::default();
    for place in room.as_array().into_iter().flatten() {
        let name = |n: usize| place.get(n).and_then(Value::as_str).unwrap_or_default();
        wish = wish.partner(&TenantId::new(name(0)), &PartnerId::new(name(1)));
    }
    let lease = i64::try_from(request.lease.as_micros()).unwrap_or(i64::MAX);
    // A claim whose commit is in doubt is not repeated: its leases would be others.
    Work::new(
        "SELECT * FROM claim($1::text::jsonb, $2, $3, $4, $5)",
        wish,
        vec![
            Box::new(rows::document(room.clone())),
            Box::new(request.now.micros()),
            Box::new(lease),
            Box::new(rows::text(&request.worker).into_owned()),
            Box::new(by_caller),
        ],
    )
    .once()
    .quiet()
}

/// The jobs of a claim: a row per effect, those of a job one after the other.
pub(super) fn claimed(rows: &[Row]) -> Read<Vec<Claimed>> {
    let mut out: Vec<Claimed> = Vec::new();
    for row in rows {
        let effect = rows::effect(row, 20)?;
        let (tenant, id): (&str, &str) = (get(row, 0)?, get(row, 1)?);
        if let Some(last) = out.last_mut()
            && (last.tenant.as_str(), last.id.as_str()) == (tenant, id)
        {
            last.effects.extend(effect);
            continue;
        }
        out.push(Claimed {
            tenant: TenantId::new(tenant),
            id: JobId::new(id),
            partner: PartnerId::new(get(row, 2)?),
            record: rows::version_ref(row, 3)?,
            chain: Chain(get(row, 6)?),
            client: get(row, 7)?,
            purpose: rows::purpose(row, 8)?,
            state: rows::state(row, 9)?,
            token: get(row, 10)?,
            lease_until: rows::time(row, 11)?,
            attempts: rows::small(row, 12)?,
            asks: rows::small(row, 13)?,
            unsure: get(row, 14)?,
            deadline: rows::time_if(row, 15)?,
            guarded: get(row, 16)?,
            accepted: rows::time(row, 17)?,
            message: rows::message(row, 18)?,
            policy: get(row, 19)?,
            effects: effect.into_iter().collect(),
        });
    }
    Ok(out)
}
