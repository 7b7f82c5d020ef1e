//! What an EHR gets of a record.

use super::*;
use crate::partner::ehr_fhir::encode::NOTICE;
use crate::partner::ehr_fhir::fill::fill;
use crate::sync::job::{Find, payload_hash};
use crate::sync::relay;

const URL: &str = "https://ehr.example/fhir";

fn names(encoded: &Encoded) -> Vec<String> {
    encoded
        .effects
        .iter()
        .map(|e| format!("{} {}/{}", e.kind.as_str(), e.resource_type, e.our_id))
        .collect()
}

fn body(effect: &NewEffect) -> Value {
    serde_json::from_slice(&effect.payload.as_ref().expect("payload").bytes).expect("json")
}

#[test]
fn effects_come_in_the_order_of_what_they_refer_to() {
    let encoded = encode(&partner(URL, ""), &panel("72.50"));
    assert_eq!(
        names(&encoded),
        [
            "patient Patient/PAT1",
            "upsert Observation/OBS2",
            "upsert Observation/OBS1",
            "upsert Provenance/PROV1",
        ]
    );
    assert!(encoded.issues.is_empty());
}

#[test]
fn a_payload_is_the_resource_without_what_the_ehr_gives_itself() {
    let encoded = encode(&partner(URL, ""), &panel("72.50"));
    let item = &encoded.effects[1];
    let payload = item.payload.as_ref().expect("payload");
    let golden = concat!(
        r#"{"resourceType":"Observation","identifier":[{"system":"https://clinic.example/id/observation","#,
        r#""value":"M-1/item/1"}],"status":"final","code":{"text":"Canary item"},"subject":{"reference":"#,
        r#""Patient/PAT1","type":"Patient","identifier":{"system":"https://clinic.example/id/client","#,
        r#""value":"C-1001"}},"effectiveDateTime":"2026-11-20","valueQuantity":{"value":72.50,"unit":"mg"}}"#,
    );
    assert_eq!(String::from_utf8_lossy(&payload.bytes), golden);
    assert_eq!(
        payload.hash,
        payload_hash(&MapEnv::example().key, &payload.bytes, &payload.holes)
    );
    let holes: Vec<_> = payload
        .holes
        .iter()
        .map(|h| {
            (
                h.pointer.as_str(),
                h.resource_type.as_str(),
                h.our_id.as_str(),
            )
        })
        .collect();
    assert_eq!(holes, [("/subject", "Patient", "PAT1")]);
    assert_eq!(
        item.find,
        Find::Identifier {
            system: "https://clinic.example/id/observation".into(),
            value: "M-1/item/1".into()
        }
    );
    let panel = body(&encoded.effects[2]);
    assert!(panel.get("id").is_none() && panel.get("meta").is_none());
    assert_eq!(
        encoded.effects[3].find,
        Find::Search(vec![
            ("target".into(), "{Observation/OBS1}".into()),
            ("recorded".into(), "2026-11-24T12:00:00.000-05:00".into()),
        ])
    );
}

#[test]
fn what_the_ehr_does_not_take_makes_no_effect_and_is_told() {
    let reads_only = partner(URL, "takes = [\"Patient\", \"Provenance\"]");
    let encoded = encode(&reads_only, &panel("1"));
    assert!(
        encoded
            .effects
            .iter()
            .all(|e| e.resource_type == "Provenance")
    );
    let paths: Vec<&str> = encoded.issues.iter().map(|i| i.path.as_str()).collect();
    assert_eq!(paths, ["Observation"]);
    assert!(!encoded.issues[0].is_error());
    assert!(!format!("{:?}", encoded.issues).contains("Canary"));
}

