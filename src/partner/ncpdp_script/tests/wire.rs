//! Over real HTTP: what is posted, and what the connection itself may say.

use std::time::Duration;

use wiremock::matchers::{body_bytes, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{NOW, message, order, partner, try_partner};
use crate::ids::{JobId, MessageId, PartnerId, TenantId};
use crate::partner::Built;
use crate::record::MapEnv;
use crate::sync::job::{Chain, Claimed, Effect, NewEffect, Purpose, State, VersionRef};
use crate::sync::ports::{Delivery, Outgoing, Rows};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Charge, Verdict};

const ID: &str = "01KAJ8Z2Q0M4T6V8X0Y2";

fn encoded(partner: &Built) -> NewEffect {
    let (record, context) = order("sertraline");
    let env = MapEnv::example();
    let out = Outgoing {
        env: &env,
        record: Some(&record),
        context: &context,
        parts: &[],
        patient: None,
        purpose: Purpose::NewRx,
        message: &MessageId::new(ID),
        now: NOW,
        relates_to: None,
        cause: None,
        retracted: &[],
        notice: None,
    };
    partner.encode(&out).expect("fits").effects.remove(0)
}

async fn deliver(partner: &Built, effect: NewEffect) -> Answer {
    let effect = Effect {
        n: 0,
        what: effect,
        done: false,
    };
    let job = Claimed {
        tenant: TenantId::new("clinic"),
        id: JobId::new("J1"),
        partner: PartnerId::new("pharmacy-main"),
        record: VersionRef {
            kind: "medication-request".to_owned(),
            id: "RX-2026-00101".to_owned(),
            version: 1,
        },
        chain: Chain("medication-request/RX-2026-00101".to_owned()),
        client: None,
        purpose: Purpose::NewRx,
        state: State::Sending,
        token: 1,
        lease_until: NOW,
        attempts: 0,
        asks: 0,
        unsure: false,
        deadline: None,
        guarded: false,
        accepted: NOW,
        message: Some(MessageId::new(ID)),
        policy: String::new(),
        effects: vec![effect.clone()],
    };
    let delivery = Delivery {
        job: &job,
        effect: &effect,
        rows: &Rows::new(),
        now: NOW,
    };
    partner.deliver(&delivery).await
}

#[tokio::test]
async fn the_payload_is_posted_as_it_was_made_with_type_and_token() {
    let server = MockServer::start().await;
    let block = format!(
        "url = \"{}/script\"\nbearer = \"t0ken\"\nmedia_type = \"application/xml; charset=utf-8\"\nheaders = {{ x-account = \"7\" }}",
        server.uri()
    );
    let partner = partner(&block);
    let effect = encoded(&partner);
    let bytes = effect.payload.clone().expect("a payload").bytes;
    let answer = message(
        &format!("<RelatesToMessageID>{ID}</RelatesToMessageID>"),
        "<Status><Code>010</Code></Status>",
    );
    Mock::given(method("POST"))
        .and(path("/script"))
        .and(body_bytes(bytes))
        .and(header("authorization", "Bearer t0ken"))
        .and(header("content-type", "application/xml; charset=utf-8"))
        .and(header("x-account", "7"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(answer, "text/html"))
        .expect(1)
        .mount(&server)
        .await;
    let answer = deliver(&partner, effect).await;
    assert_eq!(
        (answer.verdict, answer.reason),
        (Verdict::Accepted, Reason::Delivered)
    );
}

#[tokio::test]
async fn a_connection_that_fails_is_the_partners_and_one_that_hangs_is_unclear() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    let partner_down = partner(&format!("url = \"http://{closed}/script\""));
    let effect = encoded(&partner_down);
    let answer = deliver(&partner_down, effect).await;
    assert_eq!(
        (answer.verdict, answer.charge),
        (Verdict::Busy, Charge::Partner)
    );
    assert_eq!(partner_down.probe().await.charge, Charge::Partner);

    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(60)))
        .mount(&server)
        .await;
    let slow = partner(&format!("url = \"{}/script\"", server.uri()));
    let effect = encoded(&slow);
    let answer = deliver(&slow, effect).await;
    assert_eq!(
        (answer.verdict, answer.reason),
        (Verdict::Unsure, Reason::TimedOut)
    );
}

#[tokio::test]
async fn a_probe_carries_nobody_and_any_answer_but_an_outage_is_a_sign_of_life() {
    for (status, alive) in [
        (200, true),
        (404, true),
        (405, true),
        (401, false),
        (503, false),
        (500, false),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/health"))
            .respond_with(ResponseTemplate::new(status))
            .expect(1)
            .mount(&server)
            .await;
        let partner = partner(&format!(
            "url = \"{0}/script\"\nprobe_url = \"{0}/health\"",
            server.uri()
        ));
        let answer = partner.probe().await;
        assert_eq!(answer.verdict == Verdict::Accepted, alive, "{status}");
        assert_eq!(answer.charge == Charge::Partner, !alive, "{status}");
    }
}

#[test]
fn asking_is_allowed_by_the_config_only() {
    let url = "url = \"https://pharmacy.example/script\"";
    let silent = partner(url);
    let knows = partner(&format!("{url}\nduplicates = \"answers-220\""));
    assert!(!silent.can_ask(&encoded(&silent)));
    assert!(knows.can_ask(&encoded(&knows)));
    // Changed after acceptance, in either direction: not.
    assert!(!silent.can_ask(&encoded(&knows)));
    assert!(!knows.can_ask(&encoded(&silent)));
}

#[test]
fn every_mistake_of_a_block_is_told_at_once() {
    let keys = "ncpdp_ids = [\"77\"]\nduplicates = \"perhaps\"\nfrom_qualifier = \"C\"\nmedia_type = \"xml\"\nprobe_url = \"ftp://x\"\nodd = 1";
    let wrong = try_partner(keys).err().expect("wrong");
    for key in [
        "url",
        "ncpdp_ids",
        "duplicates",
        "from_qualifier",
        "media_type",
        "probe_url",
        "odd",
    ] {
        assert!(
            wrong.iter().any(|w| w.starts_with(&format!("{key}:"))),
            "{key}: {wrong:?}"
        );
    }
}
