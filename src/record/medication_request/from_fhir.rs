//! MedicationRequest → order. Reads ours and foreign ones, and tells what it has no place for.
//!
//! What we did not write is somebody else's order: it becomes one of delivery `outside` (or
//! `home_reported`, if it says so), never a prescription of this programme. It never guesses: a
//! status `unknown`, a `doNotPerform` or a modifier extension makes no order.

use serde_json::{Value, json};

use super::codes::{self, STATUS_REASON, intent, reason_of};
use super::to_fhir::ICD10;
use super::{Delivery, DispenseLimit, State, dosage, take};
use crate::issue::Issue;
use crate::record::drug;
use crate::record::drug::fhir::{DrugPlace, read_drug};
use crate::record::reading::{Fields, Reading, foreign_id, own_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// What does not come back: JSON pointer (`*` any index), and why.
pub const LOSSES: &[(&str, &str)] = &[
    (
        "/client_no",
        "where the episode says whose it is, the episode alone says it",
    ),
    ("/dose_unit", "a unit without an amount says nothing"),
    ("/dose_amount", "the steps of a taper say the amounts"),
    ("/dose_max", "the steps of a taper say the amounts"),
    ("/frequency_code", "an order with steps is a taper"),
    (
        "/as_needed",
        "PRN, or a reason, says it already: comes back as true",
    ),
    (
        "/state_reason",
        "the reason of a declined order is its decline",
    ),
];

const KIND: Kind = Kind::MedicationRequest;

/// The order that a MedicationRequest is. The Medication and the Provenance of its signature are looked
/// for in the bundle.
///
/// # Errors
/// `resource-type` if the first resource is none; `status-unknown`, `modifier`, `drug-name` where no
/// order can be made of it.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let resource = bundle
        .first()
        .filter(|r| r["resourceType"] == "MedicationRequest")
        .ok_or_else(wrong_type)?;
    refuse_modifiers(resource)?;
    let mut r = Reading::begin(resource);
    let mut f = Fields::default();
    let own = r.own_identifier(env, KIND);
    let ours = own.is_some();
    let order_no = own.map_or_else(|| foreign_id(env, KIND, resource), |(id, _)| id);
    f.put("order_no", Some(order_no.clone()));
    f.put("version", Some(r.version()));
    let state = read_state(&mut r, &mut f, env)?;
    let delivery = read_delivery(&mut r, ours, env);
    f.put("delivery", Some(delivery.as_str()));
    read_people(&mut r, &mut f, env);
    let has_requester = resource.get("requester").is_some();
    r.exactly("/intent", intent(state, has_requester));
    if ours {
        r.take("/intent");
    }
    let mut issues = Vec::new();
    let mut drug = read_medication(&mut r, bundle, &mut issues, env)?;
    read_reasons(&mut r, &mut f, env);
    dosage::read(&mut r, &mut f, &mut drug, env);
    f.put("drug", Some(drug.done()));
    read_supply(&mut r, &mut f, env);
    read_own_facts(&mut r, &mut f, env);
    let signature = bundle
        .iter()
        .find(|p| p["id"] == *env.id(KIND, &order_no, "signature") && ours);
    read_signature(&mut r, &mut f, signature);
    issues.extend(r.leftovers());
    Ok(FromFhir {
        record: f.done(),
        context: json!({}),
        issues,
    })
}

/// Elements that turn the meaning round, and that an order has no word for.
fn refuse_modifiers(resource: &Value) -> Result<(), Vec<Issue>> {
    let turned = resource["doNotPerform"] == true
        || resource.get("modifierExtension").is_some()
        || resource.get("implicitRules").is_some();
    if turned {
        return Err(vec![Issue::error(
            "not-supported",
            "modifier",
            "MedicationRequest",
            "a modifier (doNotPerform, modifierExtension, implicitRules) that an order has no word for",
        )]);
    }
    Ok(())
}

