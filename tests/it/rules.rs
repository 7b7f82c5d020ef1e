//! What becomes of what breaks a rule of the validator: the house's word and the partners' own, at the clinic's
//! door, at the partners' doors and in relays; on a whole gateway. And that all rules stand in the table.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::ehr::Options;
use fhir_gateway::demo::sim::{EhrSim, Journal};
use fhir_gateway::fhir::validate::rules;
use serde_json::{Value, json};

use super::source;
use crate::support::{Gateway, Setup, fixture, fixture_whole};

/// Two EHRs, and a gateway whose clients and observations go to both. `north` and `house` are words on rules.
struct Two {
    gateway: Gateway,
    north: EhrSim,
    south: EhrSim,
}

async fn two(house: &str, north: &str, routes: &str) -> Two {
    let start = |id: &'static str| async move {
        let journal = Journal::new(Arc::new(System::default()));
        let ehr = EhrSim::start(id, journal, Options::default()).await;
        ehr.expect("an EHR")
    };
    let (n, s) = (start("north").await, start("south").await);
    let block = |id: &str, ehr: &EhrSim, rules: &str| {
        format!(
            "[[partners]]\nid = \"{id}\"\nkind = \"ehr-fhir\"\nurl = \"{}\"\nbearer = \"x\"\n\
             create = \"conditional\"\npatients = \"created\"\nclass = \"treating_providers\"\n\
             [partners.rules]\n{rules}\n",
            ehr.url()
        )
    };
    let gateway = Setup::new()
        .caller("north", "\"inbound:north\"")
        .caller("south", "\"inbound:south\"")
        .config(&format!("[validator.rules]\n{house}\n"))
        .config(&(block("north", &n, north) + &block("south", &s, "")))
        .config(routes)
        .start()
        .await;
    Two {
        gateway,
        north: n,
        south: s,
    }
}

const BOTH: &str = "[[routes]]\nto = \"north\"\nkinds = [\"client\", \"observation\"]\n\
                    [[routes]]\nto = \"south\"\nkinds = [\"client\", \"observation\"]";

impl Two {
    /// The job of a record at a partner: the newest version's.
    async fn job(&self, record: &str, partner: &str) -> Value {
        let story = self
            .gateway
            .get(&format!("/records/{record}"), "admin")
            .await;
        let story = story.json();
        let jobs = story["jobs"].as_array().expect("jobs").iter();
        let of = jobs.filter(|j| j["partner"] == partner);
        let newest = of.max_by_key(|j| j["record"]["version"].as_u64());
        newest.cloned().unwrap_or_default()
    }

    async fn press(&self, job: &Value) -> u16 {
        let id = job["id"].as_str().expect("an id");
        let why = json!({"why": "looked at"});
        let address = format!("/jobs/{id}/retry");
        self.gateway.post(&address, "admin", &why).await.status
    }

    async fn parked(&self) -> String {
        let status = self.gateway.get("/status", "admin").await.json();
        status["parked_inbound"].to_string()
    }

    async fn sends(&self, from: &str, body: &Value) {
        let got = self.gateway.post(&format!("/in/{from}"), from, body).await;
        assert_eq!(got.status, 201, "{}", got.text());
        self.gateway.work().await;
    }
}

#[tokio::test]
async fn what_the_house_blocks_is_refused_with_the_records_field_and_the_rule() {
    let two = two("dom-6 = \"block\"", "", BOTH).await;
    let got = two
        .gateway
        .submit("client", &fixture("client", "C-1001"))
        .await;
    assert_eq!(got.status, 422, "{}", got.text());
    assert!(got.rules().contains(&"dom-6".to_owned()), "{}", got.text());
    assert_eq!(got.json()["issues"][0]["severity"], "error");
    two.gateway.work().await;
    assert!(two.north.kept().is_empty() && two.south.kept().is_empty());
}

