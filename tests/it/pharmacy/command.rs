//! `fhir-gateway map` and `check-config`, where they speak SCRIPT.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fhir-gateway"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("an input");
    // A program that refuses early does not read to the end.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn file(kind: &str, case: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(kind)
        .join(case)
        .join(name);
    std::fs::read(path).expect("a fixture")
}

fn issues(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("Canary"), "{text}");
    let issues: Value = serde_json::from_str(&text).expect("JSON");
    let rule = |i: &Value| i["rule"].as_str().unwrap_or_default().to_owned();
    issues
        .as_array()
        .expect("a list")
        .iter()
        .map(rule)
        .collect()
}

#[test]
fn an_order_becomes_a_message_under_the_id_that_was_given() {
    let record = file("medication-request", "sertraline", "record.json");
    let to = [
        "map",
        "--from",
        "record",
        "--to",
        "script",
        "--kind",
        "medication-request",
    ];
    let made = run(&[&to[..], &["--message", "M-1"]].concat(), &record);
    assert_eq!(made.status.code(), Some(0));
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(
        text.contains("<MessageID>M-1</MessageID>") && text.contains("<NewRx>"),
        "{text}"
    );
    let cancelled = file("medication-request", "olanzapine-cancelled", "record.json");
    let made = run(&[&to[..], &["--relates-to", "M-1"]].concat(), &cancelled);
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(
        text.contains("<RelatesToMessageID>M-1</RelatesToMessageID>"),
        "{text}"
    );
    assert!(text.contains("<CancelRx>"));

    let otp = file("medication-request", "methadone-otp", "record.json");
    assert_eq!(issues(&run(&to, &otp)), ["script-delivery"]);
    let proposed = file(
        "medication-request",
        "buprenorphine-proposed",
        "record.json",
    );
    assert_eq!(issues(&run(&to, &proposed)), ["script-standing"]);
    let long = run(
        &[&to[..], &["--message", &"M".repeat(36)]].concat(),
        &record,
    );
    assert_eq!(issues(&long), ["script-length"]);
    let client = file("client", "C-1001", "record.json");
    let odd = [
        "map", "--from", "record", "--to", "script", "--kind", "client",
    ];
    assert_eq!(issues(&run(&odd, &client)), ["script-kind"]);
}

#[test]
fn a_message_becomes_a_record_and_a_broken_one_is_told_on_standard_error() {
    let from = ["map", "--from", "script", "--to", "record"];
    let made = run(&from, &file("dispense", "partial", "script.xml"));
    assert_eq!(
        made.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(made["record"]["status"], "partially_filled");
    assert_eq!(made["record"]["order_no"], "RX-2026-00104");
    let event = file("order-event", "cancel-denied", "script.xml");
    let made = run(&[&from[..], &["--kind", "order-event"]].concat(), &event);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(made["record"]["event"], "cancel_denied");

    let other = run(&[&from[..], &["--kind", "dispense"]].concat(), &event);
    assert_eq!(issues(&other), ["kind-other"]);
    assert_eq!(issues(&run(&from, b"<Message><Canary")), ["xml-syntax"]);
    assert_eq!(issues(&run(&from, b"<Canary/>")), ["script-message"]);
    let newrx = file("medication-request", "sertraline", "script.xml");
    assert_eq!(issues(&run(&from, &newrx)), ["script-transaction"]);
}
