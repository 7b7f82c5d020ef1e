//! Claiming: due heads of lanes, under a lease with a fencing token.

use rusqlite::{Connection, OptionalExtension, params};

use super::lanes::{self, Lane};
use super::{counts, effects, held_back, rows};
use crate::clock::Time;
use crate::fault::{self, Mutant};
use crate::ids::{JobId, MessageId, PartnerId, TenantId};
use crate::sync::job::{Chain, Claimed, State, VersionRef};
use crate::sync::ports::ClaimRequest;

/// A job that is under a lease, by its seq; what it does is not read yet.
pub(super) type Leased = (i64, Claimed);

/// Claims what is due, by priority and age, as far as there is room, under leases until then.
pub(super) fn claim(
    connection: &Connection,
    request: &ClaimRequest,
    until: Time,
) -> rusqlite::Result<Vec<Leased>> {
    let now = request.now.micros();
    let lease = Lease::of(connection, request, until)?;
    let mut out = Vec::new();
    for (tenant, partner, room) in &request.room {
        if paused(connection, tenant, partner)? && !fault::mutant(Mutant::BreakerIgnored) {
            continue;
        }
        lanes::ripen(connection, tenant.as_str(), partner.as_str(), now)?;
        let heads = match drain(connection, tenant.as_str(), partner.as_str())? {
            Some(mark) => before(connection, tenant, partner, mark, *room)?,
            None => heads(connection, tenant, partner, *room, request.by_age(*room))?,
        };
        let at = (tenant.as_str(), partner.as_str());
        lease.put_on(connection, at, &heads, &mut out)?;
    }
    Ok(out)
}

/// Ready heads, as many as there is room for, some of them the oldest; the most urgent first.
fn heads(
    connection: &Connection,
    tenant: &TenantId,
    partner: &PartnerId,
    room: usize,
    by_age: usize,
) -> rusqlite::Result<Vec<i64>> {
    let some = |sql: &str, many: usize| -> rusqlite::Result<Vec<(i64, i64)>> {
        connection
            .prepare_cached(sql)?
            .query_map(
                params![
                    tenant.as_str(),
                    partner.as_str(),
                    i64::try_from(many).unwrap_or(i64::MAX)
                ],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )?
            .collect()
    };
    if fault::mutant(Mutant::DoubleClaim) {
        let any = some(
            "SELECT priority, head FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode <= 1 LIMIT ?3",
            room,
        )?;
        return Ok(any.into_iter().map(|(_, seq)| seq).collect());
    }
    let urgent = some(
        "SELECT priority, head FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode = 0
         ORDER BY priority, head LIMIT ?3",
        room,
    )?;
    // Where all of it has room, its age does not matter.
    let mut heads = if urgent.len() < room || by_age == 0 {
        urgent
    } else {
        let mut heads = some(
            "SELECT priority, head FROM lane INDEXED BY lane_oldest
             WHERE tenant = ?1 AND partner = ?2 AND mode = 0 ORDER BY head LIMIT ?3",
            by_age,
        )?;
        for head in urgent {
            if heads.len() < room && !heads.contains(&head) {
                heads.push(head);
            }
        }
        heads
    };
    heads.sort_unstable();
    Ok(heads.into_iter().map(|(_, seq)| seq).collect())
}

/// Whether a partner is paused; a pause by outage lasts until its probe ends it.
fn paused(
    connection: &Connection,
    tenant: &TenantId,
    partner: &PartnerId,
) -> rusqlite::Result<bool> {
    Ok(connection
        .prepare_cached(
            "SELECT paused_until IS NOT NULL FROM partner WHERE tenant = ?1 AND partner = ?2",
        )?
        .query_row(params![tenant.as_str(), partner.as_str()], |r| r.get(0))
        .optional()?
        .unwrap_or(false))
}

/// The newest job there was when a person began to drain the partner.
pub(super) fn drain(
    connection: &Connection,
    tenant: &str,
    partner: &str,
) -> rusqlite::Result<Option<i64>> {
    Ok(connection
        .prepare_cached("SELECT drain FROM partner WHERE tenant = ?1 AND partner = ?2")?
        .query_row(params![tenant, partner], |r| r.get(0))
        .optional()?
        .flatten())
}

/// Whether lane `l` has a job that was there when its partner began to be drained (`mark`): then its head
/// goes, however new that is.
pub(super) fn has_older(mark: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM job o INDEXED BY job_lane WHERE o.tenant = l.tenant
           AND o.partner = l.partner AND o.lane = l.lane AND o.rank IN (0, 1, 2, 3) AND o.seq <= {mark})"
    )
}

