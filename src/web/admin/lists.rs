//! What the lists for people have in common: a job as JSON, pages, the parameters of an address.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::Doors;
use super::super::answer::{Answer, problem};
use super::words;
use crate::clock::Time;
use crate::sync::ports::{JobPlace, JobView};
use crate::sync::reason::Reason;

/// A job, with what its reason means and what may be pressed.
pub(super) fn job(job: &JobView) -> Value {
    let mut out = json!(job);
    out["what"] = json!(job.reason.map(Reason::what));
    out["who"] = json!(job.reason.map(Reason::who));
    out["next"] = json!(job.reason.map(Reason::next));
    out["press"] = json!(words::presses(job));
    out
}

/// The parameters of an address, or 400.
pub(super) fn asked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Answer> {
    query.map(|Query(q)| q).map_err(|_| {
        problem(
            StatusCode::BAD_REQUEST,
            "structure",
            "query",
            "a parameter of the address is not known here, or is not of its kind",
        )
    })
}

/// 400 for a parameter whose word is none of its list.
pub(super) fn not_a_word(rule: &'static str) -> Answer {
    problem(
        StatusCode::BAD_REQUEST,
        "value",
        rule,
        "this parameter of the address must be one of its words",
    )
}

/// How many a page holds.
pub(super) fn limit(doors: &Doors, asked: Option<usize>) -> usize {
    let most = doors.limits.list_rows_max;
    asked.map_or(most, |n| n.clamp(1, most))
}

/// A place in a list of jobs, as it stands in an address.
pub(super) fn place(place: JobPlace) -> String {
    format!("{}:{}", place.0.micros(), place.1)
}

/// The place of a text.
pub(super) fn parse_place(text: &str) -> Option<JobPlace> {
    let (time, seq) = text.split_once(':')?;
    Some((Time::from_micros(time.parse().ok()?), seq.parse().ok()?))
}
