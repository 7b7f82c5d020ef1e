//! What we wrote, read back: by local codes and by the parts of our identifiers.

use serde_json::{Value, json};

use super::absent;
use crate::issue::Issue;
use crate::record::observation::{Analyte, Finding, Instrument, MeasureKind};
use crate::record::reading::{Fields, Reading};
use crate::record::{Kind, MapEnv};

/// Reads the member that the kind is named after, and tells what was left in the parts.
pub(super) fn read(
    r: &mut Reading,
    bundle: &[Value],
    env: &MapEnv,
    kind: MeasureKind,
    fields: &mut Fields,
) -> Vec<Issue> {
    // What every measure of this kind says by being of this kind.
    r.take("/category/0");
    let mut members = members(r, bundle, env);
    let payload = match kind {
        MeasureKind::Uds => uds(r, env, &mut members),
        MeasureKind::Score | MeasureKind::Withdrawal => score(r, env, &mut members),
        MeasureKind::Lab => lab(r, env),
        MeasureKind::Vital => vital(r),
        MeasureKind::SideEffect => side_effect(r, env),
        MeasureKind::Adherence => adherence(r, env),
        MeasureKind::Outside => Fields::default(),
    };
    fields.put(kind.as_str(), Some(payload.done()));
    members
        .into_iter()
        .flat_map(|member| member.r.leftovers())
        .collect()
}

/// A part of the measure: a resource of its own.
struct Member {
    part: String,
    r: Reading,
}

/// The parts that the principal resource lists, in its order.
fn members(r: &mut Reading, bundle: &[Value], env: &MapEnv) -> Vec<Member> {
    let mut found = Vec::new();
    for n in 0..r.count("/hasMember") {
        let at = format!("/hasMember/{n}");
        let Some(own) = r.peek(&at).and_then(|reference| {
            crate::record::reading::own_id(env, reference, Kind::Observation)
        }) else {
            continue;
        };
        let member = bundle.iter().skip(1).find_map(|resource| {
            let mut member = Reading::begin(resource);
            (member.own_identifier(env, Kind::Observation)? == own).then_some(member)
        });
        if let Some(mut member) = member {
            r.take(&at);
            for said in [
                "/status",
                "/category",
                "/subject",
                "/effectiveDateTime",
                "/effectivePeriod",
                "/performer",
                "/derivedFrom",
            ] {
                member.take(said);
            }
            found.push(Member {
                part: own.1,
                r: member,
            });
        }
    }
    found
}

/// Takes a concept of ours whole, and gives the code that it has in a local list.
fn local(r: &mut Reading, env: &MapEnv, at: &str, list: &str) -> Option<String> {
    let code = r.coding(at, &format!("{}/code/{list}", env.base))?;
    r.take(at);
    Some(code)
}

/// Takes a component of ours, and gives its value.
fn detail(r: &mut Reading, env: &MapEnv, code: &str, value: &str) -> Option<Value> {
    let system = format!("{}/code/measure-detail", env.base);
    let at = (0..r.count("/component"))
        .map(|n| format!("/component/{n}"))
        .find(|at| {
            r.peek(&format!("{at}/code/coding/0"))
                .is_some_and(|c| c["system"] == *system && c["code"] == *code)
        })?;
    r.take(&at)?.pointer(value).cloned()
}

