//! What a person is told: ages, moments, what happened and what to press. Pure.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::clock::Time;
use crate::sync::job::State;
use crate::sync::ports::{JobView, PartnerView};
use crate::sync::reason::Reason;

/// `40 s`, `12 min`, `3 h 05 min`, `2 d 4 h`.
pub(super) fn age(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// A moment on the tenant's wall clock: `24 Nov 14:05:09`.
pub(super) fn moment(time: Time, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_microsecond(time.micros()) {
        Ok(t) => t
            .to_zoned_datetime(zone.clone())
            .strftime("%-d %b %H:%M:%S")
            .to_string(),
        Err(_) => "never".to_owned(),
    }
}

/// `in 5 min`, `now`, or the wait for something else.
pub(super) fn until(time: Time, now: Time) -> String {
    if time == Time::NEVER {
        "when that changes".to_owned()
    } else if time <= now {
        "now".to_owned()
    } else {
        format!("in {}", age(time.since(now)))
    }
}

/// One thing or several.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// All that holds a job back, in one line.
pub(super) fn held_back_by(job: &JobView) -> String {
    let all: Vec<String> = job.blocked_by.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// What a person may do to a job: the last part of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Press {
    /// Send it now, the schedule from its start.
    Retry,
    /// Never send it.
    Cancel,
    /// The partner has it.
    ResolveThere,
    /// The partner does not have it.
    ResolveNotThere,
}

impl Press {
    pub(super) const ALL: [Press; 4] = [
        Press::ResolveThere,
        Press::ResolveNotThere,
        Press::Retry,
        Press::Cancel,
    ];

    /// The last part of the address.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Press::Retry => "retry",
            Press::Cancel => "cancel",
            Press::ResolveThere => "resolve-there",
            Press::ResolveNotThere => "resolve-not-there",
        }
    }

    /// What stands on the button.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Press::Retry => "Retry now",
            Press::Cancel => "Cancel",
            Press::ResolveThere => "They have it",
            Press::ResolveNotThere => "They don’t have it",
        }
    }

    /// What it does.
    pub(super) const fn means(self) -> &'static str {
        match self {
            Press::Retry => "Sends the same bytes again, with the schedule from its start.",
            Press::Cancel => {
                "It is never sent. The record stays; a newer version of it goes its own way."
            }
            Press::ResolveThere => {
                "Ends it as delivered. Press it when the partner confirmed that they have it."
            }
            Press::ResolveNotThere => {
                "It may be sent again. Press it only when the partner said that they do not have it."
            }
        }
    }
}

/// What may be pressed, as the store allows it.
pub(super) fn presses(job: &JobView) -> Vec<Press> {
    let at_rest = matches!(job.state, State::Waiting | State::Parked | State::Asking);
    Press::ALL
        .into_iter()
        .filter(|p| match p {
            Press::Retry => {
                !job.unsure
                    && matches!(job.state, State::Waiting | State::Parked)
                    && !only_a_new_version_helps(job.reason)
                    && !by_the_gate(job)
            }
            Press::Cancel => at_rest,
            Press::ResolveThere | Press::ResolveNotThere => job.unsure && at_rest,
        })
        .collect()
}

/// Whether the gate holds it: it goes when the client's consents change, and not before.
pub(super) fn by_the_gate(job: &JobView) -> bool {
    job.state == State::Waiting && job.reason == Some(Reason::Consent)
}

/// Whether the same bytes would park again at once.
const fn only_a_new_version_helps(reason: Option<Reason>) -> bool {
    use Reason as R;
    matches!(
        reason,
        Some(R::PastDeadline | R::SignatureChanged | R::UnknownDrug | R::Integrity | R::RuleBlocks)
    )
}

/// What to press, in a sentence.
pub(super) fn advice(state: State, unsure: bool, reason: Option<Reason>) -> &'static str {
    use Reason as R;
    match (state, unsure, reason) {
        (State::Asking, ..) => {
            "Nothing to press: the partner is being asked. If you know the answer, say so."
        }
        (State::Parked, true, _) => {
            "Call the partner and ask for it, then press what they say. Until then it is not sent again."
        }
        (State::Parked, _, Some(R::PatientUnknown | R::PatientAmbiguous)) => {
            "Link the patient under “Unmatched patients” or at the partner, then press Retry."
        }
        (State::Parked, _, Some(R::PastDeadline | R::SignatureChanged | R::UnknownDrug)) => {
            "The prescriber signs a new version in the clinic’s system; it takes the place of this one."
        }
        (State::Parked, _, Some(R::RuleParks)) => {
            "Look at the warnings of its version. Retry sends it as it is; a new version takes its place."
        }
        (State::Parked, _, Some(R::RuleBlocks)) => {
            "Mend the record in the clinic’s system: a new version takes its place. See the warnings of its version."
        }
        (State::Parked, _, Some(R::CancelDenied | R::CancelSilent)) => {
            "Call the pharmacy about the earlier prescription. Retry sends the new one; Cancel keeps the old one."
        }
        (State::Parked, _, Some(R::Refused)) => {
            "Mend the record in the clinic’s system and send a new version. Retry only if the partner mended its side."
        }
        (State::Parked, _, Some(R::Forbidden | R::Unsupported)) => {
            "Set it right with the partner (rights, route), then press Retry."
        }
        (State::Parked, ..) => "Mend the cause, then press Retry; or Cancel to give it up.",
        (State::Waiting, _, Some(R::Consent)) => {
            "Nothing to press: it goes when a consent covers this receiver."
        }
        (State::Waiting, _, Some(R::PartnerPaused)) => {
            "Nothing to press if the pause is meant; otherwise resume the partner."
        }
        (State::Waiting, ..) => "Nothing to press: it goes by itself.",
        (State::Sending, ..) => "Nothing to press: it is on its way.",
        _ => "Nothing to press.",
    }
}

/// How a partner is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mood {
    /// Something waits for a person.
    NeedsYou,
    /// It does not answer; it is probed.
    Down,
    /// A person paused it.
    Paused,
    /// Something is repeated or asked about.
    Retrying,
    /// It flows, or there is nothing to do.
    Flowing,
}

impl Mood {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Mood::NeedsYou => "needs a person",
            Mood::Down => "not answering",
            Mood::Paused => "paused by a person",
            Mood::Retrying => "retrying",
            Mood::Flowing => "flowing",
        }
    }

    pub(super) const fn class(self) -> &'static str {
        match self {
            Mood::NeedsYou => "bad",
            Mood::Down | Mood::Paused | Mood::Retrying => "warn",
            Mood::Flowing => "good",
        }
    }
}

/// Jobs of a partner in a state.
pub(super) fn jobs(p: &PartnerView, state: State) -> u64 {
    p.jobs.get(state.as_str()).copied().unwrap_or(0)
}

/// How a partner is doing.
pub(super) fn mood(p: &PartnerView) -> Mood {
    match p.paused {
        _ if jobs(p, State::Parked) > 0 => Mood::NeedsYou,
        Some((Time::NEVER, _)) => Mood::Paused,
        Some(_) => Mood::Down,
        None if p.retrying > 0 || jobs(p, State::Asking) > 0 => Mood::Retrying,
        None => Mood::Flowing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        for (s, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3900, "1 h 05 min"),
            (180_000, "2 d 2 h"),
        ] {
            assert_eq!(age(Duration::from_secs(s)), text);
        }
    }

    #[test]
    fn every_state_and_reason_has_advice() {
        for state in State::ALL {
            for reason in Reason::ALL {
                for unsure in [false, true] {
                    assert!(advice(state, unsure, Some(*reason)).ends_with('.'));
                }
            }
        }
    }
}
