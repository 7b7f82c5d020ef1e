//! Panels: a drug screen with its analytes, a questionnaire with its items.
//!
//! A panel has no value of its own; each member is an Observation of its own.

use serde_json::{Value, json};

use super::{Measure, absent, coded, detail, quantity, specimen};
use crate::fhir::system::{INTERPRETATION, UCUM};
use crate::record::medication_request::YesNo;
use crate::record::observation::{Absent, AnalyteResult, Finding, Score, Uds};
use crate::record::writing::{Writing, concept, local};
use crate::record::{Kind, MapEnv, Mapped};

/// What the panel of a drug screen says itself.
pub(super) fn uds(w: &mut Writing<'_>, env: &MapEnv, uds: &Uds) {
    let panel = uds.panel;
    let code = coded(env, panel.loinc(), "panel", panel.as_str(), panel.words());
    w.set("code", "/uds/panel", code);
    if let Some(found) = &uds.specimen {
        specimen(w, env, found, "/uds/specimen");
    }
    if let Some(valid) = uds.specimen_valid {
        let what = ("specimen-valid", "Specimen valid");
        detail(
            w,
            env,
            what,
            ("valueBoolean", json!(valid)),
            "/uds/specimen_valid",
        );
    }
    if let Some(temp) = &uds.temp_f {
        let what = ("specimen-temperature", "Specimen temperature");
        let value = ("valueQuantity", quantity(temp, "[degF]"));
        detail(w, env, what, value, "/uds/temp_f");
    }
    if let Some(creatinine) = &uds.creatinine {
        let what = ("specimen-creatinine", "Creatinine in the specimen");
        let value = ("valueQuantity", quantity(creatinine, "mg/dL"));
        detail(w, env, what, value, "/uds/creatinine");
    }
    if let Some(observed) = uds.observed {
        let what = ("specimen-observed", "Collection observed");
        detail(
            w,
            env,
            what,
            ("valueBoolean", json!(observed)),
            "/uds/observed",
        );
    }
}

/// The members of a drug screen: `analyte/<code>`, and `confirm/<code>` derived from it.
pub(super) fn analytes(measure: &mut Measure<'_>, mapped: &mut Mapped, uds: &Uds) {
    for (n, result) in uds.analytes.iter().enumerate() {
        let at = format!("/uds/analytes/{n}");
        let analyte = result.analyte;
        let part = format!("analyte/{}", analyte.as_str());
        screen(measure, mapped, result, &part, &at);
        measure.member(part.clone(), &format!("{at}/analyte"));
        if result.confirm.is_some() {
            let confirm = format!("confirm/{}", analyte.as_str());
            confirmation(measure, mapped, result, (&confirm, &part), &at);
            measure.member(confirm, &format!("{at}/confirm"));
        }
    }
}

fn screen(
    measure: &Measure<'_>,
    mapped: &mut Mapped,
    result: &AnalyteResult,
    part: &str,
    at: &str,
) {
    let env = measure.env;
    let analyte = result.analyte;
    let mut w = measure.begin(mapped, part);
    let (loinc, _) = analyte.loinc();
    let code = coded(env, loinc, "analyte", analyte.as_str(), analyte.words());
    w.set("code", &format!("{at}/analyte"), code);
    if let Some(found) = result.screen {
        finding(&mut w, env, found, &format!("{at}/screen"));
    }
    if let Some(why) = result.skipped {
        w.set("dataAbsentReason", &format!("{at}/skipped"), absent(why));
    }
    if let Some(fits) = result.consistent_with_rx {
        let place = format!("interpretation[{}]", w.count("interpretation"));
        let words = match fits {
            YesNo::Yes => "Consistent with what is prescribed",
            YesNo::No => "Not consistent with what is prescribed",
        };
        let value = local(env, "consistent-with-rx", fits.as_str(), words);
        w.set(&place, &format!("{at}/consistent_with_rx"), value);
    }
    if let Some(cutoff) = &result.cutoff {
        let from = format!("{at}/cutoff");
        w.set("referenceRange[0].high", &from, quantity(cutoff, "ng/mL"));
        w.fixed("referenceRange[0].text", "Cutoff of the screen");
    }
    w.end();
}

