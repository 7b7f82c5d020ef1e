//! The gate: who may have what. Deny by default, one port, asked at acceptance and at each attempt.
//!
//! [`labels`] says what a record is under the law, once, when it is mapped; [`decide`] says whether a
//! receiver may have it now. Pure: no store, no clock but the day that is handed in. It never looks
//! at what a record says of a person, and no word of it holds a value from a record. Taking back what
//! a receiver has, and what goes to the clinic's own system, does not come here (contracts section 4).
//!
//! | record | receiver | answer |
//! |---|---|---|
//! | any kind that the receiver's class has no use for ([`Deny` `class-kind`](Decision)) | pharmacies, laboratories | no |
//! | directory (staff, pharmacy, laboratory), or not of a Part 2 episode | any on a route | yes |
//! | of a Part 2 episode, or of no known episode | named, or of a class named, by a consent that holds today and covers scope and purpose | yes, with the notice of 42 CFR 2.32 |
//! | the same | anybody else | no |

mod label;
#[cfg(test)]
mod tests;

pub use label::{Labels, apply_labels, labels};

use crate::clock::Date;
use crate::record::Kind;
use crate::record::consent::{Consent, ConsentKind, Purpose, Scope};

/// May this receiver have this, now?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The receiver's party id, as consents name it.
    pub party: &'a str,
    /// The receiver's class, as consents name it (`treating_providers`, `pharmacies`, `laboratories`,
    /// `payers`); empty if it has none, and then only a consent that names the party covers it.
    pub class: &'a str,
    /// What it is for (the route says it).
    pub purpose: Purpose,
    /// The kind of record.
    pub kind: Kind,
    /// What the record is under the law.
    pub labels: &'a Labels,
    /// All consents of the client, at their newest versions. Nobody else's.
    pub consents: &'a [Consent],
    /// Today, in the tenant's zone.
    pub today: Date,
}

/// The gate's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go.
    Allow {
        /// The consent that it rests on, where one was needed.
        consent_id: Option<String>,
        /// What has to go with it (42 CFR 2.32): the statement and the scope of the consent.
        notice: Option<String>,
    },
    /// It may not.
    Deny {
        /// Why: the word of the consent that came closest. One of `class-kind`, `consent-none`,
        /// `consent-receiver`, `consent-purpose`, `consent-scope`, `consent-not-yet`,
        /// `consent-expired`, `consent-revoked`.
        why: &'static str,
    },
}

/// Decides. Deny by default: what is under Part 2 needs a consent that covers receiver, scope and
/// purpose and holds today.
#[must_use]
pub fn decide(question: &Question<'_>) -> Decision {
    if !of_use(question.class, question.kind) {
        return Decision::Deny { why: "class-kind" };
    }
    if !question.labels.part2 {
        return Decision::Allow {
            consent_id: None,
            notice: None,
        };
    }
    let mut closest = Miss::None;
    for consent in question.consents {
        match covers(consent, question) {
            Ok(()) => {
                return Decision::Allow {
                    consent_id: Some(consent.consent_id.clone()),
                    notice: Some(notice(consent)),
                };
            }
            Err(miss) => closest = closest.max(miss),
        }
    }
    Decision::Deny {
        why: closest.word(),
    }
}

/// Why a consent does not do; the later, the closer it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    None,
    Receiver,
    Purpose,
    Scope,
    NotYet,
    Expired,
    Revoked,
}

impl Miss {
    const fn word(self) -> &'static str {
        match self {
            Miss::None => "consent-none",
            Miss::Receiver => "consent-receiver",
            Miss::Purpose => "consent-purpose",
            Miss::Scope => "consent-scope",
            Miss::NotYet => "consent-not-yet",
            Miss::Expired => "consent-expired",
            Miss::Revoked => "consent-revoked",
        }
    }
}

fn covers(consent: &Consent, question: &Question<'_>) -> Result<(), Miss> {
    // The family, education and telehealth are no disclosures to a partner.
    if !matches!(
        consent.kind,
        ConsentKind::TpoPart2 | ConsentKind::SpecificRelease
    ) {
        return Err(Miss::None);
    }
    let named = |who: &str| !who.is_empty() && consent.granted_to.iter().any(|g| g == who);
    if !named(question.party) && !named(question.class) {
        return Err(Miss::Receiver);
    }
    if !consent.purpose.contains(&question.purpose) {
        return Err(Miss::Purpose);
    }
    let in_scope = match question.labels.scope {
        Some(scope) => consent.info_scope.contains(&scope),
        None => !consent.info_scope.is_empty(),
    };
    if !in_scope {
        return Err(Miss::Scope);
    }
    if question.today < consent.signed_on {
        return Err(Miss::NotYet);
    }
    if consent.expires_on.is_some_and(|last| question.today > last) {
        return Err(Miss::Expired);
    }
    // However it was withdrawn: a word that was not written down yet is no licence to disclose.
    if consent.revoked_on.is_some_and(|on| question.today >= on) {
        return Err(Miss::Revoked);
    }
    Ok(())
}

/// The least that a class needs for its work (domain.md section 4.3, routing matrix).
const fn of_use(class: &str, kind: Kind) -> bool {
    match class.as_bytes() {
        b"pharmacies" => !matches!(
            kind,
            Kind::Observation
                | Kind::CarePlan
                | Kind::Evaluation
                | Kind::Episode
                | Kind::Consent
                | Kind::ClientMerge
        ),
        b"laboratories" => !matches!(
            kind,
            Kind::CarePlan | Kind::Evaluation | Kind::Episode | Kind::Consent
        ),
        _ => true,
    }
}

/// The statement that goes with a disclosure, and what the consent covers (42 CFR 2.32). Holds the
/// consent's number and its codes, nothing else of the client.
fn notice(consent: &Consent) -> String {
    let list = |words: Vec<&'static str>| words.join(", ");
    let until = consent
        .expires_on
        .map_or("until it is revoked".to_owned(), |on| format!("until {on}"));
    format!(
        "42 CFR part 2 prohibits unauthorized use or disclosure of these records. Consent {}: {} for {}, {until}.",
        consent.consent_id,
        list(consent.info_scope.iter().map(|s| scope_words(*s)).collect()),
        list(consent.purpose.iter().map(|p| purpose_words(*p)).collect()),
    )
}

const fn scope_words(scope: Scope) -> &'static str {
    match scope {
        Scope::MedOrders => "medication orders",
        Scope::Uds => "drug screens",
        Scope::Scores => "scores",
        Scope::Labs => "laboratory levels",
        Scope::Vitals => "vital signs",
        Scope::Monitoring => "side effects and adherence",
        Scope::Careplan => "care plan",
        Scope::Evaluation => "evaluation",
        Scope::Attendance => "attendance",
    }
}

const fn purpose_words(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Treatment => "treatment",
        Purpose::Payment => "payment",
        Purpose::Operations => "operations",
        Purpose::Family => "the family",
    }
}
