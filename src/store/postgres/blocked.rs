//! Jobs at a glance, and what holds each back at a moment (sql/people.sql says it, as arrays of words).

use serde_json::Value;
use tokio_postgres::Row;

use super::failure::Failure;
use super::rows::{self, Read, get};
use crate::clock::Time;
use crate::ids::{JobId, MessageId, PartnerId};
use crate::sync::job::State;
use crate::sync::ports::{Blocker, JobView};
use crate::sync::reason::Reason;

/// Columns of [`glance`], of the view `any_job` named `j`; `$now` is the parameter that says the moment.
/// Without one nobody asks what holds the job back.
macro_rules! job_columns {
    () => {
        concat!(job_columns!(@facts), "'[]'")
    };
    ($now:literal) => {
        concat!(job_columns!(@facts), "blocked_by(j, ", $now, ")::text")
    };
    (@facts) => {
        "j.seq, j.id, j.partner, j.kind, j.record, j.version, j.purpose, j.state, j.reason, \
         j.accepted, j.due, j.attempts, j.unsure, j.message, "
    };
}
pub(super) use job_columns;

/// How many columns those are.
pub(super) const COLUMNS: usize = 15;

/// A job at a glance, without its effects and attempts, and its seq; from column `at` on.
pub(super) fn glance(row: &Row, at: usize) -> Read<(i64, JobView)> {
    let view = JobView {
        id: JobId::new(get(row, at + 1)?),
        partner: PartnerId::new(get(row, at + 2)?),
        record: rows::version_ref(row, at + 3)?,
        purpose: rows::purpose(row, at + 6)?,
        state: rows::state(row, at + 7)?,
        reason: rows::reason(row, at + 8)?,
        accepted: rows::time(row, at + 9)?,
        due: rows::time(row, at + 10)?,
        attempts: rows::small(row, at + 11)?,
        unsure: get(row, at + 12)?,
        message: rows::message(row, at + 13)?,
        blocked_by: blockers(get(row, at + 14)?)?,
        effects: Vec::new(),
        tries: Vec::new(),
    };
    Ok((get(row, at)?, view))
}

/// What holds it back, from the words of the function.
fn blockers(text: &str) -> Read<Vec<Blocker>> {
    let said: Vec<Vec<Value>> = rows::json(text)?;
    said.iter()
        .map(|words| blocker(words).ok_or_else(|| Failure::other("a blocker that is not known")))
        .collect()
}

fn blocker(words: &[Value]) -> Option<Blocker> {
    let word = |n: usize| words.get(n).and_then(Value::as_str);
    let own = |n: usize| word(n).map(str::to_owned);
    let time = |n: usize| words.get(n).and_then(Value::as_i64).map(Time::from_micros);
    let state = |n: usize| word(n).and_then(State::parse);
    Some(match word(0)? {
        "in-hand" => Blocker::InHand { until: time(1)? },
        "consent" => Blocker::Consent,
        "cancel" => Blocker::Cancel {
            message: MessageId::new(word(1)?),
            job: word(2).map(JobId::new),
            until: time(3)?,
        },
        "lane" => Blocker::Lane {
            job: JobId::new(word(1)?),
            state: state(2)?,
        },
        "needs" => Blocker::Needs {
            kind: own(1)?,
            record: own(2)?,
            job: JobId::new(word(3)?),
            state: state(4)?,
        },
        "merge" => Blocker::Merge {
            job: JobId::new(word(1)?),
            state: state(2)?,
        },
        "patient" => Blocker::Patient {
            job: JobId::new(word(1)?),
            state: state(2)?,
        },
        "hold" => Blocker::Hold {
            who: own(1)?,
            since: time(2)?,
            everywhere: words.get(3)?.as_bool()?,
        },
        "pause" => Blocker::Pause {
            reason: word(1)
                .and_then(Reason::parse)
                .unwrap_or(Reason::PartnerPaused),
            until: time(2),
        },
        "drain" => Blocker::Drain,
        "due" => Blocker::Due {
            at: time(1)?,
            reason: word(2).and_then(Reason::parse),
        },
        _ => return None,
    })
}