/// Ready heads of a partner that is drained: those that came before it, what took their place, and what
/// stands in front of either.
fn before(
    connection: &Connection,
    tenant: &TenantId,
    partner: &PartnerId,
    mark: i64,
    room: usize,
) -> rusqlite::Result<Vec<i64>> {
    let room_sql = i64::try_from(room).unwrap_or(i64::MAX);
    let mut heads: Vec<(i64, i64)> = Vec::new();
    let in_front = format!(
        "SELECT priority, head FROM lane l INDEXED BY lane_long WHERE tenant = ?1 AND partner = ?2
           AND jobs > 1 AND mode = 0 AND head > ?3 AND {} ORDER BY priority, head LIMIT ?4",
        has_older("?3")
    );
    for sql in [
        "SELECT priority, head FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode = 0
           AND priority IN (0, 1, 2, 3, 4) AND head <= ?3 ORDER BY priority, head LIMIT ?4",
        "SELECT priority, head FROM lane INDEXED BY lane_succeeds WHERE tenant = ?1 AND partner = ?2
           AND mode = 0 AND succeeds <= ?3 ORDER BY priority, head LIMIT ?4",
        &in_front,
    ] {
        let mut query = connection.prepare_cached(sql)?;
        let name = params![tenant.as_str(), partner.as_str(), mark, room_sql];
        for head in query.query_map(name, |r| Ok((r.get(0)?, r.get(1)?)))? {
            heads.push(head?);
        }
    }
    heads.sort_unstable();
    heads.dedup();
    heads.truncate(room);
    Ok(heads.into_iter().map(|(_, seq)| seq).collect())
}

/// What the jobs of one claim have in common.
struct Lease<'a> {
    worker: &'a str,
    now: i64,
    until: Time,
    /// The newest version row, so that consents that come later are noticed.
    seen_rows: i64,
}

impl Lease<'_> {
    fn of<'a>(
        connection: &Connection,
        request: &'a ClaimRequest,
        until: Time,
    ) -> rusqlite::Result<Lease<'a>> {
        Ok(Lease {
            worker: &request.worker,
            now: request.now.micros(),
            until,
            seen_rows: connection
                .prepare_cached("SELECT ifnull(max(rowid), 0) FROM version")?
                .query_row([], |r| r.get(0))?,
        })
    }

    /// Puts it on the heads of ready lanes of a partner: what [`jobs::go`](super::jobs::go) does, without
    /// looking for what cannot be. They stand where they stood, and nobody begins or ends to wait for
    /// them. Counters and merges are seen to once, for all.
    fn put_on(
        &self,
        connection: &Connection,
        (tenant, partner): (&str, &str),
        heads: &[i64],
        out: &mut Vec<Leased>,
    ) -> rusqlite::Result<()> {
        let merges = !heads.is_empty() && held_back::merges(connection, tenant, partner)?;
        let (mut begun, mut matters) = (0, false);
        for seq in heads {
            let (mut job, key) = claimed(connection, *seq)?;
            let lane = Lane {
                tenant,
                partner,
                key: &key,
            };
            if job.state != State::Asking {
                begun += i64::from(job.state != State::Sending);
                job.state = State::Sending;
            }
            (job.token, job.lease_until) = (job.token + 1, self.until);
            connection
                .prepare_cached(
                    "UPDATE job SET state = ?2, rank = ?3, lease_until = ?4, worker = ?5, token = ?6,
                       seen_rows = ?7, awaits = NULL, awaits_until = NULL WHERE seq = ?1",
                )?
                .execute(params![
                    seq,
                    job.state.as_str(),
                    lanes::at::LEASED,
                    self.until.micros(),
                    self.worker,
                    job.token,
                    self.seen_rows
                ])?;
            if !lanes::leased(connection, lane, *seq)? {
                lanes::refresh(connection, lane, 0, self.now)?;
            }
            let client = job.client.as_deref();
            matters =
                matters || (merges && held_back::matters_to_merges(connection, lane, client)?);
            out.push((*seq, job));
        }
        if begun > 0 {
            counts::begun(connection, tenant, partner, begun)?;
        }
        if matters {
            lanes::refresh_held(connection, tenant, partner, self.now)?;
        }
        Ok(())
    }
}

/// What leased jobs do, effect by effect. It does not change under a lease, so it is read beside the
/// writer. A job of which it cannot be read is left to its lease, and keeps nobody else.
pub(super) fn whole(connection: &Connection, leased: Vec<Leased>) -> Vec<Claimed> {
    let mut out = Vec::with_capacity(leased.len());
    for (seq, mut job) in leased {
        match effects::of(connection, job.tenant.as_str(), seq) {
            Ok(effects) => {
                job.effects = effects;
                out.push(job);
            }
            Err(error) => {
                tracing::error!(job = %job.id, %error, "what the job does cannot be read")
            }
        }
    }
    out
}

