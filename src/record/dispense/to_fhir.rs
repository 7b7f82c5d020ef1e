//! A fill to FHIR: MedicationDispense. Pure; the other way is in `from_fhir`.

use serde_json::json;

use super::{Dispense, ReasonCode, Status};
use crate::record::drug::fhir::write_drug;
use crate::record::medication_request::to_fhir::{days, quantity};
use crate::record::writing::{Writing, local, local_coding};
use crate::record::{Context, Kind, MapEnv, Mapped};

/// The profile that a fill's MedicationDispense passes.
pub const PROFILE: &str = "https://fhir-gateway.example/StructureDefinition/iop-medicationdispense";

pub(super) const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
pub(super) const STATUS_REASON: &str =
    "http://terminology.hl7.org/CodeSystem/medicationdispense-status-reason";

/// The system of a pharmacy's prescription numbers, as this tenant heard them.
pub(crate) fn rx_number_system(env: &MapEnv) -> String {
    format!("{}/id/pharmacy-rx-number", env.base)
}

pub(super) const fn status(status: Status) -> &'static str {
    match status {
        Status::Ready => "in-progress",
        Status::Filled | Status::PartiallyFilled => "completed",
        Status::NotFilled => "declined",
        Status::Returned | Status::Transferred => "stopped",
        Status::Error => "entered-in-error",
    }
}

/// HL7's code for a reason, where it has one.
pub(super) const fn status_reason(reason: ReasonCode) -> Option<&'static str> {
    match reason {
        ReasonCode::OutOfStock => Some("outofstock"),
        ReasonCode::OffMarket => Some("offmarket"),
        ReasonCode::Stopped => Some("frr01"),
        ReasonCode::Incomplete => Some("frr03"),
        _ => None,
    }
}

/// First fill or refill, whole or part.
fn supply_type(fill: &Dispense) -> Option<&'static str> {
    let part = fill.status == Status::PartiallyFilled;
    Some(match (fill.fill_number?, part) {
        (0, false) => "FF",
        (0, true) => "FFP",
        (_, false) => "RF",
        (_, true) => "RFP",
    })
}

pub(super) fn to_fhir(fill: &Dispense, context: &Context, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let coordinates = (Kind::Dispense, fill.fill_no.as_str(), "");
    let mut w = Writing::begin(
        &mut mapped,
        "MedicationDispense",
        env,
        coordinates,
        "/fill_no",
    );
    w.profiles(Some(PROFILE), Some("us-core-medicationdispense"));
    w.version("/version", fill.version);
    if let Some(no) = &fill.pharmacy_rx_no {
        w.set(
            "identifier[1]",
            "/pharmacy_rx_no",
            json!({"system": rx_number_system(env), "value": no}),
        );
    }
    w.set("status", "/status", status(fill.status));
    w.extend(
        "",
        "dispense-status",
        ("valueCode", json!(fill.status.as_str())),
        "/status",
    );
    w.extend(
        "",
        "dispense-source",
        ("valueCode", json!(fill.source.as_str())),
        "/source",
    );
    reason(&mut w, fill, env);
    drug(&mut w, fill, context, env);
    people(&mut w, fill, context, env);
    if let Some(code) = supply_type(fill) {
        w.set(
            "type",
            "/fill_number",
            json!({"coding": [{"system": ACT_CODE, "code": code}]}),
        );
    }
    if let (Some(qty), Some(unit)) = (&fill.qty, fill.qty_unit) {
        w.set("quantity", "/qty", quantity(qty, unit));
        w.note("quantity", "/qty_unit");
    }
    w.set_some("daysSupply", "/days", fill.days.map(days));
    let handed_over = matches!(fill.status, Status::Filled | Status::PartiallyFilled);
    let when = if handed_over {
        "whenHandedOver"
    } else {
        "whenPrepared"
    };
    w.set_some(when, "/fill_date", fill.fill_date.map(|d| d.to_string()));
    w.set_some("note[0].text", "/note", fill.note.clone());
    w.set_some(
        "dosageInstruction[0].text",
        "/sig_text",
        fill.sig_text.clone(),
    );
    w.set_some(
        "substitution.wasSubstituted",
        "/substituted",
        fill.substituted,
    );
    for (name, value, from) in [
        (
            "dispense-fill-number",
            fill.fill_number.map(|n| ("valueUnsignedInt", json!(n))),
            "/fill_number",
        ),
        (
            "dispense-refills-left",
            fill.refills_left.map(|n| ("valueUnsignedInt", json!(n))),
            "/refills_left",
        ),
        (
            "dispense-received-at",
            fill.received_at
                .as_ref()
                .map(|t| ("valueInstant", json!(t.text()))),
            "/received_at",
        ),
    ] {
        if let Some(value) = value {
            w.extend("", name, value, from);
        }
    }
    w.end();
    mapped
}

