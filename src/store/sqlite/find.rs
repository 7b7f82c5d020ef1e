//! Finding jobs and lanes for people. Every list goes by an index, in its order, and looks at no more
//! than so many rows for a page.

use rusqlite::{Connection, OptionalExtension, params};

use super::blocked::{self, Glance, JOB, blocked_by};
use super::rows;
use super::seal::open;
use super::views::{effects, tries};
use crate::clock::Time;
use crate::ids::{JobId, PartnerId};
use crate::sync::job::{Chain, State};
use crate::sync::ports::{
    DeedView, JobFilter, JobPlace, JobSheet, JobView, LanePlace, LaneView, Page, Tie, TiedJob,
};

/// Rows that one list looks at for a page.
const LOOKED_AT_MAX: i64 = 10_000;
/// Acts and tied jobs of one job, at most.
const TIES_MAX: i64 = 100;

/// What one list found, and the place up to which it looked; `None`: to its end.
struct Looked {
    found: Vec<(JobPlace, Glance)>,
    upto: Option<JobPlace>,
}

/// Goes through rows in their order until the page is full or too many were looked at.
fn look(
    mut rows: rusqlite::Rows<'_>,
    filter: &JobFilter,
    limit: usize,
) -> rusqlite::Result<Looked> {
    let mut found = Vec::new();
    let mut looked = 0;
    while let Some(r) = rows.next()? {
        let g = blocked::job(r)?;
        let place = (g.view.accepted, g.seq);
        looked += 1;
        if filter.fits(&g.view) {
            found.push((place, g));
        }
        if found.len() >= limit || looked >= LOOKED_AT_MAX {
            return Ok(Looked {
                found,
                upto: Some(place),
            });
        }
    }
    Ok(Looked { found, upto: None })
}

/// The partners that have jobs.
fn partners(connection: &Connection, tenant: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT DISTINCT partner FROM count WHERE tenant = ?1")?
        .query_map([tenant], |r| r.get(0))?
        .collect()
}

/// Jobs that fit.
pub(super) fn jobs(
    connection: &Connection,
    tenant: &str,
    filter: &JobFilter,
    after: Option<JobPlace>,
    limit: usize,
    now: Time,
) -> rusqlite::Result<Page<JobView, JobPlace>> {
    let limit = limit.max(1);
    let one = |sql: &str, name: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<Looked> {
        let mut query = connection.prepare_cached(sql)?;
        look(query.query(name)?, filter, limit)
    };
    let (accepted, seq) = after.map_or((i64::MIN, 0), |(t, seq)| (t.micros(), seq));
    let mut lists = Vec::new();
    let mut newest_first = false;
    if let (Some(kind), Some(record)) = (&filter.kind, &filter.record) {
        for partner in partners(connection, tenant)? {
            lists.push(one(
                &format!(
                    "SELECT {JOB} FROM job INDEXED BY job_record WHERE tenant = ?1 AND partner = ?2
                       AND kind = ?3 AND record = ?4 AND (accepted, seq) > (?5, ?6) ORDER BY accepted, seq"
                ),
                &[&tenant, &partner, kind, record, &accepted, &seq],
            )?);
        }
    } else {
        match filter.state {
            Some(state @ (State::Parked | State::Asking)) => {
                let index = format!("job_{}", state.as_str());
                lists.push(one(
                    &format!(
                        "SELECT {JOB} FROM job INDEXED BY {index} WHERE tenant = ?1 AND state = '{}'
                           AND (accepted, seq) > (?2, ?3) ORDER BY accepted, seq",
                        state.as_str()
                    ),
                    &[&tenant, &accepted, &seq],
                )?);
            }
            Some(State::Waiting | State::Sending) => {
                for partner in partners(connection, tenant)? {
                    if filter
                        .partner
                        .as_ref()
                        .is_some_and(|p| p.as_str() != partner)
                    {
                        continue;
                    }
                    lists.push(one(
                        &format!(
                            "SELECT {JOB} FROM job INDEXED BY job_open WHERE tenant = ?1 AND partner = ?2
                               AND settled IS NULL AND (accepted, seq) > (?3, ?4)
                             ORDER BY accepted, seq"
                        ),
                        &[&tenant, &partner, &accepted, &seq],
                    )?);
                }
            }
            _ => {
                newest_first = true;
                let before = if after.is_some() { seq } else { i64::MAX };
                lists.push(one(
                    &format!(
                        "SELECT {JOB} FROM job WHERE seq < ?2 AND +tenant = ?1 ORDER BY seq DESC"
                    ),
                    &[&tenant, &before],
                )?);
            }
        }
    }
    page(connection, tenant, lists, newest_first, limit, now)
}

