//! From rows to plain values and back. No decisions, no SQL of its own but column lists.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::failure::Failure;
use crate::clock::Time;
use crate::ids::{Hash, JobId, MessageId, PartnerId, RawId, TenantId};
use crate::store::{issues, seal};
use crate::sync::job::{
    Chain, ChainJob, Effect, EffectKind, NewEffect, Payload, Purpose, Reach, State, VersionRef,
};
use crate::sync::ports::{
    CrosswalkRow, Given, NewRaw, RawState, ResourceRow, StoredRaw, StoredVersion,
};
use crate::sync::reason::Reason;

pub(super) type Read<T> = Result<T, Failure>;

/// A column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Read<T> {
    Ok(row.try_get(column)?)
}

/// A text that PostgreSQL takes. It has no NUL in texts; SQLite does, so what is kept there would be
/// refused here. Nothing of ours and nothing that FHIR or SCRIPT allows holds one: it becomes the sign
/// for what cannot be shown.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A document as a text that PostgreSQL takes (see [`text`]).
pub(super) fn document(value: Value) -> String {
    fn mend(value: &mut Value) {
        match value {
            Value::String(s) if s.contains('\0') => *s = text(s).into_owned(),
            Value::Array(items) => items.iter_mut().for_each(mend),
            Value::Object(fields) => fields.values_mut().for_each(mend),
            _ => {}
        }
    }
    let plain = value.to_string();
    if !plain.contains("\\u0000") {
        return plain;
    }
    let mut value = value;
    mend(&mut value);
    value.to_string()
}

fn word<T>(row: &Row, column: usize, parse: fn(&str) -> Option<T>) -> Read<T> {
    let text: &str = get(row, column)?;
    parse(text).ok_or_else(|| Failure::other("a word that is not in the list"))
}

pub(super) fn state(row: &Row, column: usize) -> Read<State> {
    word(row, column, State::parse)
}

pub(super) fn purpose(row: &Row, column: usize) -> Read<Purpose> {
    word(row, column, Purpose::parse)
}

fn reach(row: &Row, column: usize) -> Read<Reach> {
    word(row, column, Reach::parse)
}

pub(super) fn effect_kind(row: &Row, column: usize) -> Read<EffectKind> {
    word(row, column, EffectKind::parse)
}

pub(super) fn reason(row: &Row, column: usize) -> Read<Option<Reason>> {
    let text: Option<&str> = get(row, column)?;
    Ok(text.and_then(Reason::parse))
}

pub(super) fn time(row: &Row, column: usize) -> Read<Time> {
    Ok(Time::from_micros(get(row, column)?))
}

pub(super) fn time_if(row: &Row, column: usize) -> Read<Option<Time>> {
    Ok(get::<Option<i64>>(row, column)?.map(Time::from_micros))
}

pub(super) fn hash(row: &Row, column: usize) -> Read<Hash> {
    let bytes: &[u8] = get(row, column)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| Failure::other("a hash that is none"))?;
    Ok(Hash(bytes))
}

pub(super) fn number(row: &Row, column: usize) -> Read<u64> {
    let n: i64 = get(row, column)?;
    Ok(u64::try_from(n).unwrap_or(0))
}

pub(super) fn small(row: &Row, column: usize) -> Read<u32> {
    let n: i32 = get(row, column)?;
    Ok(u32::try_from(n).unwrap_or(0))
}

pub(super) fn status(row: &Row, column: usize) -> Read<Option<u16>> {
    let n: Option<i32> = get(row, column)?;
    Ok(n.and_then(|n| u16::try_from(n).ok()))
}

/// A number of ours as PostgreSQL's.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// From the columns tenant, partner.
pub(super) fn member(row: &Row) -> Read<(TenantId, PartnerId)> {
    Ok((TenantId::new(get(row, 0)?), PartnerId::new(get(row, 1)?)))
}

pub(super) fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn open(sealed: Vec<u8>) -> Read<Vec<u8>> {
    seal::open(sealed).map_err(|strange| Failure::other(&strange.to_string()))
}

pub(super) fn message(row: &Row, column: usize) -> Read<Option<MessageId>> {
    Ok(get::<Option<&str>>(row, column)?.map(MessageId::new))
}

pub(super) fn version_ref(row: &Row, column: usize) -> Read<VersionRef> {
    Ok(VersionRef {
        kind: get(row, column)?,
        id: get(row, column + 1)?,
        version: number(row, column + 2)?,
    })
}

/// Columns of [`stored_version`], of a table named `v`.
macro_rules! version_columns {
    () => {
        "v.kind, v.id, v.version, v.chain, v.client, v.body, v.context, v.hash, v.origin, v.accepted, \
         v.given_status, v.given_body"
    };
}
pub(super) use version_columns;