fn uds(r: &mut Reading, env: &MapEnv, members: &mut [Member]) -> Fields {
    let mut uds = Fields::default();
    uds.put("panel", local(r, env, "/code", "panel"));
    uds.put("specimen", specimen(r, env));
    for (field, code, value) in [
        ("specimen_valid", "specimen-valid", "/valueBoolean"),
        ("temp_f", "specimen-temperature", "/valueQuantity/value"),
        ("creatinine", "specimen-creatinine", "/valueQuantity/value"),
        ("observed", "specimen-observed", "/valueBoolean"),
    ] {
        uds.put(field, detail(r, env, code, value));
    }
    let mut analytes = Vec::new();
    for n in 0..members.len() {
        let Some(analyte) = members[n].part.strip_prefix("analyte/").map(str::to_owned) else {
            continue;
        };
        if Analyte::parse(&analyte).is_none() {
            continue;
        }
        let confirm = members
            .iter_mut()
            .find(|m| m.part.strip_prefix("confirm/") == Some(&analyte))
            .map(|m| confirmation(&mut m.r, env));
        let member = &mut members[n].r;
        member.take("/issued");
        member.take("/code");
        let mut one = Fields::default();
        one.put("analyte", Some(analyte));
        one.put("screen", finding(member, env));
        one.put(
            "skipped",
            absent(member, "/dataAbsentReason").map(|a| a.as_str()),
        );
        one.put(
            "cutoff",
            member.take("/referenceRange/0/high").and_then(amount),
        );
        member.exactly("/referenceRange/0/text", "Cutoff of the screen");
        for n in 0..member.count("/interpretation") {
            let at = format!("/interpretation/{n}");
            one.put(
                "consistent_with_rx",
                local(member, env, &at, "consistent-with-rx"),
            );
        }
        one.put("confirm", confirm);
        analytes.push(one.done());
    }
    uds.list("analytes", analytes);
    uds
}

fn confirmation(member: &mut Reading, env: &MapEnv) -> Value {
    let mut confirm = Fields::default();
    member.take("/code");
    confirm.put("result", finding(member, env));
    confirm.put("method", member.text("/method/text"));
    member.take("/issued");
    confirm.put("done_at", detail(member, env, "done-at", "/valueDateTime"));
    confirm.put(
        "value",
        detail(member, env, "level", "/valueQuantity/value"),
    );
    confirm.done()
}

fn finding(member: &mut Reading, env: &MapEnv) -> Option<String> {
    let code = local(member, env, "/valueCodeableConcept", "finding")?;
    let fhir = Finding::parse(&code)?.fhir();
    let v3 = crate::fhir::system::INTERPRETATION;
    if member.peek("/interpretation/0") == Some(&json!({"coding": [{"system": v3, "code": fhir}]}))
    {
        member.take("/interpretation/0");
    }
    Some(code)
}

/// Takes the number out of an amount.
fn amount(quantity: Value) -> Option<Value> {
    quantity.get("value").cloned()
}

fn specimen(r: &mut Reading, env: &MapEnv) -> Option<Value> {
    if !r.exactly("/specimen/reference", "#specimen") {
        return None;
    }
    let mut specimen = Fields::default();
    r.take("/contained/0/resourceType");
    r.take("/contained/0/id");
    r.take("/contained/0/accessionIdentifier/system");
    specimen.put("kind", local(r, env, "/contained/0/type", "specimen"));
    specimen.put(
        "accession",
        r.text("/contained/0/accessionIdentifier/value"),
    );
    specimen.put("received_at", r.text("/contained/0/receivedTime"));
    Some(specimen.done())
}

fn score(r: &mut Reading, env: &MapEnv, members: &mut [Member]) -> Fields {
    let mut score = Fields::default();
    let instrument = local(r, env, "/code", "instrument");
    let summed = instrument
        .as_deref()
        .and_then(Instrument::parse)
        .is_none_or(Instrument::summed);
    score.put("instrument", instrument);
    score.put(
        "edition",
        r.extension("", "observation-edition", "valueString"),
    );
    let mut answers = Vec::new();
    for member in members {
        let reading = &mut member.r;
        reading.take("/code");
        reading.take("/issued");
        if let Some(item) = member.part.strip_prefix("item/") {
            let Ok(item) = item.parse::<u32>() else {
                continue;
            };
            let mut answer = Fields::default();
            answer.put("item", Some(item));
            answer.put("points", reading.take("/valueInteger"));
            let skipped = absent(reading, "/dataAbsentReason");
            answer.put("skipped", skipped.map(|a| a.as_str()));
            answers.push(answer.done());
        } else if member.part == "total" {
            absent(reading, "/dataAbsentReason");
            score.put("total", reading.take("/valueQuantity").and_then(amount));
            let band = if summed {
                "/interpretation/0"
            } else {
                "/valueCodeableConcept"
            };
            score.put("band", local(reading, env, band, "band"));
        }
    }
    score.list("answers", answers);
    score
}

