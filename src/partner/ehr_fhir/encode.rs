//! From checked resources to effects: what one EHR gets of a record, in the order in which it can take
//! it. Pure, at acceptance.
//!
//! A payload is the resource as it was checked, without what the EHR gives itself (`id`,
//! `meta.versionId`, `meta.lastUpdated`), with a hole for every reference to something of ours. Two
//! things may differ from the checked resource, both declared in our profiles: the notice of
//! 42 CFR 2.32 as an extension, and, for a cancel, content left out.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::issue::Issue;
use crate::partner::ehr_fhir::config::{Config, Patients};
use crate::record::MapEnv;
use crate::sync::job::{EffectKind, Find, Hole, NewEffect, Payload, Purpose, payload_hash};
use crate::sync::ports::{CheckedPart, Encoded, Outgoing};

/// The media type of FHIR in JSON.
pub const FHIR_JSON: &str = "application/fhir+json";

/// The extension that carries the notice that accompanies a disclosure (42 CFR 2.32).
pub const NOTICE: &str = "https://fhir-gateway.example/StructureDefinition/redisclosure-notice";

/// What an encoding rests on besides what is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Language<'a> {
    takes: &'a [String],
    patients: Patients,
    patient_system: Option<&'a str>,
}

impl<'a> Language<'a> {
    /// Of an EHR.
    pub fn of(config: &'a Config) -> Self {
        Language {
            takes: &config.takes,
            patients: config.patients,
            patient_system: config.patient_system.as_deref(),
        }
    }
}

/// What this EHR gets.
pub fn encode(config: Language<'_>, out: &Outgoing<'_>) -> Encoded {
    let mut encoded = Encoded::default();
    let mut left_out = BTreeSet::new();
    let parts: Vec<&CheckedPart> = if out.purpose == Purpose::Cancel {
        out.parts.iter().take(1).collect()
    } else {
        in_order(out.parts)
    };
    for part in parts {
        let resource = part.checked.resource();
        if takes(config, resource, out) {
            encoded.effects.push(one(config, out, resource, false));
        } else {
            left_out.insert(kind_of(resource).to_owned());
        }
    }
    for part in members_in_error(out) {
        let resource = part.checked.resource();
        if takes(config, resource, out)
            && let Some(resource) = in_error(resource)
        {
            encoded.effects.push(one(config, out, &resource, true));
        }
    }
    for resource_type in left_out {
        encoded.issues.push(Issue::warning(
            "not-supported",
            "type-not-taken",
            resource_type,
            "the partner does not take this type; nothing of it goes there",
        ));
    }
    if let Some(effect) = patient(config, out, &encoded.effects) {
        encoded.effects.insert(0, effect);
    }
    encoded
}

/// The members that are entered in error: those that older versions had; and where the whole record was
/// entered in error, all that it has.
fn members_in_error<'a>(out: &Outgoing<'a>) -> impl Iterator<Item = &'a CheckedPart> + use<'a> {
    let whole = out.purpose == Purpose::Cancel
        && out
            .parts
            .first()
            .is_some_and(|p| is_in_error(p.checked.resource()));
    let own = if whole { &out.parts[1..] } else { &[] };
    let gone = if out.purpose != Purpose::Cancel || whole {
        out.retracted
    } else {
        &[]
    };
    own.iter().chain(gone)
}

fn is_in_error(resource: &Value) -> bool {
    const WORD: &str = "entered-in-error";
    resource["status"] == WORD
        || resource["lifecycleStatus"] == WORD
        || resource["verificationStatus"]["coding"][0]["code"] == WORD
}

/// Whether the EHR takes it: its type, and for a Provenance that of something it speaks about.
fn takes(config: Language<'_>, resource: &Value, out: &Outgoing<'_>) -> bool {
    let listed = |name: &str| config.takes.iter().any(|t| t == name);
    let name = kind_of(resource);
    if name != "Provenance" || out.record.is_none() {
        return listed(name);
    }
    let about = resource["target"].as_array().is_some_and(|targets| {
        targets
            .iter()
            .filter_map(|t| t["reference"].as_str()?.split_once('/'))
            .any(|(name, _)| listed(name))
    });
    listed(name) && about
}

fn kind_of(resource: &Value) -> &str {
    resource["resourceType"].as_str().unwrap_or_default()
}

/// The patient's effect, first, if anything refers to it.
fn patient(config: Language<'_>, out: &Outgoing<'_>, effects: &[NewEffect]) -> Option<NewEffect> {
    let resource = out.patient?.checked.resource();
    let id = resource["id"].as_str()?;
    if effects.iter().any(|e| e.our_id == id) {
        return None;
    }
    let referred = effects
        .iter()
        .filter_map(|e| e.payload.as_ref())
        .flat_map(|p| &p.holes)
        .any(|h| h.required() && h.our_id == id);
    if !referred {
        return None;
    }
    let mut effect = one(config, out, resource, false);
    effect.kind = EffectKind::Patient;
    if config.patients != Patients::Created || out.purpose == Purpose::Cancel {
        effect.payload = None;
    }
    Some(effect)
}

