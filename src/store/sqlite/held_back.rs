//! What holds the head of a lane back: what it refers to and is on its way, a merge of its patient, an
//! administrator (contracts sections 5, 6 and 10).

use rusqlite::{Connection, OptionalExtension, params};

use super::lanes::Lane;

/// Whether anything holds a waiting job back that is at the head of its lane. Most refer to nothing, and
/// few patients are merged or stopped: that is one question.
pub(super) fn is_held_back(
    connection: &Connection,
    lane: Lane<'_>,
    client: Option<&str>,
    seq: i64,
) -> rusqlite::Result<bool> {
    let perhaps: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM need WHERE tenant = ?1 AND job = ?3)
               OR EXISTS (SELECT 1 FROM hold WHERE tenant = ?1 AND partner = ?2)
               OR EXISTS (SELECT 1 FROM stop WHERE tenant = ?1 AND client = ?4)",
        )?
        .query_row(params![lane.tenant, lane.partner, seq, client], |r| {
            r.get(0)
        })?;
    Ok(perhaps
        && (needs(connection, lane, seq)?
            || holds(connection, lane, client, seq)?
            || stopped(connection, lane, client, seq)?))
}

/// Whether something that the job refers to is not known at the partner and on its way there: by an
/// open job accepted before it, or by the successor of one (contracts section 5). A successor counts
/// while it heads another lane and nothing holds it back.
pub(super) fn needs(connection: &Connection, lane: Lane<'_>, seq: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM need n
               WHERE n.tenant = ?1 AND n.job = ?3
                 AND NOT EXISTS (SELECT 1 FROM job d WHERE d.tenant = ?1 AND d.partner = ?2
                   AND d.kind = n.kind AND d.record = n.record AND d.state = 'done')
                 AND (EXISTS (SELECT 1 FROM job o WHERE o.tenant = ?1 AND o.partner = ?2
                     AND o.kind = n.kind AND o.record = n.record
                     AND o.state IN ('waiting', 'sending', 'asking') AND o.held = 0 AND o.seq < ?3)
                   OR EXISTS (SELECT 1 FROM job s CROSS JOIN lane l INDEXED BY lane_head
                       ON l.tenant = ?1 AND l.head = s.seq
                     WHERE s.tenant = ?1 AND s.partner = ?2 AND s.kind = n.kind AND s.record = n.record
                       AND s.state IN ('waiting', 'sending', 'asking') AND s.held = 0 AND s.seq > ?3
                       AND s.succeeds < ?3 AND l.mode <> 3 AND l.lane <> ?4)))",
        )?
        .query_row(params![lane.tenant, lane.partner, seq, lane.key], |r| {
            r.get(0)
        })
}

/// Whether a merge that is on its way to the partner holds the client. Accepted earlier or later, the
/// client's jobs wait, except what this or an older merge waits for itself, directly or through others:
/// so the oldest merge always gets on. A merge is held by older merges of either of its patients.
pub(super) fn holds(
    connection: &Connection,
    lane: Lane<'_>,
    client: Option<&str>,
    seq: i64,
) -> rusqlite::Result<bool> {
    let merging: Option<i64> = connection
        .prepare_cached("SELECT 1 FROM hold WHERE tenant = ?1 AND job = ?2 LIMIT 1")?
        .query_row(params![lane.tenant, seq], |r| r.get(0))
        .optional()?;
    if merging.is_some() {
        return connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM hold own JOIN hold h ON h.tenant = own.tenant
                   AND h.partner = own.partner AND h.client = own.client AND h.job < own.job
                 WHERE own.tenant = ?1 AND own.job = ?2)",
            )?
            .query_row(params![lane.tenant, seq], |r| r.get(0));
    }
    let Some(client) = client else {
        return Ok(false);
    };
    let oldest: Option<i64> = connection
        .prepare_cached(
            "SELECT min(job) FROM hold WHERE tenant = ?1 AND partner = ?2 AND client = ?3",
        )?
        .query_row(params![lane.tenant, lane.partner, client], |r| r.get(0))?;
    let Some(oldest) = oldest else {
        return Ok(false);
    };
    connection
        .prepare_cached(
            "WITH RECURSIVE waits (seq) AS (
               SELECT job FROM hold WHERE tenant = ?1 AND partner = ?2 AND job <= ?3
               UNION
               SELECT o.seq FROM waits w CROSS JOIN job j ON j.seq = w.seq
                 CROSS JOIN job o ON o.tenant = ?1 AND o.partner = ?2 AND o.lane = j.lane
                   AND o.rank IS NOT NULL AND (o.rank, o.seq) < (j.rank, j.seq)
               UNION
               SELECT o.seq FROM waits w CROSS JOIN need n ON n.tenant = ?1 AND n.job = w.seq
                 CROSS JOIN job o ON o.tenant = ?1 AND o.partner = ?2 AND o.kind = n.kind
                   AND o.record = n.record AND o.state IN ('waiting', 'sending', 'asking')
                   AND o.held = 0 AND (o.seq < w.seq OR o.succeeds < w.seq))
             SELECT NOT EXISTS (SELECT 1 FROM waits WHERE seq = ?4)",
        )?
        .query_row(params![lane.tenant, lane.partner, oldest, seq], |r| {
            r.get(0)
        })
}

/// Whether an administrator stopped the client, or one of the two whom this job merges.
pub(super) fn stopped(
    connection: &Connection,
    lane: Lane<'_>,
    client: Option<&str>,
    seq: i64,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM stop WHERE tenant = ?1 AND client = ?3 AND partner IN ('', ?2))
               OR EXISTS (SELECT 1 FROM hold h CROSS JOIN stop s ON s.tenant = h.tenant
                   AND s.client = h.client AND s.partner IN ('', ?2)
                 WHERE h.tenant = ?1 AND h.job = ?4)",
        )?
        .query_row(params![lane.tenant, lane.partner, client, seq], |r| {
            r.get(0)
        })
}

/// Whether any merge is on its way to a partner.
pub(super) fn merges(
    connection: &Connection,
    tenant: &str,
    partner: &str,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM hold WHERE tenant = ?1 AND partner = ?2)")?
        .query_row([tenant, partner], |r| r.get(0))
}

/// Whether a job may be among what a merge waits for: of a patient whom one holds, or of nobody.
pub(super) fn matters_to_merges(
    connection: &Connection,
    lane: Lane<'_>,
    client: Option<&str>,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM hold WHERE tenant = ?1 AND partner = ?2
               AND client = ifnull(?3, client))",
        )?
        .query_row(params![lane.tenant, lane.partner, client], |r| r.get(0))
}
