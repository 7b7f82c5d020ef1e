//! Observation → measure: our own come back as what they were, all others as `outside`, as far as it
//! goes; what has no place is told as `not-mapped`.
//!
//! Reads, never decides: whose it is and whether it may come in is settled elsewhere.

mod ours;
mod outside;

use serde_json::Value;

use crate::issue::Issue;
use crate::record::observation::{Absent, MeasureKind, Status};
use crate::record::reading::{Fields, Reading, foreign_id, wrong_type};
use crate::record::{FromFhir, Kind, MapEnv};

/// Reads the first resource, an Observation; its members stand behind it.
///
/// # Errors
/// One issue, if the first resource is not an Observation or has no status that R4 knows.
pub fn from_fhir(bundle: &[Value], env: &MapEnv) -> Result<FromFhir, Vec<Issue>> {
    let Some(first) = bundle.first() else {
        return Err(wrong_type());
    };
    if first["resourceType"] != "Observation" {
        return Err(wrong_type());
    }
    let mut r = Reading::begin(first);
    let mut fields = Fields::default();
    let own = r.own_identifier(env, Kind::Observation);
    let kind = own.as_ref().and_then(|_| kind(&mut r, env));
    let id = match own {
        Some((id, _)) if kind.is_some() => id,
        _ => foreign_id(env, Kind::Observation, first),
    };
    fields.put("measure_id", Some(id));
    fields.put("version", Some(r.version()));
    let Some(status) = r.text("/status").as_deref().and_then(Status::of_fhir) else {
        return Err(vec![Issue::error(
            "code-invalid",
            "observation-status",
            "Observation.status",
            "not a status of an Observation",
        )]);
    };
    fields.put("status", Some(status.as_str()));
    fields.put("kind", Some(kind.unwrap_or(MeasureKind::Outside).as_str()));
    shared(&mut r, env, &mut fields);
    let mut issues = match kind {
        None | Some(MeasureKind::Outside) => {
            fields.put("outside", Some(outside::read(&mut r)));
            Vec::new()
        }
        Some(kind) => ours::read(&mut r, bundle, env, kind, &mut fields),
    };
    let mut left = r.leftovers();
    left.append(&mut issues);
    Ok(FromFhir {
        record: fields.done(),
        context: Value::Object(serde_json::Map::new()),
        issues: left,
    })
}

/// Takes the category that says which kind of measure of ours it is.
fn kind(r: &mut Reading, env: &MapEnv) -> Option<MeasureKind> {
    let system = format!("{}/code/measure-kind", env.base);
    (0..r.count("/category")).find_map(|n| {
        let code = r.coding(&format!("/category/{n}"), &system)?;
        r.take(&format!("/category/{n}"));
        MeasureKind::parse(&code)
    })
}

/// Reads what all measures share.
fn shared(r: &mut Reading, env: &MapEnv, fields: &mut Fields) {
    let id = |at: Option<Value>, kind| {
        let reference = at?;
        crate::record::reading::own_id(env, &reference, kind).map(|(id, _)| id)
    };
    let episode = id(
        r.extension("", "observation-episode", "valueReference"),
        Kind::Episode,
    );
    let order = id(
        r.extension("", "observation-order", "valueReference"),
        Kind::MedicationRequest,
    );
    let client = r.own_reference(env, "/subject", Kind::Client).map(|c| c.0);
    if episode.is_none() {
        fields.put("client_no", client.clone());
    }
    fields.put("episode_id", episode);
    fields.put("order_no", order);
    when(r, fields);
    for n in 0..r.count("/performer") {
        let at = format!("/performer/{n}");
        for (field, kind) in [("by_staff", Kind::Staff), ("by_lab", Kind::Laboratory)] {
            if let Some((id, _)) = r.own_reference(env, &at, kind) {
                fields.put(field, Some(id));
            }
        }
        if r.own_reference(env, &at, Kind::Client).is_some() {
            fields.put("by_client", Some(true));
        }
    }
    if r.count("/note") == 1 {
        fields.put("note", r.text("/note/0/text"));
    }
    if let Some(why) = absent(r, "/dataAbsentReason") {
        fields.put("not_taken", Some(why.as_str()));
    }
}

/// Reads when it was taken and reported; a text that is no date or moment stays where it is.
fn when(r: &mut Reading, fields: &mut Fields) {
    for (at, field) in [
        ("/effectiveDateTime", "taken_at"),
        ("/effectiveInstant", "taken_at"),
        ("/effectivePeriod/start", "taken_at"),
        ("/effectivePeriod/end", "taken_until"),
    ] {
        let fits = r
            .peek(at)
            .and_then(Value::as_str)
            .is_some_and(|text| crate::record::observation::When::parse(text).is_some());
        if fits {
            fields.put(field, r.text(at));
        }
    }
    let issued = r.peek("/issued").and_then(Value::as_str);
    if issued.is_some_and(|text| crate::clock::Instant::parse(text).is_some()) {
        fields.put("reported_at", r.text("/issued"));
    }
}

/// Takes a reason why a value is missing, if it is nothing but one of R4's codes that we know.
fn absent(r: &mut Reading, at: &str) -> Option<Absent> {
    let concept = r.peek(at)?;
    let codings = concept["coding"].as_array()?;
    let [coding] = codings.as_slice() else {
        return None;
    };
    let plain = concept.as_object()?.len() == 1
        && coding["system"] == crate::fhir::system::DATA_ABSENT
        && coding.as_object()?.len() == 2;
    let why = Absent::of_fhir(coding["code"].as_str()?)?;
    plain.then(|| {
        r.take(at);
        why
    })
}
