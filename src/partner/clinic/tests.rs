//! The clinic's webhook: signed, taken once, and what each fault means.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock, Manual, Time};
use crate::demo::sim::{ClinicSim, Fault, Journal};
use crate::ids::{JobId, MessageId, PartnerId, TenantId};
use crate::record::{Context, Kind, MapEnv, contract};
use crate::sync::job::{Chain, Claimed, Effect, Purpose, State, VersionRef};
use crate::sync::ports::Rows;
use crate::sync::verdict::Charge;

const NOW: Time = Time::from_micros(1_795_521_600_000_000);
const SECRET: &str = "canary-secret";

fn partner(url: &str) -> Built {
    let common = Common {
        id: PartnerId::new("clinic"),
        party: None,
        class: None,
        order_by_patient: false,
        concurrency_max: 4,
        timeout_ms: 500,
        json: crate::json::Limits::default(),
        base: "https://clinic.example".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        carrier: None,
    };
    let keys = format!("url = \"{url}\"\nsecret = \"{SECRET}\"");
    (KIND.build)(common, toml::from_str(&keys).expect("toml")).expect("built")
}

fn effect(partner: &Built, message: &str, version: u64) -> Effect {
    let client = json!({
        "client_no": "C-1001",
        "version": version,
        "name": {"last": "Canaryquill", "first": "Ada"},
        "birth_date": "1988-04-02",
        "gender": "female",
        "address": {"line1": "1 Invented Lane", "city": "Nowhere Falls", "state": "NY", "postal_code": "12000"},
    });
    let record = contract::parse(Kind::Client, &client).expect("a client");
    let encoded = partner
        .encode(&Outgoing {
            env: &MapEnv::example(),
            record: Some(&record),
            context: &Context::default(),
            parts: &[],
            patient: None,
            purpose: Purpose::Copy,
            message: &MessageId::new(message),
            now: NOW,
            relates_to: None,
            cause: None,
            retracted: &[],
            notice: None,
        })
        .expect("encodes");
    Effect {
        n: 0,
        what: encoded.effects.into_iter().next().expect("one effect"),
        done: false,
    }
}

fn job() -> Claimed {
    Claimed {
        tenant: TenantId::new("clinic"),
        id: JobId::new("01J000000000000000AA"),
        partner: PartnerId::new("clinic"),
        record: VersionRef {
            kind: "client".into(),
            id: "C-1001".into(),
            version: 1,
        },
        chain: Chain("client/C-1001".into()),
        client: Some("C-1001".into()),
        purpose: Purpose::Copy,
        state: State::Sending,
        token: 1,
        lease_until: Time::NEVER,
        attempts: 0,
        asks: 0,
        unsure: false,
        deadline: None,
        guarded: false,
        accepted: NOW,
        message: None,
        policy: "{}".into(),
        effects: Vec::new(),
    }
}

async fn send(partner: &Built, effect: &Effect, now: Time, asking: bool) -> Answer {
    let (job, rows) = (job(), Rows::new());
    let delivery = Delivery {
        job: &job,
        effect,
        rows: &rows,
        now,
    };
    if asking {
        partner.ask(&delivery).await
    } else {
        partner.deliver(&delivery).await
    }
}

async fn sim(now: Time) -> ClinicSim {
    let clock: Arc<dyn Clock> = Arc::new(Manual::at(now));
    ClinicSim::start("clinic", SECRET, clock.clone(), Journal::new(clock))
        .await
        .expect("sim")
}

#[test]
fn the_signature_is_that_of_the_documented_text() {
    // printf '1795521600.{}' | openssl dgst -sha256 -hmac canary-secret
    let signed = signature(SECRET.as_bytes(), 1_795_521_600, b"{}");
    assert_eq!(
        signed,
        "v1=3b2e633519a5957d3abaa2daf8e74a1e63fe252044edb76825c2a34869365787"
    );
    let check = |secret: &str, timestamp: &str, given: &str, body: &[u8]| {
        verify(secret.as_bytes(), timestamp, given, body, NOW)
    };
    assert!(check(SECRET, "1795521600", &signed, b"{}"));
    assert!(!check("other", "1795521600", &signed, b"{}"));
    assert!(!check(SECRET, "1795521601", &signed, b"{}"));
    assert!(!check(SECRET, "1795521600", &signed, b"{} "));
    assert!(!check(SECRET, "soon", &signed, b"{}"));
    for (seconds, fresh) in [(-301, false), (-299, true), (299, true), (301, false)] {
        let at = 1_795_521_600 + seconds;
        let signed = signature(SECRET.as_bytes(), at, b"{}");
        assert_eq!(
            check(SECRET, &at.to_string(), &signed, b"{}"),
            fresh,
            "{seconds}"
        );
    }
}

