//! The doors for people: what is where and why, and the buttons.
//!
//! Pages work without scripts, name a record by kind and id, and show nothing else of it. Every page
//! is also JSON, by the same address. What a person does is stored with their name.

pub(super) mod holds;
mod html;
pub(super) mod jobs;
pub(super) mod lanes;
mod lists;
pub(super) mod partners;
pub(super) mod replays;
pub(super) mod second;
mod status;
mod status_page;
mod story;
mod under_way;
mod unmatched;
mod words;

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Doors;
use super::access::Right;
use super::answer::{self, Answer, problem};
use super::guard::Caller;
use super::health::store_said;
use crate::ids::{JobId, PartnerId};
use crate::record::Kind;
use crate::sync::people;
use crate::sync::people::second::Wish;
use crate::sync::ports::{Act, By, CrosswalkRow, ReplayState};

/// Bytes of a form, at most.
const FORM_BYTES_MAX: usize = 8192;
/// Characters of what a person writes beside an act, at most.
const WHY_CHARS_MAX: usize = 500;

/// Replays and proposals that the status looks at, at most.
const REPLAYS_SHOWN: usize = 50;

/// `GET /`: where people begin.
pub(super) async fn root() -> Answer {
    answer::see_other("/status")
}

/// `GET /page.css`.
pub(super) async fn style() -> Answer {
    answer::fixed("text/css; charset=utf-8", include_str!("page.css"))
}

/// How often a page is loaded again.
#[derive(Debug, Default, Deserialize)]
pub(super) struct View {
    /// Seconds.
    every: Option<u32>,
}

/// `GET /status`.
pub(super) async fn status(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    view: Result<Query<View>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    let now = doors.now();
    let tenant = doors.tenant(&caller)?;
    let found = doors.status(&caller.tenant).await?;
    let store = &doors.house.store;
    let replays = store.replays(&caller.tenant, REPLAYS_SHOWN).await;
    let mut replays = replays.map_err(|e| store_said(&e))?;
    replays.retain(|r| matches!(r.state, ReplayState::Running | ReplayState::Cancelling));
    let proposals = store.proposals(&caller.tenant, REPLAYS_SHOWN).await;
    let shown = status::Shown {
        tenant,
        now,
        status: &found,
        replays: &replays,
        proposals: &proposals.map_err(|e| store_said(&e))?,
        who: &caller.name,
        may_act: caller.may(&Right::Operate),
    };
    if !answer::wants_page(&headers) {
        return Ok(answer::json(StatusCode::OK, &shown.json()));
    }
    let every = view
        .ok()
        .and_then(|Query(v)| v.every)
        .map(|s| s.clamp(5, 3600));
    let mut page = answer::page(StatusCode::OK, shown.page(every));
    if let Some(value) = every.and_then(|s| HeaderValue::from_str(&s.to_string()).ok()) {
        page.headers_mut().insert("refresh", value);
    }
    Ok(page)
}

/// `GET /records/{kind}/{id}`: the whole story.
pub(super) async fn story(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Read, Right::Operate])?;
    // `other` is what a relay brings.
    if Kind::parse(&kind).is_none() && kind != "other" {
        return Err(answer::nothing_here());
    }
    let tenant = doors.tenant(&caller)?;
    let found = doors
        .house
        .store
        .story(&caller.tenant, &kind, &id)
        .await
        .map_err(|e| store_said(&e))?
        .ok_or_else(answer::nothing_here)?;
    let shown = story::Shown {
        tenant,
        now: doors.now(),
        kind: &kind,
        id: &id,
        story: &found,
        bodies: caller.may(&Right::Read),
        may_act: caller.may(&Right::Operate),
    };
    Ok(if answer::wants_page(&headers) {
        answer::page(StatusCode::OK, shown.page())
    } else {
        answer::json(StatusCode::OK, &shown.json())
    })
}

/// What comes with an act.
#[derive(Debug, Default, Deserialize)]
struct Why {
    /// In the person's words; kept beside the act.
    #[serde(default)]
    why: String,
    /// The page to go back to.
    #[serde(default)]
    back: String,
}

impl Why {
    /// The words, as many as are kept.
    fn why(&self) -> String {
        self.why.chars().take(WHY_CHARS_MAX).collect()
    }
}

