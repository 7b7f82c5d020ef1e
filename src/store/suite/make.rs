//! What the suite makes: admissions, jobs, claims, reports, with everything that a test does not care
//! about filled in.

use std::time::Duration;

use crate::clock::Time;
use crate::ids::{Hash, JobId, MessageId, PartnerId, RawId, TenantId};
use crate::sync::job::{
    Awaits, Chain, ChainJob, Claimed, EffectKind, Find, LaneKey, NewEffect, NewJob, Payload,
    Purpose, Reach, State, VersionRef,
};
use crate::sync::ports::{
    Admission, Admitted, AttemptRow, ClaimRequest, EffectDone, Given, JobView, NewRaw, NewVersion,
    Report, Reported, Seen, Settle, Store, Transition,
};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Remote, Verdict};

/// 2026-11-24T12:00:00Z and so many seconds.
pub(in crate::store) fn at(seconds: i64) -> Time {
    Time::from_micros(1_795_521_600_000_000 + seconds * 1_000_000)
}

pub(in crate::store) fn lease() -> Duration {
    Duration::from_secs(60)
}

pub(in crate::store) fn hash(text: &str) -> Hash {
    Hash::sha256(text.as_bytes())
}

pub(in crate::store) fn partner(name: &str) -> PartnerId {
    PartnerId::new(name)
}

pub(in crate::store) fn version(kind: &str, id: &str, version: u64) -> VersionRef {
    VersionRef {
        kind: kind.to_owned(),
        id: id.to_owned(),
        version,
    }
}

pub(in crate::store) fn chain(kind: &str, id: &str) -> Chain {
    Chain(format!("{kind}/{id}"))
}

pub(in crate::store) fn raw(id: &str, door: &str, sender: Option<&str>, text: &str) -> NewRaw {
    NewRaw {
        id: RawId::new(id),
        door: door.to_owned(),
        sender_id: sender.map(str::to_owned),
        media_type: "application/json".to_owned(),
        bytes: text.as_bytes().to_vec(),
        hash: hash(text),
    }
}

pub(in crate::store) fn given(text: &str) -> Given {
    Given {
        status: 202,
        body: text.as_bytes().to_vec(),
    }
}

pub(in crate::store) fn effect(resource_type: &str, our_id: &str) -> NewEffect {
    NewEffect {
        kind: EffectKind::Upsert,
        resource_type: resource_type.to_owned(),
        our_id: our_id.to_owned(),
        find: Find::Identifier {
            system: "urn:x".to_owned(),
            value: our_id.to_owned(),
        },
        payload: Some(Payload {
            media_type: "application/fhir+json".to_owned(),
            bytes: format!("{{\"id\":\"{our_id}\"}}").into_bytes(),
            holes: Vec::new(),
            hash: hash(our_id),
        }),
    }
}

/// A job in the lane of its chain, which is named by [`Clinic::accept`].
pub(in crate::store) fn job(id: &str, to: &str) -> NewJob {
    NewJob {
        id: JobId::new(id),
        partner: partner(to),
        lane: LaneKey(String::new()),
        chain: Chain(String::new()),
        purpose: Purpose::Copy,
        state: State::Waiting,
        reason: None,
        due: at(0),
        deadline: None,
        priority: 3,
        message: Some(MessageId::new(&format!("MSG{id}"))),
        needs: Vec::new(),
        awaits: None,
        guarded: false,
        holds_lane: false,
        policy: "{}".to_owned(),
        effects: vec![effect("Observation", id)],
    }
}

pub(in crate::store) fn cancel(id: &str, to: &str) -> NewJob {
    NewJob {
        purpose: Purpose::Cancel,
        priority: 0,
        ..job(id, to)
    }
}

pub(in crate::store) fn rx(id: &str, to: &str) -> NewJob {
    NewJob {
        purpose: Purpose::NewRx,
        priority: 1,
        ..job(id, to)
    }
}

/// A prescription that waits for the confirmation of a cancel until second 1000.
pub(in crate::store) fn rx_after(id: &str, to: &str, cancel: &str) -> NewJob {
    NewJob {
        awaits: Some(Awaits {
            message: MessageId::new(&format!("MSG{cancel}")),
            until: at(1000),
        }),
        reason: Some(Reason::AwaitsCancel),
        ..rx(id, to)
    }
}

/// A version of a record with nothing but itself.
pub(in crate::store) fn draft(kind: &str, id: &str, v: u64) -> Admission {
    let record = version(kind, id, v);
    let body = format!("{{\"{kind}\":\"{id}\",\"version\":{v}}}");
    Admission {
        tenant: TenantId::new(""),
        idempotency: None,
        raw: None,
        settles_raw: None,
        answers: false,
        version: Some(NewVersion {
            record: record.clone(),
            chain: chain(kind, id),
            client: None,
            hash: hash(&body),
            body: body.into_bytes(),
            context: Vec::new(),
            origin: "clinic".to_owned(),
            in_feed: false,
        }),
        head: None,
        resources: Vec::new(),
        seen: Seen::new(),
        transitions: Vec::new(),
        jobs: Vec::new(),
        for_record: record,
        denials: Vec::new(),
        denials_settled: Vec::new(),
        wakes_client: None,
        confirms: None,
        holds: Vec::new(),
        crosswalk: Vec::new(),
        given: given(&format!("{kind}/{id}/{v}")),
        now: at(0),
    }
}

