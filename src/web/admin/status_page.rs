//! The status as a page: the sentence, what needs a person grouped by cause, the partners, what moves by
//! itself, oldest first. Of a record it shows kind and id, nothing else.

use std::fmt::Write;

use super::html::{button, esc, page as whole, segment};
use super::status::{Group, Shown};
use super::words::{self, Press};
use crate::clock::Time;
use crate::ids::PartnerId;
use crate::sync::job::State;
use crate::sync::ports::{JobView, PartnerView};
use crate::sync::reason::Reason;

impl<'a> Shown<'a> {
    /// The page. `every`: it is loaded again after so many seconds.
    pub(super) fn page(&self, every: Option<u32>) -> String {
        let (headline, class) = self.headline();
        let mut out = format!("<p class=\"lead {class}\">{}</p>\n", esc(&headline));
        out.push_str(match every {
            Some(_) => "<p class=\"quiet\">This page loads itself again. <a href=\"/status\">Stop</a></p>\n",
            None => "<p class=\"quiet\"><a href=\"/status?every=15\">Load again every 15 seconds</a></p>\n",
        });
        let groups = self.groups();
        self.audit(&mut out);
        self.section(
            &mut out,
            "Waits for a person",
            groups.iter().filter(|g| g.state == State::Parked),
        );
        self.proposals(&mut out);
        self.inbound(&mut out);
        self.cards(&mut out);
        self.section(
            &mut out,
            "Moves by itself",
            groups.iter().filter(|g| g.state != State::Parked),
        );
        self.replays(&mut out);
        self.footer(&mut out);
        whole(
            "Status",
            self.tenant.id.as_str(),
            &words::moment(self.now, &self.tenant.zone),
            &out,
        )
    }