/// One resource's effect.
fn one(config: Language<'_>, out: &Outgoing<'_>, resource: &Value, retract: bool) -> NewEffect {
    let resource_type = kind_of(resource).to_owned();
    let is_patient = resource_type == "Patient";
    let our_id = resource["id"].as_str().unwrap_or_default().to_owned();
    let notice = out.notice.filter(|_| !is_patient);
    let body = altered(resource, out.purpose == Purpose::Cancel, notice);
    let find = find(config, out.env, &body);
    let mut holes = Vec::new();
    find_holes(&body, Step::Root, &mut holes);
    let bytes = serde_json::to_vec(&Ours(&body)).unwrap_or_default();
    let linked_only = is_patient && config.patients != Patients::Created;
    NewEffect {
        kind: match (retract, linked_only) {
            (true, _) => EffectKind::Retract,
            (false, true) => EffectKind::Patient,
            (false, false) => EffectKind::Upsert,
        },
        resource_type,
        our_id,
        find,
        payload: (!linked_only).then(|| Payload {
            media_type: FHIR_JSON.to_owned(),
            hash: payload_hash(&out.env.key, &bytes, &holes),
            bytes,
            holes,
        }),
    }
}

/// The resource with less or more in it than was checked, where that is declared; most are as they are.
fn altered<'r>(resource: &'r Value, cancel: bool, notice: Option<&str>) -> Cow<'r, Value> {
    if !cancel && notice.is_none() {
        return Cow::Borrowed(resource);
    }
    let mut body = resource.clone();
    if cancel {
        least(&mut body);
    }
    if let Some(notice) = notice {
        add_notice(&mut body, notice);
    }
    Cow::Owned(body)
}

/// A resource, written without what the EHR gives it itself: `id`, `meta.versionId`, `meta.lastUpdated`.
struct Ours<'r>(&'r Value);

impl Serialize for Ours<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        for (name, value) in self.0.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("id", _) => {}
                ("meta", Value::Object(meta)) => {
                    let given = |name: &str| matches!(name, "versionId" | "lastUpdated");
                    let own: Map<String, Value> = meta
                        .iter()
                        .filter(|(name, _)| !given(name))
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect();
                    if !own.is_empty() {
                        out.serialize_entry(name, &own)?;
                    }
                }
                _ => out.serialize_entry(name, value)?,
            }
        }
        out.end()
    }
}

/// How the EHR's copy is found again: by our identifier; a type without one by what it speaks about.
fn find(config: Language<'_>, env: &MapEnv, body: &Value) -> Find {
    let ours = format!("{}/id/", env.base);
    let identifiers: Vec<&Value> = match &body["identifier"] {
        Value::Array(items) => items.iter().collect(),
        Value::Object(_) => vec![&body["identifier"]],
        _ => Vec::new(),
    };
    let by = |wanted: &dyn Fn(&str) -> bool| {
        identifiers.iter().find_map(|i| {
            let system = i["system"].as_str().filter(|s| wanted(s))?;
            Some(Find::Identifier {
                system: system.to_owned(),
                value: i["value"].as_str()?.to_owned(),
            })
        })
    };
    let named = config.patient_system.filter(|_| kind_of(body) == "Patient");
    if let Some(found) = named
        .and_then(|system| by(&|s| s == system))
        .or_else(|| by(&|s| s.starts_with(&ours)))
    {
        return found;
    }
    match (
        kind_of(body),
        body["target"][0]["reference"].as_str(),
        body["recorded"].as_str(),
    ) {
        ("Provenance", Some(target), Some(recorded)) => Find::Search(vec![
            ("target".to_owned(), format!("{{{target}}}")),
            ("recorded".to_owned(), recorded.to_owned()),
        ]),
        _ => Find::None,
    }
}

fn add_notice(body: &mut Value, notice: &str) {
    let extension = json!({"url": NOTICE, "valueString": notice});
    match body.get_mut("extension").and_then(Value::as_array_mut) {
        Some(extensions) => extensions.push(extension),
        None => body["extension"] = json!([extension]),
    }
}

/// A step on the way to a value: written out only where a hole is found.
#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a Step<'a>, &'a str),
    Item(&'a Step<'a>, usize),
}

impl Step<'_> {
    /// As a JSON pointer.
    fn pointer(self) -> String {
        match self {
            Step::Root => String::new(),
            Step::Field(up, name) => {
                format!(
                    "{}/{}",
                    up.pointer(),
                    name.replace('~', "~0").replace('/', "~1")
                )
            }
            Step::Item(up, n) => format!("{}/{n}", up.pointer()),
        }
    }
}

