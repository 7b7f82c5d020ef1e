//! FHIR that came in: an echo of ours, something to relay, or news that becomes a record.
//!
//! Everything is worked out before anything is written. A transaction or message bundle with one bad
//! entry is parked whole; a batch or collection goes entry by entry (contracts section 3).

use serde_json::Value;

use crate::issue::Issue;
use crate::record::{FromFhir, Kind, Record, contract};
use crate::sync::accept::{Accepted, Acceptor, Arrival};
use crate::sync::house::Route;
use crate::sync::inbound::{Fate, Inbound, Message};
use crate::sync::judge::Action;
use crate::sync::ports::{CrosswalkRow, StoreError};
use crate::sync::relay_law;
use crate::sync::relaying::Carried;

/// What one resource is.
pub(super) enum News {
    /// Nothing new: ours, unchanged, or known as it is.
    Known,
    /// Belongs to another entry (a panel's member, a patient): goes with it.
    Companion,
    /// A record, to be accepted.
    Record(Box<Record>, Option<CrosswalkRow>),
    /// To be relayed: its index among the resources, and whom of ours it is about.
    Relay(usize, Option<String>),
    /// Waits for this patient of theirs.
    Unmatched(String),
    /// Cannot be understood, checked or placed.
    Wrong(Vec<Issue>),
}

impl Inbound {
    /// Takes in the resources of one message.
    pub(super) async fn news(
        &self,
        message: Message<'_>,
        resources: &[Value],
        whole: bool,
    ) -> Result<Fate, StoreError> {
        let mut all = Vec::with_capacity(resources.len());
        for n in 0..resources.len() {
            all.push(self.one(&message, resources, n).await?);
        }
        let mut issues = Vec::new();
        let mut unmatched = None;
        for (n, news) in all.iter().enumerate() {
            match news {
                News::Wrong(found) => {
                    issues.extend(found.iter().cloned().map(|i| at(i, n, resources)))
                }
                News::Unmatched(id) => unmatched = Some(id.clone()),
                News::Known | News::Companion | News::Record(..) | News::Relay(..) => {}
            }
        }
        if whole && issues.is_empty() && unmatched.is_none() {
            issues = self.wrong_in(&message, resources, &all).await?;
        }
        if all.iter().all(|n| matches!(n, News::Companion)) {
            issues.push(Issue::error(
                "not-supported",
                "no-principal",
                "",
                "nothing in it is of a type that is taken in",
            ));
        }
        if !whole || (issues.is_empty() && unmatched.is_none()) {
            for news in all {
                match news {
                    News::Record(record, row) => {
                        if let Err(found) = self.accept_news(&message, &record, row).await? {
                            issues.extend(found);
                        }
                    }
                    News::Relay(n, client) => {
                        let carried = carried(&message, &resources[n], client.as_deref());
                        if let Err(found) = self.acceptor.relay(carried).await? {
                            issues.extend(found.into_iter().map(|i| at(i, n, resources)));
                        }
                    }
                    News::Known | News::Companion | News::Unmatched(_) | News::Wrong(_) => {}
                }
            }
        }
        Ok(match (issues.is_empty(), unmatched) {
            // Entry by entry: what is wrong with others is looked at after the link.
            (_, Some(id)) if !whole => Fate::Unmatched(id, issues),
            (true, Some(id)) => Fate::Unmatched(id, issues),
            (false, _) => Fate::Parked(issues),
            (true, None) => Fate::Done,
        })
    }

    /// What would be refused of the entries of a transaction or message, before any of it is written:
    /// with one bad entry nothing of it is routed.
    async fn wrong_in(
        &self,
        message: &Message<'_>,
        resources: &[Value],
        all: &[News],
    ) -> Result<Vec<Issue>, StoreError> {
        let mut issues = Vec::new();
        for (n, news) in all.iter().enumerate() {
            let found = match news {
                News::Record(record, _) => {
                    let from = message.member.partner.facts().id.as_str();
                    self.acceptor
                        .wrong(message.tenant, record, from, message.now)
                        .await?
                }
                News::Relay(n, client) => {
                    let carried = carried(message, &resources[*n], client.as_deref());
                    self.acceptor.wrong_to_relay(carried).await?
                }
                News::Known | News::Companion | News::Unmatched(_) | News::Wrong(_) => Vec::new(),
            };
            issues.extend(found.into_iter().map(|i| at(i, n, resources)));
        }
        Ok(issues)
    }

