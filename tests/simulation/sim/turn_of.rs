//! Whether a job that was claimed was to be: the rules of contracts sections 5 and 6 asked of the rows
//! themselves, not of the lanes that the store keeps.

use fhir_gateway::sync::job::{Claimed, Purpose, State};
use rusqlite::Connection;

/// Why a job that was claimed should not have been.
pub(crate) fn out_of_turn(
    db: &Connection,
    job: &Claimed,
) -> rusqlite::Result<Option<&'static str>> {
    const PLACE: &str = "CASE WHEN x.state = 'asking' OR x.unsure = 1 THEN 1 WHEN x.purpose = 'cancel' THEN 2 ELSE 3 END";
    let place = |of: &str| PLACE.replace("x.", of);
    let stands =
        "(o.state = 'sending' OR o.lease_until IS NOT NULL OR (o.state IN ('waiting', 'asking')
        AND o.held = 0 AND NOT (o.state = 'waiting' AND o.awaits IS NOT NULL)))";
    let none = |sql: &str| -> rusqlite::Result<bool> {
        let found: i64 = db
            .prepare_cached(sql)?
            .query_row([job.id.as_str()], |r| r.get(0))?;
        Ok(found == 0)
    };
    let lane =
        "FROM job j JOIN job o ON o.partner = j.partner AND o.lane = j.lane AND o.seq <> j.seq
        WHERE j.id = ?1";
    if !none(&format!(
        "SELECT count(*) {lane} AND o.lease_until IS NOT NULL"
    ))? {
        return Ok(Some("another of its lane is in flight"));
    }
    // In a patient's line what is unclear goes before a cancel of its own chain only, and such a cancel is
    // passed by those of other chains as well.
    let before = format!(
        "SELECT count(*) {lane} AND {stands} AND ({}, o.seq) < ({}, j.seq)
           AND NOT (j.purpose = 'cancel' AND o.chain <> j.chain AND ({} = 1 OR (o.purpose = 'cancel'
             AND EXISTS (SELECT 1 FROM job u WHERE u.partner = o.partner AND u.lane = o.lane
               AND u.chain = o.chain AND {} = 1 AND u.state IN ('waiting', 'asking', 'sending') AND u.held = 0))))",
        place("o."),
        place("j."),
        place("o."),
        place("u.")
    );
    if !none(&before)? {
        return Ok(Some("it is not the head of its lane"));
    }
    // What stands in front of something older goes all the same: else that would never go.
    let drained = format!(
        "SELECT count(*) FROM job j JOIN partner p ON p.partner = j.partner
         WHERE j.id = ?1 AND j.seq > p.drain AND (j.succeeds IS NULL OR j.succeeds > p.drain)
           AND NOT EXISTS (SELECT 1 FROM job o WHERE o.partner = j.partner AND o.lane = j.lane
             AND o.seq <> j.seq AND (o.seq <= p.drain OR o.succeeds <= p.drain) AND {stands})"
    );
    if !none(&drained)? {
        return Ok(Some("its partner is drained, and it came later"));
    }
    if job.purpose == Purpose::Cancel || job.state == State::Asking {
        return Ok(None);
    }
    let stopped = "SELECT count(*) FROM job j JOIN stop s ON s.partner IN ('', j.partner)
        WHERE j.id = ?1 AND (s.client = j.client
          OR EXISTS (SELECT 1 FROM hold h WHERE h.job = j.seq AND h.client = s.client))";
    if !none(stopped)? {
        return Ok(Some("an administrator stopped its patient"));
    }
    let needs = "SELECT count(*) FROM job j JOIN need n ON n.job = j.seq
        WHERE j.id = ?1
          AND NOT EXISTS (SELECT 1 FROM job d WHERE d.partner = j.partner AND d.kind = n.kind
            AND d.record = n.record AND d.state = 'done')
          AND EXISTS (SELECT 1 FROM job o WHERE o.partner = j.partner AND o.kind = n.kind
            AND o.record = n.record AND o.state IN ('waiting', 'sending', 'asking') AND o.held = 0
            AND o.seq < j.seq)";
    if !none(needs)? {
        return Ok(Some("what it refers to is still on its way"));
    }
    let held =
        "SELECT count(*) FROM job j JOIN hold h ON h.partner = j.partner AND h.client = j.client
        WHERE j.id = ?1 AND h.job < j.seq AND j.succeeds IS NULL
          AND NOT EXISTS (SELECT 1 FROM hold own WHERE own.job = j.seq)";
    if !none(held)? {
        return Ok(Some("a merge holds its patient"));
    }
    let paused = "SELECT count(*) FROM job j JOIN partner p ON p.partner = j.partner
        WHERE j.id = ?1 AND p.paused_until IS NOT NULL";
    if !none(paused)? {
        return Ok(Some("its partner is paused"));
    }
    let awaits = "SELECT count(*) FROM job WHERE id = ?1 AND awaits IS NOT NULL";
    if !none(awaits)? {
        return Ok(Some("it awaits a cancel's confirmation"));
    }
    Ok(None)
}
