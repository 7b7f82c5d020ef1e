//! Faults of a connection against what they mean, over real loopback sockets.

use std::time::Duration;

use reqwest::{Method, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::clock::Time;
use crate::phi::Secret;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Charge, Verdict};

/// 1994-11-06T08:49:07Z, half a minute before the date in RFC 9110's example.
const NOW: Time = Time::from_micros(784_111_747_000_000);

fn http(change: impl FnOnce(&mut HttpSettings)) -> Http {
    let mut settings = HttpSettings {
        timeout: Duration::from_millis(600),
        body_max: 1000,
        ..HttpSettings::default()
    };
    change(&mut settings);
    Http::new(&settings).expect("client")
}

fn post(url: &str) -> Ask<'_> {
    Ask {
        method: Method::POST,
        url: Url::parse(url).expect("url"),
        headers: Vec::new(),
        body: Some(("text/plain", b"Canary".to_vec())),
    }
}

/// A server that reads one request, writes `reply` and keeps the connection open, or closes it.
async fn server(reply: &'static str, close: bool) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}/x", listener.local_addr().expect("address"));
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut request = vec![0; 4096];
        let n = stream.read(&mut request).await.expect("read");
        stream.write_all(reply.as_bytes()).await.expect("write");
        if !close {
            let mut rest = [0; 16];
            let _ = stream.read(&mut rest).await;
        }
        String::from_utf8_lossy(&request[..n]).into_owned()
    });
    (url, task)
}

fn meaning(answer: &Answer) -> (Verdict, Reason, Charge) {
    (answer.verdict, answer.reason, answer.charge)
}

#[tokio::test]
async fn what_never_reached_the_partner_is_charged_to_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let closed = format!("http://{}/x", taken.local_addr().expect("address"));
    drop(taken);
    let (plain, _task) = server("HTTP/1.1 400 Bad Request\r\n\r\n", true).await;
    let tls = plain.replace("http:", "https:");
    for (url, reason) in [
        (closed.as_str(), Reason::Connect),
        ("http://nobody.invalid/x", Reason::Connect),
        (tls.as_str(), Reason::Tls),
    ] {
        let answer = http(|s| s.timeout = Duration::from_secs(8))
            .send(post(url), NOW)
            .await
            .expect_err("no answer");
        assert_eq!(
            meaning(&answer),
            (Verdict::Busy, reason, Charge::Partner),
            "{reason:?}"
        );
    }
}

#[tokio::test]
async fn what_broke_after_the_request_was_sent_is_unclear() {
    for (reply, close, reason) in [
        ("", true, Reason::Reset),
        ("", false, Reason::TimedOut),
        ("HTTP/1.1 20", true, Reason::Reset),
    ] {
        let (url, _task) = server(reply, close).await;
        let answer = http(|_| ())
            .send(post(&url), NOW)
            .await
            .expect_err("no answer");
        assert_eq!(
            meaning(&answer),
            (Verdict::Unsure, reason, Charge::Message),
            "{reply:?}"
        );
        assert!(!format!("{answer:?}").contains("Canary"));
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_cap() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf a body";
    let long: &'static str = Box::leak(
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}",
            "x".repeat(5000)
        )
        .into_boxed_str(),
    );
    let whole = "HTTP/1.1 201 Created\r\nContent-Type: Application/FHIR+JSON; charset=utf-8\r\nETag: W/\"3\"\r\nLocation: /a/1\r\nContent-Length: 2\r\n\r\n{}";
    for (reply, bytes, complete) in [(short, 11, false), (long, 1000, false), (whole, 2, true)] {
        let (url, _task) = server(reply, true).await;
        let heard = http(|_| ()).send(post(&url), NOW).await.expect("answer");
        assert_eq!((heard.body.len(), heard.complete), (bytes, complete));
        if complete {
            assert_eq!(heard.media_type, "application/fhir+json");
            assert_eq!(heard.etag.as_deref(), Some("W/\"3\""));
            assert_eq!(heard.location.as_deref(), Some("/a/1"));
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (url, task) = server(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        true,
    )
    .await;
    let heard = http(|_| ()).send(post(&url), NOW).await.expect("answer");
    assert_eq!(heard.status, 307);
    assert_eq!(
        by_status(&heard).map(|a| meaning(&a)),
        Some((Verdict::Busy, Reason::Unavailable, Charge::Partner))
    );
    assert!(task.await.expect("request").starts_with("POST /x"));
}

#[tokio::test]
async fn the_token_travels_and_a_lost_one_is_the_partners_outage() {
    let (url, task) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true).await;
    let client = http(|s| {
        s.credential = Credential::Fixed(Secret::new("t0k3n".into()));
        s.headers = vec![("x-tenant".into(), Secret::new("h3ad".into()))];
    });
    client.send(post(&url), NOW).await.expect("answer");
    let request = task.await.expect("request");
    assert!(request.contains("authorization: Bearer t0k3n") && request.contains("x-tenant: h3ad"));
    assert!(!format!("{client:?}").contains("t0k3n") && !format!("{client:?}").contains("h3ad"));

    let lost = http(|s| s.credential = Credential::File("/nonexistent/token".into()));
    let answer = lost.send(post(&url), NOW).await.expect_err("no token");
    assert_eq!(
        meaning(&answer),
        (Verdict::Busy, Reason::Token, Charge::Partner)
    );
}

#[test]
fn statuses_that_all_partners_agree_on() {
    use Charge::{Message, Partner};
    let heard = |status, token_refused| Heard {
        status,
        media_type: String::new(),
        etag: None,
        location: None,
        retry_after: Some(Duration::from_secs(7)),
        token_refused,
        body: b"kept".to_vec(),
        complete: true,
    };
    for (status, token, expected) in [
        (401, false, Some((Verdict::Busy, Reason::Token, Partner))),
        (403, true, Some((Verdict::Busy, Reason::Token, Partner))),
        (403, false, None),
        (
            429,
            false,
            Some((Verdict::Busy, Reason::Throttled, Partner)),
        ),
        (
            503,
            false,
            Some((Verdict::Busy, Reason::Unavailable, Partner)),
        ),
        (
            302,
            false,
            Some((Verdict::Busy, Reason::Unavailable, Partner)),
        ),
        (
            408,
            false,
            Some((Verdict::Unsure, Reason::TimedOut, Message)),
        ),
        (
            500,
            false,
            Some((Verdict::Unsure, Reason::ServerError, Message)),
        ),
        (
            502,
            false,
            Some((Verdict::Unsure, Reason::ServerError, Message)),
        ),
        (
            504,
            false,
            Some((Verdict::Unsure, Reason::TimedOut, Message)),
        ),
        (501, false, None),
        (200, false, None),
        (422, false, None),
    ] {
        let answer = by_status(&heard(status, token));
        assert_eq!(answer.as_ref().map(meaning), expected, "{status}");
        if let Some(answer) = answer {
            assert_eq!(answer.status, Some(status));
            assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
            assert_eq!(answer.body, b"kept");
        }
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_in_three_forms() {
    let secs = |n| Some(Duration::from_secs(n));
    for (text, expected) in [
        ("120", secs(120)),
        (" 0 ", secs(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", secs(30)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", secs(30)),
        ("Sun Nov  6 08:49:37 1994", secs(30)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", secs(0)),
        ("99999999999999999999999", secs(u64::from(u32::MAX))),
        ("-5", None),
        ("soon", None),
        ("", None),
    ] {
        assert_eq!(retry_after(text, NOW), expected, "{text:?}");
    }
}