/// Small changes of a draft.
pub(in crate::store) trait Drafted: Sized {
    fn of_client(self, client: &str) -> Self;
    fn in_chain(self, chain: &Chain) -> Self;
    fn with(self, job: NewJob) -> Self;
    fn replaces(self, job: &str, from: State) -> Self;
    fn ends(self, job: &str, from: State, to: State) -> Self;
    fn leans_on(self, on: &[VersionRef]) -> Self;
}

impl Drafted for Admission {
    fn of_client(mut self, client: &str) -> Self {
        if let Some(v) = &mut self.version {
            v.client = Some(client.to_owned());
        }
        self
    }

    fn in_chain(mut self, chain: &Chain) -> Self {
        if let Some(v) = &mut self.version {
            v.chain = chain.clone();
        }
        self
    }

    fn with(mut self, job: NewJob) -> Self {
        self.jobs.push(job);
        self
    }

    fn replaces(self, job: &str, from: State) -> Self {
        self.ends(job, from, State::Superseded)
    }

    fn ends(mut self, job: &str, from: State, to: State) -> Self {
        self.transitions.push(Transition {
            job: JobId::new(job),
            from,
            to,
            reason: Reason::Replaced,
        });
        self
    }

    fn leans_on(mut self, on: &[VersionRef]) -> Self {
        if let Some(v) = &mut self.version {
            v.context = on.to_vec();
        }
        self
    }
}

/// A tenant of a store under test.
#[derive(Clone)]
pub(in crate::store) struct Clinic<'a> {
    pub(in crate::store) store: &'a dyn Store,
    pub(in crate::store) tenant: TenantId,
}

impl<'a> Clinic<'a> {
    pub(in crate::store) fn of(store: &'a dyn Store) -> Self {
        Clinic::named(store, "clinic")
    }

    pub(in crate::store) fn named(store: &'a dyn Store, tenant: &str) -> Self {
        Clinic {
            store,
            tenant: TenantId::new(tenant),
        }
    }

    /// Fills in what the deciders would have seen: head and chain as they are now, and lanes.
    pub(in crate::store) async fn ready(&self, mut a: Admission) -> Admission {
        a.tenant = self.tenant.clone();
        let name = [(a.for_record.kind.clone(), a.for_record.id.clone())];
        let newest = self
            .store
            .newest(&self.tenant, &name)
            .await
            .expect("newest");
        let head = newest.into_iter().next().flatten();
        let mut own = chain(&a.for_record.kind, &a.for_record.id);
        if let Some(v) = &mut a.version {
            if let Some(head) = &head {
                v.chain = head.chain.clone();
            }
            own = v.chain.clone();
        }
        a.head = head.map(|h| h.record.version);
        a.seen = self
            .chain(&own)
            .await
            .into_iter()
            .map(|j| (j.id, j.state, j.reach, j.unsure))
            .collect();
        for job in &mut a.jobs {
            job.chain = own.clone();
            if job.lane.0.is_empty() {
                job.lane = LaneKey(own.0.clone());
            }
        }
        a
    }

    /// Admits it, decided just now.
    pub(in crate::store) async fn try_accept(&self, a: Admission) -> Admitted {
        let ready = self.ready(a).await;
        self.store.admit(ready).await.expect("admit")
    }

    /// Admits it; it has to be stored.
    pub(in crate::store) async fn accept(&self, a: Admission) {
        let record = a.for_record.clone();
        assert_eq!(self.try_accept(a).await, Admitted::Stored, "{record:?}");
    }

    /// A record of one version with one job.
    pub(in crate::store) async fn one(&self, kind: &str, id: &str, job: NewJob) {
        self.accept(draft(kind, id, 1).with(job)).await;
    }

    pub(in crate::store) async fn chain(&self, chain: &Chain) -> Vec<ChainJob> {
        self.store.chain(&self.tenant, chain).await.expect("chain")
    }

    /// Claims all that a partner gets now.
    pub(in crate::store) async fn claim(&self, from: &str, now: i64) -> Vec<Claimed> {
        self.claim_some(from, 100, now).await
    }

    pub(in crate::store) async fn claim_some(
        &self,
        from: &str,
        room: usize,
        now: i64,
    ) -> Vec<Claimed> {
        let request = ClaimRequest {
            worker: "w".to_owned(),
            now: at(now),
            lease: lease(),
            room: vec![(self.tenant.clone(), partner(from), room)],
            turn: 0,
        };
        self.store.claim(request).await.expect("claim")
    }

    /// Whose probes are due, taken for as long as a lease.
    pub(in crate::store) async fn probes(&self, now: i64) -> Vec<(TenantId, PartnerId)> {
        let taken = self.store.take_probes(at(now), lease()).await;
        taken.expect("take_probes")
    }

