//! Whose it is, and by which of our names: what a partner's resource refers to that is ours.
//!
//! By our identifier, or by the partner's id of a copy that we wrote or of a patient whom a person
//! linked (contracts sections 3 and 5). Never by a person's properties.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::clock::Instant;
use crate::ids::PartnerId;
use crate::record::Kind;
use crate::sync::accept::Acceptor;
use crate::sync::house::Tenant;
use crate::sync::inbound::{Inbound, Message};
use crate::sync::job::VersionRef;
use crate::sync::ports::{CrosswalkRow, StoreError};
use crate::sync::relay::{self, Ours};

/// Clients of ours that one patient of theirs may name.
const NAMED_MAX: usize = 16;

impl Acceptor {
    /// What a resource refers to that is a copy of something of ours, by its partner's crosswalk: by
    /// (type, their id); and the records that those copies are of.
    pub(super) async fn ours(
        &self,
        tenant: &Tenant,
        partner: &PartnerId,
        resource: &Value,
    ) -> Result<(HashMap<(String, String), Ours>, Vec<VersionRef>), StoreError> {
        let store = self.house().store.as_ref();
        let mut ours = HashMap::new();
        let mut records = Vec::new();
        for (resource_type, id) in relay::references(resource) {
            let row = store
                .crosswalk_back(&tenant.id, partner, &resource_type, &id)
                .await?;
            let Some(row) = row else { continue };
            let owner = store
                .resource_owner(&tenant.id, &resource_type, &row.our_id)
                .await?;
            let Some((kind, record)) = owner else {
                continue;
            };
            let Some(parsed) = Kind::parse(&kind) else {
                continue;
            };
            let part = store
                .resources(&tenant.id, &kind, &record)
                .await?
                .into_iter()
                .find(|r| r.resource_type == resource_type && r.id == row.our_id)
                .map(|r| r.part)
                .unwrap_or_default();
            let value = if part.is_empty() {
                record.clone()
            } else {
                format!("{record}/{part}")
            };
            let identifier =
                json!({"system": format!("{}/id/{parsed}", tenant.base), "value": value});
            records.push(VersionRef {
                kind,
                id: record,
                version: 0,
            });
            ours.insert(
                (resource_type, id),
                Ours {
                    our_id: row.our_id,
                    identifier,
                },
            );
        }
        Ok((ours, records))
    }
}

impl Inbound {
    /// The resource, with what it refers to of ours named as we name it.
    pub(super) async fn in_our_names(
        &self,
        message: &Message<'_>,
        resource: &Value,
    ) -> Result<Value, StoreError> {
        let partner = &message.member.partner.facts().id;
        let (ours, _) = self
            .acceptor
            .ours(message.tenant, partner, resource)
            .await?;
        let mut out = resource.clone();
        if !ours.is_empty() {
            relay::name_ours(&mut out, &ours);
        }
        Ok(out)
    }

    /// What the partner calls the resource that becomes ours, and its version there.
    pub(super) fn their_row(
        &self,
        message: &Message<'_>,
        resource: &Value,
        our_id: String,
    ) -> Option<CrosswalkRow> {
        let meta = &resource["meta"];
        Some(CrosswalkRow {
            partner: message.member.partner.facts().id.clone(),
            resource_type: resource["resourceType"].as_str()?.to_owned(),
            our_id,
            their_id: resource["id"].as_str()?.to_owned(),
            their_version: meta["versionId"]
                .as_str()
                .or_else(|| meta["lastUpdated"].as_str())
                .map(str::to_owned),
        })
    }

    /// Whether the partner's version is an older one than what is known: numbers and moments are
    /// compared; of any other names the one that came last counts as the newest.
    pub(super) async fn is_older(
        &self,
        message: &Message<'_>,
        row: &CrosswalkRow,
    ) -> Result<bool, StoreError> {
        let name = (row.resource_type.clone(), row.our_id.clone());
        let known = self
            .house()
            .store
            .crosswalk(&message.tenant.id, &row.partner, &[name])
            .await?;
        let known = known.into_iter().next().and_then(|k| k.their_version);
        Ok(matches!((&row.their_version, &known), (Some(new), Some(old)) if older(new, old)))
    }

