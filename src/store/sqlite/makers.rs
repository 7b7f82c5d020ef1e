//! Who makes a patient at a partner: of the jobs that would, one at a time (contracts section 5).
//!
//! A job makes a patient that the partner does not know: it looks for them there, and creates them. Two
//! that go at once would both find nobody. So of the lanes whose heads make the same patient, one goes:
//! whichever is in flight or unclear, else the one accepted first among those that are due. The others
//! stand behind it, and the next one goes when it stops; once the patient has a name there, all go.
//!
//! How they stand is kept in the lanes' rows: no look is at more than a few of them, however many of a
//! patient's jobs wait. Who goes waits for nothing but time, and came first of what a drain lets go: so
//! nothing waits in a circle.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::lanes::{self, Head, Lane, mode};
use super::rows;
use crate::ids::JobId;
use crate::sync::job::State;
use crate::sync::ports::Blocker;

/// How a lane stands among those that make a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) mode: i64,
    /// The patient whom its head would make.
    pub(super) makes: Option<String>,
}

impl Part {
    /// A lane's part, from its columns `mode` and `makes`, the first of them at `at`.
    pub(super) fn of(r: &Row<'_>, at: usize) -> rusqlite::Result<Part> {
        Ok(Part {
            mode: r.get(at)?,
            makes: r.get(at + 1)?,
        })
    }

    /// The patient for whom it is the one that goes.
    fn goes_for(&self) -> Option<&str> {
        let goes = matches!(self.mode, mode::READY | mode::IN_FLIGHT | mode::LATER);
        self.makes.as_deref().filter(|_| goes)
    }
}

/// The patient whom a job would make at a partner; `None`: they have a name there already.
pub(super) fn unknown<'a>(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    makes: Option<&'a str>,
) -> rusqlite::Result<Option<&'a str>> {
    let Some(patient) = makes else {
        return Ok(None);
    };
    let known: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM crosswalk
               WHERE tenant = ?1 AND partner = ?2 AND type = 'Patient' AND our_id = ?3)",
        )?
        .query_row(params![tenant, partner, patient], |r| r.get(0))?;
    Ok((!known).then_some(patient))
}

/// How a lane stands whose head would stand so, were there no other that makes its patient.
pub(super) fn part(
    connection: &Connection,
    lane: Lane<'_>,
    head: &Head,
    alone: i64,
) -> rusqlite::Result<Part> {
    let makes = head.makes.as_deref().filter(|_| alone != mode::HELD_BACK);
    let Some(patient) = unknown(connection, lane.tenant, lane.partner, makes)? else {
        return Ok(Part {
            mode: alone,
            makes: None,
        });
    };
    let mode = match (head.state, alone) {
        (State::Waiting, mode::LATER) => mode::LOOKS_AGAIN,
        (State::Waiting, mode::READY) if is_behind(connection, lane, patient, head.since())? => {
            mode::BEHIND
        }
        _ => alone,
    };
    Ok(Part {
        mode,
        makes: Some(patient.to_owned()),
    })
}

/// Whether another lane's head makes the patient now, or was accepted before and is due.
fn is_behind(
    connection: &Connection,
    lane: Lane<'_>,
    patient: &str,
    since: i64,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM lane l INDEXED BY lane_makes CROSS JOIN job j ON j.seq = l.head
                 WHERE l.tenant = ?1 AND l.partner = ?2 AND l.makes = ?3 AND l.mode IN (0, 1, 2)
                   AND l.lane <> ?4
                   AND (l.mode = 1 OR j.state = 'asking' OR ifnull(l.succeeds, l.head) < ?5))
               OR EXISTS (SELECT 1 FROM lane l INDEXED BY lane_makes
                 WHERE l.tenant = ?1 AND l.partner = ?2 AND l.makes = ?3 AND l.mode = 4
                   AND ifnull(l.succeeds, l.head) < ?5 AND l.lane <> ?4)",
        )?
        .query_row(
            params![lane.tenant, lane.partner, patient, lane.key, since],
            |r| r.get(0),
        )
}

