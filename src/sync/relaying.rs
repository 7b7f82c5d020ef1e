//! Carries a relay: FHIR from one partner to another, not by way of a record (contracts section 4).
//!
//! Reads the store, checks base R4 as the route says, asks the gate where 42 CFR Part 2 holds, plans
//! like any copy, and writes one admission under the kind [`OTHER`]. What goes on is what
//! [`relay::relay`] makes of it, and nothing else; an older state of something that went on already
//! is no news.

use serde_json::Value;

use crate::clock::{Instant, Time};
use crate::ids::{JobId, MessageId, PartnerId};
use crate::issue::Issue;
use crate::record::{Context, Kind, Record, contract};
use crate::sync::accept::{Acceptor, MOVES_MAX, blank};
use crate::sync::chain::{self, NewFacts, Planned, Standing};
use crate::sync::gate::Word;
use crate::sync::house::{House, Member, Route, Tenant};
use crate::sync::job::{Chain, ChainJob, LaneKey, NewJob, Purpose, State, VersionRef};
use crate::sync::judge::{self, Action, Relays};
use crate::sync::ports::{
    Admission, Admitted, CheckedPart, Denial, NewVersion, Outgoing, ResourceRow, StoreError,
    StoredVersion, Style,
};
use crate::sync::prepare;
use crate::sync::relay::{self, OTHER, Relayed};
use crate::sync::relay_law::{ask, consents_of, labels};

/// One resource of a partner's that is to go on.
#[derive(Clone, Copy)]
pub(super) struct Carried<'a> {
    pub(super) tenant: &'a Tenant,
    /// Whose it is.
    pub(super) source: &'a PartnerId,
    /// As it came.
    pub(super) resource: &'a Value,
    /// The client of ours whom it is about, if one is known.
    pub(super) client: Option<&'a str>,
    /// Only to this partner: a denial decided anew, of the version that is stored.
    pub(super) only: Option<&'a PartnerId>,
    pub(super) now: Time,
}

/// What the store knows of it.
struct Known {
    relayed: Relayed,
    head: Option<StoredVersion>,
    version: VersionRef,
    hash: crate::ids::Hash,
    jobs: Vec<ChainJob>,
    /// What it refers to that is not relayed but ours.
    needs: Vec<VersionRef>,
    context: Context,
    /// The versions of the consents in it.
    consents: Vec<VersionRef>,
    patient: Option<std::sync::Arc<CheckedPart>>,
}

/// What comes of it.
type Outcome = Result<(), Vec<Issue>>;

impl Acceptor {
    /// Relays one resource by every route that takes it.
    pub(super) async fn relay(&self, carried: Carried<'_>) -> Result<Outcome, StoreError> {
        for _ in 0..MOVES_MAX {
            if let Some(outcome) = self.try_relay(carried).await? {
                return Ok(outcome);
            }
        }
        Err(StoreError::Full("relay: the chain keeps moving"))
    }

    /// A denied relay, decided anew. How many jobs that made.
    pub(super) async fn relay_denied(
        &self,
        tenant: &Tenant,
        denial: &Denial,
        now: Time,
    ) -> Result<(), StoreError> {
        let newest = self
            .newest(tenant, &denial.record.kind, &denial.record.id)
            .await?;
        let Some(head) = newest.filter(|h| h.record == denial.record) else {
            return Ok(()); // a newer version was decided by itself
        };
        let Ok(resource) = serde_json::from_slice::<Value>(&head.body) else {
            return Ok(());
        };
        let source = PartnerId::new(&head.origin);
        let carried = Carried {
            tenant,
            source: &source,
            resource: &resource,
            client: denial.client.as_deref(),
            only: Some(&denial.partner),
            now,
        };
        // What is wrong with it by now stays denied.
        let _ = self.relay(carried).await?;
        Ok(())
    }

    /// What keeps a resource from being relayed; writes nothing.
    pub(super) async fn wrong_to_relay(
        &self,
        carried: Carried<'_>,
    ) -> Result<Vec<Issue>, StoreError> {
        Ok(match self.planned(carried).await? {
            Ok(Some((_, wrong))) => wrong,
            Ok(None) => Vec::new(),
            Err(issue) => vec![issue],
        })
    }

