//! An admission as a document for the function that writes it (sql/admit.sql), and what it answers.

use serde_json::{Value, json};
use tokio_postgres::Row;

use super::failure::Failure;
use super::locks::Wish;
use super::rows::{self, Read, get};
use super::writer::Work;
use crate::clock::Time;
use crate::ids::MessageId;
use crate::store::seal::seal;
use crate::sync::job::{NewEffect, NewJob};
use crate::sync::ports::{Admission, Admitted, NewVersion, RawState};
use crate::sync::reason::Reason;

/// Bytes of a document: they go beside it, and it names them by their place, from 1.
#[derive(Default)]
pub(super) struct Bytes(pub(super) Vec<Vec<u8>>);

impl Bytes {
    fn put(&mut self, bytes: Vec<u8>) -> usize {
        self.0.push(bytes);
        self.0.len()
    }

    /// How many bytes all of them are.
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    pub(super) fn sealed(&mut self, bytes: &[u8]) -> usize {
        self.put(seal(bytes))
    }
}

/// The call that writes an admission.
pub(super) fn work(a: &Admission) -> Work {
    let mut bytes = Bytes::default();
    let document = document(a, &mut bytes);
    let size = bytes.size();
    Work::new(
        "SELECT outcome, status, body, newest FROM admit($1::text::jsonb, $2)",
        wish(a),
        vec![Box::new(rows::document(document)), Box::new(bytes.0)],
    )
    .weighing(size)
}

/// Everything that it looks at: what it was decided on must not move before its commit.
fn wish(a: &Admission) -> Wish {
    let t = &a.tenant;
    let mut wish = Wish::default().name("record", t, &[&a.for_record.kind, &a.for_record.id]);
    if let Some(chain) = chain(a) {
        wish = wish.name("chain", t, &[chain]);
    }
    if let Some((caller, key, _)) = &a.idempotency {
        wish = wish.name("key", t, &[caller, key]);
    }
    if let Some(raw) = &a.raw {
        wish = wish.name("raw", t, &[raw.id.as_str()]);
    }
    if let Some((raw, _)) = &a.settles_raw {
        wish = wish.name("raw", t, &[raw.as_str()]);
    }
    for job in &a.jobs {
        wish = wish.partner(t, &job.partner);
        if let Some(awaits) = &job.awaits {
            wish = wish.message(t, awaits.message.as_str());
        }
    }
    for (partner, _, _) in &a.holds {
        wish = wish.partner(t, partner);
    }
    for row in &a.crosswalk {
        wish = wish.partner(t, &row.partner);
    }
    for (job, _, _, _) in &a.seen {
        wish = wish.job(t, job.as_str(), false);
    }
    for transition in &a.transitions {
        wish = wish.job(t, transition.job.as_str(), false);
    }
    if let Some(client) = &a.wakes_client {
        wish = wish.wakes(t, client);
    }
    if let Some(client) = a.version.as_ref().and_then(|v| v.client.as_ref()) {
        // A person may stop the patient at all partners, also at one that has had nothing yet.
        wish = wish.name("patient", t, &[client]);
    }
    if let Some(version) = &a.version
        && version.record.kind == "consent"
        && let Some(client) = &version.client
    {
        wish = wish.consents(t, client);
    }
    for client in a.denials.iter().filter_map(|d| d.client.as_deref()) {
        wish = wish.consents(t, client);
    }
    if let Some((message, _)) = &a.confirms {
        wish = wish.message(t, message.as_str());
    }
    wish
}

/// The chain that it belongs to.
fn chain(a: &Admission) -> Option<&str> {
    match (&a.version, a.jobs.first()) {
        (Some(version), _) => Some(&version.chain.0),
        (None, Some(job)) => Some(&job.chain.0),
        (None, None) => None,
    }
}

