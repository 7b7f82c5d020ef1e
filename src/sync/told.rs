//! What a pharmacy tells of an order: a dispense or an event, linked to the order it concerns.
//!
//! An order that was never sent to this partner is not its to speak of, nor is a cancel at another
//! pharmacy its to confirm. Where the message does not say which pharmacy of the clinic's it comes from, it
//! is the one that the order went to. The gateway never edits the order; its state from `sent` on is
//! derived from what is kept here (contracts section 1).

use serde_json::{Value, json};

use crate::ids::MessageId;
use crate::issue::Issue;
use crate::record::{Kind, Record, contract};
use crate::sync::accept::{Accepted, Arrival};
use crate::sync::inbound::{Inbound, Message};
use crate::sync::job::{ChainJob, Purpose, Reach, State, VersionRef};
use crate::sync::ports::{StoreError, Told};

/// What a message is about.
struct About {
    /// The version of the order that went to this partner, as far as can be told.
    order: VersionRef,
    /// Whether it answers a cancel of ours at this partner.
    cancel: bool,
}

impl Inbound {
    /// Keeps what was told. `source` names it among all that was ever told; `answered` is our own job
    /// (its order and whether it is a cancel), where it was told in the answer to one.
    pub(super) async fn hear(
        &self,
        message: &Message<'_>,
        told: Told,
        source: &str,
        answered: Option<(&VersionRef, Purpose)>,
    ) -> Result<Result<(), Vec<Issue>>, StoreError> {
        let about = match answered {
            Some((order, purpose)) => Some(About {
                order: order.clone(),
                cancel: purpose == Purpose::Cancel,
            }),
            None => self.about(message, &told).await?,
        };
        let Some(about) = about else {
            return Ok(Err(vec![Issue::error(
                "not-found",
                "unknown-order",
                "",
                "it is about an order that was not sent to this partner",
            )]));
        };
        let pharmacy = self.pharmacy(message, &told, &about).await?;
        let value = complete(message, &told, source, &about.order.id, pharmacy);
        let record = match contract::parse(told.kind, &value) {
            Ok(record) => record,
            Err(issues) => return Ok(Err(issues)),
        };
        let confirms = match (told.cancel_confirmed, &told.relates_to) {
            (Some(approved), Some(cancel)) if about.cancel => {
                Some((MessageId::new(cancel), approved))
            }
            _ => None,
        };
        let arrival = Arrival {
            origin: message.member.partner.facts().id.as_str().to_owned(),
            idempotency: None,
            raw: None,
            answers: true,
            confirms,
            crosswalk: Vec::new(),
            now: message.now,
        };
        let accepted = self
            .acceptor
            .accept(message.tenant, &record, arrival)
            .await?;
        Ok(match accepted {
            Accepted::New(_) | Accepted::Repeat(_) => Ok(()),
            Accepted::Wrong(issues) => Err(issues),
            Accepted::Conflict(_) | Accepted::KeyReused | Accepted::RawSettled => {
                Err(vec![Issue::error(
                    "conflict",
                    "version-order",
                    "",
                    "the same was told before, with other content",
                )])
            }
        })
    }

    /// What it is about: what the message of ours that it answers brought, else the order that it names,
    /// if that went to this partner.
    async fn about(&self, message: &Message<'_>, told: &Told) -> Result<Option<About>, StoreError> {
        let store = &self.house().store;
        let (tenant, partner) = (&message.tenant.id, &message.member.partner.facts().id);
        if let Some(ours) = &told.relates_to
            && let Some(job) = store.job_of_message(tenant, partner, ours).await?
            && job.record.kind == Kind::MedicationRequest.as_str()
        {
            return Ok(Some(About {
                order: job.record,
                cancel: job.purpose == Purpose::Cancel,
            }));
        }
        let Some(named) = &told.order_no else {
            return Ok(None);
        };
        let name = [(Kind::MedicationRequest.as_str().to_owned(), named.clone())];
        let Some(stored) = store
            .newest(tenant, &name)
            .await?
            .into_iter()
            .flatten()
            .next()
        else {
            return Ok(None);
        };
        let jobs = store.chain(tenant, &stored.chain).await?;
        let went = jobs
            .into_iter()
            .filter(|j| j.partner == *partner && j.record.id == *named)
            .filter(|j| j.purpose != Purpose::Cancel && may_be_there(j))
            .max_by_key(|j| j.seq);
        Ok(went.map(|job| About {
            order: job.record,
            cancel: false,
        }))
    }

    /// The clinic's pharmacy that the order went to, where the message itself names none. A cancel is
    /// brought by a later version, which may name another one: then the prescription says it.
    async fn pharmacy(
        &self,
        message: &Message<'_>,
        told: &Told,
        about: &About,
    ) -> Result<Option<String>, StoreError> {
        if told.record.get("pharmacy_id").is_some() {
            return Ok(None);
        }
        let store = &self.house().store;
        let tenant = &message.tenant.id;
        let load = async |version: &VersionRef| {
            let found = store
                .versions(tenant, std::slice::from_ref(version))
                .await?;
            Ok::<_, StoreError>(found.into_iter().flatten().next())
        };
        let mut stored = load(&about.order).await?;
        if let (true, Some(newer)) = (about.cancel, &stored) {
            let sent = store
                .chain(tenant, &newer.chain)
                .await?
                .into_iter()
                .filter(|j| j.partner == message.member.partner.facts().id)
                .filter(|j| j.purpose == Purpose::NewRx && j.record.id == about.order.id)
                .max_by_key(|j| j.seq);
            if let Some(sent) = sent {
                stored = load(&sent.record).await?;
            }
        }
        let order =
            stored.and_then(|s| contract::from_stored(Kind::MedicationRequest, &s.body).ok());
        Ok(match order {
            Some(Record::MedicationRequest(order)) => order.pharmacy_id,
            _ => None,
        })
    }

    /// Whether an order was sent to this partner, or was to be, or came from it.
    pub(super) async fn went_to(
        &self,
        message: &Message<'_>,
        order: &str,
    ) -> Result<bool, StoreError> {
        let store = &self.house().store;
        let tenant = &message.tenant.id;
        let name = [(
            Kind::MedicationRequest.as_str().to_owned(),
            order.to_owned(),
        )];
        let newest = store.newest(tenant, &name).await?;
        let Some(stored) = newest.into_iter().flatten().next() else {
            return Ok(false);
        };
        let partner = &message.member.partner.facts().id;
        let jobs = store.chain(tenant, &stored.chain).await?;
        Ok(stored.origin == partner.as_str()
            || jobs
                .iter()
                .any(|j| j.partner == *partner && j.record.id == order))
    }
}

/// Whether a job can have brought its order to its partner.
fn may_be_there(job: &ChainJob) -> bool {
    job.reach != Reach::Not || job.unsure || matches!(job.state, State::Sending | State::Asking)
}

/// The record with its id, version, order and pharmacy.
fn complete(
    message: &Message<'_>,
    told: &Told,
    source: &str,
    order: &str,
    pharmacy: Option<String>,
) -> Value {
    let id = message.tenant.key.resource_id("told", source, "");
    let mut value = told.record.clone();
    if let Some(map) = value.as_object_mut() {
        let field = match told.kind {
            Kind::Dispense => "fill_no",
            _ => "event_id",
        };
        map.insert(field.to_owned(), json!(format!("in-{id}")));
        map.insert("version".to_owned(), json!(1));
        map.insert("order_no".to_owned(), json!(order));
        if let Some(pharmacy) = pharmacy {
            map.insert("pharmacy_id".to_owned(), json!(pharmacy));
        }
    }
    value
}
