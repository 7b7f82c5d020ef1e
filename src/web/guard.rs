//! What surrounds every request: its id, the limit of requests at once, one log line, one count; and
//! who is calling.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;

use super::Doors;
use super::access::{self, Right, Shown};
use super::answer::{self, Answer};
use crate::ids::{self, TenantId};

/// Who is calling.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The name of the token.
    pub(super) name: String,
    /// Whose data it reaches.
    pub(super) tenant: TenantId,
    rights: Vec<Right>,
}

impl Caller {
    /// Whether it has the right.
    pub(super) fn may(&self, right: &Right) -> bool {
        self.rights.contains(right)
    }

    /// Goes on only with one of these rights.
    ///
    /// # Errors
    /// 403.
    pub(super) fn needs(&self, any: &[Right]) -> Result<(), Answer> {
        if any.iter().any(|r| self.may(r)) {
            Ok(())
        } else {
            Err(answer::not_yours())
        }
    }
}

impl FromRequestParts<Arc<Doors>> for Caller {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Self, Answer> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .ok_or_else(answer::who_are_you)?;
        let (token, how) = access::shown(header).ok_or_else(answer::who_are_you)?;
        let found = access::find(&doors.tokens, &token).ok_or_else(answer::who_are_you)?;
        if how == Shown::Basic && parts.method != Method::GET && from_elsewhere(&parts.headers) {
            return Err(answer::not_yours());
        }
        Ok(Caller {
            name: found.name.clone(),
            tenant: found.tenant.clone(),
            rights: found.rights.clone(),
        })
    }
}

/// Whether a browser says that another site made this request. A browser sends the password of Basic
/// along with it all the same; a script that is no browser sends neither header.
fn from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get(ORIGIN).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let host = headers.get(HOST).and_then(|v| v.to_str().ok());
    origin.split_once("://").map(|(_, host)| host) != host || host.is_none()
}

/// The layer around all doors.
pub(super) async fn around(
    State(doors): State<Arc<Doors>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Answer {
    let clock = Arc::clone(&doors.house.clock);
    let id = ids::fresh(clock.now());
    let begun = clock.monotonic();
    let method = request.method().clone();
    // The pattern, never the address itself: that names records.
    let door = path.map_or_else(|| "unknown".to_owned(), |p| p.as_str().to_owned());
    let answer = if matches!(door.as_str(), "/health" | "/ready") {
        next.run(request).await
    } else {
        match Arc::clone(&doors.requests).try_acquire_owned() {
            Ok(_permit) => next.run(request).await,
            Err(_) => answer::come_back(),
        }
    };
    let took = clock.monotonic().saturating_sub(begun);
    let status = answer.status().as_u16();
    metrics::counter!("gateway_requests_total", "door" => door.clone(), "method" => word(&method), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("gateway_request_seconds", "door" => door.clone()).record(took);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if status >= 500 {
        tracing::warn!(request = %id, method = word(&method), door, status, took_us, "request");
    } else {
        tracing::info!(request = %id, method = word(&method), door, status, took_us, "request");
    }
    let mut answer = answer;
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert("x-request-id", value);
    }
    answer
}

/// A method's name, from a closed list: what a caller invents must not become a label.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (n.parse().expect("name"), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn a_request_that_another_site_made_is_known_by_its_headers() {
        for (pairs, elsewhere) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")][..], false),
            (&[("sec-fetch-site", "cross-site")][..], true),
            (&[("sec-fetch-site", "same-site")][..], true),
            (&[("origin", "http://h:1"), ("host", "h:1")][..], false),
            (
                &[("origin", "http://evil.example"), ("host", "h:1")][..],
                true,
            ),
            (&[("origin", "null"), ("host", "h:1")][..], true),
        ] {
            assert_eq!(from_elsewhere(&headers(pairs)), elsewhere, "{pairs:?}");
        }
    }
}