fn read_state(r: &mut Reading, f: &mut Fields, env: &MapEnv) -> Result<State, Vec<Issue>> {
    let by_status = r
        .peek("/status")
        .and_then(Value::as_str)
        .and_then(codes::state);
    let told = r
        .extension("", "medication-request-state", "valueCode")
        .and_then(|v| v.as_str().and_then(State::parse));
    let Some(state) = told.or(by_status) else {
        return Err(vec![Issue::error(
            "value",
            "status-unknown",
            "MedicationRequest.status",
            "no order stands like this",
        )]);
    };
    r.take("/status");
    r.exactly("/intent", "proposal");
    f.put("state", Some(state.as_str()));
    take::exactly_bool(r, "/doNotPerform", false);
    if let Some(at) = r.extension_at("", "medication-request-decline") {
        let mut decline = Fields::default();
        decline.put("by_client", take::part(r, &at, "byClient", "valueBoolean"));
        decline.put("reason_code", take::part(r, &at, "reason", "valueCode"));
        decline.put("reason_text", take::part(r, &at, "text", "valueString"));
        decline.put(
            "education_given",
            take::part(r, &at, "educationGiven", "valueBoolean"),
        );
        decline.put("date", take::part(r, &at, "date", "valueDate"));
        r.take(&at);
        r.take("/statusReason");
        f.put("decline", Some(decline.done()));
        return Ok(state);
    }
    if r.peek("/statusReason").is_some() {
        let own = r.coding("/statusReason", &format!("{}/code/state-reason", env.base));
        let hl7 = r.coding("/statusReason", STATUS_REASON);
        let code = own.or_else(|| {
            hl7.as_deref()
                .and_then(reason_of)
                .map(|c| c.as_str().to_owned())
        });
        let text = take::text(r, "/statusReason/text", 500)
            .or_else(|| take::text(r, "/statusReason/coding/0/display", 500));
        if code.is_some() || text.is_some() {
            let mut reason = Fields::default();
            reason.put("code", Some(code.unwrap_or_else(|| "other".to_owned())));
            reason.put("text", text);
            f.put("state_reason", Some(reason.done()));
        }
    }
    Ok(state)
}

fn read_delivery(r: &mut Reading, ours: bool, env: &MapEnv) -> Delivery {
    let system = format!("{}/code/delivery", env.base);
    let told = (0..r.count("/category"))
        .find_map(|n| r.coding(&format!("/category/{n}"), &system))
        .and_then(|code| Delivery::parse(&code));
    let reported = r.peek("/reportedBoolean") == Some(&Value::Bool(true));
    if r.peek("/reportedBoolean").is_some_and(Value::is_boolean) {
        r.take("/reportedBoolean");
    }
    if ours && told.is_some() {
        r.take("/category");
    }
    told.unwrap_or(if reported {
        Delivery::HomeReported
    } else {
        Delivery::Outside
    })
}

fn read_people(r: &mut Reading, f: &mut Fields, env: &MapEnv) {
    let client = r.own_reference(env, "/subject", Kind::Client);
    match r.extension_at("", "medication-request-episode") {
        Some(at) => {
            let episode = r.own_reference(env, &format!("{at}/valueReference"), Kind::Episode);
            r.take(&at);
            f.put("episode_id", episode.map(|(id, _)| id));
        }
        None => f.put("client_no", client.map(|(id, _)| id)),
    }
    f.put(
        "outside_prescriber",
        take::line(r, "/requester/display", 100),
    );
    let prescriber = r.own_reference(env, "/requester", Kind::Staff);
    f.put("prescriber_staff_id", prescriber.map(|(id, _)| id));
    if let Some(at) = r.extension_at("", "medication-request-supervisor") {
        let supervisor = r.own_reference(env, &format!("{at}/valueReference"), Kind::Staff);
        r.take(&at);
        f.put("supervising_id", supervisor.map(|(id, _)| id));
    }
    let prior = r.own_reference(env, "/priorPrescription", KIND);
    f.put("prior_order_no", prior.map(|(id, _)| id));
}

