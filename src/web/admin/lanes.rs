//! Lanes: the biggest first, or one with its jobs in order.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Doors;
use super::super::access::Right;
use super::super::answer::{self, Answer};
use super::super::guard::Caller;
use super::super::health::store_said;
use super::lists::{self, not_a_word};
use crate::ids::PartnerId;
use crate::sync::ports::LanePlace;

/// Which lanes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct Which {
    partner: Option<String>,
    /// One lane's key; with `partner`.
    lane: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// A place in the list, as it stands in an address; a partner's name has no colon.
fn parse_place(text: &str) -> Option<LanePlace> {
    let mut parts = text.splitn(3, ':');
    let jobs = parts.next()?.parse().ok()?;
    let partner = PartnerId::new(parts.next()?);
    Some((jobs, partner, parts.next()?.to_owned()))
}

/// `GET /lanes`.
pub(in super::super) async fn list(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let which = lists::asked(which)?;
    let now = doors.now();
    let limit = lists::limit(&doors, which.limit);
    let store = &doors.house.store;
    let partner = which.partner.as_deref().map(PartnerId::new);
    if let Some(lane) = &which.lane {
        let partner = partner.ok_or_else(|| not_a_word("partner"))?;
        let jobs = store
            .lane(&caller.tenant, &partner, lane, limit, now)
            .await
            .map_err(|e| store_said(&e))?;
        let jobs: Vec<Value> = jobs.iter().map(lists::job).collect();
        return Ok(answer::json(
            StatusCode::OK,
            &json!({"partner": partner, "lane": lane, "jobs": jobs}),
        ));
    }
    let after = match &which.after {
        Some(text) => Some(parse_place(text).ok_or_else(|| not_a_word("after"))?),
        None => None,
    };
    let page = store
        .lanes(&caller.tenant, partner.as_ref(), after, limit, now)
        .await
        .map_err(|e| store_said(&e))?;
    let lanes: Vec<Value> = page
        .found
        .iter()
        .map(|l| {
            json!({
                "partner": l.partner,
                "lane": l.lane,
                "jobs": l.jobs,
                "stuck_s": now.since(l.head.accepted).as_secs(),
                "head": lists::job(&l.head),
            })
        })
        .collect();
    let next = page
        .next
        .map(|(n, partner, lane)| format!("{n}:{partner}:{lane}"));
    Ok(answer::json(
        StatusCode::OK,
        &json!({"lanes": lanes, "next": next}),
    ))
}
