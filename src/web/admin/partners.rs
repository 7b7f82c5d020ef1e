//! Partners: how they are, and the buttons pause, resume, drain, probe.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::Doors;
use super::super::access::Right;
use super::super::answer::{self, Answer};
use super::super::guard::Caller;
use super::super::health::store_said;
use super::{Why, done, form, words};
use crate::ids::PartnerId;
use crate::sync::people;
use crate::sync::ports::{By, Steer};
use crate::sync::verdict::Verdict;

/// `GET /partners`.
pub(in super::super) async fn list(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let now = doors.now();
    let found = people::overview(&doors.house, &caller.tenant, now)
        .await
        .map_err(|e| store_said(&e))?;
    let partners: Vec<Value> = found
        .iter()
        .map(|p| {
            let mut out = json!(p);
            out["mood"] = json!(words::mood(&p.view));
            out["oldest_s"] = json!(p.view.oldest.map(|t| now.since(t).as_secs()));
            out["paused"] = json!(p.view.paused.map(|(until, reason)| {
                let person = until == crate::clock::Time::NEVER;
                let until = (!person).then_some(until);
                json!({"reason": reason, "what": reason.what(), "until": until, "by_person": person})
            }));
            out
        })
        .collect();
    Ok(answer::json(
        StatusCode::OK,
        &json!({ "partners": partners }),
    ))
}

/// `POST /partners/{id}/{pause|resume|drain|probe}`.
pub(in super::super) async fn act(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path((id, act)): Path<(String, String)>,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let id = PartnerId::new(&id);
    let steer = [Steer::Pause, Steer::Resume, Steer::Drain, Steer::Probe]
        .into_iter()
        .find(|s| s.as_str() == act)
        .ok_or_else(answer::nothing_here)?;
    let house = &doors.house;
    house
        .member(&caller.tenant, &id)
        .ok_or_else(answer::nothing_here)?;
    let page = answer::wants_page(request.headers());
    let said: Why = form(&doors, request).await?;
    let why = said.why();
    let by = By {
        who: &caller.name,
        why: &why,
    };
    if steer == Steer::Probe {
        let heard = people::probe(house, &caller.tenant, &id, by)
            .await
            .map_err(|e| store_said(&e))?
            .ok_or_else(answer::nothing_here)?;
        let well = !matches!(heard.verdict, Verdict::Busy | Verdict::Unsure);
        tracing::info!(partner = %id, well, who = %caller.name, "a person probed");
        if !page {
            let what = heard.reason.what();
            return Ok(answer::json(
                StatusCode::OK,
                &json!({"done": true, "well": well, "reason": heard.reason, "what": what, "status": heard.status}),
            ));
        }
    } else {
        house
            .store
            .steer(&caller.tenant, &id, steer, by, doors.now())
            .await
            .map_err(|e| store_said(&e))?;
        tracing::info!(partner = %id, steer = steer.as_str(), who = %caller.name, "a person acted");
    }
    Ok(done(page, &said.back))
}
