//! What one person proposes and another confirms; jobs that stand in for others (sql/anew.sql).

use serde_json::json;
use tokio_postgres::Row;

use super::admit::{Bytes, job};
use super::find::deed;
use super::locks::Wish;
use super::replay::places;
use super::rows::{self, Read, get, text};
use super::writer::Work;
use crate::clock::Time;
use crate::ids::TenantId;
use crate::store::seal::seal;
use crate::sync::job::State;
use crate::sync::ports::{By, NewProposal, Proposal, StandIn};

/// Columns of [`proposal`].
macro_rules! proposal_columns {
    () => {
        "id, what, about, body, what, who, why, at"
    };
}

/// Open ones, oldest first.
pub(super) const OPEN: &str = concat!(
    "SELECT ",
    proposal_columns!(),
    " FROM proposal WHERE tenant = $1 AND state = 'open' ORDER BY at, id LIMIT $2"
);

pub(super) fn proposal(row: &Row) -> Read<Proposal> {
    Ok(Proposal {
        id: get(row, 0)?,
        what: get(row, 1)?,
        about: get(row, 2)?,
        body: rows::open(get(row, 3)?)?,
        deed: deed(row, 4)?,
    })
}

/// The call that keeps one.
pub(super) fn propose(tenant: &TenantId, new: &NewProposal, by: By<'_>, now: Time) -> Work {
    let body = seal(&new.body);
    let size = body.len();
    Work::new(
        "INSERT INTO proposal (tenant, id, what, about, body, who, why, at, state)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open')",
        Wish::default(),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(text(&new.id).into_owned()),
            Box::new(text(&new.what).into_owned()),
            Box::new(text(&new.about).into_owned()),
            Box::new(body),
            Box::new(text(by.who).into_owned()),
            Box::new(seal(by.why.as_bytes())),
            Box::new(now.micros()),
        ],
    )
    .weighing(size)
    .quiet()
    // Done twice, it would be there already.
    .once()
}

/// The call that decides an open one; no row: there is none, or whoever confirms it proposed it.
pub(super) fn decide(
    tenant: &TenantId,
    id: &str,
    (second, confirms): (&str, bool),
    now: Time,
) -> Work {
    Work::new(
        concat!(
            "UPDATE proposal SET state = CASE WHEN $4 THEN 'confirmed' ELSE 'rejected' END, second = $3,
               decided = $5 WHERE tenant = $1 AND id = $2 AND state = 'open' AND (NOT $4 OR who <> $3)
             RETURNING ",
            proposal_columns!()
        ),
        Wish::default(),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(text(id).into_owned()),
            Box::new(text(second).into_owned()),
            Box::new(confirms),
            Box::new(now.micros()),
        ],
    )
    .quiet()
    // Done twice, the second answer would be that there is none.
    .once()
}

/// The client whom a job concerns, which never changes.
pub(super) const CLIENT: &str = "SELECT client FROM any_job WHERE tenant = $1 AND id = $2";

/// The call that puts a job in for another, which concerns this client.
pub(super) fn stand_in(tenant: &TenantId, s: &StandIn, client: Option<&str>, by: By<'_>) -> Work {
    let wish = Wish::default()
        .job(tenant, s.source.as_str(), false)
        // As an admission has it: no other version comes meanwhile.
        .name("record", tenant, &[&s.record.kind, &s.record.id]);
    let mut wish = places(wish, tenant, &s.job);
    if let Some(client) = client {
        // A person may stop the patient at all partners, also at one that has had nothing yet.
        wish = wish.name("patient", tenant, &[client]);
    }
    let mut bytes = Bytes::default();
    let document = json!({
        "tenant": tenant.as_str(), "source": s.source.as_str(), "from": s.from.as_str(),
        "to": s.to.map(State::as_str), "kind": s.record.kind,
        "record": s.record.id, "version": s.record.version, "head": s.head, "job": job(&s.job, &mut bytes),
        "how": s.how, "who": by.who, "why": bytes.sealed(by.why.as_bytes()), "now": s.now.micros(),
    });
    let size = bytes.size();
    Work::new(
        "SELECT stand_in($1::text::jsonb, $2)",
        wish,
        vec![Box::new(rows::document(document)), Box::new(bytes.0)],
    )
    .weighing(size)
    // Done twice, the second answer would be that it has moved.
    .once()
}
