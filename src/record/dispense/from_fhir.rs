//! MedicationDispense → fill. Reads ours and foreign ones of our orders, and tells what it has no
//! place for. It never guesses which order a fill belongs to.

use serde_json::{Value, json};

use super::to_fhir::{ACT_CODE, STATUS_REASON, rx_number_system, status_reason};
use super::{ReasonCode, Source, Status};
use crate::issue::Issue;
use crate::record::drug::fhir::{DrugPlace, read_drug};
use crate::record::drug::{Route, Unit};
use crate::record::medication_request::{read_days, read_quantity, take};
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// What does not come back.
pub const LOSSES: &[(&str, &str)] = &[(
    "/client_no",
    "the order says whose it is; comes back where the resource names the client",
)];

/// The fill that a MedicationDispense is.
///
/// # Errors
/// `resource-type`; `order-unknown` if it names no order of ours; `status-unknown`, `modifier` where
/// no fill can be made of it.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let resource = bundle
        .first()
        .filter(|r| r["resourceType"] == "MedicationDispense")
        .ok_or_else(wrong_type)?;
    let refuse = |rule: &'static str, path: &str, message: &'static str| {
        Err(vec![Issue::error("value", rule, path, message)])
    };
    if resource.get("modifierExtension").is_some() || resource.get("implicitRules").is_some() {
        return refuse(
            "modifier",
            "MedicationDispense",
            "a modifier that a fill has no word for",
        );
    }
    let mut r = Reading::begin(resource);
    let mut f = Fields::default();
    let fill_no = r
        .own_identifier(env, Kind::Dispense)
        .map_or_else(|| foreign_id(env, Kind::Dispense, resource), |(id, _)| id);
    f.put("fill_no", Some(fill_no));
    f.put("version", Some(r.version()));
    let Some((order, _)) =
        r.own_reference(env, "/authorizingPrescription/0", Kind::MedicationRequest)
    else {
        return refuse(
            "order-unknown",
            "MedicationDispense.authorizingPrescription",
            "names no order of ours",
        );
    };
    f.put("order_no", Some(order));
    let Some(status) = read_status(&mut r) else {
        return refuse(
            "status-unknown",
            "MedicationDispense.status",
            "no fill stands like this",
        );
    };
    f.put("status", Some(status.as_str()));
    let source = r.extension("", "dispense-source", "valueCode");
    f.put(
        "source",
        Some(source.unwrap_or_else(|| Value::from(Source::Fhir.as_str()))),
    );
    let client = r.own_reference(env, "/subject", Kind::Client);
    f.put("client_no", client.map(|(id, _)| id));
    let pharmacy = r.own_reference(env, "/performer/0/actor", Kind::Pharmacy);
    f.put("pharmacy_id", pharmacy.map(|(id, _)| id));
    read_rx_number(&mut r, &mut f, env);
    read_reason(&mut r, &mut f, env);
    read_amounts(&mut r, &mut f);
    read_medication(&mut r, &mut f, env);
    f.put(
        "sig_text",
        take::text(&mut r, "/dosageInstruction/0/text", 1000),
    );
    f.put("note", take::text(&mut r, "/note/0/text", 2000));
    if let Some(substituted) = r
        .peek("/substitution/wasSubstituted")
        .and_then(Value::as_bool)
    {
        r.take("/substitution/wasSubstituted");
        f.put("substituted", Some(substituted));
    }
    let received = r.extension("", "dispense-received-at", "valueInstant");
    f.put("received_at", received);
    Ok(FromFhir {
        record: f.done(),
        context: json!({}),
        issues: r.leftovers(),
    })
}

