//! Who owns a record (contracts section 1): keys, repeats and conflicts, one after the other and all at
//! once; and that a refusal tells no more than its rule.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Gateway, Got, Setup, fixture, fixture_whole};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn with_key(gateway: &Gateway, key: &str, body: &Value) -> Got {
    gateway
        .send(
            reqwest::Method::POST,
            "/records/client",
            "clinic-system",
            &[("idempotency-key", key)],
            Some(("application/json", serde_json::to_vec(body).expect("JSON"))),
        )
        .await
}

fn client(version: u64, phone: &str) -> Value {
    let mut record = fixture("client", "C-1001");
    record["version"] = json!(version);
    record["phone"] = json!(phone);
    record
}

#[tokio::test]
async fn a_key_is_used_up_by_what_was_accepted_or_repeated_and_by_nothing_else() {
    let gateway = Setup::new().start().await;
    let (one, two) = (client(1, "3155550101"), client(2, "3155550102"));
    // Refused three ways: the key is free still.
    let mut odd = one.clone();
    odd["nobody"] = json!(1);
    assert_eq!(with_key(&gateway, "k", &odd).await.status, 400);
    let mut wrong = one.clone();
    wrong["birth_date"] = json!("2126-01-01");
    assert_eq!(with_key(&gateway, "k", &wrong).await.status, 422);
    let first = gateway.submit("client", &one).await;
    let conflict = client(1, "3155550199");
    assert_eq!(with_key(&gateway, "k", &conflict).await.status, 409);
    // An exact repeat gets the first answer, and uses the key up.
    let again = with_key(&gateway, "k", &one).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let other = with_key(&gateway, "k", &two).await;
    assert_eq!(
        (other.status, other.rules()),
        (422, vec!["idempotency-key-reused".to_owned()])
    );
    assert_eq!(with_key(&gateway, "k2", &two).await.status, 202);
    // Another caller's key of the same name is another key.
    assert_eq!(with_key(&gateway, "k", &one).await.body, first.body);
}

#[tokio::test]
async fn a_key_is_kept_for_seven_days() {
    let gateway = Setup::new().start().await;
    assert_eq!(
        with_key(&gateway, "k", &client(1, "3155550101"))
            .await
            .status,
        202
    );
    gateway.advance(7 * DAY - Duration::from_secs(60));
    gateway.work().await;
    let second = client(2, "3155550102");
    assert_eq!(with_key(&gateway, "k", &second).await.status, 422);
    gateway.advance(Duration::from_secs(120));
    gateway.work().await;
    assert_eq!(with_key(&gateway, "k", &second).await.status, 202);
}

#[tokio::test]
async fn of_many_at_once_one_is_first_and_the_others_hear_its_answer() {
    let gateway = Setup::new().start().await;
    let one = client(1, "3155550101");
    let all = (0..8).map(|n| {
        let (gateway, one) = (&gateway, &one);
        let key = if n % 2 == 0 { "same" } else { "other" };
        async move { with_key(gateway, key, one).await }
    });
    let got = futures_util::future::join_all(all).await;
    assert!(got.iter().all(|g| g.status == 202 && g.body == got[0].body));
    let status = gateway.get("/status", "reader").await.json();
    assert_eq!(status["versions"], 1);
    // One key, many bodies: one of them.
    let all = (0..8).map(|n| {
        let gateway = &gateway;
        async move {
            let phone = format!("31555501{n}2");
            with_key(gateway, "fresh", &client(n + 2, &phone))
                .await
                .status
        }
    });
    let mut got = futures_util::future::join_all(all).await;
    got.sort_unstable();
    assert_eq!(got, [202, 422, 422, 422, 422, 422, 422, 422]);
}

#[tokio::test]
async fn any_stored_version_is_repeated_and_nothing_else_goes_back() {
    let gateway = Setup::new().start().await;
    let mut said = Vec::new();
    for version in [1, 2, 5] {
        let record = client(version, "3155550101");
        said.push((record.clone(), gateway.submit("client", &record).await));
    }
    for (record, first) in &said {
        let again = gateway.submit("client", record).await;
        assert_eq!((again.status, &again.body), (202, &first.body));
        let mut other = record.clone();
        other["phone"] = json!("3155550177");
        assert_eq!(gateway.submit("client", &other).await.status, 409);
    }
    let never = client(3, "3155550101");
    let refused = gateway.submit("client", &never).await;
    assert_eq!(
        (refused.status, refused.rules()),
        (409, vec!["version-order".to_owned()])
    );
}

