//! From rows to plain values and back. No decisions, no SQL of its own but column lists.

use rusqlite::Row;
use serde::Deserialize;

use super::seal::open;
use crate::clock::Time;
use crate::ids::{Hash, JobId, MessageId, PartnerId, RawId};
use crate::store::issues;
use crate::sync::job::{
    Chain, ChainJob, Effect, EffectKind, NewEffect, Payload, Purpose, Reach, State, VersionRef,
};
use crate::sync::ports::{
    CrosswalkRow, Given, NewRaw, RawState, ResourceRow, StoredRaw, StoredVersion,
};
use crate::sync::reason::Reason;

fn unknown(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, what.to_owned(), rusqlite::types::Type::Text)
}

fn word<T>(row: &Row<'_>, column: usize, parse: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| unknown(column, "a word that is not in the list"))
}

pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    word(row, column, State::parse)
}

pub(super) fn purpose(row: &Row<'_>, column: usize) -> rusqlite::Result<Purpose> {
    word(row, column, Purpose::parse)
}

pub(super) fn reach(row: &Row<'_>, column: usize) -> rusqlite::Result<Reach> {
    word(row, column, Reach::parse)
}

pub(super) fn reason(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Reason>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.as_deref().and_then(Reason::parse))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Time> {
    Ok(Time::from_micros(row.get(column)?))
}

pub(super) fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Hash> {
    Ok(Hash(row.get(column)?))
}

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    Ok(u64::try_from(n).unwrap_or(0))
}

pub(super) fn small(row: &Row<'_>, column: usize) -> rusqlite::Result<u32> {
    let n: i64 = row.get(column)?;
    Ok(u32::try_from(n).unwrap_or(0))
}

/// A number of ours as SQLite's.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Columns of [`stored_version`], of a table named `v`.
pub(super) const VERSION: &str = "v.kind, v.id, v.version, v.chain, v.client, v.body, v.context, \
     v.hash, v.origin, v.accepted, v.given_status, v.given_body";

pub(super) fn stored_version(row: &Row<'_>) -> rusqlite::Result<StoredVersion> {
    Ok(StoredVersion {
        record: VersionRef {
            kind: row.get(0)?,
            id: row.get(1)?,
            version: number(row, 2)?,
        },
        chain: Chain(row.get(3)?),
        client: row.get(4)?,
        body: open(row.get(5)?)?,
        context: json(row, 6)?,
        hash: hash(row, 7)?,
        origin: row.get(8)?,
        accepted: time(row, 9)?,
        given: given(row, 10)?,
    })
}

pub(super) fn given(row: &Row<'_>, column: usize) -> rusqlite::Result<Given> {
    Ok(Given {
        status: row.get(column)?,
        body: open(row.get(column + 1)?)?,
    })
}

pub(super) fn json<T: for<'de> Deserialize<'de>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|_| unknown(column, "JSON that does not fit"))
}

/// Columns of [`chain_job`].
pub(super) const CHAIN_JOB: &str = "id, partner, kind, record, version, purpose, state, reach, unsure, \
     message, confirmed, seq";

pub(super) fn chain_job(row: &Row<'_>) -> rusqlite::Result<ChainJob> {
    Ok(ChainJob {
        id: JobId::new(row.get_ref(0)?.as_str()?),
        partner: PartnerId::new(row.get_ref(1)?.as_str()?),
        record: VersionRef {
            kind: row.get(2)?,
            id: row.get(3)?,
            version: number(row, 4)?,
        },
        purpose: purpose(row, 5)?,
        state: state(row, 6)?,
        reach: reach(row, 7)?,
        unsure: row.get(8)?,
        message: row.get::<_, Option<String>>(9)?.map(|m| MessageId::new(&m)),
        confirmed: row.get(10)?,
        seq: row.get(11)?,
    })
}

/// Columns of [`resource`].
pub(super) const RESOURCE: &str = "type, id, part, profiles, body";

pub(super) fn resource(row: &Row<'_>) -> rusqlite::Result<ResourceRow> {
    Ok(ResourceRow {
        resource_type: row.get(0)?,
        id: row.get(1)?,
        part: row.get(2)?,
        profiles: row.get(3)?,
        bytes: open(row.get(4)?)?,
    })
}

/// Columns of [`crosswalk`].
pub(super) const CROSSWALK: &str = "partner, type, our_id, their_id, their_version";

pub(super) fn crosswalk(row: &Row<'_>) -> rusqlite::Result<CrosswalkRow> {
    Ok(CrosswalkRow {
        partner: PartnerId::new(row.get_ref(0)?.as_str()?),
        resource_type: row.get(1)?,
        our_id: row.get(2)?,
        their_id: row.get(3)?,
        their_version: row.get(4)?,
    })
}

/// Columns of [`effect`].
pub(super) const EFFECT: &str = "n, kind, type, our_id, find, media_type, body, holes, hash, done";

pub(super) fn effect(row: &Row<'_>) -> rusqlite::Result<Effect> {
    let payload = match row.get::<_, Option<String>>(5)? {
        Some(media_type) => Some(Payload {
            media_type,
            bytes: open(row.get(6)?)?,
            holes: json(row, 7)?,
            hash: hash(row, 8)?,
        }),
        None => None,
    };
    Ok(Effect {
        n: small(row, 0)?,
        what: NewEffect {
            kind: word(row, 1, EffectKind::parse)?,
            resource_type: row.get(2)?,
            our_id: row.get(3)?,
            find: json(row, 4)?,
            payload,
        },
        done: row.get(9)?,
    })
}

/// Columns of [`stored_raw`].
pub(super) const RAW: &str = "id, door, sender_id, media_type, body, hash, received, state, issues, \
     given_status, given_body";

pub(super) fn stored_raw(row: &Row<'_>) -> rusqlite::Result<StoredRaw> {
    let issues: Option<Vec<u8>> = row.get(8)?;
    let given_status: Option<u16> = row.get(9)?;
    Ok(StoredRaw {
        raw: NewRaw {
            id: RawId::new(row.get_ref(0)?.as_str()?),
            door: row.get(1)?,
            sender_id: row.get(2)?,
            media_type: row.get(3)?,
            bytes: open(row.get(4)?)?,
            hash: hash(row, 5)?,
        },
        received: time(row, 6)?,
        state: word(row, 7, RawState::parse)?,
        issues: match issues {
            Some(sealed) => issues::read(&open(sealed)?),
            None => Vec::new(),
        },
        given: match given_status {
            Some(_) => Some(given(row, 9)?),
            None => None,
        },
    })
}