fn read_status(r: &mut Reading) -> Option<Status> {
    let told = r
        .extension("", "dispense-status", "valueCode")
        .and_then(|v| v.as_str().and_then(Status::parse));
    let partial = r
        .peek("/type/coding")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|c| c["system"] == ACT_CODE && (c["code"] == "FFP" || c["code"] == "RFP"));
    let by_status = match r.peek("/status").and_then(Value::as_str)? {
        "preparation" | "in-progress" => Some(Status::Ready),
        "completed" if partial => Some(Status::PartiallyFilled),
        "completed" => Some(Status::Filled),
        "declined" | "cancelled" | "stopped" => Some(Status::NotFilled),
        "entered-in-error" => Some(Status::Error),
        _ => None,
    };
    let status = told.or(by_status)?;
    r.take("/status");
    Some(status)
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

fn read_reason(r: &mut Reading, f: &mut Fields, env: &MapEnv) {
    const AT: &str = "/statusReasonCodeableConcept";
    if r.peek(AT).is_none() {
        return;
    }
    let own = r.coding(AT, &format!("{}/code/dispense-reason", env.base));
    let source = r.coding(AT, &format!("{}/code/dispense-source-reason", env.base));
    let hl7 = r.coding(AT, STATUS_REASON);
    let code = own.or_else(|| {
        ReasonCode::ALL
            .iter()
            .find(|c| status_reason(**c).is_some_and(|s| Some(s) == hl7.as_deref()))
            .map(|c| c.as_str().to_owned())
    });
    let text = take::text(r, &format!("{AT}/text"), 500);
    if code.is_some() || text.is_some() || source.is_some() {
        let mut reason = Fields::default();
        reason.put("code", Some(code.unwrap_or_else(|| "other".to_owned())));
        reason.put("source_code", source);
        reason.put("text", text);
        f.put("reason", Some(reason.done()));
    }
}

fn read_amounts(r: &mut Reading, f: &mut Fields) {
    let countable = r
        .peek("/quantity")
        .and_then(|q| q["code"].as_str().or_else(|| q["unit"].as_str()))
        .and_then(Unit::from_fhir)
        .is_some_and(|unit| unit.ncit().is_some());
    if countable && let Some((qty, unit)) = read_quantity(r, "/quantity") {
        f.put("qty", Some(qty));
        f.put("qty_unit", Some(unit.as_str()));
    }
    f.put("days", read_days(r, "/daysSupply", 999));
    let date = r
        .date("/whenHandedOver")
        .or_else(|| r.date("/whenPrepared"));
    f.put("fill_date", date);
    let number = r.extension("", "dispense-fill-number", "valueUnsignedInt");
    let code = r.coding("/type", ACT_CODE);
    let first = matches!(code.as_deref(), Some("FF" | "FFP" | "FFC"));
    f.put(
        "fill_number",
        number.or_else(|| first.then(|| Value::from(0))),
    );
    let left = r.extension("", "dispense-refills-left", "valueUnsignedInt");
    f.put("refills_left", left);
}

fn read_medication(r: &mut Reading, f: &mut Fields, env: &MapEnv) {
    if r.exactly("/medicationReference/reference", "#ordered") {
        r.take("/contained/0");
        return;
    }
    if r.peek("/medicationCodeableConcept/text") == Some(&Value::from("as ordered")) {
        r.take("/medicationCodeableConcept/text");
    }
    let contained = r
        .peek("/medicationReference/reference")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|id| {
            let all = r.peek("/contained")?.as_array()?;
            all.iter().position(|c| c["id"] == *id)
        });
    let drug = if let Some(n) = contained {
        let medication = format!("/contained/{n}");
        let place = DrugPlace {
            code: &format!("{medication}/code"),
            medication: Some(&medication),
        };
        let drug = read_drug(r, &place, env);
        if drug.is_some() {
            r.take("/medicationReference");
        }
        drug
    } else {
        let place = DrugPlace {
            code: "/medicationCodeableConcept",
            medication: None,
        };
        read_drug(r, &place, env)
    };
    let Some(mut drug) = drug else { return };
    let routes = format!("{}/code/route", env.base);
    let route = r
        .coding("/dosageInstruction/0/route", &routes)
        .filter(|code| Route::parse(code).is_some());
    if route.is_some() {
        r.take("/dosageInstruction/0/route/text");
    }
    drug.put("route", route);
    f.put("drug", Some(drug.done()));
}
