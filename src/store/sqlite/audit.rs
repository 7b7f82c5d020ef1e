//! The self-check: what is kept twice is compared, what nobody would ever take up is looked for.
//!
//! It reads one moment beside the writer and mends nothing: a fault that mends itself is never found.

use std::time::Duration;

use rusqlite::{Connection, Row, params, params_from_iter};

use super::lanes;
use super::rows;
use crate::clock::Time;
use crate::ids::{PartnerId, TenantId};
use crate::sync::ports::{Audited, Fault, Finding};

/// Lanes that wait for something, looked at one by one in one check, at most.
const HELD_BACK_MAX: i64 = 10_000;

/// The checks that are one query: (fault, SQL that gives tenant, partner or nothing, how many). `?1` is
/// the time before which what is due should have been taken, `?2` that before which leases should have ended.
const CHECKS: &[(Fault, &str)] = &[
    (
        Fault::Counter,
        "SELECT tenant, partner, sum(abs(d)) FROM (
           SELECT tenant, partner, sum(n) AS d FROM (
             SELECT tenant, partner, state, n FROM count
             UNION ALL SELECT tenant, partner, state, -count(*) FROM job GROUP BY tenant, partner, state)
           GROUP BY tenant, partner, state)
         GROUP BY tenant, partner HAVING sum(abs(d)) > 0",
    ),
    (
        Fault::Made,
        "SELECT tenant, NULL, abs(sum(n)) FROM (
           SELECT tenant, n FROM total WHERE what = 'jobs'
           UNION ALL SELECT tenant, -count(*) FROM job GROUP BY tenant)
         GROUP BY tenant HAVING sum(n) <> 0",
    ),
    (
        Fault::Counter,
        "SELECT tenant, partner, count(*) FROM lane l WHERE jobs <> (SELECT count(*) FROM job j
           WHERE j.tenant = l.tenant AND j.partner = l.partner AND j.lane = l.lane AND j.rank IS NOT NULL)
         GROUP BY tenant, partner",
    ),
    // Work goes on where something is leased or was accepted of late: then it is only much.
    (
        Fault::Unclaimed,
        "SELECT l.tenant, l.partner, count(*) FROM lane l
           LEFT JOIN partner p ON p.tenant = l.tenant AND p.partner = l.partner
         WHERE l.mode IN (0, 2, 5) AND l.due < ?1 AND p.paused_until IS NULL AND ifnull(p.last_success, 0) < ?1
           AND (p.drain IS NULL OR l.head <= p.drain OR l.succeeds <= p.drain)
           AND NOT EXISTS (SELECT 1 FROM job j WHERE j.lease_until IS NOT NULL
             AND j.tenant = l.tenant AND j.partner = l.partner)
         GROUP BY l.tenant, l.partner",
    ),
    (
        Fault::LeaseOver,
        "SELECT tenant, partner, count(*) FROM job WHERE lease_until IS NOT NULL AND lease_until < ?2
         GROUP BY tenant, partner",
    ),
    (
        Fault::LeaseOver,
        "SELECT tenant, partner, count(*) FROM job WHERE rank IS NOT NULL AND state = 'sending'
           AND lease_until IS NULL GROUP BY tenant, partner",
    ),
    (
        Fault::Astray,
        "SELECT tenant, partner, count(*) FROM job j WHERE rank IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM lane l WHERE l.tenant = j.tenant AND l.partner = j.partner AND l.lane = j.lane)
         GROUP BY tenant, partner",
    ),
    (
        Fault::Astray,
        "SELECT l.tenant, l.partner, count(*) FROM lane l LEFT JOIN job j ON j.seq = l.head
         WHERE j.rank IS NULL OR j.lane <> l.lane OR j.partner <> l.partner OR j.tenant <> l.tenant
         GROUP BY l.tenant, l.partner",
    ),
    // Open, but out of its lane without what keeps it there.
    (
        Fault::Astray,
        "SELECT tenant, partner, count(*) FROM job WHERE settled IS NULL
           AND rank IS NULL AND held = 0 AND (awaits IS NULL OR state <> 'waiting')
         GROUP BY tenant, partner",
    ),
    // A cancel passes what is unclear in other chains of a patient's line, and the cancels that wait for
    // that; nothing else passes anything.
    (
        Fault::HeadWrong,
        "SELECT l.tenant, l.partner, count(*) FROM lane l JOIN job h ON h.seq = l.head
         WHERE EXISTS (SELECT 1 FROM job o WHERE o.tenant = l.tenant AND o.partner = l.partner
           AND o.lane = l.lane AND o.rank IS NOT NULL AND (o.rank, o.seq) < (h.rank, h.seq)
           AND NOT (h.rank = 2 AND o.chain <> h.chain AND (o.rank = 1 OR (o.rank = 2 AND EXISTS (
             SELECT 1 FROM job u WHERE u.tenant = o.tenant AND u.partner = o.partner AND u.lane = o.lane
               AND u.rank = 1 AND u.chain = o.chain)))))
         GROUP BY l.tenant, l.partner",
    ),
    (
        Fault::Empty,
        "SELECT tenant, partner, count(*) FROM job j WHERE settled IS NULL
           AND NOT EXISTS (SELECT 1 FROM effect e WHERE e.tenant = j.tenant AND e.job = j.seq)
         GROUP BY tenant, partner",
    ),
    (
        Fault::Orphan,
        "SELECT tenant, NULL, count(*) FROM (
           SELECT e.tenant FROM effect e LEFT JOIN job j ON j.seq = e.job WHERE j.seq IS NULL
           UNION ALL SELECT a.tenant FROM attempt a LEFT JOIN job j ON j.seq = a.job WHERE j.seq IS NULL
           UNION ALL SELECT n.tenant FROM need n LEFT JOIN job j ON j.seq = n.job WHERE j.seq IS NULL
           UNION ALL SELECT h.tenant FROM hold h LEFT JOIN job j ON j.seq = h.job WHERE j.seq IS NULL
           UNION ALL SELECT j.tenant FROM job j LEFT JOIN version v ON v.tenant = j.tenant
             AND v.kind = j.kind AND v.id = j.record AND v.version = j.version WHERE v.id IS NULL)
         GROUP BY tenant",
    ),
    (
        Fault::LeftRaw,
        "SELECT tenant, door, count(*) FROM raw WHERE state = 'received' AND state <> 'done'
           AND received < ?1 GROUP BY tenant, door",
    ),
];