#[tokio::test]
async fn what_one_partner_blocks_is_kept_from_it_and_goes_to_the_others() {
    let two = two("", "dom-6 = \"block\"", BOTH).await;
    let got = two
        .gateway
        .submit("client", &fixture("client", "C-1001"))
        .await;
    assert_eq!(got.status, 202, "{}", got.text());
    let warnings = got.json()["warnings"].clone();
    assert_eq!(warnings[0]["rule"], "dom-6");
    assert!(
        warnings[0]["message"]
            .to_string()
            .contains("keeps it from north")
    );
    two.gateway.work().await;
    assert!(two.north.kept().is_empty());
    assert_eq!(two.south.of_type("Patient").len(), 1);
    let job = two.job("client/C-1001", "north").await;
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&json!("parked"), &json!("rule-blocks"))
    );
    assert_eq!(job["press"], json!(["cancel"]), "only a new version helps");
    assert_eq!(two.press(&job).await, 409, "whoever presses");
    // Whoever looks sees which rule it was.
    let story = two
        .gateway
        .get("/records/client/C-1001", "admin")
        .await
        .json();
    assert_eq!(story["versions"][0]["warnings"][0]["rule"], "dom-6");
}

#[tokio::test]
async fn what_is_parked_goes_when_a_person_lets_it_and_what_takes_it_back_goes_by_itself() {
    let two = two("", "dom-6 = \"park\"", BOTH).await;
    let mut whole = fixture_whole("observation", "uds-negative");
    two.gateway.submit_context(&whole["context"]).await;
    let consent = json!({"consent_id": "CO-9001", "version": 1, "client_no": "C-1002",
        "kind": "tpo_part2", "granted_to": ["treating_providers"], "purpose": ["treatment"],
        "info_scope": ["uds"], "signed_on": "2026-10-01"});
    assert_eq!(two.gateway.submit("consent", &consent).await.status, 202);
    two.gateway.submit_whole("observation", &whole).await;
    two.gateway.work().await;
    assert!(two.north.of_type("Observation").is_empty());
    let all = two.south.of_type("Observation").len();
    assert!(all > 0);
    let id = whole["record"]["measure_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let client = whole["context"]["client"]["client_no"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (patient, measure) = (format!("client/{client}"), format!("observation/{id}"));
    for record in [&patient, &measure] {
        let job = two.job(record, "north").await;
        assert_eq!(job["reason"], "rule-parks", "{job}");
        assert_eq!(two.press(&job).await, 200);
        two.gateway.work().await;
    }
    assert_eq!(two.north.of_type("Observation").len(), all);
    whole["record"]["version"] = json!(2);
    whole["record"]["status"] = json!("error");
    let got = two.gateway.submit("observation", &whole["record"]).await;
    assert_eq!(got.status, 202, "{}", got.text());
    two.gateway.work().await;
    let kept = two.north.of_type("Observation");
    assert!(
        kept.iter()
            .all(|k| k.resource["status"] == "entered-in-error")
    );
}

#[tokio::test]
async fn a_partners_milder_word_lets_pass_what_the_house_blocks_if_nobody_else_gets_it() {
    let north = "[[routes]]\nto = \"north\"\nkinds = [\"client\"]";
    let alone = two("dom-6 = \"block\"", "dom-6 = \"warn\"", north).await;
    let got = alone
        .gateway
        .submit("client", &fixture("client", "C-1001"))
        .await;
    assert_eq!(got.status, 202, "{}", got.text());
    assert_eq!(got.json()["warnings"][0]["rule"], "dom-6");
    alone.gateway.work().await;
    assert_eq!(alone.north.of_type("Patient").len(), 1);
    let silent = two("dom-6 = \"block\"", "dom-6 = \"ignore\"", north).await;
    let got = silent
        .gateway
        .submit("client", &fixture("client", "C-1001"))
        .await;
    assert!(!got.text().contains("dom-6"), "{}", got.text());
    silent.gateway.work().await;
    // South has no word of its own: the house's holds.
    let both = two("dom-6 = \"block\"", "dom-6 = \"warn\"", BOTH).await;
    let got = both
        .gateway
        .submit("client", &fixture("client", "C-1001"))
        .await;
    assert_eq!(got.status, 422, "{}", got.text());
}

fn weight(unit: &str) -> Value {
    json!({"resourceType": "Observation", "id": "o1", "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"display": "somebody"}, "effectiveDateTime": "2026-11-20T08:00:00Z",
        "valueQuantity": {"value": 72.5, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}})
}

const RELAY: &str = "[[routes]]\nto = \"south\"\nrelay_from = \"north\"\n";

#[tokio::test]
async fn what_a_partner_sends_is_kept_and_parked_by_its_own_rules() {
    // Without a word a unit that is none warns; the required binding of the vital sign is the unit's, too.
    for (word, parked) in [
        ("", false),
        ("block", true),
        ("park", true),
        ("warn", false),
    ] {
        let north = match word {
            "" => String::new(),
            word => format!("unit-unknown = \"{word}\""),
        };
        let two = two("", &north, RELAY).await;
        let mut odd = weight("kg");
        odd["code"]["coding"][0]["code"] = json!("1988-5");
        odd["category"] = json!([{"text": "laboratory"}]);
        odd["valueQuantity"]["code"] = json!("kilos");
        two.sends("north", &odd).await;
        let told = two.parked().await;
        assert_eq!(told.contains("unit-unknown"), parked, "{word}: {told}");
        assert_eq!(
            two.south.of_type("Observation").is_empty(),
            parked,
            "{word}"
        );
    }
}

#[tokio::test]
async fn an_error_is_let_pass_by_the_rules_of_who_sends_it_but_never_a_broken_form() {
    let two = two("", "binding-required = \"warn\"", RELAY).await;
    let mut odd = weight("kg");
    odd["status"] = json!("nearly");
    two.sends("north", &odd).await;
    assert_eq!(two.parked().await, "[]");
    assert_eq!(
        two.south.of_type("Observation")[0].resource["status"],
        "nearly"
    );
    odd["status"] = json!(5);
    odd["id"] = json!("o2");
    two.sends("north", &odd).await;
    assert!(
        two.parked().await.contains("primitive-code"),
        "{}",
        two.parked().await
    );
    assert_eq!(two.south.of_type("Observation").len(), 1);
}

#[tokio::test]
async fn even_a_relay_of_anything_lets_no_broken_form_pass_and_heeds_who_gets_it() {
    let any = "[[routes]]\nto = \"north\"\nrelay_from = \"south\"\nrelay_check = \"warn\"\n";
    let two = two("", "dom-6 = \"park\"\nbinding-required = \"warn\"", any).await;
    let mut odd = weight("kg");
    odd["status"] = json!(["final"]);
    two.sends("south", &odd).await;
    assert!(
        two.parked().await.contains("array"),
        "{}",
        two.parked().await
    );
    odd["status"] = json!("nearly");
    odd["id"] = json!("o2");
    two.sends("south", &odd).await;
    assert!(two.north.kept().is_empty());
    let job = two.job("other/south%2FObservation%2Fo2", "north").await;
    assert_eq!(job["reason"], "rule-parks", "{job}");
    assert_eq!(two.press(&job).await, 200);
    two.gateway.work().await;
    assert_eq!(
        two.north.of_type("Observation")[0].resource["status"],
        "nearly"
    );
}

#[test]
fn every_rule_that_is_said_stands_in_the_table_and_every_one_in_it_is_said() {
    const CODES: &[&str] = &[
        "structure",
        "value",
        "invalid",
        "required",
        "code-invalid",
        "not-supported",
        "not-found",
        "too-long",
        "invariant",
    ];
    let mut said = BTreeSet::new();
    let mut all = String::new();
    for file in source::files("src") {
        if file.name == "fhir/validate/rules.rs"
            || !(file.name.starts_with("fhir/validate/") || file.name == "json.rs")
            || file.name.contains("test")
        {
            continue;
        }
        // What stands right after an issue's code is its rule, wherever the line breaks.
        let whole = file.whole.split("mod tests {").next().unwrap_or_default();
        for code in CODES {
            for (_, rest) in whole
                .match_indices(&format!("\"{code}\","))
                .map(|(at, m)| (at, &whole[at + m.len()..]))
            {
                if let Some(rule) = rest.trim_start().strip_prefix('"') {
                    said.extend(rule.split('"').next().map(str::to_owned));
                }
            }
        }
        all.push_str(whole);
    }
    assert!(said.len() > 50, "the source reads otherwise now: {said:?}");
    for rule in &said {
        assert!(rules::named(rule).is_some(), "{rule} is not in rules.rs");
    }
    for rule in rules::ALL {
        assert!(
            all.contains(&format!("\"{}\"", rule.id)),
            "nothing says {}",
            rule.id
        );
    }
}
