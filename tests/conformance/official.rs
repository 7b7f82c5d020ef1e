//! The official FHIRPath R4 suite through `fhir-gateway fhirpath --batch`: here for the table, and a test of
//! `tests/it`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// The cases of a folder that do not agree, as group/name, and how many there are; `None` where they are not there.
pub(crate) fn suite(folder: &Path) -> Option<(Vec<String>, usize)> {
    let bytes = std::fs::read(folder.join("cases.json")).ok()?;
    let cases: Vec<Value> = serde_json::from_slice(&bytes).expect("the cases");
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
    assert_eq!(answers.len(), cases.len(), "an answer for each case");
    let mut wrong = Vec::new();
    for (id, (case, answer)) in cases.iter().zip(&answers).enumerate() {
        assert_eq!(answer["id"], json!(id), "answers come in order");
        if !agrees(case, answer) {
            let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
            wrong.push(format!("{}/{}", text("group"), text("name")));
        }
    }
    Some((wrong, cases.len()))
}

/// The answers of `fhir-gateway fhirpath --batch`, and whether it said that all were evaluated.
pub(crate) fn batch(lines: Vec<String>) -> (Vec<Value>, bool) {
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
