//! `fhir-gateway status`: what a running gateway says of itself.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::door::{Door, number, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    door: Door,
}

/// Shows the status. Exit code 0: nothing waits for a person; 1: something does; 2: no answer.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (code, status) = args.door.get(&["status"], &Vec::new())?;
    if code != 200 {
        anyhow::bail!("the gateway answered {code}");
    }
    super::print(&if args.door.as_json() {
        format!("{status}\n")
    } else {
        readable(&status)
    })?;
    let waits = number(&status["totals"]["parked"])
        + number(&status["unmatched"])
        + listed(&status["parked_inbound"])
        + listed(&status["audit"]["findings"]);
    let fine = waits == 0 && status["adds_up"] == Value::Bool(true);
    Ok(ExitCode::from(u8::from(!fine)))
}

fn listed(value: &Value) -> u64 {
    value.as_array().map_or(0, Vec::len) as u64
}

/// For people: the sentence, the partners, the causes.
fn readable(status: &Value) -> String {
    let mut out = format!("{}\n\n", text(&status["headline"]));
    let _ = writeln!(
        out,
        "{:<24} {:<14} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10}",
        "partner", "", "waiting", "retrying", "asking", "parked", "done", "oldest"
    );
    for p in status["partners"].as_array().into_iter().flatten() {
        let jobs = &p["jobs"];
        let oldest = p["oldest_s"]
            .as_u64()
            .map_or_else(|| "—".to_owned(), |s| format!("{s} s"));
        let _ = writeln!(
            out,
            "{:<24} {:<14} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10}",
            text(&p["partner"]),
            text(&p["mood"]),
            number(&jobs["waiting"]),
            number(&p["retrying"]),
            number(&jobs["asking"]),
            number(&jobs["parked"]),
            number(&jobs["done"]),
            oldest
        );
    }
    for f in status["audit"]["findings"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "\nself-check, {}: {} ({}) since {}\n  {}",
            f["partner"].as_str().unwrap_or("the store"),
            text(&f["what"]),
            number(&f["n"]),
            text(&f["since"]),
            text(&f["press"])
        );
    }
    for g in status["groups"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "\n{}: {} {} since {}: {}\n  {}",
            text(&g["partner"]),
            number(&g["jobs"]),
            text(&g["state"]),
            text(&g["oldest"]),
            text(&g["what"]),
            text(&g["press"])
        );
    }
    out
}
