//! The partners' doors: raw bytes first, then what they mean.
//!
//! Nothing that came in is lost: what cannot be understood is parked and shown, and the sender gets
//! its receipt all the same (contracts section 3). What a message means is worked out before any of it
//! is written, and writing it twice is the same as once: ids of what it becomes are made from the
//! stored bytes' own id, so that a crash in between does no harm.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::clock::Time;
use crate::ids::{MessageId, PartnerId, RawId, TenantId};
use crate::issue::Issue;
use crate::sync::accept::Acceptor;
use crate::sync::house::{House, Member, Tenant};
use crate::sync::job::Claimed;
use crate::sync::ports::{
    Given, Incoming, NewRaw, RawReceipt, RawState, Received, Reply, StoreError, StoredRaw, Told,
};

/// Raw messages taken up again in one go after a crash or a link.
const LEFT_MAX: usize = 64;

/// The partners' doors.
#[derive(Clone)]
pub struct Inbound {
    pub(super) acceptor: Acceptor,
}

/// One message in hand.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) member: &'a Member,
    /// Our id of its bytes.
    pub(super) id: &'a RawId,
    /// When it came: what it becomes is dated by that, however often it is taken up.
    pub(super) received: Time,
    pub(super) now: Time,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Fate {
    /// Everything in it was taken in (or was no news).
    Done,
    /// Something in it could not be understood, checked or placed.
    Parked(Vec<Issue>),
    /// It waits for this patient of theirs to be linked; what is wrong with the rest of it.
    Unmatched(String, Vec<Issue>),
}

impl Inbound {
    /// The doors of this house.
    #[must_use]
    pub fn new(acceptor: Acceptor) -> Self {
        Inbound { acceptor }
    }

    /// The house.
    #[must_use]
    pub fn house(&self) -> &Arc<House> {
        self.acceptor.house()
    }

    /// Takes in what a partner sent. `None`: there is no such partner.
    ///
    /// # Errors
    /// The store's, before the bytes were kept: the sender has to send it again.
    pub async fn receive(
        &self,
        tenant: &TenantId,
        partner: &PartnerId,
        content_type: &str,
        body: &[u8],
    ) -> Result<Option<Reply>, StoreError> {
        let house = self.house();
        let (Some(tenant), Some(member)) =
            (house.tenants.get(tenant), house.member(tenant, partner))
        else {
            return Ok(None);
        };
        let now = house.clock.now();
        let envelope = member.partner.envelope(content_type, body);
        let raw = NewRaw {
            id: RawId::fresh(now),
            door: partner.as_str().to_owned(),
            sender_id: envelope.sender_id,
            media_type: content_type.to_owned(),
            bytes: body.to_vec(),
            hash: tenant.key.digest(&[b"raw", body]),
        };
        let (raw, received) = match house.store.receive(&tenant.id, raw.clone(), now).await? {
            Received::New => (raw, now),
            Received::Repeat(stored) if stored.raw.hash != raw.hash => {
                return Ok(Some(self.another(tenant, member, raw, now).await?));
            }
            Received::Repeat(stored) => match &stored.given {
                Some(given) => return Ok(Some(again(member, &stored, given, now))),
                None => (stored.raw, stored.received),
            },
        };
        Ok(Some(self.take(tenant, member, &raw, received).await?))
    }

    /// Another message under an id that was used: kept like all that comes in, and shown; not taken for the
    /// first one, nor for news.
    async fn another(
        &self,
        tenant: &Tenant,
        member: &Member,
        raw: NewRaw,
        now: Time,
    ) -> Result<Reply, StoreError> {
        let store = &self.house().store;
        let sender_id = raw.sender_id.clone();
        let unnamed = NewRaw {
            sender_id: None,
            ..raw
        };
        let id = match store.receive(&tenant.id, unnamed.clone(), now).await? {
            Received::New => unnamed.id.clone(),
            Received::Repeat(stored) => {
                if let Some(given) = &stored.given {
                    return Ok(again(member, &stored, given, now));
                }
                stored.raw.id
            }
        };
        let issue = Issue::error(
            "duplicate",
            "same-id-other-bytes",
            "",
            "an earlier message of this id had another content",
        );
        let reply = member.partner.reply(&RawReceipt {
            id: id.as_str(),
            sender_id: sender_id.as_deref(),
            message: &MessageId::fresh(now),
            now,
            parked: true,
            bytes: &unnamed.bytes,
        });
        let given = Given {
            status: reply.status,
            body: reply.body.clone(),
        };
        let (parked, issues) = (RawState::Parked, vec![issue]);
        store
            .settle_raw(&tenant.id, &id, parked, issues, None, Some(given))
            .await?;
        Ok(reply)
    }

    /// Works on stored bytes to the answer. From here on the sender is told yes, whatever they mean.
    async fn take(
        &self,
        tenant: &Tenant,
        member: &Member,
        raw: &NewRaw,
        received: Time,
    ) -> Result<Reply, StoreError> {
        let now = self.house().clock.now();
        let message = Message {
            tenant,
            member,
            id: &raw.id,
            received,
            now,
        };
        let fate = self.fate(message, &raw.media_type, &raw.bytes).await?;
        let (state, issues, unmatched) = match fate {
            Fate::Done => (RawState::Done, Vec::new(), None),
            Fate::Parked(issues) => (RawState::Parked, issues, None),
            Fate::Unmatched(their_id, issues) => (
                RawState::Unmatched,
                issues,
                Some((member.partner.facts().id.clone(), their_id)),
            ),
        };
        metrics::counter!("gateway_received_total", "tenant" => tenant.id.as_str().to_owned(),
            "partner" => raw.door.clone(), "state" => state.as_str())
        .increment(1);
        let id = MessageId::fresh(now);
        let reply = member.partner.reply(&RawReceipt {
            id: raw.id.as_str(),
            sender_id: raw.sender_id.as_deref(),
            message: &id,
            now,
            parked: state == RawState::Parked,
            bytes: &raw.bytes,
        });
        let given = Given {
            status: reply.status,
            body: reply.body.clone(),
        };
        self.house()
            .store
            .settle_raw(&tenant.id, &raw.id, state, issues, unmatched, Some(given))
            .await?;
        Ok(reply)
    }