    /// What is to be written, and what is wrong for some receivers. `None`: it is no news.
    async fn planned(
        &self,
        carried: Carried<'_>,
    ) -> Result<Result<Option<(Admission, Vec<Issue>)>, Issue>, StoreError> {
        let known = match self.known_of(carried).await? {
            Ok(Some(known)) => known,
            Ok(None) => return Ok(Ok(None)),
            Err(issue) => return Ok(Err(issue)),
        };
        let house = self.house();
        let resource = known.relayed.resource.clone();
        let (checked, found) = match prepare::certify(&house.validator, resource, None, &|_| true) {
            Ok(certified) => certified,
            Err(issues) => return Ok(Ok(Some((self.admission_of(carried, &known), issues)))),
        };
        let part = CheckedPart {
            part: String::new(),
            checked,
        };
        let mut wrong = Vec::new();
        let mut admission = self.admission_of(carried, &known);
        let source = house.member(&carried.tenant.id, carried.source);
        for (member, routes) in receivers(house, carried) {
            let (refused, kept) = Relays {
                source: source.map(|source| &source.rulings),
                receiver: &member.rulings,
                as_it_is: routes.iter().all(|r| r.relay_as_is),
                house: &house.rulings,
            }
            .weigh(&found);
            if !refused.is_empty() {
                if wrong.is_empty() {
                    wrong = refused; // once, however many receivers it is for
                }
                continue;
            }
            if kept.is_some() {
                admission.given.body = super::answer::warnings(&found);
            }
            let to = (member, routes.as_slice(), kept);
            if let Err(issues) = one(carried, &known, to, &part, &mut admission) {
                wrong.extend(issues);
            }
        }
        Ok(Ok(Some((admission, wrong))))
    }

    /// One try. `None`: something moved.
    async fn try_relay(&self, carried: Carried<'_>) -> Result<Option<Outcome>, StoreError> {
        let (admission, wrong) = match self.planned(carried).await? {
            Ok(Some(planned)) => planned,
            Ok(None) => return Ok(Some(Ok(()))),
            Err(issue) => return Ok(Some(Err(vec![issue]))),
        };
        if carried.only.is_some() && !admission.denials.is_empty() {
            return Ok(Some(Ok(()))); // denied again: the denial stands
        }
        if !wrong.is_empty() && admission.jobs.is_empty() && admission.denials.is_empty() {
            return Ok(Some(Err(wrong)));
        }
        if carried.only.is_none() {
            self.has_room(carried.tenant, &admission.jobs).await?;
        }
        Ok(match self.house().store.admit(admission).await? {
            Admitted::Moved => None,
            _ if wrong.is_empty() => Some(Ok(())),
            _ => Some(Err(wrong)),
        })
    }

    /// What it becomes and what is known of it; `None`: it is no news.
    async fn known_of(
        &self,
        carried: Carried<'_>,
    ) -> Result<Result<Option<Known>, Issue>, StoreError> {
        let store = self.house().store.as_ref();
        let tenant = &carried.tenant.id;
        let env = carried.tenant.env(carried.now);
        let (ours, needs) = self
            .ours(carried.tenant, carried.source, carried.resource)
            .await?;
        let lookup = |resource_type: &str, id: &str| {
            ours.get(&(resource_type.to_owned(), id.to_owned()))
                .cloned()
        };
        let relayed = match relay::relay(carried.resource, carried.source, &env, &lookup) {
            Ok(relayed) => relayed,
            Err(issue) => return Ok(Err(issue)),
        };
        let head = self
            .newest(carried.tenant, OTHER, &relayed.record_id)
            .await?;
        let hash = Self::content_hash(carried.tenant, &content(&relayed.resource));
        if let (Some(head), None) = (&head, carried.only)
            && (head.hash == hash || is_older(carried.resource, head))
        {
            return Ok(Ok(None));
        }
        let newest = head.as_ref().map_or(0, |h| h.record.version);
        let version = VersionRef {
            kind: OTHER.to_owned(),
            id: relayed.record_id.clone(),
            version: newest + u64::from(carried.only.is_none()),
        };
        let jobs = store.chain(tenant, &chain_of(&relayed.record_id)).await?;
        let (context, consents, patient) = match carried.client {
            Some(client) => self.client_of(carried, client).await?,
            None => (Context::default(), Vec::new(), None),
        };
        Ok(Ok(Some(Known {
            relayed,
            head,
            version,
            hash,
            jobs,
            needs,
            context,
            consents,
            patient,
        })))
    }

