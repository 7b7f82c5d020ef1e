//! Edit and resend: what a partner refused of a resource is mended for that partner, checked anew, marked
//! as edited, and sent as a job of its own; the original job and the record stay as they are.
//!
//! Narrow on purpose: parked copies at FHIR partners, one resource, a JSON merge patch (RFC 7386) that
//! leaves alone what names the resource, its patient, its labels and what else of ours it refers to. Never
//! an order: what was signed goes back to its prescriber.

use serde_json::{Map, Value, json};

use super::{Refused, again, replay};
use crate::ids::{JobId, TenantId};
use crate::issue::any_error;
use crate::record::Kind;
use crate::sync::accept::Acceptor;
use crate::sync::gate::Word;
use crate::sync::house::{Member, Tenant};
use crate::sync::job::{EffectKind, NewEffect, Payload, Purpose, State, payload_hash};
use crate::sync::ports::{By, StandIn, StoreError, Style, WholeJob};
use crate::sync::prepare::degrade;
use crate::sync::relay::OTHER;

/// Elements that no edit touches: what the resource is, whose, under which law, and what says so.
const FIXED: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "identifier",
    "subject",
    "patient",
    "contained",
    "extension",
    "modifierExtension",
];

/// What would stand in for the job.
struct Edited<'a> {
    member: &'a Member,
    whole: WholeJob,
    /// The record's newest version.
    head: Option<u64>,
    effects: Vec<NewEffect>,
}

/// Says whether an edit can be done, and does nothing.
pub(super) async fn look(
    acceptor: &Acceptor,
    tenant: &TenantId,
    name: (&JobId, u32),
    patch: &Value,
) -> Result<Result<(), Refused>, StoreError> {
    Ok(edited(acceptor, tenant, name, patch).await?.map(drop))
}

/// Edits and sends; the new job.
pub(super) async fn edit(
    acceptor: &Acceptor,
    tenant: &TenantId,
    name: (&JobId, u32),
    patch: &Value,
    by: By<'_>,
) -> Result<Result<JobId, Refused>, StoreError> {
    let edited = match edited(acceptor, tenant, name, patch).await? {
        Ok(edited) => edited,
        Err(refused) => return Ok(Err(refused)),
    };
    let house = acceptor.house();
    let now = house.clock.now();
    let whole = &edited.whole;
    let mut job = replay::made_of(whole, edited.member, edited.effects, now);
    job.priority = whole.priority;
    let id = job.id.clone();
    let stand_in = StandIn {
        source: whole.job.id.clone(),
        from: whole.job.state,
        to: Some(State::Superseded),
        record: whole.job.record.clone(),
        head: edited.head,
        job,
        how: "edit",
        now,
    };
    let stored = house.store.stand_in(tenant, stand_in, by).await?;
    Ok(if stored { Ok(id) } else { Err(Refused::Moved) })
}

async fn edited<'a>(
    acceptor: &'a Acceptor,
    tenant: &TenantId,
    (job, n): (&JobId, u32),
    patch: &Value,
) -> Result<Result<Edited<'a>, Refused>, StoreError> {
    let house = acceptor.house();
    let store = house.store.as_ref();
    let Some(whole) = store.whole(tenant, job).await? else {
        return Ok(Err(Refused::NoJob));
    };
    let (Some(member), Some(of)) = (
        house.member(tenant, &whole.job.partner),
        house.tenants.get(tenant),
    ) else {
        return Ok(Err(Refused::NoPartner));
    };
    let record = &whole.job.record;
    let newest = acceptor.newest(of, &record.kind, &record.id).await?;
    let head = newest.map(|v| v.record.version);
    if let Some(refused) = unfit(&whole, member) {
        return Ok(Err(refused));
    }
    let Some(at) = whole
        .effects
        .iter()
        .position(|e| e.n == n && !e.done && e.what.kind == EffectKind::Upsert)
    else {
        return Ok(Err(Refused::NoEffect));
    };
    let Some(read) = again::read(acceptor, of, &whole).await? else {
        return Ok(Err(Refused::Unreadable));
    };
    let client = whole.client.as_deref();
    let now = house.clock.now();
    if let Word::Stay(_) = again::ask(acceptor, of, member, &read, client, now).await? {
        return Ok(Err(Refused::Consent));
    }
    let profiles = store
        .resources(tenant, &whole.job.record.kind, &whole.job.record.id)
        .await?
        .into_iter()
        .find(|r| {
            let what = &whole.effects[at].what;
            r.resource_type == what.resource_type && r.id == what.our_id
        })
        .map(|r| r.profiles)
        .unwrap_or_default();
    // As `url|version`, the base type among them, which is checked in any case.
    let base = format!(
        "http://hl7.org/fhir/StructureDefinition/{}",
        whole.effects[at].what.resource_type
    );
    let profiles: Vec<&str> = profiles
        .split(',')
        .filter_map(|p| p.split('|').next())
        .filter(|p| !p.is_empty() && *p != base)
        .collect();
    let payload = match mended(acceptor, of, &whole.effects[at].what, patch, &profiles) {
        Ok(payload) => payload,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut effects: Vec<NewEffect> = Vec::new();
    for (i, effect) in whole.effects.iter().enumerate().filter(|(_, e)| !e.done) {
        let mut what = effect.what.clone();
        if i == at {
            what.payload = Some(payload.clone());
        }
        effects.push(what);
    }
    Ok(Ok(Edited {
        member,
        whole,
        head,
        effects,
    }))
}

