//! Doses and times of an order as FHIR `Dosage`, both ways.
//!
//! A taper is one dosage per step, in sequence; anything else is one dosage. Several dosages that
//! are no taper of ours are read as text only: which of them holds when is not ours to guess.

use serde_json::{Value, json};

use super::{Frequency, MedicationRequest, take};
use crate::record::MapEnv;
use crate::record::drug::{Route, Unit};
use crate::record::medication_request::to_fhir::{SNOMED, UCUM, quantity};
use crate::record::reading::{Fields, Reading};
use crate::record::writing::{OURS, Writing, local};

/// SNOMED CT's oral route, the one that published requests use; read, not written.
const ORAL: &str = "26643006";

fn frequency_system(env: &MapEnv) -> String {
    format!("{}/code/frequency", env.base)
}

/// Writes `dosageInstruction`.
pub(super) fn write(w: &mut Writing<'_>, order: &MedicationRequest, env: &MapEnv) {
    if order.taper_steps.is_empty() {
        one(w, order, env);
    } else {
        taper(w, order, env);
    }
}

fn one(w: &mut Writing<'_>, order: &MedicationRequest, env: &MapEnv) {
    const AT: &str = "dosageInstruction[0]";
    w.set_some(&format!("{AT}.text"), "/sig_text", order.sig_text.clone());
    w.set_some(
        &format!("{AT}.timing.repeat.boundsPeriod.start"),
        "/start_date",
        order.start_date.map(|d| d.to_string()),
    );
    w.set_some(
        &format!("{AT}.timing.repeat.boundsPeriod.end"),
        "/stop_date",
        order.stop_date.map(|d| d.to_string()),
    );
    if let Some(frequency) = order.frequency_code {
        for (key, value) in frequency.repeat() {
            w.fixed(&format!("{AT}.timing.repeat.{key}"), value);
        }
        w.set(
            &format!("{AT}.timing.code"),
            "/frequency_code",
            frequency.timing_code(&frequency_system(env)),
        );
    }
    shared(w, order, AT, env);
    if let (Some(amount), Some(unit)) = (&order.dose_amount, order.dose_unit) {
        let dose = format!("{AT}.doseAndRate[0]");
        if let Some(max) = &order.dose_max {
            w.set(
                &format!("{dose}.doseRange.low"),
                "/dose_amount",
                quantity(amount, unit),
            );
            w.set(
                &format!("{dose}.doseRange.high"),
                "/dose_max",
                quantity(max, unit),
            );
        } else {
            w.set(
                &format!("{dose}.doseQuantity"),
                "/dose_amount",
                quantity(amount, unit),
            );
        }
        w.note(&dose, "/dose_unit");
    }
}

/// What holds for every dosage of the order: when needed, the way, the most in a day.
fn shared(w: &mut Writing<'_>, order: &MedicationRequest, at: &str, env: &MapEnv) {
    if let Some(reason) = &order.as_needed_reason {
        w.set(
            &format!("{at}.asNeededCodeableConcept.text"),
            "/as_needed_reason",
            reason.clone(),
        );
        if order.as_needed {
            w.note(&format!("{at}.asNeededCodeableConcept"), "/as_needed");
        }
    } else if order.as_needed {
        w.set(&format!("{at}.asNeededBoolean"), "/as_needed", true);
    } else if order.frequency_code == Some(Frequency::Prn) {
        w.set(&format!("{at}.asNeededBoolean"), "/frequency_code", true);
    }
    if let Some(route) = order.drug.route {
        w.set(
            &format!("{at}.route"),
            "/drug/route",
            local(env, "route", route.as_str(), route.as_str()),
        );
    }
    if let (Some(max), Some(unit)) = (&order.max_per_day, order.dose_unit) {
        w.set(
            &format!("{at}.maxDosePerPeriod"),
            "/max_per_day",
            json!({
                "numerator": quantity(max, unit),
                "denominator": {"value": 1, "unit": "day", "system": UCUM, "code": "d"},
            }),
        );
        w.note(&format!("{at}.maxDosePerPeriod.numerator"), "/dose_unit");
    }
}

