//! Something of each type that the corpus refers to, so that a reference can be followed.

use serde_json::{Value, json};

/// The types of the stand-ins, and of the corpus itself.
pub(super) const TYPES: [&str; 20] = [
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "Encounter",
    "Medication",
    "MedicationRequest",
    "Coverage",
    "CarePlan",
    "CareTeam",
    "Goal",
    "Condition",
    "Observation",
    "QuestionnaireResponse",
    "Specimen",
    "DocumentReference",
    "MolecularSequence",
    "Group",
    "Substance",
];

/// The stand-ins, those that others refer to first.
pub(super) fn resources() -> Vec<Value> {
    let about = json!({"reference": "Patient/stand-in"});
    let text = json!({"text": "A stand-in"});
    TYPES
        .iter()
        .map(|t| {
            let mut one = json!({"resourceType": t, "id": "stand-in"});
            let more = match *t {
                "Organization" => json!({"name": "A stand-in"}),
                "Encounter" => json!({"status": "finished", "class": {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}}),
                "MedicationRequest" => json!({"status": "completed", "intent": "order",
                    "medicationCodeableConcept": text, "subject": about}),
                "Coverage" => json!({"status": "active", "beneficiary": about,
                    "payor": [{"reference": "Organization/stand-in"}]}),
                "CarePlan" => json!({"status": "active", "intent": "plan", "subject": about}),
                "Goal" => {
                    json!({"lifecycleStatus": "active", "description": text, "subject": about})
                }
                "Condition" => json!({"subject": about, "clinicalStatus": {"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                    "code": "active"}]}}),
                "Observation" => json!({"status": "final", "code": text, "subject": about,
                    "valueString": "A stand-in"}),
                "QuestionnaireResponse" => json!({"status": "completed"}),
                "DocumentReference" => json!({"status": "current",
                    "content": [{"attachment": {"title": "A stand-in"}}]}),
                "MolecularSequence" => json!({"coordinateSystem": 0}),
                "Group" => json!({"type": "person", "actual": true}),
                "Substance" => json!({"code": text}),
                _ => json!({}),
            };
            for (name, value) in more.as_object().into_iter().flatten() {
                one[name] = value.clone();
            }
            one
        })
        .collect()
}

/// The resource with a stand-in in the place of everything that it refers to, contained resources
/// aside.
pub(super) fn with_stand_ins(resource: &Value) -> Value {
    let mut out = resource.clone();
    replace(&mut out, "");
    out
}

fn replace(value: &mut Value, element: &str) {
    match value {
        Value::Object(fields) => {
            let stand_in = fields
                .get("reference")
                .and_then(Value::as_str)
                .filter(|r| !r.starts_with('#'))
                .map(|r| format!("{}/stand-in", named(r).unwrap_or_else(|| usual(element))));
            if let Some(stand_in) = stand_in {
                fields.insert("reference".to_owned(), Value::from(stand_in));
            }
            for (name, child) in fields.iter_mut() {
                replace(child, name);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, element)),
        _ => {}
    }
}

/// The type that a reference names.
fn named(reference: &str) -> Option<&'static str> {
    let mut steps = reference.split(['/', '?']);
    steps.find_map(|step| TYPES.iter().find(|t| **t == step).copied())
}

/// The type that an element usually refers to, where the reference does not say.
fn usual(element: &str) -> &'static str {
    match element {
        "encounter" => "Encounter",
        "requester" | "performer" | "author" => "Practitioner",
        "reasonReference" | "addresses" => "Condition",
        "careTeam" => "CareTeam",
        "goal" => "Goal",
        "location" => "Location",
        "derivedFrom" => "QuestionnaireResponse",
        "medicationReference" => "Medication",
        _ => "Patient",
    }
}

/// Type and id of a reference to a stand-in.
pub(super) fn local(reference: &str) -> Option<(&'static str, &str)> {
    let (t, id) = reference.split_once('/')?;
    let t = TYPES.iter().find(|known| **known == t)?;
    (id == "stand-in").then_some((*t, id))
}
