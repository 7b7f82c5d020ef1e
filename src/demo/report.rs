//! What the play shows at its end: where everything is and why, the recount, and the one line of JSON.
//!
//! Records of one kind at one partner in one state are one line; what is not simply there is named, with
//! its reason.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::demo::clinic::{Refused, Taken};
use crate::demo::look::Totals;
use crate::demo::recount::{Evidence, Finding, Name, Story, Wrong};
use crate::demo::say::Say;

/// Exceptions that are named under one line.
const NAMED_MAX: usize = 6;

/// What is known at the end.
#[derive(Debug)]
pub struct Outcome {
    /// The evidence.
    pub evidence: Evidence,
    /// What the recount found.
    pub findings: Vec<Finding>,
    /// What else was not as expected.
    pub odd: Vec<String>,
    /// The gateway's counts.
    pub totals: Totals,
    /// Records that were refused, and by which rules.
    pub refused: Vec<Refused>,
    /// How often the gateway was killed.
    pub kills: u64,
    /// Requests of the clinic and the laboratory that got no clear answer and were sent again.
    pub broken: u64,
    /// Results that the laboratory sent twice on purpose.
    pub repeats: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Outcome {
    /// Whether every expectation held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.findings.is_empty() && self.odd.is_empty()
    }

    fn count(&self, wrong: Wrong) -> usize {
        self.findings.iter().filter(|f| f.wrong == wrong).count()
    }

    /// Attempts that ended with this verdict; those that were questions aside.
    fn attempts(&self, verdict: &str) -> usize {
        self.tries()
            .filter(|(v, asked)| v == verdict && !asked)
            .count()
    }

    fn tries(&self) -> impl Iterator<Item = &(String, bool)> {
        let jobs = self.evidence.stories.values().flat_map(|s| &s.jobs);
        jobs.flat_map(|j| &j.tries)
    }

    /// The one line.
    #[must_use]
    pub fn json(&self) -> Value {
        let t = &self.totals;
        json!({
            "accepted": self.evidence.taken.len(),
            "refused": self.refused.len(),
            "jobs": t.jobs,
            "delivered": t.of("done"),
            "waiting": t.open(),
            "parked": t.of("parked"),
            "cancelled": t.of("cancelled"),
            "superseded": t.of("superseded"),
            "busy": self.attempts("busy"),
            "unsure": self.attempts("unsure"),
            "asked": self.tries().filter(|(_, asked)| *asked).count(),
            "kills": self.kills,
            "lost": self.count(Wrong::Lost),
            "duplicates": self.count(Wrong::Doubled),
            "order_violations": self.count(Wrong::Disordered),
            "seconds": self.seconds,
        })
    }

    /// Shows everything.
    pub fn show(&self, say: &Say) {
        say.line("");
        say.line("Where everything is, and why");
        self.places(say);
        say.line("");
        say.line(
            "Refused, as they should be (the clinic was told at once; nothing of them is kept)",
        );
        for refused in &self.refused {
            say.line(&format!(
                "  {:<36} {}: {}",
                refused.name,
                refused.rules.join(", "),
                refused.words
            ));
        }
        say.line("");
        say.line("Recounted at the partners, from their own books");
        self.recounted(say);
    }

