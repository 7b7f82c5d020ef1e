//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::clock::Date;
use crate::issue::Issue;
use crate::record::dates::{broken, in_order, not_future};
use crate::record::party::PersonName;
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

/// What sort of consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentKind {
    /// 42 CFR 2.33: one consent for treatment, payment and operations.
    TpoPart2,
    /// 42 CFR 2.31: named receivers.
    SpecificRelease,
    /// The family may take part.
    FamilyInvolvement,
    /// Medication education was given and understood.
    MedicationEducation,
    /// Telehealth.
    Telehealth,
}

/// What a consent covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Orders, dispenses.
    MedOrders,
    /// Urine drug screens.
    Uds,
    /// Instrument scores (PHQ-9…), withdrawal scales among them.
    Scores,
    /// Laboratory levels.
    Labs,
    /// Vital signs.
    Vitals,
    /// Side effects and adherence.
    Monitoring,
    /// The plan.
    Careplan,
    /// The evaluation and its problems.
    Evaluation,
    /// Attendance, episodes.
    Attendance,
}

/// Why something is disclosed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Treatment.
    Treatment,
    /// Payment.
    Payment,
    /// Health-care operations.
    Operations,
    /// The family, at the client's wish.
    Family,
}

/// The family member whom a consent names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyMember {
    /// Name.
    pub name: PersonName,
    /// What they are to the client.
    pub relation: String,
    /// Telephone, 10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// What they may receive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_receive: Vec<Scope>,
}

/// A consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The clinic's id.
    pub consent_id: String,
    /// Version, from 1.
    pub version: u64,
    /// Whose.
    pub client_no: String,
    /// What sort.
    pub kind: ConsentKind,
    /// Receivers: a party id from the config (`ehr-north`) or a class (`treating_providers`,
    /// `pharmacies`, `laboratories`, `payers`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted_to: Vec<String>,
    /// What it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info_scope: Vec<Scope>,
    /// What for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purpose: Vec<Purpose>,
    /// Signed on.
    pub signed_on: Date,
    /// Last day it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<Date>,
    /// Withdrawn on (holds no more on that day).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_on: Option<Date>,
    /// Whether it was withdrawn in writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_in_writing: Option<bool>,
    /// The family member it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_member: Option<FamilyMember>,
}

impl Mapping for Consent {
    const KIND: Kind = Kind::Consent;

    fn id(&self) -> &str {
        &self.consent_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        vec![Link {
            kind: Kind::Client,
            id: self.client_no.clone(),
            pointer: "/client_no".to_owned(),
            role: Role::Client,
        }]
    }

    fn rules(&self, _context: &Context, env: &MapEnv) -> Vec<Issue> {
        let signed = ("/signed_on", Some(self.signed_on));
        let for_family =
            self.kind != ConsentKind::FamilyInvolvement && self.purpose.contains(&Purpose::Family);
        [
            in_order(signed, ("/expires_on", self.expires_on)),
            in_order(signed, ("/revoked_on", self.revoked_on)),
            not_future(signed, env),
            not_future(("/revoked_on", self.revoked_on), env),
            for_family.then(|| {
                broken(
                    "consent-purpose",
                    "/purpose",
                    "only a consent to the family's involvement is for the family",
                )
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        super::to_fhir::to_fhir(self, context, env)
    }
}
