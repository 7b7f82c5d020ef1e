//! What people look at: the story of a record, the status of everything; each of one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::Row;

use super::blocked::{glance, job_columns};
use super::keeping;
use super::readers::Moment;
use super::rows::{self, Read, get, version_columns};
use crate::clock::Time;
use crate::ids::{PartnerId, RawId, TenantId};
use crate::store::issues;
use crate::sync::job::VersionRef;
use crate::sync::ports::{
    Denial, EffectView, JobView, PartnerView, Refusal, Status, Story, TryView, Unmatched,
};
use crate::sync::reason::Reason;
use crate::sync::verdict::Verdict;

/// Jobs, answers and refusals listed, at most, where the caller names no limit.
const LIST_MAX: i64 = 1000;

pub(super) async fn effects(
    moment: &mut Moment<'_>,
    tenant: &str,
    seq: i64,
) -> Read<Vec<EffectView>> {
    const SQL: &str = "SELECT n, kind, type, our_id, done, their_id FROM effect
       WHERE tenant = $1 AND job = $2 ORDER BY n";
    let found = moment.rows(SQL, &[&tenant, &seq]).await?;
    found
        .iter()
        .map(|row| {
            Ok(EffectView {
                n: rows::small(row, 0)?,
                kind: rows::effect_kind(row, 1)?,
                resource_type: get(row, 2)?,
                our_id: get(row, 3)?,
                done: get(row, 4)?,
                their_id: get(row, 5)?,
            })
        })
        .collect()
}

pub(super) async fn tries(moment: &mut Moment<'_>, tenant: &str, seq: i64) -> Read<Vec<TryView>> {
    const SQL: &str =
        "SELECT effect, asked, started, took, verdict, reason, status, length(body)::bigint - 1, together
         FROM attempt WHERE tenant = $1 AND job = $2 ORDER BY n LIMIT 1000";
    let found = moment.rows(SQL, &[&tenant, &seq]).await?;
    found
        .iter()
        .map(|row| {
            Ok(TryView {
                effect: rows::small(row, 0)?,
                asked: get(row, 1)?,
                started: rows::time(row, 2)?,
                took_ms: rows::number(row, 3)? / 1000,
                verdict: Verdict::parse(get(row, 4)?),
                reason: rows::reason(row, 5)?.unwrap_or(Reason::Unclear),
                status: rows::status(row, 6)?,
                answer_bytes: rows::number(row, 7)?,
                together: rows::small(row, 8)?,
            })
        })
        .collect()
}

pub(super) fn denial(row: &Row) -> Read<Denial> {
    Ok(Denial {
        record: rows::version_ref(row, 0)?,
        partner: PartnerId::new(get(row, 3)?),
        client: get(row, 4)?,
        why: get(row, 5)?,
    })
}

/// The whole story of a record.
pub(super) async fn story(
    moment: &mut Moment<'_>,
    tenant: &TenantId,
    kind: &str,
    id: &str,
) -> Read<Option<Story>> {
    const VERSIONS: &str = concat!(
        "SELECT ",
        version_columns!(),
        " FROM version v WHERE v.tenant = $1 AND v.kind = $2 AND v.id = $3
          ORDER BY v.version DESC LIMIT $4"
    );
    const RESOURCES: &str = "SELECT type, id, part, version, record_version, profiles FROM resource
       WHERE tenant = $1 AND kind = $2 AND record = $3 ORDER BY record_version, type, id, version LIMIT $4";
    const JOBS: &str = concat!(
        "SELECT ",
        job_columns!("NULL"),
        " FROM any_job j WHERE j.tenant = $1 AND j.chain = $2 AND j.kind = $3 AND j.record = $4
          ORDER BY j.seq LIMIT $5"
    );
    const DENIALS: &str = "SELECT kind, record, version, partner, client, why, open FROM denial
       WHERE tenant = $1 AND kind = $2 AND record = $3 ORDER BY n LIMIT $4";
    const ANSWERS: &str = concat!(
        "SELECT ",
        version_columns!(),
        " FROM version v WHERE v.tenant = $1 AND v.chain = $2 AND v.kind <> $3
          ORDER BY v.accepted LIMIT $4"
    );
    let t = tenant.as_str();
    let name: super::readers::Params<'_> = &[&t, &kind, &id, &LIST_MAX];
    let versions = moment.rows(VERSIONS, name).await?;
    let versions: Vec<_> = versions
        .iter()
        .map(rows::stored_version)
        .collect::<Read<_>>()?;
    let Some(newest) = versions.first() else {
        return Ok(None);
    };
    let chain = newest.chain.0.clone();
    let resources = moment.rows(RESOURCES, name).await?;
    let resources = resources
        .iter()
        .map(|row| {
            Ok((
                get(row, 0)?,
                get(row, 1)?,
                get(row, 2)?,
                rows::number(row, 3)?,
                rows::number(row, 4)?,
                get(row, 5)?,
            ))
        })
        .collect::<Read<_>>()?;
    let found = moment
        .rows(JOBS, &[&t, &chain, &kind, &id, &LIST_MAX])
        .await?;
    let mut jobs = Vec::with_capacity(found.len());
    for row in &found {
        let (seq, view) = glance(row, 0)?;
        jobs.push(JobView {
            effects: effects(moment, t, seq).await?,
            tries: tries(moment, t, seq).await?,
            ..view
        });
    }
    let denials = moment.rows(DENIALS, name).await?;
    let denials = denials
        .iter()
        .map(|row| Ok((denial(row)?, get(row, 6)?)))
        .collect::<Read<_>>()?;
    let answers = moment
        .rows(ANSWERS, &[&t, &chain, &kind, &LIST_MAX])
        .await?;
    let answers = answers
        .iter()
        .map(rows::stored_version)
        .collect::<Read<_>>()?;
    Ok(Some(Story {
        versions,
        resources,
        jobs,
        denials,
        answers,
    }))
}