    /// The client, with the consents, as a context and as a resource.
    async fn client_of(
        &self,
        carried: Carried<'_>,
        client: &str,
    ) -> Result<
        (
            Context,
            Vec<VersionRef>,
            Option<std::sync::Arc<CheckedPart>>,
        ),
        StoreError,
    > {
        let (mut context, consents) = consents_of(self.house(), carried.tenant, client).await?;
        let stored = self
            .newest(carried.tenant, Kind::Client.as_str(), client)
            .await?;
        if let Some(stored) = stored
            && let Ok(Record::Client(client)) = contract::from_stored(Kind::Client, &stored.body)
        {
            context.client = Some(*client);
        }
        let patient = self.patient(carried.tenant, &context, carried.now);
        Ok((context, consents, patient))
    }

    /// The admission without jobs.
    fn admission_of(&self, carried: Carried<'_>, known: &Known) -> Admission {
        let version = carried.only.is_none().then(|| NewVersion {
            record: known.version.clone(),
            chain: chain_of(&known.version.id),
            client: carried.client.map(str::to_owned),
            body: serde_json::to_vec(carried.resource).unwrap_or_default(),
            context: known.consents.clone(),
            hash: known.hash,
            origin: carried.source.as_str().to_owned(),
            in_feed: false,
        });
        let row = ResourceRow {
            resource_type: known.relayed.resource_type.clone(),
            id: known.relayed.our_id.clone(),
            part: String::new(),
            profiles: String::new(),
            bytes: serde_json::to_vec(&known.relayed.resource).unwrap_or_default(),
        };
        Admission {
            version,
            head: known.head.as_ref().map(|h| h.record.version),
            resources: vec![row],
            seen: chain::seen(&known.jobs),
            denials_settled: carried.only.into_iter().cloned().collect(),
            ..blank(&carried.tenant.id, &known.version, carried.now)
        }
    }
}

/// What goes to one receiver, added to the admission.
fn one(
    carried: Carried<'_>,
    known: &Known,
    (member, routes, kept): (&Member, &[&Route], Option<Action>),
    part: &CheckedPart,
    admission: &mut Admission,
) -> Outcome {
    let facts = member.partner.facts();
    let env = carried.tenant.env(carried.now);
    let labels = labels(carried.resource, routes);
    let today = carried.now.date_in(&env.zone);
    let word = ask(
        member,
        routes,
        carried.resource,
        &labels,
        &known.context,
        today,
    );
    let here: Vec<ChainJob> = known
        .jobs
        .iter()
        .filter(|j| j.partner == facts.id)
        .cloned()
        .collect();
    let ended = has_ended(carried.resource);
    let new = NewFacts {
        record: &known.version,
        // Taking back is for those who may not have the content any more; to all others it goes on
        // as it is.
        standing: if ended && matches!(word, Word::Stay(_)) {
            Standing::Ended
        } else {
            Standing::Plain
        },
        changed: true,
        known_elsewhere: false,
    };
    let plan = chain::plan_copies(&new, &here);
    for planned in plan.jobs {
        let notice = match &word {
            Word::Stay(why) if planned.purpose != Purpose::Cancel => {
                admission.denials.push(Denial {
                    record: known.version.clone(),
                    partner: facts.id.clone(),
                    client: carried.client.map(str::to_owned),
                    why: (*why).to_owned(),
                });
                continue;
            }
            Word::Stay(_) => None,
            Word::Go(notice) => notice.as_deref(),
        };
        let message = MessageId::fresh(carried.now);
        let guarded = facts.style != Style::Clinic && labels.personal && labels.part2;
        let mut made = job(
            carried, known, member, part, &planned, &message, notice, guarded,
        )?;
        if let Some(action) = kept
            && made.state == State::Waiting
            && made.purpose != Purpose::Cancel
        {
            made.state = State::Parked;
            made.reason = Some(judge::reason(action));
        }
        admission.jobs.push(made);
    }
    admission.transitions.extend(plan.transitions);
    Ok(())
}

