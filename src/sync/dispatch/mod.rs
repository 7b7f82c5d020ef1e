//! What an accepted record version sets going: per partner, asks the gate, plans the chain, encodes.
//!
//! Reads the store, writes nothing: all that it decides goes into one admission. Partners are asked in
//! the config's order, pharmacies that an order leaves before the one that it goes to, because the new
//! prescription waits for the old one's cancel.

mod encoding;
mod new_rx;
mod standing;

use crate::clock::Time;
use crate::ids::{JobId, MessageId, PartnerId};
use crate::issue::Issue;
use crate::record::{Kind, MapEnv, Record, contract};
use crate::sync::chain::{self, Awaited, Elsewhere, NewFacts, Plan, Planned, Standing};
use crate::sync::context::Loaded;
use crate::sync::gate::{self, Word};
use crate::sync::house::{House, Member, Route, Tenant};
use crate::sync::job::{Awaits, Chain, ChainJob, LaneKey, NewJob, Purpose, State, VersionRef};
use crate::sync::judge::{self, Kept};
use crate::sync::ports::{CheckedPart, Denial, Seen, StoreError, Style, Transition};
use crate::sync::reason::Reason;

use encoding::Made;
use standing::{priority, same_record, standing, there};

pub use crate::sync::house::CLINIC;

/// What is new, and all that is known about it.
#[derive(Clone, Copy)]
pub struct Fresh<'a> {
    /// Whose.
    pub tenant: &'a Tenant,
    /// The record.
    pub record: &'a Record,
    /// Which version of it.
    pub version: &'a VersionRef,
    /// What it leans on.
    pub loaded: &'a Loaded,
    /// Its resources.
    pub parts: &'a [CheckedPart],
    /// Whom the rules of the validator keep it from.
    pub kept: &'a Kept,
    /// Its client as a resource.
    pub patient: Option<&'a CheckedPart>,
    /// Members that older versions sent and this one lacks, entered in error.
    pub retracted: &'a [CheckedPart],
    /// The record before it, with what it leant on.
    pub earlier: Option<&'a Record>,
    /// The chain it belongs to.
    pub chain: &'a Chain,
    /// The chain's jobs.
    pub jobs: &'a [ChainJob],
    /// Whether another record refers to it.
    pub referred_to: bool,
    /// Who brought it: [`CLINIC`], or a partner; it does not go back there.
    pub origin: &'a str,
    /// Only this partner (a denial decided anew).
    pub only: Option<&'a PartnerId>,
    /// Now.
    pub now: Time,
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Dispatched {
    /// What the deciders saw.
    pub seen: Seen,
    /// Changes of other jobs.
    pub transitions: Vec<Transition>,
    /// New jobs.
    pub jobs: Vec<NewJob>,
    /// What the gate denied.
    pub denials: Vec<Denial>,
    /// Patients held until a job is done.
    pub holds: Vec<(PartnerId, String, JobId)>,
    /// What somebody should know.
    pub warnings: Vec<Issue>,
}

/// Decides for every route.
///
/// # Errors
/// What a partner's language cannot say (422), or the store's error.
pub async fn dispatch(
    house: &House,
    fresh: &Fresh<'_>,
) -> Result<Result<Dispatched, Vec<Issue>>, StoreError> {
    let mut out = Dispatched {
        seen: chain::seen(fresh.jobs),
        ..Dispatched::default()
    };
    let env = fresh.tenant.env(fresh.now);
    let mut errors = Vec::new();
    // The cancel that a prescription at another pharmacy has to wait for.
    let mut cancel_elsewhere = None;
    let mut encoded = Vec::new();
    let (leaving, rest): (Vec<_>, Vec<_>) = receivers(house, fresh)
        .into_iter()
        .partition(|(member, _)| leaves(member, fresh));
    for (member, routes) in leaving.into_iter().chain(rest) {
        let one = One {
            house,
            fresh,
            env: &env,
            member,
            routes: &routes,
        };
        match one
            .decide(&mut out, &mut cancel_elsewhere, &mut encoded)
            .await?
        {
            Ok(()) => {}
            Err(issues) => errors.extend(issues),
        }
    }
    if out.jobs.len() > house.settings.jobs_per_record_max {
        errors.push(Issue::error(
            "too-costly",
            "jobs-per-record",
            "",
            "the record would go to more receivers than the limit allows",
        ));
    }
    Ok(if errors.is_empty() {
        Ok(out)
    } else {
        Err(errors)
    })
}

/// The partners that it goes to.
fn receivers<'a>(house: &'a House, fresh: &'a Fresh<'a>) -> Vec<(&'a Member, Vec<&'a Route>)> {
    let mut out = house.receivers(&fresh.tenant.id, fresh.record.kind(), fresh.origin);
    let meant = |member: &Member| fresh.only.is_none_or(|p| *p == member.partner.facts().id);
    out.retain(|(member, _)| meant(member));
    out
}

