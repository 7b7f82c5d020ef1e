//! What people look at: the story of a record, the status of everything.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::audit;
use super::blocked::{Glance, JOB, blocked_by, job};
use super::read;
use super::rows::{self, int};
use crate::clock::Time;
use crate::ids::{PartnerId, RawId, TenantId};
use crate::sync::job::EffectKind;
use crate::sync::ports::{
    EffectView, JobView, PartnerView, Refusal, Status, Story, TryView, Unmatched,
};
use crate::sync::reason::Reason;
use crate::sync::verdict::Verdict;

/// Jobs, answers and refusals listed, at most, where the caller names no limit.
const LIST_MAX: i64 = 1000;

pub(super) fn effects(
    connection: &Connection,
    tenant: &str,
    seq: i64,
) -> rusqlite::Result<Vec<EffectView>> {
    connection
        .prepare_cached(
            "SELECT n, kind, type, our_id, done, their_id FROM effect WHERE tenant = ?1 AND job = ?2 ORDER BY n",
        )?
        .query_map(params![tenant, seq], |r| {
            Ok(EffectView {
                n: rows::small(r, 0)?,
                kind: EffectKind::parse(r.get_ref(1)?.as_str()?).unwrap_or(EffectKind::Message),
                resource_type: r.get(2)?,
                our_id: r.get(3)?,
                done: r.get(4)?,
                their_id: r.get(5)?,
            })
        })?
        .collect()
}

pub(super) fn tries(
    connection: &Connection,
    tenant: &str,
    seq: i64,
) -> rusqlite::Result<Vec<TryView>> {
    connection
        .prepare_cached(
            "SELECT effect, asked, started, took, verdict, reason, status, length(body) - 1, together
             FROM attempt WHERE tenant = ?1 AND job = ?2 ORDER BY rowid LIMIT 1000",
        )?
        .query_map(params![tenant, seq], |r| {
            Ok(TryView {
                effect: rows::small(r, 0)?,
                asked: r.get(1)?,
                started: rows::time(r, 2)?,
                took_ms: rows::number(r, 3)? / 1000,
                verdict: Verdict::parse(r.get_ref(4)?.as_str()?),
                reason: rows::reason(r, 5)?.unwrap_or(Reason::Unclear),
                status: r.get(6)?,
                answer_bytes: rows::number(r, 7)?,
                together: rows::small(r, 8)?,
            })
        })?
        .collect()
}