/// A lane's part has changed: whom it overtakes stands behind it, and who stood behind it may go.
pub(super) fn changed(
    connection: &Connection,
    lane: Lane<'_>,
    (before, after): (Option<&Part>, Option<&Part>),
    now: i64,
) -> rusqlite::Result<()> {
    let (went, goes) = (
        before.and_then(Part::goes_for),
        after.and_then(Part::goes_for),
    );
    if let Some(patient) = goes {
        connection
            .prepare_cached(
                "UPDATE lane INDEXED BY lane_makes SET mode = 4
                 WHERE tenant = ?1 AND partner = ?2 AND makes = ?3 AND mode = 0 AND lane <> ?4
                   AND (SELECT state FROM job WHERE seq = head) = 'waiting'",
            )?
            .execute(params![lane.tenant, lane.partner, patient, lane.key])?;
    }
    match went {
        Some(patient) if goes != went => next(connection, lane, patient, now),
        _ => Ok(()),
    }
}

/// The first of those that stand behind is looked at again.
fn next(connection: &Connection, lane: Lane<'_>, patient: &str, now: i64) -> rusqlite::Result<()> {
    let first: Option<String> = connection
        .prepare_cached(
            "SELECT lane FROM lane INDEXED BY lane_makes
             WHERE tenant = ?1 AND partner = ?2 AND makes = ?3 AND mode = 4
             ORDER BY ifnull(succeeds, head) LIMIT 1",
        )?
        .query_row(params![lane.tenant, lane.partner, patient], |r| r.get(0))
        .optional()?;
    match first {
        Some(key) => lanes::refresh(connection, Lane { key: &key, ..lane }, 0, now),
        None => Ok(()),
    }
}

/// The patient has a name at the partner: nobody makes them any more, and nobody waits for that.
pub(super) fn made(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    patient: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE lane INDEXED BY lane_makes SET makes = NULL,
               mode = CASE mode WHEN 4 THEN 0 WHEN 5 THEN 2 ELSE mode END
             WHERE tenant = ?1 AND partner = ?2 AND makes = ?3",
        )?
        .execute(params![tenant, partner, patient])?;
    Ok(())
}

/// Heads that have become due and make a patient: one after the other, in accepted order.
pub(super) fn ripen(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let due: Vec<String> = connection
        .prepare_cached(
            "SELECT lane FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode = 5 AND due <= ?3",
        )?
        .query_map(params![tenant, partner, now], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for key in due {
        let lane = Lane {
            tenant,
            partner,
            key: &key,
        };
        lanes::refresh(connection, lane, 0, now)?;
    }
    Ok(())
}

/// The job that makes the patient before one that was accepted `since` does, by the questions of
/// [`part`] and as a claim at `now` would find them.
pub(super) fn goes_first(
    connection: &Connection,
    lane: Lane<'_>,
    makes: Option<&str>,
    since: i64,
    now: Option<i64>,
) -> rusqlite::Result<Option<Blocker>> {
    let Some(patient) = unknown(connection, lane.tenant, lane.partner, makes)? else {
        return Ok(None);
    };
    // Who goes, and who would go in its place once a claim finds that it is due.
    for which in [
        "l.mode IN (0, 1, 2) AND (l.mode = 1 OR j.state = 'asking' OR ifnull(l.succeeds, l.head) < ?5)
           AND ?6 IS ?6",
        "l.mode = 4 AND ifnull(l.succeeds, l.head) < ?5 AND ?6 IS ?6",
        "l.mode = 5 AND ifnull(l.succeeds, l.head) < ?5 AND l.due <= ?6",
    ] {
        let found = connection
            .prepare_cached(&format!(
                "SELECT j.id, j.state FROM lane l INDEXED BY lane_makes CROSS JOIN job j ON j.seq = l.head
                 WHERE l.tenant = ?1 AND l.partner = ?2 AND l.makes = ?3 AND l.lane <> ?4 AND {which}
                 LIMIT 1"
            ))?
            .query_row(
                params![lane.tenant, lane.partner, patient, lane.key, since, now],
                |r| {
                    Ok(Blocker::Patient {
                        job: JobId::new(r.get_ref(0)?.as_str()?),
                        state: rows::state(r, 1)?,
                    })
                },
            )
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
