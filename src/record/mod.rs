//! Floor 2: the clinic's records, and their mapping to and from FHIR.
//!
//! One folder per kind: `schema.json` (the contract, JSON Schema 2020-12, served and enforced),
//! `model.rs` (the record, typed), `to_fhir.rs`, `from_fhir.rs`, `tests.rs`; the rest of the house
//! knows a kind by its line in [`Kind`] and its arm in the matches below. This floor does no I/O,
//! reads no clock and never edits a record of the clinic.
//!
//! Adding a kind: a folder, a variant of [`Kind`], a variant of [`Record`], an arm in each match
//! here (the compiler asks for them), fixtures under `fixtures/<kind>/`.

pub mod care_plan;
pub mod client;
pub mod client_merge;
mod codes;
pub mod consent;
#[cfg(test)]
pub(crate) mod context_tests;
pub mod contract;
pub mod dates;
pub mod dispense;
pub mod drug;
pub mod episode;
pub mod evaluation;
pub mod exchange;
pub mod laboratory;
pub mod map;
pub mod medication_request;
pub mod observation;
pub mod order_event;
pub mod party;
pub mod pharmacy;
pub mod reading;
pub mod registration;
#[cfg(test)]
mod rules_tests;
pub mod staff;
pub mod words;
pub mod writing;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::issue::Issue;
pub use map::{FromFhir, Made, MapEnv, Mapped, MappedResource, NotCarried};

/// A kind of record, by its path name (contracts section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// domain.md's med_order.
    MedicationRequest,
    /// domain.md's measure.
    Observation,
    /// The personal plan.
    CarePlan,
    /// A person in care.
    Client,
    /// A person who cares.
    Staff,
    /// A pharmacy.
    Pharmacy,
    /// A laboratory.
    Laboratory,
    /// A stay in the programme.
    Episode,
    /// The initial evaluation.
    Evaluation,
    /// A consent.
    Consent,
    /// Two clients are one.
    ClientMerge,
    /// Coming back: what a pharmacy handed over.
    Dispense,
    /// Coming back: what became of an order.
    OrderEvent,
}

impl Kind {
    /// All kinds, in the order they depend on each other.
    pub const ALL: [Kind; 13] = [
        Kind::Client,
        Kind::Staff,
        Kind::Pharmacy,
        Kind::Laboratory,
        Kind::Episode,
        Kind::Evaluation,
        Kind::Consent,
        Kind::ClientMerge,
        Kind::MedicationRequest,
        Kind::Observation,
        Kind::CarePlan,
        Kind::Dispense,
        Kind::OrderEvent,
    ];

