//! The EHR partner: what it encodes, what each fault means, what comes in.

mod encoding;
mod inbound;
mod transaction;
mod update;
mod wire;

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use crate::clock::{Manual, Time};
use crate::demo::sim::ehr::Options;
use crate::demo::sim::{EhrSim, Journal};
use crate::fhir::validate::Validator;
use crate::ids::{JobId, MessageId, PartnerId, TenantId};
use crate::partner::{Built, Common};
use crate::record::{Context, MapEnv};
use crate::sync::job::{Chain, Claimed, Effect, EffectKind, NewEffect, Purpose, State, VersionRef};
use crate::sync::ports::{CheckedPart, Delivery, Encoded, Outgoing, Rows, Style};
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Charge, Verdict};

static VALIDATOR: LazyLock<Validator> = LazyLock::new(Validator::standard);

const NOW: Time = Time::from_micros(1_795_521_600_000_000);

fn part(name: &str, resource: Value) -> CheckedPart {
    let checked = VALIDATOR
        .certify(resource, &[])
        .map_err(|(_, issues)| issues);
    CheckedPart {
        part: name.to_owned(),
        checked: checked.expect("passes"),
    }
}

fn reference(resource_type: &str, id: &str, kind: &str, value: &str) -> Value {
    json!({
        "reference": format!("{resource_type}/{id}"),
        "type": resource_type,
        "identifier": {"system": format!("https://clinic.example/id/{kind}"), "value": value},
    })
}

fn identifier(kind: &str, value: &str) -> Value {
    json!([{"system": format!("https://clinic.example/id/{kind}"), "value": value}])
}

fn patient() -> CheckedPart {
    part(
        "",
        json!({
            "resourceType": "Patient",
            "id": "PAT1",
            "identifier": identifier("client", "C-1001"),
            "name": [{"family": "Canaryquill", "given": ["Ada"]}],
        }),
    )
}

/// A panel, its member, and a Provenance, the principal first.
fn panel(value: &str) -> Vec<CheckedPart> {
    let subject = reference("Patient", "PAT1", "client", "C-1001");
    vec![
        part(
            "",
            json!({
                "resourceType": "Observation",
                "id": "OBS1",
                "meta": {"versionId": "9", "lastUpdated": "2026-11-24T12:00:00Z"},
                "identifier": identifier("observation", "M-1"),
                "status": "final",
                "code": {"text": "panel"},
                "subject": subject,
                "effectiveDateTime": "2026-11-20",
                "performer": [reference("Practitioner", "PRA1", "staff", "S-1")],
                "hasMember": [reference("Observation", "OBS2", "observation", "M-1/item/1")],
            }),
        ),
        part(
            "provenance",
            json!({
                "resourceType": "Provenance",
                "id": "PROV1",
                "target": [reference("Observation", "OBS1", "observation", "M-1")],
                "recorded": "2026-11-24T12:00:00.000-05:00",
                "agent": [{"who": reference("Practitioner", "PRA1", "staff", "S-1")}],
            }),
        ),
        part(
            "item/1",
            json!({
                "resourceType": "Observation",
                "id": "OBS2",
                "identifier": identifier("observation", "M-1/item/1"),
                "status": "final",
                "code": {"text": "Canary item"},
                "subject": subject,
                "effectiveDateTime": "2026-11-20",
                "valueQuantity": {"value": serde_json::from_str::<Value>(value).expect("number"), "unit": "mg"},
            }),
        ),
    ]
}

fn common() -> Common {
    Common {
        id: PartnerId::new("ehr"),
        party: None,
        class: None,
        order_by_patient: false,
        concurrency_max: 4,
        timeout_ms: 500,
        json: crate::json::Limits::default(),
        base: "https://clinic.example".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        carrier: None,
    }
}

/// An EHR partner with these keys besides the address.
fn partner(url: &str, keys: &str) -> Built {
    let keys = format!("url = \"{url}\"\n{keys}");
    (super::KIND.build)(common(), toml::from_str(&keys).expect("toml")).expect("built")
}

/// What is encoded of these parts.
fn encode(partner: &Built, parts: &[CheckedPart]) -> Encoded {
    encode_as(partner, parts, Purpose::Copy, &[], None)
}