fn lab(r: &mut Reading, env: &MapEnv) -> Fields {
    let mut lab = Fields::default();
    lab.put("test", local(r, env, "/code", "test"));
    let mut unit = None;
    for (field, at) in [
        ("value", "/valueQuantity"),
        ("ref_low", "/referenceRange/0/low"),
        ("ref_high", "/referenceRange/0/high"),
    ] {
        if let Some(quantity) = r.take(at) {
            lab.put(field, quantity.get("value").cloned());
            unit = unit.or_else(|| quantity.get("code").cloned());
            if field == "value" {
                lab.put("comparator", quantity.get("comparator").cloned());
            }
        }
    }
    lab.put("unit", unit);
    let v3 = crate::fhir::system::INTERPRETATION;
    lab.put("flag", r.coding("/interpretation/0", v3));
    lab.put("method", r.text("/method/text"));
    lab.put("trough", detail(r, env, "trough", "/valueBoolean"));
    lab.put(
        "hours_post_dose",
        detail(r, env, "hours-post-dose", "/valueQuantity/value"),
    );
    lab.put("specimen", specimen(r, env));
    lab
}

fn vital(r: &mut Reading) -> Fields {
    use crate::record::observation::Vital;
    let mut vital = Fields::default();
    let code = r.coding("/code", crate::fhir::system::LOINC);
    let sign = code.and_then(|c| Vital::ALL.iter().find(|v| v.loinc() == c));
    r.take("/code");
    vital.put("sign", sign.map(|s| s.as_str()));
    let mut unit = None;
    for (field, at, code) in [
        ("value", "/valueQuantity", None),
        ("systolic", "/component/0", Some("8480-6")),
        ("diastolic", "/component/1", Some("8462-4")),
    ] {
        let place = match code {
            Some(code) => {
                let there = r
                    .peek(&format!("{at}/code/coding/0/code"))
                    .is_some_and(|c| c == code);
                if !there {
                    continue;
                }
                r.take(&format!("{at}/code"));
                format!("{at}/valueQuantity")
            }
            None => at.to_owned(),
        };
        if let Some(quantity) = r.take(&place) {
            vital.put(field, quantity.get("value").cloned());
            unit = unit.or_else(|| quantity.get("code").cloned());
        } else if code.is_some() {
            absent(r, &format!("{at}/dataAbsentReason"));
        }
    }
    vital.put("unit", unit);
    vital
}

fn side_effect(r: &mut Reading, env: &MapEnv) -> Fields {
    let mut effect = Fields::default();
    r.take("/code");
    effect.put("term", r.text("/valueCodeableConcept/text"));
    for (field, code, value) in [
        ("severity", "severity", "/valueInteger"),
        ("onset", "onset", "/valueDateTime"),
        ("action", "action", "/valueCodeableConcept/coding/0/code"),
    ] {
        effect.put(field, detail(r, env, code, value));
    }
    effect
}

fn adherence(r: &mut Reading, env: &MapEnv) -> Fields {
    let mut adherence = Fields::default();
    r.take("/code");
    adherence.put("method", local(r, env, "/method", "adherence-method"));
    adherence.put("pct", r.take("/valueQuantity").and_then(amount));
    for (field, code) in [
        ("doses_expected", "doses-expected"),
        ("doses_taken", "doses-taken"),
        ("window_days", "window-days"),
    ] {
        adherence.put(field, detail(r, env, code, "/valueInteger"));
    }
    adherence
}
