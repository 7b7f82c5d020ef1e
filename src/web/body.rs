//! Reads the body of a request, as much and as long as the limits allow. The only place that does.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Request, StatusCode};
use futures_util::StreamExt;

use super::answer::{Answer, problem};

fn too_long() -> Answer {
    problem(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-long",
        "body-bytes",
        "the body is larger than the limit",
    )
}

/// The whole body.
///
/// # Errors
/// The answer: 413 if it is larger than `bytes_max`, 408 if it is not there within `time`, 400 if it
/// broke off.
pub(super) async fn read(
    request: Request<Body>,
    bytes_max: usize,
    time: Duration,
) -> Result<Vec<u8>, Answer> {
    let said = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u64>().ok());
    if said.is_some_and(|n| n > u64::try_from(bytes_max).unwrap_or(u64::MAX)) {
        return Err(too_long());
    }
    let mut stream = request.into_body().into_data_stream();
    let mut body = Vec::new();
    let all = async {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| {
                problem(
                    StatusCode::BAD_REQUEST,
                    "incomplete",
                    "body",
                    "the body broke off",
                )
            })?;
            if chunk.len() > bytes_max - body.len() {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match tokio::time::timeout(time, all).await {
        Ok(done) => done.map(|()| body),
        Err(_) => Err(problem(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "body-time",
            "the body did not arrive in time",
        )),
    }
}
