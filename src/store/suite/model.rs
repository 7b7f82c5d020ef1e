//! A small model of a store's jobs, to hold a real one against: plain lists, looked through from one end
//! to the other, with the rules of contracts section 6 as they read. Knows no SQL, keeps no lanes.

use std::collections::{BTreeMap, BTreeSet};

use crate::sync::job::{Purpose, Reach, State};
use crate::sync::ports::Act;

/// A job of the model.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) partner: usize,
    pub(super) lane: String,
    /// Which record, its chain too.
    pub(super) record: usize,
    pub(super) client: Option<usize>,
    pub(super) seq: u64,
    pub(super) purpose: Purpose,
    pub(super) priority: u8,
    pub(super) state: State,
    pub(super) reach: Reach,
    pub(super) unsure: bool,
    pub(super) held: bool,
    pub(super) due: i64,
    /// Until when it is leased, and how many consents of its client there were then.
    pub(super) lease: Option<(i64, u64)>,
    /// The seq of the cancel that it awaits, and until when.
    pub(super) awaits: Option<(u64, i64)>,
    pub(super) confirmed: Option<bool>,
    pub(super) needs: Vec<usize>,
    /// The client whom it makes a patient where its partner does not know them.
    pub(super) makes: Option<usize>,
    pub(super) succeeds: Option<u64>,
    /// The two clients of a merge.
    pub(super) merges: Vec<usize>,
    /// Whether it ever left its place in line.
    pub(super) left: bool,
}

impl Job {
    pub(super) fn open(&self) -> bool {
        matches!(self.state, State::Waiting | State::Sending | State::Asking)
    }

    fn ended(&self) -> bool {
        matches!(
            self.state,
            State::Done | State::Cancelled | State::Superseded
        )
    }

    pub(super) fn stands(&self) -> bool {
        let waits_elsewhere = self.held || (self.awaits.is_some() && self.state == State::Waiting);
        self.open() && (self.lease.is_some() || !waits_elsewhere)
    }

    fn unclear(&self) -> bool {
        self.state == State::Asking || (self.state == State::Waiting && self.unsure)
    }

    /// Leased, unclear, cancel, or in line.
    fn place(&self) -> u8 {
        match (self.lease.is_some(), self.unclear(), self.purpose) {
            (true, ..) => 0,
            (_, true, _) => 1,
            (_, _, Purpose::Cancel) => 2,
            _ => 3,
        }
    }

    fn since(&self) -> u64 {
        self.succeeds.unwrap_or(self.seq)
    }
}

/// All jobs, pauses and consents.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) jobs: Vec<Job>,
    pub(super) paused: [bool; 2],
    pub(super) consents: BTreeMap<usize, u64>,
    /// Per partner: how many jobs there were when it began to be drained.
    pub(super) drains: [Option<u64>; 2],
    /// Patients whom an administrator stopped: (client, partner or all).
    pub(super) stops: BTreeSet<(usize, Option<usize>)>,
    /// Patients who have a name at a partner: (partner, client).
    pub(super) known: BTreeSet<(usize, usize)>,
}

impl Model {
    /// The jobs that stand in a lane.
    pub(super) fn line(&self, partner: usize, lane: &str) -> Vec<&Job> {
        let all = self.jobs.iter();
        all.filter(|j| j.partner == partner && j.lane == lane && j.stands())
            .collect()
    }

    /// Who goes next in a lane, or is going.
    pub(super) fn head(&self, partner: usize, lane: &str) -> Option<&Job> {
        let line = self.line(partner, lane);
        if let Some(leased) = line.iter().find(|j| j.lease.is_some()) {
            return Some(leased);
        }
        let cancel = |j: &&&Job| j.purpose == Purpose::Cancel && !j.unclear();
        let unclear = line.iter().find(|j| j.unclear());
        let first = match unclear {
            Some(_) => line
                .iter()
                .filter(cancel)
                .find(|c| !line.iter().any(|u| u.unclear() && u.record == c.record))
                .or(unclear),
            None => line.iter().find(cancel).or(line.first()),
        };
        first.copied()
    }

    fn of(&self, partner: usize, record: usize) -> impl Iterator<Item = &Job> {
        let all = self.jobs.iter();
        all.filter(move |j| j.partner == partner && j.record == record)
    }

    fn held_back(&self, j: &Job) -> bool {
        j.state == State::Waiting
            && j.purpose != Purpose::Cancel
            && (j.needs.iter().any(|n| self.misses(j, *n)) || self.merging(j) || self.stopped(j))
    }

