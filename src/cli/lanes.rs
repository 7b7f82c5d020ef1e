//! `fhir-gateway lanes`: lines of jobs at a running gateway, and holds on patients.

use std::process::ExitCode;

use serde_json::json;

use super::door::{Door, held_back_by, list, more, number, table, text};
use super::jobs;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lanes that have jobs in them, biggest first.
    List(List),
    /// One lane: its jobs in the order in which they go.
    Show(Show),
    /// Stops a patient's jobs from the next claim on; cancels go on.
    Hold(Hold),
    /// Ends a hold.
    Release(Hold),
    /// The holds that stand.
    Holds(Holds),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    door: Door,
    /// Of this partner.
    #[arg(long)]
    partner: Option<String>,
    /// So many at most.
    #[arg(long)]
    limit: Option<u64>,
    /// Goes on after a page: what it said.
    #[arg(long)]
    after: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    door: Door,
    /// Whose.
    partner: String,
    /// Its key, as the list has it.
    lane: String,
    /// So many jobs at most.
    #[arg(long)]
    limit: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct Hold {
    #[command(flatten)]
    door: Door,
    /// The clinic's number of the client.
    client: String,
    /// At this partner; left out: at all.
    #[arg(long)]
    partner: Option<String>,
    /// Why; kept beside the act.
    #[arg(long)]
    why: String,
}

#[derive(Debug, clap::Args)]
struct Holds {
    #[command(flatten)]
    door: Door,
}

/// Does it.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List(l) => {
            let query = vec![
                ("partner", l.partner.clone()),
                ("limit", l.limit.map(|n| n.to_string())),
                ("after", l.after.clone()),
            ];
            l.door.show(&["lanes"], &query, |answer| {
                let rows: Vec<Vec<String>> = list(&answer["lanes"])
                    .iter()
                    .map(|l| {
                        vec![
                            text(&l["partner"]).to_owned(),
                            text(&l["lane"]).to_owned(),
                            number(&l["jobs"]).to_string(),
                            jobs::since(&l["stuck_s"]),
                            text(&l["head"]["id"]).to_owned(),
                            text(&l["head"]["state"]).to_owned(),
                            held_back_by(&l["head"]),
                        ]
                    })
                    .collect();
                let head = [
                    "partner",
                    "lane",
                    "jobs",
                    "waits",
                    "first",
                    "state",
                    "held back by",
                ];
                table(&head, &rows) + &more(answer)
            })
        }
        What::Show(s) => {
            let query = vec![
                ("partner", Some(s.partner.clone())),
                ("lane", Some(s.lane.clone())),
                ("limit", s.limit.map(|n| n.to_string())),
            ];
            s.door.show(&["lanes"], &query, |answer| {
                jobs::rows(list(&answer["jobs"]))
            })
        }
        What::Hold(h) => change(h, &["holds"]),
        What::Release(h) => change(h, &["holds", "release"]),
        What::Holds(h) => h.door.show(&["holds"], &vec![], |answer| {
            let rows: Vec<Vec<String>> = list(&answer["holds"])
                .iter()
                .map(|h| {
                    let partner = h["partner"].as_str().unwrap_or("all");
                    vec![
                        text(&h["client"]).to_owned(),
                        partner.to_owned(),
                        text(&h["at"]).to_owned(),
                        text(&h["who"]).to_owned(),
                        text(&h["why"]).to_owned(),
                    ]
                })
                .collect();
            table(&["client", "partner", "since", "who", "why"], &rows)
        }),
    }
}

fn change(hold: &Hold, path: &[&str]) -> anyhow::Result<ExitCode> {
    let body = json!({"client": hold.client, "partner": hold.partner, "why": hold.why});
    hold.door.press(path, &body, |answer| {
        if answer["changed"] == json!(true) {
            "done\n".to_owned()
        } else {
            "it was so already\n".to_owned()
        }
    })
}