pub(super) fn stored_version(row: &Row) -> Read<StoredVersion> {
    Ok(StoredVersion {
        record: version_ref(row, 0)?,
        chain: Chain(get(row, 3)?),
        client: get(row, 4)?,
        body: open(get(row, 5)?)?,
        context: json(get(row, 6)?)?,
        hash: hash(row, 7)?,
        origin: get(row, 8)?,
        accepted: time(row, 9)?,
        given: given(row, 10)?,
    })
}

/// A version that may not be there: then its kind is not, either.
pub(super) fn stored_version_if(row: &Row) -> Read<Option<StoredVersion>> {
    match get::<Option<&str>>(row, 0)? {
        Some(_) => stored_version(row).map(Some),
        None => Ok(None),
    }
}

pub(super) fn given(row: &Row, column: usize) -> Read<Given> {
    Ok(Given {
        status: status(row, column)?.unwrap_or_default(),
        body: open(get(row, column + 1)?)?,
    })
}

pub(super) fn json<T: for<'de> Deserialize<'de>>(text: &str) -> Read<T> {
    serde_json::from_str(text).map_err(|_| Failure::other("JSON that does not fit"))
}

/// Columns of [`chain_job`].
macro_rules! chain_job_columns {
    () => {
        "id, partner, kind, record, version, purpose, state, reach, unsure, message, confirmed, seq"
    };
}
pub(super) use chain_job_columns;

pub(super) fn chain_job(row: &Row) -> Read<ChainJob> {
    Ok(ChainJob {
        id: JobId::new(get(row, 0)?),
        partner: PartnerId::new(get(row, 1)?),
        record: version_ref(row, 2)?,
        purpose: purpose(row, 5)?,
        state: state(row, 6)?,
        reach: reach(row, 7)?,
        unsure: get(row, 8)?,
        message: message(row, 9)?,
        confirmed: get(row, 10)?,
        seq: get(row, 11)?,
    })
}

/// From the columns type, id, part, profiles, body.
pub(super) fn resource(row: &Row) -> Read<ResourceRow> {
    Ok(ResourceRow {
        resource_type: get(row, 0)?,
        id: get(row, 1)?,
        part: get(row, 2)?,
        profiles: get(row, 3)?,
        bytes: open(get(row, 4)?)?,
    })
}

/// From the columns partner, type, `our_id`, `their_id`, `their_version`.
pub(super) fn crosswalk(row: &Row) -> Read<CrosswalkRow> {
    Ok(CrosswalkRow {
        partner: PartnerId::new(get(row, 0)?),
        resource_type: get(row, 1)?,
        our_id: get(row, 2)?,
        their_id: get(row, 3)?,
        their_version: get(row, 4)?,
    })
}

/// From the columns n, kind, type, `our_id`, find, `media_type`, body, holes, hash, done, from `at` on;
/// `None` where a job has no effects.
pub(super) fn effect(row: &Row, at: usize) -> Read<Option<Effect>> {
    if get::<Option<i32>>(row, at)?.is_none() {
        return Ok(None);
    }
    let payload = match get::<Option<String>>(row, at + 5)? {
        Some(media_type) => Some(Payload {
            media_type,
            bytes: open(get(row, at + 6)?)?,
            holes: json(get(row, at + 7)?)?,
            hash: hash(row, at + 8)?,
        }),
        None => None,
    };
    Ok(Some(Effect {
        n: small(row, at)?,
        what: NewEffect {
            kind: effect_kind(row, at + 1)?,
            resource_type: get(row, at + 2)?,
            our_id: get(row, at + 3)?,
            find: json(get(row, at + 4)?)?,
            payload,
        },
        done: get(row, at + 9)?,
    }))
}

/// Columns of [`stored_raw`].
macro_rules! raw_columns {
    () => {
        "id, door, sender_id, media_type, body, hash, received, state, issues, given_status, given_body"
    };
}
pub(super) use raw_columns;

pub(super) fn stored_raw(row: &Row) -> Read<StoredRaw> {
    let issues: Option<Vec<u8>> = get(row, 8)?;
    Ok(StoredRaw {
        raw: NewRaw {
            id: RawId::new(get(row, 0)?),
            door: get(row, 1)?,
            sender_id: get(row, 2)?,
            media_type: get(row, 3)?,
            bytes: open(get(row, 4)?)?,
            hash: hash(row, 5)?,
        },
        received: time(row, 6)?,
        state: word(row, 7, RawState::parse)?,
        issues: match issues {
            Some(sealed) => issues::read(&open(sealed)?),
            None => Vec::new(),
        },
        given: match status(row, 9)? {
            Some(_) => Some(given(row, 9)?),
            None => None,
        },
    })
}
