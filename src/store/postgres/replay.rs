//! Replays: begun, stepped, stopped (sql/anew.sql does it). A step makes its jobs and moves its cursor in
//! one transaction, so that a crash repeats none of it and two nodes do it once.

use serde_json::{Value, json};
use tokio_postgres::Row;

use super::admit::{Bytes, job as job_of};
use super::blocked::{COLUMNS, glance, job_columns};
use super::find::deed;
use super::locks::Wish;
use super::readers::Moment;
use super::rows::{self, Read, get, text};
use super::writer::Work;
use crate::clock::Time;
use crate::ids::{JobId, PartnerId, TenantId};
use crate::store::seal::seal;
use crate::sync::job::{Chain, LaneKey, NewJob, State};
use crate::sync::ports::{
    Again, By, Candidate, JobFilter, NewReplay, Replay, ReplayState, ReplayStep, WholeJob,
};
use crate::sync::reason::Reason;

/// Columns of [`replay`].
macro_rules! replay_columns {
    () => {
        "id, filter, state, rate, cursor, upto, made, retried, skipped, 'replay', who, why, begun, changed"
    };
}

pub(super) const ONE: &str = concat!(
    "SELECT ",
    replay_columns!(),
    " FROM replay WHERE tenant = $1 AND id = $2"
);
/// Newest first.
pub(super) const ALL: &str = concat!(
    "SELECT ",
    replay_columns!(),
    " FROM replay WHERE tenant = $1 ORDER BY begun DESC, id LIMIT $2"
);
/// Of all tenants; the tenant behind the columns.
pub(super) const DUE: &str = concat!(
    "SELECT ",
    replay_columns!(),
    ", tenant FROM replay WHERE state IN ('running', 'cancelling') AND next <= $1
       ORDER BY next LIMIT 100"
);
/// Where the tenant stands in [`DUE`].
pub(super) const TENANT: usize = 14;

/// Rows that one look at candidates goes through, as in [`candidates`].
const LOOKED_AT_MAX: i64 = 5_000;

pub(super) fn replay(row: &Row) -> Read<Replay> {
    let state: &str = get(row, 2)?;
    Ok(Replay {
        id: get(row, 0)?,
        filter: rows::json(get(row, 1)?)?,
        state: ReplayState::parse(state).unwrap_or(ReplayState::Cancelled),
        rate: rows::small(row, 3)?,
        cursor: get(row, 4)?,
        upto: get(row, 5)?,
        made: rows::number(row, 6)?,
        retried: rows::number(row, 7)?,
        skipped: rows::json(get(row, 8)?)?,
        deed: deed(row, 9)?,
        changed: rows::time(row, 13)?,
    })
}

/// What keeps the deeds on one replay apart.
fn wish(tenant: &TenantId, id: &str) -> Wish {
    Wish::default().name("replay", tenant, &[id])
}

/// The call that begins one; a repeat finds it begun.
pub(super) fn begin(tenant: &TenantId, new: &NewReplay, by: By<'_>, now: Time) -> Work {
    let mut wish = wish(tenant, &new.id);
    if let Some(partner) = &new.filter.partner {
        wish = wish.partner(tenant, partner);
    }
    Work::new(
        "SELECT replay_begin($1, $2, $3, $4, $5, $6, $7)",
        wish,
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(text(&new.id).into_owned()),
            Box::new(serde_json::to_string(&new.filter).unwrap_or_default()),
            Box::new(i32::try_from(new.rate).unwrap_or(i32::MAX)),
            Box::new(text(by.who).into_owned()),
            Box::new(seal(by.why.as_bytes())),
            Box::new(now.micros()),
        ],
    )
    .quiet()
}