#[test]
fn the_patient_is_made_only_where_the_policy_says_so() {
    for (keys, payload) in [
        ("", false),
        ("patients = \"searched\"", false),
        ("patients = \"created\"", true),
        (
            "patients = \"configured\"\n[patient_ids]\nC-1001 = \"p9\"",
            false,
        ),
    ] {
        let encoded = encode(&partner(URL, keys), &panel("1"));
        assert_eq!(encoded.effects[0].kind, EffectKind::Patient);
        assert_eq!(encoded.effects[0].payload.is_some(), payload, "{keys}");
        // The client's own record: written where patients are created, else only found.
        let own = [patient()];
        let encoded = encode(&partner(URL, keys), &own);
        let kind = if payload { "upsert" } else { "patient" };
        assert_eq!(names(&encoded), [format!("{kind} Patient/PAT1")]);
    }
}

#[test]
fn a_cancel_carries_the_least_that_identifies_it() {
    let order = [
        part(
            "",
            json!({
                "resourceType": "MedicationRequest",
                "id": "RX1",
                "meta": {
                    "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-medicationrequest"],
                    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}],
                },
                "identifier": identifier("medication-request", "RX-1"),
                "status": "stopped",
                "statusReason": {"text": "by the prescriber"},
                "intent": "order",
                "medicationCodeableConcept": {"text": "drug"},
                "subject": reference("Patient", "PAT1", "client", "C-1001"),
                "requester": reference("Practitioner", "PRA1", "staff", "S-1"),
                "note": [{"text": "Canary note"}],
                "dosageInstruction": [{"text": "Canary dose"}],
            }),
        ),
        part(
            "provenance",
            json!({
                "resourceType": "Provenance",
                "id": "PROV1",
                "target": [reference("MedicationRequest", "RX1", "medication-request", "RX-1")],
                "recorded": "2026-11-24T12:00:00Z",
                "agent": [{"who": {"display": "x"}}],
            }),
        ),
    ];
    let encoded = encode_as(
        &partner(URL, "patients = \"created\""),
        &order,
        Purpose::Cancel,
        &[],
        None,
    );
    assert_eq!(
        names(&encoded),
        ["patient Patient/PAT1", "upsert MedicationRequest/RX1"]
    );
    assert!(encoded.effects[0].payload.is_none());
    let body = body(&encoded.effects[1]);
    let keys: Vec<&str> = body
        .as_object()
        .expect("object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "resourceType",
            "meta",
            "identifier",
            "status",
            "statusReason",
            "intent",
            "medicationCodeableConcept",
            "subject"
        ]
    );
    assert!(body["meta"].get("profile").is_none());
    assert_eq!(body["meta"]["security"][0]["code"], "42CFRPart2");
    assert!(
        VALIDATOR.certify(body, &[]).is_ok(),
        "it still passes base R4"
    );
}

