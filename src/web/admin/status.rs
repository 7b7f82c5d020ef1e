//! The status as facts: totals, causes, the one sentence; and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{replays, words};
use crate::clock::Time;
use crate::ids::PartnerId;
use crate::sync::house::Tenant;
use crate::sync::job::State;
use crate::sync::ports::{JobView, Proposal, Replay, Status};
use crate::sync::reason::Reason;

/// What is shown, to whom.
pub(super) struct Shown<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) now: Time,
    pub(super) status: &'a Status,
    /// Those that run, or are being stopped.
    pub(super) replays: &'a [Replay],
    pub(super) proposals: &'a [Proposal],
    /// The caller.
    pub(super) who: &'a str,
    pub(super) may_act: bool,
}

/// Jobs of one cause at one partner.
pub(super) struct Group<'a> {
    pub(super) partner: &'a PartnerId,
    pub(super) state: State,
    pub(super) reason: Option<Reason>,
    pub(super) unsure: bool,
    pub(super) jobs: Vec<&'a JobView>,
}

impl<'a> Shown<'a> {
    pub(super) fn totals(&self) -> BTreeMap<&'static str, u64> {
        let mut totals: BTreeMap<&'static str, u64> =
            State::ALL.iter().map(|s| (s.as_str(), 0)).collect();
        for (state, n) in self.status.partners.iter().flat_map(|p| &p.jobs) {
            *totals.entry(state).or_default() += n;
        }
        totals
    }

    /// Whether every job made is in exactly one state (invariant 2).
    pub(super) fn adds_up(&self) -> bool {
        self.totals().values().sum::<u64>() == self.status.jobs_made
    }

    /// By cause, the oldest job's group first.
    pub(super) fn groups(&self) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for job in &self.status.jobs {
            let same = groups.iter_mut().find(|g| {
                *g.partner == job.partner
                    && g.state == job.state
                    && g.reason == job.reason
                    && g.unsure == job.unsure
            });
            match same {
                Some(group) => group.jobs.push(job),
                None => groups.push(Group {
                    partner: &job.partner,
                    state: job.state,
                    reason: job.reason,
                    unsure: job.unsure,
                    jobs: vec![job],
                }),
            }
        }
        groups
    }

    /// The sentence, and how bad it is.
    pub(super) fn headline(&self) -> (String, &'static str) {
        if !self.adds_up() {
            return (
                "The counts do not add up: a job is in no state or in two. Tell the developers, \
                 and do not rely on this page."
                    .to_owned(),
                "bad",
            );
        }
        let findings = &self.status.audited.findings;
        if let Some((first, _)) = findings.first() {
            let more = match findings.len() - 1 {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            return (
                format!(
                    "The self-check found a fault: {}{more}. Next: {}.",
                    first.fault.what(),
                    first.fault.press()
                ),
                "bad",
            );
        }
        let totals = self.totals();
        let of = |s: State| totals.get(s.as_str()).copied().unwrap_or(0);
        let mut said = Vec::new();
        let mut class = "good";
        let inbound = u64::try_from(self.status.parked_raw.len()).unwrap_or(0);
        let unmatched = u64::try_from(self.status.unmatched.len()).unwrap_or(0);
        let proposals = u64::try_from(self.proposals.len()).unwrap_or(0);
        for (n, one, many) in [
            (
                of(State::Parked),
                "message is parked",
                "messages are parked",
            ),
            (
                inbound,
                "inbound message could not be understood",
                "inbound messages could not be understood",
            ),
            (
                unmatched,
                "patient is to be linked",
                "patients are to be linked",
            ),
            (
                proposals,
                "decision waits for a second person",
                "decisions wait for a second person",
            ),
        ] {
            if n > 0 {
                said.push(words::count(n, one, many));
                class = "bad";
            }
        }
        let needs = said.len();
        for p in &self.status.partners {
            if let Some((until, reason)) = p.paused {
                said.push(if until == Time::NEVER {
                    format!("{} is paused by a person", p.partner)
                } else {
                    format!("{} is not answering ({})", p.partner, reason.what())
                });
            }
        }
        let retrying: u64 = self.status.partners.iter().map(|p| p.retrying).sum();
        for (n, one, many) in [
            (
                retrying,
                "message is being repeated",
                "messages are being repeated",
            ),
            (
                of(State::Asking),
                "message is unclear and asked about",
                "messages are unclear and asked about",
            ),
        ] {
            if n > 0 {
                said.push(words::count(n, one, many));
            }
        }
        if said.len() > needs && class == "good" {
            class = "warn";
        }
        let open = of(State::Waiting) + of(State::Sending);
        let last = self
            .status
            .partners
            .iter()
            .filter_map(|p| p.last_success)
            .max()
            .map_or_else(String::new, |t| {
                format!(" Last delivery {} ago.", words::age(self.now.since(t)))
            });
        let text = match class {
            "good" if open == 0 => format!("All quiet: everything is where it belongs.{last}"),
            "good" => format!(
                "All flowing: {} on the way.{last}",
                words::count(open, "message", "messages")
            ),
            "warn" => format!("Nothing waits for you. {}.{last}", said.join("; ")),
            _ => format!(
                "A person is needed: {}. Nothing is lost.{last}",
                said.join("; ")
            ),
        };
        (text, class)
    }

    /// What the last self-check found.
    fn findings(&self) -> Vec<Value> {
        let all = self.status.audited.findings.iter();
        all.map(|(f, since)| {
            let mut v = json!(f);
            v["since"] = json!(since);
            v["what"] = json!(f.fault.what());
            v["press"] = json!(f.fault.press());
            v
        })
        .collect()
    }

    /// The JSON form.
    pub(super) fn json(&self) -> Value {
        let (headline, _) = self.headline();
        let partners: Vec<Value> = self
            .status
            .partners
            .iter()
            .map(|p| {
                let mut v = json!(p);
                v["breaker"] = json!(p.breaker(self.now));
                v["mood"] = json!(words::mood(p));
                v["oldest_s"] = json!(p.oldest.map(|t| self.now.since(t).as_secs()));
                v
            })
            .collect();
        let groups: Vec<Value> = self
            .groups()
            .iter()
            .map(|g| {
                json!({
                    "partner": g.partner,
                    "state": g.state,
                    "reason": g.reason,
                    "unsure": g.unsure,
                    "what": g.reason.map(Reason::what),
                    "who": g.reason.map(Reason::who),
                    "next": g.reason.map(Reason::next),
                    "press": words::advice(g.state, g.unsure, g.reason),
                    "jobs": g.jobs.len(),
                    "oldest": g.jobs.first().map(|j| j.accepted),
                })
            })
            .collect();
        let jobs: Vec<Value> = self
            .status
            .jobs
            .iter()
            .map(|j| {
                let mut v = json!(j);
                v["waiting_s"] = json!(self.now.since(j.accepted).as_secs());
                v["what"] = json!(j.reason.map(Reason::what));
                v["press"] = json!(words::presses(j));
                v
            })
            .collect();
        let parked_inbound: Vec<Value> = self
            .status
            .parked_raw
            .iter()
            .map(|(id, door, since, rules)| {
                json!({"id": id, "door": door, "since": since, "rules": rules})
            })
            .collect();
        let refusals: Vec<Value> = self
            .status
            .refusals
            .iter()
            .map(|(r, n, last)| {
                let mut v = json!(r);
                v["count"] = json!(n);
                v["last"] = json!(last);
                v
            })
            .collect();
        json!({
            "tenant": self.tenant.id,
            "as_of": self.now,
            "headline": headline,
            "versions": self.status.versions,
            "jobs_made": self.status.jobs_made,
            "adds_up": self.adds_up(),
            "totals": self.totals(),
            "partners": partners,
            "groups": groups,
            "jobs": jobs,
            "parked_inbound": parked_inbound,
            "unmatched": self.status.unmatched.len(),
            "denials_open": self.status.denials_open,
            "refusals": refusals,
            "replays": self.replays.iter().map(replays::shown).collect::<Vec<_>>(),
            "proposals": self.proposals,
            "audit": {"at": self.status.audited.at, "findings": self.findings()},
        })
    }
}
