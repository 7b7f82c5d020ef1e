//! The whole story of a record: versions, what they became, jobs with effects and attempts, denials,
//! what came back. The page shows no body; JSON does, to those who may read.

use std::fmt::Write;

use serde_json::{Value, json};

use super::html::{esc, page as whole};
use super::lists;
use super::status_page::{presses, record_address};
use super::words;
use crate::clock::Time;
use crate::sync::house::Tenant;
use crate::sync::job::State;
use crate::sync::ports::{JobView, StoredVersion, Story};
use crate::sync::reason::Reason;

/// What is shown, to whom.
pub(super) struct Shown<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) now: Time,
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
    pub(super) story: &'a Story,
    pub(super) bodies: bool,
    pub(super) may_act: bool,
}

/// What its sender was told to know: rules, places and our own words, no value.
fn warnings(v: &StoredVersion) -> Vec<Value> {
    let told: Value = serde_json::from_slice(&v.given.body).unwrap_or_default();
    told["warnings"].as_array().cloned().unwrap_or_default()
}

impl Shown<'_> {
    fn version(&self, v: &StoredVersion) -> Value {
        let mut out = json!({
            "kind": v.record.kind,
            "id": v.record.id,
            "version": v.record.version,
            "chain": v.chain,
            "from": v.origin,
            "accepted": v.accepted,
            "context": v.context,
        });
        let warnings = warnings(v);
        if !warnings.is_empty() {
            out["warnings"] = Value::Array(warnings);
        }
        if self.bodies {
            out["record"] = serde_json::from_slice(&v.body).unwrap_or(Value::Null);
        }
        out
    }

    /// Where the newest version stands, per partner, in a word each.
    fn stages(&self) -> Vec<Value> {
        let newest = self.story.versions.first().map_or(0, |v| v.record.version);
        self.story
            .jobs
            .iter()
            .filter(|j| j.record.version == newest && j.record.id == self.id)
            .map(|j| {
                json!({
                    "partner": j.partner,
                    "purpose": j.purpose,
                    "stage": j.state,
                    "reason": j.reason,
                    "what": j.reason.map(Reason::what),
                })
            })
            .collect()
    }

    /// The JSON form.
    pub(super) fn json(&self) -> Value {
        let s = self.story;
        let jobs: Vec<Value> = s.jobs.iter().map(lists::job).collect();
        let resources: Vec<Value> = s
            .resources
            .iter()
            .map(
                |(resource_type, id, part, version, record_version, profiles)| {
                    json!({
                        "resourceType": resource_type,
                        "id": id,
                        "part": part,
                        "version": version,
                        "record_version": record_version,
                        "profiles": profiles,
                    })
                },
            )
            .collect();
        let denials: Vec<Value> = s
            .denials
            .iter()
            .map(|(d, open)| {
                json!({"version": d.record.version, "partner": d.partner, "why": d.why, "open": open})
            })
            .collect();
        json!({
            "kind": self.kind,
            "id": self.id,
            "version": s.versions.first().map(|v| v.record.version),
            "stages": self.stages(),
            "versions": s.versions.iter().map(|v| self.version(v)).collect::<Vec<_>>(),
            "resources": resources,
            "jobs": jobs,
            "denials": denials,
            "answers": s.answers.iter().map(|v| self.version(v)).collect::<Vec<_>>(),
        })
    }

    /// The page.
    pub(super) fn page(&self) -> String {
        let s = self.story;
        let mut out = format!("<h1>{} {}</h1>\n", esc(self.kind), esc(self.id));
        out.push_str("<h2>Where it is</h2>\n");
        if s.jobs.is_empty() {
            out.push_str(
                "<p class=\"lead plain\">It is stored here. No route brings it to a partner.</p>\n",
            );
        }
        for job in s.jobs.iter().rev() {
            self.job(&mut out, job);
        }
        self.denials(&mut out);
        self.versions(&mut out);
        self.answers(&mut out);
        whole(
            &format!("{} {}", self.kind, self.id),
            self.tenant.id.as_str(),
            &words::moment(self.now, &self.tenant.zone),
            &out,
        )
    }

    fn job(&self, out: &mut String, job: &JobView) {
        let class = match job.state {
            State::Parked => "bad",
            State::Asking => "warn",
            State::Done => "good",
            _ => "plain",
        };
        let _ = write!(
            out,
            "<section class=\"cause {class}\"><h3>{}: version {} {}</h3><p class=\"facts\">{} · job <code>{}</code>",
            esc(&job.partner),
            job.record.version,
            esc(job.state.as_str()),
            esc(job.purpose.as_str()),
            esc(&job.id),
        );
        if let Some(message) = &job.message {
            let _ = write!(out, " · message <code>{}</code>", esc(message));
        }
        if let Some(reason) = job.reason {
            let _ = write!(out, " · {}", esc(reason.what()));
        }
        if job.state.is_open() {
            let _ = write!(out, " · next {}", esc(words::until(job.due, self.now)));
        }
        if !job.blocked_by.is_empty() {
            let _ = write!(out, " · held back by {}", esc(words::held_back_by(job)));
        }
        out.push_str("</p>");
        if job.state.is_open() || job.state == State::Parked {
            let _ = write!(
                out,
                "<p class=\"press\">{}</p>",
                esc(words::advice(job.state, job.unsure, job.reason))
            );
        }
        if self.may_act {
            out.push_str("<div class=\"act\">");
            out.push_str(&presses(job, &record_address(self.kind, self.id)));
            out.push_str("</div>");
        }
        out.push_str("<ul class=\"effects\">");
        for e in &job.effects {
            let _ = write!(
                out,
                "<li class=\"{}\">{} {}{}",
                if e.done { "done" } else { "open" },
                esc(e.kind.as_str()),
                esc(&e.resource_type),
                e.their_id.as_ref().map_or(String::new(), |id| format!(
                    ", theirs <code>{}</code>",
                    esc(id)
                )),
            );
        }
        out.push_str("</ul>");
        if !job.tries.is_empty() {
            out.push_str(
                "<div class=\"scroll\"><table><thead><tr><th>When<th>What<th class=\"n\">Took<th>Meant<th class=\"n\">HTTP<th>Why</thead><tbody>\n",
            );
            for t in &job.tries {
                let _ = writeln!(
                    out,
                    "<tr><td>{}<td>{} {}{}<td class=\"n\">{} ms<td>{}<td class=\"n\">{}<td>{}",
                    esc(words::moment(t.started, &self.tenant.zone)),
                    if t.asked { "asked about" } else { "sent" },
                    t.effect + 1,
                    match t.together {
                        0 | 1 => String::new(),
                        all => format!(" and {} more in one request", all - 1),
                    },
                    t.took_ms,
                    esc(t.verdict.as_str()),
                    t.status.map_or("—".to_owned(), |s| s.to_string()),
                    esc(t.reason.what()),
                );
            }
            out.push_str("</tbody></table></div>");
        }
        out.push_str("</section>\n");
    }

    fn denials(&self, out: &mut String) {
        if self.story.denials.is_empty() {
            return;
        }
        out.push_str("<h2>Not disclosed</h2>\n<ul>");
        for (d, open) in &self.story.denials {
            let _ = write!(
                out,
                "<li>version {} to {}: {}{}",
                d.record.version,
                esc(&d.partner),
                esc(&d.why),
                if *open { "" } else { " (since allowed)" }
            );
        }
        out.push_str("</ul>\n");
    }

    fn versions(&self, out: &mut String) {
        out.push_str(
            "<h2>Versions</h2>\n<div class=\"scroll\"><table><thead><tr><th class=\"n\">Version<th>Accepted<th>From<th>Became</thead><tbody>\n",
        );
        for v in &self.story.versions {
            let became: Vec<&str> = self
                .story
                .resources
                .iter()
                .filter(|r| r.4 == v.record.version)
                .map(|r| r.0.as_str())
                .collect();
            let _ = writeln!(
                out,
                "<tr><td class=\"n\">{}<td>{}<td>{}<td>{}",
                v.record.version,
                esc(words::moment(v.accepted, &self.tenant.zone)),
                esc(&v.origin),
                esc(became.join(", "))
            );
        }
        out.push_str("</tbody></table></div>\n");
        for v in &self.story.versions {
            let all = warnings(v);
            if all.is_empty() {
                continue;
            }
            let _ = write!(
                out,
                "<h3>Warnings of version {}</h3>\n<ul>",
                v.record.version
            );
            for warning in &all {
                let text = |key: &str| esc(warning[key].as_str().unwrap_or_default());
                let _ = write!(
                    out,
                    "<li>{} <code>{}</code> (rule {})",
                    text("message"),
                    text("path"),
                    text("rule"),
                );
            }
            out.push_str("</ul>\n");
        }
    }

    fn answers(&self, out: &mut String) {
        if self.story.answers.is_empty() {
            return;
        }
        out.push_str("<h2>What came back</h2>\n<ul>");
        for a in &self.story.answers {
            let _ = write!(
                out,
                "<li><a href=\"{}\">{} {}</a> from {}, {}",
                esc(record_address(&a.record.kind, &a.record.id)),
                esc(&a.record.kind),
                esc(&a.record.id),
                esc(&a.origin),
                esc(words::moment(a.accepted, &self.tenant.zone)),
            );
        }
        out.push_str("</ul>\n");
    }
}
