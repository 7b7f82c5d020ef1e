//! What is looked at before anything is sent: deadline, bytes, signature, consent today, names at the
//! partner, the lease. Sends nothing, settles nothing: says what holds the job.

use std::time::Duration;

use serde_json::Value;

use super::{Attempt, Hold, LEASE_MARGIN};
use crate::clock::Date;
use crate::ids::{Hash, PartnerId};
use crate::record::consent::Consent;
use crate::record::{Context, Kind, MapEnv, Record, contract};
use crate::sync::context::rebuild;
use crate::sync::gate::{self, Word};
use crate::sync::house::Route;
use crate::sync::job::{Effect, EffectKind, Purpose, State, payload_hash};
use crate::sync::ports::{Rows, StoreError, StoredVersion};
use crate::sync::reason::Reason;
use crate::sync::relay::OTHER;
use crate::sync::relay_law;

/// What the gate's word rests on: the consents that the client has, and the day.
#[derive(Debug)]
pub(super) struct Grounds {
    consents: Vec<StoredVersion>,
    today: Date,
}

impl PartialEq for Grounds {
    /// By the consents' versions: what is in them never changes.
    fn eq(&self, other: &Self) -> bool {
        let (own, others) = (self.consents.iter(), other.consents.iter());
        self.today == other.today && own.map(|c| &c.record).eq(others.map(|c| &c.record))
    }
}

fn consents(grounds: Option<&Grounds>) -> Vec<Consent> {
    relay_law::readable(grounds.map_or(&[], |g| g.consents.as_slice()))
}

