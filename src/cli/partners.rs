//! `fhir-gateway partners`: partners of a running gateway: seen, paused, drained, resumed, probed.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::door::{Door, list, number, table, text};
use super::jobs;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// All of them: mood, pause, counts.
    List(All),
    /// Nothing is claimed for it until it is resumed.
    Pause(Act),
    /// Ends a pause, whatever its cause, and a drain.
    Resume(Act),
    /// What was accepted before now goes on; what comes later waits until it is resumed.
    Drain(Act),
    /// Asks it now whether it is there, by a read that carries no patient.
    Probe(Act),
}

#[derive(Debug, clap::Args)]
struct All {
    #[command(flatten)]
    door: Door,
}

#[derive(Debug, clap::Args)]
struct Act {
    #[command(flatten)]
    door: Door,
    /// Which.
    partner: String,
    /// Why; kept beside the act.
    #[arg(long)]
    why: String,
}

/// Does it.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (act, word) = match &args.what {
        What::List(all) => return all.door.show(&["partners"], &vec![], readable),
        What::Pause(act) => (act, "pause"),
        What::Resume(act) => (act, "resume"),
        What::Drain(act) => (act, "drain"),
        What::Probe(act) => (act, "probe"),
    };
    let path = ["partners", &act.partner, word];
    act.door.press(
        &path,
        &json!({"why": act.why}),
        |answer| match answer["well"].as_bool() {
            None => "done\n".to_owned(),
            Some(true) => "it is there\n".to_owned(),
            Some(false) => format!("it is not well: {}\n", text(&answer["what"])),
        },
    )
}

fn readable(answer: &Value) -> String {
    let rows: Vec<Vec<String>> = list(&answer["partners"])
        .iter()
        .map(|p| {
            let jobs = &p["jobs"];
            let last = &p["last"];
            vec![
                text(&p["partner"]).to_owned(),
                text(&p["mood"]).to_owned(),
                stopped(p),
                number(&jobs["waiting"]).to_string(),
                number(&jobs["sending"]).to_string(),
                number(&jobs["asking"]).to_string(),
                number(&jobs["parked"]).to_string(),
                number(&jobs["done"]).to_string(),
                jobs::since(&p["oldest_s"]),
                match last["who"].as_str() {
                    Some(who) => {
                        format!("{} by {who}: {}", text(&last["what"]), text(&last["why"]))
                    }
                    None => "—".to_owned(),
                },
            ]
        })
        .collect();
    let head = [
        "partner", "mood", "stopped", "waiting", "sending", "asking", "parked", "done", "oldest",
        "last act",
    ];
    table(&head, &rows)
}

/// Why nothing new goes there.
fn stopped(partner: &Value) -> String {
    let paused = &partner["paused"];
    let mut said = Vec::new();
    match partner["drained"].as_bool() {
        Some(true) => said.push("drained".to_owned()),
        Some(false) => said.push("draining".to_owned()),
        None => {}
    }
    if let Some(reason) = paused["reason"].as_str() {
        said.push(match paused["until"].as_str() {
            Some(until) => format!("{reason} until {until}"),
            None => reason.to_owned(),
        });
    }
    if said.is_empty() {
        "—".to_owned()
    } else {
        said.join(", ")
    }
}
