//! What would be sent of a job today: the same record version, mapped by today's program and encoded by
//! today's config, as far as its language lets that be; and how it differs from what was sent.
//!
//! Messages (SCRIPT, webhooks), cancels and relays are what they were: their bytes are sent again. The
//! gate is asked in any case. Differences are told as JSON pointers, never with a value.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::clock::Time;
use crate::ids::MessageId;
use crate::record::{Context, Kind, Record, contract};
use crate::sync::accept::Acceptor;
use crate::sync::context::rebuild;
use crate::sync::gate::{self, Word};
use crate::sync::house::{Member, Route, Tenant};
use crate::sync::job::{EffectKind, NewEffect, Purpose};
use crate::sync::ports::{Outgoing, StoreError, StoredVersion, WholeJob};
use crate::sync::relay::OTHER;
use crate::sync::relay_law;

/// Pointers told of one effect, at most.
const POINTERS_MAX: usize = 50;

/// Why something is not sent again: a word of a closed list, shown and counted.
pub type Why = &'static str;

/// A stored record with what it leaned on.
pub(super) struct Read {
    pub(super) record: Record,
    pub(super) stored: StoredVersion,
    pub(super) context: Context,
}

/// Reads a record version with its context; `None` if it cannot be read any more.
pub(super) async fn read(
    acceptor: &Acceptor,
    tenant: &Tenant,
    whole: &WholeJob,
) -> Result<Option<Read>, StoreError> {
    let store = acceptor.house().store.as_ref();
    let name = std::slice::from_ref(&whole.job.record);
    let found = store.versions(&tenant.id, name).await?;
    let Some(stored) = found.into_iter().flatten().next() else {
        return Ok(None);
    };
    let Some(record) = Kind::parse(&stored.record.kind)
        .and_then(|kind| contract::from_stored(kind, &stored.body).ok())
    else {
        return Ok(None);
    };
    let context = rebuild(store, &tenant.id, &record, &stored.context).await?;
    Ok(context.map(|context| Read {
        record,
        stored,
        context,
    }))
}

/// Asks the gate today: may this record go to this partner?
pub(super) async fn ask(
    acceptor: &Acceptor,
    tenant: &Tenant,
    member: &Member,
    read: &Read,
    client: Option<&str>,
    now: Time,
) -> Result<Word, StoreError> {
    let house = acceptor.house();
    let facts = member.partner.facts();
    let routes: Vec<&Route> = house
        .routes_of(&tenant.id, read.record.kind())
        .filter(|r| r.to == facts.id)
        .collect();
    let mut context = read.context.clone();
    if let Some(client) = client {
        let (today, _) = relay_law::consents_of(house, tenant, client).await?;
        context.consents = today.consents;
    }
    let labels = crate::consent::labels(&read.record, &context);
    let today = now.date_in(&tenant.zone);
    Ok(gate::ask(
        facts,
        &routes,
        read.record.kind(),
        &labels,
        &context,
        today,
    ))
}

/// The effects that would be sent today, or why none are.
pub(super) async fn effects(
    acceptor: &Acceptor,
    tenant: &Tenant,
    member: &Member,
    whole: &WholeJob,
    now: Time,
) -> Result<Result<Vec<NewEffect>, Why>, StoreError> {
    let sent = || -> Vec<NewEffect> { whole.effects.iter().map(|e| e.what.clone()).collect() };
    let purpose = whole.job.purpose;
    let gone = || sent().iter().any(is_gone);
    // The gate lets cancels pass, and is asked about relays at the attempt.
    if gate::exempt(purpose) || whole.job.record.kind == OTHER {
        return Ok(if gone() { Err(GONE) } else { Ok(sent()) });
    }
    let Some(read) = read(acceptor, tenant, whole).await? else {
        return Ok(Err("unreadable"));
    };
    let client = whole.client.as_deref();
    let word = ask(acceptor, tenant, member, &read, client, now).await?;
    let notice = match &word {
        Word::Go(notice) => notice.as_deref(),
        Word::Stay("no-route") => return Ok(Err("no-route")),
        Word::Stay(_) => return Ok(Err("consent")),
    };
    let message = |e: &NewEffect| e.kind == EffectKind::Message;
    if sent().iter().any(message) {
        return Ok(if gone() { Err(GONE) } else { Ok(sent()) });
    }
    Ok(
        encode(acceptor, tenant, member, &read, whole, purpose, notice).map(|mut made| {
            // What an older version lost stays taken back.
            let lost = |e: &NewEffect| e.kind == EffectKind::Retract && !is_gone(e);
            made.extend(sent().into_iter().filter(lost));
            made
        }),
    )
}

/// Bytes that are past their retention.
const GONE: Why = "bytes-gone";

pub(super) fn is_gone(effect: &NewEffect) -> bool {
    effect.payload.as_ref().is_some_and(|p| p.bytes.is_empty())
}

