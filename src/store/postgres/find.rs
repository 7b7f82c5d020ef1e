//! Finding jobs and lanes for people. Every list goes by an index, in its order, and looks at no more
//! than so many rows for a page.

use tokio_postgres::Row;

use super::blocked::{COLUMNS, glance, job_columns};
use super::readers::Moment;
use super::rows::{self, Read, get, text};
use super::views::{effects, tries};
use crate::clock::Time;
use crate::ids::{JobId, PartnerId};
use crate::sync::job::{Chain, State};
use crate::sync::ports::{
    DeedView, JobFilter, JobPlace, JobSheet, JobView, LanePlace, LaneView, Page, Tie, TiedJob,
};
use crate::sync::reason::Reason;

/// Acts and tied jobs of one job, at most.
const TIES_MAX: i64 = 100;

/// A list of jobs: so many rows in its order after a place, and of those the ones that fit, with how many
/// were looked at and the last place of them. `$1` tenant, `$2`, `$3` the place, `$4` to `$10` the filter,
/// `$11` how many, `$12` now.
macro_rules! list {
    ($base:literal, $order:literal, $last:literal, $shown:literal) => {
        concat!(
            "WITH looked AS (",
            $base,
            " ORDER BY ",
            $order,
            " LIMIT 10000),
             fit AS (SELECT tenant, accepted, seq FROM looked
               WHERE ($4::text IS NULL OR partner = $4) AND ($5::text IS NULL OR kind = $5)
                 AND ($6::text IS NULL OR record = $6) AND ($7::text IS NULL OR state = $7)
                 AND ($8::text IS NULL OR reason = $8) AND ($9::bigint IS NULL OR accepted >= $9)
                 AND ($10::bigint IS NULL OR accepted < $10) ORDER BY ",
            $order,
            " LIMIT $11)
             SELECT ",
            job_columns!("$12"),
            ", l.accepted, l.seq, (SELECT count(*) FROM looked) FROM fit f
               JOIN any_job j ON j.tenant = f.tenant AND j.seq = f.seq
               RIGHT JOIN (SELECT accepted, seq FROM looked ORDER BY ",
            $last,
            " LIMIT 1) l ON true ORDER BY ",
            $shown
        )
    };
}

const OF_RECORD: &str = list!(
    "SELECT o.* FROM (SELECT DISTINCT partner FROM count WHERE tenant = $1) p
       CROSS JOIN LATERAL (SELECT * FROM any_job a WHERE a.tenant = $1 AND a.partner = p.partner
         AND a.kind = $5 AND a.record = $6 AND (a.accepted, a.seq) > ($2, $3)) o",
    "accepted, seq",
    "accepted DESC, seq DESC",
    "f.accepted, f.seq"
);
const PARKED: &str = list!(
    "SELECT * FROM job WHERE tenant = $1 AND state = 'parked' AND (accepted, seq) > ($2, $3)",
    "accepted, seq",
    "accepted DESC, seq DESC",
    "f.accepted, f.seq"
);
const ASKING: &str = list!(
    "SELECT * FROM job WHERE tenant = $1 AND state = 'asking' AND (accepted, seq) > ($2, $3)",
    "accepted, seq",
    "accepted DESC, seq DESC",
    "f.accepted, f.seq"
);
const OPEN: &str = list!(
    "SELECT o.* FROM (SELECT DISTINCT partner FROM count WHERE tenant = $1
         AND ($4::text IS NULL OR partner = $4)) p
       CROSS JOIN LATERAL (SELECT * FROM job a WHERE a.tenant = $1 AND a.partner = p.partner
         AND a.state <> 'parked' AND (a.accepted, a.seq) > ($2, $3)
         ORDER BY a.accepted, a.seq LIMIT 10000) o",
    "accepted, seq",
    "accepted DESC, seq DESC",
    "f.accepted, f.seq"
);
const ALL: &str = list!(
    "SELECT * FROM any_job WHERE tenant = $1 AND seq < $3 AND $2::bigint IS NOT NULL",
    "seq DESC",
    "seq",
    "f.seq DESC"
);
/// Rows that one list looks at for a page, as in [`list`].
const LOOKED_AT_MAX: i64 = 10_000;

/// Jobs that fit.
pub(super) async fn jobs(
    moment: &mut Moment<'_>,
    tenant: &str,
    filter: &JobFilter,
    after: Option<JobPlace>,
    limit: usize,
    now: Time,
) -> Read<Page<JobView, JobPlace>> {
    let whole = filter.kind.is_some() && filter.record.is_some();
    let sql = match filter.state {
        _ if whole => OF_RECORD,
        Some(State::Parked) => PARKED,
        Some(State::Asking) => ASKING,
        Some(State::Waiting | State::Sending) => OPEN,
        _ => ALL,
    };
    let newest_first = std::ptr::eq(sql, ALL);
    let start = if newest_first { i64::MAX } else { 0 };
    let (accepted, seq) = after.map_or((i64::MIN, start), |(t, seq)| (t.micros(), seq));
    let limit = limit.max(1);
    let partner = filter.partner.as_ref().map(PartnerId::as_str);
    let kind = filter.kind.as_deref().map(text);
    let record = filter.record.as_deref().map(text);
    let found = moment
        .rows(
            sql,
            &[
                &tenant,
                &accepted,
                &seq,
                &partner,
                &kind,
                &record,
                &filter.state.map(State::as_str),
                &filter.reason.map(Reason::as_str),
                &filter.since.map(Time::micros),
                &filter.until.map(Time::micros),
                &rows::limit(limit),
                &now.micros(),
            ],
        )
        .await?;
    let (mut jobs, mut upto, mut last) = (Vec::new(), None, None);
    for row in &found {
        if get::<i64>(row, COLUMNS + 2)? >= LOOKED_AT_MAX {
            upto = Some((rows::time(row, COLUMNS)?, get(row, COLUMNS + 1)?));
        }
        // One row without a job where none fits.
        if get::<Option<i64>>(row, 0)?.is_some() {
            let (seq, view) = glance(row, 0)?;
            last = Some((view.accepted, seq));
            jobs.push(view);
        }
    }
    let next = if jobs.len() >= limit { last } else { upto };
    Ok(Page { found: jobs, next })
}

/// One job with all that belongs to it.
pub(super) async fn sheet(
    moment: &mut Moment<'_>,
    tenant: &str,
    job: &JobId,
    now: Time,
) -> Read<Option<JobSheet>> {
    const SQL: &str = concat!(
        "SELECT ",
        job_columns!("$3"),
        ", j.lane, j.chain, j.priority, j.deadline, j.guarded FROM any_job j
           WHERE j.tenant = $1 AND j.id = $2"
    );
    const ACTS: &str = "SELECT act, who, why, at FROM act WHERE tenant = $1 AND job = $2
       ORDER BY n LIMIT $3";
    let name = text(job.as_str());
    let found = moment.rows(SQL, &[&tenant, &name, &now.micros()]).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let (seq, view) = glance(row, 0)?;
    let view = JobView {
        effects: effects(moment, tenant, seq).await?,
        tries: tries(moment, tenant, seq).await?,
        ..view
    };
    let acts = moment.rows(ACTS, &[&tenant, &seq, &TIES_MAX]).await?;
    let priority: i32 = get(row, COLUMNS + 2)?;
    Ok(Some(JobSheet {
        ties: ties(moment, tenant, seq, &view).await?,
        job: view,
        lane: get(row, COLUMNS)?,
        chain: Chain(get(row, COLUMNS + 1)?),
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        deadline: rows::time_if(row, COLUMNS + 3)?,
        guarded: get(row, COLUMNS + 4)?,
        acts: acts.iter().map(|r| deed(r, 0)).collect::<Read<_>>()?,
    }))
}

/// From the columns what, who, sealed why, at.
pub(super) fn deed(row: &Row, at: usize) -> Read<DeedView> {
    let why = rows::open(get(row, at + 2)?)?;
    Ok(DeedView {
        what: get(row, at)?,
        who: get(row, at + 1)?,
        why: String::from_utf8_lossy(&why).into_owned(),
        at: rows::time(row, at + 3)?,
    })
}

async fn ties(
    moment: &mut Moment<'_>,
    tenant: &str,
    seq: i64,
    job: &JobView,
) -> Read<Vec<TiedJob>> {
    const BESIDE: &str = "SELECT j.id, j.partner, j.version, j.state, j.seq FROM any_job j
       WHERE j.tenant = $1 AND j.partner = $2 AND j.kind = $3 AND j.record = $4 AND j.seq <> $5
       ORDER BY j.seq LIMIT $6";
    const FROM: &str = "SELECT j.id, j.partner, j.version, j.state, j.seq FROM made m
       JOIN any_job j ON j.tenant = m.tenant AND j.seq = m.source
       WHERE m.tenant = $1 AND m.job = $2 LIMIT $3";
    const INTO: &str = "SELECT j.id, j.partner, j.version, j.state, j.seq FROM made m
       JOIN any_job j ON j.tenant = m.tenant AND j.seq = m.job
       WHERE m.tenant = $1 AND m.source = $2 LIMIT $3";
    let tied = |row: &Row, tie: Option<Tie>| -> Read<TiedJob> {
        let other: i64 = get(row, 4)?;
        let by_order = if other < seq {
            Tie::Earlier
        } else {
            Tie::Later
        };
        Ok(TiedJob {
            tie: tie.unwrap_or(by_order),
            job: JobId::new(get(row, 0)?),
            partner: PartnerId::new(get(row, 1)?),
            version: rows::number(row, 2)?,
            state: rows::state(row, 3)?,
        })
    };
    let (partner, record) = (job.partner.as_str(), &job.record);
    let beside = moment
        .rows(
            BESIDE,
            &[&tenant, &partner, &record.kind, &record.id, &seq, &TIES_MAX],
        )
        .await?;
    let mut out = beside
        .iter()
        .map(|row| tied(row, None))
        .collect::<Read<Vec<_>>>()?;
    for (sql, tie) in [(FROM, Tie::MadeFrom), (INTO, Tie::MadeInto)] {
        for row in moment.rows(sql, &[&tenant, &seq, &TIES_MAX]).await? {
            out.push(tied(&row, Some(tie))?);
        }
    }
    Ok(out)
}

/// Lanes, biggest first; of the same size by partner and key.
pub(super) async fn lanes(
    moment: &mut Moment<'_>,
    tenant: &str,
    partner: Option<&PartnerId>,
    after: Option<LanePlace>,
    limit: usize,
    now: Time,
) -> Read<Page<LaneView, LanePlace>> {
    // Long lanes by their own index, the others by their keys; per partner as many as a page holds.
    const SQL: &str = concat!(
        "WITH each AS (SELECT o.* FROM (SELECT DISTINCT partner FROM count WHERE tenant = $1
             AND ($2::text IS NULL OR partner = $2)) p CROSS JOIN LATERAL (
           (SELECT * FROM lane l WHERE l.tenant = $1 AND l.partner = p.partner AND l.jobs > 1
              AND l.jobs = $3 AND (l.partner, l.lane) > ($4, $5) ORDER BY l.lane LIMIT $6)
           UNION ALL
           (SELECT * FROM lane l WHERE l.tenant = $1 AND l.partner = p.partner AND l.jobs > 1
              AND l.jobs < $3 ORDER BY l.jobs DESC, l.lane LIMIT $6)
           UNION ALL
           (SELECT * FROM lane l WHERE l.tenant = $1 AND l.partner = p.partner AND l.jobs <= 1
              AND ($3 > 1 OR (l.partner, l.lane) > ($4, $5)) ORDER BY l.lane LIMIT $6)) o)
         SELECT ",
        job_columns!("$7"),
        ", e.lane, e.jobs FROM each e JOIN any_job j ON j.tenant = $1 AND j.seq = e.head
           ORDER BY e.jobs DESC, e.partner, e.lane LIMIT $6"
    );
    let limit = limit.max(1);
    let (jobs, at, key) = match &after {
        None => (i64::MAX, "", ""),
        Some((jobs, at, key)) => (rows::int(*jobs), at.as_str(), key.as_str()),
    };
    let key = text(key);
    let partner = partner.map(PartnerId::as_str);
    let most = rows::limit(limit);
    let rows_found = moment
        .rows(
            SQL,
            &[&tenant, &partner, &jobs, &at, &key, &most, &now.micros()],
        )
        .await?;
    let found = rows_found
        .iter()
        .map(|row| {
            let (_, head) = glance(row, 0)?;
            Ok(LaneView {
                partner: head.partner.clone(),
                lane: get(row, COLUMNS)?,
                jobs: rows::number(row, COLUMNS + 1)?,
                head,
            })
        })
        .collect::<Read<Vec<LaneView>>>()?;
    let last = found.last().filter(|_| found.len() >= limit);
    let next = last.map(|l| (l.jobs, l.partner.clone(), l.lane.clone()));
    Ok(Page { found, next })
}

