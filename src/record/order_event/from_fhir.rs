//! Task → event of an order. Reads what says which event it is; any other Task is none.

use serde_json::{Value, json};

use super::{EventKind, EventSource};
use crate::issue::Issue;
use crate::record::dispense::to_fhir::rx_number_system;
use crate::record::medication_request::take;
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// What does not come back.
pub const LOSSES: &[(&str, &str)] = &[(
    "/client_no",
    "the order says whose it is; comes back where the resource names the client",
)];

/// The event that a Task is.
///
/// # Errors
/// `resource-type`; `order-unknown` if it is about no order of ours; `event-unknown` if it does not
/// say, in our list, what happened, or not when.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let resource = bundle
        .first()
        .filter(|r| r["resourceType"] == "Task")
        .ok_or_else(wrong_type)?;
    let refuse = |rule: &'static str, path: &str, message: &'static str| {
        Err(vec![Issue::error("value", rule, path, message)])
    };
    if resource.get("modifierExtension").is_some() || resource.get("implicitRules").is_some() {
        return refuse(
            "modifier",
            "Task",
            "a modifier that an event has no word for",
        );
    }
    let mut r = Reading::begin(resource);
    let mut f = Fields::default();
    let id = r
        .own_identifier(env, Kind::OrderEvent)
        .map_or_else(|| foreign_id(env, Kind::OrderEvent, resource), |(id, _)| id);
    f.put("event_id", Some(id));
    f.put("version", Some(r.version()));
    let Some((order, _)) = r.own_reference(env, "/focus", Kind::MedicationRequest) else {
        return refuse("order-unknown", "Task.focus", "about no order of ours");
    };
    f.put("order_no", Some(order));
    let event = r
        .coding("/code", &format!("{}/code/order-event", env.base))
        .filter(|code| EventKind::parse(code).is_some());
    let at = take::instant(&mut r, "/lastModified");
    if event.is_none() || at.is_none() {
        return refuse(
            "event-unknown",
            "Task.code",
            "does not say what happened, or when",
        );
    }
    for derived in ["/code/text", "/status"] {
        r.take(derived);
    }
    r.exactly("/intent", "order");
    f.put("event", event);
    f.put("at", at);
    let source = r.extension("", "order-event-source", "valueCode");
    f.put(
        "source",
        Some(source.unwrap_or_else(|| Value::from(EventSource::Fhir.as_str()))),
    );
    let client = r.own_reference(env, "/for", Kind::Client);
    f.put("client_no", client.map(|(id, _)| id));
    let pharmacy = r.own_reference(env, "/owner", Kind::Pharmacy);
    f.put("pharmacy_id", pharmacy.map(|(id, _)| id));
    let code = r.coding(
        "/businessStatus",
        &format!("{}/code/partner-code", env.base),
    );
    f.put("code", code);
    let details = format!("{}/code/partner-detail", env.base);
    let mut codes = Vec::new();
    while let Some(code) = r.coding("/statusReason", &details) {
        codes.push(Value::from(code));
    }
    f.list("detail_codes", codes);
    f.put("text", take::text(&mut r, "/statusReason/text", 1000));
    read_rx_number(&mut r, &mut f, env);
    for (field, name, key) in [
        ("partner", "order-event-partner", "valueString"),
        ("message_id", "order-event-message-id", "valueString"),
        ("relates_to", "order-event-relates-to", "valueString"),
        ("outside_status", "order-event-outside-status", "valueCode"),
    ] {
        let value = r.extension("", name, key);
        f.put(field, value);
    }
    let mut changed = Vec::new();
    while let Some(element) = r.extension("", "order-event-changed-element", "valueString") {
        changed.push(element);
    }
    f.list("changed_elements", changed);
    Ok(FromFhir {
        record: f.done(),
        context: json!({}),
        issues: r.leftovers(),
    })
}

fn read_rx_number(r: &mut Reading, f: &mut Fields, env: &MapEnv) {
    let system = rx_number_system(env);
    let at = (0..r.count("/identifier")).find(|n| {
        r.peek(&format!("/identifier/{n}/system")) == Some(&Value::from(system.as_str()))
    });
    if let Some(n) = at {
        let number = take::line(r, &format!("/identifier/{n}/value"), 35);
        if number.is_some() {
            r.take(&format!("/identifier/{n}"));
        }
        f.put("pharmacy_rx_no", number);
    }
}
