//! Lanes: who is at the head of each line, and whether it may go (contracts sections 5 and 6).
//!
//! The head is looked up by one index step, never by "is there an older job"; how it stands is kept in
//! the lane's row, so that a claim reads ready lanes only. Whoever changes a job does it by
//! [`jobs::go`](super::jobs::go), which calls [`refresh`] for its lane and for those that waited.
//!
//! Nothing here can wait in a circle: a job waits for jobs accepted before it, or for a later one that
//! took an earlier one's place and is itself at the head of its lane, held back by nothing.

use rusqlite::{Connection, OptionalExtension, params};

use super::makers::{self, Part};
use super::{held_back, rows};
use crate::fault::{self, Mutant};
use crate::sync::job::{Purpose, State};

/// In which way a lane stands (see the schema).
pub(super) mod mode {
    pub(in super::super) const READY: i64 = 0;
    pub(in super::super) const IN_FLIGHT: i64 = 1;
    pub(in super::super) const LATER: i64 = 2;
    pub(in super::super) const HELD_BACK: i64 = 3;
    /// Behind another lane that makes the patient whom its head would make.
    pub(in super::super) const BEHIND: i64 = 4;
    /// Not before due, and then perhaps behind another.
    pub(in super::super) const LOOKS_AGAIN: i64 = 5;
}

/// Places in a lane (see the schema).
pub(super) mod at {
    pub(in super::super) const LEASED: i64 = 0;
    pub(super) const UNCLEAR: i64 = 1;
    pub(super) const CANCEL: i64 = 2;
    pub(super) const LINE: i64 = 3;
}

/// What the place of a job in its lane depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) purpose: Purpose,
    pub(super) held: bool,
    pub(super) awaits: bool,
    pub(super) unsure: bool,
    /// Whether, parked, it keeps its place.
    pub(super) holds_lane: bool,
}

/// The rank of a job in its lane under no lease (a claim puts it at [`at::LEASED`]); `None`: it does not
/// stand there.
pub(super) fn rank(s: Standing) -> Option<i64> {
    match s.state {
        State::Sending => Some(at::LEASED),
        State::Waiting | State::Asking if s.held || (s.awaits && s.state == State::Waiting) => None,
        // Before a cancel of its chain: else what is unclear could arrive after it was taken back.
        State::Asking => Some(at::UNCLEAR),
        State::Waiting if s.unsure => Some(at::UNCLEAR),
        State::Waiting if s.purpose == Purpose::Cancel => Some(at::CANCEL),
        State::Waiting => Some(at::LINE),
        State::Parked if s.holds_lane && s.purpose != Purpose::Cancel => Some(at::LINE),
        State::Parked | State::Done | State::Cancelled | State::Superseded => None,
    }
}

/// The head of a lane.
pub(super) struct Head {
    seq: i64,
    rank: i64,
    pub(super) state: State,
    due: i64,
    priority: i64,
    purpose: Purpose,
    client: Option<String>,
    succeeds: Option<i64>,
    /// The patient whom it makes, if the partner does not know them.
    pub(super) makes: Option<String>,
}

impl Head {
    /// When it was accepted, or what it took the place of.
    pub(super) fn since(&self) -> i64 {
        self.succeeds.unwrap_or(self.seq)
    }
}

const HEAD: &str = "seq, rank, state, due, priority, purpose, client, succeeds, makes";

fn head(r: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        seq: r.get(0)?,
        rank: r.get(1)?,
        state: rows::state(r, 2)?,
        due: r.get(3)?,
        priority: r.get(4)?,
        purpose: rows::purpose(r, 5)?,
        client: r.get(6)?,
        succeeds: r.get(7)?,
        makes: r.get(8)?,
    })
}

/// A lane, by name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane<'a> {
    pub(super) tenant: &'a str,
    pub(super) partner: &'a str,
    pub(super) key: &'a str,
}

