//! A node of the gateway: a house of its own on the shared store, its doors and its worker. When it dies,
//! all that it had in memory is gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fhir_gateway::ids::{Key, PartnerId, TenantId};
use fhir_gateway::partner::{self, Common};
use fhir_gateway::record::consent::Purpose;
use fhir_gateway::sync::accept::Acceptor;
use fhir_gateway::sync::house::{House, Member, Route, Settings, Tenant};
use fhir_gateway::sync::inbound::Inbound;
use fhir_gateway::sync::intake::Intake;
use fhir_gateway::sync::judge::Rulings;
use fhir_gateway::sync::retry::Policy;
use fhir_gateway::sync::room::{Pace, Room};
use fhir_gateway::sync::worker::Worker;
use jiff::tz::TimeZone;

use super::base::{Base, Shared};
use super::mutant::Mutant;
use super::network::{Line, Network, TIMEOUT};
use super::turns::NodeClock;
use super::{Kit, PARTNERS, TENANT};

/// How long a lease lasts: longer than two requests.
const LEASE: Duration = Duration::from_secs(40);

pub(crate) struct Node {
    pub(crate) ahead: i64,
    /// Its doors and its worker, while it lives.
    pub(crate) alive: Option<Alive>,
}

#[derive(Clone)]
pub(crate) struct Alive {
    pub(crate) house: Arc<House>,
    pub(crate) intake: Intake,
    pub(crate) inbound: Inbound,
    pub(crate) worker: Worker,
}

/// The tenant.
pub(crate) fn tenant() -> Tenant {
    Tenant {
        id: TenantId::new(TENANT),
        base: "https://clinic.example".to_owned(),
        zone: TimeZone::get("America/New_York").expect("bundled"),
        key: Key::new(&[7; 32]),
    }
}

/// The retry schedule: short, so that a run sees its end.
pub(crate) fn policy() -> Policy {
    Policy {
        schedule_s: vec![5, 60, 300, 900, 1800, 3600],
        ..Policy::default()
    }
}

/// Starts a node.
pub(crate) fn start(
    kit: &Kit,
    number: usize,
    ahead: i64,
    shared: &Arc<Shared>,
    network: &Arc<Network>,
) -> Alive {
    let tenant = tenant();
    let freed = Arc::default();
    let mut members = HashMap::new();
    let mut routes = Vec::new();
    for (place, played) in PARTNERS.iter().enumerate() {
        let common = Common {
            id: PartnerId::new(played.id),
            party: None,
            class: None,
            order_by_patient: place == 0 && shared.by_patient,
            concurrency_max: 4,
            timeout_ms: u64::try_from(TIMEOUT.as_millis()).expect("short"),
            json: fhir_gateway::json::Limits::default(),
            base: tenant.base.clone(),
            zone: tenant.zone.clone(),
            carrier: Some(Arc::new(Line {
                partner: place,
                network: Arc::clone(network),
            })),
        };
        let more = match (played.id, shared.makes_patients) {
            ("ehr-plain", true) => "patients = \"created\"",
            ("ehr-plain", false) => "patients = \"searched\"",
            ("ehr-strict", _) => match (shared.transactions, shared.chains) {
                (true, true) => "transaction_entries_max = 20\nchained_search = true",
                (true, false) => "transaction_entries_max = 20",
                (false, _) => "",
            },
            _ => "",
        };
        let keys = format!("{}\n{more}", played.keys);
        let keys = toml::from_str(&keys).expect("keys");
        let partner = partner::build(played.kind, common, keys).expect("a partner");
        routes.push(Route {
            tenant: tenant.id.clone(),
            to: PartnerId::new(played.id),
            kinds: played.kinds.to_vec(),
            purpose: Purpose::Treatment,
            relay_from: None,
            relay_types: Vec::new(),
            relay_part2: false,
            relay_as_is: false,
        });
        let partner = shared.sabotage.partner(partner);
        let facts = partner.facts();
        let room = Room::new(Pace::of(facts.concurrency_max), Arc::clone(&freed));
        let room = room.ahead(facts.reads_back);
        let member = Member {
            partner,
            room: Arc::new(room),
            policy: policy(),
            rulings: Rulings::default(),
        };
        members.insert((tenant.id.clone(), PartnerId::new(played.id)), member);
    }
    let lease = match shared.sabotage.is(Mutant::ShortLease) {
        true => Duration::from_secs(5),
        false => LEASE,
    };
    let house = Arc::new(House {
        tenants: HashMap::from([(tenant.id.clone(), tenant)]),
        partners: members,
        routes,
        store: Arc::new(Base {
            node: number,
            shared: Arc::clone(shared),
        }),
        validator: Arc::clone(&kit.validator),
        rulings: Rulings::house(),
        clock: Arc::new(NodeClock {
            hands: Arc::clone(&shared.hands),
            ahead,
        }),
        settings: Settings {
            lease,
            node: format!("node-{number}"),
            ..Settings::default()
        },
        freed,
    });
    let acceptor = Acceptor::new(Arc::clone(&house));
    let inbound = Inbound::new(acceptor.clone());
    Alive {
        house,
        intake: Intake::new(acceptor),
        worker: Worker::new(inbound.clone()),
        inbound,
    }
}
