//! What goes elsewhere, what is mended, and what waits for a second person.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Doors;
use super::super::access::Right;
use super::super::answer::{self, Answer};
use super::super::guard::Caller;
use super::super::health::store_said;
use super::{WHY_CHARS_MAX, Why, done, form};
use crate::ids::{JobId, PartnerId};
use crate::issue::Issue;
use crate::sync::people::second::{self, Confirmed, Wish};
use crate::sync::people::{self, Refused};
use crate::sync::ports::By;

/// 202: another person has to confirm it.
pub(super) fn proposed(page: bool, proposal: &str) -> Answer {
    if page {
        let html = format!(
            "<!doctype html><title>A second person</title><p>Another person has to confirm this, on the \
             <a href=\"/status\">status page</a> or by <code>fhir-gateway jobs confirm {proposal}</code>.</p>"
        );
        return answer::page(StatusCode::ACCEPTED, html);
    }
    answer::json(
        StatusCode::ACCEPTED,
        &json!({"done": false, "proposal": proposal}),
    )
}

fn refused(refused: Refused) -> Answer {
    let status = match refused {
        Refused::NoJob => StatusCode::NOT_FOUND,
        Refused::Moved => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let issue = Issue::error("business-rule", refused.as_str(), "", refused.says());
    answer::issues(status, &[issue])
}

/// What keeps a wish from being kept: it says why.
fn why(text: &str) -> Result<String, Answer> {
    if text.trim().is_empty() {
        let issue = Issue::error("required", "why", "", "this says why");
        return Err(answer::issues(StatusCode::UNPROCESSABLE_ENTITY, &[issue]));
    }
    Ok(text.chars().take(WHY_CHARS_MAX).collect())
}

/// Where to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Where {
    to: String,
    pharmacy: Option<String>,
    why: String,
}

/// `POST /jobs/{id}/reroute`.
pub(in super::super) async fn reroute(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let asked: Where = form(&doors, request).await?;
    let why = why(&asked.why)?;
    let by = By {
        who: &caller.name,
        why: &why,
    };
    let (job, to) = (JobId::new(&id), PartnerId::new(&asked.to));
    let pharmacy = asked.pharmacy.as_deref();
    let made = people::reroute(&doors.acceptor, &caller.tenant, &job, &to, pharmacy, by)
        .await
        .map_err(|e| store_said(&e))?
        .map_err(refused)?;
    tracing::info!(job = %id, made = %made, who = %caller.name, "a person rerouted");
    Ok(answer::json(
        StatusCode::OK,
        &json!({"done": true, "job": made}),
    ))
}

/// What is mended.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Mend {
    effect: u32,
    /// A JSON merge patch.
    patch: Value,
    why: String,
}

/// `POST /jobs/{id}/edit`.
pub(in super::super) async fn edit(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let asked: Mend = form(&doors, request).await?;
    let why = why(&asked.why)?;
    let by = By {
        who: &caller.name,
        why: &why,
    };
    let job = JobId::new(&id);
    let name = (&job, asked.effect);
    let wish = second::edit(&doors.acceptor, &caller.tenant, name, &asked.patch, by)
        .await
        .map_err(|e| store_said(&e))?
        .map_err(refused)?;
    tracing::info!(job = %id, who = %caller.name, "a person edited");
    Ok(match wish {
        Wish::Proposed(proposal) => proposed(false, &proposal),
        Wish::Done(made) => answer::json(StatusCode::OK, &json!({"done": true, "job": made})),
    })
}

/// `GET /proposals`: what waits for a second person, oldest first.
pub(in super::super) async fn list(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let found = doors
        .house
        .store
        .proposals(&caller.tenant, doors.limits.list_rows_max)
        .await
        .map_err(|e| store_said(&e))?;
    Ok(answer::json(StatusCode::OK, &json!({ "proposals": found })))
}

/// `POST /proposals/{id}/{confirm|reject}`.
pub(in super::super) async fn decide(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path((id, act)): Path<(String, String)>,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let page = answer::wants_page(request.headers());
    let said: Why = form(&doors, request).await?;
    let conflict = || {
        let issue = Issue::error(
            "conflict",
            "proposal",
            "",
            "there is no such open proposal, it was yours, or what it is about has moved",
        );
        Err(answer::issues(StatusCode::CONFLICT, &[issue]))
    };
    match act.as_str() {
        "reject" => {
            let store = &doors.house.store;
            let decided = store
                .decide(&caller.tenant, &id, &caller.name, false, doors.now())
                .await
                .map_err(|e| store_said(&e))?;
            if decided.is_none() {
                return conflict();
            }
            tracing::info!(proposal = %id, who = %caller.name, "a person rejected");
            Ok(done(page, &said.back))
        }
        "confirm" => {
            let confirmed = second::confirm(&doors.acceptor, &caller.tenant, &id, &caller.name)
                .await
                .map_err(|e| store_said(&e))?;
            match confirmed {
                Confirmed::NotOpen | Confirmed::Moved => conflict(),
                Confirmed::Refused(no) => Err(refused(no)),
                Confirmed::Done(job) => {
                    tracing::info!(proposal = %id, who = %caller.name, "a person confirmed");
                    if page {
                        return Ok(done(page, &said.back));
                    }
                    Ok(answer::json(
                        StatusCode::OK,
                        &json!({"done": true, "job": job}),
                    ))
                }
            }
        }
        _ => Err(answer::nothing_here()),
    }
}
