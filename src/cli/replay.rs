//! `fhir-gateway replay`: jobs of a running gateway brought to their partner once more.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::door::{Door, age, list, number, table, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Says what a replay would do, and does nothing: how many, how long, what differs from what was sent.
    DryRun(Which),
    /// Begins it. With the same --id a second time, nothing happens.
    Start(Start),
    /// Replays, newest first.
    List(All),
    /// One replay.
    Show(One),
    /// Stops one: what it made and was never tried is cancelled.
    Cancel(Cancel),
}

#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    door: Door,
    /// One job, and nothing else.
    #[arg(long, conflicts_with_all = ["partner", "state", "reason", "kind", "record", "since", "until"])]
    job: Option<String>,
    /// All that fit at this partner.
    #[arg(long, required_unless_present = "job")]
    partner: Option<String>,
    /// done or parked; left out: both.
    #[arg(long)]
    state: Option<String>,
    /// Why they are there: a reason's word.
    #[arg(long)]
    reason: Option<String>,
    /// The kind of record.
    #[arg(long)]
    kind: Option<String>,
    /// The record's id, with --kind.
    #[arg(long, requires = "kind")]
    record: Option<String>,
    /// Accepted at or after (RFC 3339).
    #[arg(long)]
    since: Option<String>,
    /// Accepted before (RFC 3339).
    #[arg(long)]
    until: Option<String>,
    /// Jobs a second, at most.
    #[arg(long, default_value_t = 5)]
    rate: u32,
}

#[derive(Debug, clap::Args)]
struct Start {
    #[command(flatten)]
    which: Which,
    /// Its id, of your choice.
    #[arg(long)]
    id: Option<String>,
    /// Why; kept beside it.
    #[arg(long)]
    why: String,
}

#[derive(Debug, clap::Args)]
struct All {
    #[command(flatten)]
    door: Door,
}

#[derive(Debug, clap::Args)]
struct One {
    #[command(flatten)]
    door: Door,
    /// Its id.
    id: String,
}

#[derive(Debug, clap::Args)]
struct Cancel {
    #[command(flatten)]
    one: One,
    /// Why; kept beside it.
    #[arg(long)]
    why: String,
}

impl Which {
    fn body(&self) -> Value {
        let mut body = json!({"rate_per_s": self.rate});
        for (key, value) in [
            ("job", &self.job),
            ("partner", &self.partner),
            ("state", &self.state),
            ("reason", &self.reason),
            ("kind", &self.kind),
            ("record", &self.record),
            ("since", &self.since),
            ("until", &self.until),
        ] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        body
    }
}

/// Does it.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::DryRun(which) => {
            let path = ["replays", "dry-run"];
            which.door.press(&path, &which.body(), dry_run)
        }
        What::Start(start) => {
            let mut body = start.which.body();
            body["why"] = json!(start.why);
            if let Some(id) = &start.id {
                body["id"] = json!(id);
            }
            start.which.door.press(&["replays"], &body, |answer| {
                match answer["proposal"].as_str() {
                    Some(id) => format!("proposal {id}: another person has to confirm it\n"),
                    None => rows(std::slice::from_ref(answer)),
                }
            })
        }
        What::List(all) => all.door.show(&["replays"], &vec![], |answer| {
            rows(list(&answer["replays"]))
        }),
        What::Show(one) => one.door.show(&["replays", &one.id], &vec![], |answer| {
            rows(std::slice::from_ref(answer)) + &counts("left out", &answer["skipped"])
        }),
        What::Cancel(cancel) => {
            let path = ["replays", &cancel.one.id, "cancel"];
            let body = json!({"why": cancel.why});
            cancel.one.door.press(&path, &body, |_| "done\n".to_owned())
        }
    }
}

fn counts(title: &str, counts: &Value) -> String {
    let mut out = String::new();
    for (what, n) in counts.as_object().into_iter().flatten() {
        let _ = writeln!(out, "  {title}: {} {what}", number(n));
    }
    out
}

fn dry_run(answer: &Value) -> String {
    let mut out = format!(
        "{} would be sent anew, {} parked would be let go, at {} a second: {}\n",
        number(&answer["anew"]),
        number(&answer["retried"]),
        number(&answer["rate_per_s"]),
        age(number(&answer["eta_s"]))
    );
    out += &counts("left out", &answer["skipped"]);
    let _ = writeln!(
        out,
        "{} compared with what was sent: {} the same, {} otherwise",
        number(&answer["compared"]),
        number(&answer["same"]),
        number(&answer["differs"])
    );
    out + &counts("otherwise at", &answer["places"])
}

fn rows(replays: &[Value]) -> String {
    let rows: Vec<Vec<String>> = replays
        .iter()
        .map(|r| {
            let skipped = r["skipped"].as_object().into_iter().flatten();
            vec![
                text(&r["id"]).to_owned(),
                text(&r["filter"]["partner"]).to_owned(),
                text(&r["state"]).to_owned(),
                format!("{} %", number(&r["looked_through_percent"])),
                number(&r["made"]).to_string(),
                number(&r["retried"]).to_string(),
                skipped.map(|(_, n)| number(n)).sum::<u64>().to_string(),
                text(&r["deed"]["at"]).to_owned(),
                text(&r["deed"]["who"]).to_owned(),
                text(&r["deed"]["why"]).to_owned(),
            ]
        })
        .collect();
    let head = [
        "replay", "partner", "state", "through", "made", "let go", "left out", "begun", "who",
        "why",
    ];
    table(&head, &rows)
}
