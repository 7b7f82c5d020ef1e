//! Jobs: made, moved, confirmed. Every change of a job's state goes through [`go`], which keeps what
//! hangs on it: rank, counters, lanes, holds, those who waited. Only a claim has a shorter way of its own.

use rusqlite::{Connection, OptionalExtension, params};

use super::lanes::{self, Lane, Standing};
use super::rows::{self, int};
use super::{counts, effects, held_back, makers};
use crate::sync::job::{NewJob, Purpose, Reach, State, VersionRef};
use crate::sync::reason::Reason;

/// A job, as far as moving it cares.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) tenant: String,
    pub(super) partner: String,
    pub(super) lane: String,
    pub(super) seq: i64,
    pub(super) state: State,
    pub(super) purpose: Purpose,
    pub(super) kind: String,
    pub(super) record: String,
    pub(super) client: Option<String>,
    pub(super) reach: Reach,
    pub(super) held: bool,
    pub(super) awaits: bool,
    pub(super) unsure: bool,
    pub(super) leased: bool,
    pub(super) token: i64,
    pub(super) seen_rows: i64,
    /// Whether a rule keeps it from its partner: only a new version helps.
    pub(super) blocked: bool,
    holds_lane: bool,
    succeeds: Option<i64>,
    /// Whether it stands in its lane.
    stands: bool,
}

const PLACE: &str = "tenant, partner, lane, seq, state, purpose, kind, record, client, reach, held, \
     awaits IS NOT NULL, unsure, lease_until IS NOT NULL, token, seen_rows, succeeds, \
     rank IS NOT NULL, holds_lane, reason IS 'rule-blocks'";

fn place(r: &rusqlite::Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        tenant: r.get(0)?,
        partner: r.get(1)?,
        lane: r.get(2)?,
        seq: r.get(3)?,
        state: rows::state(r, 4)?,
        purpose: rows::purpose(r, 5)?,
        kind: r.get(6)?,
        record: r.get(7)?,
        client: r.get(8)?,
        reach: rows::reach(r, 9)?,
        held: r.get(10)?,
        awaits: r.get(11)?,
        unsure: r.get(12)?,
        leased: r.get(13)?,
        token: r.get(14)?,
        seen_rows: r.get(15)?,
        succeeds: r.get(16)?,
        stands: r.get(17)?,
        holds_lane: r.get(18)?,
        blocked: r.get(19)?,
    })
}

impl Place {
    /// The place of a job.
    pub(super) fn of(connection: &Connection, seq: i64) -> rusqlite::Result<Place> {
        connection
            .prepare_cached(&format!("SELECT {PLACE} FROM job WHERE seq = ?1"))?
            .query_row([seq], place)
    }

    /// The place of a job that somebody names; `None` if the tenant has no such job.
    pub(super) fn named(
        connection: &Connection,
        tenant: &str,
        id: &str,
    ) -> rusqlite::Result<Option<Place>> {
        connection
            .prepare_cached(&format!(
                "SELECT {PLACE} FROM job WHERE tenant = ?1 AND id = ?2"
            ))?
            .query_row(params![tenant, id], place)
            .optional()
    }

    /// Its lane.
    pub(super) fn lane(&self) -> Lane<'_> {
        Lane {
            tenant: &self.tenant,
            partner: &self.partner,
            key: &self.lane,
        }
    }

    /// Its seq, or that of the oldest unsent job whose place it took.
    pub(super) fn since(&self) -> i64 {
        self.succeeds.map_or(self.seq, |s| s.min(self.seq))
    }

    /// Whether a later job of its record at its partner stands or has arrived, cancels too.
    pub(super) fn has_newer(&self, connection: &Connection) -> rusqlite::Result<bool> {
        connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM job WHERE tenant = ?1 AND partner = ?2 AND kind = ?3 AND record = ?4
                   AND state IN ('waiting', 'sending', 'asking', 'parked', 'done') AND seq > ?5)",
            )?
            .query_row(
                params![self.tenant, self.partner, self.kind, self.record, self.seq],
                |r| r.get(0),
            )
    }

    /// Whether others wait for it to arrive.
    fn on_its_way(&self) -> bool {
        self.state.is_open() && !self.held
    }
}

/// Where a job goes: its new state with all that hangs on it.
#[derive(Clone, Debug)]
pub(super) struct Move<'a> {
    pub(super) to: State,
    /// `None`: as it was; empty: none.
    pub(super) reason: Option<&'a str>,
    /// `None`: as it was.
    pub(super) due: Option<i64>,
    pub(super) held: bool,
    /// `None`: as they were.
    pub(super) unsure: Option<bool>,
    pub(super) reach: Option<Reach>,
    /// Whether what it awaited does not matter any more.
    pub(super) frees: bool,
    pub(super) now: i64,
}

