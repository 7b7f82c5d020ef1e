//! The EHR's side: each accepted version that a route brings there is there, once, in order, or the
//! gateway says where it is; nothing is there that no consent covers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Evidence, Found, Wrong, split, time, took_effect};
use crate::clock::Time;
use crate::demo::cast::{Scope, may_have};
use crate::demo::clinic::Taken;
use crate::demo::site::{BASE, EHR, EHR_NAMES, TO_EHR};
use crate::record::Kind;

/// How long after the clinic was told that a consent is in force a request may still arrive that was
/// decided before it: longer than a request may take.
const IN_FLIGHT: Duration = Duration::from_secs(3);

pub(super) fn recount(evidence: &Evidence, found: &mut Found) {
    let effects = effects(evidence);
    lost(evidence, &effects, found);
    doubled(&evidence.kept, found);
    order(evidence, found);
    undue(evidence, found);
}

/// Versions that took effect at the EHR.
fn effects(evidence: &Evidence) -> BTreeSet<(Kind, &str, u64)> {
    evidence
        .journal
        .iter()
        .filter(|l| l.partner == EHR && took_effect(l))
        .filter_map(|l| split(l.record.as_deref()?))
        .collect()
}

fn lost(evidence: &Evidence, effects: &BTreeSet<(Kind, &str, u64)>, found: &mut Found) {
    let names: BTreeSet<(String, String)> = evidence.kept.iter().flat_map(names).collect();
    for taken in &evidence.taken {
        if !TO_EHR.contains(&taken.kind.as_str()) {
            continue;
        }
        let name = format!("{}/{}/{}", taken.kind, taken.id, taken.version);
        let newest = evidence.newest(taken.kind, &taken.id);
        let is_newest = newest.is_some_and(|n| n.version == taken.version);
        let jobs = evidence.jobs(taken.kind, &taken.id, EHR);
        let job = jobs.iter().rev().find(|j| j.version == taken.version);
        let Some(job) = job else {
            let denied = evidence.denied(taken.kind, &taken.id, taken.version, EHR);
            if denied && is_newest && covered(evidence, taken, |_| true) {
                found.add(
                    Wrong::Lost,
                    format!("{name} is denied to the EHR, although a consent covers it"),
                );
            } else if !denied && (is_newest || covered(evidence, taken, |t| t.at <= taken.sent)) {
                found.add(
                    Wrong::Lost,
                    format!("{name}: the gateway has neither a job nor a denial for the EHR"),
                );
            }
            continue;
        };
        let here = effects.contains(&(taken.kind, taken.id.as_str(), taken.version));
        let accounted = match job.state.as_str() {
            "done" => here,
            "superseded" => !is_newest && job.reason.is_some(),
            "cancelled" | "parked" => job.reason.is_some(),
            _ => true,
        };
        if !accounted {
            found.add(
                Wrong::Lost,
                format!(
                    "{name} is {} in the gateway's story, and not at the EHR",
                    job.state
                ),
            );
        }
        if job.is_done() && here && is_newest {
            let system = format!("{BASE}/id/{}", taken.kind);
            let mine = |value: &str| value.split('/').next() == Some(taken.id.as_str());
            if !names.iter().any(|(s, v)| *s == system && mine(v)) {
                found.add(Wrong::Lost, format!("{name}: the EHR keeps nothing of it"));
            }
        }
    }
}

/// Identifiers that name a record at its sender.
fn names(resource: &Value) -> Vec<(String, String)> {
    let identifiers = match &resource["identifier"] {
        Value::Array(items) => items.clone(),
        Value::Object(_) => vec![resource["identifier"].clone()],
        _ => Vec::new(),
    };
    identifiers
        .iter()
        .filter_map(|i| {
            let system = i["system"].as_str()?;
            let ours = system.starts_with(BASE) && system.contains("/id/");
            ours.then(|| {
                (
                    system.to_owned(),
                    i["value"].as_str().unwrap_or_default().to_owned(),
                )
            })
        })
        .collect()
}

fn doubled(kept: &[Value], found: &mut Found) {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for resource in kept {
        let resource_type = resource["resourceType"].as_str().unwrap_or_default();
        if resource_type == "Provenance" {
            let name = format!("Provenance {} {}", resource["target"], resource["recorded"]);
            *seen.entry(name).or_default() += 1;
        }
        for (system, value) in names(resource) {
            let kind = system.rsplit('/').next().unwrap_or_default();
            *seen
                .entry(format!("{resource_type} {kind}/{value}"))
                .or_default() += 1;
        }
    }
    for (name, times) in seen.into_iter().filter(|(_, times)| *times > 1) {
        found.add(Wrong::Doubled, format!("the EHR has {times} of {name}"));
    }
}

