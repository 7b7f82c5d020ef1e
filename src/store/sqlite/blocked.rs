//! What holds a job back at a moment, exactly: the same questions that decide about the head of a lane
//! and about a claim, asked of one job, with names. Reads only.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::claim::{drain, has_older};
use super::lanes::Lane;
use super::{held_back, makers, rows};
use crate::clock::Time;
use crate::ids::{JobId, MessageId, PartnerId};
use crate::sync::job::{Purpose, State, VersionRef};
use crate::sync::ports::{Blocker, JobView};
use crate::sync::reason::Reason;

/// Columns of [`job`].
pub(super) const JOB: &str = "seq, id, partner, kind, record, version, purpose, state, reason, accepted, \
     due, attempts, unsure, message, lane, client, held, awaits, lease_until, succeeds, awaits_until, makes";

/// Jobs or records named as reasons, at most.
const NAMED_MAX: i64 = 10;

/// A job at a glance, without its effects and attempts, and what its standing depends on.
pub(super) struct Glance {
    pub(super) seq: i64,
    pub(super) lane: String,
    client: Option<String>,
    held: bool,
    awaits: Option<(String, i64)>,
    lease_until: Option<i64>,
    succeeds: Option<i64>,
    makes: Option<String>,
    pub(super) view: JobView,
}

pub(super) fn job(r: &Row<'_>) -> rusqlite::Result<Glance> {
    let awaits: Option<String> = r.get(17)?;
    Ok(Glance {
        seq: r.get(0)?,
        lane: r.get(14)?,
        client: r.get(15)?,
        held: r.get(16)?,
        awaits: awaits.zip(r.get::<_, Option<i64>>(20)?),
        lease_until: r.get(18)?,
        succeeds: r.get(19)?,
        makes: r.get(21)?,
        view: JobView {
            id: JobId::new(r.get_ref(1)?.as_str()?),
            partner: PartnerId::new(r.get_ref(2)?.as_str()?),
            record: VersionRef {
                kind: r.get(3)?,
                id: r.get(4)?,
                version: rows::number(r, 5)?,
            },
            purpose: rows::purpose(r, 6)?,
            state: rows::state(r, 7)?,
            reason: rows::reason(r, 8)?,
            accepted: rows::time(r, 9)?,
            due: rows::time(r, 10)?,
            attempts: rows::small(r, 11)?,
            unsure: r.get(12)?,
            message: r.get::<_, Option<String>>(13)?.map(|m| MessageId::new(&m)),
            blocked_by: Vec::new(),
            effects: Vec::new(),
            tries: Vec::new(),
        },
    })
}

/// What holds a job back; nothing, if it has ended or is parked. `now`: `None` leaves its due time out.
pub(super) fn blocked_by(
    connection: &Connection,
    tenant: &str,
    g: &Glance,
    now: Option<Time>,
) -> rusqlite::Result<Vec<Blocker>> {
    let mut out = Vec::new();
    let waits = g.view.state == State::Waiting;
    if !g.view.state.is_open() {
        return Ok(out);
    }
    if let Some(until) = g.lease_until {
        let until = Time::from_micros(until);
        return Ok(vec![Blocker::InHand { until }]);
    }
    let lane = Lane {
        tenant,
        partner: g.view.partner.as_str(),
        key: &g.lane,
    };
    if g.held {
        out.push(Blocker::Consent);
    }
    if let Some((message, until)) = g.awaits.as_ref().filter(|_| waits) {
        out.push(cancel(connection, tenant, message, *until)?);
    }
    if out.is_empty() {
        out.extend(head(connection, lane, g.seq)?);
    }
    if waits && g.view.purpose != Purpose::Cancel {
        if held_back::needs(connection, lane, g.seq)? {
            out.extend(needs(connection, lane, g.seq)?);
        }
        if held_back::holds(connection, lane, g.client.as_deref(), g.seq)? {
            out.extend(merge(connection, lane, g)?);
        }
        if held_back::stopped(connection, lane, g.client.as_deref(), g.seq)? {
            out.extend(stops(connection, lane, g)?);
        }
        let since = g.succeeds.unwrap_or(g.seq);
        let claim = now.map(Time::micros);
        out.extend(makers::goes_first(
            connection,
            lane,
            g.makes.as_deref(),
            since,
            claim,
        )?);
    }
    out.extend(pause(connection, lane)?);
    let newer = |mark: &i64| g.seq > *mark && g.succeeds.is_none_or(|s| s > *mark);
    if let Some(mark) = drain(connection, tenant, lane.partner)?.filter(newer)
        && !in_front(connection, lane, mark)?
    {
        out.push(Blocker::Drain);
    }
    if now.is_some_and(|now| g.view.due > now) {
        out.push(Blocker::Due {
            at: g.view.due,
            reason: g.view.reason,
        });
    }
    Ok(out)
}

/// Whether the head of its lane goes although the partner is drained, for the sake of what is behind it.
fn in_front(connection: &Connection, lane: Lane<'_>, mark: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(&format!(
            "SELECT EXISTS (SELECT 1 FROM lane l WHERE tenant = ?1 AND partner = ?2 AND lane = ?3 AND {})",
            has_older("?4")
        ))?
        .query_row(params![lane.tenant, lane.partner, lane.key, mark], |r| {
            r.get(0)
        })
}