/// Whether the order was (or may be) at this pharmacy and goes elsewhere now.
fn leaves(member: &Member, fresh: &Fresh<'_>) -> bool {
    member.partner.facts().style == Style::Prescriptions
        && fresh
            .jobs
            .iter()
            .any(|j| j.partner == member.partner.facts().id && same_record(j, fresh.version))
        && !member.partner.takes(fresh.record, &fresh.loaded.context)
}

/// One partner's share of the decision.
struct One<'a> {
    house: &'a House,
    fresh: &'a Fresh<'a>,
    env: &'a MapEnv,
    member: &'a Member,
    routes: &'a [&'a Route],
}

impl One<'_> {
    async fn decide(
        &self,
        out: &mut Dispatched,
        cancel_elsewhere: &mut Option<MessageId>,
        before: &mut Vec<Made>,
    ) -> Result<Result<(), Vec<Issue>>, StoreError> {
        let facts = self.member.partner.facts();
        let here: Vec<ChainJob> = self
            .fresh
            .jobs
            .iter()
            .filter(|j| j.partner == facts.id && same_record(j, self.fresh.version))
            .cloned()
            .collect();
        let takes = self
            .member
            .partner
            .takes(self.fresh.record, &self.fresh.loaded.context);
        if !takes && here.is_empty() {
            return Ok(Ok(()));
        }
        let changed = !takes || self.changed(&here).await?;
        let plan = self.plan(&here, takes, changed);
        let labels = crate::consent::labels(self.fresh.record, &self.fresh.loaded.context);
        let word = self.ask(&labels);
        let mut made: Vec<NewJob> = Vec::new();
        for planned in &plan.jobs {
            let message = MessageId::fresh(self.fresh.now);
            let notice = match &word {
                _ if gate::exempt(planned.purpose) => None,
                Word::Go(notice) => notice.as_deref(),
                Word::Stay(why) => {
                    out.denials.push(Denial {
                        record: self.fresh.version.clone(),
                        partner: facts.id.clone(),
                        client: self.fresh.loaded.client.clone(),
                        why: (*why).to_owned(),
                    });
                    continue;
                }
            };
            let encoded = match self
                .encode(planned, &message, &here, notice, before)
                .await?
            {
                Ok(encoded) => encoded,
                Err(issues) => return Ok(Err(issues)),
            };
            out.warnings.extend(encoded.issues);
            if encoded.effects.is_empty() && planned.state != State::Cancelled {
                continue;
            }
            let elsewhere = match planned.awaits {
                None => self.elsewhere(cancel_elsewhere.as_ref()),
                Some(_) => Elsewhere::Nothing, // it is live here, so it has left there
            };
            let awaits = self.awaits(planned, made.last(), &elsewhere);
            let parks = self.parks(planned.purpose, &elsewhere).await?;
            let parks = parks.or(self.kept_by(planned));
            made.push(NewJob {
                id: JobId::fresh(self.fresh.now),
                partner: facts.id.clone(),
                lane: LaneKey::of(
                    self.fresh.chain,
                    self.fresh.loaded.client.as_deref(),
                    facts.order_by_patient,
                ),
                chain: self.fresh.chain.clone(),
                purpose: planned.purpose,
                state: if parks.is_some() {
                    State::Parked
                } else {
                    planned.state
                },
                reason: parks.or(if awaits.is_some() {
                    Some(Reason::AwaitsCancel)
                } else {
                    planned.reason
                }),
                due: self.fresh.now,
                deadline: self.deadline(planned.purpose),
                priority: priority(planned.purpose, self.fresh.record.kind()),
                message: Some(message),
                needs: self.needs(planned.purpose),
                awaits,
                guarded: facts.style != Style::Clinic && labels.personal && labels.part2,
                holds_lane: self
                    .house
                    .settings
                    .parked_holds_lane
                    .contains(&self.fresh.record.kind()),
                policy: serde_json::to_string(&self.member.policy).unwrap_or_default(),
                effects: encoded.effects,
            });
        }
        if !takes {
            let on_its_way = || {
                here.iter()
                    .filter(|j| j.purpose == Purpose::Cancel && j.confirmed.is_none())
                    .filter(|j| !matches!(j.state, State::Cancelled | State::Parked))
                    .max_by_key(|j| j.seq)
                    .and_then(|j| j.message.clone())
            };
            let cancel = made
                .iter()
                .find(|j| j.purpose == Purpose::Cancel && j.state == State::Waiting)
                .and_then(|j| j.message.clone())
                .or_else(on_its_way);
            if cancel.is_some() {
                *cancel_elsewhere = cancel;
            }
        }
        self.hold(&made, out);
        out.transitions.extend(plan.transitions);
        out.jobs.extend(made);
        Ok(Ok(()))
    }

    /// Whether a pharmacy has to hear of this version: its standing differs from the version before, or
    /// its signed content from the prescription that went there last, or that one was taken back, or
    /// refused and signed anew.
    async fn changed(&self, here: &[ChainJob]) -> Result<bool, StoreError> {
        let Record::MedicationRequest(new) = self.fresh.record else {
            return Ok(true);
        };
        if let Some(Record::MedicationRequest(old)) = self.fresh.earlier
            && new.standing_key() != old.standing_key()
        {
            return Ok(true);
        }
        let newest = |purpose| {
            here.iter()
                .filter(move |j| j.purpose == purpose && j.state != State::Superseded)
                .max_by_key(|j| j.seq)
        };
        let Some(rx) = newest(Purpose::NewRx) else {
            return Ok(true);
        };
        if newest(Purpose::Cancel).is_some_and(|c| c.seq > rx.seq)
            && standing(self.fresh.record, Style::Prescriptions) == Standing::Live
        {
            return Ok(true);
        }
        let store = self.house.store.as_ref();
        let found = store
            .versions(&self.fresh.tenant.id, std::slice::from_ref(&rx.record))
            .await?;
        let sent =
            found.into_iter().flatten().next().and_then(|stored| {
                contract::from_stored(Kind::MedicationRequest, &stored.body).ok()
            });
        Ok(match sent {
            // One that was refused gives way to the same signed anew: what it leans on was mended.
            Some(Record::MedicationRequest(sent)) if rx.state == State::Parked && !there(rx) => {
                sent.content_key() != new.content_key() || sent.signed() != new.signed()
            }
            Some(Record::MedicationRequest(sent)) => sent.content_key() != new.content_key(),
            _ => true,
        })
    }

    fn plan(&self, here: &[ChainJob], takes: bool, changed: bool) -> Plan {
        let facts = self.member.partner.facts();
        let standing = if takes {
            standing(self.fresh.record, facts.style)
        } else {
            Standing::Ended
        };
        let new = NewFacts {
            record: self.fresh.version,
            standing,
            changed,
            known_elsewhere: self.fresh.referred_to
                || self.fresh.jobs.iter().any(|j| {
                    j.partner != facts.id && same_record(j, self.fresh.version) && there(j)
                }),
        };
        match facts.style {
            Style::Prescriptions if self.fresh.record.kind() == Kind::MedicationRequest => {
                chain::plan_prescriptions(&new, here)
            }
            Style::Prescriptions | Style::Copies | Style::Clinic => chain::plan_copies(&new, here),
        }
    }

    fn ask(&self, labels: &crate::consent::Labels) -> Word {
        gate::ask(
            self.member.partner.facts(),
            self.routes,
            self.fresh.record.kind(),
            labels,
            &self.fresh.loaded.context,
            self.fresh.now.date_in(&self.env.zone),
        )
    }

    /// What a new prescription waits for.
    fn awaits(
        &self,
        planned: &Planned,
        before: Option<&NewJob>,
        elsewhere: &Elsewhere,
    ) -> Option<Awaits> {
        if planned.purpose != Purpose::NewRx {
            return None;
        }
        let message = match &planned.awaits {
            Some(Awaited::Planned) => before.and_then(|j| j.message.clone()),
            Some(Awaited::Existing(message)) => Some(message.clone()),
            None => match elsewhere {
                Elsewhere::Awaits(message) => Some(message.clone()),
                Elsewhere::Nothing | Elsewhere::Parks(_) => None,
            },
        }?;
        Some(Awaits {
            message,
            until: self.fresh.now.plus(self.house.settings.cancel_silence),
        })
    }

    /// What keeps a job that would wait to be sent.
    fn kept_by(&self, planned: &Planned) -> Option<Reason> {
        if planned.state != State::Waiting || planned.purpose == Purpose::Cancel {
            return None; // what takes something back goes, whatever is wrong with it
        }
        let action = self.fresh.kept.get(&self.member.partner.facts().id)?;
        Some(judge::reason(*action))
    }

    /// What it refers to and what goes to this partner, too. A cancel waits for nothing.
    fn needs(&self, purpose: Purpose) -> Vec<VersionRef> {
        if purpose == Purpose::Cancel {
            return Vec::new();
        }
        let to = &self.member.partner.facts().id;
        let goes = |kind: Kind| {
            self.house
                .routes_of(&self.fresh.tenant.id, kind)
                .any(|r| r.to == *to)
        };
        self.fresh
            .loaded
            .versions
            .iter()
            .filter(|v| Kind::parse(&v.kind).is_some_and(goes))
            .filter(|v| (&v.kind, &v.id) != (&self.fresh.version.kind, &self.fresh.version.id))
            .cloned()
            .collect()
    }

    /// A merge holds both patients until its job at this partner is done (contracts section 6).
    fn hold(&self, made: &[NewJob], out: &mut Dispatched) {
        let facts = self.member.partner.facts();
        if let Record::ClientMerge(merge) = self.fresh.record
            && facts.told_of_merges
        {
            for job in made.iter().filter(|j| j.state == State::Waiting) {
                for client in [&merge.survivor_client_no, &merge.merged_client_no] {
                    out.holds
                        .push((facts.id.clone(), client.clone(), job.id.clone()));
                }
            }
        }
    }
}
