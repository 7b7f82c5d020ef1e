//! From a typed record to a committed version: context, rules, maps, chain, routes, one admission.
//!
//! Both kinds of doors come through here: the clinic's (which answers with 422 what this refuses) and
//! the partners' (which parks it). Nothing is stored before everything is decided; what has moved
//! meanwhile is decided again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Time;
use crate::ids::{Hash, MessageId, TenantId};
use crate::issue::{Issue, any_error};
use crate::record::{Context, Record, contract};
use crate::sync::context::{self, Loaded};
use crate::sync::dispatch::{CLINIC, Dispatched, Fresh, dispatch};
use crate::sync::house::{House, Tenant};
use crate::sync::job::{Chain, NewJob, VersionRef};
use crate::sync::judge::Kept;
use crate::sync::ports::{
    Admission, Admitted, CheckedPart, CrosswalkRow, Given, NewRaw, NewVersion, StoreError,
    StoredVersion,
};
use crate::sync::prepare::prepare;
use crate::sync::pressure::Pressure;
use crate::sync::resources;

/// How often a decision is made anew when something moved under it.
pub(super) const MOVES_MAX: usize = 5;
/// Clients whose resource is kept at hand; beyond that all are forgotten.
const PATIENTS_MAX: usize = 4096;

/// What comes with a record, besides itself.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who brought it: `clinic`, or a partner's id.
    pub origin: String,
    /// `Idempotency-Key`: (caller, key, hash of the body).
    pub idempotency: Option<(String, String, Hash)>,
    /// The raw bytes, where they are not stored yet.
    pub raw: Option<NewRaw>,
    /// Whether it is what a partner said about a job of ours: heard however full it is.
    pub answers: bool,
    /// A pharmacy's answer to a cancel.
    pub confirms: Option<(MessageId, bool)>,
    /// What a partner calls it: so its next version, and what refers to it, are known again.
    pub crosswalk: Vec<CrosswalkRow>,
    /// Now.
    pub now: Time,
}

/// What became of it.
#[derive(Debug)]
pub enum Accepted {
    /// Committed: what the sender is told.
    New(Given),
    /// It was accepted before: what was said.
    Repeat(Given),
    /// A lower version, or the same with other content; the newest there is.
    Conflict(u64),
    /// The idempotency key was used with another body.
    KeyReused,
    /// The raw bytes were settled by somebody else.
    RawSettled,
    /// It is wrong: why.
    Wrong(Vec<Issue>),
}

/// Accepts records for a house.
#[derive(Clone)]
pub struct Acceptor {
    house: Arc<House>,
    patients: Arc<Mutex<Patients>>,
    pressure: Arc<Pressure>,
    /// One decider of denials at a time: two that read the same open denial would each make its job.
    pub(super) deciding: Arc<tokio::sync::Mutex<()>>,
}

/// Clients as resources, by tenant, number, version, and whether 42 CFR Part 2 holds: their labels say so.
type Patients = HashMap<(TenantId, String, u64, bool), Arc<CheckedPart>>;

/// Everything about a new version that does not depend on other jobs.
pub(super) struct Work<'a> {
    pub(super) tenant: &'a Tenant,
    record: &'a Record,
    pub(super) version: VersionRef,
    body: Vec<u8>,
    hash: Hash,
    loaded: Loaded,
    pub(super) parts: Vec<CheckedPart>,
    patient: Option<Arc<CheckedPart>>,
    warnings: Vec<Issue>,
    kept: Kept,
    now: Time,
}