/// The whole story of a record.
pub(super) fn story(
    connection: &Connection,
    tenant: &TenantId,
    kind: &str,
    id: &str,
) -> rusqlite::Result<Option<Story>> {
    let t = tenant.as_str();
    let versions: Vec<_> = connection
        .prepare_cached(&format!(
            "SELECT {} FROM version v WHERE v.tenant = ?1 AND v.kind = ?2 AND v.id = ?3
             ORDER BY v.version DESC LIMIT ?4",
            rows::VERSION
        ))?
        .query_map(params![t, kind, id, LIST_MAX], rows::stored_version)?
        .collect::<rusqlite::Result<_>>()?;
    let Some(newest) = versions.first() else {
        return Ok(None);
    };
    let resources = connection
        .prepare_cached(
            "SELECT type, id, part, version, record_version, profiles FROM resource
             WHERE tenant = ?1 AND kind = ?2 AND record = ?3 ORDER BY record_version, type, id, version LIMIT ?4",
        )?
        .query_map(params![t, kind, id, LIST_MAX], |r| {
            Ok((
                r.get(0)?,
                r.get(1)?,
                r.get(2)?,
                rows::number(r, 3)?,
                rows::number(r, 4)?,
                r.get(5)?,
            ))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let glances: Vec<Glance> = connection
        .prepare_cached(&format!(
            "SELECT {JOB} FROM job WHERE tenant = ?1 AND chain = ?2 AND kind = ?3 AND record = ?4
             ORDER BY seq LIMIT ?5"
        ))?
        .query_map(params![t, newest.chain.0, kind, id, LIST_MAX], job)?
        .collect::<rusqlite::Result<_>>()?;
    let mut jobs = Vec::with_capacity(glances.len());
    for g in glances {
        let blocked_by = blocked_by(connection, t, &g, None)?;
        jobs.push(JobView {
            blocked_by,
            effects: effects(connection, t, g.seq)?,
            tries: tries(connection, t, g.seq)?,
            ..g.view
        });
    }
    let denials = connection
        .prepare_cached(
            "SELECT kind, record, version, partner, client, why, open FROM denial
             WHERE tenant = ?1 AND kind = ?2 AND record = ?3 ORDER BY rowid LIMIT ?4",
        )?
        .query_map(params![t, kind, id, LIST_MAX], |r| {
            Ok((read::denial(r)?, r.get(6)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let answers = connection
        .prepare_cached(&format!(
            "SELECT {} FROM version v WHERE v.tenant = ?1 AND v.chain = ?2 AND v.kind <> ?3
             ORDER BY v.accepted LIMIT ?4",
            rows::VERSION
        ))?
        .query_map(
            params![t, newest.chain.0, kind, LIST_MAX],
            rows::stored_version,
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(Story {
        versions,
        resources,
        jobs,
        denials,
        answers,
    }))
}

/// The status of everything.
pub(super) fn status(
    connection: &Connection,
    tenant: &TenantId,
    now: Time,
    limit: usize,
) -> rusqlite::Result<Status> {
    let t = tenant.as_str();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let total = |what: &str| -> rusqlite::Result<u64> {
        connection
            .prepare_cached("SELECT n FROM total WHERE tenant = ?1 AND what = ?2")?
            .query_map(params![t, what], |r| rows::number(r, 0))?
            .next()
            .unwrap_or(Ok(0))
    };
    let mut jobs = Vec::new();
    for g in worth_a_look(connection, t, now, limit)? {
        let blocked_by = blocked_by(connection, t, &g, Some(now))?;
        jobs.push(JobView {
            blocked_by,
            ..g.view
        });
    }
    Ok(Status {
        partners: partners(connection, t)?,
        jobs,
        parked_raw: parked_raw(connection, t, limit)?,
        unmatched: unmatched(connection, t)?,
        refusals: refusals(connection, t)?,
        denials_open: connection
            .prepare_cached("SELECT count(*) FROM denial WHERE tenant = ?1 AND open = 1")?
            .query_row([t], |r| rows::number(r, 0))?,
        versions: total("versions")?,
        jobs_made: total("jobs")?,
        jobs_by_people: total("jobs by people")?,
        audited: audit::audited(connection, tenant)?,
    })
}

/// Parked, asking, retrying, held, and what has waited for a minute; oldest first.
fn worth_a_look(
    connection: &Connection,
    tenant: &str,
    now: Time,
    limit: i64,
) -> rusqlite::Result<Vec<Glance>> {
    let minute = now.minus(std::time::Duration::from_secs(60)).micros();
    let mut all: Vec<Glance> = Vec::new();
    for which in [
        "state = 'parked'",
        "state = 'asking'",
        "state = 'waiting' AND (attempts > 0 OR held = 1)",
    ] {
        let found = connection
            .prepare_cached(&format!(
                "SELECT {JOB} FROM job WHERE tenant = ?1 AND {which} ORDER BY accepted LIMIT ?2"
            ))?
            .query_map(params![tenant, limit], job)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        all.extend(found);
    }
    let partners: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT partner FROM count WHERE tenant = ?1")?
        .query_map([tenant], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for partner in partners {
        let found = connection
            .prepare_cached(&format!(
                "SELECT {JOB} FROM job WHERE tenant = ?1 AND partner = ?2
                   AND settled IS NULL AND accepted < ?3
                   AND state = 'waiting' AND attempts = 0 AND held = 0
                 ORDER BY accepted LIMIT ?4"
            ))?
            .query_map(params![tenant, partner, minute, limit], job)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        all.extend(found);
    }
    all.sort_by_key(|g| (g.view.accepted, g.seq));
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(all)
}

fn partners(connection: &Connection, tenant: &str) -> rusqlite::Result<Vec<PartnerView>> {
    let mut all: BTreeMap<String, PartnerView> = BTreeMap::new();
    let view = |name: &str| PartnerView::unused(&PartnerId::new(name));
    let mut counts =
        connection.prepare_cached("SELECT partner, state, n FROM count WHERE tenant = ?1")?;
    let mut found = counts.query([tenant])?;
    while let Some(r) = found.next()? {
        let name: String = r.get(0)?;
        let entry = all.entry(name.clone()).or_insert_with(|| view(&name));
        entry
            .jobs
            .insert(rows::state(r, 1)?.as_str(), rows::number(r, 2)?);
    }
    let mut pauses = connection.prepare_cached(
        "SELECT partner, paused_until, pause_reason, last_success FROM partner WHERE tenant = ?1",
    )?;
    let mut found = pauses.query([tenant])?;
    while let Some(r) = found.next()? {
        let name: String = r.get(0)?;
        let entry = all.entry(name.clone()).or_insert_with(|| view(&name));
        let until: Option<i64> = r.get(1)?;
        entry.paused = until.map(|u| {
            let reason = rows::reason(r, 2).ok().flatten();
            (
                Time::from_micros(u),
                reason.unwrap_or(Reason::PartnerPaused),
            )
        });
        entry.last_success = r.get::<_, Option<i64>>(3)?.map(Time::from_micros);
    }
    for (name, entry) in &mut all {
        entry.oldest = connection
            .prepare_cached(
                "SELECT min(accepted) FROM job WHERE tenant = ?1 AND partner = ?2
                   AND settled IS NULL",
            )?
            .query_row(params![tenant, name], |r| r.get::<_, Option<i64>>(0))?
            .map(Time::from_micros);
    }
    let mut tried = connection.prepare_cached(
        "SELECT partner, sum(attempts > 0), sum(held) FROM job INDEXED BY job_retrying
         WHERE tenant = ?1 AND state = 'waiting' AND (attempts > 0 OR held = 1) GROUP BY partner",
    )?;
    let mut found = tried.query([tenant])?;
    while let Some(r) = found.next()? {
        if let Some(entry) = all.get_mut(r.get_ref(0)?.as_str()?) {
            (entry.retrying, entry.held) = (rows::number(r, 1)?, rows::number(r, 2)?);
        }
    }
    Ok(all.into_values().collect())
}

type ParkedRaw = (RawId, String, Time, Vec<String>);

fn parked_raw(
    connection: &Connection,
    tenant: &str,
    limit: i64,
) -> rusqlite::Result<Vec<ParkedRaw>> {
    connection
        .prepare_cached(
            "SELECT id, door, received, issues FROM raw
             WHERE tenant = ?1 AND state = 'parked' AND state <> 'done' ORDER BY received LIMIT ?2",
        )?
        .query_map(params![tenant, limit], |r| {
            let issues: Option<Vec<u8>> = r.get(3)?;
            let rules = match issues {
                Some(sealed) => crate::store::issues::read(&super::seal::open(sealed)?)
                    .into_iter()
                    .map(|i| i.rule.into_owned())
                    .collect(),
                None => Vec::new(),
            };
            Ok((
                RawId::new(r.get_ref(0)?.as_str()?),
                r.get(1)?,
                rows::time(r, 2)?,
                rules,
            ))
        })?
        .collect()
}

fn unmatched(connection: &Connection, tenant: &str) -> rusqlite::Result<Vec<Unmatched>> {
    connection
        .prepare_cached(
            "SELECT door, their_patient, count(*), min(received) FROM raw
             WHERE tenant = ?1 AND state = 'unmatched' AND state <> 'done'
             GROUP BY door, their_patient ORDER BY 4 LIMIT ?2",
        )?
        .query_map(params![tenant, LIST_MAX], |r| {
            Ok(Unmatched {
                partner: PartnerId::new(r.get_ref(0)?.as_str()?),
                their_id: r.get::<_, Option<String>>(1)?.unwrap_or_default(),
                waiting: rows::number(r, 2)?,
                since: rows::time(r, 3)?,
            })
        })?
        .collect()
}

fn refusals(connection: &Connection, tenant: &str) -> rusqlite::Result<Vec<(Refusal, u64, Time)>> {
    connection
        .prepare_cached(
            "SELECT kind, rule, pointer, caller, n, last FROM refusal WHERE tenant = ?1
             ORDER BY n DESC LIMIT ?2",
        )?
        .query_map(params![tenant, int(100)], |r| {
            Ok((
                Refusal {
                    kind: r.get(0)?,
                    rule: r.get(1)?,
                    pointer: r.get(2)?,
                    caller: r.get(3)?,
                },
                rows::number(r, 4)?,
                rows::time(r, 5)?,
            ))
        })?
        .collect()
}