    /// The path name: `medication-request`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::MedicationRequest => "medication-request",
            Kind::Observation => "observation",
            Kind::CarePlan => "care-plan",
            Kind::Client => "client",
            Kind::Staff => "staff",
            Kind::Pharmacy => "pharmacy",
            Kind::Laboratory => "laboratory",
            Kind::Episode => "episode",
            Kind::Evaluation => "evaluation",
            Kind::Consent => "consent",
            Kind::ClientMerge => "client-merge",
            Kind::Dispense => "dispense",
            Kind::OrderEvent => "order-event",
        }
    }

    /// The kind of a path name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.as_str() == name)
    }

    /// The field that holds the record's id.
    #[must_use]
    pub const fn id_field(self) -> &'static str {
        match self {
            Kind::MedicationRequest => "order_no",
            Kind::Observation => "measure_id",
            Kind::CarePlan => "plan_id",
            Kind::Client => "client_no",
            Kind::Staff => "staff_id",
            Kind::Pharmacy => "pharmacy_id",
            Kind::Laboratory => "laboratory_id",
            Kind::Episode => "episode_id",
            Kind::Evaluation => "evaluation_id",
            Kind::Consent => "consent_id",
            Kind::ClientMerge => "merge_id",
            Kind::Dispense => "fill_no",
            Kind::OrderEvent => "event_id",
        }
    }

    /// The field that holds the version of a record of this kind.
    #[must_use]
    pub const fn version_field(self) -> &'static str {
        match self {
            Kind::CarePlan => "rev",
            _ => "version",
        }
    }

    /// The contract: a JSON Schema 2020-12, as served at `GET /schemas/{kind}`.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Kind::MedicationRequest => include_str!("medication_request/schema.json"),
            Kind::Observation => include_str!("observation/schema.json"),
            Kind::CarePlan => include_str!("care_plan/schema.json"),
            Kind::Client => include_str!("client/schema.json"),
            Kind::Staff => include_str!("staff/schema.json"),
            Kind::Pharmacy => include_str!("pharmacy/schema.json"),
            Kind::Laboratory => include_str!("laboratory/schema.json"),
            Kind::Episode => include_str!("episode/schema.json"),
            Kind::Evaluation => include_str!("evaluation/schema.json"),
            Kind::Consent => include_str!("consent/schema.json"),
            Kind::ClientMerge => include_str!("client_merge/schema.json"),
            Kind::Dispense => include_str!("dispense/schema.json"),
            Kind::OrderEvent => include_str!("order_event/schema.json"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of record that a FHIR resource of this type becomes, for the types that may come in.
#[must_use]
pub fn kind_of(resource_type: &str) -> Option<Kind> {
    match resource_type {
        "MedicationRequest" => Some(Kind::MedicationRequest),
        "Observation" => Some(Kind::Observation),
        "CarePlan" => Some(Kind::CarePlan),
        "MedicationDispense" => Some(Kind::Dispense),
        _ => None,
    }
}

/// A record of this kind from FHIR: the principal resource first, what belongs to it after.
///
/// # Errors
/// What keeps it from being read.
pub fn from_fhir(kind: Kind, bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    match kind {
        Kind::Client => client::from_fhir(bundle, env),
        Kind::Staff => staff::from_fhir(bundle, env),
        Kind::Pharmacy => pharmacy::from_fhir(bundle, env),
        Kind::Laboratory => laboratory::from_fhir(bundle, env),
        Kind::Episode => episode::from_fhir(bundle, env),
        Kind::Evaluation => evaluation::from_fhir(bundle, env),
        Kind::Consent => consent::from_fhir(bundle, env),
        Kind::ClientMerge => client_merge::from_fhir(bundle, env),
        Kind::MedicationRequest => medication_request::from_fhir(bundle, env),
        Kind::Dispense => dispense::from_fhir(bundle, env),
        Kind::Observation => observation::from_fhir(bundle, env),
        Kind::CarePlan => care_plan::from_fhir(bundle, env),
        Kind::OrderEvent => order_event::from_fhir(bundle, env),
    }
}

/// A record, typed. Made by [`contract::parse`] only, so that it has passed its schema.
#[derive(Clone, Debug)]
pub enum Record {
    /// See [`medication_request`].
    MedicationRequest(Box<medication_request::MedicationRequest>),
    /// See [`observation`].
    Observation(Box<observation::Observation>),
    /// See [`care_plan`].
    CarePlan(Box<care_plan::CarePlan>),
    /// See [`client`].
    Client(Box<client::Client>),
    /// See [`staff`].
    Staff(Box<staff::Staff>),
    /// See [`pharmacy`].
    Pharmacy(Box<pharmacy::Pharmacy>),
    /// See [`laboratory`].
    Laboratory(Box<laboratory::Laboratory>),
    /// See [`episode`].
    Episode(Box<episode::Episode>),
    /// See [`evaluation`].
    Evaluation(Box<evaluation::Evaluation>),
    /// See [`consent`].
    Consent(Box<consent::Consent>),
    /// See [`client_merge`].
    ClientMerge(Box<client_merge::ClientMerge>),
    /// See [`dispense`].
    Dispense(Box<dispense::Dispense>),
    /// See [`order_event`].
    OrderEvent(Box<order_event::OrderEvent>),
}

macro_rules! each {
    ($self:expr, $r:ident => $body:expr) => {
        match $self {
            Record::MedicationRequest($r) => $body,
            Record::Observation($r) => $body,
            Record::CarePlan($r) => $body,
            Record::Client($r) => $body,
            Record::Staff($r) => $body,
            Record::Pharmacy($r) => $body,
            Record::Laboratory($r) => $body,
            Record::Episode($r) => $body,
            Record::Evaluation($r) => $body,
            Record::Consent($r) => $body,
            Record::ClientMerge($r) => $body,
            Record::Dispense($r) => $body,
            Record::OrderEvent($r) => $body,
        }
    };
}

/// A place in a record that names another record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it names.
    pub kind: Kind,
    /// The other record's id.
    pub id: String,
    /// JSON pointer of the naming field, for the 422 that an unknown reference gets.
    pub pointer: String,
    /// The role the other record has in the [`Context`].
    pub role: Role,
}

/// What a linked record is to the one that names it; decides its slot in the [`Context`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The person concerned.
    Client,
    /// Who prescribes (an order only).
    Prescriber,
    /// Where it is filled.
    Pharmacy,
    /// The stay it belongs to.
    Episode,
    /// The evaluation it rests on.
    Evaluation,
    /// Who measured.
    Laboratory,
    /// Anyone else of the staff.
    Staff,
    /// Another order.
    Order,
    /// A consent that is named (all of the client's are in the context anyway).
    Consent,
}

/// What every kind of record answers. Implemented in the kind's `model.rs`, `to_fhir.rs` and
/// `from_fhir.rs`; the rest of the house asks [`Record`].
pub trait Mapping: Sized + Serialize {
    /// Its kind.
    const KIND: Kind;

    /// The clinic's id of it (at most 32 characters).
    fn id(&self) -> &str;

    /// The clinic's version of it, from 1.
    fn version(&self) -> u64;

    /// The records it names, directly.
    fn links(&self) -> Vec<Link>;