    fn section<'g>(
        &self,
        out: &mut String,
        title: &str,
        groups: impl Iterator<Item = &'g Group<'a>>,
    ) where
        'a: 'g,
    {
        let mut groups = groups.peekable();
        if groups.peek().is_none() {
            return;
        }
        let _ = writeln!(out, "<h2>{}</h2>", esc(title));
        for g in groups {
            let class = match g.state {
                State::Parked => "bad",
                State::Asking => "warn",
                _ => "plain",
            };
            let what = g
                .reason
                .map_or("it is due, or waits for its turn", Reason::what);
            let _ = write!(
                out,
                "<section class=\"cause {class}\"><h3>{}: {}</h3><p class=\"facts\">{} {}",
                esc(g.partner),
                esc(what),
                words::count(
                    u64::try_from(g.jobs.len()).unwrap_or(0),
                    "message",
                    "messages"
                ),
                esc(g.state.as_str()),
            );
            if let Some(reason) = g.reason {
                let _ = write!(
                    out,
                    " · who can help: {} · the gateway: {}",
                    esc(reason.who()),
                    esc(reason.next())
                );
            }
            let _ = writeln!(
                out,
                "</p><p class=\"press\">{}</p>",
                esc(words::advice(g.state, g.unsure, g.reason))
            );
            out.push_str(
                "<div class=\"scroll\"><table><thead><tr><th>Record<th class=\"n\">Version<th>To do<th>Waits<th>Next<th class=\"n\">Tries<th>Held back by<th></thead><tbody>\n",
            );
            for job in &g.jobs {
                self.row(out, job);
            }
            out.push_str("</tbody></table></div></section>\n");
        }
    }

    fn row(&self, out: &mut String, job: &JobView) {
        let next = if words::by_the_gate(job) {
            words::until(Time::NEVER, self.now)
        } else if job.state.is_open() {
            words::until(job.due, self.now)
        } else {
            "—".to_owned()
        };
        let _ = write!(
            out,
            "<tr><td><a href=\"{}\">{} {}</a><td class=\"n\">{}<td>{}<td>{}<td>{}<td class=\"n\">{}<td>{}<td class=\"act\">",
            esc(record_address(&job.record.kind, &job.record.id)),
            esc(&job.record.kind),
            esc(&job.record.id),
            job.record.version,
            esc(job.purpose.as_str()),
            esc(words::age(self.now.since(job.accepted))),
            esc(next),
            job.attempts,
            esc(words::held_back_by(job)),
        );
        if self.may_act {
            out.push_str(&presses(job, "/status"));
        }
        out.push('\n');
    }

    fn audit(&self, out: &mut String) {
        for (f, since) in &self.status.audited.findings {
            let place = f.partner.as_ref().map_or("the store", PartnerId::as_str);
            let _ = writeln!(
                out,
                "<section class=\"cause bad\"><h3>Self-check, {}: {}</h3><p class=\"facts\">{} · for {}</p>\
                 <p class=\"press\">{}</p></section>",
                esc(place),
                esc(f.fault.what()),
                f.n,
                esc(words::age(self.now.since(*since))),
                esc(f.fault.press())
            );
        }
    }

    fn inbound(&self, out: &mut String) {
        if !self.status.unmatched.is_empty() {
            let n = u64::try_from(self.status.unmatched.len()).unwrap_or(0);
            let _ = writeln!(
                out,
                "<section class=\"cause bad\"><h3>{} to be linked</h3><p class=\"press\">A partner named somebody who \
                 is none of our clients, or several. <a href=\"/unmatched\">Link them</a>; what waits is then worked on.</p></section>",
                words::count(n, "patient", "patients")
            );
        }
        if self.status.parked_raw.is_empty() {
            return;
        }
        out.push_str(
            "<section class=\"cause bad\"><h3>Inbound messages that could not be understood</h3>\
             <p class=\"press\">They are kept as they came, and the sender was told that we have them. Give the id and \
             the broken rules to the partner; what they send anew is worked on.</p>\
             <div class=\"scroll\"><table><thead><tr><th>Id<th>From<th>Since<th>Rules</thead><tbody>\n",
        );
        for (id, door, since, rules) in &self.status.parked_raw {
            let _ = writeln!(
                out,
                "<tr><td><code>{}</code><td>{}<td>{} ago<td>{}",
                esc(id),
                esc(door),
                esc(words::age(self.now.since(*since))),
                esc(rules.join(", "))
            );
        }
        out.push_str("</tbody></table></div></section>\n");
    }

    fn cards(&self, out: &mut String) {
        out.push_str("<h2>Partners</h2>\n<div class=\"cards\">\n");
        let mut partners: Vec<&PartnerView> = self.status.partners.iter().collect();
        partners.sort_by_key(|p| (words::mood(p), p.oldest.unwrap_or(Time::NEVER)));
        for p in partners {
            self.card(out, p);
        }
        out.push_str("</div>\n");
    }

    fn card(&self, out: &mut String, p: &PartnerView) {
        let mood = words::mood(p);
        let _ = write!(
            out,
            "<section class=\"card {}\"><h3>{} <small>{}</small></h3><dl>",
            mood.class(),
            esc(&p.partner),
            esc(mood.word())
        );
        for (name, n) in [
            ("waiting", words::jobs(p, State::Waiting)),
            ("retrying", p.retrying),
            ("held", p.held),
            ("sending", words::jobs(p, State::Sending)),
            ("asking", words::jobs(p, State::Asking)),
            ("parked", words::jobs(p, State::Parked)),
            ("done", words::jobs(p, State::Done)),
        ] {
            let zero = if n == 0 { " class=\"zero\"" } else { "" };
            let _ = write!(out, "<div{zero}><dt>{name}<dd>{n}</div>");
        }
        out.push_str("</dl><p>");
        if let Some(oldest) = p.oldest {
            let _ = write!(
                out,
                "Oldest open: <b>{}</b>. ",
                esc(words::age(self.now.since(oldest)))
            );
        }
        match p.last_success {
            Some(t) => {
                let _ = write!(
                    out,
                    "Last accepted {} ago. ",
                    esc(words::age(self.now.since(t)))
                );
            }
            None => out.push_str("Nothing accepted yet. "),
        }
        if let Some((until, reason)) = p.paused {
            let _ = if until == Time::NEVER {
                write!(out, "Paused: {}.", esc(reason.what()))
            } else {
                write!(
                    out,
                    "Paused: {}; probed {}.",
                    esc(reason.what()),
                    esc(words::until(until, self.now))
                )
            };
        }
        out.push_str("</p>");
        if self.may_act {
            let act = if p.paused.is_some() {
                "resume"
            } else {
                "pause"
            };
            let label = if p.paused.is_some() {
                "Resume"
            } else {
                "Pause"
            };
            out.push_str(&button(
                &format!("/partners/{}/{act}", segment(p.partner.as_str())),
                label,
                "",
                &[],
            ));
        }
        out.push_str("</section>\n");
    }

    fn footer(&self, out: &mut String) {
        let s = self.status;
        let totals = self.totals();
        let of = |state: State| totals.get(state.as_str()).copied().unwrap_or(0);
        let listed = u64::try_from(s.jobs.len()).unwrap_or(0);
        let _ = writeln!(
            out,
            "<p class=\"quiet\">Listed above: the {} that need looking at or are late, oldest first; all are counted.</p>",
            words::count(listed, "message", "messages")
        );
        if !s.refusals.is_empty() {
            out.push_str(
                "<h2>Refused at the door</h2>\n<p class=\"quiet\">Nothing of these is kept; the sender still holds them.</p>\n\
                 <div class=\"scroll\"><table><thead><tr><th>Kind<th>Rule<th>Field<th>Caller<th class=\"n\">Times<th>Last</thead><tbody>\n",
            );
            for (r, n, last) in &s.refusals {
                let _ = writeln!(
                    out,
                    "<tr><td>{}<td>{}<td><code>{}</code><td>{}<td class=\"n\">{n}<td>{} ago",
                    esc(&r.kind),
                    esc(&r.rule),
                    esc(&r.pointer),
                    esc(&r.caller),
                    esc(words::age(self.now.since(*last)))
                );
            }
            out.push_str("</tbody></table></div>\n");
        }
        let _ = writeln!(
            out,
            "<p class=\"quiet\">{} stored, {} made from them: {} waiting, {} sending, {} asking, {} parked, {} done, \
             {} cancelled, {} superseded{}. {} by consent. {}.</p>",
            words::count(s.versions, "record version", "record versions"),
            words::count(s.jobs_made, "job", "jobs"),
            of(State::Waiting),
            of(State::Sending),
            of(State::Asking),
            of(State::Parked),
            of(State::Done),
            of(State::Cancelled),
            of(State::Superseded),
            if self.adds_up() {
                ", which adds up"
            } else {
                ", WHICH DOES NOT ADD UP"
            },
            words::count(s.denials_open, "disclosure denied", "disclosures denied"),
            match s.audited.at {
                Some(at) => format!("Self-checked {} ago", words::age(self.now.since(at))),
                None => "Not self-checked yet".to_owned(),
            },
        );
    }
}

/// Where a record's story is.
pub(super) fn record_address(kind: &str, id: &str) -> String {
    format!("/records/{}/{}", segment(kind), segment(id))
}

/// The buttons of a job. What cannot be taken back asks once more.
pub(super) fn presses(job: &JobView, back: &str) -> String {
    let mut out = String::new();
    for press in words::presses(job) {
        let action = format!("/jobs/{}/{}", segment(job.id.as_str()), press.word());
        if press == Press::Retry {
            out.push_str(&button(&action, press.label(), "", &[("back", back)]));
            continue;
        }
        let _ = write!(
            out,
            "<details><summary>{}…</summary><form method=\"post\" action=\"{}\"><p>{}</p>\
             <input type=\"hidden\" name=\"back\" value=\"{}\">\
             <input name=\"why\" maxlength=\"500\" aria-label=\"Why\" placeholder=\"why, or who said so\">\
             <button class=\"sure\">{}</button></form></details>",
            esc(press.label()),
            esc(&action),
            esc(press.means()),
            esc(back),
            esc(press.label()),
        );
    }
    out
}
