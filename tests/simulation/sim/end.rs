//! The end: everything heals, everything drains, and all of it is counted over.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use fhir_gateway::record::Kind;
use rusqlite::params;

use super::base::StoreFaults;
use super::people::{FOR_GOOD, Shown};
use super::records::Version;
use super::turns::at_once;
use super::world::World;
use super::{CLIENTS, PARTNERS, TENANT};

/// Rounds of peace until everything has to be at rest.
const ROUNDS: u32 = 3000;
/// How long what is due may lie before the audit minds.
const AUDIT_GRACE: Duration = Duration::from_secs(600);
/// How often a person presses the same button.
const PRESSES_MAX: u32 = 12;

impl World<'_> {
    /// Nothing goes wrong any more: until everything rests.
    pub(crate) async fn heal(&mut self) -> Result<(), String> {
        self.note(30, 0, || "everything heals".to_owned());
        self.network.heal();
        *self
            .shared
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = StoreFaults::default();
        let now = self.shared.hands.now();
        for pharmacy in &mut self.pharmacies {
            pharmacy.heal(now);
        }
        for n in 0..self.nodes.len() {
            self.wake(n);
        }
        // What a person began before is over before the pauses are.
        self.quiet()?;
        self.let_go();
        let mut pressed: HashMap<String, u32> = HashMap::new();
        for round in 0..ROUNDS {
            self.quiet()?;
            if self.lines.iter().any(|l| !l.left.is_empty()) {
                self.submit();
                continue;
            }
            if self.unsaid() {
                continue;
            }
            if round % 8 == 0 {
                self.denials();
            }
            self.round();
            self.quiet()?;
            let mut moving = self.press(&mut pressed)?;
            let open = self.jobs("state IN ('waiting', 'sending', 'asking')");
            moving |= open.iter().any(|j| !j.held);
            if !moving && self.tasks.len() == 0 {
                let raws: i64 = self.shared.watch.ask(|db| {
                    db.query_row(
                        "SELECT count(*) FROM raw WHERE state = 'received'",
                        [],
                        |r| r.get(0),
                    )
                });
                if raws == 0 && round > 16 {
                    return Ok(());
                }
            }
            let due = at_once(self.shared.store.next_due()).ok().flatten();
            let now = self.shared.hands.now();
            let wait = due.map_or(Duration::from_secs(20), |d| d.since(now));
            let wait = wait.clamp(Duration::from_millis(50), Duration::from_secs(20));
            self.advance(wait).await;
        }
        let open = self.jobs("state NOT IN ('done', 'cancelled', 'superseded')");
        let left: Vec<String> = open.iter().map(tell).collect();
        Err(format!("it never comes to rest: {}", left.join("; ")))
    }

    /// Lets everybody who waits go on, in order, until nobody does.
    fn quiet(&mut self) -> Result<(), String> {
        loop {
            self.settle()?;
            let waiting = self.shared.turns.waiting();
            let ready = self.network.ready();
            if waiting.is_empty() && ready.is_empty() {
                return Ok(());
            }
            self.go_on();
        }
    }

    /// Whether a pharmacy had something to say; it says it.
    fn unsaid(&mut self) -> bool {
        for at in 0..2 {
            let left = self.pharmacies[at].says.iter().find(|s| !s.heard).cloned();
            if let Some(says) = left {
                self.say(at, says);
                return true;
            }
        }
        false
    }

    /// A person decides what is parked. Whether anything moves by that.
    fn press(&mut self, pressed: &mut HashMap<String, u32>) -> Result<bool, String> {
        let mut moved = false;
        for job in self.jobs("state = 'parked'") {
            let presses = pressed.entry(job.id.clone()).or_default();
            if FOR_GOOD.contains(&job.reason.as_str()) || *presses >= PRESSES_MAX {
                continue;
            }
            *presses += 1;
            moved |= self.decide(&job);
        }
        Ok(moved)
    }

    /// Counts all of it over.
    pub(crate) fn count_over(&mut self) -> Result<(), String> {
        let status = at_once(self.shared.store.status(
            &fhir_gateway::ids::TenantId::new(TENANT),
            self.shared.hands.now(),
            1000,
        ));
        let status = status.map_err(|e| e.to_string())?;
        let sum: u64 = status.partners.iter().flat_map(|p| p.jobs.values()).sum();
        if sum != status.jobs_made {
            return Err("invariant 2: jobs made are not the sum over the seven states".to_owned());
        }
        let audit = self
            .shared
            .store
            .audit(self.shared.hands.now(), AUDIT_GRACE);
        let found = at_once(audit).map_err(|e| e.to_string())?;
        if !found.is_empty() {
            return Err(format!("the store's own audit found {found:?}"));
        }
        let unclear = "unsure = 1 AND held = 0 AND state NOT IN ('superseded', 'cancelled')";
        if let Some(job) = self.jobs(unclear).first() {
            return Err(format!("an outcome is still unclear: {}", tell(job)));
        }
        for ehr in &self.ehrs {
            for client in CLIENTS {
                let patients = ehr.patients(client);
                if patients > 1 {
                    return Err(format!("{}: {client} is {patients} patients", ehr.name));
                }
            }
        }
        for line in 0..self.lines.len() {
            let Some(newest) = self.lines[line].known.last().cloned() else {
                continue;
            };
            for place in [0, 1] {
                self.copies(place, &newest)?;
            }
            if newest.kind == Kind::MedicationRequest {
                for place in [2, 3] {
                    self.prescriptions(place, &newest)?;
                }
            }
        }
        Ok(())
    }

    fn last(&self, place: usize, version: &Version) -> Option<Shown> {
        let jobs = self.jobs(&format!(
            "partner = '{}' AND kind = '{}' AND record = '{}'",
            PARTNERS[place].id, version.kind, version.id
        ));
        jobs.into_iter().next_back()
    }

    /// What an EHR has of a record is the newest version, as far as it may have it.
    fn copies(&self, place: usize, newest: &Version) -> Result<(), String> {
        let played = &PARTNERS[place];
        if !played.kinds.contains(&newest.kind) {
            return Ok(());
        }
        let Some(last) = self.last(place, newest) else {
            return match newest.guarded {
                true => Ok(()),
                false => Err(format!("{}: {} made no job", played.id, newest.id)),
            };
        };
        let wrong = |what: &str| Err(format!("{}: {what}: {}", played.id, tell(&last)));
        let name = format!("{}/{}", newest.kind, newest.id);
        let there = self.ehrs[place].newest.get(&name).copied();
        if !newest.guarded && last.record.1 != newest.version {
            return wrong("the newest version made no job");
        }
        match last.state.as_str() {
            "done" if last.reason == "nothing-there" => Ok(()),
            "done" if there == Some(last.record.1) || newest.kind == Kind::ClientMerge => Ok(()),
            "done" if last.reason == "not-needed" => Ok(()),
            "done" => wrong("what is done is not there"),
            "cancelled" if there.is_none() => Ok(()),
            "cancelled" => wrong("a cancel said that nothing was there"),
            "waiting" if last.held && newest.guarded => Ok(()),
            "superseded" if self.open_denial(newest, played.id) => Ok(()),
            _ => wrong("the newest version did not arrive"),
        }
    }

    /// A pharmacy has the order as it stands: one live prescription, or none.
    fn prescriptions(&self, place: usize, newest: &Version) -> Result<(), String> {
        let Some(order) = &newest.order else {
            return Ok(());
        };
        let played = &PARTNERS[place];
        let here = (order.pharmacy == "PH-01") == (played.ncpdp_id == "7701630");
        let live = self.pharmacies[place - 2].live(&newest.id);
        let jobs = self.jobs(&format!(
            "partner = '{}' AND record = '{}' AND kind = 'medication-request'",
            played.id, newest.id
        ));
        let excused = newest.guarded
            || jobs
                .iter()
                .any(|j| j.state == "parked" && FOR_GOOD.contains(&j.reason.as_str()))
            || self.denied(&newest.id);
        let want = usize::from(here && order.live);
        if excused {
            return match live.len() {
                0 | 1 => Ok(()),
                n => Err(format!("{}: {n} prescriptions are live", played.id)),
            };
        }
        if live.len() != want {
            let jobs: Vec<String> = jobs.iter().map(tell).collect();
            return Err(format!(
                "{}: {} of {} live, wanted {want}: {}",
                played.id,
                live.len(),
                newest.id,
                jobs.join("; ")
            ));
        }
        if let (1, Some(rx)) = (want, live.first())
            && rx.quantity != order.quantity
        {
            return Err(format!(
                "{}: what is live of {} is an older version",
                played.id, newest.id
            ));
        }
        Ok(())
    }

    /// Whether the gate keeps the newest version from a partner.
    fn open_denial(&self, newest: &Version, partner: &str) -> bool {
        let sql = "SELECT count(*) FROM denial WHERE record = ?1 AND version = ?2 AND partner = ?3 AND open = 1";
        let version = newest.version.cast_signed();
        let n: i64 = self
            .shared
            .watch
            .ask(|db| db.query_row(sql, params![newest.id, version, partner], |r| r.get(0)));
        n > 0
    }

    /// Whether a pharmacy refused to take a prescription of the order back, ever.
    fn denied(&self, order: &str) -> bool {
        let sql = "SELECT count(*) FROM job WHERE record = ?1 AND confirmed = 0";
        let n: i64 = self
            .shared
            .watch
            .ask(|db| db.query_row(sql, [order], |r| r.get(0)));
        n > 0
    }
}

fn tell(job: &Shown) -> String {
    format!(
        "{} {} {}/{} {} at {} ({}{}{})",
        job.id,
        job.purpose,
        job.record.0,
        job.record.1,
        job.state,
        job.partner,
        job.reason,
        if job.unsure { ", unclear" } else { "" },
        if job.held { ", held" } else { "" }
    )
}