/// Joins the lists to one page: nothing is shown beyond the place up to which all were looked at.
fn page(
    connection: &Connection,
    tenant: &str,
    lists: Vec<Looked>,
    newest_first: bool,
    limit: usize,
    now: Time,
) -> rusqlite::Result<Page<JobView, JobPlace>> {
    let upto = lists.iter().filter_map(|l| l.upto).min();
    let mut all: Vec<_> = lists.into_iter().flat_map(|l| l.found).collect();
    if !newest_first {
        all.sort_by_key(|(place, _)| *place);
        all.retain(|(place, _)| upto.is_none_or(|u| *place <= u));
    }
    let more = all.len() > limit;
    all.truncate(limit);
    let next = if more || (upto.is_some() && all.len() == limit) {
        all.last().map(|(place, _)| *place)
    } else {
        upto
    };
    let mut found = Vec::with_capacity(all.len());
    for (_, g) in all {
        found.push(seen(connection, tenant, g, now)?);
    }
    Ok(Page { found, next })
}

fn seen(connection: &Connection, tenant: &str, g: Glance, now: Time) -> rusqlite::Result<JobView> {
    let blocked_by = blocked_by(connection, tenant, &g, Some(now))?;
    Ok(JobView {
        blocked_by,
        ..g.view
    })
}

/// One job with all that belongs to it.
pub(super) fn sheet(
    connection: &Connection,
    tenant: &str,
    job: &JobId,
    now: Time,
) -> rusqlite::Result<Option<JobSheet>> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT {JOB}, chain, priority, deadline, guarded FROM job WHERE tenant = ?1 AND id = ?2"
        ))?
        .query_row(params![tenant, job.as_str()], |r| {
            Ok((
                blocked::job(r)?,
                r.get::<_, String>(22)?,
                r.get(23)?,
                r.get::<_, Option<i64>>(24)?,
                r.get(25)?,
            ))
        })
        .optional()?;
    let Some((g, chain, priority, deadline, guarded)) = found else {
        return Ok(None);
    };
    let (seq, lane) = (g.seq, g.lane.clone());
    let mut view = seen(connection, tenant, g, now)?;
    view.effects = effects(connection, tenant, seq)?;
    view.tries = tries(connection, tenant, seq)?;
    let acts = connection
        .prepare_cached(
            "SELECT act, who, why, at FROM act WHERE tenant = ?1 AND job = ?2 ORDER BY rowid LIMIT ?3",
        )?
        .query_map(params![tenant, seq, TIES_MAX], |r| deed(r, 0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(JobSheet {
        ties: ties(connection, tenant, seq, &view)?,
        job: view,
        lane,
        chain: Chain(chain),
        priority,
        deadline: deadline.map(Time::from_micros),
        guarded,
        acts,
    }))
}

/// Four columns from one on: what, who, sealed why, at.
pub(super) fn deed(r: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<DeedView> {
    Ok(DeedView {
        what: r.get(column)?,
        who: r.get(column + 1)?,
        why: String::from_utf8_lossy(&open(r.get(column + 2)?)?).into_owned(),
        at: rows::time(r, column + 3)?,
    })
}

fn ties(
    connection: &Connection,
    tenant: &str,
    seq: i64,
    job: &JobView,
) -> rusqlite::Result<Vec<TiedJob>> {
    const TIED: &str = "j.id, j.partner, j.version, j.state, j.seq";
    let tied = |r: &rusqlite::Row<'_>, tie: Option<Tie>| {
        let other: i64 = r.get(4)?;
        let by_order = if other < seq {
            Tie::Earlier
        } else {
            Tie::Later
        };
        Ok(TiedJob {
            tie: tie.unwrap_or(by_order),
            job: JobId::new(r.get_ref(0)?.as_str()?),
            partner: PartnerId::new(r.get_ref(1)?.as_str()?),
            version: rows::number(r, 2)?,
            state: rows::state(r, 3)?,
        })
    };
    let record = &job.record;
    let mut out: Vec<TiedJob> = connection
        .prepare_cached(&format!(
            "SELECT {TIED} FROM job j INDEXED BY job_record WHERE j.tenant = ?1 AND j.partner = ?2
               AND j.kind = ?3 AND j.record = ?4 AND j.seq <> ?5 ORDER BY j.seq LIMIT ?6"
        ))?
        .query_map(
            params![
                tenant,
                job.partner.as_str(),
                record.kind,
                record.id,
                seq,
                TIES_MAX
            ],
            |r| tied(r, None),
        )?
        .collect::<rusqlite::Result<_>>()?;
    for (sql, tie) in [
        ("m.job = ?2 AND j.seq = m.source", Tie::MadeFrom),
        ("m.source = ?2 AND j.seq = m.job", Tie::MadeInto),
    ] {
        let mut query = connection.prepare_cached(&format!(
            "SELECT {TIED} FROM made m CROSS JOIN job j WHERE m.tenant = ?1 AND {sql} LIMIT ?3"
        ))?;
        for made in query.query_map(params![tenant, seq, TIES_MAX], |r| tied(r, Some(tie)))? {
            out.push(made?);
        }
    }
    Ok(out)
}