fn finding(r: &Row<'_>, fault: Fault) -> rusqlite::Result<Finding> {
    Ok(Finding {
        tenant: TenantId::new(r.get_ref(0)?.as_str()?),
        partner: r
            .get::<_, Option<String>>(1)?
            .map(|name| PartnerId::new(&name)),
        fault,
        n: rows::number(r, 2)?,
    })
}

/// What is wrong at this moment. `leases`: the same moment, by the clock that they go by.
pub(super) fn look(
    connection: &Connection,
    now: Time,
    leases: Time,
    grace: Duration,
) -> rusqlite::Result<Vec<Finding>> {
    let before = [now, leases].map(|time| time.minus(grace).micros());
    let mut found: Vec<Finding> = Vec::new();
    for (fault, sql) in CHECKS {
        // Named, so that the test that wants an index for every statement knows it: this one reads all.
        let mut statement = connection.prepare(&format!("/* self-check */ {sql}"))?;
        let times = statement.parameter_count();
        let mut rows = statement.query(params_from_iter(before.iter().take(times)))?;
        while let Some(row) = rows.next()? {
            found.push(finding(row, *fault)?);
        }
    }
    found.extend(forgotten(connection, now)?);
    Ok(Finding::gathered(found))
}

/// Lanes that are held back although nothing holds their heads back: whoever took the obstacle away did
/// not look again.
fn forgotten(connection: &Connection, now: Time) -> rusqlite::Result<Vec<Finding>> {
    let mut lanes = connection
        .prepare("/* self-check */ SELECT tenant, partner, lane, mode FROM lane WHERE mode IN (3, 4) ORDER BY head LIMIT ?1")?;
    let mut found: Vec<Finding> = Vec::new();
    let mut rows = lanes.query([HELD_BACK_MAX])?;
    while let Some(row) = rows.next()? {
        let (tenant, partner, key): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let mode = row.get(3)?;
        let lane = lanes::Lane {
            tenant: &tenant,
            partner: &partner,
            key: &key,
        };
        if !lanes::is_forgotten(connection, lane, mode, now.micros())? {
            continue;
        }
        match found.iter_mut().find(|f| {
            f.tenant.as_str() == tenant && f.partner.as_ref().is_some_and(|p| p.as_str() == partner)
        }) {
            Some(f) => f.n += 1,
            None => found.push(Finding {
                tenant: TenantId::new(&tenant),
                partner: Some(PartnerId::new(&partner)),
                fault: Fault::Forgotten,
                n: 1,
            }),
        }
    }
    Ok(found)
}

