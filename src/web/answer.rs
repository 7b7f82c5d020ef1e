//! The shapes of our answers: JSON, problems (`{"issues":[…]}`), pages; with the headers that keep
//! data out of caches and scripts out of pages.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::issue::Issue;

/// What every handler returns.
pub(super) type Answer = Response<Body>;

/// A page loads nothing but its style sheet, sends forms only here, and stands in nobody's frame.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                           base-uri 'none'; frame-ancestors 'none'";

fn with(status: StatusCode, media_type: &str, body: impl Into<Body>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(media_type) {
        answer.headers_mut().insert(CONTENT_TYPE, value);
    }
    set(&mut answer, CACHE_CONTROL, "no-store");
    set(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}

fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

/// Bytes as they are, never cached.
pub(super) fn bytes(status: u16, media_type: &str, body: Vec<u8>) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with(status, media_type, body)
}

/// JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => with(status, "application/json", body),
        Err(_) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "exception",
            "answer",
            "the answer could not be written",
        ),
    }
}

/// A page.
pub(super) fn page(status: StatusCode, html: String) -> Answer {
    let mut answer = with(status, "text/html; charset=utf-8", html);
    set(&mut answer, CONTENT_SECURITY_POLICY, PAGE_POLICY);
    set(&mut answer, REFERRER_POLICY, "no-referrer");
    answer
}

/// Text that may be cached for a while: the style sheet, the contracts.
pub(super) fn fixed(media_type: &str, body: &'static str) -> Answer {
    let mut answer = with(StatusCode::OK, media_type, body);
    set(&mut answer, CACHE_CONTROL, "max-age=300");
    answer
}

/// Look there with GET.
pub(super) fn see_other(to: &str) -> Answer {
    let mut answer = with(StatusCode::SEE_OTHER, "text/plain", "");
    if let Ok(value) = HeaderValue::from_str(to) {
        answer.headers_mut().insert(LOCATION, value);
    }
    answer
}

/// One issue that belongs to the request as a whole. The message holds nothing that came with it.
pub(super) fn problem(
    status: StatusCode,
    code: &'static str,
    rule: &'static str,
    message: &'static str,
) -> Answer {
    issues(status, &[Issue::error(code, rule, "", message)])
}

/// Issues.
pub(super) fn issues(status: StatusCode, issues: &[Issue]) -> Answer {
    let body = serde_json::to_vec(&json!({ "issues": issues })).unwrap_or_default();
    with(status, "application/json", body)
}

/// 401, in a way that makes a browser ask.
pub(super) fn who_are_you() -> Answer {
    let mut answer = problem(
        StatusCode::UNAUTHORIZED,
        "login",
        "token",
        "a known token is needed: Authorization: Bearer, or as the password of Basic",
    );
    set(
        &mut answer,
        WWW_AUTHENTICATE,
        "Basic realm=\"fhir-gateway (any name, the token as password)\", charset=\"UTF-8\"",
    );
    answer
        .headers_mut()
        .append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

/// 403.
pub(super) fn not_yours() -> Answer {
    problem(
        StatusCode::FORBIDDEN,
        "forbidden",
        "right",
        "this token has no right to do this",
    )
}

/// 404.
pub(super) fn nothing_here() -> Answer {
    problem(
        StatusCode::NOT_FOUND,
        "not-found",
        "address",
        "there is nothing at this address",
    )
}

/// 405.
pub(super) fn not_so() -> Answer {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "not-supported",
        "method",
        "this address does not take this method",
    )
}

/// 503: come back in a moment.
pub(super) fn come_back() -> Answer {
    let mut answer = problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "throttled",
        "busy",
        "too much at once, or the store does not take it now: nothing was kept, try again",
    );
    set(&mut answer, RETRY_AFTER, "2");
    answer
}

/// Whether the caller would rather have a page than JSON: what a browser's `Accept` says.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let Some(accept) = headers
        .get(axum::http::header::ACCEPT)
        .and_then(|v| v.to_str().ok())
    else {
        return false;
    };
    let weight = |media: &str| {
        accept
            .split(',')
            .filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                (parts.next()? == media).then(|| {
                    parts
                        .find_map(|p| p.strip_prefix("q="))
                        .map_or(1.0, |q| q.parse().unwrap_or(0.0))
                })
            })
            .fold(0.0_f32, f32::max)
    };
    weight("text/html") > weight("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_page_and_a_script_gets_json() {
        for (accept, page) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html;q=0.5", false),
            ("application/json;q=0.5, text/html", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("accept", HeaderValue::from_static(accept));
            assert_eq!(wants_page(&headers), page, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