/// The status of everything.
pub(super) async fn status(
    moment: &mut Moment<'_>,
    tenant: &TenantId,
    now: Time,
    limit: usize,
) -> Read<Status> {
    const DENIALS: &str = "SELECT count(*) FROM denial WHERE tenant = $1 AND open";
    const TOTAL: &str =
        "SELECT coalesce(sum(n), 0)::bigint FROM total WHERE tenant = $1 AND what = 'versions'";
    const MADE: &str =
        "SELECT coalesce(sum(n), 0)::bigint FROM count WHERE tenant = $1 AND state = 'made'";
    const BY_PEOPLE: &str = "SELECT coalesce(sum(n), 0)::bigint FROM total WHERE tenant = $1 AND what = 'jobs by people'";
    let t = tenant.as_str();
    let limit = rows::limit(limit);
    let jobs = worth_a_look(moment, t, now, limit).await?;
    let partners = partners(moment, t).await?;
    let parked_raw = parked_raw(moment, t, limit).await?;
    let unmatched = unmatched(moment, t).await?;
    let refusals = refusals(moment, t).await?;
    let audited = keeping::audited(moment, t).await?;
    let mut numbers = [0; 4];
    for (number, sql) in numbers.iter_mut().zip([DENIALS, TOTAL, MADE, BY_PEOPLE]) {
        let found = moment.rows(sql, &[&t]).await?;
        *number = match found.first() {
            Some(row) => rows::number(row, 0)?,
            None => 0,
        };
    }
    let [denials_open, versions, jobs_made, jobs_by_people] = numbers;
    Ok(Status {
        partners,
        jobs,
        parked_raw,
        unmatched,
        refusals,
        denials_open,
        versions,
        jobs_made,
        jobs_by_people,
        audited,
    })
}

/// Parked, asking, retrying, held, and what has waited for a minute; oldest first.
async fn worth_a_look(
    moment: &mut Moment<'_>,
    tenant: &str,
    now: Time,
    limit: i64,
) -> Read<Vec<JobView>> {
    // What blocks a job is asked only of those that are listed.
    const SQL: &str = concat!(
        "WITH listed AS (
           (SELECT * FROM job WHERE tenant = $1 AND state = 'parked' ORDER BY accepted LIMIT $3)
           UNION ALL
           (SELECT * FROM job WHERE tenant = $1 AND state = 'asking' ORDER BY accepted LIMIT $3)
           UNION ALL
           (SELECT * FROM job WHERE tenant = $1 AND state = 'waiting' AND (attempts > 0 OR held)
              ORDER BY accepted LIMIT $3)
           UNION ALL
           (SELECT w.* FROM count c CROSS JOIN LATERAL (SELECT * FROM job o WHERE o.tenant = $1
                AND o.partner = c.partner AND o.state = 'waiting' AND o.attempts = 0 AND NOT o.held
                AND o.accepted < $2 ORDER BY o.accepted LIMIT $3) w
              WHERE c.tenant = $1 AND c.state = 'waiting')),
         few AS (SELECT * FROM listed ORDER BY accepted, seq LIMIT $3)
         SELECT ",
        job_columns!("$4"),
        " FROM few f JOIN any_job j ON j.tenant = f.tenant AND j.seq = f.seq ORDER BY f.accepted, f.seq"
    );
    let minute = now.minus(Duration::from_secs(60)).micros();
    let found = moment
        .rows(SQL, &[&tenant, &minute, &limit, &now.micros()])
        .await?;
    found.iter().map(|row| Ok(glance(row, 0)?.1)).collect()
}