/// The first of a line. What is unclear goes before a cancel of its own chain only: in a patient's
/// line, cancels of other chains pass it (contracts section 6).
fn first(connection: &Connection, lane: Lane<'_>) -> rusqlite::Result<Option<Head>> {
    let order = if fault::mutant(Mutant::NoLaneOrder) {
        "seq DESC"
    } else {
        "rank, seq"
    };
    let first = connection
        .prepare_cached(&format!(
            "SELECT {HEAD} FROM job WHERE tenant = ?1 AND partner = ?2 AND lane = ?3
               AND rank IS NOT NULL ORDER BY {order} LIMIT 1"
        ))?
        .query_row(params![lane.tenant, lane.partner, lane.key], head)
        .optional()?;
    if first.as_ref().is_none_or(|h| h.rank != at::UNCLEAR) {
        return Ok(first);
    }
    let passes = connection
        .prepare_cached(&format!(
            "SELECT {HEAD} FROM job c WHERE tenant = ?1 AND partner = ?2 AND lane = ?3 AND rank = {}
               AND NOT EXISTS (SELECT 1 FROM job u WHERE u.tenant = ?1 AND u.partner = ?2
                 AND u.lane = ?3 AND u.rank = {} AND u.chain = c.chain)
             ORDER BY seq LIMIT 1",
            at::CANCEL,
            at::UNCLEAR
        ))?
        .query_row(params![lane.tenant, lane.partner, lane.key], head)
        .optional()?;
    Ok(passes.or(first))
}

/// A lane's head, whose place it took, and its part in making its patient.
type Stands = (i64, Option<i64>, Part);

fn stands(r: &rusqlite::Row<'_>) -> rusqlite::Result<Stands> {
    Ok((r.get(0)?, r.get(1)?, Part::of(r, 2)?))
}

/// Looks up the head of a lane and how it stands. Lanes whose heads wait for a successor that stands
/// here look again when that has changed. `by`: jobs that have come to stand there (+1) or have left
/// (-1); a lane without a row gets one, with its first job counted.
pub(super) fn refresh(
    connection: &Connection,
    lane: Lane<'_>,
    by: i64,
    now: i64,
) -> rusqlite::Result<()> {
    let name = params![lane.tenant, lane.partner, lane.key];
    let before = connection
        .prepare_cached(
            "SELECT head, succeeds, mode, makes FROM lane
             WHERE tenant = ?1 AND partner = ?2 AND lane = ?3",
        )?
        .query_row(name, stands)
        .optional()?;
    let after = match first(connection, lane)? {
        None => {
            if before.is_some() {
                connection
                    .prepare_cached(
                        "DELETE FROM lane WHERE tenant = ?1 AND partner = ?2 AND lane = ?3",
                    )?
                    .execute(name)?;
            }
            None
        }
        Some(head) => {
            let alone = mode(connection, lane, &head, now)?;
            let part = makers::part(connection, lane, &head, alone)?;
            connection
                .prepare_cached(
                    "INSERT INTO lane (tenant, partner, lane, head, mode, due, priority, succeeds, makes)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                     ON CONFLICT DO UPDATE SET head = ?4, mode = ?5, due = ?6, priority = ?7, succeeds = ?8,
                       makes = ?9, jobs = jobs + ?10",
                )?
                .execute(params![
                    lane.tenant,
                    lane.partner,
                    lane.key,
                    head.seq,
                    part.mode,
                    head.due,
                    head.priority,
                    head.succeeds,
                    part.makes,
                    by
                ])?;
            Some((head.seq, head.succeeds, part))
        }
    };
    let parts = (
        before.as_ref().map(|(.., part)| part),
        after.as_ref().map(|(.., part)| part),
    );
    makers::changed(connection, lane, parts, now)?;
    let goes = |l: &Option<Stands>| {
        let free = |part: &Part| part.mode != mode::HELD_BACK;
        l.as_ref().map(|(seq, s, part)| (*seq, *s, free(part)))
    };
    if goes(&before) == goes(&after) {
        return Ok(());
    }
    for (seq, succeeds, _) in [before, after].into_iter().flatten() {
        if succeeds.is_some() {
            let (kind, record): (String, String) = connection
                .prepare_cached("SELECT kind, record FROM job WHERE seq = ?1")?
                .query_row([seq], |r| Ok((r.get(0)?, r.get(1)?)))?;
            for other in needing(connection, lane.tenant, lane.partner, &kind, &record)? {
                refresh(
                    connection,
                    Lane {
                        key: &other,
                        ..lane
                    },
                    0,
                    now,
                )?;
            }
        }
    }
    Ok(())
}