/// Reads a form or a JSON object.
async fn form<T: DeserializeOwned + Default>(doors: &Doors, request: Request) -> Result<T, Answer> {
    let json = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|t| t.starts_with("application/json"));
    let body = super::body::read(request, FORM_BYTES_MAX, doors.limits.body_timeout).await?;
    let bad = || {
        problem(
            StatusCode::BAD_REQUEST,
            "structure",
            "form",
            "the body must be a form or a JSON object with the fields of this address",
        )
    };
    if body.is_empty() {
        return Ok(T::default());
    }
    if json {
        return serde_json::from_slice(&body).map_err(|_| bad());
    }
    let request = Request::post("/")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(body))
        .map_err(|_| bad())?;
    let read = axum::Form::<T>::from_request(request, &()).await;
    read.map(|f| f.0).map_err(|_| bad())
}

/// The answer to an act: back to the page for people, JSON for scripts.
fn done(page: bool, back: &str) -> Answer {
    if !page {
        return answer::json(StatusCode::OK, &json!({"done": true}));
    }
    let ours = back.starts_with("/status")
        || back.starts_with("/records/")
        || back.starts_with("/unmatched")
        || back.starts_with("/proposals");
    answer::see_other(if ours { back } else { "/status" })
}

/// `POST /jobs/{id}/{retry|cancel|resolve-there|resolve-not-there}`.
pub(super) async fn act(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path((id, act)): Path<(String, String)>,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let act = match act.as_str() {
        "retry" => Act::Retry,
        "cancel" => Act::Cancel,
        "resolve-there" => Act::ResolveThere,
        "resolve-not-there" => Act::ResolveNotThere,
        _ => return Err(answer::nothing_here()),
    };
    let page = answer::wants_page(request.headers());
    let said: Why = form(&doors, request).await?;
    let why = said.why();
    let by = By {
        who: &caller.name,
        why: &why,
    };
    let wish = people::second::act(&doors.acceptor, &caller.tenant, &JobId::new(&id), act, by)
        .await
        .map_err(|e| store_said(&e))?;
    let Some(wish) = wish else {
        return Err(problem(
            StatusCode::CONFLICT,
            "conflict",
            "job-state",
            "there is no such job, or its state does not allow this: look again",
        ));
    };
    if let Wish::Proposed(proposal) = wish {
        tracing::info!(job = %id, ?act, who = %caller.name, "a person proposed");
        return Ok(second::proposed(page, &proposal));
    }
    tracing::info!(job = %id, ?act, who = %caller.name, "a person acted");
    Ok(done(page, &said.back))
}

/// `GET /unmatched`: patients whom a partner named and who are none of ours, or several.
pub(super) async fn unmatched(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let now = doors.now();
    let tenant = doors.tenant(&caller)?;
    let found = doors.status(&caller.tenant).await?.unmatched;
    Ok(if answer::wants_page(&headers) {
        answer::page(StatusCode::OK, unmatched::page(tenant, now, &found))
    } else {
        answer::json(StatusCode::OK, &json!({ "unmatched": found }))
    })
}

/// A link to be made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    /// Who named the patient.
    partner: String,
    /// Their id.
    their_id: String,
    /// The clinic's id of the client.
    client: String,
}

/// `POST /unmatched/link`: this patient of theirs is this client of ours.
pub(super) async fn link(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    request: Request,
) -> Result<Answer, Answer> {
    caller.needs(&[Right::Operate])?;
    let page = answer::wants_page(request.headers());
    let link: Link = form(&doors, request).await?;
    let now = doors.now();
    let tenant = doors.tenant(&caller)?;
    let partner = PartnerId::new(&link.partner);
    let known = doors.house.member(&caller.tenant, &partner).is_some();
    let client = link.client.trim();
    let names = [(Kind::Client.as_str().to_owned(), client.to_owned())];
    let newest = doors
        .house
        .store
        .newest(&caller.tenant, &names)
        .await
        .map_err(|e| store_said(&e))?;
    if !known || link.their_id.is_empty() || !newest.iter().any(Option::is_some) {
        return Err(problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not-found",
            "link",
            "partner and client must be known here, and their_id must be said",
        ));
    }
    let row = CrosswalkRow {
        partner: partner.clone(),
        resource_type: "Patient".to_owned(),
        our_id: tenant.env(now).id(Kind::Client, client, ""),
        their_id: link.their_id,
        their_version: None,
    };
    doors
        .house
        .store
        .link(&caller.tenant, row, Some(client.to_owned()), now)
        .await
        .map_err(|e| store_said(&e))?;
    tracing::info!(partner = %partner, who = %caller.name, "a person linked a patient");
    Ok(done(page, "/unmatched"))
}