/// The call that carries out a step: at all partners that it may touch.
pub(super) fn step(tenant: &TenantId, s: &ReplayStep) -> Work {
    let mut wish = wish(tenant, &s.id);
    for again in &s.again {
        wish = match again {
            Again::Make { source, job, .. } => {
                places(wish.job(tenant, source.as_str(), false), tenant, job)
            }
            Again::Retry(job) => wish.job(tenant, job.as_str(), false),
        };
    }
    let mut bytes = Bytes::default();
    let again: Vec<Value> = s.again.iter().map(|a| one(a, &mut bytes)).collect();
    let document = json!({
        "tenant": tenant.as_str(), "id": s.id, "from": s.from, "to": s.to, "again": again,
        "skipped": s.skipped, "ended": s.ended, "next": s.next.micros(), "now": s.now.micros(),
    });
    let size = bytes.size();
    Work::new(
        "SELECT replay_step($1::text::jsonb, $2)",
        wish,
        vec![Box::new(rows::document(document)), Box::new(bytes.0)],
    )
    .weighing(size)
}

/// What making a job looks at.
pub(super) fn places(wish: Wish, tenant: &TenantId, job: &NewJob) -> Wish {
    let wish = wish.partner(tenant, &job.partner);
    match &job.awaits {
        Some(awaits) => wish.message(tenant, awaits.message.as_str()),
        None => wish,
    }
}

fn one(again: &Again, bytes: &mut Bytes) -> Value {
    match again {
        Again::Make {
            source,
            record,
            job,
        } => json!({
            "source": source.as_str(), "kind": record.kind, "record": record.id,
            "version": record.version, "job": job_of(job, bytes),
        }),
        Again::Retry(job) => json!({"retry": job.as_str()}),
    }
}

/// The call that stops one.
pub(super) fn stop(tenant: &TenantId, id: &str, by: By<'_>, now: Time) -> Work {
    Work::new(
        "SELECT replay_stop($1, $2, $3, $4, $5)",
        wish(tenant, id),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(text(id).into_owned()),
            Box::new(text(by.who).into_owned()),
            Box::new(seal(by.why.as_bytes())),
            Box::new(now.micros()),
        ],
    )
    .quiet()
    // Done twice, the second answer would be that none runs.
    .once()
}

/// The call that takes back some of what one made, at its partner.
pub(super) fn sweep(tenant: &TenantId, id: &str, partner: &PartnerId, now: Time) -> Work {
    Work::new(
        "SELECT replay_sweep($1, $2, $3, $4)",
        wish(tenant, id).partner(tenant, partner),
        vec![
            Box::new(tenant.as_str().to_owned()),
            Box::new(text(id).into_owned()),
            Box::new(partner.as_str().to_owned()),
            Box::new(now.micros()),
        ],
    )
}