fn encode_as(
    partner: &Built,
    parts: &[CheckedPart],
    purpose: Purpose,
    retracted: &[CheckedPart],
    notice: Option<&str>,
) -> Encoded {
    partner
        .encode(&Outgoing {
            env: &MapEnv::example(),
            record: None,
            context: &Context::default(),
            parts,
            patient: Some(&patient()),
            purpose,
            message: &MessageId::new("01M000000000000000AA"),
            now: NOW,
            relates_to: None,
            cause: None,
            retracted,
            notice,
        })
        .expect("encodes")
}

fn job(version: u64) -> Claimed {
    Claimed {
        tenant: TenantId::new("clinic"),
        id: JobId::new("01J000000000000000AA"),
        partner: PartnerId::new("ehr"),
        record: VersionRef {
            kind: "observation".into(),
            id: "M-1".into(),
            version,
        },
        chain: Chain("observation/M-1".into()),
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

/// A partner with a simulated EHR, and the crosswalk that the core would keep.
struct Bench {
    sim: EhrSim,
    partner: Built,
    rows: Rows,
    version: u64,
    purpose: Purpose,
}

impl Bench {
    async fn new(keys: &str, options: Options) -> Bench {
        let journal = Journal::new(Arc::new(Manual::at(NOW)));
        let sim = EhrSim::start("ehr", journal, options).await.expect("sim");
        let partner = partner(&sim.url(), keys);
        let mut bench = Bench {
            sim,
            partner,
            rows: Rows::new(),
            version: 1,
            purpose: Purpose::Copy,
        };
        let their_patient = bench.sim.put(json!({"resourceType": "Patient"}));
        bench.rows.insert(
            ("Patient".into(), "PAT1".into()),
            (their_patient, Some("1".into())),
        );
        bench
    }

    async fn deliver(&mut self, what: &NewEffect) -> Answer {
        self.go(what, false).await
    }

    async fn ask(&mut self, what: &NewEffect) -> Answer {
        self.go(what, true).await
    }

    async fn go(&mut self, what: &NewEffect, asking: bool) -> Answer {
        let mut job = job(self.version);
        job.purpose = self.purpose;
        let effect = Effect {
            n: 0,
            what: what.clone(),
            done: false,
        };
        let delivery = Delivery {
            job: &job,
            effect: &effect,
            rows: &self.rows,
            now: NOW,
        };
        let answer = if asking {
            self.partner.ask(&delivery).await
        } else {
            self.partner.deliver(&delivery).await
        };
        if let Some(remote) = &answer.remote
            && answer.verdict == Verdict::Accepted
        {
            self.rows.insert(
                (what.resource_type.clone(), what.our_id.clone()),
                (remote.id.clone(), remote.version.clone()),
            );
        }
        answer
    }

    fn effect(&self, value: &str) -> NewEffect {
        let parts = panel(value);
        encode(&self.partner, &parts)
            .effects
            .into_iter()
            .find(|e| e.our_id == "OBS2")
            .expect("the item's effect")
    }
}

fn meaning(answer: &Answer) -> (Verdict, Reason, Charge) {
    (answer.verdict, answer.reason, answer.charge)
}

#[test]
fn every_mistake_in_its_block_is_told_without_a_value() {
    let keys = toml::from_str(
        "url = \"s3cr3t\"\ncreate = \"s3cr3t\"\npatients = \"configured\"\nbearer = \"s3cr3t\"\nbearer_file = \"s3cr3t\"\nodd = 1",
    );
    let wrong = (super::KIND.build)(common(), keys.expect("toml"))
        .err()
        .expect("wrong");
    for key in ["url", "create", "patient_ids", "bearer_file", "odd"] {
        assert!(wrong.iter().any(|w| w.starts_with(key)), "{key}: {wrong:?}");
    }
    assert!(wrong.iter().all(|w| !w.contains("s3cr3t")));
}

#[test]
fn its_page_of_the_manual_can_be_read_by_it() {
    // With every example switched on; the file of certificates would have to be there.
    let text: Vec<String> = super::config::DOC
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if !example.starts_with(' ') => example.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let mut keys: toml::Table = toml::from_str(&text.join("\n")).expect("toml");
    assert!(keys.remove("ca_file").is_some());
    let built = (super::KIND.build)(common(), keys).expect("built");
    assert_eq!(built.facts().style, Style::Copies);
    assert!(built.can_ask(&encode(&built, &panel("1")).effects[0]));
    assert_eq!(EffectKind::parse("patient"), Some(EffectKind::Patient));
}