impl Acceptor {
    /// For this house.
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Acceptor {
            house,
            patients: Arc::default(),
            pressure: Arc::default(),
            deciding: Arc::default(),
        }
    }

    /// The house.
    #[must_use]
    pub fn house(&self) -> &Arc<House> {
        &self.house
    }

    /// The keyed hash of a record's content.
    #[must_use]
    pub fn content_hash(tenant: &Tenant, body: &[u8]) -> Hash {
        tenant.key.digest(&[b"content", body])
    }

    /// Accepts a record, or says why not.
    ///
    /// # Errors
    /// The store's: nothing was written.
    pub async fn accept(
        &self,
        tenant: &Tenant,
        record: &Record,
        arrival: Arrival,
    ) -> Result<Accepted, StoreError> {
        let body = serde_json::to_vec(&record.to_json()).unwrap_or_default();
        let hash = Self::content_hash(tenant, &body);
        let version = version_of(record);
        let mut head = self.newest(tenant, &version.kind, &version.id).await?;
        if let Some(head) = &head
            && let Some(known) = self.known(tenant, &version, hash, head).await?
        {
            return self.with_key(tenant, &version, &arrival, known).await;
        }
        for _ in 0..MOVES_MAX {
            // Made anew as well: what moved may be what the record leans on.
            let work = self
                .work(
                    tenant,
                    record,
                    body.clone(),
                    hash,
                    &arrival.origin,
                    arrival.now,
                )
                .await?;
            let work = match work {
                Ok(work) => work,
                Err(issues) => return Ok(Accepted::Wrong(issues)),
            };
            if let Some(done) = self.admit(&work, &arrival, head).await? {
                return self.with_key(tenant, &version, &arrival, done).await;
            }
            tracing::debug!(kind = %record.kind(), "moved, decided again");
            head = self.newest(tenant, &version.kind, &version.id).await?;
        }
        Err(StoreError::Full("admit: the record's chain keeps moving"))
    }

    /// A repeat under another key uses that key up, too: it belongs to this body from now on.
    async fn with_key(
        &self,
        tenant: &Tenant,
        version: &VersionRef,
        arrival: &Arrival,
        known: Accepted,
    ) -> Result<Accepted, StoreError> {
        let (Accepted::Repeat(given), Some(_)) = (&known, &arrival.idempotency) else {
            return Ok(known);
        };
        for _ in 0..MOVES_MAX {
            let head = self.newest(tenant, &version.kind, &version.id).await?;
            let noted = Admission {
                idempotency: arrival.idempotency.clone(),
                head: head.map(|h| h.record.version),
                given: given.clone(),
                ..blank(&tenant.id, version, arrival.now)
            };
            match self.house.store.admit(noted).await? {
                Admitted::Moved => {}
                Admitted::KeyReused => return Ok(Accepted::KeyReused),
                _ => return Ok(known),
            }
        }
        Err(StoreError::Full("admit: the record keeps moving"))
    }

    /// A repeat or a conflict, as far as can be told before any work is done.
    async fn known(
        &self,
        tenant: &Tenant,
        version: &VersionRef,
        hash: Hash,
        head: &StoredVersion,
    ) -> Result<Option<Accepted>, StoreError> {
        if version.version > head.record.version {
            return Ok(None);
        }
        let same = if version.version == head.record.version {
            Some(head.clone())
        } else {
            let found = self
                .house
                .store
                .versions(&tenant.id, std::slice::from_ref(version))
                .await?;
            found.into_iter().flatten().next()
        };
        Ok(Some(match same {
            Some(stored) if stored.hash == hash => Accepted::Repeat(stored.given),
            _ => Accepted::Conflict(head.record.version),
        }))
    }

    pub(super) async fn newest(
        &self,
        tenant: &Tenant,
        kind: &str,
        id: &str,
    ) -> Result<Option<StoredVersion>, StoreError> {
        let name = [(kind.to_owned(), id.to_owned())];
        let found = self.house.store.newest(&tenant.id, &name).await?;
        Ok(found.into_iter().flatten().next())
    }

    /// Context, rules, maps.
    pub(super) async fn work<'a>(
        &self,
        tenant: &'a Tenant,
        record: &'a Record,
        body: Vec<u8>,
        hash: Hash,
        origin: &str,
        now: Time,
    ) -> Result<Result<Work<'a>, Vec<Issue>>, StoreError> {
        let loaded = match context::load(self.house.store.as_ref(), &tenant.id, record).await? {
            Ok(loaded) => loaded,
            Err(issues) => return Ok(Err(issues)),
        };
        let env = tenant.env(now);
        let mut warnings = record.rules(&loaded.context, &env);
        if any_error(&warnings) {
            return Ok(Err(warnings));
        }
        let judge = self
            .house
            .judge(&tenant.id, record, &loaded.context, origin);
        let validator = &self.house.validator;
        let prepared = match prepare(validator, record, &loaded.context, &env, &judge) {
            Ok(prepared) => prepared,
            Err(issues) => return Ok(Err(issues)),
        };
        warnings.extend(prepared.warnings);
        let patient = self.patient(tenant, &loaded.context, now);
        Ok(Ok(Work {
            tenant,
            record,
            version: version_of(record),
            body,
            hash,
            loaded,
            parts: prepared.parts,
            patient,
            warnings,
            kept: prepared.kept,
            now,
        }))
    }

    /// The client as a resource, from a small memory.
    pub(super) fn patient(
        &self,
        tenant: &Tenant,
        context: &Context,
        now: Time,
    ) -> Option<Arc<CheckedPart>> {
        let client = context.client.as_ref()?;
        let record = Record::Client(Box::new(client.clone()));
        let part2 = crate::consent::labels(&record, context).part2;
        let name = (
            tenant.id.clone(),
            client.client_no.clone(),
            client.version,
            part2,
        );
        let lock = || self.patients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&name) {
            return Some(known.clone());
        }
        let judge = self.house.judge(&tenant.id, &record, context, CLINIC);
        let env = tenant.env(now);
        let prepared = prepare(&self.house.validator, &record, context, &env, &judge).ok()?;
        let part = Arc::new(prepared.parts.into_iter().next()?);
        let mut patients = lock();
        if patients.len() >= PATIENTS_MAX {
            patients.clear();
        }
        patients.insert(name, part.clone());
        Some(part)
    }

    /// One try, on the newest version as it was read: looks at the chain, decides, writes. `None`:
    /// something moved.
    async fn admit(
        &self,
        work: &Work<'_>,
        arrival: &Arrival,
        head: Option<StoredVersion>,
    ) -> Result<Option<Accepted>, StoreError> {
        let store = self.house.store.as_ref();
        let chain = chain_of(work.record, &work.loaded, head.as_ref());
        let (earlier, retracted) = match &head {
            Some(head) => (
                contract::from_stored(work.record.kind(), &head.body).ok(),
                self.retracted(work).await?,
            ),
            None => (None, Vec::new()),
        };
        let decided = self
            .decide(
                work,
                &chain,
                earlier.as_ref(),
                &retracted,
                &arrival.origin,
                None,
            )
            .await?;
        let dispatched = match decided {
            Ok(dispatched) => dispatched,
            Err(issues) => return Ok(Some(Accepted::Wrong(issues))),
        };
        // What a partner answers about a job of ours is heard, however long anybody's line is: else its
        // outcome could not be written.
        if !arrival.answers {
            self.has_room(work.tenant, &dispatched.jobs).await?;
        }
        let given = Given {
            status: 202,
            body: super::answer::accepted(&work.version, &dispatched, &work.warnings),
        };
        let consent = match work.record {
            Record::Consent(consent) => Some(consent.client_no.clone()),
            _ => None,
        };
        let admission = Admission {
            tenant: work.tenant.id.clone(),
            idempotency: arrival.idempotency.clone(),
            raw: arrival.raw.clone(),
            answers: arrival.answers,
            version: Some(NewVersion {
                record: work.version.clone(),
                chain,
                client: work.loaded.client.clone(),
                body: work.body.clone(),
                context: work.loaded.versions.clone(),
                hash: work.hash,
                origin: arrival.origin.clone(),
                in_feed: arrival.origin != CLINIC,
            }),
            head: head.map(|h| h.record.version),
            resources: resources::rows(&work.parts),
            wakes_client: consent,
            confirms: arrival.confirms.clone(),
            crosswalk: arrival.crosswalk.clone(),
            given: given.clone(),
            ..admission(work, dispatched)
        };
        Ok(Some(match store.admit(admission).await? {
            Admitted::Stored => Accepted::New(given),
            Admitted::Repeat(given) => Accepted::Repeat(given),
            Admitted::KeyReused => Accepted::KeyReused,
            Admitted::Conflict(newest) => Accepted::Conflict(newest),
            Admitted::RawSettled => Accepted::RawSettled,
            Admitted::Moved => return Ok(None),
        }))
    }

    /// Whether what came in may still make these jobs.
    ///
    /// # Errors
    /// [`StoreError::Full`] if not; or the store's.
    pub(super) async fn has_room(
        &self,
        tenant: &Tenant,
        jobs: &[NewJob],
    ) -> Result<(), StoreError> {
        let pressure = &self.pressure;
        pressure.allows(&self.house, &tenant.id, jobs).await
    }

    pub(super) async fn decide(
        &self,
        work: &Work<'_>,
        chain: &Chain,
        earlier: Option<&Record>,
        retracted: &[CheckedPart],
        origin: &str,
        only: Option<&crate::ids::PartnerId>,
    ) -> Result<Result<Dispatched, Vec<Issue>>, StoreError> {
        let store = self.house.store.as_ref();
        let jobs = store.chain(&work.tenant.id, chain).await?;
        let referred_to = earlier.is_some()
            && store
                .referred_to(&work.tenant.id, &work.version.kind, &work.version.id)
                .await?;
        let fresh = Fresh {
            tenant: work.tenant,
            record: work.record,
            version: &work.version,
            loaded: &work.loaded,
            parts: &work.parts,
            kept: &work.kept,
            patient: work.patient.as_deref(),
            retracted,
            earlier,
            chain,
            jobs: &jobs,
            referred_to,
            origin,
            only,
            now: work.now,
        };
        dispatch(&self.house, &fresh).await
    }
}