    /// What a message means, carried out.
    async fn fate(
        &self,
        message: Message<'_>,
        content_type: &str,
        bytes: &[u8],
    ) -> Result<Fate, StoreError> {
        let incoming = match message.member.partner.decode(content_type, bytes) {
            Ok(incoming) => incoming,
            Err(issues) => return Ok(Fate::Parked(issues)),
        };
        let max = self.house().settings.bundle_entries_max;
        if incoming.len() > max {
            return Ok(Fate::Parked(vec![Issue::error(
                "too-long",
                "bundle-entries",
                "",
                "the bundle has more entries than the limit allows",
            )]));
        }
        let mut resources = Vec::new();
        let mut whole = false;
        let mut issues = Vec::new();
        for (n, one) in incoming.into_iter().enumerate() {
            match one {
                Incoming::Resource(value) => resources.push(value),
                Incoming::Whole(values) => {
                    whole = true;
                    resources.extend(values);
                }
                Incoming::Told(told) => {
                    let source = format!("{}/{n}", message.id);
                    if let Err(found) = self.hear(&message, told, &source, None).await? {
                        issues.extend(found);
                    }
                }
            }
        }
        if !issues.is_empty() {
            return Ok(Fate::Parked(issues));
        }
        if resources.is_empty() {
            return Ok(Fate::Done);
        }
        self.news(message, &resources, whole).await
    }

    /// What the answer to a delivery tells of the record (a Status, or an Error, in the HTTP answer).
    /// `attempt`: which attempt was refused, so that a second refusal is told, too.
    ///
    /// # Errors
    /// The store's.
    pub async fn told_by_answer(
        &self,
        tenant: &Tenant,
        job: &Claimed,
        effect: u32,
        attempt: Option<u32>,
        told: Vec<Told>,
    ) -> Result<(), StoreError> {
        let house = self.house();
        let Some(member) = house.member(&tenant.id, &job.partner) else {
            return Ok(());
        };
        let id = RawId::new(job.id.as_str());
        for (n, told) in told.into_iter().enumerate() {
            let now = house.clock.now();
            let message = Message {
                tenant,
                member,
                id: &id,
                received: now,
                now,
            };
            let source = match attempt {
                None => format!("{}/{effect}/{n}", job.id),
                Some(attempt) => format!("{}/{effect}/{n}/refused/{attempt}", job.id),
            };
            if self
                .hear(&message, told, &source, Some((&job.record, job.purpose)))
                .await?
                .is_err()
            {
                tracing::warn!(job = %job.id, "what the answer tells of the order could not be kept as an event");
            }
        }
        Ok(())
    }

    /// Takes up raw bytes that a crash left, or whose patient was linked. How many were settled: one that
    /// cannot be worked on now keeps no other from it.
    ///
    /// # Errors
    /// The store's, where it does not say what is left.
    pub async fn resume(&self, before: Time) -> Result<usize, StoreError> {
        let house = self.house().clone();
        let mut count = 0;
        for tenant in house.tenants.values() {
            for id in house.store.raws_left(&tenant.id, before, LEFT_MAX).await? {
                let Some(stored) = house.store.raw(&tenant.id, &id).await? else {
                    continue;
                };
                let partner = PartnerId::new(&stored.raw.door);
                let Some(member) = house.member(&tenant.id, &partner) else {
                    continue;
                };
                let take = self.take(tenant, member, &stored.raw, stored.received);
                match AssertUnwindSafe(take).catch_unwind().await {
                    Ok(Ok(_)) => count += 1,
                    Ok(Err(error)) => {
                        tracing::warn!(raw = %id, %partner, %error, "what was received has to wait");
                    }
                    Err(_) => {
                        tracing::error!(raw = %id, %partner, "what was received cannot be worked on");
                        self.park_broken(tenant, &id).await?;
                    }
                }
            }
        }
        Ok(count)
    }

    /// The program broke on these bytes: a person sees them, and nothing tries them again.
    async fn park_broken(&self, tenant: &Tenant, raw: &RawId) -> Result<(), StoreError> {
        let issue = Issue::error(
            "exception",
            "program-fault",
            "",
            "the gateway broke on it: give its id to the developers",
        );
        let (store, parked) = (&self.house().store, RawState::Parked);
        let settled = store.settle_raw(&tenant.id, raw, parked, vec![issue], None, None);
        settled.await.map(drop)
    }
}

/// The first answer, given again.
fn again(member: &Member, stored: &StoredRaw, given: &Given, now: Time) -> Reply {
    let id = MessageId::fresh(now);
    let like = member.partner.reply(&RawReceipt {
        id: stored.raw.id.as_str(),
        sender_id: stored.raw.sender_id.as_deref(),
        message: &id,
        now,
        parked: stored.state == RawState::Parked,
        bytes: &stored.raw.bytes,
    });
    Reply {
        status: given.status,
        body: given.body.clone(),
        ..like
    }
}
