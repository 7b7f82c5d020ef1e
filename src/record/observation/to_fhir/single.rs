//! Measures that are one Observation: a level, a vital sign, a side effect, an adherence check.

use serde_json::{Value, json};

use super::{absent, coded, detail, quantity, specimen};
use crate::fhir::system::{INTERPRETATION, LOINC};
use crate::record::MapEnv;
use crate::record::observation::{Absent, Adherence, Lab, SideEffect, VitalSign};
use crate::record::writing::{Writing, concept, local};

pub(super) fn lab(w: &mut Writing<'_>, env: &MapEnv, lab: &Lab) {
    let test = lab.test;
    let code = coded(env, test.loinc(), "test", test.as_str(), test.words());
    w.set("code", "/lab/test", code);
    let unit = lab.unit.as_deref().unwrap_or(test.unit());
    if let Some(value) = &lab.value {
        w.set("valueQuantity", "/lab/value", quantity(value, unit));
        if let Some(comparator) = &lab.comparator {
            w.set(
                "valueQuantity.comparator",
                "/lab/comparator",
                comparator.as_str(),
            );
        }
    }
    for (end, from, value) in [
        ("low", "/lab/ref_low", &lab.ref_low),
        ("high", "/lab/ref_high", &lab.ref_high),
    ] {
        if let Some(value) = value {
            w.set(
                &format!("referenceRange[0].{end}"),
                from,
                quantity(value, unit),
            );
        }
    }
    if lab.unit.is_some() {
        let place = match (&lab.value, &lab.ref_low) {
            (Some(_), _) => "valueQuantity.unit",
            (None, Some(_)) => "referenceRange[0].low.unit",
            (None, None) => "referenceRange[0].high.unit",
        };
        w.note(place, "/lab/unit");
    }
    if let Some(flag) = lab.flag {
        w.set(
            "interpretation[0]",
            "/lab/flag",
            concept(INTERPRETATION, flag.as_str()),
        );
    }
    w.set_some("method.text", "/lab/method", lab.method.as_deref());
    if let Some(trough) = lab.trough {
        let what = ("trough", "Taken right before a dose");
        detail(w, env, what, ("valueBoolean", json!(trough)), "/lab/trough");
    }
    if let Some(hours) = &lab.hours_post_dose {
        let what = ("hours-post-dose", "Hours since the last dose");
        let value = ("valueQuantity", quantity(hours, "h"));
        detail(w, env, what, value, "/lab/hours_post_dose");
    }
    if let Some(found) = &lab.specimen {
        specimen(w, env, found, "/lab/specimen");
    }
}

pub(super) fn vital(w: &mut Writing<'_>, vital: &VitalSign, not_taken: Option<Absent>) {
    let sign = vital.sign;
    let code = json!({
        "coding": [{"system": LOINC, "code": sign.loinc()}],
        "text": sign.words(),
    });
    w.set("code", "/vital/sign", code);
    let unit = vital.unit.as_deref().unwrap_or(sign.units()[0]);
    if let Some(value) = &vital.value {
        w.set("valueQuantity", "/vital/value", quantity(value, unit));
    }
    if sign.parts() {
        for (n, (code, from, value)) in [
            ("8480-6", "/vital/systolic", &vital.systolic),
            ("8462-4", "/vital/diastolic", &vital.diastolic),
        ]
        .into_iter()
        .enumerate()
        {
            w.fixed(&format!("component[{n}].code"), concept(LOINC, code));
            match value {
                Some(value) => {
                    let value = quantity(value, unit);
                    w.set(&format!("component[{n}].valueQuantity"), from, value);
                }
                None => w.fixed(
                    &format!("component[{n}].dataAbsentReason"),
                    absent(not_taken.unwrap_or(Absent::Unknown)),
                ),
            }
        }
    }
    if vital.unit.is_some() {
        let place = match (&vital.value, &vital.systolic) {
            (Some(_), _) => "valueQuantity.unit",
            (None, Some(_)) => "component[0].valueQuantity.unit",
            (None, None) => "component[1].valueQuantity.unit",
        };
        w.note(place, "/vital/unit");
    }
}

pub(super) fn side_effect(w: &mut Writing<'_>, env: &MapEnv, effect: &SideEffect) {
    w.fixed("code", local(env, "measure", "side-effect", "Side effect"));
    w.set(
        "valueCodeableConcept.text",
        "/side_effect/term",
        effect.term.as_str(),
    );
    let what = ("severity", "Severity, 0 none to 3 severe");
    let value = ("valueInteger", json!(effect.severity));
    detail(w, env, what, value, "/side_effect/severity");
    if let Some(onset) = effect.onset {
        let value = ("valueDateTime", Value::from(onset.to_string()));
        detail(w, env, ("onset", "Since"), value, "/side_effect/onset");
    }
    if let Some(action) = effect.action {
        let value = local(env, "side-effect-action", action.as_str(), action.words());
        let value = ("valueCodeableConcept", value);
        detail(
            w,
            env,
            ("action", "What was done"),
            value,
            "/side_effect/action",
        );
    }
}

pub(super) fn adherence(w: &mut Writing<'_>, env: &MapEnv, adherence: &Adherence) {
    w.fixed(
        "code",
        local(env, "measure", "adherence", "Taken as ordered"),
    );
    let method = adherence.method;
    let method = local(env, "adherence-method", method.as_str(), method.words());
    w.set("method", "/adherence/method", method);
    if let Some(pct) = &adherence.pct {
        w.set("valueQuantity", "/adherence/pct", quantity(pct, "%"));
    }
    for (code, words, from, count) in [
        (
            "doses-expected",
            "Doses due",
            "/adherence/doses_expected",
            adherence.doses_expected,
        ),
        (
            "doses-taken",
            "Doses taken",
            "/adherence/doses_taken",
            adherence.doses_taken,
        ),
        (
            "window-days",
            "Days looked at",
            "/adherence/window_days",
            adherence.window_days,
        ),
    ] {
        if let Some(count) = count {
            detail(w, env, (code, words), ("valueInteger", json!(count)), from);
        }
    }
}