/// Every text of a record, in turn, becomes `canary`; what comes of it.
fn with_canaries(record: &Value, canary: &str) -> Vec<Value> {
    fn places(value: &Value, at: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, child)| {
                places(child, &format!("{at}/{name}"), out);
            }),
            Value::Array(items) => items.iter().enumerate().for_each(|(n, child)| {
                places(child, &format!("{at}/{n}"), out);
            }),
            _ => out.push(at.to_owned()),
        }
    }
    let mut all = Vec::new();
    places(record, "", &mut all);
    let mut out = Vec::new();
    for at in all {
        let mut one = record.clone();
        if let Some(place) = one.pointer_mut(&at) {
            *place = json!(canary);
            out.push(one);
        }
    }
    out
}

#[tokio::test]
async fn a_refusal_holds_no_value_wherever_it_stands() {
    // Not a name of a fixture: what is accepted may hold it, what is refused may not.
    const CANARY: &str = "Zeisig Ünwanted 4711";
    let gateway = Setup::new().start().await;
    let mut told = String::new();
    let mut refused = 0;
    for (kind, case) in [
        ("client", "C-1001"),
        ("staff", "S-01"),
        ("pharmacy", "PH-01"),
        ("episode", "E-1001"),
        ("evaluation", "EV-1001"),
        ("consent", "CO-1001"),
        ("medication-request", "clonazepam-taper"),
        ("medication-request", "methadone-otp"),
        ("observation", "uds-confirmed"),
        ("care-plan", "full-opioid"),
    ] {
        let record = fixture_whole(kind, case)["record"].clone();
        for odd in with_canaries(&record, CANARY) {
            let got = gateway.submit(kind, &odd).await;
            if got.status != 202 {
                told += &got.text();
                refused += 1;
            }
        }
        // A name that looks like one is told to its sender, who made it up; one that does not is not.
        for (name, shown) in [(CANARY, false), ("zeisig_4711", true)] {
            let mut odd = record.clone();
            odd[name] = json!({ "x": CANARY });
            let got = gateway.submit(kind, &odd).await;
            assert_eq!(got.status, 400);
            assert_eq!(got.text().contains(name), shown, "{}", got.text());
        }
    }
    assert!(refused > 200, "{refused}");
    for (path, key, media) in [
        ("/records/client", CANARY, "application/json"),
        ("/records/client", "k", "text/zeisig"),
        (
            "/records/Zeisig%20%C3%9Cnwanted%204711",
            "k",
            "application/json",
        ),
    ] {
        let body = format!("{{\"{CANARY}\": Zeisig}}").into_bytes();
        let got = gateway
            .send(
                reqwest::Method::POST,
                path,
                "clinic-system",
                &[("idempotency-key", key)],
                Some((media, body)),
            )
            .await;
        assert!((400..500).contains(&got.status));
        told += &got.text();
    }
    let deep = format!("{{\"{CANARY}\": {}{}}}", "[".repeat(70), "]".repeat(70));
    let long = format!("{{\"{CANARY}\": 1{}}}", "0".repeat(60));
    let twice = format!("{{\"{CANARY}\": 1, \"{CANARY}\": 2}}");
    for body in [deep, long, twice] {
        let body = Some(("application/json", body.into_bytes()));
        let got = gateway
            .send(
                reqwest::Method::POST,
                "/records/client",
                "clinic-system",
                &[],
                body,
            )
            .await;
        assert_eq!(got.status, 400);
        told += &got.text();
    }
    // What is counted of it is shown to people who may see no values: no made-up name either.
    told += &gateway.get("/status", "admin").await.text();
    told += &gateway.get("/metrics", "reader").await.text();
    let at = told.to_lowercase().find("zeisig");
    let shown = at.map(|at| {
        told.chars()
            .skip(at.saturating_sub(200))
            .take(400)
            .collect::<String>()
    });
    assert_eq!(shown, None);
}