fn cancel(
    connection: &Connection,
    tenant: &str,
    message: &str,
    until: i64,
) -> rusqlite::Result<Blocker> {
    let job: Option<String> = connection
        .prepare_cached(
            "SELECT id FROM job WHERE tenant = ?1 AND message = ?2 AND purpose = 'cancel'",
        )?
        .query_row(params![tenant, message], |r| r.get(0))
        .optional()?;
    Ok(Blocker::Cancel {
        message: MessageId::new(message),
        job: job.map(|j| JobId::new(&j)),
        until: Time::from_micros(until),
    })
}

/// The job that goes before it.
fn head(connection: &Connection, lane: Lane<'_>, seq: i64) -> rusqlite::Result<Option<Blocker>> {
    connection
        .prepare_cached(
            "SELECT j.id, j.state FROM lane l JOIN job j ON j.seq = l.head
             WHERE l.tenant = ?1 AND l.partner = ?2 AND l.lane = ?3 AND l.head <> ?4",
        )?
        .query_row(params![lane.tenant, lane.partner, lane.key, seq], |r| {
            Ok(Blocker::Lane {
                job: JobId::new(r.get_ref(0)?.as_str()?),
                state: rows::state(r, 1)?,
            })
        })
        .optional()
}

/// What is not there yet and on its way: the rows that make [`held_back::needs`] true.
fn needs(connection: &Connection, lane: Lane<'_>, seq: i64) -> rusqlite::Result<Vec<Blocker>> {
    connection
        .prepare_cached(
            "SELECT n.kind, n.record, o.id, o.state FROM need n CROSS JOIN job o
               ON o.tenant = ?1 AND o.partner = ?2 AND o.kind = n.kind AND o.record = n.record
             WHERE n.tenant = ?1 AND n.job = ?3
               AND NOT EXISTS (SELECT 1 FROM job d WHERE d.tenant = ?1 AND d.partner = ?2
                 AND d.kind = n.kind AND d.record = n.record AND d.state = 'done')
               AND o.state IN ('waiting', 'sending', 'asking') AND o.held = 0
               AND (o.seq < ?3 OR (o.seq > ?3 AND o.succeeds < ?3 AND EXISTS (SELECT 1 FROM lane l
                 INDEXED BY lane_head WHERE l.tenant = ?1 AND l.head = o.seq AND l.mode <> 3
                   AND l.lane <> ?4)))
             ORDER BY o.seq LIMIT ?5",
        )?
        .query_map(
            params![lane.tenant, lane.partner, seq, lane.key, NAMED_MAX],
            |r| {
                Ok(Blocker::Needs {
                    kind: r.get(0)?,
                    record: r.get(1)?,
                    job: JobId::new(r.get_ref(2)?.as_str()?),
                    state: rows::state(r, 3)?,
                })
            },
        )?
        .collect()
}

/// The oldest merge that holds it.
fn merge(connection: &Connection, lane: Lane<'_>, g: &Glance) -> rusqlite::Result<Option<Blocker>> {
    connection
        .prepare_cached(
            "SELECT j.id, j.state FROM job j WHERE j.seq = (SELECT min(h.job) FROM hold h
               WHERE h.tenant = ?1 AND h.partner = ?2 AND h.job <> ?4
                 AND (h.client = ?3 OR h.client IN (SELECT client FROM hold
                   WHERE tenant = ?1 AND job = ?4)))",
        )?
        .query_row(params![lane.tenant, lane.partner, g.client, g.seq], |r| {
            Ok(Blocker::Merge {
                job: JobId::new(r.get_ref(0)?.as_str()?),
                state: rows::state(r, 1)?,
            })
        })
        .optional()
}

/// The administrator's holds on its patient, or on those whom it merges.
fn stops(connection: &Connection, lane: Lane<'_>, g: &Glance) -> rusqlite::Result<Vec<Blocker>> {
    connection
        .prepare_cached(
            "SELECT who, since, partner = '' FROM stop
             WHERE tenant = ?1 AND partner IN ('', ?2) AND client IN (
               SELECT ?3 UNION SELECT client FROM hold WHERE tenant = ?1 AND job = ?4)
             ORDER BY since",
        )?
        .query_map(params![lane.tenant, lane.partner, g.client, g.seq], |r| {
            Ok(Blocker::Hold {
                who: r.get(0)?,
                since: rows::time(r, 1)?,
                everywhere: r.get(2)?,
            })
        })?
        .collect()
}

fn pause(connection: &Connection, lane: Lane<'_>) -> rusqlite::Result<Option<Blocker>> {
    connection
        .prepare_cached(
            "SELECT paused_until, pause_reason FROM partner
             WHERE tenant = ?1 AND partner = ?2 AND paused_until IS NOT NULL",
        )?
        .query_row(params![lane.tenant, lane.partner], |r| {
            let until = rows::time(r, 0)?;
            Ok(Blocker::Pause {
                reason: rows::reason(r, 1)?.unwrap_or(Reason::PartnerPaused),
                until: (until != Time::NEVER).then_some(until),
            })
        })
        .optional()
}