fn read_medication(
    r: &mut Reading,
    bundle: &[Value],
    issues: &mut Vec<Issue>,
    env: &MapEnv,
) -> Result<Fields, Vec<Issue>> {
    let nameless = || {
        vec![Issue::error(
            "required",
            "drug-name",
            "MedicationRequest.medication",
            "no name of the drug, or one longer than a prescription can bear",
        )]
    };
    if r.peek("/medicationCodeableConcept").is_some() {
        let place = DrugPlace {
            code: "/medicationCodeableConcept",
            medication: None,
        };
        return read_drug(r, &place, env).ok_or_else(nameless);
    }
    let reference = r
        .peek("/medicationReference/reference")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if let Some(id) = reference.strip_prefix('#') {
        let at = r
            .peek("/contained")
            .and_then(Value::as_array)
            .and_then(|all| all.iter().position(|c| c["id"] == *id));
        if let Some(n) = at {
            let medication = format!("/contained/{n}");
            let place = DrugPlace {
                code: &format!("{medication}/code"),
                medication: Some(&medication),
            };
            let drug = read_drug(r, &place, env).ok_or_else(nameless)?;
            r.take("/medicationReference");
            return Ok(drug);
        }
    }
    let there = bundle.iter().find(|m| {
        m["resourceType"] == "Medication"
            && m["id"]
                .as_str()
                .is_some_and(|id| !id.is_empty() && reference.rsplit(['/', ':']).next() == Some(id))
    });
    if let Some(medication) = there {
        let mut m = Reading::begin(medication);
        let place = DrugPlace {
            code: "/code",
            medication: Some(""),
        };
        let drug = read_drug(&mut m, &place, env).ok_or_else(nameless)?;
        issues.extend(m.leftovers());
        r.take("/medicationReference");
        return Ok(drug);
    }
    let label = take::line(r, "/medicationReference/display", 105).ok_or_else(nameless)?;
    let mut drug = Fields::default();
    drug.put("label", Some(label));
    Ok(drug)
}

fn read_reasons(r: &mut Reading, f: &mut Fields, env: &MapEnv) {
    let code = r
        .peek("/reasonCode/0/coding")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|c| c["system"] == ICD10)
        .find_map(|c| c["code"].as_str())
        .filter(|c| is_icd10(c))
        .map(str::to_owned);
    if code.is_some() {
        r.coding("/reasonCode/0", ICD10);
        f.put("indication_code", code);
    }
    let text = take::line(r, "/reasonCode/0/text", 200)
        .or_else(|| take::line(r, "/reasonCode/0/coding/0/display", 200));
    f.put("indication_text", text);
    if let Some((id, part)) = r.own_reference(env, "/reasonReference/0", Kind::Evaluation) {
        let no = part
            .strip_prefix("problem/")
            .and_then(|n| n.parse::<u32>().ok());
        f.put("problem_no", no);
        f.put("evaluation_id", no.map(|_| id));
    }
    let class = r.extension("", "medication-request-class", "valueCode");
    f.put("class", class);
}

/// Whether a code looks like ICD-10-CM, as the contract wants it.
fn is_icd10(code: &str) -> bool {
    let bytes = code.as_bytes();
    let (head, tail) = code
        .split_once('.')
        .map_or((code, None), |(h, t)| (h, Some(t)));
    head.len() == 3
        && bytes[0].is_ascii_uppercase()
        && bytes[0] != b'U'
        && bytes[1].is_ascii_digit()
        && (bytes[2].is_ascii_digit() || matches!(bytes[2], b'A' | b'B'))
        && tail.is_none_or(|t| {
            (1..=4).contains(&t.len())
                && t.bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        })
}

fn read_supply(r: &mut Reading, f: &mut Fields, env: &MapEnv) {
    const AT: &str = "/dispenseRequest";
    let countable = r
        .peek(&format!("{AT}/quantity"))
        .and_then(|q| q["code"].as_str().or_else(|| q["unit"].as_str()))
        .and_then(drug::Unit::from_fhir)
        .is_some_and(|unit| unit.ncit().is_some());
    if countable && let Some((qty, unit)) = dosage::read_quantity(r, &format!("{AT}/quantity")) {
        f.put("qty", Some(qty));
        f.put("qty_unit", Some(unit.as_str()));
    }
    f.put(
        "refills",
        take::number(r, &format!("{AT}/numberOfRepeatsAllowed"), 0, 99),
    );
    f.put(
        "days_supply",
        read_days(r, &format!("{AT}/expectedSupplyDuration"), 999),
    );
    let interval = r
        .peek(&format!("{AT}/dispenseInterval/value"))
        .and_then(Value::as_u64);
    let limit = DispenseLimit::ALL
        .iter()
        .copied()
        .find(|l| Some(u64::from(codes::interval(*l))) == interval);
    if let Some(limit) = limit
        && read_days(r, &format!("{AT}/dispenseInterval"), 28).is_some()
    {
        f.put("dispense_limit", Some(limit.as_str()));
    }
    f.put(
        "earliest_fill_date",
        r.date(&format!("{AT}/validityPeriod/start")),
    );
    f.put("expires_on", r.date(&format!("{AT}/validityPeriod/end")));
    let pharmacy = r.own_reference(env, &format!("{AT}/performer"), Kind::Pharmacy);
    f.put("pharmacy_id", pharmacy.map(|(id, _)| id));
    let substitute = match r.peek("/substitution/allowedBoolean") {
        Some(Value::Bool(true)) => Some("Y"),
        Some(Value::Bool(false)) => Some("N"),
        _ => None,
    };
    if substitute.is_some() {
        r.take("/substitution/allowedBoolean");
    }
    f.put("substitute_ok", substitute);
}