/// Lanes, biggest first; those of one job by their keys.
pub(super) fn lanes(
    connection: &Connection,
    tenant: &str,
    partner: Option<&PartnerId>,
    after: Option<LanePlace>,
    limit: usize,
    now: Time,
) -> rusqlite::Result<Page<LaneView, LanePlace>> {
    let limit = limit.max(1);
    let rows_max = i64::try_from(limit).unwrap_or(i64::MAX);
    let partners = match partner {
        Some(partner) => vec![partner.as_str().to_owned()],
        None => partners(connection, tenant)?,
    };
    // (jobs, partner, lane): bigger ones first, then by name.
    let mut all: Vec<(i64, String, String, i64)> = Vec::new();
    let from = after.map(|(jobs, partner, lane)| {
        let jobs = i64::try_from(jobs).unwrap_or(i64::MAX);
        (jobs, partner.as_str().to_owned(), lane)
    });
    for partner in partners {
        // Of the same size: this partner's lanes after the place, none of an earlier partner's, all of
        // a later one's.
        let (jobs, lane) = match &from {
            None => (i64::MAX, String::new()),
            Some((jobs, at, lane)) => match partner.as_str().cmp(at.as_str()) {
                std::cmp::Ordering::Less => (*jobs - 1, String::new()),
                std::cmp::Ordering::Equal => (*jobs, lane.clone()),
                std::cmp::Ordering::Greater => (*jobs, String::new()),
            },
        };
        let mut add = |sql: &str| -> rusqlite::Result<()> {
            let mut query = connection.prepare_cached(sql)?;
            let name = params![tenant, partner, jobs, lane, rows_max];
            for row in query.query_map(name, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))? {
                let (n, key, head) = row?;
                all.push((n, partner.clone(), key, head));
            }
            Ok(())
        };
        if jobs > 1 {
            add(
                "SELECT jobs, lane, head FROM lane INDEXED BY lane_long WHERE tenant = ?1 AND partner = ?2
                   AND jobs > 1 AND jobs = ?3 AND lane > ?4 ORDER BY lane LIMIT ?5",
            )?;
            add(
                "SELECT jobs, lane, head FROM lane INDEXED BY lane_long WHERE tenant = ?1 AND partner = ?2
                   AND jobs > 1 AND jobs < ?3 AND ?4 = ?4 ORDER BY jobs DESC, lane LIMIT ?5",
            )?;
        }
        if jobs >= 1 {
            let key = if jobs == 1 { lane.as_str() } else { "" };
            let mut query = connection.prepare_cached(
                "SELECT jobs, lane, head FROM lane WHERE tenant = ?1 AND partner = ?2 AND lane > ?3
                   AND jobs <= 1 ORDER BY lane LIMIT ?4",
            )?;
            let name = params![tenant, partner, key, rows_max];
            for row in query.query_map(name, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))? {
                let (n, key, head) = row?;
                all.push((n, partner.clone(), key, head));
            }
        }
    }
    all.sort_by(|a, b| (b.0, &a.1, &a.2).cmp(&(a.0, &b.1, &b.2)));
    let more = all.len() >= limit;
    all.truncate(limit);
    let mut found = Vec::with_capacity(all.len());
    for (jobs, partner, lane, head) in all {
        let g = connection
            .prepare_cached(&format!("SELECT {JOB} FROM job WHERE seq = ?1"))?
            .query_row([head], blocked::job)?;
        found.push(LaneView {
            partner: PartnerId::new(&partner),
            lane,
            jobs: u64::try_from(jobs).unwrap_or(0),
            head: seen(connection, tenant, g, now)?,
        });
    }
    let last = found.last().filter(|_| more);
    let next = last.map(|l| (l.jobs, l.partner.clone(), l.lane.clone()));
    Ok(Page { found, next })
}

/// The jobs of a lane in the order in which they go.
pub(super) fn lane(
    connection: &Connection,
    tenant: &str,
    partner: &PartnerId,
    lane: &str,
    limit: usize,
    now: Time,
) -> rusqlite::Result<Vec<JobView>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let head: Option<i64> = connection
        .prepare_cached("SELECT head FROM lane WHERE tenant = ?1 AND partner = ?2 AND lane = ?3")?
        .query_row(params![tenant, partner.as_str(), lane], |r| r.get(0))
        .optional()?;
    let mut all: Vec<Glance> = connection
        .prepare_cached(&format!(
            "SELECT {JOB} FROM job INDEXED BY job_lane WHERE tenant = ?1 AND partner = ?2 AND lane = ?3
               AND rank IS NOT NULL ORDER BY rank, seq LIMIT ?4"
        ))?
        .query_map(
            params![tenant, partner.as_str(), lane, limit],
            blocked::job,
        )?
        .collect::<rusqlite::Result<_>>()?;
    // A cancel may pass what is unclear in other chains.
    if let Some(at) = all.iter().position(|g| Some(g.seq) == head) {
        let head = all.remove(at);
        all.insert(0, head);
    }
    all.into_iter()
        .map(|g| seen(connection, tenant, g, now))
        .collect()
}
