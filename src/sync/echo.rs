//! An echo: what we sent to a partner, coming back (contracts section 1).
//!
//! Known by type, our identifier and the crosswalk of that partner; an identifier inside a reference, a
//! placer or an accession number makes no echo. Compared with what went there, not with what is newest
//! here: a copy of the version before is no change of the partner's.

use serde_json::Value;

use crate::record::map::split_identifier;
use crate::record::{Kind, contract};
use crate::sync::inbound::{Inbound, Message};
use crate::sync::job::{Purpose, Reach, State};
use crate::sync::news::{News, wrong};
use crate::sync::ports::StoreError;
use crate::sync::prepare::changed_elements;
use crate::sync::relay::OTHER;
use crate::sync::whose::{identifiers, older};

/// Versions of a resource that a copy is compared with at most.
const VERSIONS_MAX: usize = 20;

/// Something of ours that the partner has.
struct Sent {
    kind: String,
    /// The record's id.
    record: String,
    resource_type: String,
    our_id: String,
    /// The partner's version of what we wrote last, where it tells.
    version: Option<String>,
}

impl Inbound {
    /// Unchanged it ends here; an order that was changed there becomes an event of ours, anything else a
    /// person looks at. `None`: it is no echo.
    pub(super) async fn echo(
        &self,
        message: &Message<'_>,
        resource_type: &str,
        resource: &Value,
    ) -> Result<Option<News>, StoreError> {
        for (system, value) in identifiers(resource) {
            let sent = self.sent(message, resource_type, system, value).await?;
            let Some(sent) = sent else { continue };
            let Some(changed) = self.changed(message, &sent, resource).await? else {
                continue;
            };
            if changed.is_empty() {
                return Ok(Some(News::Known));
            }
            if sent.kind != Kind::MedicationRequest.as_str() {
                return Ok(Some(wrong(
                    "conflict",
                    "changed-outside",
                    "what we sent was changed at the partner",
                )));
            }
            return Ok(Some(event(message, &sent.record, resource, &changed)));
        }
        Ok(None)
    }

    /// What an identifier names of ours, if this partner has it.
    async fn sent(
        &self,
        message: &Message<'_>,
        resource_type: &str,
        system: &str,
        value: &str,
    ) -> Result<Option<Sent>, StoreError> {
        let env = message.tenant.env(message.now);
        let store = &self.house().store;
        let tenant = &message.tenant.id;
        let Some(kind) = env.kind_name_of_system(system) else {
            return Ok(None);
        };
        let (our_id, record) = match Kind::parse(kind) {
            Some(kind) => {
                let (id, part) = split_identifier(value);
                (env.id(kind, id, part), id.to_owned())
            }
            // What was relayed there is named by our id of it.
            None if kind == OTHER => {
                let owner = store.resource_owner(tenant, resource_type, value).await?;
                let Some((_, id)) = owner.filter(|(kind, _)| kind == OTHER) else {
                    return Ok(None);
                };
                (value.to_owned(), id)
            }
            None => return Ok(None),
        };
        let name = [(resource_type.to_owned(), our_id.clone())];
        let partner = &message.member.partner.facts().id;
        let rows = store.crosswalk(tenant, partner, &name).await?;
        Ok(rows.into_iter().next().map(|row| Sent {
            kind: kind.to_owned(),
            record,
            resource_type: resource_type.to_owned(),
            our_id,
            version: row.their_version,
        }))
    }

    /// The elements that the partner has otherwise than we wrote them. What is no newer than our last
    /// write is compared with any version of ours that is or may be there, what is newer with the newest
    /// of them. `None`: we made no such resource.
    async fn changed(
        &self,
        message: &Message<'_>,
        sent: &Sent,
        resource: &Value,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let theirs = resource["meta"]["versionId"].as_str();
        let (store, tenant) = (&self.house().store, &message.tenant.id);
        let newer = match (theirs, sent.version.as_deref()) {
            // What became of our own write.
            (Some(theirs), Some(ours)) if theirs == ours => return Ok(Some(Vec::new())),
            (Some(theirs), Some(ours)) => older(ours, theirs),
            _ => false,
        };
        let made = store
            .resource_versions(tenant, &sent.resource_type, &sent.our_id, VERSIONS_MAX)
            .await?;
        let name = [(sent.kind.clone(), sent.record.clone())];
        let newest = store.newest(tenant, &name).await?.into_iter().flatten();
        let mut there = Vec::new();
        let mut taken_back = false;
        if let Some(newest) = newest.into_iter().next() {
            let partner = &message.member.partner.facts().id;
            for job in store.chain(tenant, &newest.chain).await? {
                let own = job.partner == *partner
                    && job.record.kind == sent.kind
                    && job.record.id == sent.record;
                let arrived = job.reach != Reach::Not
                    || job.unsure
                    || matches!(job.state, State::Sending | State::Asking);
                if own && arrived {
                    taken_back = job.purpose == Purpose::Cancel;
                    there.push(job.record.version);
                }
            }
        }
        let all = || {
            made.iter()
                .filter_map(|(v, bytes)| Some((*v, serde_json::from_slice::<Value>(bytes).ok()?)))
        };
        let last = there.iter().max();
        if last.is_some_and(|last| made.first().is_some_and(|(v, _)| v < last)) {
            // A member that a newer version lacks: it was entered in error there.
            let gone = STANDING.iter().any(|name| {
                let says = &resource[*name];
                says == IN_ERROR || says["coding"][0]["code"] == IN_ERROR
            });
            let changed = (!gone).then(|| STANDING[0].to_owned());
            return Ok(Some(changed.into_iter().collect()));
        }
        // A row without a job of ours: it came from the partner itself, or was linked.
        let unsent = there.is_empty();
        let mut first = None;
        for (_, ours) in all().filter(|(v, _)| unsent || there.contains(v)) {
            let mut changed = changed_elements(&ours, resource);
            if taken_back {
                // It carries the least: only how it stands can have changed.
                changed.retain(|name| STANDING.contains(&name.as_str()));
            }
            if changed.is_empty() {
                return Ok(Some(changed));
            }
            first.get_or_insert(changed);
            if newer {
                break;
            }
        }
        Ok(first)
    }
}

const IN_ERROR: &str = "entered-in-error";
/// The elements that say how a resource stands.
const STANDING: [&str; 3] = ["status", "lifecycleStatus", "verificationStatus"];

/// An event of our order: what it has become there, by the names of the elements only.
fn event(message: &Message<'_>, order: &str, resource: &Value, changed: &[String]) -> News {
    let id = message
        .tenant
        .key
        .resource_id("told", message.id.as_str(), order);
    let mut value = serde_json::json!({
        "event_id": format!("in-{id}"),
        "version": 1,
        "order_no": order,
        "event": "changed_outside",
        "source": "fhir",
        "at": message.received.to_string(),
        "partner": message.member.partner.facts().id.as_str(),
        "changed_elements": changed,
    });
    if let Some(status) = resource.get("status").and_then(Value::as_str) {
        value["outside_status"] = Value::from(status);
    }
    match contract::parse(Kind::OrderEvent, &value) {
        Ok(record) => News::Record(Box::new(record), None),
        Err(issues) => News::Wrong(issues),
    }
}
