//! The official FHIRPath R4 suite, and the `fhirpath` command that it goes through.
//!
//! The suite is in the shared material (`GATEWAY_SHARED`, default `../shared`); where it is not, the
//! test says so and passes over it. How many cases agree may only go up, and each that does not is
//! named with its reason.

#[path = "../conformance/official.rs"]
mod official;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use self::official::batch;

/// Cases of the suite that must be there and agree, less those of [`DIFFERENCES`].
const CASES: usize = 473;

/// Cases that do not agree: (group/name, why).
const DIFFERENCES: &[(&str, &str)] = &[];

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
    let Some((wrong, all)) = official::suite(&root.join("conformance/fhirpath")) else {
        eprintln!("SKIPPED: the FHIRPath suite is not there (set GATEWAY_SHARED)");
        return;
    };
    assert_eq!(all, CASES);
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