fn confirmation(
    measure: &Measure<'_>,
    mapped: &mut Mapped,
    result: &AnalyteResult,
    (part, screen): (&str, &str),
    at: &str,
) {
    let Some(confirm) = &result.confirm else {
        return;
    };
    let (env, analyte) = (measure.env, result.analyte);
    let mut w = measure.begin(mapped, part);
    let (_, loinc) = analyte.loinc();
    let words = format!("{}, confirmation", analyte.words());
    let code = coded(env, loinc, "analyte-confirm", analyte.as_str(), &words);
    w.set("code", &format!("{at}/analyte"), code);
    finding(&mut w, env, confirm.result, &format!("{at}/confirm/result"));
    w.set_some(
        "method.text",
        &format!("{at}/confirm/method"),
        confirm.method.as_deref(),
    );
    if let Some(done) = &confirm.done_at {
        let value = ("valueDateTime", Value::from(done.text()));
        let from = format!("{at}/confirm/done_at");
        detail(&mut w, env, ("done-at", "Done"), value, &from);
    }
    if let Some(value) = &confirm.value {
        let from = format!("{at}/confirm/value");
        let value = ("valueQuantity", quantity(value, "ng/mL"));
        detail(&mut w, env, ("level", "Level"), value, &from);
    }
    let id = &measure.record.measure_id;
    let to = env.reference("Observation", Kind::Observation, id, screen);
    w.set("derivedFrom[0]", &format!("{at}/confirm"), to);
    w.end();
}

fn finding(w: &mut Writing<'_>, env: &MapEnv, found: Finding, from: &str) {
    let value = local(env, "finding", found.as_str(), found.words());
    w.set("valueCodeableConcept", from, value);
    w.set(
        "interpretation[0]",
        from,
        concept(INTERPRETATION, found.fhir()),
    );
}

/// What the panel of a questionnaire says itself.
pub(super) fn score(w: &mut Writing<'_>, env: &MapEnv, score: &Score, at: &str) {
    let instrument = score.instrument;
    let (loinc, _) = instrument.loinc();
    let code = coded(
        env,
        loinc,
        "instrument",
        instrument.as_str(),
        instrument.words(),
    );
    w.set("code", &format!("{at}/instrument"), code);
    if let Some(edition) = &score.edition {
        let value = ("valueString", json!(edition));
        w.extend("", "observation-edition", value, &format!("{at}/edition"));
    }
}

/// The members of a questionnaire: `item/<n>`, and `total`.
pub(super) fn items(measure: &mut Measure<'_>, mapped: &mut Mapped, score: &Score, at: &str) {
    let (env, instrument) = (measure.env, score.instrument);
    for (n, answer) in score.answers.iter().enumerate() {
        let at = format!("{at}/answers/{n}");
        let part = format!("item/{}", answer.item);
        let mut w = measure.begin(mapped, &part);
        let name = format!("{}-{}", instrument.as_str(), answer.item);
        let words = format!("{}, item {}", instrument.words(), answer.item);
        let loinc = instrument.item_loinc(answer.item);
        w.set(
            "code",
            &format!("{at}/item"),
            coded(env, loinc, "item", &name, &words),
        );
        w.set_some("valueInteger", &format!("{at}/points"), answer.points);
        if let Some(why) = answer.skipped {
            w.set("dataAbsentReason", &format!("{at}/skipped"), absent(why));
        }
        w.end();
        measure.member(part, &format!("{at}/item"));
    }
    let nothing = score.total.is_none() && score.band.is_none();
    if nothing && (!instrument.summed() || score.answers.is_empty()) {
        return;
    }
    let mut w = measure.begin(mapped, "total");
    let (_, loinc) = instrument.loinc();
    let words = format!("{}, result", instrument.words());
    let code = coded(env, loinc, "instrument-result", instrument.as_str(), &words);
    w.set("code", &format!("{at}/instrument"), code);
    let band = score.band.as_deref().map(|b| local(env, "band", b, b));
    let band_from = format!("{at}/band");
    if instrument.summed() {
        match score.total {
            Some(total) => w.set("valueQuantity", &format!("{at}/total"), points(total)),
            None => w.fixed("dataAbsentReason", absent(Absent::Unknown)),
        }
        w.set_some("interpretation[0]", &band_from, band);
    } else {
        w.set_some("valueCodeableConcept", &band_from, band);
    }
    w.end();
    let from = if score.total.is_some() {
        "total"
    } else {
        "band"
    };
    let from = if nothing {
        at.to_owned()
    } else {
        format!("{at}/{from}")
    };
    measure.member("total".to_owned(), &from);
}

fn points(total: i64) -> Value {
    json!({"value": total, "unit": "{score}", "system": UCUM, "code": "{score}"})
}