fn reason(w: &mut Writing<'_>, fill: &Dispense, env: &MapEnv) {
    let Some(reason) = &fill.reason else { return };
    const AT: &str = "statusReasonCodeableConcept";
    let mut codings = Vec::new();
    if let Some(code) = status_reason(reason.code) {
        codings.push(json!({"system": STATUS_REASON, "code": code}));
    }
    codings.push(local_coding(env, "dispense-reason", reason.code.as_str()));
    let last = codings.len();
    w.set(AT, "/reason/code", json!({"coding": codings}));
    w.set_some(
        &format!("{AT}.coding[{last}]"),
        "/reason/source_code",
        reason
            .source_code
            .as_ref()
            .map(|code| local_coding(env, "dispense-source-reason", code)),
    );
    w.set_some(&format!("{AT}.text"), "/reason/text", reason.text.clone());
}

/// What was handed over; where the pharmacy does not say it, what was ordered (contained as
/// `ordered`, so that it is not taken for the pharmacy's word).
fn drug(w: &mut Writing<'_>, fill: &Dispense, context: &Context, env: &MapEnv) {
    if let Some(drug) = &fill.drug {
        write_drug(w, "contained[0]", "/drug", drug, env);
        w.fixed("contained[0].id", "drug");
        w.set(
            "medicationReference",
            "/drug",
            json!({"reference": "#drug"}),
        );
        if let Some(route) = drug.route {
            w.set(
                "dosageInstruction[0].route",
                "/drug/route",
                local(env, "route", route.as_str(), route.as_str()),
            );
        }
        return;
    }
    let ordered = context.orders.iter().find(|o| o.order_no == fill.order_no);
    if let Some(order) = ordered {
        let mut scratch = Mapped::default();
        let coordinates = (Kind::MedicationRequest, order.order_no.as_str(), "");
        let mut inner = Writing::begin(&mut scratch, "Medication", env, coordinates, "");
        write_drug(&mut inner, "contained[0]", "", &order.drug, env);
        let mut medication = inner.value()["contained"][0].clone();
        medication["id"] = json!("ordered");
        w.fixed("contained[0]", medication);
        w.fixed("medicationReference", json!({"reference": "#ordered"}));
    } else {
        w.fixed("medicationCodeableConcept.text", "as ordered");
    }
}

fn people(w: &mut Writing<'_>, fill: &Dispense, context: &Context, env: &MapEnv) {
    let patient = |no: &str| env.reference("Patient", Kind::Client, no, "");
    if let Some(no) = &fill.client_no {
        w.set("subject", "/client_no", patient(no));
    } else if let Some(client) = &context.client {
        w.fixed("subject", patient(&client.client_no));
    }
    if let Some(id) = &fill.pharmacy_id {
        let pharmacy = env.reference("Organization", Kind::Pharmacy, id, "");
        w.set("performer[0].actor", "/pharmacy_id", pharmacy);
    }
    let order = env.reference(
        "MedicationRequest",
        Kind::MedicationRequest,
        &fill.order_no,
        "",
    );
    w.set("authorizingPrescription[0]", "/order_no", order);
}
