//! Measure → Observation, with its parts. Pure; the other way is in `from_fhir`.
//!
//! This file writes what all measures share; the neighbours write what each kind adds.

mod outside;
mod panel;
mod single;

use serde_json::{Value, json};

use crate::decimal::Decimal;
use crate::fhir::system::{DATA_ABSENT, LOINC, OBSERVATION_CATEGORY, UCUM};
use crate::issue::Issue;
use crate::record::observation::{Absent, MeasureKind, Observation, Specimen, Test};
use crate::record::writing::{Writing, concept, local, local_coding};
use crate::record::{Context, Kind, MapEnv, Mapped};

/// Our profile of an Observation.
pub const PROFILE: &str = "https://fhir-gateway.example/StructureDefinition/iop-observation";

/// What every part of a measure needs to be written.
struct Measure<'a> {
    record: &'a Observation,
    client: Option<&'a str>,
    env: &'a MapEnv,
    /// Parts that the principal resource lists, with the field that made each.
    members: Vec<(String, String)>,
}

/// The principal Observation, then its members.
#[must_use]
pub fn to_fhir(record: &Observation, context: &Context, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let named = context.client.as_ref().map(|c| c.client_no.as_str());
    let mut measure = Measure {
        record,
        client: named.or(record.client_no.as_deref()),
        env,
        members: Vec::new(),
    };
    if measure.client.is_none() {
        mapped.issues.push(Issue::error(
            "required",
            "client-unknown",
            "/client_no",
            "neither the record nor its episode says whom it is about",
        ));
    }
    let mut parts = Mapped::default();
    if let Some(uds) = &record.uds {
        panel::analytes(&mut measure, &mut parts, uds);
    }
    for (score, at) in [
        (&record.score, "/score"),
        (&record.withdrawal, "/withdrawal"),
    ] {
        if let Some(score) = score {
            panel::items(&mut measure, &mut parts, score, at);
        }
    }
    principal(&measure, &mut mapped);
    mapped.resources.append(&mut parts.resources);
    mapped.made.append(&mut parts.made);
    mapped
}

fn principal(measure: &Measure<'_>, mapped: &mut Mapped) {
    let Measure { record, env, .. } = *measure;
    let mut w = measure.begin(mapped, "");
    w.version("/version", record.version);
    if let Some(id) = &record.episode_id {
        let to = env.reference("EpisodeOfCare", Kind::Episode, id, "");
        w.extend(
            "",
            "observation-episode",
            ("valueReference", to),
            "/episode_id",
        );
    }
    if let Some(id) = &record.order_no {
        let to = env.reference("MedicationRequest", Kind::MedicationRequest, id, "");
        w.extend("", "observation-order", ("valueReference", to), "/order_no");
    }
    let at = w.count("category");
    let kind = local(env, "measure-kind", record.kind.as_str(), "Kind of measure");
    w.set(&format!("category[{at}]"), "/kind", kind);
    w.set_some("note[0].text", "/note", record.note.as_deref());
    match (&record.uds, &record.lab, &record.vital) {
        (Some(uds), _, _) => panel::uds(&mut w, env, uds),
        (_, Some(lab), _) => single::lab(&mut w, env, lab),
        (_, _, Some(vital)) => single::vital(&mut w, vital, record.not_taken),
        _ => {}
    }
    for (score, at) in [
        (&record.score, "/score"),
        (&record.withdrawal, "/withdrawal"),
    ] {
        if let Some(score) = score {
            panel::score(&mut w, env, score, at);
        }
    }
    if let Some(effect) = &record.side_effect {
        single::side_effect(&mut w, env, effect);
    }
    if let Some(adherence) = &record.adherence {
        single::adherence(&mut w, env, adherence);
    }
    if let Some(outside) = &record.outside {
        outside::write(&mut w, outside);
    }
    if let Some(why) = record.not_taken {
        w.set("dataAbsentReason", "/not_taken", absent(why));
    }
    for (n, (part, from)) in measure.members.iter().enumerate() {
        let to = env.reference("Observation", Kind::Observation, &record.measure_id, part);
        w.set(&format!("hasMember[{n}]"), from, to);
    }
    w.end();
}