fn mode(connection: &Connection, lane: Lane<'_>, head: &Head, now: i64) -> rusqlite::Result<i64> {
    if head.rank == at::LEASED {
        return Ok(mode::IN_FLIGHT);
    }
    if head.state == State::Parked {
        return Ok(mode::HELD_BACK);
    }
    let bound = head.state == State::Waiting && head.purpose != Purpose::Cancel;
    if bound && held_back::is_held_back(connection, lane, head.client.as_deref(), head.seq)? {
        return Ok(mode::HELD_BACK);
    }
    Ok(if head.due > now {
        mode::LATER
    } else {
        mode::READY
    })
}

/// Whether a lane is held back in its row, or behind another, and by nothing else.
pub(super) fn is_forgotten(
    connection: &Connection,
    lane: Lane<'_>,
    row: i64,
    now: i64,
) -> rusqlite::Result<bool> {
    Ok(match first(connection, lane)? {
        Some(head) => {
            let alone = mode(connection, lane, &head, now)?;
            match makers::part(connection, lane, &head, alone)?.mode {
                mode::HELD_BACK | mode::BEHIND => false,
                // It was due when it came to stand behind another.
                mode::LOOKS_AGAIN => row == mode::HELD_BACK,
                _ => true,
            }
        }
        None => false,
    })
}

/// Lanes at a partner whose heads need a record.
pub(super) fn needing(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    kind: &str,
    record: &str,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT l.lane FROM need n CROSS JOIN lane l ON l.tenant = n.tenant AND l.head = n.job
             WHERE n.tenant = ?1 AND n.partner = ?2 AND n.kind = ?3 AND n.record = ?4",
        )?
        .query_map(params![tenant, partner, kind, record], |r| r.get(0))?
        .collect()
}

/// The lanes at a partner in which a client's jobs stand.
pub(super) fn of_client(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    client: &str,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT DISTINCT lane FROM job WHERE tenant = ?1 AND client = ?2 AND partner = ?3
               AND state <> 'done' AND state <> 'cancelled' AND state <> 'superseded' AND rank IS NOT NULL",
        )?
        .query_map(params![tenant, client, partner], |r| r.get(0))?
        .collect()
}

/// The same, and the lanes of merges that name the client.
pub(super) fn of_patient(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    client: &str,
) -> rusqlite::Result<Vec<String>> {
    let mut keys = of_client(connection, tenant, partner, client)?;
    // Merges of the patient are perhaps of another lane and of another patient.
    let mut merges = connection.prepare_cached(
        "SELECT j.lane FROM hold h JOIN job j ON j.seq = h.job
         WHERE h.tenant = ?1 AND h.partner = ?2 AND h.client = ?3",
    )?;
    for key in merges.query_map(params![tenant, partner, client], |r| r.get(0))? {
        keys.push(key?);
    }
    Ok(keys)
}

/// The head of a lane is leased: it stays the head, and nothing else of the lane's row changes. Whether it
/// was the head.
pub(super) fn leased(connection: &Connection, lane: Lane<'_>, seq: i64) -> rusqlite::Result<bool> {
    let n = connection
        .prepare_cached(
            "UPDATE lane SET mode = ?5 WHERE tenant = ?1 AND partner = ?2 AND lane = ?3 AND head = ?4",
        )?
        .execute(params![
            lane.tenant,
            lane.partner,
            lane.key,
            seq,
            mode::IN_FLIGHT
        ])?;
    Ok(n == 1)
}

/// Looks again at the lanes of all patients whom merges hold at a partner.
pub(super) fn refresh_held(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let clients: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT client FROM hold WHERE tenant = ?1 AND partner = ?2")?
        .query_map(params![tenant, partner], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut keys = Vec::new();
    for client in clients {
        keys.extend(of_client(connection, tenant, partner, &client)?);
    }
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let lane = Lane {
            tenant,
            partner,
            key: &key,
        };
        refresh(connection, lane, 0, now)?;
    }
    Ok(())
}

/// Lanes of a partner whose heads have become due are ready now.
pub(super) fn ripen(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let any: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode = 2 AND due <= ?3)
               OR EXISTS (SELECT 1 FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode = 5 AND due <= ?3)",
        )?
        .query_row(params![tenant, partner, now], |r| r.get(0))?;
    if !any {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE lane SET mode = 0 WHERE tenant = ?1 AND partner = ?2 AND mode = 2 AND due <= ?3",
        )?
        .execute(params![tenant, partner, now])?;
    makers::ripen(connection, tenant, partner, now)
}
