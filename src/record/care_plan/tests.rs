//! The laws of the plan: it comes back as it went, its rules hold, its words cannot become markup.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CarePlan, LOSSES, from_fhir};
use crate::record::context_tests::{law, laws, nobodys, sound};
use crate::record::{Context, Kind, MapEnv, Mapping, contract};

fn fixture(name: &str) -> (CarePlan, Context) {
    sound::<CarePlan>()
        .into_iter()
        .find(|(n, _, _)| n == name)
        .map(|(_, plan, context)| (plan, context))
        .expect("the fixture")
}

#[test]
fn plans_come_back_from_fhir_as_they_went() {
    laws::<CarePlan>(from_fhir, LOSSES);
}

#[test]
fn a_plan_without_an_episode_keeps_its_client() {
    let (plan, context) = fixture("told-by-an-ehr");
    let env = MapEnv::example();
    let bundle: Vec<Value> = plan
        .to_fhir(&context, &env)
        .resources
        .into_iter()
        .map(|r| r.value)
        .collect();
    let back = from_fhir(&bundle, &env).expect("a plan");
    assert_eq!(back.record["client_no"], "C-1005");
}

#[test]
fn a_linked_order_is_a_reference_and_everything_else_a_detail_never_both() {
    for (name, plan, context) in sound::<CarePlan>() {
        let mapped = plan.to_fhir(&context, &MapEnv::example());
        let activities = mapped.resources[0].value["activity"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert_eq!(activities.len(), plan.interventions.len(), "{name}");
        for (activity, step) in activities.iter().zip(&plan.interventions) {
            let linked = step.linked_order_no.is_some();
            assert_eq!(activity.get("reference").is_some(), linked, "{name}");
            assert_eq!(activity.get("detail").is_some(), !linked, "{name}");
            if !linked {
                assert!(activity["detail"]["status"].is_string(), "{name}");
            }
        }
    }
}

#[test]
fn goals_and_team_are_referred_to_by_the_ids_they_have() {
    for (name, plan, context) in sound::<CarePlan>() {
        let mapped = plan.to_fhir(&context, &MapEnv::example());
        let made: Vec<String> = mapped.resources[1..]
            .iter()
            .map(|r| {
                let kind = r.value["resourceType"].as_str().expect("a type");
                format!("{kind}/{}", r.value["id"].as_str().expect("an id"))
            })
            .collect();
        let plan = &mapped.resources[0].value;
        let referred = ["goal", "careTeam"]
            .iter()
            .flat_map(|list| plan[list].as_array().cloned().unwrap_or_default());
        let referred: Vec<Value> = referred.map(|r| r["reference"].clone()).collect();
        assert_eq!(json!(made), json!(referred), "{name}");
    }
}

#[test]
fn the_narrative_is_made_of_the_plans_words_and_nothing_in_them_is_markup() {
    let (mut plan, context) = fixture("draft-minimal");
    plan.title = Some("<script>alert('x')</script> & \"quotes\"".to_owned());
    let mapped = plan.to_fhir(&context, &MapEnv::example());
    let text = &mapped.resources[0].value["text"];
    assert_eq!(text["status"], "generated");
    let div = text["div"].as_str().expect("a div");
    assert!(div.starts_with("<div xmlns=\"http://www.w3.org/1999/xhtml\">"));
    assert!(div.contains("&lt;script&gt;") && div.contains("&amp;") && !div.contains("<script"));
    let (plan, context) = fixture("full-opioid");
    let mapped = plan.to_fhir(&context, &MapEnv::example());
    let div = mapped.resources[0].value["text"]["div"]
        .as_str()
        .expect("a div");
    assert!(div.contains("I want to wake up and not think of it first."));
}

#[test]
fn a_status_that_an_ehr_changed_counts_more_than_the_one_we_wrote() {
    let (plan, context) = fixture("full-opioid");
    let env = MapEnv::example();
    let mut bundle: Vec<Value> = plan
        .to_fhir(&context, &env)
        .resources
        .into_iter()
        .map(|r| r.value)
        .collect();
    bundle[0]["status"] = json!("completed");
    let back = from_fhir(&bundle, &env).expect("a plan");
    assert_eq!(back.record["status"], "closed");
}

#[test]
fn a_foreign_subject_is_never_taken_for_a_client_of_ours() {
    let foreign = json!({
        "resourceType": "CarePlan", "id": "x", "status": "active", "intent": "plan",
        "subject": {"reference": "Patient/C-1001"},
        "contained": [{"resourceType": "Goal", "id": "g", "lifecycleStatus": "active",
            "description": {"text": "Walk"}, "subject": {"reference": "Patient/C-1001"}}],
        "activity": [
            {"detail": {"status": "in-progress", "code": {"text": "Physiotherapy"}}},
            {"reference": {"reference": "ServiceRequest/1"}},
        ],
        "text": {"status": "additional", "div": "<div>Rest &amp; <b>walk</b></div>"},
    });
    let got = from_fhir(&[foreign], &MapEnv::example()).expect("a plan");
    assert!(got.record.get("client_no").is_none());
    assert_eq!(got.record["goals"][0]["text"], "Walk");
    assert_eq!(got.record["interventions"][0]["text"], "Physiotherapy");
    assert_eq!(got.record["assessment_text"], "Rest & walk");
    assert!(contract::check(Kind::CarePlan, &got.record).is_ok());
    let paths: Vec<&str> = got.issues.iter().map(|i| i.path.as_str()).collect();
    assert!(paths.contains(&"CarePlan.subject.reference"));
    assert!(paths.contains(&"CarePlan.activity[1].reference.reference"));
}

/// The texts, dates and codes of a plan, changed; what the contract refuses is not tried.
fn changed(value: &mut Value, at: &str, words: &mut dyn FnMut() -> Option<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                changed(value, key, words);
            }
        }
        Value::Array(items) => {
            for value in items {
                changed(value, at, words);
            }
        }
        Value::String(text) => {
            let free = [
                "text",
                "title",
                "assessment_text",
                "measure",
                "baseline",
                "target",
                "freq_text",
                "missed_reason",
                "meeting",
                "provider",
                "relapse_plan",
                "done_when",
                "name",
            ];
            if free.contains(&at)
                && let Some(new) = words()
            {
                *text = new;
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::Null => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_words_and_whatever_is_left_out_a_plan_comes_back(
        which in 0usize..100,
        new in prop::collection::vec(prop::option::of("\\PC{1,40}"), 1..20),
        dropped in prop::collection::vec(any::<u16>(), 0..12),
    ) {
        let fixtures = sound_once();
        let (name, plan, context) = &fixtures[which % fixtures.len()];
        let mut value = serde_json::to_value(plan).expect("JSON");
        let mut next = new.iter().cycle();
        changed(&mut value, "", &mut || next.next().cloned().flatten());
        for drop in dropped {
            let mut fields = Vec::new();
            crate::record::context_tests::members(&value, "", &mut fields);
            let pointer = &fields[usize::from(drop) % fields.len()];
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            let mut less = value.clone();
            if let Some(Value::Object(map)) = less.pointer_mut(parent) {
                map.shift_remove(key);
            }
            if contract::check(Kind::CarePlan, &less).is_ok() {
                value = less;
            }
        }
        if contract::check(Kind::CarePlan, &value).is_ok() {
            let plan: CarePlan = serde_json::from_value(value).expect("the model reads it");
            // Problems are numbered in the evaluation: without it the rules refuse them (422).
            let astray = plan.evaluation_id.is_none()
                && (!plan.problems.is_empty() || plan.goals.iter().any(|g| !g.problems.is_empty()));
            if !astray && !nobodys(&plan, context) {
                law(name, &plan, context, from_fhir, LOSSES);
            }
        }
    }
}

fn sound_once() -> &'static [(String, CarePlan, Context)] {
    static ONCE: std::sync::OnceLock<Vec<(String, CarePlan, Context)>> = std::sync::OnceLock::new();
    ONCE.get_or_init(sound::<CarePlan>)
}
