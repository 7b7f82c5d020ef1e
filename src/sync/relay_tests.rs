//! A relay changes nothing but id, identifier and references.

use proptest::prelude::*;

use super::*;

fn source() -> PartnerId {
    PartnerId::new("ehr-a")
}

fn plain(resource: &Value) -> Relayed {
    relay(resource, &source(), &MapEnv::example(), &|_, _| None).expect("relayed")
}

/// Whether `after` is `before` with references rewritten and nothing else; digits of numbers as text.
fn only_references(before: &Value, after: &Value) -> Result<(), String> {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let rewritten = a
                .get("reference")
                .and_then(Value::as_str)
                .is_some_and(|r| local(r).is_some())
                && !a.contains_key("language");
            for (name, x) in a {
                let y = b.get(name).ok_or(format!("{name} is gone"))?;
                if rewritten && name == "reference" {
                    let (t, _) = local(x.as_str().unwrap_or_default()).ok_or("not local")?;
                    let new = y.as_str().and_then(local).ok_or("no reference")?;
                    if new.0 != t {
                        return Err("another type".into());
                    }
                } else {
                    only_references(x, y).map_err(|e| format!("{name}.{e}"))?;
                }
            }
            let added: Vec<&String> = b.keys().filter(|k| !a.contains_key(*k)).collect();
            let allowed = |k: &&String| rewritten && (*k == "type" || *k == "identifier");
            if !added.iter().all(allowed) {
                return Err(format!("added {added:?}"));
            }
            Ok(())
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).try_for_each(|(x, y)| only_references(x, y))
        }
        // Numbers compare by their text: digits count.
        (a, b) if a == b => Ok(()),
        _ => Err("differs".into()),
    }
}

/// The law: take out the identifier of ours, put the id back, and only references differ.
fn law(before: &Value) -> Result<(), String> {
    let relayed = plain(before);
    let mut after = relayed.resource.clone();
    if after["id"] != relayed.our_id.as_str() {
        return Err("id".into());
    }
    after["id"] = before["id"].clone();
    let ours = identifier(&MapEnv::example(), &relayed.our_id);
    if !NO_IDENTIFIER.contains(&relayed.resource_type.as_str()) {
        let fields = after.as_object_mut().ok_or("no object")?;
        match fields.get_mut("identifier") {
            Some(Value::Array(items)) => {
                if items.pop() != Some(ours) {
                    return Err("no identifier of ours".into());
                }
                if items.is_empty() {
                    fields.shift_remove("identifier");
                }
            }
            Some(one) if before["identifier"].is_null() => {
                if *one != ours {
                    return Err("no identifier of ours".into());
                }
                fields.shift_remove("identifier");
            }
            _ => {}
        }
    }
    only_references(before, &after)
}

#[test]
fn every_resource_of_the_corpus_keeps_all_but_id_identifier_and_references() {
    for file in ["MedicationRequest", "Observation", "CarePlan", "referenced"] {
        let Some(resources) = crate::fhir::shared::corpus(file) else {
            continue;
        };
        assert!(resources.len() > 100, "{file}");
        let mut exceptions = Vec::new();
        for (n, mut resource) in resources.into_iter().enumerate() {
            resource["id"] = Value::from(format!("c{n}"));
            if let Err(why) = law(&resource) {
                exceptions.push(format!("{file} line {}: {why}", n + 1));
            }
        }
        assert!(exceptions.is_empty(), "{exceptions:#?}");
    }
}

