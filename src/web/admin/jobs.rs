//! Jobs by filter, one job with all that belongs to it, and what holds it back.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Doors;
use super::super::access::Right;
use super::super::answer::{self, Answer};
use super::super::guard::Caller;
use super::super::health::store_said;
use super::lists::{self, not_a_word};
use crate::clock::Time;
use crate::ids::{JobId, PartnerId};
use crate::sync::job::State as JobState;
use crate::sync::ports::{JobFilter, JobSheet};
use crate::sync::reason::Reason;

/// Which jobs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct Which {
    partner: Option<String>,
    state: Option<String>,
    reason: Option<String>,
    kind: Option<String>,
    /// The record's id; with `kind`.
    record: Option<String>,
    since: Option<Time>,
    until: Option<Time>,
    /// Accepted at least so many seconds ago.
    older_s: Option<u64>,
    limit: Option<usize>,
    after: Option<String>,
}

impl Which {
    fn filter(&self, now: Time) -> Result<JobFilter, Answer> {
        let word = |text: &Option<String>, rule| match text {
            Some(text) => Ok(Some(JobState::parse(text).ok_or_else(|| not_a_word(rule))?)),
            None => Ok(None),
        };
        let reason = match &self.reason {
            Some(text) => Some(Reason::parse(text).ok_or_else(|| not_a_word("reason"))?),
            None => None,
        };
        if self.record.is_some() && self.kind.is_none() {
            return Err(not_a_word("kind"));
        }
        let older = self.older_s.map(|s| now.minus(Duration::from_secs(s)));
        Ok(JobFilter {
            partner: self.partner.as_deref().map(PartnerId::new),
            state: word(&self.state, "state")?,
            reason,
            kind: self.kind.clone(),
            record: self.record.clone(),
            since: self.since,
            until: self.until.into_iter().chain(older).min(),
        })
    }
}

/// `GET /jobs`.
pub(in super::super) async fn list(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let which = lists::asked(which)?;
    let now = doors.now();
    let filter = which.filter(now)?;
    let after = match &which.after {
        Some(text) => Some(lists::parse_place(text).ok_or_else(|| not_a_word("after"))?),
        None => None,
    };
    let limit = lists::limit(&doors, which.limit);
    let page = doors
        .house
        .store
        .jobs(&caller.tenant, &filter, after, limit, now)
        .await
        .map_err(|e| store_said(&e))?;
    let jobs: Vec<Value> = page.found.iter().map(lists::job).collect();
    let next = page.next.map(lists::place);
    Ok(answer::json(
        StatusCode::OK,
        &json!({"jobs": jobs, "next": next}),
    ))
}

async fn sheet(doors: &Doors, caller: &Caller, id: &str) -> Result<JobSheet, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let found = doors
        .house
        .store
        .job(&caller.tenant, &JobId::new(id), doors.now())
        .await
        .map_err(|e| store_said(&e))?;
    found.ok_or_else(answer::nothing_here)
}

/// `GET /jobs/{id}`.
pub(in super::super) async fn one(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer, Answer> {
    let sheet = sheet(&doors, &caller, &id).await?;
    let mut out = lists::job(&sheet.job);
    let more = json!({
        "lane": sheet.lane,
        "chain": sheet.chain,
        "priority": sheet.priority,
        "deadline": sheet.deadline,
        "guarded": sheet.guarded,
        "acts": sheet.acts,
        "ties": sheet.ties,
    });
    if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
        out.extend(more);
    }
    Ok(answer::json(StatusCode::OK, &out))
}

/// `GET /jobs/{id}/blocked-by`.
pub(in super::super) async fn blocked_by(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer, Answer> {
    let job = sheet(&doors, &caller, &id).await?.job;
    let waits = matches!(job.state, JobState::Waiting | JobState::Asking);
    let shown = lists::job(&job);
    Ok(answer::json(
        StatusCode::OK,
        &json!({
            "id": job.id,
            "state": job.state,
            "claimable": waits && job.blocked_by.is_empty(),
            "blocked_by": shown["blocked_by"],
        }),
    ))
}
