//! An order to FHIR: MedicationRequest with a contained Medication, and a Provenance for the
//! signature. It never decides whether something may leave, and repairs nothing.

use serde_json::{Value, json};

use super::codes::{category, intent, snomed_decline, status, status_reason};
use super::{Delivery, MedicationRequest, Signed, dosage};
use crate::record::drug::Unit;
use crate::record::drug::fhir::write_drug;
use crate::record::writing::{OURS, Writing, local, local_coding};
use crate::record::{Context, Kind, MapEnv, Mapped};

/// The profile that an order's MedicationRequest passes.
pub const PROFILE: &str = "https://fhir-gateway.example/StructureDefinition/iop-medicationrequest";
/// The profile of the signature's Provenance.
pub const PROVENANCE: &str =
    "https://fhir-gateway.example/StructureDefinition/iop-provenance-signature";

pub(super) const ICD10: &str = "http://hl7.org/fhir/sid/icd-10-cm";
pub(crate) const UCUM: &str = "http://unitsofmeasure.org";
pub(crate) const SNOMED: &str = "http://snomed.info/sct";

const KIND: Kind = Kind::MedicationRequest;

pub(super) fn to_fhir(order: &MedicationRequest, context: &Context, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let mut w = Writing::begin(
        &mut mapped,
        "MedicationRequest",
        env,
        (KIND, &order.order_no, ""),
        "/order_no",
    );
    w.profiles(Some(PROFILE), Some("us-core-medicationrequest"));
    standing(&mut w, order, env);
    people(&mut w, order, context, env);
    write_drug(&mut w, "contained[0]", "/drug", &order.drug, env);
    w.fixed("contained[0].id", "drug");
    w.set(
        "medicationReference",
        "/drug",
        json!({"reference": "#drug"}),
    );
    reasons(&mut w, order, env);
    dosage::write(&mut w, order, env);
    supply(&mut w, order, env);
    own_facts(&mut w, order, env);
    w.end();
    if order.dose_unit.is_some()
        && order.dose_amount.is_none()
        && order.max_per_day.is_none()
        && order.taper_steps.is_empty()
    {
        mapped.not_carried("/dose_unit", "a unit without an amount says nothing");
    }
    if !order.taper_steps.is_empty() {
        for (there, pointer) in [
            (order.dose_amount.is_some(), "/dose_amount"),
            (order.dose_max.is_some(), "/dose_max"),
        ] {
            if there {
                mapped.not_carried(pointer, "the steps of a taper say the amounts");
            }
        }
    }
    if order.decline.is_some() && order.state_reason.is_some() {
        mapped.not_carried(
            "/state_reason",
            "the reason of a declined order is its decline",
        );
    }
    signature(&mut mapped, order, env);
    mapped
}

/// State, intent, category, reason of the state.
fn standing(w: &mut Writing<'_>, order: &MedicationRequest, env: &MapEnv) {
    w.version("/version", order.version);
    w.extend(
        "",
        "medication-request-state",
        ("valueCode", json!(order.state.as_str())),
        "/state",
    );
    w.set("status", "/state", status(order.state));
    if let Some(decline) = &order.decline {
        let mut reason =
            json!({"coding": [local_coding(env, "decline-reason", decline.reason_code.as_str())]});
        if decline.by_client {
            reason["coding"] = json!([
                {"system": SNOMED, "code": snomed_decline(decline.reason_code)},
                local_coding(env, "decline-reason", decline.reason_code.as_str()),
            ]);
        }
        w.set("statusReason", "/decline/reason_code", reason);
        w.set_some(
            "statusReason.text",
            "/decline/reason_text",
            decline.reason_text.clone(),
        );
        let mut parts = vec![
            json!({"url": "byClient", "valueBoolean": decline.by_client}),
            json!({"url": "reason", "valueCode": decline.reason_code.as_str()}),
            json!({"url": "educationGiven", "valueBoolean": decline.education_given}),
            json!({"url": "date", "valueDate": decline.date.to_string()}),
        ];
        if let Some(text) = &decline.reason_text {
            parts.push(json!({"url": "text", "valueString": text}));
        }
        w.extend_with(
            "",
            json!({"url": format!("{OURS}medication-request-decline"), "extension": parts}),
            "/decline",
        );
    } else if let Some(reason) = &order.state_reason {
        let mut codings = Vec::new();
        if let Some(code) = status_reason(reason.code) {
            codings.push(json!({"system": super::codes::STATUS_REASON, "code": code}));
        }
        codings.push(local_coding(env, "state-reason", reason.code.as_str()));
        w.set(
            "statusReason",
            "/state_reason/code",
            json!({"coding": codings}),
        );
        w.set_some(
            "statusReason.text",
            "/state_reason/text",
            reason.text.clone(),
        );
    }
    let requester = order.prescriber_staff_id.is_some() || order.outside_prescriber.is_some();
    w.set("intent", "/state", intent(order.state, requester));
    w.set(
        "category[0]",
        "/delivery",
        json!({"coding": [{"system": super::codes::CATEGORY, "code": category(order.delivery)}]}),
    );
    w.set(
        "category[1]",
        "/delivery",
        local(
            env,
            "delivery",
            order.delivery.as_str(),
            &order.delivery.as_str().replace('_', " "),
        ),
    );
    let reported = matches!(order.delivery, Delivery::HomeReported | Delivery::Outside);
    w.set("reportedBoolean", "/delivery", reported);
}