#[test]
fn references_become_ours_and_are_told() {
    let resource = serde_json::json!({
        "resourceType": "Observation",
        "id": "o1",
        "subject": {"reference": "Patient/p1", "display": "shown"},
        "performer": [{"reference": "Practitioner/d1/_history/3", "identifier": {"value": "theirs"}}],
        "focus": [{"reference": "Patient/p1"}, {"reference": "Observation/o1"}],
        "device": {"reference": "#inside"},
        "specimen": {"reference": "http://elsewhere.example/Specimen/9"},
        "encounter": {"reference": "Encounter?identifier=x|y"},
        "basedOn": [{"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}],
        "contained": [{"resourceType": "Device", "id": "inside", "owner": {"reference": "Organization/g1"}}],
        "extension": [{"url": "http://x.example/e", "valueExpression":
            {"language": "text/cql", "reference": "Library/l1"}}],
    });
    let env = MapEnv::example();
    let known = Ours {
        our_id: "PAT1".into(),
        identifier: serde_json::json!({"system": "https://clinic.example/id/client", "value": "C-1001"}),
    };
    let relayed = relay(&resource, &source(), &env, &|t, id| {
        (t == "Patient" && id == "p1").then(|| known.clone())
    })
    .expect("relayed");
    let out = &relayed.resource;
    assert_eq!(out["subject"]["reference"], "Patient/PAT1");
    assert_eq!(out["subject"]["display"], "shown");
    assert_eq!(out["subject"]["identifier"]["value"], "C-1001");
    assert_eq!(out["subject"]["type"], "Patient");
    let doctor = our_id(&env, &source(), "Practitioner", "d1");
    assert_eq!(
        out["performer"][0]["reference"],
        format!("Practitioner/{doctor}")
    );
    assert_eq!(out["performer"][0]["identifier"]["value"], "theirs");
    assert_eq!(
        out["focus"][1]["reference"],
        format!("Observation/{}", relayed.our_id)
    );
    for same in ["device", "specimen", "encounter", "basedOn", "extension"] {
        assert_eq!(out[same], resource[same], "{same}");
    }
    let needs: Vec<&str> = relayed.needs.iter().map(|n| n.record_id.as_str()).collect();
    assert_eq!(needs, ["ehr-a/Practitioner/d1", "ehr-a/Organization/g1"]);
    assert_eq!(relayed.record_id, "ehr-a/Observation/o1");
    assert_eq!(
        out["identifier"][0]["system"],
        "https://clinic.example/id/other"
    );
}

#[test]
fn the_same_resource_of_two_partners_is_two() {
    let resource = serde_json::json!({"resourceType": "Observation", "id": "o1"});
    let one = plain(&resource);
    let other = relay(
        &resource,
        &PartnerId::new("ehr-c"),
        &MapEnv::example(),
        &|_, _| None,
    );
    assert_ne!(one.our_id, other.expect("relayed").our_id);
    assert_eq!(one.our_id, plain(&resource).our_id);
    assert!(!one.resource.to_string().contains("ehr-a"));
}

#[test]
fn what_cannot_be_named_is_not_relayed() {
    for (resource, rule) in [
        (serde_json::json!({"id": "x"}), "resource-type"),
        (
            serde_json::json!({"resourceType": "Observation"}),
            "relay-id",
        ),
        (
            serde_json::json!({"resourceType": "Observation", "id": "x", "identifier": "Canary"}),
            "relay-identifier",
        ),
    ] {
        let issue =
            relay(&resource, &source(), &MapEnv::example(), &|_, _| None).expect_err("not relayed");
        assert_eq!(issue.rule, rule);
        assert!(!format!("{issue:?}").contains("Canary"));
    }
    let provenance = serde_json::json!({"resourceType": "Provenance", "id": "x"});
    assert!(plain(&provenance).resource.get("identifier").is_none());
    let response = serde_json::json!(
        {"resourceType": "QuestionnaireResponse", "id": "x", "identifier": {"value": "theirs"}});
    assert_eq!(plain(&response).resource["identifier"]["value"], "theirs");
}

/// Anything that JSON can say, with FHIR's key names among its keys.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?"
            .prop_map(|n| serde_json::from_str(&n).expect("a number")),
        "[ -~é]{0,12}".prop_map(Value::from),
        "(Patient|Device|Observation)/[A-Za-z0-9.-]{1,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            Just("reference".to_owned()),
            Just("type".to_owned()),
            Just("extension".to_owned()),
            "[a-z_]{1,6}".prop_map(|k| k),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key, inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_stands_in_it_only_references_change(body in anything(), more in anything()) {
        let mut resource = serde_json::json!({"resourceType": "Basic", "id": "b1"});
        resource["extension"] = serde_json::json!([body]);
        resource["valueQuantity"] = more;
        prop_assert_eq!(law(&resource), Ok(()));
    }
}