fn order(evidence: &Evidence, found: &mut Found) {
    let mut newest: BTreeMap<(Kind, &str), u64> = BTreeMap::new();
    for line in &evidence.journal {
        if line.partner != EHR || !took_effect(line) {
            continue;
        }
        let Some((kind, id, version)) = line.record.as_deref().and_then(split) else {
            continue;
        };
        let before = newest.entry((kind, id)).or_default();
        if version < *before {
            found.add(
                Wrong::Disordered,
                format!("{kind}/{id}: version {version} reached the EHR after {before}"),
            );
        }
        *before = version.max(*before);
    }
}

fn undue(evidence: &Evidence, found: &mut Found) {
    for line in &evidence.journal {
        if line.partner != EHR || !took_effect(line) {
            continue;
        }
        let Some(name) = line.record.as_deref() else {
            found.add(Wrong::Undue, "the EHR got a write that names no record");
            continue;
        };
        let Some((kind, id, version)) = split(name) else {
            found.add(
                Wrong::Undue,
                format!("the EHR got {name}, which is no record"),
            );
            continue;
        };
        let taken = evidence
            .taken
            .iter()
            .find(|t| t.kind == kind && t.id == id && t.version == version);
        let Some(taken) = taken
            .cloned()
            .or_else(|| came_in(evidence, kind, id, version))
        else {
            found.add(
                Wrong::Undue,
                format!("the EHR got {name}, which was never accepted"),
            );
            continue;
        };
        let cancel = evidence
            .jobs(kind, id, EHR)
            .iter()
            .any(|j| j.version == version && j.purpose == "cancel");
        let at = time(line).unwrap_or_default();
        // A consent may be in force as soon as it was handed in; and what was decided before one was
        // revoked may have been on its way.
        let allowed = covered(evidence, &taken, |t| t.sent <= at)
            || covered(evidence, &taken, |t| t.at <= at.minus(IN_FLIGHT));
        if !cancel && !allowed {
            found.add(
                Wrong::Undue,
                format!("the EHR got {name}, and no consent covers it"),
            );
        }
    }
}

/// A record that came in by a partner's door, as the clinic was told of it or reads it in its feed.
fn came_in(evidence: &Evidence, kind: Kind, id: &str, version: u64) -> Option<Taken> {
    let told =
        evidence.told.iter().chain(&evidence.fed).find(|t| {
            t["kind"] == kind.as_str() && t["id"] == id && t["version"] == json!(version)
        })?;
    Some(Taken {
        kind,
        id: id.to_owned(),
        version,
        sent: Time::default(),
        at: Time::default(),
        record: told["record"].clone(),
    })
}

/// Whether the consents that the clinic had handed in by some time cover a record for the EHR.
fn covered(evidence: &Evidence, taken: &Taken, by: impl Fn(&Taken) -> bool) -> bool {
    let Some(client) = client_of(evidence, &taken.record) else {
        return true;
    };
    let episode_id = taken.record["episode_id"].as_str();
    let episode = episode_id.and_then(|id| evidence.newest(Kind::Episode, id));
    // What no episode says is treated as the law's harder case.
    let part2 = json!({"part2_program": true});
    let episode = match (taken.kind, episode) {
        (Kind::Client, _) => return true,
        (_, Some(episode)) => &episode.record,
        (_, None) => &part2,
    };
    let mut consents: BTreeMap<&str, &Taken> = BTreeMap::new();
    for consent in evidence
        .taken
        .iter()
        .filter(|t| t.kind == Kind::Consent)
        .filter(|t| by(t))
    {
        if consent.record["client_no"] == client.as_str() {
            let newest = consents.entry(&consent.id).or_insert(consent);
            if consent.version >= newest.version {
                *newest = consent;
            }
        }
    }
    let consents: Vec<&Value> = consents.values().map(|t| &t.record).collect();
    let scope: Scope = may_have(episode, &consents, &EHR_NAMES, evidence.today);
    scope.covers(taken.kind, &taken.record)
}

/// Whom a record is about.
fn client_of(evidence: &Evidence, record: &Value) -> Option<String> {
    if let Some(client) = record["client_no"].as_str() {
        return Some(client.to_owned());
    }
    let episode = evidence.newest(Kind::Episode, record["episode_id"].as_str()?)?;
    episode.record["client_no"].as_str().map(str::to_owned)
}