/// What keeps a job from being edited at all.
fn unfit(whole: &WholeJob, member: &Member) -> Option<Refused> {
    let job = &whole.job;
    if job.purpose == Purpose::NewRx || job.record.kind == Kind::MedicationRequest.as_str() {
        return Some(Refused::Signed);
    }
    if job.record.kind == OTHER
        || job.purpose != Purpose::Copy
        || member.partner.facts().style != Style::Copies
    {
        return Some(Refused::NotEditable);
    }
    if job.state != State::Parked {
        return Some(Refused::NotParked);
    }
    whole.ever_unsure.then_some(Refused::Unclear)
}

/// The payload with the patch in it, marked, checked, hashed anew.
fn mended(
    acceptor: &Acceptor,
    tenant: &Tenant,
    what: &NewEffect,
    patch: &Value,
    profiles: &[&str],
) -> Result<Payload, Refused> {
    let payload = what.payload.as_ref().ok_or(Refused::NoEffect)?;
    if again::is_gone(what) {
        return Err(Refused::BytesGone);
    }
    let original: Value =
        serde_json::from_slice(&payload.bytes).map_err(|_| Refused::NotEditable)?;
    let touched = patch.as_object().ok_or(Refused::Patch)?;
    if touched.is_empty() || touched.keys().any(|k| FIXED.contains(&k.as_str())) {
        return Err(Refused::Patch);
    }
    let mut value = original.clone();
    merge(&mut value, patch);
    // What refers to something of ours stays where it was, as it was.
    let moved =
        |h: &crate::sync::job::Hole| value.pointer(&h.pointer) != original.pointer(&h.pointer);
    if value == original || payload.holes.iter().any(moved) {
        return Err(Refused::Patch);
    }
    mark(&mut value, &tenant.base);
    let validator = &acceptor.house().validator;
    let mut logical = value.clone();
    if degrade(&mut logical) && any_error(&validator.check(&logical, profiles)) {
        return Err(Refused::NotValid);
    }
    let checked = validator
        .certify(value, profiles)
        .map_err(|_| Refused::NotValid)?;
    let bytes = serde_json::to_vec(checked.resource()).map_err(|_| Refused::NotValid)?;
    Ok(Payload {
        media_type: payload.media_type.clone(),
        hash: payload_hash(&tenant.key, &bytes, &payload.holes),
        holes: payload.holes.clone(),
        bytes,
    })
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            map.shift_remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Says in the resource that it is not as the clinic's record made it.
fn mark(value: &mut Value, base: &str) {
    let tag = json!({
        "system": format!("{base}/tag"),
        "code": "edited",
        "display": "Edited by the gateway's administrator for this receiver",
    });
    let Some(map) = value.as_object_mut() else {
        return;
    };
    let meta = map.entry("meta").or_insert_with(|| json!({}));
    match meta.get_mut("tag").and_then(Value::as_array_mut) {
        Some(tags) => tags.push(tag),
        None => {
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("tag".to_owned(), json!([tag]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_is_rfc_7386() {
        for (target, patch, wanted) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut got = target;
            merge(&mut got, &patch);
            assert_eq!(got, wanted);
        }
    }

    #[test]
    fn what_is_edited_says_so() {
        let mut value = json!({"resourceType": "Observation", "meta": {"tag": [{"code": "x"}]}});
        mark(&mut value, "https://clinic.example");
        assert_eq!(value["meta"]["tag"][1]["code"], "edited");
        let mut bare = json!({"resourceType": "Observation"});
        mark(&mut bare, "https://clinic.example");
        assert_eq!(
            bare["meta"]["tag"][0]["system"],
            "https://clinic.example/tag"
        );
    }
}