    fn places(&self, say: &Say) {
        let mut places: BTreeMap<(&str, String), Place> = BTreeMap::new();
        let mut nowhere: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, story) in &self.evidence.stories {
            let versions = self.versions(name, story);
            for version in versions {
                let mut anywhere = false;
                for job in story.jobs.iter().filter(|j| j.version == version) {
                    anywhere = true;
                    let place = places
                        .entry((name.0.as_str(), job.partner.clone()))
                        .or_default();
                    let words = job.words.clone().unwrap_or_default();
                    place.add(name, version, &job.state, &words);
                }
                for (v, partner, why, open) in &story.denials {
                    // Of a record that was denied again and again, the newest denial speaks for all.
                    if *open && (*v == version || (*v > version && !anywhere)) {
                        anywhere = true;
                        let place = places
                            .entry((name.0.as_str(), partner.clone()))
                            .or_default();
                        place.add(name, version, "not disclosed", denial(why));
                    }
                }
                if !anywhere {
                    *nowhere.entry(name.0.as_str()).or_default() += 1;
                }
            }
        }
        for ((kind, partner), place) in &places {
            say.line(&format!("  {kind:<19} → {partner:<15} {}", place.summary()));
            for line in place.exceptions() {
                say.line(&format!("      {line}"));
            }
        }
        let stored: Vec<String> = nowhere
            .iter()
            .map(|(kind, n)| format!("{n} {kind}"))
            .collect();
        if !stored.is_empty() {
            say.line(&format!(
                "  stored here; for no partner: {}",
                stored.join(", ")
            ));
        }
    }

    /// The versions of a record: those that the clinic handed in, or those that jobs tell of.
    fn versions(&self, name: &Name, story: &Story) -> Vec<u64> {
        let taken = self.evidence.taken.iter();
        let own = taken.filter(|t: &&Taken| t.kind == name.0 && t.id == name.1);
        let mut versions: Vec<u64> = own.map(|t| t.version).collect();
        versions.extend(story.jobs.iter().map(|j| j.version));
        versions.sort_unstable();
        versions.dedup();
        versions
    }

    fn recounted(&self, say: &Say) {
        let e = &self.evidence;
        let check = |fine: bool| if fine { "ok " } else { "NO " };
        let count = |wrong| self.count(wrong);
        for (wrong, text) in [
            (
                Wrong::Lost,
                format!(
                    "lost: {} of {} accepted record versions and {} results and answers",
                    count(Wrong::Lost),
                    e.taken.len(),
                    e.reported.len() + e.answered.len()
                ),
            ),
            (
                Wrong::Doubled,
                format!(
                    "doubled: {} ({} resources at the EHR, {} messages at the pharmacy, {} at the clinic)",
                    count(Wrong::Doubled),
                    e.kept.len(),
                    e.scripts.len(),
                    e.told.len()
                ),
            ),
            (
                Wrong::Disordered,
                format!("out of order: {}", count(Wrong::Disordered)),
            ),
            (
                Wrong::Undue,
                format!(
                    "never accepted, or without consent: {}",
                    count(Wrong::Undue)
                ),
            ),
        ] {
            say.line(&format!("  {}{text}", check(count(wrong) == 0)));
        }
        say.line(&format!(
            "  {}everything else as expected",
            check(self.odd.is_empty())
        ));
        let named = self.findings.iter().map(|f| &f.what).chain(&self.odd);
        for what in named.take(40) {
            say.line(&format!("      {what}"));
        }
        let t = &self.totals;
        say.line("");
        say.line(&format!(
            "{} record versions accepted, {} refused. {} jobs: {} delivered, {} waiting, {} parked, {} cancelled, {} superseded.",
            e.taken.len(),
            self.refused.len(),
            t.jobs,
            t.of("done"),
            t.open(),
            t.of("parked"),
            t.of("cancelled"),
            t.of("superseded"),
        ));
        say.line(&format!(
            "{} attempts found a partner busy, {} ended unclear, {} times a partner was asked. {} kills; {} requests to the gateway were repeated until answered; {} results came twice on purpose.",
            self.attempts("busy"),
            self.attempts("unsure"),
            self.tries().filter(|(_, asked)| *asked).count(),
            self.kills,
            self.broken,
            self.repeats,
        ));
    }
}

/// The record versions of a kind at a partner.
#[derive(Debug, Default)]
struct Place {
    by_state: BTreeMap<&'static str, usize>,
    /// What is not simply there: state and words → records.
    named: BTreeMap<(&'static str, String), Vec<String>>,
}

impl Place {
    fn add(&mut self, name: &Name, version: u64, state: &str, words: &str) {
        let shown = match state {
            "done" => "there",
            "superseded" => "replaced by a newer version",
            "cancelled" => "cancelled before it left",
            "not disclosed" => "not disclosed",
            "parked" => "parked",
            "waiting" => "waiting",
            "asking" => "asking",
            _ => "sending",
        };
        *self.by_state.entry(shown).or_default() += 1;
        if !matches!(state, "done" | "superseded") {
            self.named
                .entry((shown, words.to_owned()))
                .or_default()
                .push(format!("{} v{version}", name.1));
        }
    }

    fn summary(&self) -> String {
        const ORDER: [&str; 8] = [
            "there",
            "waiting",
            "sending",
            "asking",
            "parked",
            "not disclosed",
            "cancelled before it left",
            "replaced by a newer version",
        ];
        let parts: Vec<String> = ORDER
            .iter()
            .filter_map(|state| Some(format!("{} {state}", self.by_state.get(state)?)))
            .collect();
        parts.join(", ")
    }

    fn exceptions(&self) -> impl Iterator<Item = String> {
        self.named.iter().map(|((state, words), records)| {
            let mut names = records.clone();
            let more = names.len().saturating_sub(NAMED_MAX);
            names.truncate(NAMED_MAX);
            let mut names = names.join(", ");
            if more > 0 {
                names.push_str(&format!(" and {more} more"));
            }
            let because = if words.is_empty() { "" } else { ": " };
            format!("{state}{because}{words} ({names})")
        })
    }
}

/// A denial's word in words.
fn denial(why: &str) -> &'static str {
    match why {
        "class-kind" => "such a partner has no use for it",
        "consent-none" => "no consent was given",
        "consent-receiver" => "no consent names this receiver",
        "consent-purpose" => "no consent covers the purpose",
        "consent-scope" => "the consent covers other records",
        "consent-not-yet" => "the consent holds only later",
        "consent-expired" => "the consent has expired",
        "consent-revoked" => "the consent was revoked",
        _ => "no consent covers it",
    }
}
