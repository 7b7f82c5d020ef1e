//! A running gateway's doors, for the commands that press its buttons: one request, its JSON, its
//! refusals in words, and tables for people.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::clock::{Clock, System};
use crate::partner::wire::{Ask, Credential, Heard, Http, HttpSettings};

/// Which gateway, as whom, and how its answer is printed.
#[derive(Debug, clap::Args)]
pub(super) struct Door {
    /// The gateway's address.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A file whose first line is a token with the right that the command needs: `read` or `operate`.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Prints the gateway's JSON as one line.
    #[arg(long)]
    json: bool,
}

/// The parts of an address after `?`; what is `None` is left out.
pub(super) type Query<'a> = Vec<(&'a str, Option<String>)>;

impl Door {
    /// Asks, prints the answer (by `readable` for people). Exit code 0; 1 if the gateway refused.
    ///
    /// # Errors
    /// There was no answer (exit code 2).
    pub(super) fn show(
        &self,
        path: &[&str],
        query: &Query<'_>,
        readable: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<ExitCode> {
        self.print(self.get(path, query)?, readable)
    }

    /// Presses a button, and prints what came of it.
    ///
    /// # Errors
    /// There was no answer.
    pub(super) fn press(
        &self,
        path: &[&str],
        body: &Value,
        readable: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<ExitCode> {
        let bytes = serde_json::to_vec(body)?;
        let ask = Ask {
            method: reqwest::Method::POST,
            body: Some(("application/json", bytes)),
            ..Ask::get(self.address(path, &Vec::new())?)
        };
        self.print(self.send(ask)?, readable)
    }

    /// An answer with 200, or what the gateway refused.
    ///
    /// # Errors
    /// There was no answer.
    pub(super) fn get(&self, path: &[&str], query: &Query<'_>) -> anyhow::Result<(u16, Value)> {
        self.send(Ask::get(self.address(path, query)?))
    }

    fn print(
        &self,
        (status, answer): (u16, Value),
        readable: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<ExitCode> {
        let fine = (200..300).contains(&status);
        if self.json {
            super::print(&format!("{answer}\n"))?;
        } else if fine {
            super::print(&readable(&answer))?;
        } else {
            let mut said = format!("the gateway answered {status}\n");
            for issue in list(&answer["issues"]) {
                let _ = writeln!(
                    said,
                    "  {}: {}",
                    text(&issue["rule"]),
                    text(&issue["message"])
                );
            }
            complain(&said);
        }
        Ok(ExitCode::from(u8::from(!fine)))
    }

    /// Whether JSON is wanted.
    pub(super) fn as_json(&self) -> bool {
        self.json
    }

    fn address(&self, path: &[&str], query: &Query<'_>) -> anyhow::Result<reqwest::Url> {
        let mut url = reqwest::Url::parse(&self.url).context("--url is no address")?;
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("--url is no address"))?
            .pop_if_empty()
            .extend(path);
        let there: Vec<_> = query
            .iter()
            .filter_map(|(k, v)| Some((k, v.as_ref()?)))
            .collect();
        if !there.is_empty() {
            url.query_pairs_mut().extend_pairs(there);
        }
        Ok(url)
    }

    fn send(&self, ask: Ask<'_>) -> anyhow::Result<(u16, Value)> {
        let client = Http::new(&HttpSettings {
            timeout: Duration::from_secs(60),
            body_max: 64 << 20,
            credential: Credential::File(self.token_file.clone()),
            ..HttpSettings::default()
        })
        .map_err(|wrong| anyhow::anyhow!(wrong.join("; ")))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime")?;
        let heard: Heard = runtime
            .block_on(client.send(ask, System::default().now()))
            .map_err(|a| anyhow::anyhow!("no answer: {}", a.reason.what()))?;
        let body = if heard.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&heard.body).context("the answer is no JSON")?
        };
        Ok((heard.status, body))
    }
}

/// Writes to standard error.
fn complain(text: &str) {
    use std::io::Write as _;
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// A number, 0 where there is none.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// A text, a dash where there is none.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("—")
}

/// A list, empty where there is none.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `40 s`, `12 min`, `3 h 05 min`, `2 d 4 h`.
pub(super) fn age(s: u64) -> String {
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// Columns as wide as what stands in them; the last one as long as it is.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |n: usize| {
        let cells = rows.iter().filter_map(|r| r.get(n));
        let widest = cells.map(|c| c.chars().count()).max().unwrap_or(0);
        widest.max(head[n].chars().count())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &[&str]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(head);
    for row in rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    out
}

/// What a list says where there is more of it.
pub(super) fn more(answer: &Value) -> String {
    match answer["next"].as_str() {
        Some(next) => format!("\nmore: --after {next}\n"),
        None => String::new(),
    }
}

/// What holds a job back, in words.
pub(super) fn held_back_by(job: &Value) -> String {
    let all: Vec<&str> = list(&job["blocked_by"])
        .iter()
        .map(|b| text(&b["text"]))
        .collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_what_stands_in_it() {
        let rows = vec![
            vec!["ehr".to_owned(), "paused".to_owned()],
            vec!["pharmacy-east".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["partner", "mood"], &rows),
            "partner        mood\nehr            paused\npharmacy-east\n"
        );
    }
}
