//! What people do: the calls (sql/people.sql does them).

use super::locks::Wish;
use super::rows;
use super::writer::Work;
use crate::clock::Time;
use crate::ids::{JobId, TenantId};
use crate::store::seal::seal;
use crate::sync::ports::{Act, CrosswalkRow};

/// The call that carries out an act.
pub(super) fn act(tenant: &TenantId, job: &JobId, act: Act, by: (&str, &str), now: Time) -> Work {
    Work::new(
        "SELECT act($1, $2, $3, $4, $5, $6)",
        Wish::default().job(tenant, job.as_str(), false),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(rows::text(job.as_str()).into_owned()),
            Box::new(word(act)),
            Box::new(rows::text(by.0).into_owned()),
            Box::new(seal(by.1.as_bytes())),
            Box::new(now.micros()),
        ],
    )
    // Done twice, the second answer would be that it is not allowed.
    .once()
}

const fn word(act: Act) -> &'static str {
    match act {
        Act::Retry => "retry",
        Act::Cancel => "cancel",
        Act::ResolveThere => "resolve-there",
        Act::ResolveNotThere => "resolve-not-there",
    }
}

/// The call that links a patient by hand.
pub(super) fn link(tenant: &TenantId, row: &CrosswalkRow, client: Option<&str>, now: Time) -> Work {
    let own = |text: &str| rows::text(text).into_owned();
    Work::new(
        "SELECT link($1, $2, $3, $4, $5, $6, $7, $8)",
        Wish::default().partner(tenant, &row.partner),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(own(row.partner.as_str())),
            Box::new(own(&row.resource_type)),
            Box::new(own(&row.our_id)),
            Box::new(own(&row.their_id)),
            Box::new(row.their_version.as_deref().map(own)),
            Box::new(client.map(own)),
            Box::new(now.micros()),
        ],
    )
}
