//! What people see and press.

use super::*;

#[tokio::test]
async fn the_status_says_first_what_matters_and_adds_up() {
    let house = doors();
    let got = house.get("/status", "reader").await.json();
    assert_eq!(
        got["headline"],
        "A person is needed: 2 messages are parked; 1 patient is to be linked; 1 message is being repeated. \
         Nothing is lost. Last delivery 12 s ago."
    );
    assert_eq!(got["adds_up"], true);
    assert_eq!(got["partners"][0]["mood"], "needs-you");
    let presses: Vec<&Value> = got["jobs"]
        .as_array()
        .expect("jobs")
        .iter()
        .map(|j| &j["press"])
        .collect();
    assert_eq!(
        presses,
        [
            &json!(["retry", "cancel"]),
            &json!(["resolve-there", "resolve-not-there", "cancel"]),
            &json!(["retry", "cancel"])
        ]
    );
    assert_eq!(got["groups"].as_array().map(Vec::len), Some(3));

    let mut short = fixed();
    short.status.jobs_made = 11;
    let got = doors_with(short, |_| ())
        .get("/status", "reader")
        .await
        .json();
    assert_eq!(got["adds_up"], false);
    assert!(
        got["headline"]
            .as_str()
            .is_some_and(|h| h.contains("do not add up"))
    );
}

#[tokio::test]
async fn a_page_obeys_no_markup_runs_no_script_and_is_kept_by_nobody() {
    let house = doors();
    for (path, who) in [
        ("/status", "admin"),
        ("/status?every=15", "admin"),
        ("/status", "reader"),
        ("/unmatched", "admin"),
        ("/records/observation/M-1", "admin"),
        ("/records/observation/M-1", "reader"),
    ] {
        let got = house.ask(Method::GET, path, who, &[BROWSER], "").await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_eq!(got.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(got.header("cache-control"), "no-store");
        assert!(
            got.header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        for markup in [
            "<b>M-1", "<i>77", "<J0>", "<script", "style=\"", "onclick", "Canary",
        ] {
            assert!(!got.body.contains(markup), "{path} holds {markup}");
        }
        for tag in ["section", "table", "div", "form", "details", "p", "ul"] {
            let open = got.body.matches(&format!("<{tag}>")).count()
                + got.body.matches(&format!("<{tag} ")).count();
            let close = got.body.matches(&format!("</{tag}>")).count();
            assert_eq!(open, close, "{path}: <{tag}>");
        }
        let acts = got.body.contains("<form");
        assert_eq!(acts, who == "admin", "{path} as {who}");
    }
    let again = house
        .ask(Method::GET, "/status?every=15", "admin", &[BROWSER], "")
        .await;
    assert_eq!(again.header("refresh"), "15");
    let css = house.get("/page.css", "").await;
    assert_eq!(css.header("content-type"), "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_story_shows_the_body_to_those_who_may_read_only() {
    let house = doors();
    let read = house.get("/records/observation/M-1", "reader").await.json();
    assert_eq!(read["versions"][0]["record"]["name"], "Canaryquill");
    assert_eq!(read["jobs"][0]["what"], "the partner refused the content");
    let operate = house.get("/records/observation/M-1", "admin").await;
    assert!(!operate.body.contains("Canary"));
    assert_eq!(operate.json()["jobs"][0]["id"], "J1");
}

#[tokio::test]
async fn a_person_acts_with_a_name_and_a_reason_and_comes_back_to_the_page() {
    let house = doors();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let got = house
        .ask(
            Method::POST,
            "/jobs/J2/resolve-there",
            "admin",
            &[form, BROWSER],
            "why=they+said+so&back=%2Frecords%2Fobservation%2FM-1",
        )
        .await;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    assert_eq!(got.header("location"), "/records/observation/M-1");
    let got = house
        .ask(
            Method::POST,
            "/jobs/J1/retry",
            "admin",
            &[form, BROWSER],
            "back=%2F%2Fevil.example",
        )
        .await;
    assert_eq!(got.header("location"), "/status");
    let got = house
        .ask(
            Method::POST,
            "/jobs/J1/cancel",
            "admin",
            &[JSON],
            r#"{"why":"a repeat"}"#,
        )
        .await;
    assert_eq!(got.json(), json!({"done": true}));
    let got = house
        .ask(Method::POST, "/jobs/J1/cancel", "admin", &[JSON], "[")
        .await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        *house.store.done.lock().expect("lock"),
        [
            "ResolveThere J2 by admin: they said so",
            "Retry J1 by admin: ",
            "Cancel J1 by admin: a repeat"
        ]
    );
}

#[tokio::test]
async fn a_patient_is_linked_to_a_client_that_is_known() {
    let house = doors();
    // The partner is not known in this house, nor is the second client.
    for body in [
        r#"{"partner":"none","their_id":"77","client":"C-1"}"#,
        r#"{"partner":"none","their_id":"77","client":"C-2"}"#,
        r#"{"partner":"none"}"#,
        "",
    ] {
        let got = house
            .ask(Method::POST, "/unmatched/link", "admin", &[JSON], body)
            .await;
        assert!(got.status.is_client_error(), "{body}");
    }
    assert!(house.store.done.lock().expect("lock").is_empty());
}