#[test]
fn what_a_newer_version_lacks_is_entered_in_error() {
    let mut parts = panel("1");
    let gone = [
        parts.remove(2),
        part(
            "goal/1",
            json!({
                "resourceType": "Goal",
                "id": "G1",
                "identifier": identifier("care-plan", "P-1/goal/1"),
                "lifecycleStatus": "active",
                "description": {"text": "goal"},
                "subject": reference("Patient", "PAT1", "client", "C-1001"),
            }),
        ),
        part(
            "problem/1",
            json!({
                "resourceType": "Condition",
                "id": "CO1",
                "identifier": identifier("evaluation", "E-1/problem/1"),
                "clinicalStatus": {"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
                "subject": reference("Patient", "PAT1", "client", "C-1001"),
            }),
        ),
        part("provenance", parts[1].checked.resource().clone()),
    ];
    let encoded = encode_as(&partner(URL, ""), &[], Purpose::Copy, &gone, None);
    let retracted: Vec<String> = names(&encoded)
        .into_iter()
        .filter(|n| n.starts_with("retract"))
        .collect();
    assert_eq!(
        retracted,
        [
            "retract Observation/OBS2",
            "retract Goal/G1",
            "retract Condition/CO1"
        ]
    );
    for effect in encoded
        .effects
        .iter()
        .filter(|e| e.kind == EffectKind::Retract)
    {
        let body = body(effect);
        assert!(body.to_string().contains("entered-in-error"));
        assert!(
            VALIDATOR.certify(body, &[]).is_ok(),
            "{}",
            effect.resource_type
        );
    }
}

#[test]
fn the_notice_goes_with_what_is_disclosed() {
    let encoded = encode_as(
        &partner(URL, "patients = \"created\""),
        &panel("1"),
        Purpose::Copy,
        &[],
        Some("the notice"),
    );
    for effect in &encoded.effects {
        let has = body(effect)["extension"].as_array().is_some_and(|e| {
            e.iter()
                .any(|e| e["url"] == NOTICE && e["valueString"] == "the notice")
        });
        assert_eq!(has, effect.resource_type != "Patient");
        assert!(VALIDATOR.certify(body(effect), &[]).is_ok());
    }
}

#[test]
fn a_circle_of_references_still_comes_out_whole() {
    let observation = |id: &str, other: &str| {
        part(
            id,
            json!({
                "resourceType": "Observation",
                "id": id,
                "identifier": identifier("observation", id),
                "status": "final",
                "code": {"text": "x"},
                "valueString": "y",
                "derivedFrom": [reference("Observation", other, "observation", other)],
            }),
        )
    };
    let parts = [observation("A", "B"), observation("B", "A")];
    let encoded = encode(&partner(URL, ""), &parts);
    assert_eq!(
        names(&encoded),
        ["upsert Observation/A", "upsert Observation/B"]
    );
}

/// Their literal reference, as the crosswalk would have it.
fn rows_for(effect: &NewEffect) -> Rows {
    let holes = &effect.payload.as_ref().expect("payload").holes;
    holes
        .iter()
        .map(|h| {
            let name = (h.resource_type.clone(), h.our_id.clone());
            (name, (format!("their-{}", h.our_id), None))
        })
        .collect()
}

#[test]
fn a_relayed_resource_leaves_with_all_it_came_with() {
    let env = MapEnv::example();
    let ehr = partner(
        URL,
        "takes = [\"MedicationRequest\", \"Observation\", \"CarePlan\"]",
    );
    for file in ["MedicationRequest", "Observation", "CarePlan"] {
        let Some(resources) = crate::fhir::shared::corpus(file) else {
            continue;
        };
        let (mut carried, mut kept_out) = (0, 0);
        for (n, mut resource) in resources.into_iter().enumerate() {
            resource["id"] = json!(format!("c{n}"));
            let relayed = relay::relay(&resource, &PartnerId::new("a"), &env, &|_, _| None);
            let relayed = relayed.expect("relayed");
            let Ok(checked) = VALIDATOR.certify(relayed.resource.clone(), &[]) else {
                kept_out += 1;
                continue;
            };
            let part = CheckedPart {
                part: String::new(),
                checked,
            };
            let effect = encode(&ehr, &[part]).effects.pop().expect("an effect");
            assert_eq!(effect.our_id, relayed.our_id);
            assert!(matches!(effect.find, Find::Identifier { .. }));
            let sent = fill(
                effect.payload.as_ref().expect("payload"),
                &rows_for(&effect),
            );
            let mut expected = relayed.resource;
            expected.as_object_mut().expect("object").shift_remove("id");
            if let Some(meta) = expected.get_mut("meta").and_then(Value::as_object_mut) {
                meta.shift_remove("versionId");
                meta.shift_remove("lastUpdated");
                if meta.is_empty() {
                    expected
                        .as_object_mut()
                        .expect("object")
                        .shift_remove("meta");
                }
            }
            for need in &relayed.needs {
                let name = format!("{}/{}\"", need.resource_type, need.our_id);
                let theirs = format!("{}/their-{}\"", need.resource_type, need.our_id);
                expected = serde_json::from_str(&expected.to_string().replace(&name, &theirs))
                    .expect("json");
            }
            assert_eq!(sent.expect("filled").value(), expected);
            carried += 1;
        }
        eprintln!("{file}: {carried} carried, {kept_out} kept out by base R4");
        assert!(carried > kept_out * 10, "{file}");
    }
}