fn taper(w: &mut Writing<'_>, order: &MedicationRequest, env: &MapEnv) {
    let mut period = serde_json::Map::new();
    if let Some(start) = order.start_date {
        period.insert("start".to_owned(), json!(start.to_string()));
    }
    if let Some(stop) = order.stop_date {
        period.insert("end".to_owned(), json!(stop.to_string()));
    }
    if !period.is_empty() {
        w.extend(
            "",
            "medication-request-period",
            ("valuePeriod", Value::Object(period)),
            if order.start_date.is_some() {
                "/start_date"
            } else {
                "/stop_date"
            },
        );
        if order.start_date.is_some() && order.stop_date.is_some() {
            w.note("extension", "/stop_date");
        }
    }
    for (n, step) in order.taper_steps.iter().enumerate() {
        let at = format!("dosageInstruction[{n}]");
        let from = format!("/taper_steps/{n}");
        let frequency = step.frequency_code.unwrap_or(Frequency::QD);
        w.fixed(&format!("{at}.sequence"), n + 1);
        w.extend_with(
            &at,
            json!({
                "url": format!("{OURS}medication-request-taper-step"),
                "extension": [
                    {"url": "dayFrom", "valuePositiveInt": step.day_from},
                    {"url": "dayTo", "valuePositiveInt": step.day_to},
                ],
            }),
            &from,
        );
        if n == 0 {
            w.set_some(&format!("{at}.text"), "/sig_text", order.sig_text.clone());
        } else {
            w.set(
                &format!("{at}.text"),
                &from,
                format!("Step {}: days {} to {}", n + 1, step.day_from, step.day_to),
            );
        }
        let day = |number: u32| {
            let days = jiff::Span::new().days(i64::from(number) - 1);
            let start = order.start_date?.civil();
            start.checked_add(days).ok().map(|d| d.to_string())
        };
        let bounds = format!("{at}.timing.repeat.boundsPeriod");
        w.set_some(&format!("{bounds}.start"), &from, day(step.day_from));
        w.set_some(&format!("{bounds}.end"), &from, day(step.day_to));
        for (key, value) in frequency.repeat() {
            w.fixed(&format!("{at}.timing.repeat.{key}"), value);
        }
        // The clinic's own code only where the step says one: "once a day" is the default.
        if step.frequency_code.is_some() {
            w.set(
                &format!("{at}.timing.code"),
                &format!("{from}/frequency_code"),
                frequency.timing_code(&frequency_system(env)),
            );
        }
        shared(w, order, &at, env);
        if let Some(unit) = order.dose_unit {
            w.set(
                &format!("{at}.doseAndRate[0].doseQuantity"),
                &format!("{from}/amount"),
                quantity(&step.amount, unit),
            );
            w.note(&format!("{at}.doseAndRate[0].doseQuantity"), "/dose_unit");
        }
    }
    if order.frequency_code.is_some() {
        w.note("dosageInstruction", "/frequency_code");
    }
}

