//! What intake, inbound and the workers share: tenants, partners, routes, the store, the validator,
//! the clock. Built once on the roof, immutable, handed down.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::Notify;

use crate::clock::{Clock, Time};
use crate::fhir::validate::Validator;
use crate::ids::{Key, PartnerId, TenantId};
use crate::issue::Issue;
use crate::json::Limits;
use crate::record::consent::Purpose;
use crate::record::{Context, Kind, MapEnv, Record};
use crate::sync::judge::{Action, Judge, Rulings};
use crate::sync::ports::{Keep, Partner, Store, Style};
use crate::sync::retry::Policy;
use crate::sync::room::Room;

/// A tenant's facts, from the config.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its base address, without a slash at its end.
    pub base: String,
    /// Its IANA zone.
    pub zone: TimeZone,
    /// Its key for hashes and resource ids.
    pub key: Key,
}

impl Tenant {
    /// The maps' environment at a moment.
    #[must_use]
    pub fn env(&self, now: Time) -> MapEnv {
        MapEnv {
            base: self.base.clone(),
            zone: self.zone.clone(),
            key: self.key.clone(),
            now,
        }
    }
}

/// Who gets what. Deny by default: what no route names goes nowhere.
#[derive(Clone, Debug)]
pub struct Route {
    /// Whose records.
    pub tenant: TenantId,
    /// To whom.
    pub to: PartnerId,
    /// Which kinds. Empty for a relay.
    pub kinds: Vec<Kind>,
    /// What for: consents are asked about this purpose.
    pub purpose: Purpose,
    /// A relay: FHIR that this partner sends goes on to `to`, not by way of a record.
    pub relay_from: Option<PartnerId>,
    /// A relay: the types that go; empty for the three of this gateway.
    pub relay_types: Vec<String>,
    /// A relay: whether its source falls under 42 CFR Part 2.
    pub relay_part2: bool,
    /// A relay: what fails base R4 goes on as it is, with its faults as warnings, instead of being
    /// parked.
    pub relay_as_is: bool,
}

impl Route {
    /// Whether this relay takes resources of a type.
    #[must_use]
    pub fn relays(&self, resource_type: &str) -> bool {
        if self.relay_types.is_empty() {
            matches!(
                resource_type,
                "MedicationRequest" | "Observation" | "CarePlan"
            )
        } else {
            self.relay_types.iter().any(|t| t == resource_type)
        }
    }
}

/// Limits and clocks of the core, each a key of the config.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The retry schedule for new jobs; a partner may have its own.
    pub policy: Policy,
    /// Last send of a new prescription after it was signed.
    pub last_send: Duration,
    /// The same for schedule II and III to V, where the config is stricter: (schedule, span).
    pub last_send_by_schedule: Vec<(String, Duration)>,
    /// How long a pharmacy may be silent about a cancel before the prescription that waits for it parks.
    pub cancel_silence: Duration,
    /// What a document may be at most.
    pub json: Limits,
    /// Jobs that one record version may make at most.
    pub jobs_per_record_max: usize,
    /// Entries of an inbound bundle at most.
    pub bundle_entries_max: usize,
    /// Longer than any partner's time-out (checked when the config is read).
    pub lease: Duration,
    /// How often the workers look although nobody woke them.
    pub poll: Duration,
    /// This node's name, for people.
    pub node: String,
    /// Limits of what people set going, and what takes two of them.
    pub people: crate::sync::people::Limits,
    /// Kinds whose parked job keeps its place in its lane.
    pub parked_holds_lane: Vec<Kind>,
    /// Jobs of one partner that may be open.
    pub jobs_open_max: u64,
    /// How long bodies are kept.
    pub keep: Keep,
    /// How often the store looks after itself.
    pub audit_every: Duration,
    /// How long what is due may lie untaken before the self-check calls it a fault.
    pub audit_grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            policy: Policy::default(),
            last_send: Duration::from_secs(72 * 3600),
            last_send_by_schedule: Vec::new(),
            cancel_silence: Duration::from_secs(24 * 3600),
            json: Limits::default(),
            jobs_per_record_max: 64,
            bundle_entries_max: 1000,
            lease: Duration::from_secs(120),
            poll: Duration::from_millis(500),
            node: "gateway".to_owned(),
            people: crate::sync::people::Limits::default(),
            parked_holds_lane: Vec::new(),
            jobs_open_max: 5_000_000,
            keep: Keep::default(),
            audit_every: Duration::from_secs(300),
            audit_grace: Duration::from_secs(900),
        }
    }
}