    fn stopped(&self, j: &Job) -> bool {
        let here = |c: &usize| {
            self.stops.contains(&(*c, None)) || self.stops.contains(&(*c, Some(j.partner)))
        };
        j.client.iter().chain(&j.merges).any(here)
    }

    /// Whether a drain of its partner leaves it where it is.
    fn after_drain(&self, j: &Job) -> bool {
        self.drains[j.partner].is_some_and(|mark| j.since() >= mark)
    }

    /// Whether `record` is not there yet and on its way, in front of `j`.
    fn misses(&self, j: &Job, record: usize) -> bool {
        if self.of(j.partner, record).any(|d| d.state == State::Done) {
            return false;
        }
        let mut coming = self.of(j.partner, record).filter(|o| o.open() && !o.held);
        coming.any(|o| {
            o.seq < j.seq
                || (o.succeeds.is_some_and(|s| s < j.seq)
                    && o.lane != j.lane
                    && self
                        .head(o.partner, &o.lane)
                        .is_some_and(|h| h.seq == o.seq)
                    && !self.held_back(o))
        })
    }

    /// Whether a merge of its patient, or of one of its patients, goes first.
    fn merging(&self, j: &Job) -> bool {
        let mut merges = self
            .jobs
            .iter()
            .filter(|m| m.partner == j.partner && !m.merges.is_empty() && !m.ended());
        if !j.merges.is_empty() {
            return merges.any(|m| m.seq < j.seq && m.merges.iter().any(|c| j.merges.contains(c)));
        }
        let own = |m: &&Job| j.client.is_some_and(|c| m.merges.contains(&c));
        match merges.filter(own).map(|m| m.seq).min() {
            Some(oldest) => !self.waited_for(j.partner, oldest).contains(&j.seq),
            None => false,
        }
    }

    /// What the merges up to this one wait for, and what that waits for.
    fn waited_for(&self, partner: usize, merge: u64) -> BTreeSet<u64> {
        let here = || self.jobs.iter().filter(move |j| j.partner == partner);
        let merges = here().filter(|m| !m.merges.is_empty() && !m.ended() && m.seq <= merge);
        let mut found: BTreeSet<u64> = merges.map(|m| m.seq).collect();
        let mut open: Vec<u64> = found.iter().copied().collect();
        while let Some(seq) = open.pop() {
            let Some(w) = here().find(|j| j.seq == seq) else {
                continue;
            };
            let in_front = self
                .line(partner, &w.lane)
                .into_iter()
                .filter(|o| w.stands() && (o.place(), o.seq) < (w.place(), w.seq));
            let needed = here().filter(|o| {
                w.needs.contains(&o.record)
                    && !w.ended()
                    && o.open()
                    && !o.held
                    && o.since() < w.seq
            });
            for o in in_front.chain(needed) {
                if found.insert(o.seq) {
                    open.push(o.seq);
                }
            }
        }
        found
    }

    /// The heads of a partner's lanes.
    fn heads(&self, partner: usize) -> Vec<&Job> {
        let mut lanes: Vec<&str> = self
            .jobs
            .iter()
            .filter(|j| j.partner == partner && j.stands())
            .map(|j| j.lane.as_str())
            .collect();
        lanes.sort_unstable();
        lanes.dedup();
        lanes
            .into_iter()
            .filter_map(|lane| self.head(partner, lane))
            .collect()
    }

    /// Those that nothing holds back, due or not.
    fn free(&self, partner: usize) -> Vec<&Job> {
        let mut free = self.heads(partner);
        free.retain(|h| h.lease.is_none() && !self.held_back(h) && !self.after_drain(h));
        free
    }

    /// The client whom a job makes a patient at its partner, who does not know them.
    fn makes(&self, j: &Job) -> Option<usize> {
        j.makes.filter(|c| !self.known.contains(&(j.partner, *c)))
    }

    /// Whether another makes its patient first: in flight, unclear, or accepted before and due.
    fn is_behind(&self, j: &Job, now: i64) -> bool {
        let Some(patient) = self.makes(j).filter(|_| j.state == State::Waiting) else {
            return false;
        };
        let first = |h: &&Job| {
            let due = h.due <= now && h.since() < j.since() && !self.held_back(h);
            h.lease.is_some() || h.state == State::Asking || due
        };
        self.heads(j.partner)
            .into_iter()
            .filter(|h| h.seq != j.seq && self.makes(h) == Some(patient))
            .any(|h| first(&h))
    }