async fn partners(moment: &mut Moment<'_>, tenant: &str) -> Read<Vec<PartnerView>> {
    const COUNTS: &str =
        "SELECT partner, state, n FROM count WHERE tenant = $1 AND state <> 'made'";
    const PAUSES: &str = "SELECT partner, paused_until, pause_reason, last_success FROM partner
       WHERE tenant = $1";
    const OLDEST: &str = "SELECT accepted FROM job WHERE tenant = $1 AND partner = $2
       AND state <> 'parked' ORDER BY accepted LIMIT 1";
    const TRIED: &str = "SELECT partner, count(*) FILTER (WHERE attempts > 0),
         count(*) FILTER (WHERE held) FROM job
       WHERE tenant = $1 AND state = 'waiting' AND (attempts > 0 OR held) GROUP BY partner";
    let mut all: BTreeMap<String, PartnerView> = BTreeMap::new();
    let view = |name: &str| PartnerView::unused(&PartnerId::new(name));
    for row in moment.rows(COUNTS, &[&tenant]).await? {
        let name: &str = get(&row, 0)?;
        let entry = all.entry(name.to_owned()).or_insert_with(|| view(name));
        entry
            .jobs
            .insert(rows::state(&row, 1)?.as_str(), rows::number(&row, 2)?);
    }
    for row in moment.rows(PAUSES, &[&tenant]).await? {
        let name: &str = get(&row, 0)?;
        let entry = all.entry(name.to_owned()).or_insert_with(|| view(name));
        let reason = rows::reason(&row, 2)?.unwrap_or(Reason::PartnerPaused);
        entry.paused = rows::time_if(&row, 1)?.map(|until| (until, reason));
        entry.last_success = rows::time_if(&row, 3)?;
    }
    for (name, entry) in &mut all {
        let found = moment.rows(OLDEST, &[&tenant, name]).await?;
        if let Some(row) = found.first() {
            entry.oldest = rows::time_if(row, 0)?;
        }
    }
    for row in moment.rows(TRIED, &[&tenant]).await? {
        if let Some(entry) = all.get_mut(get::<&str>(&row, 0)?) {
            (entry.retrying, entry.held) = (rows::number(&row, 1)?, rows::number(&row, 2)?);
        }
    }
    Ok(all.into_values().collect())
}

type ParkedRaw = (RawId, String, Time, Vec<String>);

async fn parked_raw(moment: &mut Moment<'_>, tenant: &str, limit: i64) -> Read<Vec<ParkedRaw>> {
    const SQL: &str = "SELECT id, door, received, issues FROM raw
       WHERE tenant = $1 AND state = 'parked' AND state <> 'done' ORDER BY received LIMIT $2";
    let found = moment.rows(SQL, &[&tenant, &limit]).await?;
    found
        .iter()
        .map(|row| {
            let sealed: Option<Vec<u8>> = get(row, 3)?;
            let rules = match sealed {
                Some(sealed) => issues::read(&rows::open(sealed)?)
                    .into_iter()
                    .map(|i| i.rule.into_owned())
                    .collect(),
                None => Vec::new(),
            };
            Ok((
                RawId::new(get(row, 0)?),
                get(row, 1)?,
                rows::time(row, 2)?,
                rules,
            ))
        })
        .collect()
}

async fn unmatched(moment: &mut Moment<'_>, tenant: &str) -> Read<Vec<Unmatched>> {
    const SQL: &str = "SELECT door, coalesce(their_patient, ''), count(*), min(received) FROM raw
       WHERE tenant = $1 AND state = 'unmatched' AND state <> 'done'
       GROUP BY door, their_patient ORDER BY 4 LIMIT $2";
    let found = moment.rows(SQL, &[&tenant, &LIST_MAX]).await?;
    found
        .iter()
        .map(|row| {
            Ok(Unmatched {
                partner: PartnerId::new(get(row, 0)?),
                their_id: get(row, 1)?,
                waiting: rows::number(row, 2)?,
                since: rows::time(row, 3)?,
            })
        })
        .collect()
}

async fn refusals(moment: &mut Moment<'_>, tenant: &str) -> Read<Vec<(Refusal, u64, Time)>> {
    const SQL: &str = "SELECT kind, rule, pointer, caller, n, last FROM refusal WHERE tenant = $1
       ORDER BY n DESC LIMIT 100";
    let found = moment.rows(SQL, &[&tenant]).await?;
    found
        .iter()
        .map(|row| {
            Ok((
                Refusal {
                    kind: get(row, 0)?,
                    rule: get(row, 1)?,
                    pointer: get(row, 2)?,
                    caller: get(row, 3)?,
                },
                rows::number(row, 4)?,
                rows::time(row, 5)?,
            ))
        })
        .collect()
}

/// Names of versions as arrays.
pub(super) fn arrays(records: &[VersionRef]) -> (Vec<String>, Vec<String>, Vec<i64>) {
    let text = |t: &str| rows::text(t).into_owned();
    (
        records.iter().map(|r| text(&r.kind)).collect(),
        records.iter().map(|r| text(&r.id)).collect(),
        records.iter().map(|r| rows::int(r.version)).collect(),
    )
}
