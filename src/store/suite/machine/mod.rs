//! Random histories of a store, held against the [`Model`] after every step: claims give exactly what
//! the model gives, each job is where the model has it, counts add up, a lost lease writes nothing. In
//! the end everything is let go, and nothing may be left waiting: a circle would show as that.

use std::collections::BTreeMap;

mod compare;

use super::make::*;
use super::model::{Job, Model};
use super::steps::{Outcome, PARTNERS, RECORDS, Step};
use crate::clock::Time;
use crate::ids::{JobId, MessageId, PartnerId};
use crate::sync::job::{
    Awaits, Claimed, EffectKind, LaneKey, NewEffect, NewJob, Purpose, Reach, State, VersionRef,
};
use crate::sync::ports::{Act, Admission, EffectDone, Report, Reported, Steer, Store};
use crate::sync::reason::Reason;

/// A store and its model, side by side.
struct Pair<'a> {
    clinic: Clinic<'a>,
    model: Model,
    now: i64,
    versions: [u64; RECORDS.len()],
    merges: usize,
    events: usize,
    claimed: Vec<Claimed>,
    late: Vec<Claimed>,
    /// What arrived, per lane, of what never left its line.
    arrived: BTreeMap<(usize, String), Vec<u64>>,
}

/// Carries out a history, and looks after every step.
pub(in crate::store) async fn agrees(store: &dyn Store, steps: Vec<Step>) {
    let mut pair = Pair {
        clinic: Clinic::of(store),
        model: Model::default(),
        now: 0,
        versions: [0; RECORDS.len()],
        merges: 0,
        events: 0,
        claimed: Vec::new(),
        late: Vec::new(),
        arrived: BTreeMap::new(),
    };
    for step in steps {
        pair.take(step).await;
        pair.compare().await;
    }
    pair.let_go().await;
}