fn document(a: &Admission, bytes: &mut Bytes) -> Value {
    let raw = a.raw.as_ref().map(|r| {
        json!({
            "id": r.id.as_str(), "door": r.door, "sender_id": r.sender_id,
            "media_type": r.media_type, "body": bytes.sealed(&r.bytes),
            "hash": bytes.put(r.hash.0.to_vec()),
        })
    });
    let idempotency = a.idempotency.as_ref().map(|(caller, key, hash)| {
        json!({"caller": caller, "key": key, "hash": bytes.put(hash.0.to_vec())})
    });
    let version = a.version.as_ref().map(|v| version(v, bytes));
    let resources: Vec<Value> = a
        .resources
        .iter()
        .map(|r| {
            json!({
                "type": r.resource_type, "id": r.id, "part": r.part, "profiles": r.profiles,
                "body": bytes.sealed(&r.bytes),
            })
        })
        .collect();
    let seen = a.seen.iter().map(|(id, state, reach, unsure)| {
        format!("{id} {} {} {unsure}", state.as_str(), reach.as_str())
    });
    let transitions = a.transitions.iter().map(|t| {
        json!({
            "job": t.job.as_str(), "from": t.from.as_str(), "to": t.to.as_str(),
            "reason": t.reason.as_str(),
        })
    });
    let denials = a.denials.iter().map(|d| {
        json!({
            "client": d.client, "kind": d.record.kind, "id": d.record.id,
            "version": d.record.version, "partner": d.partner.as_str(), "why": d.why,
        })
    });
    let crosswalk = a.crosswalk.iter().map(|row| {
        json!({
            "partner": row.partner.as_str(), "type": row.resource_type, "our_id": row.our_id,
            "their_id": row.their_id, "their_version": row.their_version,
        })
    });
    let jobs: Vec<Value> = a.jobs.iter().map(|j| job(j, bytes)).collect();
    let names =
        |(raw, state): &(crate::ids::RawId, RawState)| json!([raw.as_str(), state.as_str()]);
    json!({
        "tenant": a.tenant.as_str(), "now": a.now.micros(),
        "kind": a.for_record.kind, "id": a.for_record.id, "record_version": a.for_record.version,
        "chain": chain(a), "head": a.head,
        "status": a.given.status, "given": bytes.sealed(&a.given.body),
        "raw": raw, "settles_raw": a.settles_raw.as_ref().map(names), "idempotency": idempotency,
        "version": version, "resources": resources,
        "seen": seen.collect::<Vec<_>>(), "transitions": transitions.collect::<Vec<_>>(),
        "jobs": jobs,
        "denials": denials.collect::<Vec<_>>(),
        "denials_settled": a.denials_settled.iter().map(|p| p.as_str()).collect::<Vec<_>>(),
        "wakes_client": a.wakes_client,
        "confirms": a.confirms.as_ref().map(|(m, approved)| json!([m.as_str(), approved])),
        "holds": a.holds.iter()
            .map(|(partner, client, job)| json!([partner.as_str(), client, job.as_str()]))
            .collect::<Vec<_>>(),
        "crosswalk": crosswalk.collect::<Vec<_>>(),
    })
}

fn version(v: &NewVersion, bytes: &mut Bytes) -> Value {
    json!({
        "client": v.client, "body": bytes.sealed(&v.body), "context": v.context,
        "hash": bytes.put(v.hash.0.to_vec()), "origin": v.origin, "in_feed": v.in_feed,
    })
}

/// A job as `job_put` reads it.
pub(super) fn job(j: &NewJob, bytes: &mut Bytes) -> Value {
    let effects: Vec<Value> = j.effects.iter().map(|e| effect(e, bytes)).collect();
    json!({
        "id": j.id.as_str(), "partner": j.partner.as_str(), "lane": j.lane.0, "chain": j.chain.0,
        "purpose": j.purpose.as_str(), "state": j.state.as_str(),
        "reason": j.reason.map(Reason::as_str), "due": j.due.micros(),
        "deadline": j.deadline.map(Time::micros), "priority": j.priority,
        "message": j.message.as_ref().map(MessageId::as_str),
        "makes": j.makes(),
        "needs": j.needs.iter().map(|on| json!([on.kind, on.id])).collect::<Vec<_>>(),
        "awaits": j.awaits.as_ref().map(|a| json!([a.message.as_str(), a.until.micros()])),
        "guarded": j.guarded, "holds_lane": j.holds_lane, "policy": j.policy, "effects": effects,
    })
}

fn effect(e: &NewEffect, bytes: &mut Bytes) -> Value {
    let payload = e.payload.as_ref();
    json!({
        "kind": e.kind.as_str(), "type": e.resource_type, "our_id": e.our_id,
        "find": serde_json::to_string(&e.find).unwrap_or_default(),
        "media_type": payload.map(|p| p.media_type.as_str()),
        "body": payload.map(|p| bytes.sealed(&p.bytes)),
        "holes": payload.map(|p| serde_json::to_string(&p.holes).unwrap_or_default()),
        "hash": payload.map(|p| bytes.put(p.hash.0.to_vec())),
    })
}

/// What became of it.
pub(super) fn answer(row: &Row) -> Read<Admitted> {
    Ok(match get::<&str>(row, 0)? {
        "stored" => Admitted::Stored,
        "repeat" => Admitted::Repeat(rows::given(row, 1)?),
        "key-reused" => Admitted::KeyReused,
        "conflict" => Admitted::Conflict(rows::number(row, 3)?),
        "moved" => Admitted::Moved,
        "raw-settled" => Admitted::RawSettled,
        _ => return Err(Failure::other("an outcome that is not in the list")),
    })
}