impl<'a> Move<'a> {
    pub(super) fn to(state: State, now: i64) -> Self {
        Move {
            to: state,
            reason: None,
            due: None,
            held: false,
            unsure: None,
            reach: None,
            frees: false,
            now,
        }
    }

    pub(super) fn because(self, reason: Reason) -> Self {
        Move {
            reason: Some(reason.as_str()),
            ..self
        }
    }

    /// Without a reason from now on, due at once.
    pub(super) fn afresh(self) -> Self {
        Move {
            reason: Some(""),
            due: Some(self.now),
            ..self
        }
    }

    pub(super) fn due(self, due: i64) -> Self {
        Move {
            due: Some(due),
            ..self
        }
    }

    pub(super) fn freed(self) -> Self {
        Move {
            frees: true,
            ..self
        }
    }
}

/// Moves a job: state, rank, counters, lane, and those who waited for it. A lease it had ends, and
/// whoever had it finds that out by its token.
pub(super) fn go(connection: &Connection, place: &Place, to: &Move<'_>) -> rusqlite::Result<()> {
    let awaits = place.awaits && !to.frees && matches!(to.to, State::Waiting | State::Parked);
    let rank = lanes::rank(Standing {
        state: to.to,
        purpose: place.purpose,
        held: to.held,
        awaits,
        unsure: to.unsure.unwrap_or(place.unsure),
        holds_lane: place.holds_lane,
    });
    connection
        .prepare_cached(
            "UPDATE job SET state = ?2, rank = ?3,
               reason = CASE WHEN ?4 IS NULL THEN reason ELSE nullif(?4, '') END,
               due = ifnull(?5, due), held = ?6, lease_until = NULL, worker = NULL, settled = ?7,
               unsure = ifnull(?8, unsure), reach = ifnull(?9, reach),
               awaits = CASE WHEN ?10 THEN awaits END,
               awaits_until = CASE WHEN ?10 THEN awaits_until END,
               token = token + 1
             WHERE seq = ?1",
        )?
        .execute(params![
            place.seq,
            to.to.as_str(),
            rank,
            to.reason,
            to.due,
            to.held,
            (!to.to.is_open()).then_some(to.now),
            to.unsure,
            to.reach.map(Reach::as_str),
            awaits,
        ])?;
    if place.state != to.to {
        counts::moved(connection, place, to.to)?;
    }
    let ended = matches!(to.to, State::Done | State::Cancelled | State::Superseded);
    if ended {
        connection
            .prepare_cached("DELETE FROM need WHERE tenant = ?1 AND job = ?2")?
            .execute(params![place.tenant, place.seq])?;
    }
    let by = i64::from(rank.is_some()) - i64::from(place.stands);
    lanes::refresh(connection, place.lane(), by, to.now)?;
    let mut others = Vec::new();
    if place.on_its_way() != (to.to.is_open() && !to.held) {
        others = lanes::needing(
            connection,
            &place.tenant,
            &place.partner,
            &place.kind,
            &place.record,
        )?;
    }
    let merges = held_back::merges(connection, &place.tenant, &place.partner)?;
    // A merge that is parked holds on: it has not arrived.
    if ended && merges {
        others.extend(unheld(connection, place)?);
    }
    others.sort_unstable();
    others.dedup();
    for key in others {
        let lane = Lane {
            key: &key,
            ..place.lane()
        };
        lanes::refresh(connection, lane, 0, to.now)?;
    }
    match merges {
        true => merges_look_again(connection, place.lane(), place.client.as_deref(), to.now),
        false => Ok(()),
    }
}

/// What merges wait for has changed, perhaps.
fn merges_look_again(
    connection: &Connection,
    lane: Lane<'_>,
    client: Option<&str>,
    now: i64,
) -> rusqlite::Result<()> {
    if held_back::matters_to_merges(connection, lane, client)? {
        lanes::refresh_held(connection, lane.tenant, lane.partner, now)?;
    }
    Ok(())
}

/// Ends the holds of a job; the lanes in which the jobs of those patients stand.
fn unheld(connection: &Connection, place: &Place) -> rusqlite::Result<Vec<String>> {
    let clients: Vec<String> = connection
        .prepare_cached("DELETE FROM hold WHERE tenant = ?1 AND job = ?2 RETURNING client")?
        .query_map(params![place.tenant, place.seq], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut lanes = Vec::new();
    for client in clients {
        lanes.extend(lanes::of_patient(
            connection,
            &place.tenant,
            &place.partner,
            &client,
        )?);
    }
    Ok(lanes)
}

/// Whose job it is and what it brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brings<'a> {
    pub(super) tenant: &'a str,
    pub(super) record: &'a VersionRef,
    pub(super) client: Option<&'a str>,
    /// The oldest unsent job of the record at the partner whose place it takes.
    pub(super) succeeds: Option<i64>,
    pub(super) now: i64,
}

