//! Consent → Consent. Pure; the other way is in `from_fhir`.
//!
//! Receivers are named by their party id or class (logical references): who they are at a partner is
//! no business of a consent. The family member is a contained RelatedPerson.

use serde_json::{Value, json};

use crate::fhir::system::{ACT_CODE, ACT_REASON};
use crate::record::consent::{Consent, ConsentKind, FamilyMember, Purpose};
use crate::record::writing::{OURS, Writing, code_of, concept, local, local_coding};
use crate::record::{Context, Kind, MapEnv, Mapped};

const SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// The Consent.
#[must_use]
pub fn to_fhir(consent: &Consent, _context: &Context, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let coordinates = (Kind::Consent, consent.consent_id.as_str(), "");
    let mut w = Writing::begin(&mut mapped, "Consent", env, coordinates, "/consent_id");
    w.version("/version", consent.version);
    let revoked = consent.revoked_on.is_some();
    w.fixed("status", if revoked { "inactive" } else { "active" });
    let (scope, words) = what_sort(consent.kind);
    w.fixed("scope", concept(SCOPE, scope));
    let kind = local(env, "consent-kind", &code_of(&consent.kind), words);
    w.set("category[0]", "/kind", kind);
    let patient = env.reference("Patient", Kind::Client, &consent.client_no, "");
    w.set("patient", "/client_no", patient);
    w.set("dateTime", "/signed_on", consent.signed_on.to_string());
    // The clinic's own policy for this sort of consent (ppc-1).
    w.fixed(
        "policy[0].uri",
        format!("{}/policy/{}", env.base, code_of(&consent.kind)),
    );
    w.fixed("provision.type", "permit");
    if matches!(
        consent.kind,
        ConsentKind::TpoPart2 | ConsentKind::SpecificRelease
    ) {
        let label = json!({"system": ACT_CODE, "code": "42CFRPart2"});
        w.fixed("provision.securityLabel[0]", label);
    }
    w.set(
        "provision.period.start",
        "/signed_on",
        consent.signed_on.to_string(),
    );
    if let Some(on) = consent.expires_on {
        w.set("provision.period.end", "/expires_on", on.to_string());
    }
    for (i, party) in consent.granted_to.iter().enumerate() {
        let actor = json!({
            "role": concept(PARTICIPATION, "IRCP"),
            "reference": {"identifier": {"system": format!("{}/id/party", env.base), "value": party}},
        });
        w.set(
            &format!("provision.actor[{i}]"),
            &format!("/granted_to/{i}"),
            actor,
        );
    }
    for (i, purpose) in consent.purpose.iter().enumerate() {
        let coding = json!({"system": ACT_REASON, "code": reason(*purpose)});
        w.set(
            &format!("provision.purpose[{i}]"),
            &format!("/purpose/{i}"),
            coding,
        );
    }
    for (i, scope) in consent.info_scope.iter().enumerate() {
        let coding = local_coding(env, "info-scope", &code_of(scope));
        w.set(
            &format!("provision.class[{i}]"),
            &format!("/info_scope/{i}"),
            coding,
        );
    }
    if let Some(member) = &consent.family_member {
        write_family(&mut w, consent, member, env);
    }
    if let Some(on) = consent.revoked_on {
        let value = ("valueDate", json!(on.to_string()));
        w.extend("", "consent-revoked-on", value, "/revoked_on");
        w.note("status", "/revoked_on");
    }
    if let Some(written) = consent.revoked_in_writing {
        let value = ("valueBoolean", json!(written));
        w.extend(
            "",
            "consent-revoked-in-writing",
            value,
            "/revoked_in_writing",
        );
    }
    w.end();
    mapped
}

fn write_family(w: &mut Writing<'_>, consent: &Consent, member: &FamilyMember, env: &MapEnv) {
    let mut person = json!({
        "resourceType": "RelatedPerson",
        "id": "family",
        "patient": env.reference("Patient", Kind::Client, &consent.client_no, ""),
        "relationship": [{"text": member.relation}],
    });
    if let Some(phone) = &member.phone {
        person["telecom"] = json!([{"system": "phone", "value": phone}]);
    }
    w.fixed("contained[0]", person);
    w.note(
        "contained[0].relationship[0].text",
        "/family_member/relation",
    );
    if member.phone.is_some() {
        w.note("contained[0].telecom[0].value", "/family_member/phone");
    }
    crate::record::party::write_name(
        w,
        "contained[0].name[0]",
        "/family_member/name",
        &member.name,
    );
    let at = w.count("provision.actor");
    let mut actor = json!({
        "role": concept(PARTICIPATION, "IRCP"),
        "reference": {"reference": "#family"},
    });
    let may: Vec<Value> = member
        .may_receive
        .iter()
        .map(|scope| {
            json!({
                "url": format!("{OURS}consent-may-receive"),
                "valueCoding": local_coding(env, "info-scope", &code_of(scope)),
            })
        })
        .collect();
    if !may.is_empty() {
        actor["extension"] = Value::Array(may);
    }
    w.set(&format!("provision.actor[{at}]"), "/family_member", actor);
}

/// Scope code and words.
const fn what_sort(kind: ConsentKind) -> (&'static str, &'static str) {
    match kind {
        ConsentKind::TpoPart2 => (
            "patient-privacy",
            "Consent for treatment, payment and operations (42 CFR 2.33)",
        ),
        ConsentKind::SpecificRelease => (
            "patient-privacy",
            "Release to named receivers (42 CFR 2.31)",
        ),
        ConsentKind::FamilyInvolvement => ("patient-privacy", "Involvement of the family"),
        ConsentKind::MedicationEducation => ("treatment", "Medication education"),
        ConsentKind::Telehealth => ("treatment", "Telehealth"),
    }
}

/// v3 ActReason of a purpose.
pub(super) const fn reason(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Treatment => "TREAT",
        Purpose::Payment => "HPAYMT",
        Purpose::Operations => "HOPERAT",
        Purpose::Family => "FAMRQT",
    }
}