    /// The ids of what a partner gets now.
    pub(in crate::store) async fn goes(&self, to: &str, now: i64) -> Vec<String> {
        ids(&self.claim(to, now).await)
    }

    /// The one job that a partner gets now.
    pub(in crate::store) async fn next(&self, to: &str, now: i64) -> Claimed {
        let mut all = self.claim(to, now).await;
        assert_eq!(all.len(), 1, "{:?}", ids(&all));
        all.remove(0)
    }

    pub(in crate::store) async fn report(&self, report: Report) -> Reported {
        self.store.report(report).await.expect("report")
    }

    /// Settles a claimed job, with an attempt that says why.
    pub(in crate::store) async fn settle(
        &self,
        job: &Claimed,
        state: State,
        reason: Reason,
        now: i64,
    ) {
        let report = settles(job, state, reason, now);
        assert_eq!(self.report(report).await, Reported::Stored, "{}", job.id);
    }

    pub(in crate::store) async fn done(&self, job: &Claimed, now: i64) {
        let mut report = settles(job, State::Done, Reason::Delivered, now);
        report.done = vec![EffectDone {
            effect: 0,
            remote: None,
        }];
        assert_eq!(self.report(report).await, Reported::Stored, "{}", job.id);
    }

    /// Claims the one job that is due, and settles it.
    pub(in crate::store) async fn next_goes_to(
        &self,
        to: &str,
        state: State,
        reason: Reason,
        now: i64,
    ) {
        let job = self.next(to, now).await;
        self.settle(&job, state, reason, now).await;
    }

    /// A job as its record's story shows it.
    pub(in crate::store) async fn shown(&self, kind: &str, id: &str, job: &str) -> JobView {
        let story = self.store.story(&self.tenant, kind, id).await;
        let story = story.expect("story").expect("a record");
        let found = story.jobs.into_iter().find(|j| j.id.as_str() == job);
        found.expect("a job of the record")
    }

    pub(in crate::store) async fn state(&self, kind: &str, id: &str, job: &str) -> State {
        self.shown(kind, id, job).await.state
    }

    pub(in crate::store) async fn reason(&self, kind: &str, id: &str, job: &str) -> Option<Reason> {
        self.shown(kind, id, job).await.reason
    }

    /// That the counts of the seven states are what was made.
    pub(in crate::store) async fn adds_up(&self) {
        let status = self.store.status(&self.tenant, at(0), 10).await;
        let status = status.expect("status");
        let sum: u64 = status.partners.iter().flat_map(|p| p.jobs.values()).sum();
        assert_eq!(sum, status.jobs_made);
        self.is_sound().await;
    }

    /// That the self-check finds nothing, whatever time it is.
    pub(in crate::store) async fn is_sound(&self) {
        let ever = Duration::from_secs(1_000_000_000);
        let found = self.store.audit(at(0), ever).await.expect("audit");
        assert!(found.is_empty(), "{found:?}");
    }
}

pub(in crate::store) fn ids(jobs: &[Claimed]) -> Vec<String> {
    jobs.iter().map(|j| j.id.as_str().to_owned()).collect()
}

/// A report that says nothing yet.
pub(in crate::store) fn report(job: &Claimed, now: i64) -> Report {
    Report {
        tenant: job.tenant.clone(),
        job: job.id.clone(),
        token: job.token,
        attempt: None,
        done: Vec::new(),
        settle: None,
        pause: None,
        opens_after: 1,
        partner_well: false,
        now: at(now),
    }
}

/// An attempt of the first effect.
pub(in crate::store) fn attempt(verdict: Verdict, reason: Reason, now: i64) -> AttemptRow {
    AttemptRow {
        together: 1,
        effect: 0,
        asked: false,
        started: at(now),
        took: Duration::from_millis(20),
        verdict,
        reason,
        status: Some(200),
        charged: !matches!(verdict, Verdict::Accepted | Verdict::Pending),
        body: b"answer".to_vec(),
    }
}

pub(in crate::store) fn settle(state: State, reason: Reason, due: i64) -> Settle {
    Settle {
        state,
        due: at(due),
        reason,
        held: false,
        unsure: state == State::Asking,
        reach: match state {
            State::Done => Reach::There,
            State::Asking => Reach::Maybe,
            _ => Reach::Not,
        },
    }
}

/// A report that settles a job at once, with an attempt that fits.
pub(in crate::store) fn settles(job: &Claimed, state: State, reason: Reason, now: i64) -> Report {
    let verdict = match state {
        State::Done => Verdict::Accepted,
        State::Asking => Verdict::Unsure,
        State::Parked => Verdict::Refused,
        _ => Verdict::Busy,
    };
    Report {
        attempt: Some(attempt(verdict, reason, now)),
        settle: Some(settle(state, reason, now)),
        ..report(job, now)
    }
}

pub(in crate::store) fn remote(id: &str, version: Option<&str>) -> Remote {
    Remote {
        id: id.to_owned(),
        version: version.map(str::to_owned),
    }
}

/// What holds a job back, in words.
pub(in crate::store) fn held_back_by(job: &JobView) -> Vec<String> {
    job.blocked_by.iter().map(ToString::to_string).collect()
}
