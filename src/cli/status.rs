//! `fhir-gateway status`: what a running gateway says of itself.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::clock::{Clock, System};
use crate::partner::wire::{Ask, Credential, Http, HttpSettings};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The gateway's address.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A file whose first line is a token with the right `read` or `operate`.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Prints the gateway's JSON as one line.
    #[arg(long)]
    json: bool,
}

/// Shows the status. Exit code 0: nothing waits for a person; 1: something does; 2: no answer.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let status = runtime.block_on(fetch(args))?;
    super::print(&if args.json {
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

async fn fetch(args: &Args) -> anyhow::Result<Value> {
    let client = Http::new(&HttpSettings {
        timeout: Duration::from_secs(20),
        body_max: 64 << 20,
        credential: Credential::File(args.token_file.clone()),
        ..HttpSettings::default()
    })
    .map_err(|wrong| anyhow::anyhow!(wrong.join("; ")))?;
    let url = format!("{}/status", args.url.trim_end_matches('/'));
    let url = reqwest::Url::parse(&url).context("--url is no address")?;
    let heard = client
        .send(Ask::get(url), System::default().now())
        .await
        .map_err(|a| anyhow::anyhow!("no answer: {}", a.reason.what()))?;
    if heard.status != 200 {
        anyhow::bail!("the gateway answered {}", heard.status);
    }
    serde_json::from_slice(&heard.body).context("the answer is no JSON")
}

fn listed(value: &Value) -> u64 {
    value.as_array().map_or(0, Vec::len) as u64
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("—")
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