#[tokio::test]
async fn a_record_arrives_signed_and_once() {
    let sim = sim(NOW).await;
    let partner = partner(&sim.url());
    let first = effect(&partner, "01M000000000000000AA", 1);
    for reason in [Reason::Delivered, Reason::Delivered] {
        let answer = send(&partner, &first, NOW, false).await;
        assert_eq!((answer.verdict, answer.reason), (Verdict::Accepted, reason));
    }
    let messages = sim.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["record"]["name"]["last"], "Canaryquill");
    assert_eq!(messages[0]["version"], Value::from(1));
    assert_eq!(
        (sim.repeats(), sim.duplicates(), sim.order_violations()),
        (1, 0, 0)
    );
    let newer = effect(&partner, "01M000000000000000AB", 2);
    send(&partner, &newer, NOW, false).await;
    let twice = effect(&partner, "01M000000000000000AC", 1);
    send(&partner, &twice, NOW, false).await;
    assert_eq!((sim.duplicates(), sim.order_violations()), (1, 1));
}

#[tokio::test]
async fn each_fault_means_what_it_means_and_the_same_message_settles_it() {
    use Charge::{Message, Partner};
    use Verdict::{Busy, Refused, Unsure};
    for (fault, expected) in [
        (Fault::Unavailable, (Busy, Reason::Unavailable, Partner)),
        (Fault::Throttled(3), (Busy, Reason::Throttled, Partner)),
        (Fault::Unauthorized, (Busy, Reason::Token, Partner)),
        (Fault::Refused, (Refused, Reason::Refused, Message)),
        (Fault::Forbidden, (Refused, Reason::Forbidden, Message)),
        (
            Fault::ServerErrorAfter,
            (Unsure, Reason::ServerError, Message),
        ),
        (Fault::ResetAfter, (Unsure, Reason::Reset, Message)),
        (Fault::SilentAfter, (Unsure, Reason::TimedOut, Message)),
    ] {
        let sim = sim(NOW).await;
        let partner = partner(&sim.url());
        let effect = effect(&partner, "01M000000000000000AA", 1);
        assert!(partner.can_ask(&effect.what));
        sim.faults().writes([Some(fault)]);
        let answer = send(&partner, &effect, NOW, false).await;
        assert_eq!(
            (answer.verdict, answer.reason, answer.charge),
            expected,
            "{fault:?}"
        );
        let settled = send(&partner, &effect, NOW, true).await;
        assert_eq!(settled.verdict, Verdict::Accepted, "{fault:?}");
        assert_eq!(
            (sim.messages().len(), sim.duplicates()),
            (1, 0),
            "{fault:?}"
        );
        assert!(!format!("{answer:?}").to_lowercase().contains("canary"));
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_refused_by_the_receiver() {
    let sim = sim(NOW).await;
    let partner = partner(&sim.url());
    let effect = effect(&partner, "01M000000000000000AA", 1);
    let late = NOW.plus(REPLAY_WINDOW * 2);
    let answer = send(&partner, &effect, late, false).await;
    assert_eq!(answer.reason, Reason::Token);
    assert_eq!((sim.forged(), sim.messages().len()), (1, 0));
}

#[tokio::test]
async fn it_is_probed_by_a_request_that_carries_nothing() {
    let sim = sim(NOW).await;
    let partner = partner(&sim.url());
    assert_eq!(partner.probe().await.verdict, Verdict::Accepted);
    sim.switch().down();
    let mut answer = partner.probe().await;
    for _ in 0..500 {
        if answer.charge == Charge::Partner {
            break;
        }
        tokio::task::yield_now().await;
        answer = partner.probe().await;
    }
    assert_eq!(
        (answer.verdict, answer.charge),
        (Verdict::Busy, Charge::Partner)
    );
}

#[test]
fn its_page_of_the_manual_can_be_read_by_it() {
    let keys: toml::Table = toml::from_str(DOC).expect("toml");
    let common = Common {
        id: PartnerId::new("clinic"),
        party: None,
        class: None,
        order_by_patient: false,
        concurrency_max: 1,
        timeout_ms: 1000,
        json: crate::json::Limits::default(),
        base: "https://clinic.example".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        carrier: None,
    };
    let built = (KIND.build)(common.clone(), keys).expect("built");
    assert_eq!(
        (built.facts().style, built.facts().class.as_str()),
        (Style::Clinic, "")
    );
    let wrong = (KIND.build)(common, toml::Table::new())
        .err()
        .expect("wrong");
    assert!(
        ["url", "secret_file"]
            .iter()
            .all(|k| wrong.iter().any(|w| w.starts_with(k)))
    );
}
