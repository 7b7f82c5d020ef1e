//! People: pauses, drains, patients held, retries, and what they find out by calling a partner. They tell the
//! truth: they look at the partner's book, and wait while something is still on its way there.

use fhir_gateway::clock::Time;
use fhir_gateway::ids::{JobId, PartnerId, TenantId};
use fhir_gateway::sync::ports::{Act, By, CrosswalkRow, Steer, Store as _};
use fhir_gateway::sync::reason::Reason;

use super::base::Base;
use super::turns::at_once;
use super::world::World;
use super::{PARTNERS, TENANT};

const BY: By<'static> = By {
    who: "person",
    why: "by the book",
};

/// A job, as a person sees it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) partner: String,
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) unsure: bool,
    pub(crate) message: Option<String>,
    pub(crate) record: (String, u64),
    pub(crate) purpose: String,
    pub(crate) held: bool,
}

/// Parked for good: a person has nothing to press.
pub(crate) const FOR_GOOD: &[&str] = &[
    "cancel-denied",
    "cancel-silent",
    "past-deadline",
    "unknown-drug",
    "signature-changed",
];

impl World<'_> {
    /// The jobs that a query names, oldest first.
    pub(crate) fn jobs(&self, condition: &str) -> Vec<Shown> {
        let sql = format!(
            "SELECT id, partner, state, ifnull(reason, ''), unsure, message, kind || '/' || record, version,
               purpose, held FROM job WHERE {condition} ORDER BY seq"
        );
        self.shared.watch.ask(|db| {
            db.prepare_cached(&sql)?
                .query_map([], |r| {
                    Ok(Shown {
                        id: r.get(0)?,
                        partner: r.get(1)?,
                        state: r.get(2)?,
                        reason: r.get(3)?,
                        unsure: r.get(4)?,
                        message: r.get(5)?,
                        record: (r.get(6)?, r.get::<_, i64>(7)?.unsigned_abs()),
                        purpose: r.get(8)?,
                        held: r.get(9)?,
                    })
                })?
                .collect()
        })
    }

    /// A person does something.
    pub(crate) fn person(&mut self) {
        match self.rng.u32(..8) {
            0 => {
                let partner = self.rng.usize(..PARTNERS.len());
                self.pause(partner, true);
            }
            1 | 2 => {
                let partner = self.rng.usize(..PARTNERS.len());
                self.pause(partner, false);
            }
            3 => {
                let partner = self.rng.usize(..PARTNERS.len());
                self.steer(partner, Steer::Drain);
            }
            4 => {
                let client = ["C-1001", "C-1007"][self.rng.usize(..2)];
                let at = [None, Some(0), Some(2)][self.rng.usize(..3)];
                let on = self.rng.bool();
                self.hold(client, at, on);
            }
            _ => {
                let parked = self.jobs("state = 'parked'");
                if !parked.is_empty() {
                    let job = parked[self.rng.usize(..parked.len())].clone();
                    self.decide(&job);
                }
            }
        }
    }

    /// Pauses a partner, or ends its pause, whatever its cause.
    pub(crate) fn pause(&mut self, partner: usize, pause: bool) {
        let Some((node, _)) = self.living() else {
            return;
        };
        let id = PARTNERS[partner].id;
        self.note(20, partner as u64, || {
            format!("a person pauses {id}: {pause}")
        });
        let base = Base {
            node,
            shared: self.shared.clone(),
        };
        let until = pause.then_some((Time::NEVER, Reason::PartnerPaused));
        self.tasks.spawn(Some(node), "pause", async move {
            let (tenant, partner) = (TenantId::new(TENANT), PartnerId::new(id));
            let _ = base.pause(&tenant, &partner, until).await;
        });
    }

    /// Drains a partner, or ends that; at once, as if between two steps of the nodes.
    pub(crate) fn steer(&mut self, partner: usize, steer: Steer) {
        let id = PARTNERS[partner].id;
        self.note(22, partner as u64, || {
            format!("a person: {steer:?} of {id}")
        });
        let now = self.shared.hands.now();
        let (tenant, partner) = (TenantId::new(TENANT), PartnerId::new(id));
        // Either ends what a person paused.
        self.shared.watch.paused(id, false);
        let done = at_once(self.shared.store.steer(&tenant, &partner, steer, BY, now));
        self.shared.watch.committed("steer");
        if let Err(why) = done {
            self.shared.watch.fail(format!("steering {id}: {why}"));
        }
    }

    /// Holds a patient, at one partner or at all, or lets go.
    pub(crate) fn hold(&mut self, client: &str, at: Option<usize>, on: bool) {
        let id = at.map(|n| PartnerId::new(PARTNERS[n].id));
        self.note(23, u64::from(on), || {
            format!("a person holds {client} at {id:?}: {on}")
        });
        let now = self.shared.hands.now();
        let tenant = TenantId::new(TENANT);
        let store = &self.shared.store;
        let done = at_once(store.hold(&tenant, client, id.as_ref(), on, BY, now));
        self.shared.watch.committed("hold");
        if let Err(why) = done {
            self.shared.watch.fail(format!("holding {client}: {why}"));
        }
    }

    /// Nobody is held or drained any more.
    pub(crate) fn let_go(&mut self) {
        for partner in 0..PARTNERS.len() {
            self.pause(partner, false);
            self.steer(partner, Steer::Resume);
        }
        for client in ["C-1001", "C-1007"] {
            for at in [None, Some(0), Some(2)] {
                self.hold(client, at, false);
            }
        }
    }

    /// What a person does about a parked job. Whether anything.
    pub(crate) fn decide(&mut self, job: &Shown) -> bool {
        if FOR_GOOD.contains(&job.reason.as_str()) {
            return false;
        }
        let act = match (job.unsure, self.is_there(job)) {
            (false, _) => Act::Retry,
            (true, Some(true)) => Act::ResolveThere,
            (true, Some(false)) => Act::ResolveNotThere,
            (true, None) => return true,
        };
        let now = self.shared.hands.now();
        let id = JobId::new(&job.id);
        let tenant = TenantId::new(TENANT);
        let patient = match act {
            Act::ResolveThere => self.patient_there(job),
            _ => None,
        };
        let store = &self.shared.store;
        let done = at_once(store.act(&tenant, &id, act, "person", "by the book", now));
        let done = done.unwrap_or(false);
        if done {
            self.shared.watch.acted(&job.id, act);
        }
        self.shared.watch.committed("act");
        if let (true, Some((row, client))) = (done, patient) {
            let linked = at_once(store.link(&tenant, row, Some(client), now));
            linked.expect("the store answers");
            self.shared.watch.committed("link");
        }
        self.note(21, u64::from(done), || {
            format!(
                "a person decides {act:?} of {} at {}: {done}",
                job.id, job.partner
            )
        });
        done
    }

    /// What an EHR calls the patient whom a job brings: who says that they are there has found them, and
    /// links them.
    fn patient_there(&self, job: &Shown) -> Option<(CrosswalkRow, String)> {
        let place = PARTNERS.iter().position(|p| p.id == job.partner)?;
        let ehr = self.ehrs.get(place)?;
        let (kind, our_id, find, client): (String, String, String, String) =
            self.shared.watch.ask(|db| {
                db.query_row(
                    "SELECT e.type, e.our_id, e.find, ifnull(j.client, '') FROM effect e
                     JOIN job j ON j.seq = e.job
                     WHERE j.id = ?1 AND e.done = 0 ORDER BY e.n LIMIT 1",
                    [&job.id],
                    |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
                )
            });
        let find: serde_json::Value = serde_json::from_str(&find).unwrap_or_default();
        let value = find["identifier"]["value"].as_str()?;
        let kept = ehr
            .by_identifier("Patient", value)
            .filter(|_| kind == "Patient")?;
        let row = CrosswalkRow {
            partner: PartnerId::new(&job.partner),
            resource_type: kind,
            our_id,
            their_id: kept.resource["id"].as_str()?.to_owned(),
            their_version: None,
        };
        Some((row, client))
    }

    /// Whether a partner has what a job's first open effect brings; `None` while it may still arrive.
    pub(crate) fn is_there(&self, job: &Shown) -> Option<bool> {
        let message = job.message.clone().unwrap_or_default();
        if self.network.on_its_way(&job.id) || self.network.on_its_way(&message) {
            return None;
        }
        let place = PARTNERS.iter().position(|p| p.id == job.partner)?;
        Some(match place {
            0 | 1 => {
                let (kind, find): (String, String) = self.shared.watch.ask(|db| {
                    db.query_row(
                        "SELECT e.type, e.find FROM effect e JOIN job j ON j.seq = e.job
                         WHERE j.id = ?1 AND e.done = 0 ORDER BY e.n LIMIT 1",
                        [&job.id],
                        |r| Ok((r.get(0)?, r.get(1)?)),
                    )
                });
                let find: serde_json::Value = serde_json::from_str(&find).unwrap_or_default();
                let value = find["identifier"]["value"].as_str().unwrap_or_default();
                let kept = self.ehrs[place].by_identifier(&kind, value);
                kept.is_some_and(|k| k.by == job.record || k.job == job.id || kind == "Patient")
            }
            2 | 3 => self.pharmacies[place - 2].has(&message),
            _ => self.hook.contains(&message),
        })
    }
}