/// Whose, by whom, where, in which stay.
fn people(w: &mut Writing<'_>, order: &MedicationRequest, context: &Context, env: &MapEnv) {
    let by_episode = context.episode.as_ref().map(|e| e.client_no.as_str());
    let patient = |no: &str| env.reference("Patient", Kind::Client, no, "");
    if let Some(no) = order.client_no.as_deref() {
        w.set("subject", "/client_no", patient(no));
    } else if let (Some(no), true) = (by_episode, order.episode_id.is_some()) {
        w.set("subject", "/episode_id", patient(no));
    } else if let Some(client) = &context.client {
        w.fixed("subject", patient(&client.client_no));
    }
    if let Some(id) = &order.episode_id {
        let episode = env.reference("EpisodeOfCare", Kind::Episode, id, "");
        w.extend(
            "",
            "medication-request-episode",
            ("valueReference", episode),
            "/episode_id",
        );
    }
    if let Some(id) = &order.prescriber_staff_id {
        let requester = env.reference("Practitioner", Kind::Staff, id, "");
        w.set("requester", "/prescriber_staff_id", requester);
    }
    w.set_some(
        "requester.display",
        "/outside_prescriber",
        order.outside_prescriber.clone(),
    );
    if let Some(id) = &order.supervising_id {
        let supervisor = env.reference("Practitioner", Kind::Staff, id, "");
        w.extend(
            "",
            "medication-request-supervisor",
            ("valueReference", supervisor),
            "/supervising_id",
        );
    }
    if let Some(id) = &order.prior_order_no {
        let prior = env.reference("MedicationRequest", KIND, id, "");
        w.set("priorPrescription", "/prior_order_no", prior);
    }
    let (date, from) = match order.signed() {
        Some(Signed::At(at)) if order.epcs.is_some() => (at.text().to_owned(), "/epcs/signed_at"),
        Some(Signed::At(at)) => (at.text().to_owned(), "/signed_at"),
        Some(Signed::On(date)) => (date.to_string(), "/signed_on"),
        None => return,
    };
    w.set("authoredOn", from, date);
}

fn reasons(w: &mut Writing<'_>, order: &MedicationRequest, env: &MapEnv) {
    if let Some(code) = &order.indication_code {
        w.set(
            "reasonCode[0].coding[0]",
            "/indication_code",
            json!({"system": ICD10, "code": code}),
        );
    }
    w.set_some(
        "reasonCode[0].text",
        "/indication_text",
        order.indication_text.clone(),
    );
    if let (Some(id), Some(no)) = (&order.evaluation_id, order.problem_no) {
        let condition = env.reference("Condition", Kind::Evaluation, id, &format!("problem/{no}"));
        w.set("reasonReference[0]", "/evaluation_id", condition);
        w.note("reasonReference[0]", "/problem_no");
    }
    if let Some(class) = order.class {
        w.extend(
            "",
            "medication-request-class",
            ("valueCode", json!(class.as_str())),
            "/class",
        );
    }
}

/// A quantity in UCUM.
pub(crate) fn quantity(value: &crate::decimal::Decimal, unit: Unit) -> Value {
    json!({"value": value.number(), "unit": unit.as_str(), "system": UCUM, "code": unit.ucum()})
}

/// A number of days.
pub(crate) fn days(count: u32) -> Value {
    json!({"value": count, "unit": "days", "system": UCUM, "code": "d"})
}

