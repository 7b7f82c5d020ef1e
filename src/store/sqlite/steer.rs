//! Stopping and letting go: partners paused, drained, resumed; patients held. Each deed is kept with who
//! and why; what it changes is changed before the next claim.

use rusqlite::{Connection, OptionalExtension, params};

use super::find::deed;
use super::lanes::{self, Lane};
use super::seal::{open, seal};
use crate::clock::Time;
use crate::ids::PartnerId;
use crate::sync::ports::{By, DeedView, HoldView, Steer, SteerView};
use crate::sync::reason::Reason;

/// Keeps what a person did.
pub(super) fn put_deed(
    connection: &Connection,
    tenant: &str,
    about: &str,
    what: &str,
    by: By<'_>,
    now: Time,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO deed VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![
            tenant,
            about,
            what,
            by.who,
            seal(by.why.as_bytes()),
            now.micros()
        ])?;
    Ok(())
}

/// The last thing that a person did about something.
fn last_deed(
    connection: &Connection,
    tenant: &str,
    about: &str,
) -> rusqlite::Result<Option<DeedView>> {
    connection
        .prepare_cached(
            "SELECT what, who, why, at FROM deed WHERE tenant = ?1 AND about = ?2
             ORDER BY rowid DESC LIMIT 1",
        )?
        .query_row(params![tenant, about], |r| deed(r, 0))
        .optional()
}

fn about_partner(partner: &str) -> String {
    format!("partner/{partner}")
}

/// A person steers a partner.
pub(super) fn steer(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    steer: Steer,
    by: By<'_>,
    now: Time,
) -> rusqlite::Result<()> {
    put_deed(
        connection,
        tenant,
        &about_partner(partner),
        steer.as_str(),
        by,
        now,
    )?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO partner (tenant, partner) VALUES (?1, ?2)")?
        .execute(params![tenant, partner])?;
    let name = params![
        tenant,
        partner,
        Time::NEVER.micros(),
        Reason::ByPerson.as_str(),
        now.micros()
    ];
    let sql = match steer {
        Steer::Pause => {
            "UPDATE partner SET paused_until = ?3, pause_reason = ?4, drain = NULL
             WHERE tenant = ?1 AND partner = ?2 AND ?5 = ?5"
        }
        Steer::Resume => {
            "UPDATE partner SET paused_until = NULL, pause_reason = NULL, drain = NULL
             WHERE tenant = ?1 AND partner = ?2 AND (?3, ?4, ?5) = (?3, ?4, ?5)"
        }
        // A second drain does not let in what came since the first.
        Steer::Drain => {
            "UPDATE partner SET drain = ifnull(drain, (SELECT ifnull(max(seq), 0) FROM job)),
               pause_reason = CASE WHEN paused_until = ?3 THEN NULL ELSE pause_reason END,
               paused_until = nullif(paused_until, ?3)
             WHERE tenant = ?1 AND partner = ?2 AND (?4, ?5) = (?4, ?5)"
        }
        Steer::Probe => {
            "UPDATE partner SET paused_until = ?5
             WHERE tenant = ?1 AND partner = ?2 AND paused_until <> ?3 AND paused_until > ?5 AND ?4 = ?4"
        }
    };
    connection.prepare_cached(sql)?.execute(name)?;
    Ok(())
}

/// How partners were steered.
pub(super) fn steered(connection: &Connection, tenant: &str) -> rusqlite::Result<Vec<SteerView>> {
    let all: Vec<(String, Option<i64>)> = connection
        .prepare_cached("SELECT partner, drain FROM partner WHERE tenant = ?1")?
        .query_map([tenant], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut out = Vec::new();
    for (partner, drain) in all {
        let last = last_deed(connection, tenant, &about_partner(&partner))?;
        if last.is_none() && drain.is_none() {
            continue;
        }
        let drained = match drain {
            Some(mark) => Some(!goes_on(connection, tenant, &partner, mark)?),
            None => None,
        };
        out.push(SteerView {
            partner: PartnerId::new(&partner),
            drained,
            last,
        });
    }
    Ok(out)
}

/// Whether something that was accepted before a drain is in flight, due, or will be.
fn goes_on(
    connection: &Connection,
    tenant: &str,
    partner: &str,
    mark: i64,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM lane WHERE tenant = ?1 AND partner = ?2 AND mode IN (0, 1, 2, 4, 5)
               AND (head <= ?3 OR succeeds <= ?3))",
        )?
        .query_row(params![tenant, partner, mark], |r| r.get(0))
}

/// Stops a patient's jobs at a partner (empty: at all), or lets them go. Whether that is a change.
pub(super) fn hold(
    connection: &Connection,
    tenant: &str,
    (client, partner): (&str, &str),
    on: bool,
    by: By<'_>,
    now: Time,
) -> rusqlite::Result<bool> {
    let changed = if on {
        connection
            .prepare_cached("INSERT OR IGNORE INTO stop VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                tenant,
                client,
                partner,
                by.who,
                seal(by.why.as_bytes()),
                now.micros()
            ])?
    } else {
        connection
            .prepare_cached("DELETE FROM stop WHERE tenant = ?1 AND client = ?2 AND partner = ?3")?
            .execute(params![tenant, client, partner])?
    };
    if changed == 0 {
        return Ok(false);
    }
    let what = if on { "hold" } else { "release" };
    let about = format!("patient/{client}");
    put_deed(connection, tenant, &about, what, by, now)?;
    let partners: Vec<String> = if partner.is_empty() {
        connection
            .prepare_cached("SELECT DISTINCT partner FROM count WHERE tenant = ?1")?
            .query_map([tenant], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?
    } else {
        vec![partner.to_owned()]
    };
    for partner in partners {
        for key in lanes::of_patient(connection, tenant, &partner, client)? {
            let lane = Lane {
                tenant,
                partner: &partner,
                key: &key,
            };
            lanes::refresh(connection, lane, 0, now.micros())?;
        }
    }
    Ok(true)
}

/// The holds that stand, oldest first.
pub(super) fn holds(
    connection: &Connection,
    tenant: &str,
    limit: usize,
) -> rusqlite::Result<Vec<HoldView>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT client, partner, who, why, since FROM stop WHERE tenant = ?1
             ORDER BY since LIMIT ?2",
        )?
        .query_map(params![tenant, limit], |r| {
            let partner: String = r.get(1)?;
            Ok(HoldView {
                client: r.get(0)?,
                partner: (!partner.is_empty()).then(|| PartnerId::new(&partner)),
                deed: DeedView {
                    what: "hold".to_owned(),
                    who: r.get(2)?,
                    why: String::from_utf8_lossy(&open(r.get(3)?)?).into_owned(),
                    at: Time::from_micros(r.get(4)?),
                },
            })
        })?
        .collect()
}