/// Makes a job; the caller adds it to the tenant's total.
pub(super) fn put(connection: &Connection, job: &NewJob, b: Brings<'_>) -> rusqlite::Result<()> {
    let partner = job.partner.as_str();
    let key = match lane_of_chain(connection, b.tenant, partner, &job.chain.0)? {
        Some(key) => key,
        None => job.lane.0.clone(),
    };
    // The answer to what it awaits may have come between the decision and now.
    let answered = match &job.awaits {
        Some(awaits) => confirmed(connection, b.tenant, awaits.message.as_str())?,
        None => None,
    };
    let awaits = job.awaits.as_ref().filter(|_| answered.is_none());
    let (state, reason) = match answered {
        Some(false) if job.state == State::Waiting => (State::Parked, Some(Reason::CancelDenied)),
        Some(true) if job.state == State::Waiting => (State::Waiting, None),
        _ => (job.state, job.reason),
    };
    let rank = lanes::rank(Standing {
        state,
        purpose: job.purpose,
        held: false,
        awaits: awaits.is_some(),
        unsure: false,
        holds_lane: job.holds_lane,
    });
    connection
        .prepare_cached(
            "INSERT INTO job (tenant, id, partner, lane, chain, kind, record, version, client, purpose,
               state, rank, reason, due, deadline, priority, message, awaits, awaits_until, guarded,
               policy, accepted, settled, succeeds, holds_lane, makes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
               ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)",
        )?
        .execute(params![
            b.tenant,
            job.id.as_str(),
            partner,
            key,
            job.chain.0,
            b.record.kind,
            b.record.id,
            int(b.record.version),
            b.client,
            job.purpose.as_str(),
            state.as_str(),
            rank,
            reason.map(Reason::as_str),
            job.due.micros(),
            job.deadline.map(crate::clock::Time::micros),
            job.priority,
            job.message.as_ref().map(crate::ids::MessageId::as_str),
            awaits.map(|a| a.message.as_str()),
            awaits.map(|a| a.until.micros()),
            job.guarded,
            job.policy,
            b.now,
            (!state.is_open()).then_some(b.now),
            b.succeeds,
            job.holds_lane,
            makers::unknown(connection, b.tenant, partner, job.makes())?,
        ])?;
    let seq = connection.last_insert_rowid();
    for (n, effect) in job.effects.iter().enumerate() {
        effects::put(connection, b.tenant, seq, n, effect)?;
    }
    let mut need =
        connection.prepare_cached("INSERT OR IGNORE INTO need VALUES (?, ?, ?, ?, ?)")?;
    for on in &job.needs {
        need.execute(params![b.tenant, partner, on.kind, on.id, seq])?;
    }
    counts::made(connection, b.tenant, partner, state)?;
    let lane = Lane {
        tenant: b.tenant,
        partner,
        key: &key,
    };
    lanes::refresh(connection, lane, i64::from(rank.is_some()), b.now)?;
    merges_look_again(connection, lane, b.client, b.now)
}

/// Where the open jobs of a chain stand at a partner.
fn lane_of_chain(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    chain: &str,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT lane FROM job WHERE tenant = ?1 AND chain = ?2 AND partner = ?3
               AND state <> 'done' AND state <> 'cancelled' AND state <> 'superseded'
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(params![tenant, chain, partner], |r| r.get(0))
        .optional()
}

/// What a pharmacy answered to a cancel, if it did.
fn confirmed(
    connection: &Connection,
    tenant: &str,
    message: &str,
) -> rusqlite::Result<Option<bool>> {
    connection
        .prepare_cached(
            "SELECT confirmed FROM job WHERE tenant = ?1 AND message = ?2 AND purpose = 'cancel'
               AND confirmed IS NOT NULL",
        )?
        .query_row(params![tenant, message], |r| r.get(0))
        .optional()
}

/// A pharmacy's answer to a cancel: releases or parks what awaits it.
pub(super) fn confirm(
    connection: &Connection,
    tenant: &str,
    message: &str,
    approved: bool,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE job SET confirmed = ?3 WHERE tenant = ?1 AND message = ?2 AND purpose = 'cancel'",
        )?
        .execute(params![tenant, message, approved])?;
    let waiting: Vec<i64> = connection
        .prepare_cached("SELECT seq FROM job WHERE tenant = ?1 AND awaits = ?2")?
        .query_map(params![tenant, message], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in waiting {
        let place = Place::of(connection, seq)?;
        let to = match (approved, place.state) {
            (true, State::Waiting) => Move::to(State::Waiting, now).afresh(),
            // Parked for another reason: that stays.
            (true, state) => Move::to(state, now),
            (false, state) if place.blocked => Move::to(state, now),
            (false, _) => Move::to(State::Parked, now).because(Reason::CancelDenied),
        };
        go(connection, &place, &to.freed())?;
    }
    Ok(())
}