/// Remembers what was found, and since when.
pub(super) fn remember(
    connection: &Connection,
    now: Time,
    found: &[Finding],
) -> rusqlite::Result<()> {
    let kept: Vec<Finding> = remembered(connection, None)?
        .into_iter()
        .map(|(f, _)| f)
        .collect();
    let same = |a: &Finding, b: &Finding| {
        (&a.tenant, &a.partner, a.fault) == (&b.tenant, &b.partner, b.fault)
    };
    for gone in kept.iter().filter(|k| !found.iter().any(|f| same(f, k))) {
        connection
            .prepare_cached(
                "DELETE FROM finding WHERE tenant = ?1 AND partner = ?2 AND fault = ?3",
            )?
            .execute(params![
                gone.tenant.as_str(),
                place(gone),
                gone.fault.as_str()
            ])?;
    }
    for f in found {
        connection
            .prepare_cached(
                "INSERT INTO finding (tenant, partner, fault, n, since) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET n = ?4",
            )?
            .execute(params![
                f.tenant.as_str(),
                place(f),
                f.fault.as_str(),
                rows::int(f.n),
                now.micros()
            ])?;
    }
    moment(connection, "audited", now)
}

/// As it stands in the table: no partner is an empty name.
fn place(finding: &Finding) -> &str {
    finding.partner.as_ref().map_or("", PartnerId::as_str)
}

fn remembered(
    connection: &Connection,
    tenant: Option<&str>,
) -> rusqlite::Result<Vec<(Finding, Time)>> {
    let mut statement = connection.prepare_cached(
        "SELECT tenant, nullif(partner, ''), n, fault, since FROM finding
         WHERE tenant = ifnull(?1, tenant) ORDER BY since, tenant, partner, fault",
    )?;
    let mut rows = statement.query([tenant])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        // A word of a later version of this program is nothing that this one can speak of.
        if let Some(fault) = Fault::parse(row.get_ref(3)?.as_str()?) {
            all.push((finding(row, fault)?, rows::time(row, 4)?));
        }
    }
    Ok(all)
}

/// What the last check found of a tenant.
pub(super) fn audited(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<Audited> {
    Ok(Audited {
        at: when(connection, "audited")?,
        findings: remembered(connection, Some(tenant.as_str()))?,
    })
}

/// Notes when something of the whole database happened.
pub(super) fn moment(connection: &Connection, what: &str, at: Time) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO moment (tenant, what, at) VALUES ('', ?1, ?2) ON CONFLICT DO UPDATE SET at = ?2",
        )?
        .execute(params![what, at.micros()])
        .map(drop)
}

/// When it happened last, if ever.
pub(super) fn when(connection: &Connection, what: &str) -> rusqlite::Result<Option<Time>> {
    connection
        .prepare_cached("SELECT at FROM moment WHERE tenant = '' AND what = ?1")?
        .query_map([what], |r| rows::time(r, 0))?
        .next()
        .transpose()
}