impl Pair<'_> {
    fn lane(&self, partner: usize, record: &str, client: Option<usize>) -> String {
        match client {
            Some(c) if partner == 1 => format!("patient/C-{c}"),
            _ => record.to_owned(),
        }
    }

    /// A job for the store, and the same for the model.
    fn make(&mut self, partner: usize, record: usize, purpose: Purpose) -> (NewJob, Job) {
        let (chain, client) = match RECORDS.get(record) {
            Some((kind, id, client)) => (format!("{kind}/{id}"), *client),
            None => (format!("client-merge/{record}"), None),
        };
        let seq = self.model.jobs.len() as u64;
        let id = format!("J{seq}");
        let lane = self.lane(partner, &chain, client);
        let made = match purpose {
            Purpose::Copy => job(&id, PARTNERS[partner]),
            Purpose::NewRx => rx(&id, PARTNERS[partner]),
            Purpose::Cancel => cancel(&id, PARTNERS[partner]),
        };
        let mut made = NewJob {
            lane: LaneKey(lane.clone()),
            due: at(self.now),
            ..made
        };
        if let Some(c) = client {
            made.effects = vec![patient(c)];
        }
        let model = Job {
            id,
            partner,
            lane,
            record,
            client,
            seq,
            purpose,
            priority: made.priority,
            state: State::Waiting,
            reach: Reach::Not,
            unsure: false,
            held: false,
            due: self.now,
            lease: None,
            awaits: None,
            confirmed: None,
            needs: Vec::new(),
            makes: client.filter(|_| purpose != Purpose::Cancel),
            succeeds: None,
            merges: Vec::new(),
            left: false,
        };
        (made, model)
    }

    fn draft(&mut self, record: usize) -> Admission {
        self.versions[record] += 1;
        let (kind, id, client) = RECORDS[record];
        let mut a = draft(kind, id, self.versions[record]);
        a.now = at(self.now);
        match client {
            Some(c) => a.of_client(&format!("C-{c}")),
            None => a,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Accept {
                record,
                cancel,
                replaces,
                needs,
                at,
            } => self.accept(record, cancel, replaces, needs, at).await,
            Step::Change { record } => self.change(record).await,
            Step::Merge { survivor } => self.merge(survivor).await,
            Step::Confirm { pick, approved } => self.confirm(pick, approved).await,
            Step::Claim { partner, room } => self.claim(partner, room).await,
            Step::Report {
                pick,
                outcome,
                wait,
            } => {
                if !self.claimed.is_empty() {
                    let job = self.claimed.remove(pick % self.claimed.len());
                    self.report(&job, outcome, wait).await;
                }
            }
            Step::Late { pick } => {
                if !self.late.is_empty() {
                    let job = &self.late[pick % self.late.len()];
                    let report = settles(job, State::Done, Reason::Delivered, self.now);
                    assert_eq!(self.clinic.report(report).await, Reported::LeaseLost);
                }
            }
            Step::Rescue => self.rescue().await,
            Step::Tick(seconds) => self.now += seconds,
            Step::Pause { partner, on } => self.pause(partner, on).await,
            Step::Act { pick, act } => {
                let n = self.model.jobs.len();
                if n > 0 {
                    self.act(self.model.jobs[pick % n].seq, act).await;
                }
            }
            Step::Consent { client } => self.consent(client).await,
            Step::Steer { partner, steer } => self.steer(partner, steer).await,
            Step::Hold {
                client,
                partner,
                on,
            } => self.hold(client, partner, on).await,
        }
    }

    async fn accept(
        &mut self,
        record: usize,
        cancel: bool,
        replaces: bool,
        needs: Option<usize>,
        to: [bool; 2],
    ) {
        let mut a = self.draft(record);
        let purpose = if cancel {
            Purpose::Cancel
        } else {
            Purpose::Copy
        };
        let needs: Vec<usize> = needs
            .filter(|n| *n != record && !cancel && self.versions[*n] > 0)
            .into_iter()
            .collect();
        for partner in (0..2).filter(|p| to[*p]) {
            let mut succeeds = None;
            if replaces {
                for j in &mut self.model.jobs {
                    let rests = matches!(j.state, State::Waiting | State::Parked) && !j.unsure;
                    if (j.partner, j.record) == (partner, record) && rests {
                        a = a.replaces(&j.id, j.state);
                        j.state = State::Superseded;
                        (j.held, j.awaits) = (false, None);
                        let since = j.succeeds.unwrap_or(j.seq);
                        succeeds = Some(succeeds.map_or(since, |s: u64| s.min(since)));
                    }
                }
            }
            let (mut made, model) = self.make(partner, record, purpose);
            made.needs = needs.iter().map(|n| name(*n)).collect();
            a.jobs.push(made);
            self.model.jobs.push(Job {
                needs: needs.clone(),
                succeeds,
                ..model
            });
        }
        self.clinic.accept(a).await;
    }

    /// A cancel, and a prescription that awaits its confirmation, at the first partner.
    async fn change(&mut self, record: usize) {
        let a = self.draft(record);
        let (cancel, model) = self.make(0, record, Purpose::Cancel);
        let (awaited, message) = (model.seq, cancel.message.clone());
        self.model.jobs.push(model);
        let (mut rx, mut model) = self.make(0, record, Purpose::NewRx);
        let until = self.now + 100;
        rx.awaits = message.map(|message| Awaits {
            message,
            until: at(until),
        });
        model.awaits = Some((awaited, until));
        model.left = true;
        self.model.jobs.push(model);
        self.clinic.accept(a.with(cancel).with(rx)).await;
    }

    /// A merge of one client into the other, told to both partners.
    async fn merge(&mut self, survivor: usize) {
        if self.versions[0] == 0 || self.versions[1] == 0 {
            return;
        }
        let record = RECORDS.len() + self.merges;
        self.merges += 1;
        let mut a = draft("client-merge", &record.to_string(), 1);
        a = a.of_client(&format!("C-{survivor}"));
        a.now = at(self.now);
        for (partner, name_of) in PARTNERS.into_iter().enumerate() {
            let (mut made, mut model) = self.make(partner, record, Purpose::Copy);
            if partner == 1 {
                model.lane = format!("patient/C-{survivor}");
                made.lane = LaneKey(model.lane.clone());
            }
            made.needs = vec![name(0), name(1)];
            (model.needs, model.merges) = (vec![0, 1], vec![0, 1]);
            model.client = Some(survivor);
            for c in 0..2 {
                let held = (PartnerId::new(name_of), format!("C-{c}"), made.id.clone());
                a.holds.push(held);
            }
            a.jobs.push(made);
            self.model.jobs.push(model);
        }
        self.clinic.accept(a).await;
    }

    async fn confirm(&mut self, pick: usize, approved: bool) {
        let cancels: Vec<(u64, usize)> = self
            .model
            .jobs
            .iter()
            .filter(|j| j.purpose == Purpose::Cancel)
            .map(|j| (j.seq, j.record))
            .collect();
        if cancels.is_empty() {
            return;
        }
        let (cancel, record) = cancels[pick % cancels.len()];
        self.events += 1;
        let (kind, id, _) = RECORDS[record];
        let mut a = draft("order-event", &self.events.to_string(), 1).in_chain(&chain(kind, id));
        a.confirms = Some((MessageId::new(&format!("MSGJ{cancel}")), approved));
        a.now = at(self.now);
        self.clinic.accept(a).await;
        self.model.confirm(cancel, approved, self.now);
    }

    async fn claim(&mut self, partner: usize, room: usize) {
        let wanted = self.model.claimable(partner, room, self.now);
        let got = self
            .clinic
            .claim_some(PARTNERS[partner], room, self.now)
            .await;
        let names: Vec<String> = wanted.iter().map(|s| format!("J{s}")).collect();
        assert_eq!(ids(&got), names, "claimed of {}", PARTNERS[partner]);
        for seq in wanted {
            let seen = self
                .model
                .seen_consents(self.model.jobs[seq as usize].client);
            let j = self.model.job(seq);
            if j.state == State::Waiting {
                j.state = State::Sending;
            }
            j.lease = Some((self.now + 60, seen));
        }
        self.claimed.extend(got);
    }

    async fn report(&mut self, job: &Claimed, outcome: Outcome, wait: i64) {
        let asking = job.state == State::Asking;
        let (state, unsure, reason) = match outcome {
            Outcome::Done => (State::Done, false, Reason::Delivered),
            Outcome::Patient | Outcome::Busy => (State::Waiting, false, Reason::TryLater),
            Outcome::BusyUnclear => (State::Waiting, true, Reason::NotThere),
            Outcome::Ask => (State::Asking, true, Reason::TimedOut),
            Outcome::Park => (State::Parked, false, Reason::Refused),
            Outcome::ParkUnclear => (State::Parked, true, Reason::Unclear),
            Outcome::Held if asking => (State::Asking, true, Reason::Consent),
            Outcome::Held => (State::Waiting, false, Reason::Consent),
        };
        let reach = match state {
            State::Done => Reach::There,
            _ if unsure => Reach::Maybe,
            _ => Reach::Not,
        };
        let held = matches!(outcome, Outcome::Held);
        let due = if held { self.now } else { self.now + wait };
        let mut report: Report = settles(job, state, reason, self.now);
        if let Some(settle) = &mut report.settle {
            (settle.unsure, settle.reach) = (unsure, reach);
            (settle.held, settle.due) = (held, at(due));
        }
        let seq: u64 = job.id.as_str()[1..].parse().expect("a number");
        let makes = self.model.jobs[seq as usize].makes;
        let makes = makes.filter(|_| matches!(outcome, Outcome::Done | Outcome::Patient));
        if let Some(c) = makes {
            report.done = vec![EffectDone {
                effect: 0,
                remote: Some(remote(&format!("p-{c}"), None)),
            }];
        }
        let stored = self.clinic.report(report).await == Reported::Stored;
        let seen = self
            .model
            .seen_consents(self.model.jobs[seq as usize].client);
        let j = self.model.job(seq);
        let Some((_, then)) = j.lease.take() else {
            assert!(!stored, "a lost lease wrote");
            self.late.push(job.clone());
            return;
        };
        assert!(stored, "its lease was not lost");
        self.late.push(job.clone());
        (j.state, j.unsure, j.reach, j.due) = (state, unsure, reach, due);
        j.held = held && seen == then;
        let partner = j.partner;
        self.model.known.extend(makes.map(|c| (partner, c)));
        let j = self.model.job(seq);
        j.left |= j.held || state == State::Parked;
        if j.purpose == Purpose::Copy && state == State::Done && !j.left && j.merges.is_empty() {
            let line = self.arrived.entry((j.partner, j.lane.clone())).or_default();
            assert!(line.last().is_none_or(|last| *last < seq), "out of order");
            line.push(seq);
        }
    }

    async fn rescue(&mut self) {
        let store = self.clinic.store;
        let lost: Vec<u64> = self
            .model
            .jobs
            .iter()
            .filter(|j| j.lease.is_some_and(|l| l.0 < self.now))
            .map(|j| j.seq)
            .collect();
        let rescued = store.rescue(at(self.now)).await.expect("rescue");
        assert_eq!(rescued, lost.len() as u64);
        self.model.rescue(self.now);
        let gone = |c: &Claimed| lost.iter().any(|s| c.id.as_str() == format!("J{s}"));
        let (late, kept) = std::mem::take(&mut self.claimed)
            .into_iter()
            .partition(gone);
        self.claimed = kept;
        self.late.extend::<Vec<Claimed>>(late);
    }

    async fn pause(&mut self, partner: usize, on: bool) {
        let pause = on.then_some((Time::NEVER, Reason::ByPerson));
        let named = PartnerId::new(PARTNERS[partner]);
        let (store, tenant) = (self.clinic.store, &self.clinic.tenant);
        store.pause(tenant, &named, pause).await.expect("pause");
        self.model.paused[partner] = on;
    }

    async fn steer(&mut self, partner: usize, steer: Steer) {
        let named = PartnerId::new(PARTNERS[partner]);
        self.clinic.steer(&named, steer, self.now).await;
        match steer {
            Steer::Pause => (self.model.paused[partner], self.model.drains[partner]) = (true, None),
            Steer::Resume => {
                (self.model.paused[partner], self.model.drains[partner]) = (false, None)
            }
            Steer::Drain => {
                let mark = self.model.jobs.len() as u64;
                self.model.drains[partner].get_or_insert(mark);
                self.model.paused[partner] = false;
            }
            Steer::Probe => {}
        }
    }

    async fn hold(&mut self, client: usize, partner: Option<usize>, on: bool) {
        let named = partner.map(|p| PartnerId::new(PARTNERS[p]));
        let client_no = format!("C-{client}");
        let changed = self
            .clinic
            .hold(&client_no, named.as_ref(), on, self.now)
            .await;
        let stop = (client, partner);
        let wanted = match on {
            true => self.model.stops.insert(stop),
            false => self.model.stops.remove(&stop),
        };
        assert_eq!(changed, wanted, "hold {stop:?} {on}");
    }

    async fn act(&mut self, seq: u64, act: Act) {
        let job = JobId::new(&format!("J{seq}"));
        let (store, tenant) = (self.clinic.store, &self.clinic.tenant);
        let done = store.act(tenant, &job, act, "admin", "why", at(self.now));
        let done = done.await.expect("act");
        assert_eq!(
            done,
            self.model.act(seq, act, self.now),
            "{act:?} of J{seq}"
        );
    }

    async fn consent(&mut self, client: usize) {
        let seen = self.model.seen_consents(Some(client));
        let mut a = draft("consent", &format!("CS-{client}"), seen + 1);
        let named = format!("C-{client}");
        a = a.of_client(&named);
        a.wakes_client = Some(named);
        a.now = at(self.now);
        self.clinic.accept(a).await;
        self.model.consent(client, self.now);
    }
}

fn name(record: usize) -> VersionRef {
    let (kind, id, _) = RECORDS[record];
    version(kind, id, 1)
}

/// The effect of a client's patient, who is made where they are not known.
fn patient(client: usize) -> NewEffect {
    NewEffect {
        kind: EffectKind::Patient,
        ..effect("Patient", &format!("P-{client}"))
    }
}