/// The jobs of a lane in the order in which they go: its head first, which may be a cancel that passes
/// what is unclear in other chains.
pub(super) async fn lane(
    moment: &mut Moment<'_>,
    tenant: &str,
    partner: &PartnerId,
    lane: &str,
    limit: usize,
    now: Time,
) -> Read<Vec<JobView>> {
    const HEAD: &str = "SELECT head FROM lane WHERE tenant = $1 AND partner = $2 AND lane = $3";
    const SQL: &str = concat!(
        "SELECT ",
        job_columns!("$5"),
        " FROM (SELECT o.tenant, o.seq, o.rank FROM job o WHERE o.tenant = $1 AND o.partner = $2
             AND o.lane = $3 AND o.rank IS NOT NULL ORDER BY o.rank, o.seq LIMIT $4) f
           JOIN any_job j ON j.tenant = f.tenant AND j.seq = f.seq ORDER BY f.rank, f.seq"
    );
    let (at, key) = (partner.as_str(), text(lane));
    let head = moment.rows(HEAD, &[&tenant, &at, &key]).await?;
    let head: Option<i64> = head.first().map(|row| get(row, 0)).transpose()?;
    let most = rows::limit(limit);
    let found = moment
        .rows(SQL, &[&tenant, &at, &key, &most, &now.micros()])
        .await?;
    let mut all = found
        .iter()
        .map(|row| glance(row, 0))
        .collect::<Read<Vec<_>>>()?;
    if let Some(place) = all.iter().position(|(seq, _)| Some(*seq) == head) {
        let first = all.remove(place);
        all.insert(0, first);
    }
    Ok(all.into_iter().map(|(_, view)| view).collect())
}
