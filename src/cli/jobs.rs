//! `fhir-gateway jobs`: jobs of a running gateway: found, shown, retried, cancelled, resolved.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::door::{Door, age, held_back_by, list, more, number, table, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Jobs that fit: open and parked ones oldest first, else newest first.
    List(List),
    /// One job: effects, attempts, what people did, jobs that belong to it.
    Show(One),
    /// All that holds a waiting job back at this moment.
    BlockedBy(One),
    /// Parked or waiting: sends the same bytes again, the schedule from its start.
    Retry(Act),
    /// Waiting, asking or parked: it is never sent.
    Cancel(Act),
    /// Unclear: the partner said that they have it.
    ResolveThere(Act),
    /// Unclear: the partner said that they do not have it.
    ResolveNotThere(Act),
    /// Sends it to another partner instead, encoded for that one.
    Reroute(Reroute),
    /// Mends what a partner refused of one resource, for that partner, and sends it.
    Edit(Edit),
    /// What one person proposed and another has to confirm.
    Proposals(All),
    /// Confirms what another person proposed: it is done.
    Confirm(Decide),
    /// Rejects what a person proposed.
    Reject(Decide),
}

#[derive(Debug, clap::Args)]
struct Reroute {
    #[command(flatten)]
    act: Act,
    /// The other partner.
    #[arg(long)]
    to: String,
    /// For a prescription: the clinic's id of the pharmacy there.
    #[arg(long)]
    pharmacy: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Edit {
    #[command(flatten)]
    act: Act,
    /// The effect, as `show` numbers it.
    #[arg(long, default_value_t = 0)]
    effect: u32,
    /// A file with a JSON merge patch (RFC 7386) for its resource.
    #[arg(long, value_name = "FILE")]
    patch: std::path::PathBuf,
}

#[derive(Debug, clap::Args)]
struct All {
    #[command(flatten)]
    door: Door,
}

#[derive(Debug, clap::Args)]
struct Decide {
    #[command(flatten)]
    door: Door,
    /// The proposal.
    proposal: String,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    door: Door,
    /// Where they go.
    #[arg(long)]
    partner: Option<String>,
    /// waiting, sending, asking, parked, done, cancelled, superseded.
    #[arg(long)]
    state: Option<String>,
    /// Why they are there: a reason's word, like `refused`.
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
    /// Accepted at least so many seconds ago.
    #[arg(long)]
    older_s: Option<u64>,
    /// So many at most.
    #[arg(long)]
    limit: Option<u64>,
    /// Goes on after a page: what it said.
    #[arg(long)]
    after: Option<String>,
}

#[derive(Debug, clap::Args)]
struct One {
    #[command(flatten)]
    door: Door,
    /// The job.
    job: String,
}

#[derive(Debug, clap::Args)]
struct Act {
    #[command(flatten)]
    one: One,
    /// Why; kept beside the act.
    #[arg(long)]
    why: String,
}

/// Does it.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List(l) => {
            let query = vec![
                ("partner", l.partner.clone()),
                ("state", l.state.clone()),
                ("reason", l.reason.clone()),
                ("kind", l.kind.clone()),
                ("record", l.record.clone()),
                ("since", l.since.clone()),
                ("until", l.until.clone()),
                ("older_s", l.older_s.map(|n| n.to_string())),
                ("limit", l.limit.map(|n| n.to_string())),
                ("after", l.after.clone()),
            ];
            l.door.show(&["jobs"], &query, |answer| {
                rows(list(&answer["jobs"])) + &more(answer)
            })
        }
        What::Show(one) => one.door.show(&["jobs", &one.job], &vec![], sheet),
        What::BlockedBy(one) => {
            let path = ["jobs", &one.job, "blocked-by"];
            one.door.show(&path, &vec![], blocked_by)
        }
        What::Retry(act) => press(act, "retry"),
        What::Cancel(act) => press(act, "cancel"),
        What::ResolveThere(act) => press(act, "resolve-there"),
        What::ResolveNotThere(act) => press(act, "resolve-not-there"),
        What::Reroute(r) => {
            let one = &r.act.one;
            let body = json!({"to": r.to, "pharmacy": r.pharmacy, "why": r.act.why});
            one.door
                .press(&["jobs", &one.job, "reroute"], &body, came_of)
        }
        What::Edit(e) => {
            let one = &e.act.one;
            let patch = std::fs::read(&e.patch).context("--patch cannot be read")?;
            let patch: Value = serde_json::from_slice(&patch).context("--patch is no JSON")?;
            let body = json!({"effect": e.effect, "patch": patch, "why": e.act.why});
            one.door.press(&["jobs", &one.job, "edit"], &body, came_of)
        }
        What::Proposals(all) => all.door.show(&["proposals"], &vec![], proposals),
        What::Confirm(d) => {
            let path = ["proposals", &d.proposal, "confirm"];
            d.door.press(&path, &json!({}), came_of)
        }
        What::Reject(d) => {
            let path = ["proposals", &d.proposal, "reject"];
            d.door.press(&path, &json!({}), came_of)
        }
    }
}