    /// Whether it was entered in error, or cancelled as a whole: what partners have of it is taken back.
    fn entered_in_error(&self) -> bool {
        false
    }

    /// The clinical rules (contracts section 8, domain.md section 4): what is wrong with it although
    /// its shape is right. Pure; `env` brings today's date where a rule needs it.
    fn rules(&self, context: &Context, env: &MapEnv) -> Vec<Issue> {
        let _ = (context, env);
        Vec::new()
    }

    /// To FHIR: the principal resource first, then what belongs to this record (not the context's).
    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped;
}

impl Record {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        fn kind<M: Mapping>(_: &M) -> Kind {
            M::KIND
        }
        each!(self, r => kind(r.as_ref()))
    }

    /// The clinic's id of it.
    #[must_use]
    pub fn id(&self) -> &str {
        each!(self, r => r.id())
    }

    /// The clinic's version of it.
    #[must_use]
    pub fn version(&self) -> u64 {
        each!(self, r => r.version())
    }

    /// The records it names, directly.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        each!(self, r => r.links())
    }

    /// Whether it was entered in error.
    #[must_use]
    pub fn entered_in_error(&self) -> bool {
        each!(self, r => r.entered_in_error())
    }

    /// The clinical rules.
    #[must_use]
    pub fn rules(&self, context: &Context, env: &MapEnv) -> Vec<Issue> {
        each!(self, r => r.rules(context, env))
    }

    /// To FHIR.
    #[must_use]
    pub fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        each!(self, r => r.to_fhir(context, env))
    }

    /// As JSON, in the shape of the contract.
    ///
    /// # Panics
    /// Never: every model serializes.
    #[must_use]
    #[expect(clippy::expect_used, reason = "models hold nothing that JSON lacks")]
    pub fn to_json(&self) -> Value {
        each!(self, r => serde_json::to_value(r).expect("a record is JSON"))
    }

    /// The client it is about, where the record itself says so (an order says it by its episode).
    #[must_use]
    pub fn client_no(&self) -> Option<&str> {
        match self {
            Record::Client(c) => Some(&c.client_no),
            Record::Episode(e) => Some(&e.client_no),
            Record::Consent(c) => Some(&c.client_no),
            Record::Observation(o) => o.client_no.as_deref(),
            Record::MedicationRequest(o) => o.client_no.as_deref(),
            Record::CarePlan(p) => p.client_no.as_deref(),
            Record::ClientMerge(m) => Some(&m.survivor_client_no),
            Record::Staff(_)
            | Record::Pharmacy(_)
            | Record::Laboratory(_)
            | Record::Evaluation(_) => None,
            Record::Dispense(d) => d.client_no.as_deref(),
            Record::OrderEvent(e) => e.client_no.as_deref(),
        }
    }
}

/// The records that a record leans on, at the versions that were used (contracts section 11).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// The person concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<client::Client>,
    /// Who prescribes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prescriber: Option<staff::Staff>,
    /// Where it is filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pharmacy: Option<pharmacy::Pharmacy>,
    /// The stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<episode::Episode>,
    /// The initial evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<evaluation::Evaluation>,
    /// Who measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub laboratory: Option<laboratory::Laboratory>,
    /// The staff named, the prescriber aside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub staff: Vec<staff::Staff>,
    /// The orders named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<medication_request::MedicationRequest>,
    /// All consents of the client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<consent::Consent>,
}

impl Context {
    /// Puts a linked record into the slot of its role.
    pub fn put(&mut self, role: Role, record: Record) {
        match (role, record) {
            (_, Record::Client(r)) => self.client = Some(*r),
            (Role::Prescriber, Record::Staff(r)) => self.prescriber = Some(*r),
            (_, Record::Staff(r)) => {
                if !self.staff.iter().any(|s| s.staff_id == r.staff_id) {
                    self.staff.push(*r);
                }
            }
            (_, Record::Pharmacy(r)) => self.pharmacy = Some(*r),
            (_, Record::Laboratory(r)) => self.laboratory = Some(*r),
            (_, Record::Episode(r)) => self.episode = Some(*r),
            (_, Record::Evaluation(r)) => self.evaluation = Some(*r),
            (_, Record::MedicationRequest(r)) => {
                if !self.orders.iter().any(|o| o.order_no == r.order_no) {
                    self.orders.push(*r);
                }
            }
            (_, Record::Consent(r)) => {
                if !self.consents.iter().any(|c| c.consent_id == r.consent_id) {
                    self.consents.push(*r);
                }
            }
            (
                _,
                Record::Observation(_)
                | Record::CarePlan(_)
                | Record::ClientMerge(_)
                | Record::Dispense(_)
                | Record::OrderEvent(_),
            ) => {}
        }
    }

    /// A member of staff, the prescriber among them.
    #[must_use]
    pub fn staff_member(&self, staff_id: &str) -> Option<&staff::Staff> {
        self.prescriber
            .iter()
            .chain(&self.staff)
            .find(|s| s.staff_id == staff_id)
    }
}