impl Attempt<'_> {
    /// Whether its last send is over.
    pub(super) fn is_past(&self) -> bool {
        let deadline = self.job.deadline;
        deadline.is_some_and(|d| d < self.house.clock.now())
    }

    /// What is to be looked at before anything of the job is sent; the gate's word by these grounds.
    pub(super) async fn look(&self, grounds: Option<&Grounds>) -> Result<Option<Hold>, StoreError> {
        if self.is_past() && !self.job.unsure {
            return Ok(Some(Hold::Settle(
                State::Parked,
                Reason::PastDeadline,
                false,
            )));
        }
        let controlled = self.job.purpose == Purpose::NewRx;
        if gate::exempt(self.job.purpose) || (!self.job.guarded && !controlled) {
            return Ok(None);
        }
        if self.job.record.kind == OTHER {
            return self.look_at_relay(grounds).await;
        }
        let Some((record, stored)) = self.record().await? else {
            return Ok(Some(Hold::Settle(State::Parked, Reason::Integrity, false)));
        };
        let store = self.house.store.as_ref();
        let context = rebuild(store, &self.tenant.id, &record, &stored.context).await?;
        let Some(mut context) = context else {
            return Ok(Some(Hold::Settle(State::Parked, Reason::Integrity, false)));
        };
        // Whoever presses Retry: what may be a controlled drug goes only once its prescriber says which.
        if let Record::MedicationRequest(order) = &record
            && controlled
            && order.suspicion().is_some()
        {
            return Ok(Some(Hold::Settle(
                State::Parked,
                Reason::UnknownDrug,
                false,
            )));
        }
        if let Record::MedicationRequest(order) = &record
            && controlled
            && order.is_controlled()
            && order
                .epcs
                .as_ref()
                .is_none_or(|e| e.signature_hash != order.signature_hash(&context))
        {
            return Ok(Some(Hold::Settle(
                State::Parked,
                Reason::SignatureChanged,
                false,
            )));
        }
        if !self.job.guarded {
            return Ok(None);
        }
        if self.job.client.is_some() {
            context.consents = consents(grounds);
        }
        let env: MapEnv = self.tenant.env(self.house.clock.now());
        let labels = crate::consent::labels(&record, &context);
        let facts = self.member.partner.facts();
        let routes: Vec<&Route> = self
            .house
            .routes_of(&self.tenant.id, record.kind())
            .filter(|r| r.to == facts.id)
            .collect();
        let today = env.now.date_in(&env.zone);
        Ok(
            match gate::ask(facts, &routes, record.kind(), &labels, &context, today) {
                Word::Go(_) => None,
                Word::Stay(_) => Some(Hold::Settle(State::Waiting, Reason::Consent, true)),
            },
        )
    }

    /// What the gate's word rests on now. Nothing for what cannot be denied.
    pub(super) async fn grounds(&self) -> Result<Option<Grounds>, StoreError> {
        if !self.job.guarded || gate::exempt(self.job.purpose) {
            return Ok(None);
        }
        let consents = match &self.job.client {
            Some(client) => self.house.store.consents(&self.tenant.id, client).await?,
            None => Vec::new(),
        };
        let env = self.tenant.env(self.house.clock.now());
        let today = env.now.date_in(&env.zone);
        Ok(Some(Grounds { consents, today }))
    }

    /// The gate, asked again about a relayed resource.
    async fn look_at_relay(&self, grounds: Option<&Grounds>) -> Result<Option<Hold>, StoreError> {
        let found = self
            .house
            .store
            .versions(&self.tenant.id, std::slice::from_ref(&self.job.record))
            .await?;
        let Some(stored) = found.into_iter().flatten().next() else {
            return Ok(Some(Hold::Settle(State::Parked, Reason::Integrity, false)));
        };
        let Ok(resource) = serde_json::from_slice::<Value>(&stored.body) else {
            return Ok(Some(Hold::Settle(State::Parked, Reason::Integrity, false)));
        };
        let resource_type = resource["resourceType"].as_str().unwrap_or_default();
        let source = PartnerId::new(&stored.origin);
        let to = &self.member.partner.facts().id;
        let routes: Vec<&Route> = self
            .house
            .relays_of(&self.tenant.id, &source)
            .filter(|r| r.to == *to && r.relays(resource_type))
            .collect();
        let context = Context {
            consents: consents(grounds),
            ..Context::default()
        };
        let labels = relay_law::labels(&resource, &routes);
        let env = self.tenant.env(self.house.clock.now());
        let today = env.now.date_in(&env.zone);
        let word = relay_law::ask(self.member, &routes, &resource, &labels, &context, today);
        Ok(match word {
            Word::Go(_) => None,
            Word::Stay(_) => Some(Hold::Settle(State::Waiting, Reason::Consent, true)),
        })
    }

    pub(super) async fn record(&self) -> Result<Option<(Record, StoredVersion)>, StoreError> {
        let found = self
            .house
            .store
            .versions(&self.tenant.id, std::slice::from_ref(&self.job.record))
            .await?;
        Ok(found.into_iter().flatten().next().and_then(|stored| {
            let kind = Kind::parse(&stored.record.kind)?;
            let record = contract::from_stored(kind, &stored.body).ok()?;
            Some((record, stored))
        }))
    }

    /// The crosswalk rows of effects' own resources and of their holes.
    pub(super) async fn rows(&self, effects: &[&Effect]) -> Result<Rows, StoreError> {
        let mut names: Vec<(String, String)> = Vec::new();
        for effect in effects
            .iter()
            .filter(|e| e.what.kind != EffectKind::Message)
        {
            let own = (&effect.what.resource_type, &effect.what.our_id);
            let payload = effect.what.payload.iter();
            let holes = payload.flat_map(|p| &p.holes);
            for (resource_type, our_id) in
                std::iter::once(own).chain(holes.map(|h| (&h.resource_type, &h.our_id)))
            {
                if !names
                    .iter()
                    .any(|(t, id)| t == resource_type && id == our_id)
                {
                    names.push((resource_type.clone(), our_id.clone()));
                }
            }
        }
        if names.is_empty() {
            return Ok(Rows::new());
        }
        let found = self
            .house
            .store
            .crosswalk(&self.tenant.id, &self.job.partner, &names)
            .await?;
        Ok(found
            .into_iter()
            .map(|r| ((r.resource_type, r.our_id), (r.their_id, r.their_version)))
            .collect())
    }

    /// Whether there is nothing to do for an effect: the partner has a name for its patient, or none for
    /// what is taken back. A name is never taken away, so a patient that was skipped once stays so.
    pub(super) async fn skips(&self, effect: &Effect, rows: &Rows) -> Result<bool, StoreError> {
        if let Some(survivor) = self.survivor(effect).await?
            && self.name_there(effect, rows) == Some(&survivor.id)
        {
            // Told before: their name for the merged patient is the survivor's, which is not to be
            // written over.
            return Ok(true);
        }
        if self.is_anothers(effect, rows).await? {
            return Ok(true);
        }
        let has_row = self.name_there(effect, rows).is_some();
        Ok(match effect.what.kind {
            EffectKind::Patient => has_row,
            EffectKind::Retract => !has_row,
            EffectKind::Upsert | EffectKind::Message => false,
        })
    }

    /// What keeps an effect from being sent.
    pub(super) fn ready(&self, effect: &Effect, rows: &Rows) -> Option<Hold> {
        let what = &effect.what;
        if let Some(payload) = &what.payload {
            let hash: Hash = payload_hash(&self.tenant.key, &payload.bytes, &payload.holes);
            if hash != payload.hash {
                return Some(Hold::Settle(State::Parked, Reason::Integrity, false));
            }
            // A cancel looks for its copy first: what is not there needs no name for its patient.
            let missing = self.job.purpose != Purpose::Cancel
                && payload.holes.iter().any(|h| {
                    h.required() && !rows.contains_key(&(h.resource_type.clone(), h.our_id.clone()))
                });
            if missing {
                return Some(Hold::Settle(State::Parked, Reason::PatientUnknown, false));
            }
        }
        self.lease_is_over().then_some(Hold::Lost)
    }

    /// Whether the lease leaves no time for a request.
    pub(in crate::sync) fn lease_is_over(&self) -> bool {
        self.house.clock.monotonic()
            + LEASE_MARGIN
            + Duration::from_millis(self.member.partner.facts().timeout_ms)
            > self.lease_ends
    }
}