/// A job as whoever claims it gets it, before the lease and without its effects; and its lane.
fn claimed(connection: &Connection, seq: i64) -> rusqlite::Result<(Claimed, String)> {
    connection
        .prepare_cached(
            "SELECT tenant, id, partner, kind, record, version, chain, client, purpose, state, token,
               attempts, asks, unsure, deadline, guarded, accepted, message, policy, lane
             FROM job WHERE seq = ?",
        )?
        .query_row([seq], |r| {
            let job = Claimed {
                tenant: TenantId::new(r.get_ref(0)?.as_str()?),
                id: JobId::new(r.get_ref(1)?.as_str()?),
                partner: PartnerId::new(r.get_ref(2)?.as_str()?),
                record: VersionRef {
                    kind: r.get(3)?,
                    id: r.get(4)?,
                    version: rows::number(r, 5)?,
                },
                chain: Chain(r.get(6)?),
                client: r.get(7)?,
                purpose: rows::purpose(r, 8)?,
                state: rows::state(r, 9)?,
                token: r.get(10)?,
                lease_until: Time::NEVER,
                attempts: rows::small(r, 11)?,
                asks: rows::small(r, 12)?,
                unsure: r.get(13)?,
                deadline: r.get::<_, Option<i64>>(14)?.map(Time::from_micros),
                guarded: r.get(15)?,
                accepted: rows::time(r, 16)?,
                message: r
                    .get::<_, Option<String>>(17)?
                    .map(|m| MessageId::new(&m)),
                policy: r.get(18)?,
                effects: Vec::new(),
            };
            Ok((job, r.get(19)?))
        })
}

/// Whether anything could be claimed: lets idle workers ask without a commit.
pub(super) fn anything(connection: &Connection, request: &ClaimRequest) -> rusqlite::Result<bool> {
    let mut due = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode = 0)
             OR EXISTS (SELECT 1 FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode = 2 AND due <= ?3)
             OR EXISTS (SELECT 1 FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode = 5 AND due <= ?3)",
    )?;
    for (tenant, partner, room) in &request.room {
        let name = params![tenant.as_str(), partner.as_str(), request.now.micros()];
        if *room > 0
            && due.query_row(name, |r| r.get(0))?
            && (!paused(connection, tenant, partner)? || fault::mutant(Mutant::BreakerIgnored))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Open jobs of each partner.
pub(super) fn open_jobs(
    connection: &Connection,
    tenant: &TenantId,
) -> rusqlite::Result<Vec<(PartnerId, u64)>> {
    connection
        .prepare_cached(
            "SELECT partner, sum(n) FROM count WHERE tenant = ?1
               AND state IN ('waiting', 'sending', 'asking') GROUP BY partner",
        )?
        .query_map([tenant.as_str()], |r| {
            Ok((PartnerId::new(r.get_ref(0)?.as_str()?), rows::number(r, 1)?))
        })?
        .collect()
}

/// When the next lane of a partner that is not paused is due. Looks at one row per partner, however
/// many lanes are ready: a partner that is down has all of them.
pub(super) fn next_due(connection: &Connection) -> rusqlite::Result<Option<Time>> {
    let older = has_older("p.drain");
    let before = format!(
        "(p.drain IS NULL OR l.head <= p.drain OR l.succeeds <= p.drain OR (l.jobs > 1 AND {older}))"
    );
    let due: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT min(CASE
                 WHEN p.drain IS NULL AND EXISTS (SELECT 1 FROM lane l
                   WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 0) THEN 0
                 WHEN p.drain IS NOT NULL AND (EXISTS (SELECT 1 FROM lane l
                     WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 0
                       AND l.priority IN (0, 1, 2, 3, 4) AND l.head <= p.drain)
                   OR EXISTS (SELECT 1 FROM lane l INDEXED BY lane_succeeds
                     WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 0
                       AND l.succeeds <= p.drain)
                   OR EXISTS (SELECT 1 FROM lane l INDEXED BY lane_long
                     WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.jobs > 1 AND l.mode = 0
                       AND {older})) THEN 0
                 ELSE (SELECT min(due) FROM (SELECT min(l.due) AS due FROM lane l
                     WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 2
                       AND {before}
                   UNION ALL SELECT min(l.due) FROM lane l
                     WHERE l.tenant = c.tenant AND l.partner = c.partner AND l.mode = 5
                       AND {before})) END)
             FROM count c LEFT JOIN partner p ON p.tenant = c.tenant AND p.partner = c.partner
             WHERE c.state = 'waiting' AND p.paused_until IS NULL"
        ))?
        .query_row([], |r| r.get(0))?;
    Ok(due.map(Time::from_micros))
}