/// Every reference to something of ours: relative, with a type and an id.
fn find_holes(value: &Value, at: Step<'_>, holes: &mut Vec<Hole>) {
    match value {
        Value::Object(fields) => {
            if let Some((resource_type, our_id)) = fields
                .get("reference")
                .and_then(Value::as_str)
                .and_then(local)
            {
                holes.push(Hole {
                    pointer: at.pointer(),
                    resource_type: resource_type.to_owned(),
                    our_id: our_id.to_owned(),
                });
            }
            for (name, child) in fields {
                find_holes(child, Step::Field(&at, name), holes);
            }
        }
        Value::Array(items) => {
            for (n, child) in items.iter().enumerate() {
                find_holes(child, Step::Item(&at, n), holes);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `Type/id` and nothing more.
fn local(reference: &str) -> Option<(&str, &str)> {
    let (resource_type, id) = reference.split_once('/')?;
    let is_type = resource_type.starts_with(|c: char| c.is_ascii_uppercase())
        && resource_type.bytes().all(|b| b.is_ascii_alphabetic());
    let is_id = !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    (is_type && is_id).then_some((resource_type, id))
}

/// What is referred to comes before what refers to it, as far as there is no circle.
fn in_order(parts: &[CheckedPart]) -> Vec<&CheckedPart> {
    let mut open: Vec<(&CheckedPart, Vec<Hole>)> = parts
        .iter()
        .map(|p| {
            let mut holes = Vec::new();
            if parts.len() > 1 {
                find_holes(p.checked.resource(), Step::Root, &mut holes);
            }
            (p, holes)
        })
        .collect();
    let named = |part: &CheckedPart, hole: &Hole| {
        let resource = part.checked.resource();
        resource["id"] == hole.our_id.as_str() && kind_of(resource) == hole.resource_type
    };
    let mut out = Vec::with_capacity(parts.len());
    while !open.is_empty() {
        let free = open.iter().position(|(own, holes)| {
            !open.iter().any(|(other, _)| {
                !std::ptr::eq(*other, *own) && holes.iter().any(|h| named(other, h))
            })
        });
        out.push(open.remove(free.unwrap_or(0)).0);
    }
    out
}

/// The status that says "entered in error", by type; `None` for a type that has none.
fn in_error(resource: &Value) -> Option<Value> {
    let mut resource = resource.clone();
    let fields = resource.as_object_mut()?;
    match fields.get("resourceType")?.as_str()? {
        "Goal" => {
            fields.insert("lifecycleStatus".to_owned(), json!("entered-in-error"));
        }
        "Condition" | "AllergyIntolerance" => {
            let name = fields.get("resourceType")?.as_str()?.to_lowercase();
            let system = match name.as_str() {
                "condition" => "http://terminology.hl7.org/CodeSystem/condition-ver-status",
                _ => "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
            };
            fields.shift_remove("clinicalStatus");
            fields.insert(
                "verificationStatus".to_owned(),
                json!({"coding": [{"system": system, "code": "entered-in-error"}]}),
            );
        }
        _ if fields.contains_key("status") => {
            fields.insert("status".to_owned(), json!("entered-in-error"));
        }
        _ => return None,
    }
    Some(resource)
}

/// The least that identifies it and says how it stands: what R4 demands of the type, our identifier,
/// the status and its reason. A type that is not listed is left as it is.
fn least(body: &mut Value) {
    const ALL: &[&str] = &[
        "resourceType",
        "id",
        "meta",
        "identifier",
        "status",
        "statusReason",
        "lifecycleStatus",
        "verificationStatus",
        "intent",
        "doNotPerform",
        "category",
        "subject",
        "patient",
    ];
    let own: &[&str] = match kind_of(body) {
        "MedicationRequest" | "MedicationDispense" | "MedicationStatement" => {
            &["medicationCodeableConcept", "medicationReference"]
        }
        "Observation" | "DiagnosticReport" => &["code"],
        "Encounter" => &["class"],
        "Consent" => &["scope", "policy", "policyRule"],
        "CarePlan" | "CareTeam" | "Condition" | "EpisodeOfCare" | "Goal" | "ServiceRequest" => &[],
        _ => return,
    };
    let contained = body["medicationReference"]["reference"]
        .as_str()
        .is_some_and(|r| r.starts_with('#'));
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| {
            ALL.contains(&name.as_str())
                || own.contains(&name.as_str())
                || (contained && name == "contained")
        });
        if fields["resourceType"] == "Goal" {
            // R4 demands a description; the client's own words need not go again.
            fields.insert(
                "description".to_owned(),
                json!({"text": "entered in error"}),
            );
        }
        if let Some(meta) = fields.get_mut("meta").and_then(Value::as_object_mut) {
            // It need not pass our profiles any more; its labels stay.
            meta.shift_remove("profile");
        }
    }
}