    /// The client whom a resource is about: by our identifier, or by their id for a patient of ours.
    /// `Err`: their id, of nobody we know.
    pub(super) async fn client(
        &self,
        message: &Message<'_>,
        resources: &[Value],
        n: usize,
    ) -> Result<Result<String, String>, StoreError> {
        let env = message.tenant.env(message.now);
        let store = &self.house().store;
        let tenant = &message.tenant.id;
        let resource = &resources[n];
        let subject = match &resource["subject"] {
            Value::Null => &resource["patient"],
            subject => subject,
        };
        let reference = subject
            .get("reference")
            .and_then(Value::as_str)
            .unwrap_or("");
        let their_id = if resource["resourceType"] == "Patient" {
            resource["id"].as_str().unwrap_or("")
        } else {
            reference
                .rsplit_once("Patient/")
                .map_or("", |(_, id)| id)
                .split('/')
                .next()
                .unwrap_or("")
        };
        let patient = resources.iter().find(|r| {
            r.get("resourceType").and_then(Value::as_str) == Some("Patient")
                && r.get("id").and_then(Value::as_str) == Some(their_id)
        });
        let mut named: Vec<(String, String)> = std::iter::once(&subject["identifier"])
            .filter_map(pair)
            .chain(patient.into_iter().flat_map(identifiers))
            .filter(|(system, _)| env.kind_of_system(system) == Some(Kind::Client))
            .map(|(_, client)| (Kind::Client.as_str().to_owned(), client.to_owned()))
            .collect();
        named.sort_unstable();
        named.dedup();
        named.truncate(NAMED_MAX);
        let known = store.newest(tenant, &named).await?.into_iter().flatten();
        let mut known = known.map(|client| client.record.id);
        // Several of ours: nobody but a person, by a link, can say who it is.
        if let (Some(client), None) = (known.next(), known.next()) {
            return Ok(Ok(client));
        }
        let partner = &message.member.partner.facts().id;
        let row = store
            .crosswalk_back(tenant, partner, "Patient", their_id)
            .await?;
        if let Some(row) = row
            && let Some((kind, id)) = store.resource_owner(tenant, "Patient", &row.our_id).await?
            && kind == Kind::Client.as_str()
        {
            return Ok(Ok(id));
        }
        Ok(Err(if their_id.is_empty() {
            format!("unnamed-{}", message.id)
        } else {
            their_id.to_owned()
        }))
    }
}

pub(super) fn older(new: &str, old: &str) -> bool {
    if let (Ok(new), Ok(old)) = (new.parse::<u64>(), old.parse::<u64>()) {
        return new < old;
    }
    match (Instant::parse(new), Instant::parse(old)) {
        (Some(new), Some(old)) => new.time() < old.time(),
        _ => false,
    }
}

/// The identifiers of a resource: (system, value). What names an order that it fulfils (a placer's or an
/// accession number) is none of its own.
pub(super) fn identifiers(resource: &Value) -> impl Iterator<Item = (&str, &str)> {
    resource
        .get("identifier")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|i| !names_an_order(i))
        .filter_map(pair)
}

fn names_an_order(identifier: &Value) -> bool {
    let codings = identifier["type"]["coding"].as_array();
    codings
        .into_iter()
        .flatten()
        .any(|c| matches!(c["code"].as_str(), Some("PLAC" | "ACSN")))
}

/// System and value of an Identifier.
fn pair(identifier: &Value) -> Option<(&str, &str)> {
    Some((
        identifier.get("system")?.as_str()?,
        identifier.get("value")?.as_str()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers_or_moments_and_else_not_at_all() {
        assert!(older("9", "10"));
        assert!(!older("10", "9"));
        assert!(!older("3", "3"));
        assert!(older("2026-11-20T09:00:00Z", "2026-11-20T05:00:01-05:00"));
        assert!(!older("b", "a"));
        assert!(!older("a", "b"));
    }
}
