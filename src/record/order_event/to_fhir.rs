//! An event of an order to FHIR: Task. Pure; the other way is in `from_fhir`.

use serde_json::{Value, json};

use super::{EventKind, OrderEvent};
use crate::record::dispense::to_fhir::rx_number_system;
use crate::record::writing::{Writing, local, local_coding};
use crate::record::{Context, Kind, MapEnv, Mapped};

/// The profile that an event's Task passes.
pub const PROFILE: &str = "https://fhir-gateway.example/StructureDefinition/iop-order-event";

const fn status(event: EventKind) -> &'static str {
    match event {
        EventKind::Acknowledged => "received",
        EventKind::Verified => "accepted",
        EventKind::Error => "failed",
        EventKind::CancelApproved | EventKind::ChangedOutside => "completed",
        EventKind::CancelDenied | EventKind::PatientRefused => "rejected",
        EventKind::Transferred => "cancelled",
        EventKind::RenewalRequested | EventKind::ChangeRequested => "requested",
    }
}

pub(super) fn to_fhir(event: &OrderEvent, context: &Context, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let coordinates = (Kind::OrderEvent, event.event_id.as_str(), "");
    let mut w = Writing::begin(&mut mapped, "Task", env, coordinates, "/event_id");
    w.profiles(Some(PROFILE), None);
    w.version("/version", event.version);
    if let Some(no) = &event.pharmacy_rx_no {
        w.set(
            "identifier[1]",
            "/pharmacy_rx_no",
            json!({"system": rx_number_system(env), "value": no}),
        );
    }
    w.set("status", "/event", status(event.event));
    w.fixed("intent", "order");
    let code = event.event.as_str();
    w.set(
        "code",
        "/event",
        local(env, "order-event", code, &code.replace('_', " ")),
    );
    let order = env.reference(
        "MedicationRequest",
        Kind::MedicationRequest,
        &event.order_no,
        "",
    );
    w.set("focus", "/order_no", order);
    let patient = |no: &str| env.reference("Patient", Kind::Client, no, "");
    if let Some(no) = &event.client_no {
        w.set("for", "/client_no", patient(no));
    } else if let Some(client) = &context.client {
        w.fixed("for", patient(&client.client_no));
    }
    w.set("lastModified", "/at", event.at.text());
    if let Some(id) = &event.pharmacy_id {
        let pharmacy = env.reference("Organization", Kind::Pharmacy, id, "");
        w.set("owner", "/pharmacy_id", pharmacy);
    }
    if let Some(code) = &event.code {
        let status = json!({"coding": [local_coding(env, "partner-code", code)]});
        w.set("businessStatus", "/code", status);
    }
    for (n, code) in event.detail_codes.iter().enumerate() {
        w.set(
            &format!("statusReason.coding[{n}]"),
            &format!("/detail_codes/{n}"),
            local_coding(env, "partner-detail", code),
        );
    }
    w.set_some("statusReason.text", "/text", event.text.clone());
    extensions(&mut w, event);
    w.end();
    mapped
}

fn extensions(w: &mut Writing<'_>, event: &OrderEvent) {
    let texts = [
        (
            "source",
            "valueCode",
            Some(event.source.as_str()),
            "/source",
        ),
        (
            "partner",
            "valueString",
            event.partner.as_deref(),
            "/partner",
        ),
        (
            "message-id",
            "valueString",
            event.message_id.as_deref(),
            "/message_id",
        ),
        (
            "relates-to",
            "valueString",
            event.relates_to.as_deref(),
            "/relates_to",
        ),
        (
            "outside-status",
            "valueCode",
            event.outside_status.as_deref(),
            "/outside_status",
        ),
    ];
    for (name, key, value, from) in texts {
        if let Some(value) = value {
            w.extend(
                "",
                &format!("order-event-{name}"),
                (key, Value::from(value)),
                from,
            );
        }
    }
    for (n, element) in event.changed_elements.iter().enumerate() {
        w.extend(
            "",
            "order-event-changed-element",
            ("valueString", json!(element)),
            &format!("/changed_elements/{n}"),
        );
    }
}
