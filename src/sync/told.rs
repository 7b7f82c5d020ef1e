//! What a pharmacy tells of an order: a dispense or an event, linked to the order it concerns.
//!
//! An order that was never sent to this partner is not its to speak of. The gateway never edits the
//! order; its state from `sent` on is derived from what is kept here (contracts section 1).

use serde_json::{Value, json};

use crate::ids::MessageId;
use crate::issue::Issue;
use crate::record::{Kind, contract};
use crate::sync::accept::{Accepted, Arrival};
use crate::sync::inbound::{Inbound, Message};
use crate::sync::ports::{StoreError, Told};

impl Inbound {
    /// Keeps what was told. `source` names it among all that was ever told; `order` is what our own
    /// job says, where it answers one.
    pub(super) async fn hear(
        &self,
        message: &Message<'_>,
        told: Told,
        source: &str,
        order: Option<&str>,
    ) -> Result<Result<(), Vec<Issue>>, StoreError> {
        let order = match order {
            Some(order) => Some(order.to_owned()),
            None => self.order_of(message, &told).await?,
        };
        let Some(order) = order else {
            return Ok(Err(vec![Issue::error(
                "not-found",
                "unknown-order",
                "",
                "it is about an order that was not sent to this partner",
            )]));
        };
        let value = complete(message, &told, source, &order);
        let record = match contract::parse(told.kind, &value) {
            Ok(record) => record,
            Err(issues) => return Ok(Err(issues)),
        };
        let confirms = self.confirms(message, &told).await?;
        let arrival = Arrival {
            origin: message.member.partner.facts().id.as_str().to_owned(),
            idempotency: None,
            raw: None,
            settles_raw: None,
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

    /// What it says of a cancel, if that is a message of ours to this very partner.
    async fn confirms(
        &self,
        message: &Message<'_>,
        told: &Told,
    ) -> Result<Option<(MessageId, bool)>, StoreError> {
        let (Some(approved), Some(cancel)) = (told.cancel_confirmed, &told.relates_to) else {
            return Ok(None);
        };
        let partner = &message.member.partner.facts().id;
        let store = &self.house().store;
        let job = store
            .job_of_message(&message.tenant.id, partner, cancel)
            .await?;
        Ok(job.map(|_| (MessageId::new(cancel), approved)))
    }

    /// The order that it is about: what the message of ours that it answers brought, else the order
    /// that it names, if that went to this partner.
    async fn order_of(
        &self,
        message: &Message<'_>,
        told: &Told,
    ) -> Result<Option<String>, StoreError> {
        let store = &self.house().store;
        let (tenant, partner) = (&message.tenant.id, &message.member.partner.facts().id);
        if let Some(ours) = &told.relates_to
            && let Some(job) = store.job_of_message(tenant, partner, ours).await?
            && job.record.kind == Kind::MedicationRequest.as_str()
        {
            return Ok(Some(job.record.id));
        }
        let Some(named) = &told.order_no else {
            return Ok(None);
        };
        let went = self.went_to(message, named).await?;
        Ok(went.then(|| named.clone()))
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

/// The record with its id, version and order.
fn complete(message: &Message<'_>, told: &Told, source: &str, order: &str) -> Value {
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
    }
    value
}