fn press(act: &Act, word: &str) -> anyhow::Result<ExitCode> {
    let path = ["jobs", &act.one.job, word];
    act.one.door.press(&path, &json!({"why": act.why}), came_of)
}

/// What came of a wish: done, a job, or a proposal.
fn came_of(answer: &Value) -> String {
    match (answer["proposal"].as_str(), answer["job"].as_str()) {
        (Some(id), _) => format!("proposal {id}: another person has to confirm it\n"),
        (None, Some(job)) => format!("done: job {job}\n"),
        (None, None) => "done\n".to_owned(),
    }
}

fn proposals(answer: &Value) -> String {
    let rows: Vec<Vec<String>> = list(&answer["proposals"])
        .iter()
        .map(|p| {
            let deed = &p["deed"];
            [
                &p["id"],
                &p["what"],
                &p["about"],
                &deed["at"],
                &deed["who"],
                &deed["why"],
            ]
            .map(|v| text(v).to_owned())
            .to_vec()
        })
        .collect();
    table(&["proposal", "what", "about", "since", "who", "why"], &rows)
}

/// Jobs as a table.
pub(super) fn rows(jobs: &[Value]) -> String {
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|j| {
            vec![
                text(&j["id"]).to_owned(),
                text(&j["partner"]).to_owned(),
                text(&j["state"]).to_owned(),
                text(&j["purpose"]).to_owned(),
                record(j),
                number(&j["attempts"]).to_string(),
                text(&j["accepted"]).to_owned(),
                text(&j["reason"]).to_owned(),
                held_back_by(j),
            ]
        })
        .collect();
    let head = [
        "job",
        "partner",
        "state",
        "purpose",
        "record",
        "tries",
        "accepted",
        "reason",
        "held back by",
    ];
    table(&head, &rows)
}

fn record(job: &Value) -> String {
    let record = &job["record"];
    format!(
        "{}/{} v{}",
        text(&record["kind"]),
        text(&record["id"]),
        number(&record["version"])
    )
}

fn blocked_by(answer: &Value) -> String {
    let all = list(&answer["blocked_by"]);
    if all.is_empty() {
        return if answer["claimable"] == json!(true) {
            "nothing: it goes next, as soon as its partner has room\n".to_owned()
        } else {
            format!("nothing: it is {}\n", text(&answer["state"]))
        };
    }
    all.iter().fold(String::new(), |mut out, b| {
        let _ = writeln!(out, "{}", text(&b["text"]));
        out
    })
}

/// One job, for people.
fn sheet(job: &Value) -> String {
    let mut out = format!(
        "job {}: {} to {}\n  {} {}",
        text(&job["id"]),
        record(job),
        text(&job["partner"]),
        text(&job["purpose"]),
        text(&job["state"])
    );
    if let Some(what) = job["what"].as_str() {
        let _ = write!(out, ": {what}");
    }
    let _ = write!(
        out,
        "\n  accepted {}, lane {}, chain {}, {} attempts charged\n",
        text(&job["accepted"]),
        text(&job["lane"]),
        text(&job["chain"]),
        number(&job["attempts"])
    );
    for b in list(&job["blocked_by"]) {
        let _ = writeln!(out, "  held back by {}", text(&b["text"]));
    }
    let press: Vec<&str> = list(&job["press"]).iter().map(text).collect();
    if !press.is_empty() {
        let _ = writeln!(out, "  to press: {}", press.join(", "));
    }
    let mut section = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let _ = write!(out, "\n{title}\n{}", table(head, &rows));
        }
    };
    let cells = |v: &Value, keys: &[&str]| -> Vec<String> {
        keys.iter()
            .map(|k| match &v[*k] {
                Value::String(s) => s.clone(),
                Value::Null => "—".to_owned(),
                other => other.to_string(),
            })
            .collect()
    };
    for (title, key, keys) in [
        (
            "effects",
            "effects",
            &["n", "kind", "type", "our_id", "done", "their_id"][..],
        ),
        (
            "attempts",
            "tries",
            &[
                "started", "effect", "together", "asked", "took_ms", "verdict", "reason", "status",
            ][..],
        ),
        ("acts", "acts", &["at", "what", "who", "why"][..]),
        (
            "jobs that belong to it",
            "ties",
            &["tie", "job", "partner", "version", "state"][..],
        ),
    ] {
        let rows = list(&job[key]).iter().map(|v| cells(v, keys)).collect();
        section(title, keys, rows);
    }
    out
}

/// How long, of a number of seconds.
pub(super) fn since(value: &Value) -> String {
    value.as_u64().map_or_else(|| "—".to_owned(), age)
}