/// Reads `dosageInstruction` into the fields of an order; the route goes into `drug`.
pub(super) fn read(r: &mut Reading, f: &mut Fields, drug: &mut Fields, env: &MapEnv) {
    let count = r.count("/dosageInstruction");
    if count == 0 {
        return;
    }
    let step = r.extension_at("/dosageInstruction/0", "medication-request-taper-step");
    if step.is_some() {
        read_taper(r, f, count, env);
        read_shared(r, f, drug, 0..count, env);
    } else if count == 1 {
        let text = take::text(r, "/dosageInstruction/0/text", 1000);
        f.put("sig_text", text);
        read_bounds(r, f, "/dosageInstruction/0/timing/repeat/boundsPeriod");
        let frequency = read_frequency(r, "/dosageInstruction/0/timing", env);
        f.put("frequency_code", frequency.map(Frequency::as_str));
        let unit = read_dose(r, f, "/dosageInstruction/0/doseAndRate/0");
        f.put("dose_unit", unit.map(Unit::as_str));
        read_shared(r, f, drug, 0..1, env);
        take::number(r, "/dosageInstruction/0/sequence", 1, 1);
    } else {
        let texts: Vec<String> = (0..count)
            .filter_map(|n| {
                let text = r.peek(&format!("/dosageInstruction/{n}/text"))?.as_str()?;
                Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
            })
            .collect();
        let whole = texts.join("; ");
        if !whole.is_empty() && whole.chars().count() <= 1000 {
            for n in 0..count {
                r.take(&format!("/dosageInstruction/{n}/text"));
            }
            f.put("sig_text", Some(whole));
        }
    }
}

fn read_bounds(r: &mut Reading, f: &mut Fields, at: &str) {
    for (field, key) in [("start_date", "start"), ("stop_date", "end")] {
        f.put(field, r.date(&format!("{at}/{key}")));
    }
}

fn read_frequency(r: &mut Reading, at: &str, env: &MapEnv) -> Option<Frequency> {
    let system = frequency_system(env);
    let found = Frequency::from_timing(r.peek(at)?, &system)?;
    let own = r.coding(&format!("{at}/code"), &system).is_some();
    let coded = r
        .coding(&format!("{at}/code"), super::frequency::GTS)
        .is_some();
    if own || coded {
        r.take(&format!("{at}/code/text"));
    }
    for key in ["frequency", "period", "periodUnit", "when", "count"] {
        r.take(&format!("{at}/repeat/{key}"));
    }
    Some(found)
}

/// A positive amount in a unit that the clinic knows; leaves anything else.
pub(crate) fn read_quantity(r: &mut Reading, at: &str) -> Option<(Value, Unit)> {
    let there = r.peek(at)?;
    if there.get("comparator").is_some() {
        return None;
    }
    let value = there.get("value").filter(|v| v.is_number())?.clone();
    let amount = crate::decimal::Decimal::parse(&value.to_string())?;
    let most = crate::decimal::Decimal::parse("100000")?;
    if amount.is_negative() || amount.plain() == "0" || amount > most {
        return None;
    }
    let unit = ["code", "unit"]
        .iter()
        .find_map(|key| Unit::from_fhir(there.get(*key)?.as_str()?))?;
    for key in ["value", "unit", "system", "code"] {
        r.take(&format!("{at}/{key}"));
    }
    Some((value, unit))
}

fn read_dose(r: &mut Reading, f: &mut Fields, at: &str) -> Option<Unit> {
    if let Some((value, unit)) = read_quantity(r, &format!("{at}/doseQuantity")) {
        f.put("dose_amount", Some(value));
        return Some(unit);
    }
    let low = r.peek(&format!("{at}/doseRange/low"))?.get("code").cloned();
    let high = r
        .peek(&format!("{at}/doseRange/high"))?
        .get("code")
        .cloned();
    if low != high {
        return None;
    }
    let (low, unit) = read_quantity(r, &format!("{at}/doseRange/low"))?;
    f.put("dose_amount", Some(low));
    let high = read_quantity(r, &format!("{at}/doseRange/high"));
    f.put("dose_max", high.map(|(value, _)| value));
    Some(unit)
}