    async fn one(
        &self,
        message: &Message<'_>,
        resources: &[Value],
        n: usize,
    ) -> Result<News, StoreError> {
        let resource = &resources[n];
        let Some(resource_type) = resource.get("resourceType").and_then(Value::as_str) else {
            return Ok(wrong(
                "structure",
                "resource-type",
                "an entry is not a FHIR resource",
            ));
        };
        let relays: Vec<&Route> = self.relays(message, resource_type).collect();
        if resource_type == "Patient" && relays.is_empty() && resources.len() > 1 {
            // Says whom the other entries are about; who somebody is there, is the partner's to know.
            return Ok(News::Companion);
        }
        if let Some(news) = self.echo(message, resource_type, resource).await? {
            return Ok(news);
        }
        if !relays.is_empty() {
            return self.to_relay(message, resources, n, &relays).await;
        }
        let kind = match crate::record::kind_of(resource_type) {
            Some(kind) if principal(kind) => kind,
            _ => return Ok(News::Companion),
        };
        if member_of_another(resources, n) {
            return Ok(News::Companion);
        }
        let issues = self.house().validator.check(resource, &[]);
        let action = |issue: &Issue| self.house().action(message.member, issue);
        if issues.iter().any(|issue| action(issue) >= Action::Park) {
            let told = issues.into_iter().filter(|i| action(i) != Action::Ignore);
            return Ok(News::Wrong(told.collect()));
        }
        self.record(message, kind, resources, n).await
    }

    /// A relay, with whom of ours it is about. Only where 42 CFR Part 2 holds has that to be known.
    async fn to_relay(
        &self,
        message: &Message<'_>,
        resources: &[Value],
        n: usize,
        routes: &[&Route],
    ) -> Result<News, StoreError> {
        let labels = relay_law::labels(&resources[n], routes);
        if !labels.personal {
            return Ok(News::Relay(n, None));
        }
        Ok(match self.client(message, resources, n).await? {
            Ok(client) => News::Relay(n, Some(client)),
            Err(their_id) if labels.part2 => News::Unmatched(their_id),
            Err(_) => News::Relay(n, None),
        })
    }