/// Encodes a record version for a partner as of the moment it was accepted.
pub(super) fn encode(
    acceptor: &Acceptor,
    tenant: &Tenant,
    member: &Member,
    read: &Read,
    whole: &WholeJob,
    purpose: Purpose,
    notice: Option<&str>,
) -> Result<Vec<NewEffect>, Why> {
    let house = acceptor.house();
    let env = tenant.env(whole.accepted);
    let (record, context) = (&read.record, &read.context);
    let judge = house.judge(&tenant.id, record, context, &read.stored.origin);
    let prepared = crate::sync::prepare::prepare(&house.validator, record, context, &env, &judge)
        .map_err(|_| "not-valid")?;
    if prepared.kept.contains_key(&member.partner.facts().id) {
        return Err("not-valid");
    }
    let patient = acceptor.patient(tenant, context, whole.accepted);
    let fresh = MessageId::fresh(whole.accepted);
    let outgoing = Outgoing {
        env: &env,
        record: Some(record),
        context,
        parts: &prepared.parts,
        patient: patient.as_deref(),
        purpose,
        message: whole.job.message.as_ref().unwrap_or(&fresh),
        now: whole.accepted,
        relates_to: None,
        cause: Some(record),
        retracted: &[],
        notice,
    };
    let encoded = member
        .partner
        .encode(&outgoing)
        .map_err(|_| "not-encodable")?;
    if encoded.effects.is_empty() {
        return Err("not-taken");
    }
    Ok(encoded.effects)
}

/// How one effect differs from what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Resource type or message.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Our id.
    pub our_id: String,
    /// Whether its bytes and holes are the same.
    pub same: bool,
    /// Only in what was sent, or only in what would be.
    pub only: Option<&'static str>,
    /// Where they differ, as JSON pointers; where it is no JSON, none.
    pub differs: Vec<String>,
}

/// Compares what was sent with what would be, effect by effect.
#[must_use]
pub fn compare(sent: &[NewEffect], now: &[NewEffect]) -> Vec<Difference> {
    let name = |e: &NewEffect| (e.resource_type.clone(), e.our_id.clone());
    let one = |e: &NewEffect, only, same, differs| Difference {
        resource_type: e.resource_type.clone(),
        our_id: e.our_id.clone(),
        same,
        only,
        differs,
    };
    let mut out = Vec::new();
    for old in sent {
        out.push(match now.iter().find(|n| name(n) == name(old)) {
            None => one(old, Some("sent"), false, Vec::new()),
            Some(new) => {
                let (a, b) = (old.payload.as_ref(), new.payload.as_ref());
                let same = a.map(|p| p.hash) == b.map(|p| p.hash);
                let bytes = |p: Option<&crate::sync::job::Payload>| {
                    p.and_then(|p| serde_json::from_slice::<Value>(&p.bytes).ok())
                };
                let differs = match (same, bytes(a), bytes(b)) {
                    (false, Some(a), Some(b)) => pointers(&a, &b),
                    _ => Vec::new(),
                };
                one(old, None, same, differs)
            }
        });
    }
    for new in now {
        if !sent.iter().any(|s| name(s) == name(new)) {
            out.push(one(new, Some("now"), false, Vec::new()));
        }
    }
    out
}

/// Where two documents differ: the pointers of what is otherwise, or is only in one.
fn pointers(a: &Value, b: &Value) -> Vec<String> {
    fn walk(a: &Value, b: &Value, at: &str, out: &mut BTreeSet<String>) {
        if out.len() >= POINTERS_MAX || a == b {
            return;
        }
        let step = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                    match (a.get(key), b.get(key)) {
                        (Some(x), Some(y)) => walk(x, y, &step(key), out),
                        _ => drop(out.insert(step(key))),
                    }
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                for n in 0..a.len().max(b.len()) {
                    match (a.get(n), b.get(n)) {
                        (Some(x), Some(y)) => walk(x, y, &step(&n.to_string()), out),
                        _ => drop(out.insert(step(&n.to_string()))),
                    }
                }
            }
            _ => drop(out.insert(at.to_owned())),
        }
    }
    let mut out = BTreeSet::new();
    walk(a, b, "", &mut out);
    out.into_iter().take(POINTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Hash;
    use crate::sync::job::{Find, Payload};
    use serde_json::json;

    fn effect(id: &str, body: &Value) -> NewEffect {
        let bytes = serde_json::to_vec(body).expect("JSON");
        NewEffect {
            kind: EffectKind::Upsert,
            resource_type: "Observation".to_owned(),
            our_id: id.to_owned(),
            find: Find::None,
            payload: Some(Payload {
                media_type: "application/fhir+json".to_owned(),
                hash: Hash::sha256(&bytes),
                bytes,
                holes: Vec::new(),
            }),
        }
    }

    #[test]
    fn differences_are_places_and_never_values() {
        let old = json!({"a": 1, "b": [1, {"c/d": "Canary"}], "gone": true});
        let new = json!({"a": 1, "b": [2, {"c/d": "other"}, 3], "new": {}});
        let found = compare(&[effect("x", &old)], &[effect("x", &new)]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].differs,
            ["/b/0", "/b/1/c~1d", "/b/2", "/gone", "/new"]
        );
        let text = serde_json::to_string(&found).expect("JSON");
        assert!(!text.contains("Canary") && !text.contains("other"));
    }

    #[test]
    fn what_is_the_same_or_only_on_one_side_is_said() {
        let (a, b) = (json!({"a": 1}), json!({"b": 1}));
        let found = compare(
            &[effect("same", &a), effect("old", &a)],
            &[effect("same", &a), effect("new", &b)],
        );
        let said: Vec<_> = found
            .iter()
            .map(|d| (d.our_id.as_str(), d.same, d.only))
            .collect();
        assert_eq!(
            said,
            [
                ("same", true, None),
                ("old", false, Some("sent")),
                ("new", false, Some("now"))
            ]
        );
    }
}
