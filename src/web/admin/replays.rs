//! Replays: tried dry, begun, seen, stopped.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Doors;
use super::super::access::Right;
use super::super::answer::{self, Answer, problem};
use super::super::guard::Caller;
use super::super::health::store_said;
use super::lists::not_a_word;
use super::{WHY_CHARS_MAX, done, form, under_way};
use crate::clock::Time;
use crate::ids::{self, JobId, PartnerId};
use crate::sync::job::State as JobState;
use crate::sync::people::replay::{self, Unfit};
use crate::sync::people::second::{self, Wish};
use crate::sync::ports::{Begun, By, JobFilter, NewReplay, Replay};
use crate::sync::reason::Reason;

/// Characters of a replay's id, at most.
const ID_CHARS_MAX: usize = 64;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    /// Chosen by the caller, so that asking twice begins it once.
    id: Option<String>,
    /// One job; then nothing else of the filter.
    job: Option<String>,
    partner: Option<String>,
    state: Option<String>,
    reason: Option<String>,
    kind: Option<String>,
    record: Option<String>,
    since: Option<Time>,
    until: Option<Time>,
    /// Jobs a second.
    rate_per_s: u32,
    why: String,
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            id: None,
            job: None,
            partner: None,
            state: None,
            reason: None,
            kind: None,
            record: None,
            since: None,
            until: None,
            rate_per_s: 5,
            why: String::new(),
        }
    }
}

fn unfit(unfit: Unfit) -> Answer {
    let (status, rule, message) = match unfit {
        Unfit::NoPartner => (
            422,
            "partner",
            "a replay names one job, or a partner that is known here",
        ),
        Unfit::Rate => (
            422,
            "rate",
            "rate_per_s must be at least 1 and at most people.replay_rate_max of the config",
        ),
        Unfit::TooMany => (
            422,
            "too-many",
            "more jobs fit than people.replay_jobs_max of the config: narrow the filter",
        ),
        Unfit::Nothing => (
            422,
            "nothing",
            "nothing fits that could be sent again: a dry run says why",
        ),
        Unfit::OtherThere => (409, "replay-id", "another replay has this id"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    problem(status, "business-rule", rule, message)
}

async fn filter(doors: &Doors, caller: &Caller, asked: &Asked) -> Result<JobFilter, Answer> {
    if let Some(job) = &asked.job {
        let job = JobId::new(job);
        let found = replay::of_one(&doors.acceptor, &caller.tenant, &job)
            .await
            .map_err(|e| store_said(&e))?;
        return found.ok_or_else(answer::nothing_here);
    }
    let state = match &asked.state {
        Some(text) => Some(JobState::parse(text).ok_or_else(|| not_a_word("state"))?),
        None => None,
    };
    let reason = match &asked.reason {
        Some(text) => Some(Reason::parse(text).ok_or_else(|| not_a_word("reason"))?),
        None => None,
    };
    Ok(JobFilter {
        partner: asked.partner.as_deref().map(PartnerId::new),
        state,
        reason,
        kind: asked.kind.clone(),
        record: asked.record.clone(),
        since: asked.since,
        until: asked.until,
        job: None,
    })
}

/// `POST /replays/dry-run`: counts, how long, what would be sent otherwise than it was. Writes nothing.
pub(in super::super) async fn dry_run(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let asked: Asked = form(&doors, request).await?;
    let filter = filter(&doors, &caller, &asked).await?;
    let run = replay::dry_run(&doors.acceptor, &caller.tenant, &filter, asked.rate_per_s)
        .await
        .map_err(|e| store_said(&e))?
        .map_err(unfit)?;
    Ok(answer::json(StatusCode::OK, &run))
}

/// `POST /replays`: begins one, once per id.
pub(in super::super) async fn begin(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let asked: Asked = form(&doors, request).await?;
    if asked.why.trim().is_empty() {
        return Err(problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "required",
            "why",
            "a replay says why",
        ));
    }
    let id = match &asked.id {
        Some(id) if id.is_empty() || id.chars().count() > ID_CHARS_MAX => {
            return Err(not_a_word("id"));
        }
        Some(id) => id.clone(),
        None => ids::fresh(doors.now()),
    };
    let new = NewReplay {
        id,
        filter: filter(&doors, &caller, &asked).await?,
        rate: asked.rate_per_s,
    };
    let why: String = asked.why.chars().take(WHY_CHARS_MAX).collect();
    let by = By {
        who: &caller.name,
        why: &why,
    };
    let wish = second::begin_replay(&doors.acceptor, &caller.tenant, new, by)
        .await
        .map_err(|e| store_said(&e))?
        .map_err(unfit)?;
    let (new, replay) = match wish {
        Wish::Proposed(proposal) => return Ok(super::second::proposed(false, &proposal)),
        Wish::Done(Begun::New(replay)) => (true, replay),
        Wish::Done(Begun::Known(replay)) => (false, replay),
        Wish::Done(Begun::OtherThere) => return Err(unfit(Unfit::OtherThere)),
    };
    tracing::info!(replay = %replay.id, new, who = %caller.name, "a person began a replay");
    let status = if new {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok(answer::json(status, &shown(&replay)))
}

/// A replay with how far it is.
pub(super) fn shown(replay: &Replay) -> Value {
    let mut out = json!(replay);
    out["looked_through_percent"] = json!(under_way::looked_through(replay));
    out
}

/// `GET /replays`: newest first.
pub(in super::super) async fn list(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let found = doors
        .house
        .store
        .replays(&caller.tenant, doors.limits.list_rows_max)
        .await
        .map_err(|e| store_said(&e))?;
    let all: Vec<Value> = found.iter().map(shown).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "replays": all })))
}

/// `GET /replays/{id}`.
pub(in super::super) async fn one(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let found = doors
        .house
        .store
        .replay(&caller.tenant, &id)
        .await
        .map_err(|e| store_said(&e))?
        .ok_or_else(answer::nothing_here)?;
    Ok(answer::json(StatusCode::OK, &shown(&found)))
}

/// `POST /replays/{id}/cancel`: nothing more is made, and what was made and never tried is cancelled. The
/// jobs it began with are as they were.
pub(in super::super) async fn cancel(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let page = answer::wants_page(request.headers());
    let said: super::Why = form(&doors, request).await?;
    let why = said.why();
    let by = By {
        who: &caller.name,
        why: &why,
    };
    let stopped = doors
        .house
        .store
        .replay_stop(&caller.tenant, &id, by, doors.now())
        .await
        .map_err(|e| store_said(&e))?;
    if !stopped {
        return Err(problem(
            StatusCode::CONFLICT,
            "conflict",
            "replay-state",
            "there is no such replay, or it has ended",
        ));
    }
    tracing::info!(replay = %id, who = %caller.name, "a person stopped a replay");
    Ok(done(page, &said.back))
}