/// What the pharmacy is asked for.
fn supply(w: &mut Writing<'_>, order: &MedicationRequest, env: &MapEnv) {
    if let (Some(qty), Some(unit)) = (&order.qty, order.qty_unit) {
        w.set("dispenseRequest.quantity", "/qty", quantity(qty, unit));
        w.note("dispenseRequest.quantity", "/qty_unit");
    }
    w.set_some(
        "dispenseRequest.numberOfRepeatsAllowed",
        "/refills",
        order.refills,
    );
    w.set_some(
        "dispenseRequest.expectedSupplyDuration",
        "/days_supply",
        order.days_supply.map(days),
    );
    w.set_some(
        "dispenseRequest.dispenseInterval",
        "/dispense_limit",
        order
            .dispense_limit
            .map(|limit| days(super::codes::interval(limit))),
    );
    w.set_some(
        "dispenseRequest.validityPeriod.start",
        "/earliest_fill_date",
        order.earliest_fill_date.map(|d| d.to_string()),
    );
    w.set_some(
        "dispenseRequest.validityPeriod.end",
        "/expires_on",
        order.expires_on.map(|d| d.to_string()),
    );
    if let Some(id) = &order.pharmacy_id {
        let pharmacy = env.reference("Organization", Kind::Pharmacy, id, "");
        w.set("dispenseRequest.performer", "/pharmacy_id", pharmacy);
    }
    w.set_some(
        "substitution.allowedBoolean",
        "/substitute_ok",
        order.substitute_ok.map(|yes| yes == super::YesNo::Yes),
    );
}

/// What only the clinic has a field for.
fn own_facts(w: &mut Writing<'_>, order: &MedicationRequest, env: &MapEnv) {
    w.set_some("note[0].text", "/note", order.note.clone());
    for (name, value, from) in [
        (
            "medication-request-pharmacy-note",
            order
                .pharmacy_note
                .as_ref()
                .map(|t| ("valueString", json!(t))),
            "/pharmacy_note",
        ),
        (
            "medication-request-pdmp-checked-on",
            order
                .pdmp_checked_on
                .map(|d| ("valueDate", json!(d.to_string()))),
            "/pdmp_checked_on",
        ),
        (
            "medication-request-review-due",
            order
                .review_due
                .map(|d| ("valueDate", json!(d.to_string()))),
            "/review_due",
        ),
    ] {
        if let Some(value) = value {
            w.extend("", name, value, from);
        }
    }
    for (n, entry) in order.history.iter().enumerate() {
        let mut parts = vec![
            json!({"url": "at", "valueInstant": entry.at.text()}),
            json!({"url": "state", "valueCode": entry.state.as_str()}),
        ];
        if let Some(id) = &entry.staff_id {
            let staff = env.reference("Practitioner", Kind::Staff, id, "");
            parts.push(json!({"url": "staff", "valueReference": staff}));
        }
        if let Some(text) = &entry.text {
            parts.push(json!({"url": "text", "valueString": text}));
        }
        w.extend_with(
            "",
            json!({"url": format!("{OURS}medication-request-history"), "extension": parts}),
            &format!("/history/{n}"),
        );
    }
}

/// The Provenance of the signature. It has no identifier in R4: a partner finds it by target and
/// moment.
fn signature(mapped: &mut Mapped, order: &MedicationRequest, env: &MapEnv) {
    let (Some(Signed::At(at)), Some(prescriber)) = (order.signed(), &order.prescriber_staff_id)
    else {
        return;
    };
    let who = env.reference("Practitioner", Kind::Staff, prescriber, "");
    let mut signed = json!({
        "type": [{
            "system": "urn:iso-astm:E1762-95:2013",
            "code": "1.2.840.10065.1.12.1.1",
            "display": "Author's Signature",
        }],
        "when": at.text(),
        "who": who,
    });
    let from = if let Some(epcs) = &order.epcs {
        signed["extension"] = json!([{
            "url": format!("{OURS}medication-request-epcs"),
            "extension": [
                {"url": "factor1", "valueCode": epcs.factor1.as_str()},
                {"url": "factor2", "valueCode": epcs.factor2.as_str()},
                {"url": "hash", "valueString": epcs.signature_hash},
                {"url": "deaNumber", "valueString": epcs.dea_no},
            ],
        }]);
        for (n, field) in ["factor1", "factor2", "signature_hash", "dea_no"]
            .iter()
            .enumerate()
        {
            mapped.made(
                "signature",
                format!("Provenance.signature[0].extension[0].extension[{n}]"),
                format!("/epcs/{field}"),
            );
        }
        "/epcs/signed_at"
    } else {
        "/signed_at"
    };
    for element in ["recorded", "signature[0].when"] {
        mapped.made("signature", format!("Provenance.{element}"), from);
    }
    mapped.made(
        "signature",
        "Provenance.agent[0].who",
        "/prescriber_staff_id",
    );
    mapped.made("signature", "Provenance.target[0]", "/order_no");
    let value = json!({
        "resourceType": "Provenance",
        "id": env.id(KIND, &order.order_no, "signature"),
        "meta": {"profile": [PROVENANCE]},
        "target": [env.reference("MedicationRequest", KIND, &order.order_no, "")],
        "recorded": at.text(),
        "agent": [{
            "type": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                "code": "author",
            }]},
            "who": who,
        }],
        "signature": [signed],
    });
    mapped.push("signature", Some(PROVENANCE), value);
}