fn job(
    carried: Carried<'_>,
    known: &Known,
    member: &Member,
    part: &CheckedPart,
    planned: &Planned,
    message: &MessageId,
    notice: Option<&str>,
    guarded: bool,
) -> Result<NewJob, Vec<Issue>> {
    let facts = member.partner.facts();
    let env = carried.tenant.env(carried.now);
    let nothing = planned.state == State::Cancelled;
    let outgoing = Outgoing {
        env: &env,
        record: None,
        context: &known.context,
        parts: std::slice::from_ref(part),
        patient: known.patient.as_deref(),
        purpose: planned.purpose,
        message,
        now: carried.now,
        relates_to: None,
        cause: None,
        retracted: &[],
        notice,
    };
    let effects = if nothing {
        Vec::new()
    } else {
        member.partner.encode(&outgoing)?.effects
    };
    if effects.is_empty() && !nothing {
        return Err(vec![Issue::error(
            "not-supported",
            "type-not-taken",
            "",
            "the partner that it is relayed to does not take this type: nothing of it went there",
        )]);
    }
    let own_needs = known.relayed.needs.iter().map(|n| VersionRef {
        kind: OTHER.to_owned(),
        id: n.record_id.clone(),
        version: 0,
    });
    let chain = chain_of(&known.version.id);
    Ok(NewJob {
        id: JobId::fresh(carried.now),
        partner: facts.id.clone(),
        lane: LaneKey::of(&chain, carried.client, facts.order_by_patient),
        chain,
        purpose: planned.purpose,
        state: planned.state,
        reason: planned.reason,
        due: carried.now,
        deadline: None,
        priority: 3,
        message: Some(message.clone()),
        needs: own_needs.chain(known.needs.iter().cloned()).collect(),
        awaits: None,
        guarded,
        holds_lane: false,
        policy: serde_json::to_string(&member.policy).unwrap_or_default(),
        effects,
    })
}

/// The partners that this source's relays of this type lead to.
fn receivers<'a>(house: &'a House, carried: Carried<'a>) -> Vec<(&'a Member, Vec<&'a Route>)> {
    let resource_type = carried.resource["resourceType"]
        .as_str()
        .unwrap_or_default();
    let mut out: Vec<(&Member, Vec<&Route>)> = Vec::new();
    for route in house
        .relays_of(&carried.tenant.id, carried.source)
        .filter(|r| r.relays(resource_type))
        .filter(|r| carried.only.is_none_or(|p| *p == r.to))
    {
        let Some(member) = house.member(&carried.tenant.id, &route.to) else {
            continue;
        };
        match out
            .iter_mut()
            .find(|(m, _)| m.partner.facts().id == route.to)
        {
            Some((_, routes)) => routes.push(route),
            None => out.push((member, vec![route])),
        }
    }
    out
}

/// Whether it says that it was cancelled, stopped or entered in error.
fn has_ended(resource: &Value) -> bool {
    let status = resource["status"]
        .as_str()
        .or_else(|| resource["lifecycleStatus"].as_str());
    matches!(
        status,
        Some("entered-in-error" | "cancelled" | "stopped" | "revoked")
    )
}

fn chain_of(record_id: &str) -> Chain {
    Chain(format!("{OTHER}/{record_id}"))
}

/// What decides whether it is news: all of it but its own count of versions.
fn content(relayed: &Value) -> Vec<u8> {
    let mut value = relayed.clone();
    if let Some(meta) = value.get_mut("meta").and_then(Value::as_object_mut) {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
    }
    serde_json::to_vec(&value).unwrap_or_default()
}

/// Whether it was last changed before the state that is known.
fn is_older(resource: &Value, head: &StoredVersion) -> bool {
    let updated = |value: &Value| {
        let text = value.pointer("/meta/lastUpdated")?.as_str()?;
        Some(Instant::parse(text)?.time())
    };
    let known = serde_json::from_slice::<Value>(&head.body);
    match (updated(resource), known.ok().as_ref().and_then(updated)) {
        (Some(new), Some(known)) => new < known,
        _ => false,
    }
}
