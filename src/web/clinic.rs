//! The clinic's doors: records in, what came back out, the contracts for all.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Doors;
use super::access::Right;
use super::answer::{self, Answer, problem};
use super::guard::Caller;
use crate::fault::{self, Point};
use crate::record::Kind;
use crate::sync::intake::Submission;

/// The longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 255;

/// `POST /records/{kind}`.
pub(super) async fn submit(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path(kind): Path<String>,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Submit])?;
    let kind = Kind::parse(&kind).ok_or_else(|| {
        problem(
            StatusCode::NOT_FOUND,
            "not-found",
            "kind",
            "no such kind of record; GET /schemas lists them",
        )
    })?;
    let media_type = media_type(&request);
    let plain = media_type.split(';').next().unwrap_or("").trim();
    if !plain.eq_ignore_ascii_case("application/json") {
        return Err(problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-supported",
            "media-type",
            "a record is sent as application/json",
        ));
    }
    let key = idempotency_key(&request)?;
    let body = doors.body(request).await?;
    let outcome = doors
        .intake
        .submit(
            &caller.tenant,
            Submission {
                caller: &caller.name,
                kind,
                idempotency_key: key.as_deref(),
                media_type: &media_type,
                body: &body,
            },
        )
        .await;
    metrics::counter!("gateway_submissions_total", "kind" => kind.as_str(), "status" => outcome.status.to_string())
        .increment(1);
    fault::behind(Point::AfterAnswer);
    if outcome.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() {
        return Ok(answer::come_back());
    }
    Ok(answer::bytes(
        outcome.status,
        "application/json",
        outcome.body,
    ))
}

/// The request's media type, empty if it has none.
pub(super) fn media_type(request: &Request) -> String {
    request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("")
        .to_owned()
}

fn idempotency_key(request: &Request) -> Result<Option<String>, Answer> {
    let mut keys = request.headers().get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    key.to_str()
        .ok()
        .filter(|k| (1..=KEY_BYTES_MAX).contains(&k.len()) && keys.next().is_none())
        .map(|k| Some(k.to_owned()))
        .ok_or_else(|| {
            problem(
                StatusCode::BAD_REQUEST,
                "value",
                "idempotency-key",
                "Idempotency-Key must be one value of 1 to 255 visible characters",
            )
        })
}

/// Where a reader of the feed stands.
#[derive(Debug, Deserialize)]
pub(super) struct Cursor {
    #[serde(default)]
    after: i64,
    limit: Option<usize>,
}

/// `GET /feed?after&limit`: what came back, in commit order. `next` is the cursor to come back with.
pub(super) async fn feed(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    cursor: Result<Query<Cursor>, axum::extract::rejection::QueryRejection>,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Feed])?;
    let Ok(Query(cursor)) = cursor else {
        return Err(problem(
            StatusCode::BAD_REQUEST,
            "value",
            "cursor",
            "after and limit are whole numbers",
        ));
    };
    let max = doors.limits.feed_rows_max;
    let limit = cursor.limit.unwrap_or(max).clamp(1, max);
    let rows = doors
        .house
        .store
        .feed(&caller.tenant, cursor.after, limit)
        .await
        .map_err(|e| super::health::store_said(&e))?;
    let next = rows.last().map_or(cursor.after, |(position, _)| *position);
    let more = rows.len() == limit;
    let entries: Vec<Value> = rows
        .iter()
        .map(|(position, v)| {
            json!({
                "position": position,
                "kind": v.record.kind,
                "id": v.record.id,
                "version": v.record.version,
                "from": v.origin,
                "accepted": v.accepted,
                "record": serde_json::from_slice::<Value>(&v.body).unwrap_or(Value::Null),
            })
        })
        .collect();
    Ok(answer::json(
        StatusCode::OK,
        &json!({"entries": entries, "next": next, "more": more}),
    ))
}

/// `GET /schemas`.
pub(super) async fn schemas() -> Answer {
    let list: Vec<Value> = Kind::ALL
        .iter()
        .map(|k| json!({"kind": k, "schema": format!("/schemas/{k}")}))
        .collect();
    answer::json(StatusCode::OK, &json!({ "schemas": list }))
}

/// `GET /schemas/{kind}`.
pub(super) async fn schema(Path(kind): Path<String>) -> Answer {
    match Kind::parse(&kind) {
        Some(kind) => answer::fixed("application/schema+json", kind.schema()),
        None => answer::nothing_here(),
    }
}
