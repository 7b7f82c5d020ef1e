//! The official FHIRPath R4 suite, and the `fhirpath` command that it goes through.
//!
//! The suite is in the shared material (`GATEWAY_SHARED`, default `../shared`); where it is not, the
//! test says so and passes over it. How many cases agree may only go up, and each that does not is
//! named with its reason.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Cases of the suite that must be there and agree, less those of [`DIFFERENCES`].
const CASES: usize = 473;

/// Cases that do not agree: (group/name, why).
const DIFFERENCES: &[(&str, &str)] = &[];

/// The answers of `fhir-gateway fhirpath --batch`, and whether it said that all were evaluated.
fn batch(lines: Vec<String>) -> (Vec<Value>, bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fhir-gateway"))
        .args(["fhirpath", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("its input");
    let feed = std::thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").expect("a line goes in");
        }
    });
    let output = child.wait_with_output().expect("it ends");
    feed.join().expect("all went in");
    let answers = output
        .stdout
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty());
    let answers = answers.map(|line| serde_json::from_slice(line).expect("JSON"));
    (answers.collect(), output.status.success())
}

/// A value as the suite writes it: dates without their `@`.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim_start_matches('@').to_owned(),
        other => other.to_string(),
    }
}

fn agrees(case: &Value, answer: &Value) -> bool {
    if case["invalid"].is_string() {
        return answer["error"].is_string();
    }
    let Some(got) = answer["result"].as_array() else {
        return false;
    };
    let expected = case["output"].as_array().map_or(&[][..], Vec::as_slice);
    if case["predicate"] == json!(true) {
        let holds = !got.is_empty() && got[0]["value"] != json!(false);
        return expected.len() == 1 && written(&expected[0]["value"]) == holds.to_string();
    }
    got.len() == expected.len()
        && got.iter().zip(expected).all(|(got, expected)| {
            let typed = expected["type"].is_null() || got["type"] == expected["type"];
            typed && written(&got["value"]) == written(&expected["value"])
        })
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "tests find the shared material by this variable"
)]
fn the_official_suite_agrees() {
    let root = std::env::var("GATEWAY_SHARED").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let folder = root.join("conformance/fhirpath");
    let Ok(bytes) = std::fs::read(folder.join("cases.json")) else {
        eprintln!("SKIPPED: the FHIRPath suite is not there (set GATEWAY_SHARED)");
        return;
    };
    let cases: Vec<Value> = serde_json::from_slice(&bytes).expect("the cases");
    assert_eq!(cases.len(), CASES);
    let mut lines = Vec::new();
    for (id, case) in cases.iter().enumerate() {
        let resource = match case["input"].as_str() {
            Some(input) => {
                let file = folder.join("input").join(input.replace(".xml", ".json"));
                let bytes = std::fs::read(file).expect("an input");
                serde_json::from_slice(&bytes).expect("JSON")
            }
            None => json!({}),
        };
        let expression = &case["expression"];
        let line = json!({"id": id, "expression": expression, "resource": resource});
        lines.push(line.to_string());
    }
    let (answers, _) = batch(lines);
    assert_eq!(answers.len(), CASES);
    let mut wrong = Vec::new();
    for (id, (case, answer)) in cases.iter().zip(&answers).enumerate() {
        assert_eq!(answer["id"], json!(id), "answers come in order");
        if !agrees(case, answer) {
            let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
            wrong.push(format!("{}/{}", text("group"), text("name")));
        }
    }
    println!("fhirpath: {} of {CASES} agree", CASES - wrong.len());
    let known: Vec<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        wrong, known,
        "what does not agree, and what was known not to"
    );
}

#[test]
fn a_batch_answers_every_line_in_order_and_tells_no_values() {
    let patient = json!({
        "resourceType": "Patient", "id": "p", "active": true,
        "name": [{"family": "CanaryBatch"}, {"family": "CanaryOther"}],
        "multipleBirthInteger": 2, "birthDate": "1970-01"
    });
    let line = |id: Value, expression: &str| {
        json!({"id": id, "expression": expression, "resource": patient}).to_string()
    };
    let (answers, all) = batch(vec![
        line(json!(1), "active | multipleBirth | birthDate"),
        line(json!("two"), "name.single()"),
        "{broken".to_owned(),
        json!({"id": 4}).to_string(),
        line(json!(5), "nme"),
        line(json!(6), "name.where("),
        line(json!(7), "name.family = %none"),
        json!({"id": 8, "expression": "1.50 + 1"}).to_string(),
    ]);
    assert!(!all);
    assert_eq!(answers.len(), 8);
    let items = json!([
        {"type": "boolean", "value": true},
        {"type": "integer", "value": 2},
        {"type": "date", "value": "1970-01"}
    ]);
    assert_eq!(answers[0], json!({"id": 1, "result": items}));
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    let null = Value::Null;
    let expected = [
        json!(1),
        json!("two"),
        null,
        json!(4),
        json!(5),
        json!(6),
        json!(7),
        json!(8),
    ];
    assert_eq!(ids, expected.iter().collect::<Vec<_>>());
    for answer in &answers[1..7] {
        let words = answer["error"].as_str().expect("an error");
        assert!(!words.contains("Canary"), "{words}");
    }
    assert_eq!(
        answers[7].to_string(),
        r#"{"id":8,"result":[{"type":"decimal","value":2.50}]}"#
    );
}

#[test]
fn one_expression_on_standard_input_is_for_people() {
    let run = |arguments: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fhir-gateway"))
            .arg("fhirpath")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut input = child.stdin.take().expect("its input");
        let patient = br#"{"resourceType":"Patient","name":[{"given":["Ann","Lou"]}]}"#;
        // What names a file does not read its input, and may end before it has it.
        let given = input.write_all(patient);
        let unread = |e: std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
        let names_a_file = arguments.iter().any(|a| a.ends_with(".json"));
        assert!(given.is_ok() || (names_a_file && given.is_err_and(unread)));
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("text"),
        )
    };
    let shown = "string\t\"Ann\"\nstring\t\"Lou\"\n".to_owned();
    assert_eq!(run(&["name.given"]), (Some(0), shown));
    assert_eq!(run(&["name.nothing", "-"]), (Some(1), String::new()));
    assert_eq!(
        run(&["--lenient", "name.nothing"]),
        (Some(0), String::new())
    );
    assert_eq!(
        run(&["name", "no-such-file.json"]),
        (Some(2), String::new())
    );
}
