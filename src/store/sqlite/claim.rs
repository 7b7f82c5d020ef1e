//! Claiming: due heads of lanes, under a lease with a fencing token.

use rusqlite::{Connection, OptionalExtension, params};

use super::effects;
use super::jobs::{self, Move, Place};
use super::lanes;
use super::rows;
use crate::clock::Time;
use crate::fault::{self, Mutant};
use crate::ids::{JobId, MessageId, PartnerId, TenantId};
use crate::sync::job::{Chain, Claimed, State, VersionRef};
use crate::sync::ports::ClaimRequest;

/// Claims what is due, by priority and age, as far as there is room, under leases until then.
pub(super) fn claim(
    connection: &Connection,
    request: &ClaimRequest,
    until: Time,
) -> rusqlite::Result<Vec<Claimed>> {
    let now = request.now.micros();
    let until = until.micros();
    let mut out = Vec::new();
    for (tenant, partner, room) in &request.room {
        if paused(connection, tenant, partner)? && !fault::mutant(Mutant::BreakerIgnored) {
            continue;
        }
        lanes::ripen(connection, tenant.as_str(), partner.as_str(), now)?;
        if let Some(mark) = drain(connection, tenant.as_str(), partner.as_str())? {
            for seq in before(connection, tenant, partner, mark, *room)? {
                out.push(take(connection, seq, until, request)?);
            }
            continue;
        }
        let by_age = request.by_age(*room);
        for seq in heads(connection, tenant, partner, *room, by_age)? {
            out.push(take(connection, seq, until, request)?);
        }
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

fn take(
    connection: &Connection,
    seq: i64,
    until: i64,
    request: &ClaimRequest,
) -> rusqlite::Result<Claimed> {
    let place = Place::of(connection, seq)?;
    let to = match place.state {
        State::Asking => State::Asking,
        _ => State::Sending,
    };
    let to = Move {
        lease: Some((until, &request.worker)),
        ..Move::to(to, request.now.micros())
    };
    jobs::go(connection, &place, &to)?;
    claimed(connection, &place.tenant, seq)
}

fn claimed(connection: &Connection, tenant: &str, seq: i64) -> rusqlite::Result<Claimed> {
    let effects = effects::of(connection, tenant, seq)?;
    connection
        .prepare_cached(
            "SELECT tenant, id, partner, kind, record, version, chain, client, purpose, state, token,
               lease_until, attempts, asks, unsure, deadline, guarded, accepted, message, policy
             FROM job WHERE seq = ?",
        )?
        .query_row([seq], |r| {
            Ok(Claimed {
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
                lease_until: rows::time(r, 11)?,
                attempts: rows::small(r, 12)?,
                asks: rows::small(r, 13)?,
                unsure: r.get(14)?,
                deadline: r.get::<_, Option<i64>>(15)?.map(Time::from_micros),
                guarded: r.get(16)?,
                accepted: rows::time(r, 17)?,
                message: r
                    .get::<_, Option<String>>(18)?
                    .map(|m| MessageId::new(&m)),
                policy: r.get(19)?,
                effects,
            })
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