    /// The relays that this resource takes.
    fn relays<'a>(
        &'a self,
        message: &'a Message<'a>,
        resource_type: &'a str,
    ) -> impl Iterator<Item = &'a Route> {
        let from = &message.member.partner.facts().id;
        self.house()
            .relays_of(&message.tenant.id, from)
            .filter(move |r| r.relays(resource_type))
    }

    /// A record of ours from a resource of theirs.
    async fn record(
        &self,
        message: &Message<'_>,
        kind: Kind,
        resources: &[Value],
        n: usize,
    ) -> Result<News, StoreError> {
        let client = match self.client(message, resources, n).await? {
            Ok(client) => client,
            Err(their_id) => return Ok(News::Unmatched(their_id)),
        };
        let env = message.tenant.env(message.now);
        let mut bundle = vec![self.in_our_names(message, &resources[n]).await?];
        bundle.extend(
            resources
                .iter()
                .enumerate()
                .filter(|(m, _)| *m != n)
                .map(|(_, r)| r.clone()),
        );
        let FromFhir { mut record, .. } = match crate::record::from_fhir(kind, &bundle, &env) {
            Ok(mapped) => mapped,
            Err(issues) => return Ok(News::Wrong(issues)),
        };
        let their_id = resources[n].get("id").and_then(Value::as_str).unwrap_or("");
        let partner = message.member.partner.facts().id.as_str();
        let name = if their_id.is_empty() {
            message.id.as_str()
        } else {
            their_id
        };
        let digest = env
            .key
            .resource_id("inbound", partner, &format!("{kind}/{name}"));
        let id = format!("in-{digest}");
        if let Some(map) = record.as_object_mut() {
            map.insert(kind.id_field().to_owned(), Value::String(id.clone()));
            map.insert("client_no".to_owned(), Value::String(client));
        }
        if kind == Kind::Dispense {
            let order = record["order_no"].as_str().unwrap_or_default();
            if !self.went_to(message, order).await? {
                return Ok(wrong(
                    "not-found",
                    "unknown-order",
                    "it is about an order that was not sent to this partner",
                ));
            }
        }
        let store = &self.house().store;
        let row = self.their_row(message, &resources[n], env.id(kind, &id, ""));
        if let Some(row) = &row
            && self.is_older(message, row).await?
        {
            return Ok(News::Known);
        }
        let names = [(kind.as_str().to_owned(), id)];
        let head = store
            .newest(&message.tenant.id, &names)
            .await?
            .into_iter()
            .flatten()
            .next();
        let version = head.as_ref().map_or(1, |h| h.record.version);
        let known = match numbered(kind, record.clone(), version) {
            Ok(known) => known,
            Err(issues) => return Ok(News::Wrong(issues)),
        };
        let Some(head) = head else {
            return Ok(News::Record(Box::new(known), row));
        };
        let body = serde_json::to_vec(&known.to_json()).unwrap_or_default();
        if Acceptor::content_hash(message.tenant, &body) == head.hash {
            return Ok(News::Known);
        }
        Ok(match numbered(kind, record, version + 1) {
            Ok(next) => News::Record(Box::new(next), row),
            Err(issues) => News::Wrong(issues),
        })
    }

    async fn accept_news(
        &self,
        message: &Message<'_>,
        record: &Record,
        row: Option<CrosswalkRow>,
    ) -> Result<Result<(), Vec<Issue>>, StoreError> {
        let arrival = Arrival {
            origin: message.member.partner.facts().id.as_str().to_owned(),
            idempotency: None,
            raw: None,
            answers: false,
            confirms: None,
            crosswalk: row.into_iter().collect(),
            now: message.now,
        };
        let accepted = self
            .acceptor
            .accept(message.tenant, record, arrival)
            .await?;
        Ok(match accepted {
            Accepted::New(_) | Accepted::Repeat(_) => Ok(()),
            Accepted::Wrong(issues) => Err(issues),
            Accepted::Conflict(_) | Accepted::KeyReused | Accepted::RawSettled => {
                Err(vec![Issue::error(
                    "conflict",
                    "version-order",
                    "",
                    "two messages about the same thing met: to be looked at",
                )])
            }
        })
    }
}

fn carried<'a>(message: &Message<'a>, resource: &'a Value, client: Option<&'a str>) -> Carried<'a> {
    Carried {
        tenant: message.tenant,
        source: &message.member.partner.facts().id,
        resource,
        client,
        only: None,
        now: message.now,
    }
}

/// The kinds that a partner's FHIR becomes; what a record leans on belongs to the clinic.
const fn principal(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::MedicationRequest | Kind::Observation | Kind::CarePlan | Kind::Dispense
    )
}

fn numbered(kind: Kind, mut record: Value, version: u64) -> Result<Record, Vec<Issue>> {
    if let Some(map) = record.as_object_mut() {
        map.insert(kind.version_field().to_owned(), Value::from(version));
    }
    contract::parse(kind, &record)
}

/// Whether another resource of the message names this one as its member: it goes with that one.
fn member_of_another(resources: &[Value], n: usize) -> bool {
    let Some(id) = resources[n].get("id").and_then(Value::as_str) else {
        return false;
    };
    let name = format!("Observation/{id}");
    resources.iter().enumerate().any(|(m, r)| {
        m != n
            && r.get("hasMember")
                .and_then(Value::as_array)
                .is_some_and(|members| {
                    members
                        .iter()
                        .any(|x| x.get("reference").and_then(Value::as_str) == Some(&name))
                })
    })
}

/// An issue with the entry it is in, where there are several.
fn at(mut issue: Issue, n: usize, resources: &[Value]) -> Issue {
    if resources.len() > 1 {
        issue.path = format!("entry[{n}] {}", issue.path);
    }
    issue
}

pub(super) fn wrong(code: &'static str, rule: &'static str, message: &'static str) -> News {
    News::Wrong(vec![Issue::error(code, rule, "", message)])
}
