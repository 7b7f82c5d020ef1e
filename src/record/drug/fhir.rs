//! A drug as FHIR Medication, both ways: code, form, and our extensions for strength, schedule and term
//! type. The route is a matter of the dosage, not of the Medication.

use serde_json::{Value, json};

use super::{Drug, Schedule, Tty, known};
use crate::record::MapEnv;
use crate::record::medication_request::take;
use crate::record::reading::{Fields, Reading};
use crate::record::writing::{OURS, Writing};

const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const NDC: &str = "http://hl7.org/fhir/sid/ndc";

/// A Medication, with the drug's own extensions. `from` is the pointer of the drug's fields; `""` where
/// it is no field of the record.
pub(crate) fn write_drug(w: &mut Writing<'_>, at: &str, from: &str, drug: &Drug, env: &MapEnv) {
    let put = |w: &mut Writing<'_>, element: &str, field: &str, value: Value| {
        let element = format!("{at}.{element}");
        if from.is_empty() {
            w.fixed(&element, value);
        } else {
            w.set(&element, &format!("{from}/{field}"), value);
        }
    };
    w.fixed(&format!("{at}.resourceType"), "Medication");
    let codes = [
        ("rxcui", RXNORM.to_owned(), &drug.rxcui),
        ("ndc", NDC.to_owned(), &drug.ndc),
        (
            "local_code",
            format!("{}/code/drug", env.base),
            &drug.local_code,
        ),
    ];
    for (field, system, code) in codes {
        if let Some(code) = code {
            let coding = format!("code.coding[{}]", w.count(&format!("{at}.code.coding")));
            put(w, &coding, field, json!({"system": system, "code": code}));
        }
    }
    put(w, "code.text", "label", json!(drug.label));
    if let Some(form) = &drug.form {
        put(w, "form.text", "form", json!(form));
    }
    let own = [
        (
            "medication-tty",
            "valueCode",
            drug.tty.map(|t| t.as_str()),
            "tty",
        ),
        (
            "medication-strength",
            "valueString",
            drug.strength_text.as_deref(),
            "strength_text",
        ),
        (
            "medication-schedule",
            "valueCode",
            drug.schedule.map(|s| s.as_str()),
            "schedule",
        ),
    ];
    for (name, key, value, field) in own {
        if let Some(value) = value {
            let element = format!("extension[{}]", w.count(&format!("{at}.extension")));
            put(
                w,
                &element,
                field,
                json!({"url": format!("{OURS}{name}"), key: value}),
            );
        }
    }
}

/// Where a drug stands: the place of its CodeableConcept, and of its Medication where it is one.
pub(crate) struct DrugPlace<'p> {
    /// JSON pointer of the concept.
    pub(crate) code: &'p str,
    /// JSON pointer of the Medication (`""`: the resource itself).
    pub(crate) medication: Option<&'p str>,
}

/// Reads a drug; `None` where it has no name.
pub(crate) fn read_drug(r: &mut Reading, place: &DrugPlace<'_>, env: &MapEnv) -> Option<Fields> {
    let code = place.code;
    let mut drug = Fields::default();
    let rxcui = r
        .peek(&format!("{code}/coding"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|c| c["system"] == RXNORM)
        .find_map(|c| c["code"].as_str())
        .filter(|c| !c.starts_with('0') && (1..=8).contains(&c.len()))
        .filter(|c| c.bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_owned);
    let known = rxcui.as_deref().and_then(known);
    let displays: Vec<String> = (0..r.count(&format!("{code}/coding")))
        .map(|n| format!("{code}/coding/{n}/display"))
        .collect();
    let label = take::line(r, &format!("{code}/text"), 105)
        .or_else(|| displays.iter().find_map(|at| take::line(r, at, 105)))
        .or_else(|| known.map(|k| k.name.to_owned()))?;
    if rxcui.is_some() {
        r.coding(code, RXNORM);
    }
    let ndc = r
        .peek(&format!("{code}/coding"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|c| c["system"] == NDC)
        .find_map(|c| c["code"].as_str())
        .filter(|c| c.len() == 11 && c.bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_owned);
    if ndc.is_some() {
        r.coding(code, NDC);
    }
    let local = r.coding(code, &format!("{}/code/drug", env.base));
    drug.put("local_code", local);
    drug.put("label", Some(label));
    if let Some(at) = place.medication {
        let tty = r.extension(at, "medication-tty", "valueCode");
        drug.put(
            "tty",
            tty.filter(|t| t.as_str().and_then(Tty::parse).is_some()),
        );
        let strength = r.extension(at, "medication-strength", "valueString");
        drug.put("strength_text", strength);
        let schedule = r.extension(at, "medication-schedule", "valueCode");
        drug.put(
            "schedule",
            schedule.filter(|s| s.as_str().and_then(Schedule::parse).is_some()),
        );
        let form = take::line(r, &format!("{at}/form/text"), 60)
            .or_else(|| take::line(r, &format!("{at}/form/coding/0/display"), 60));
        drug.put("form", form);
        r.exactly(&format!("{at}/resourceType"), "Medication");
        r.exactly(&format!("{at}/id"), "drug");
    }
    drug.put("rxcui", rxcui);
    drug.put("ndc", ndc);
    Some(drug)
}