/// The admission that writes what was decided, and nothing else.
pub(super) fn admission(work: &Work<'_>, dispatched: Dispatched) -> Admission {
    Admission {
        seen: dispatched.seen,
        transitions: dispatched.transitions,
        jobs: dispatched.jobs,
        denials: dispatched.denials,
        holds: dispatched.holds,
        ..blank(&work.tenant.id, &work.version, work.now)
    }
}

/// An admission that writes nothing yet.
pub(super) fn blank(tenant: &TenantId, for_record: &VersionRef, now: Time) -> Admission {
    Admission {
        tenant: tenant.clone(),
        idempotency: None,
        raw: None,
        settles_raw: None,
        answers: false,
        version: None,
        head: None,
        resources: Vec::new(),
        seen: Vec::new(),
        transitions: Vec::new(),
        jobs: Vec::new(),
        for_record: for_record.clone(),
        denials: Vec::new(),
        denials_settled: Vec::new(),
        wakes_client: None,
        confirms: None,
        holds: Vec::new(),
        crosswalk: Vec::new(),
        given: Given {
            status: 202,
            body: Vec::new(),
        },
        now,
    }
}

/// The name of a record's version.
#[must_use]
pub fn version_of(record: &Record) -> VersionRef {
    VersionRef {
        kind: record.kind().as_str().to_owned(),
        id: record.id().to_owned(),
        version: record.version(),
    }
}

/// The chain of a record: its own from its first version on; a renewal's is its prior order's, what
/// comes back of an order the order's.
fn chain_of(record: &Record, loaded: &Loaded, head: Option<&StoredVersion>) -> Chain {
    if let Some(head) = head {
        return head.chain.clone();
    }
    let begun_by = match record {
        Record::MedicationRequest(order) => order.prior_order_no.as_deref(),
        Record::Dispense(dispense) => Some(dispense.order_no.as_str()),
        Record::OrderEvent(event) => Some(event.order_no.as_str()),
        _ => None,
    };
    begun_by
        .and_then(|order| loaded.chains.get(order).cloned())
        .unwrap_or_else(|| Chain(format!("{}/{}", record.kind(), record.id())))
}