/// Jobs that fit, in accepted order, after one place up to another; and the place up to which they were
/// looked at.
pub(super) async fn candidates(
    moment: &mut Moment<'_>,
    tenant: &str,
    filter: &JobFilter,
    (after, upto): (i64, i64),
    limit: usize,
) -> Read<(Vec<Candidate>, i64)> {
    const PLACE: &str = "SELECT seq FROM any_job WHERE tenant = $1 AND id = $2";
    // So many rows from a place on, those of them that fit, and the last one that was looked at.
    const SQL: &str = concat!(
        "WITH looked AS (SELECT tenant, seq, partner, kind, record, state, reason, accepted FROM any_job
             WHERE tenant = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT 5000),
           fit AS (SELECT tenant, seq FROM looked
             WHERE ($4::text IS NULL OR partner = $4) AND ($5::text IS NULL OR kind = $5)
               AND ($6::text IS NULL OR record = $6) AND ($7::text IS NULL OR state = $7)
               AND ($8::text IS NULL OR reason = $8) AND ($9::bigint IS NULL OR accepted >= $9)
               AND ($10::bigint IS NULL OR accepted < $10) ORDER BY seq LIMIT $11)
         SELECT ",
        job_columns!(),
        ", stands(j.tenant, j.partner, j.kind, j.record, j.seq, true),
           l.seq, (SELECT count(*) FROM looked) FROM fit f
             JOIN any_job j ON j.tenant = f.tenant AND j.seq = f.seq
             RIGHT JOIN (SELECT seq FROM looked ORDER BY seq DESC LIMIT 1) l ON true ORDER BY f.seq"
    );
    let (from, to) = match &filter.job {
        None => (after, upto),
        Some(job) => {
            let name = text(job.as_str());
            let found = moment.rows(PLACE, &[&tenant, &name]).await?;
            match found.first().map(|row| get::<i64>(row, 0)).transpose()? {
                Some(seq) if seq > after && seq <= upto => (seq - 1, seq),
                _ => return Ok((Vec::new(), upto)),
            }
        }
    };
    let partner = filter.partner.as_ref().map(PartnerId::as_str);
    let kind = filter.kind.as_deref().map(text);
    let record = filter.record.as_deref().map(text);
    let found = moment
        .rows(
            SQL,
            &[
                &tenant,
                &from,
                &to,
                &partner,
                &kind,
                &record,
                &filter.state.map(State::as_str),
                &filter.reason.map(Reason::as_str),
                &filter.since.map(Time::micros),
                &filter.until.map(Time::micros),
                &rows::limit(limit),
            ],
        )
        .await?;
    // Nothing is left up to the end, unless the rows say otherwise.
    let (mut all, mut end) = (Vec::new(), upto);
    for row in &found {
        if filter.job.is_none() && get::<i64>(row, COLUMNS + 2)? >= LOOKED_AT_MAX {
            end = get(row, COLUMNS + 1)?;
        }
        // One row without a job where none fits.
        if get::<Option<i64>>(row, 0)?.is_some() {
            let (seq, job) = glance(row, 0)?;
            let newer = get(row, COLUMNS)?;
            all.push(Candidate { seq, job, newer });
        }
    }
    if filter.job.is_none()
        && all.len() >= limit
        && let Some(last) = all.last()
    {
        end = last.seq;
    }
    Ok((all, end))
}

/// One job with its bytes.
pub(super) async fn whole(
    moment: &mut Moment<'_>,
    tenant: &str,
    job: &JobId,
) -> Read<Option<WholeJob>> {
    const SQL: &str = concat!(
        "SELECT ",
        rows::chain_job_columns!(),
        ", lane, chain, client, deadline, guarded, accepted, reason, priority FROM any_job
           WHERE tenant = $1 AND id = $2"
    );
    const EFFECTS: &str = "SELECT n, kind, type, our_id, find, media_type, body, holes, hash, done
       FROM effect WHERE tenant = $1 AND job = $2 ORDER BY n";
    const TRIED: &str = "SELECT coalesce(bool_or(verdict = 'unsure'), false),
         coalesce(bool_or(verdict = 'refused'), false) FROM attempt WHERE tenant = $1 AND job = $2";
    let name = text(job.as_str());
    let found = moment.rows(SQL, &[&tenant, &name]).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let priority: i32 = get(row, 19)?;
    let mut whole = WholeJob {
        job: rows::chain_job(row)?,
        lane: LaneKey(get(row, 12)?),
        chain: Chain(get(row, 13)?),
        client: get(row, 14)?,
        deadline: rows::time_if(row, 15)?,
        guarded: get(row, 16)?,
        accepted: rows::time(row, 17)?,
        reason: rows::reason(row, 18)?,
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        ever_unsure: false,
        ever_refused: false,
        effects: Vec::new(),
    };
    let seq = whole.job.seq;
    for row in moment.rows(EFFECTS, &[&tenant, &seq]).await? {
        whole.effects.extend(rows::effect(&row, 0)?);
    }
    whole.ever_unsure = whole.job.unsure;
    for row in moment.rows(TRIED, &[&tenant, &seq]).await? {
        whole.ever_unsure |= get::<bool>(&row, 0)?;
        whole.ever_refused = get(&row, 1)?;
    }
    Ok(Some(whole))
}
