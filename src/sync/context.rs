//! Loads the records that a record leans on, at their newest versions.
//!
//! Follows the record's links, then the episode's client; a dispense or an event follows its order.
//! An unknown reference is a 422 that names the field (contracts section 1).

use std::collections::HashMap;

use crate::ids::TenantId;
use crate::issue::Issue;
use crate::record::{Context, Kind, Link, Record, Role, contract};
use crate::sync::job::{Chain, VersionRef};
use crate::sync::ports::{Store, StoreError, StoredVersion};

/// A context and what it was made of.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The records, in their roles.
    pub context: Context,
    /// The versions that were used.
    pub versions: Vec<VersionRef>,
    /// The client it all concerns.
    pub client: Option<String>,
    /// The chains of the orders among them.
    pub chains: HashMap<String, Chain>,
}

/// Loads the context of a record.
///
/// # Errors
/// Issues for unknown references; or the store's error.
pub async fn load(
    store: &dyn Store,
    tenant: &TenantId,
    record: &Record,
) -> Result<Result<Loaded, Vec<Issue>>, StoreError> {
    let mut loaded = Loaded::default();
    let mut issues = Vec::new();
    let mut seen: Vec<(Kind, String)> = vec![(record.kind(), record.id().to_owned())];
    let mut wanted = record.links();
    while !wanted.is_empty() {
        wanted.retain(|l| {
            let name = (l.kind, l.id.clone());
            let new = !seen.contains(&name);
            if new {
                seen.push(name);
            }
            new
        });
        let names: Vec<(String, String)> = wanted
            .iter()
            .map(|l| (l.kind.as_str().to_owned(), l.id.clone()))
            .collect();
        let found = store.newest(tenant, &names).await?;
        let mut next = Vec::new();
        for (link, stored) in wanted.iter().zip(found) {
            let Some(stored) = stored else {
                issues.push(Issue::error(
                    "not-found",
                    "unknown-reference",
                    link.pointer.clone(),
                    format!("no {} with this id is known", link.kind),
                ));
                continue;
            };
            match contract::from_stored(link.kind, &stored.body) {
                Ok(found) => {
                    next.extend(follow(record.kind(), link, &found));
                    take(&mut loaded, link.role, found, &stored);
                }
                Err(_) => issues.push(unreadable(&link.pointer)),
            }
        }
        wanted = next;
    }
    loaded.client = match record {
        Record::Client(c) => Some(c.client_no.clone()),
        _ => loaded
            .context
            .client
            .as_ref()
            .map(|c| c.client_no.clone())
            .or_else(|| record.client_no().map(str::to_owned)),
    };
    if let Some(client) = loaded.client.clone() {
        for stored in store.consents(tenant, &client).await? {
            match contract::from_stored(Kind::Consent, &stored.body) {
                Ok(found) => take(&mut loaded, Role::Consent, found, &stored),
                Err(_) => issues.push(unreadable("")),
            }
        }
    }
    if let (Record::Client(own), None) = (record, &loaded.context.client) {
        loaded.context.client = Some((**own).clone());
    }
    Ok(if issues.is_empty() {
        Ok(loaded)
    } else {
        Err(issues)
    })
}

/// Rebuilds a context from the versions that were used at acceptance.
///
/// # Errors
/// The store's error; `None` if a stored record cannot be read.
pub async fn rebuild(
    store: &dyn Store,
    tenant: &TenantId,
    record: &Record,
    versions: &[VersionRef],
) -> Result<Option<Context>, StoreError> {
    let mut context = Context::default();
    let prescriber = record
        .links()
        .into_iter()
        .find(|l| l.role == Role::Prescriber)
        .map(|l| l.id);
    for stored in store
        .versions(tenant, versions)
        .await?
        .into_iter()
        .flatten()
    {
        let Some(kind) = Kind::parse(&stored.record.kind) else {
            return Ok(None);
        };
        let Ok(found) = contract::from_stored(kind, &stored.body) else {
            return Ok(None);
        };
        let role = if kind == Kind::Staff && prescriber.as_deref() == Some(found.id()) {
            Role::Prescriber
        } else {
            Role::Staff
        };
        context.put(role, found);
    }
    Ok(Some(context))
}

/// The links of a linked record that matter to the one that names it.
fn follow(root: Kind, link: &Link, found: &Record) -> Vec<Link> {
    let through_order =
        matches!(root, Kind::Dispense | Kind::OrderEvent) && link.kind == Kind::MedicationRequest;
    found
        .links()
        .into_iter()
        .filter(|l| match l.role {
            Role::Client => true,
            Role::Episode | Role::Prescriber | Role::Pharmacy => through_order,
            Role::Evaluation | Role::Laboratory | Role::Staff | Role::Order | Role::Consent => {
                false
            }
        })
        .map(|mut l| {
            l.pointer.clone_from(&link.pointer);
            l
        })
        .collect()
}

fn take(loaded: &mut Loaded, role: Role, found: Record, stored: &StoredVersion) {
    if !loaded.versions.contains(&stored.record) {
        loaded.versions.push(stored.record.clone());
    }
    if let Record::MedicationRequest(order) = &found {
        loaded
            .chains
            .insert(order.order_no.clone(), stored.chain.clone());
    }
    loaded.context.put(role, found);
}

fn unreadable(pointer: &str) -> Issue {
    Issue::error(
        "exception",
        "stored-unreadable",
        pointer,
        "the stored record cannot be read any more",
    )
}