/// A partner with what the config says of its retries.
#[derive(Clone)]
pub struct Member {
    /// The partner.
    pub partner: Arc<dyn Partner>,
    /// Its retry schedule.
    pub policy: Policy,
    /// How much may be on its way to it.
    pub room: Arc<Room>,
    /// Its own words on rules of the validator.
    pub rulings: Rulings,
}

/// Where what comes through the clinic's door comes from.
pub const CLINIC: &str = "clinic";

/// The house: everything that accepting and delivering needs.
pub struct House {
    /// Tenants by id.
    pub tenants: HashMap<TenantId, Tenant>,
    /// Partners by tenant and id.
    pub partners: HashMap<(TenantId, PartnerId), Member>,
    /// Routes, in the config's order.
    pub routes: Vec<Route>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Compiled profiles.
    pub validator: Arc<Validator>,
    /// Words on its rules, where a partner has none of its own.
    pub rulings: Rulings,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Limits and clocks.
    pub settings: Settings,
    /// Rings when there is room again at a partner.
    pub freed: Arc<Notify>,
}

impl House {
    /// A partner of a tenant.
    #[must_use]
    pub fn member(&self, tenant: &TenantId, partner: &PartnerId) -> Option<&Member> {
        self.partners.get(&(tenant.clone(), partner.clone()))
    }

    /// The routes of a kind of record, relays aside.
    pub fn routes_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        kind: Kind,
    ) -> impl Iterator<Item = &'a Route> + 'a {
        self.routes.iter().filter(move |r| {
            r.tenant == *tenant && r.relay_from.is_none() && r.kinds.contains(&kind)
        })
    }

    /// The partners that routes bring a kind of record to, each once with its routes, in the config's order. It
    /// does not go back to whom it comes from.
    #[must_use]
    pub fn receivers<'a>(
        &'a self,
        tenant: &'a TenantId,
        kind: Kind,
        origin: &str,
    ) -> Vec<(&'a Member, Vec<&'a Route>)> {
        let mut out: Vec<(&Member, Vec<&Route>)> = Vec::new();
        for route in self.routes_of(tenant, kind) {
            let Some(member) = self.member(tenant, &route.to) else {
                continue;
            };
            let facts = member.partner.facts();
            // The clinic's own system has what it handed in itself.
            if facts.id.as_str() == origin || (origin == CLINIC && facts.style == Style::Clinic) {
                continue;
            }
            match out
                .iter_mut()
                .find(|(m, _)| m.partner.facts().id == facts.id)
            {
                Some((_, routes)) => routes.push(route),
                None => out.push((member, vec![route])),
            }
        }
        out
    }

    /// What becomes of an issue where one partner is concerned: by its own word on the rule, else the house's.
    #[must_use]
    pub fn action(&self, member: &Member, issue: &Issue) -> Action {
        match member.rulings.on(&issue.rule) {
            Some(_) => member.rulings.action(issue),
            None => self.rulings.action(issue),
        }
    }

    /// Who has a word on a record: the house, and the partners that take it.
    #[must_use]
    pub fn judge<'a>(
        &'a self,
        tenant: &'a TenantId,
        record: &Record,
        context: &Context,
        origin: &str,
    ) -> Judge<'a> {
        let receivers = self.receivers(tenant, record.kind(), origin);
        let taking = receivers
            .into_iter()
            .filter(|(member, _)| member.partner.takes(record, context));
        Judge {
            house: &self.rulings,
            receivers: taking
                .map(|(member, _)| (&member.partner.facts().id, &member.rulings))
                .collect(),
        }
    }

    /// The relays of what a partner sends.
    pub fn relays_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        from: &'a PartnerId,
    ) -> impl Iterator<Item = &'a Route> + 'a {
        self.routes
            .iter()
            .filter(move |r| r.tenant == *tenant && r.relay_from.as_ref() == Some(from))
    }
}