fn read_shared(
    r: &mut Reading,
    f: &mut Fields,
    drug: &mut Fields,
    all: std::ops::Range<usize>,
    env: &MapEnv,
) {
    let routes = format!("{}/code/route", env.base);
    for n in all {
        let at = format!("/dosageInstruction/{n}");
        if r.peek(&format!("{at}/asNeededBoolean")) == Some(&Value::Bool(true)) {
            r.take(&format!("{at}/asNeededBoolean"));
            f.put("as_needed", Some(true));
        }
        take::exactly_bool(r, &format!("{at}/asNeededBoolean"), false);
        if let Some(text) = take::line(r, &format!("{at}/asNeededCodeableConcept/text"), 100) {
            f.put("as_needed", Some(true));
            f.put("as_needed_reason", Some(text));
        }
        let concept = format!("{at}/route");
        let known = r
            .coding(&concept, &routes)
            .and_then(|code| Route::parse(&code))
            .or_else(|| {
                let text = r.peek(&format!("{concept}/text"))?.as_str()?.to_lowercase();
                let word = text.split_whitespace().next()?;
                Route::parse(if word == "po" { "oral" } else { word })
            });
        let known = known.or_else(|| {
            let at = format!("{concept}/coding/0");
            let oral = r.peek(&format!("{at}/code")) == Some(&Value::from(ORAL))
                && r.peek(&format!("{at}/system")) == Some(&Value::from(SNOMED));
            oral.then(|| {
                r.take(&at);
                Route::Oral
            })
        });
        if let Some(route) = known {
            r.take(&format!("{concept}/text"));
            drug.put("route", Some(route.as_str()));
        }
        let max = format!("{at}/maxDosePerPeriod");
        let per_day = r
            .peek(&format!("{max}/denominator"))
            .is_some_and(|d| d["code"] == "d" && d["value"].to_string().parse() == Ok(1));
        if per_day && let Some((value, unit)) = read_quantity(r, &format!("{max}/numerator")) {
            r.take(&format!("{max}/denominator"));
            f.put("max_per_day", Some(value));
            f.put("dose_unit", Some(unit.as_str()));
        }
    }
}

fn read_taper(r: &mut Reading, f: &mut Fields, count: usize, env: &MapEnv) {
    if let Some(at) = r.extension_at("", "medication-request-period") {
        read_bounds(r, f, &format!("{at}/valuePeriod"));
        r.take(&at);
    }
    f.put("frequency_code", Some(Frequency::Taper.as_str()));
    let mut steps = Vec::new();
    for n in 0..count {
        let at = format!("/dosageInstruction/{n}");
        let Some(step) = r.extension_at(&at, "medication-request-taper-step") else {
            continue;
        };
        let mut fields = Fields::default();
        fields.put(
            "day_from",
            take::part(r, &step, "dayFrom", "valuePositiveInt"),
        );
        fields.put("day_to", take::part(r, &step, "dayTo", "valuePositiveInt"));
        r.take(&step);
        let zero = r.peek(&format!("{at}/doseAndRate/0/doseQuantity")).cloned();
        if let Some((value, unit)) = read_quantity(r, &format!("{at}/doseAndRate/0/doseQuantity")) {
            fields.put("amount", Some(value));
            f.put("dose_unit", Some(unit.as_str()));
        } else if let Some(zero) = zero {
            // A day without: an amount of zero is a step of a taper, too.
            let unit = zero["code"].as_str().and_then(Unit::from_fhir);
            fields.put("amount", zero.get("value").cloned());
            f.put("dose_unit", unit.map(Unit::as_str));
            r.take(&format!("{at}/doseAndRate/0/doseQuantity"));
        }
        let coded = r.peek(&format!("{at}/timing/code")).is_some();
        let frequency = read_frequency(r, &format!("{at}/timing"), env);
        if coded {
            fields.put("frequency_code", frequency.map(Frequency::as_str));
        }
        r.take(&format!("{at}/timing/repeat/boundsPeriod"));
        r.take(&format!("{at}/sequence"));
        if n == 0 {
            f.put("sig_text", take::text(r, &format!("{at}/text"), 1000));
        } else {
            r.take(&format!("{at}/text"));
        }
        steps.push(fields.done());
    }
    f.list("taper_steps", steps);
}
