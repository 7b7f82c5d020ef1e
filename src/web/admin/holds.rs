//! An administrator's holds on patients: listed, put on, taken off.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::super::Doors;
use super::super::access::Right;
use super::super::answer::{self, Answer, problem};
use super::super::guard::Caller;
use super::super::health::store_said;
use super::{WHY_CHARS_MAX, form};
use crate::ids::PartnerId;
use crate::record::Kind;
use crate::sync::ports::By;

/// Characters of a client's number, at most.
const CLIENT_CHARS_MAX: usize = 64;

/// Whom, where, why.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Whom {
    client: String,
    /// Left out: at all partners.
    partner: Option<String>,
    why: String,
}

/// `GET /holds`.
pub(in super::super) async fn list(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let found = doors
        .house
        .store
        .holds(&caller.tenant, doors.limits.list_rows_max)
        .await
        .map_err(|e| store_said(&e))?;
    Ok(answer::json(StatusCode::OK, &json!({ "holds": found })))
}

/// `POST /holds`: stops a patient's jobs from the next claim on.
pub(in super::super) async fn hold(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    request: Request,
) -> Result<Answer, Answer> {
    change(&doors, &caller, request, true).await
}

/// `POST /holds/release`.
pub(in super::super) async fn release(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    request: Request,
) -> Result<Answer, Answer> {
    change(&doors, &caller, request, false).await
}

async fn change(
    doors: &Doors,
    caller: &Caller,
    request: Request,
    on: bool,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let whom: Whom = form(doors, request).await?;
    let client = whom.client.trim();
    let partner = whom.partner.as_deref().map(PartnerId::new);
    let known = match &partner {
        Some(partner) => doors.house.member(&caller.tenant, partner).is_some(),
        None => true,
    };
    let store = &doors.house.store;
    let names = [(Kind::Client.as_str().to_owned(), client.to_owned())];
    let newest = store
        .newest(&caller.tenant, &names)
        .await
        .map_err(|e| store_said(&e))?;
    let fits = client.chars().count() <= CLIENT_CHARS_MAX && newest.iter().any(Option::is_some);
    if !known || !fits || (on && whom.why.trim().is_empty()) {
        return Err(problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not-found",
            "hold",
            "client and partner must be known here, and a hold says why",
        ));
    }
    let why: String = whom.why.chars().take(WHY_CHARS_MAX).collect();
    let by = By {
        who: &caller.name,
        why: &why,
    };
    let changed = store
        .hold(
            &caller.tenant,
            client,
            partner.as_ref(),
            on,
            by,
            doors.now(),
        )
        .await
        .map_err(|e| store_said(&e))?;
    tracing::info!(on, changed, who = %caller.name, "a person held or released a patient");
    Ok(answer::json(
        StatusCode::OK,
        &json!({"done": true, "changed": changed}),
    ))
}
