//! Tables of what answers mean.

use super::super::answers::meaning;
use super::message;
use crate::partner::wire::Heard;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Charge, Verdict};

fn heard(status: u16, body: &[u8]) -> Heard {
    Heard {
        status,
        media_type: "text/html".to_owned(),
        etag: None,
        location: None,
        retry_after: None,
        token_refused: false,
        body: body.to_vec(),
        complete: true,
    }
}

fn error(codes: &[&str]) -> Vec<u8> {
    let (code, details) = codes.split_first().expect("a code");
    let details: String = details
        .iter()
        .map(|d| format!("<DescriptionCode>{d}</DescriptionCode>"))
        .collect();
    let body = format!("<Error><Code>{code}</Code>{details}</Error>");
    message("<RelatesToMessageID>M1</RelatesToMessageID>", &body)
}

fn status(code: &str) -> Vec<u8> {
    let body = format!("<Status><Code>{code}</Code></Status>");
    message("<RelatesToMessageID>M1</RelatesToMessageID>", &body)
}

#[test]
fn each_error_code_means_what_the_contract_says() {
    use Verdict::{Accepted, Busy, Refused, Unsure};
    for (codes, verdict, reason) in [
        (&["600"][..], Busy, Reason::TryLater),
        (&["601"], Busy, Reason::TryLater),
        (&["900", "210"], Busy, Reason::TryLater),
        (&["900", "4000"], Busy, Reason::TryLater),
        (&["602"], Unsure, Reason::ServerError),
        (&["900", "4020"], Unsure, Reason::ServerError),
        (&["900", "008"], Unsure, Reason::TimedOut),
        // Try later, and a time-out: it may have been processed.
        (&["600", "008"], Unsure, Reason::TimedOut),
        (&["602", "210"], Unsure, Reason::ServerError),
        (&["900", "220"], Accepted, Reason::AlreadyThere),
        (&["600", "220"], Accepted, Reason::AlreadyThere),
        (&["900"], Refused, Reason::Refused),
        (&["900", "144"], Refused, Reason::Refused),
        (&["900", "500"], Refused, Reason::Refused),
        (&["900", "1000", "2000", "3000"], Refused, Reason::Refused),
        (&["700"], Refused, Reason::Unsupported),
        (&["900", "4040"], Refused, Reason::Unsupported),
        (&["900", "4030"], Refused, Reason::Forbidden),
        (&["999"], Refused, Reason::Refused),
    ] {
        for http in [200, 202, 400, 422] {
            let answer = meaning(&heard(http, &error(codes)), Some("M1"));
            assert_eq!(
                (answer.verdict, answer.reason),
                (verdict, reason),
                "{http} {codes:?}"
            );
            assert_eq!(answer.charge, Charge::Message);
        }
    }
}

#[test]
fn each_status_and_each_http_answer_means_what_the_contract_says() {
    use Verdict::{Accepted, Busy, Pending, Refused, Unsure};
    let html = b"<html><body>maintenance</body></html>".to_vec();
    let elsewhere = message(
        "<RelatesToMessageID>OTHER</RelatesToMessageID>",
        "<Status><Code>010</Code></Status>",
    );
    let unrelated = message("", "<Status><Code>010</Code></Status>");
    let verify = message(
        "",
        "<Verify><VerifyStatus><Code>010</Code></VerifyStatus></Verify>",
    );
    let renewal = message("", "<RxRenewalRequest/>");
    for (http, body, verdict, reason) in [
        (200, status("010"), Accepted, Reason::Delivered),
        (200, unrelated, Accepted, Reason::Delivered),
        (200, verify, Accepted, Reason::Delivered),
        (200, status("000"), Pending, Reason::Taken),
        (202, status("001"), Pending, Reason::Taken),
        (200, status("005"), Pending, Reason::Taken),
        (200, status("77"), Unsure, Reason::BrokenAnswer),
        (200, message("", "<Status/>"), Unsure, Reason::BrokenAnswer),
        (200, message("", "<Error/>"), Unsure, Reason::BrokenAnswer),
        (200, elsewhere, Unsure, Reason::BrokenAnswer),
        (200, renewal, Unsure, Reason::BrokenAnswer),
        (200, html.clone(), Unsure, Reason::BrokenAnswer),
        (200, Vec::new(), Unsure, Reason::BrokenAnswer),
        (204, Vec::new(), Unsure, Reason::BrokenAnswer),
        (400, status("010"), Unsure, Reason::BrokenAnswer),
        (400, html.clone(), Refused, Reason::Refused),
        (403, Vec::new(), Refused, Reason::Forbidden),
        (404, html.clone(), Refused, Reason::Unsupported),
        (409, Vec::new(), Unsure, Reason::Conflict),
        (408, Vec::new(), Unsure, Reason::TimedOut),
        (425, Vec::new(), Busy, Reason::TryLater),
        (500, html.clone(), Unsure, Reason::ServerError),
        (500, error(&["600"]), Unsure, Reason::ServerError),
        (501, Vec::new(), Unsure, Reason::ServerError),
        (502, Vec::new(), Unsure, Reason::ServerError),
        (504, Vec::new(), Unsure, Reason::TimedOut),
    ] {
        let answer = meaning(&heard(http, &body), Some("M1"));
        let said = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(
            (answer.verdict, answer.reason),
            (verdict, reason),
            "{http} {said}"
        );
        assert_eq!(answer.charge, Charge::Message, "{http}");
        assert_eq!(answer.status, Some(http));
    }
}

#[test]
fn what_says_nothing_about_the_message_is_charged_to_the_pharmacy() {
    for (http, reason) in [
        (503, Reason::Unavailable),
        (429, Reason::Throttled),
        (401, Reason::Token),
        (302, Reason::Unavailable),
    ] {
        let answer = meaning(&heard(http, b""), Some("M1"));
        assert_eq!(
            (answer.verdict, answer.reason),
            (Verdict::Busy, reason),
            "{http}"
        );
        assert_eq!(answer.charge, Charge::Partner, "{http}");
    }
    let mut later = heard(200, &error(&["600"]));
    later.retry_after = Some(std::time::Duration::from_secs(90));
    let answer = meaning(&later, Some("M1"));
    assert_eq!(
        (answer.verdict, answer.charge),
        (Verdict::Busy, Charge::Partner)
    );
    assert_eq!(answer.retry_after, later.retry_after);
}

#[test]
fn an_answer_that_breaks_off_is_unclear_whatever_stood_in_it() {
    let mut cut = heard(200, &status("010"));
    cut.complete = false;
    assert_eq!(meaning(&cut, Some("M1")).verdict, Verdict::Unsure);
}