impl Measure<'_> {
    /// Begins a resource of this measure with what all of them share.
    fn begin<'m>(&self, mapped: &'m mut Mapped, part: &str) -> Writing<'m> {
        let Measure { record, env, .. } = *self;
        let coordinates = (Kind::Observation, record.measure_id.as_str(), part);
        let mut w = Writing::begin(mapped, "Observation", env, coordinates, "/measure_id");
        w.profiles(Some(PROFILE), us_core(record));
        w.set("status", "/status", record.status.fhir());
        if let Some(category) = category(record) {
            w.set(
                "category[0]",
                "/kind",
                concept(OBSERVATION_CATEGORY, category),
            );
        }
        if let Some(client) = self.client {
            let from = match record.episode_id {
                Some(_) => "/episode_id",
                None => "/client_no",
            };
            w.set(
                "subject",
                from,
                env.reference("Patient", Kind::Client, client, ""),
            );
            if record.client_no.is_some() && from != "/client_no" {
                w.note("subject", "/client_no");
            }
        }
        match (&record.taken_at, &record.taken_until) {
            (Some(from), None) => w.set("effectiveDateTime", "/taken_at", from.text()),
            (from, until) => {
                let text = |w: &Option<super::When>| w.as_ref().map(|w| w.text().to_owned());
                w.set_some("effectivePeriod.start", "/taken_at", text(from));
                w.set_some("effectivePeriod.end", "/taken_until", text(until));
            }
        }
        let reported = record.reported_at.as_ref().map(|i| i.text());
        w.set_some("issued", "/reported_at", reported);
        let mut by = |from: &str, to: Value| {
            let at = w.count("performer");
            w.set(&format!("performer[{at}]"), from, to);
        };
        if let Some(id) = &record.by_staff {
            by(
                "/by_staff",
                env.reference("Practitioner", Kind::Staff, id, ""),
            );
        }
        if let Some(id) = &record.by_lab {
            by(
                "/by_lab",
                env.reference("Organization", Kind::Laboratory, id, ""),
            );
        }
        match (record.by_client, self.client) {
            (Some(true), Some(client)) => {
                by(
                    "/by_client",
                    env.reference("Patient", Kind::Client, client, ""),
                );
            }
            (Some(_), _) => w.note("performer", "/by_client"),
            (None, _) => {}
        }
        w
    }

    /// Notes that the principal resource lists a part.
    fn member(&mut self, part: String, from: &str) {
        self.members.push((part, from.to_owned()));
    }
}

/// FHIR's category of a measure; what came from outside brings its own.
fn category(record: &Observation) -> Option<&'static str> {
    Some(match record.kind {
        MeasureKind::Lab if is_qtc(record) => "procedure",
        MeasureKind::Uds | MeasureKind::Lab => "laboratory",
        MeasureKind::Vital => "vital-signs",
        MeasureKind::Score | MeasureKind::Withdrawal | MeasureKind::Adherence => "survey",
        MeasureKind::SideEffect => "exam",
        MeasureKind::Outside => return None,
    })
}

/// The US Core profile that a measure meets.
fn us_core(record: &Observation) -> Option<&'static str> {
    Some(match record.kind {
        MeasureKind::Lab if is_qtc(record) => "us-core-observation-clinical-result",
        MeasureKind::Uds | MeasureKind::Lab => "us-core-observation-lab",
        MeasureKind::Vital => record.vital.as_ref()?.sign.us_core(),
        MeasureKind::Score => "us-core-observation-screening-assessment",
        MeasureKind::Withdrawal | MeasureKind::Adherence | MeasureKind::SideEffect => {
            "us-core-simple-observation"
        }
        MeasureKind::Outside => return None,
    })
}

fn is_qtc(record: &Observation) -> bool {
    record.lab.as_ref().is_some_and(|l| l.test == Test::Qtc)
}

/// R4's concept of why a value is missing.
fn absent(why: Absent) -> Value {
    concept(DATA_ABSENT, why.fhir())
}

/// An amount in a UCUM unit.
fn quantity(value: &Decimal, unit: &str) -> Value {
    json!({"value": value.number(), "unit": unit, "system": UCUM, "code": unit})
}

/// A code of a local list with words, the LOINC code before it where one is verified.
fn coded(env: &MapEnv, loinc: Option<&str>, list: &str, code: &str, words: &str) -> Value {
    let mut codings: Vec<Value> = loinc
        .map(|c| json!({"system": LOINC, "code": c}))
        .into_iter()
        .collect();
    codings.push(local_coding(env, list, code));
    json!({"coding": codings, "text": words})
}

/// Adds a component with a local code and one value.
fn detail(
    w: &mut Writing<'_>,
    env: &MapEnv,
    (code, words): (&str, &str),
    (key, value): (&str, Value),
    from: &str,
) {
    let at = w.count("component");
    w.fixed(
        &format!("component[{at}].code"),
        local(env, "measure-detail", code, words),
    );
    w.set(&format!("component[{at}].{key}"), from, value);
}

/// The specimen, contained.
fn specimen(w: &mut Writing<'_>, env: &MapEnv, specimen: &Specimen, at: &str) {
    w.fixed(
        "contained[0]",
        json!({"resourceType": "Specimen", "id": "specimen"}),
    );
    w.set("specimen.reference", at, "#specimen");
    if let Some(number) = &specimen.accession {
        let system = format!("{}/id/accession", env.base);
        w.set(
            "contained[0].accessionIdentifier",
            &format!("{at}/accession"),
            json!({"system": system, "value": number}),
        );
    }
    if let Some(kind) = specimen.kind {
        let kind = local(env, "specimen", kind.as_str(), kind.words());
        w.set("contained[0].type", &format!("{at}/kind"), kind);
    }
    if let Some(received) = &specimen.received_at {
        let from = format!("{at}/received_at");
        w.set("contained[0].receivedTime", &from, received.text());
    }
}