    /// Whether something is due that another goes before: only a claim finds that it is.
    pub(super) fn looks_again(&self, now: i64) -> bool {
        let behind = |j: &&Job| j.due <= now && self.is_behind(j, now);
        (0..2)
            .filter(|p| !self.paused[*p])
            .any(|p| self.free(p).iter().any(behind))
    }

    /// What a claim gives, in order.
    pub(super) fn claimable(&self, partner: usize, room: usize, now: i64) -> Vec<u64> {
        if self.paused[partner] {
            return Vec::new();
        }
        let mut due = self.free(partner);
        due.retain(|j| j.due <= now && !self.is_behind(j, now));
        due.sort_by_key(|j| (j.priority, j.seq));
        due.iter().take(room).map(|j| j.seq).collect()
    }

    /// When something can be claimed next.
    pub(super) fn next_due(&self, now: i64) -> Option<i64> {
        (0..2)
            .filter(|p| !self.paused[*p])
            .flat_map(|p| self.free(p))
            .filter(|j| j.due > now || !self.is_behind(j, now))
            .map(|j| j.due)
            .min()
    }

    pub(super) fn job(&mut self, seq: u64) -> &mut Job {
        let found = self.jobs.iter_mut().find(|j| j.seq == seq);
        found.expect("a job of the model")
    }

    pub(super) fn seen_consents(&self, client: Option<usize>) -> u64 {
        client.map_or(0, |c| self.consents.get(&c).copied().unwrap_or(0))
    }

    /// Leases that ran out, cancels that were not confirmed.
    pub(super) fn rescue(&mut self, now: i64) {
        for j in &mut self.jobs {
            if j.lease.is_some_and(|l| l.0 < now) {
                j.lease = None;
                (j.state, j.unsure, j.due) = (State::Asking, true, now);
                j.reach = Reach::Maybe;
            }
            if j.state == State::Waiting && j.awaits.is_some_and(|a| a.1 < now) {
                (j.state, j.awaits, j.left) = (State::Parked, None, true);
            }
        }
    }

    pub(super) fn consent(&mut self, client: usize, now: i64) {
        *self.consents.entry(client).or_default() += 1;
        for j in &mut self.jobs {
            if j.held && j.client == Some(client) {
                (j.held, j.due) = (false, now);
            }
        }
    }

    /// A pharmacy's answer to a cancel.
    pub(super) fn confirm(&mut self, cancel: u64, approved: bool, now: i64) {
        self.job(cancel).confirmed = Some(approved);
        for j in &mut self.jobs {
            if j.awaits.is_some_and(|a| a.0 == cancel) {
                j.awaits = None;
                if !approved {
                    j.state = State::Parked;
                } else if j.state == State::Waiting {
                    j.due = now;
                }
            }
        }
    }

    /// A person's act; whether it is allowed.
    pub(super) fn act(&mut self, seq: u64, act: Act, now: i64) -> bool {
        let j = self.job(seq).clone();
        let newer = j.purpose != Purpose::Cancel
            && self
                .of(j.partner, j.record)
                .any(|o| o.seq > j.seq && !matches!(o.state, State::Cancelled | State::Superseded));
        let rests = matches!(j.state, State::Waiting | State::Asking | State::Parked);
        let awaits = j.state == State::Waiting && j.awaits.is_some();
        let (state, reach) = match act {
            _ if !rests || j.lease.is_some() => return false,
            Act::Cancel => (State::Cancelled, j.reach),
            Act::Retry if j.unsure || awaits || newer => return false,
            Act::Retry => (State::Waiting, j.reach),
            _ if !j.unsure => return false,
            Act::ResolveThere => (State::Done, Reach::There),
            Act::ResolveNotThere if newer => (State::Superseded, Reach::Not),
            Act::ResolveNotThere if j.purpose == Purpose::NewRx => (State::Parked, Reach::Not),
            Act::ResolveNotThere => (State::Waiting, Reach::Not),
        };
        let j = self.job(seq);
        (j.state, j.reach, j.due, j.held) = (state, reach, now, false);
        j.left |= state == State::Parked;
        if act != Act::Cancel {
            j.unsure = false;
        }
        if j.ended() {
            j.awaits = None;
        }
        true
    }
}