/// A Duration in days; leaves one in any other unit.
pub(crate) fn read_days(r: &mut Reading, at: &str, max: u64) -> Option<Value> {
    let there = r.peek(at)?;
    let unit = there["code"].as_str().or_else(|| there["unit"].as_str())?;
    if !matches!(unit, "d" | "day" | "days") || there.get("comparator").is_some() {
        return None;
    }
    let count = take::number(r, &format!("{at}/value"), 1, max)?;
    for key in ["unit", "system", "code"] {
        r.take(&format!("{at}/{key}"));
    }
    Some(count)
}

fn read_own_facts(r: &mut Reading, f: &mut Fields, env: &MapEnv) {
    let notes: Vec<String> = (0..r.count("/note"))
        .filter_map(|n| {
            Some(
                r.peek(&format!("/note/{n}/text"))?
                    .as_str()?
                    .trim()
                    .to_owned(),
            )
        })
        .filter(|t| {
            !t.chars()
                .any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
        })
        .collect();
    let whole = notes.join("\n");
    if !whole.is_empty() && notes.len() == r.count("/note") && whole.chars().count() <= 2000 {
        for n in 0..notes.len() {
            r.take(&format!("/note/{n}/text"));
        }
        f.put("note", Some(whole));
    }
    let note = r.extension("", "medication-request-pharmacy-note", "valueString");
    f.put("pharmacy_note", note);
    let checked = r.extension("", "medication-request-pdmp-checked-on", "valueDate");
    f.put("pdmp_checked_on", checked);
    let due = r.extension("", "medication-request-review-due", "valueDate");
    f.put("review_due", due);
    let mut history = Vec::new();
    while let Some(at) = r.extension_at("", "medication-request-history") {
        let mut entry = Fields::default();
        entry.put("at", take::part(r, &at, "at", "valueInstant"));
        entry.put("state", take::part(r, &at, "state", "valueCode"));
        let staff = take::part(r, &at, "staff", "valueReference");
        entry.put(
            "staff_id",
            staff
                .and_then(|s| own_id(env, &s, Kind::Staff))
                .map(|(id, _)| id),
        );
        entry.put("text", take::part(r, &at, "text", "valueString"));
        r.take(&at);
        history.push(entry.done());
    }
    f.list("history", history);
}

fn read_signature(r: &mut Reading, f: &mut Fields, provenance: Option<&Value>) {
    let evidence = provenance.map(Reading::begin).and_then(|mut p| {
        let at = p.extension_at("/signature/0", "medication-request-epcs")?;
        let mut epcs = Fields::default();
        epcs.put("signed_at", p.text("/signature/0/when"));
        epcs.put("factor1", take::part(&mut p, &at, "factor1", "valueCode"));
        epcs.put("factor2", take::part(&mut p, &at, "factor2", "valueCode"));
        epcs.put(
            "signature_hash",
            take::part(&mut p, &at, "hash", "valueString"),
        );
        epcs.put(
            "dea_no",
            take::part(&mut p, &at, "deaNumber", "valueString"),
        );
        Some(epcs.done())
    });
    if evidence.is_some() {
        r.take("/authoredOn");
        f.put("epcs", evidence);
    } else if let Some(at) = take::instant(r, "/authoredOn") {
        f.put("signed_at", Some(at));
    } else if r
        .peek("/authoredOn")
        .and_then(Value::as_str)
        .is_some_and(|t| t.len() == 10)
    {
        f.put("signed_on", r.date("/authoredOn"));
    }
}
