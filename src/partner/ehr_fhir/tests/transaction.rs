//! What goes in one transaction, what its bundle says, and what the answer to each entry means.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::partner::wire::{Ask, Carrier, Heard};
use crate::sync::job::Find;
use crate::sync::ports::{Fate, Together};

const TAKES: &str = "create = \"conditional\"\ntransaction_entries_max = 10\n";
const CHAINS: &str =
    "create = \"conditional\"\ntransaction_entries_max = 10\nchained_search = true\n";

/// Their end of the line: remembers what was said, and answers as it was told.
#[derive(Debug, Default)]
struct Ear {
    said: Mutex<Vec<Value>>,
    answers: Value,
}

#[async_trait]
impl Carrier for Ear {
    async fn carry(&self, ask: Ask<'_>) -> Result<Heard, Answer> {
        let body = ask.body.map(|(_, bytes)| bytes).unwrap_or_default();
        let said = serde_json::from_slice(&body).expect("JSON");
        self.said.lock().expect("alone").push(said);
        Ok(Heard {
            status: 200,
            media_type: String::new(),
            etag: None,
            location: None,
            retry_after: None,
            token_refused: false,
            body: self.answers.to_string().into_bytes(),
            complete: true,
        })
    }
}

/// The panel's effects but its patient's, in order: member, panel, Provenance.
fn effects(partner: &Built) -> Vec<Effect> {
    let effects = encode(partner, &panel("1")).effects.into_iter().enumerate();
    let effects = effects.map(|(n, what)| Effect {
        n: u32::try_from(n).expect("few"),
        what,
        done: false,
    });
    effects.skip(1).collect()
}

/// What the EHR calls some of ours.
fn rows(names: &[(&str, &str)]) -> Rows {
    let row = |(resource_type, our_id): &(&str, &str)| {
        let theirs = (format!("their-{our_id}"), Some("1".to_owned()));
        (((*resource_type).to_owned(), (*our_id).to_owned()), theirs)
    };
    names.iter().map(row).collect()
}

fn deliveries<'d>(job: &'d Claimed, effects: &'d [Effect], rows: &'d Rows) -> Vec<Delivery<'d>> {
    let of = |effect: &'d Effect| Delivery {
        job,
        effect,
        rows,
        now: NOW,
    };
    effects.iter().map(of).collect()
}

/// How many of these go together.
fn fit(keys: &str, effects: &[Effect], rows: &Rows) -> usize {
    let ehr = partner("https://ehr.example/fhir", keys);
    ehr.together(&deliveries(&job(1), effects, rows))
}

#[test]
fn a_provenance_goes_with_its_target_only_where_chains_are_understood() {
    let all = effects(&partner("https://ehr.example/fhir", TAKES));
    let [item, panel, provenance] = all.as_slice() else {
        panic!("three effects");
    };
    let some = |effects: &[&Effect]| -> Vec<Effect> {
        effects.iter().map(|effect| (*effect).clone()).collect()
    };
    let patient = rows(&[("Patient", "PAT1")]);
    assert_eq!(fit(TAKES, &all, &patient), 2);
    assert_eq!(fit(CHAINS, &all, &patient), 3);
    assert_eq!(fit(&CHAINS.replace("10", "2"), &all, &patient), 2);
    // Its target goes in another request, or comes after it, or cannot be found itself.
    assert_eq!(fit(CHAINS, &some(&[item, provenance]), &patient), 1);
    assert_eq!(fit(CHAINS, &some(&[item, provenance, panel]), &patient), 1);
    let mut unnamed = all.clone();
    unnamed[1].what.find = Find::None;
    assert_eq!(fit(CHAINS, &unnamed[1..], &patient), 0);
    // Of two that the same chain finds, one.
    let mut twin = provenance.clone();
    twin.what.our_id = "PROV2".to_owned();
    assert_eq!(
        fit(CHAINS, &some(&[item, panel, provenance, &twin]), &patient),
        3
    );
    // What has a name there needs no chain.
    let known = rows(&[("Patient", "PAT1"), ("Observation", "OBS1")]);
    assert_eq!(fit(TAKES, &all, &known), 3);
    assert_eq!(fit(TAKES, &some(&[item, provenance]), &known), 2);
}

/// Sends the panel in one transaction that is answered so; the bundle, and what became of each effect.
async fn sent(rows: &Rows, statuses: [&str; 3]) -> (Value, Vec<Fate>) {
    let names = ["Observation/i", "Observation/p", "Provenance/v"];
    let said = names.iter().zip(statuses).map(|(name, status)| {
        json!({"response": {"status": status, "location": format!("{name}/_history/1")}})
    });
    let said: Vec<Value> = said.collect();
    let ear = Arc::new(Ear {
        answers: json!({"resourceType": "Bundle", "type": "transaction-response", "entry": said}),
        ..Ear::default()
    });
    let common = Common {
        carrier: Some(ear.clone()),
        ..common()
    };
    let keys = format!("url = \"https://ehr.example/fhir\"\n{CHAINS}");
    let keys = toml::from_str(&keys).expect("toml");
    let ehr = (super::super::KIND.build)(common, keys).expect("built");
    let mut job = job(1);
    job.effects = effects(&ehr);
    let deliveries = deliveries(&job, &job.effects, rows);
    assert_eq!(ehr.together(&deliveries), 3);
    let Together::Taken(answer, fates) = ehr.deliver_together(&deliveries).await else {
        panic!("it was taken");
    };
    assert_eq!(answer.verdict, Verdict::Accepted);
    let bundle = ear.said.lock().expect("alone").pop();
    (bundle.expect("one request"), fates)
}

#[tokio::test]
async fn a_provenance_is_found_by_the_chain_and_refers_to_what_the_same_bundle_makes() {
    let (bundle, fates) = sent(&rows(&[("Patient", "PAT1")]), ["201", "201", "200"]).await;
    let entries = bundle["entry"].as_array().expect("entries");
    let conditions: Vec<&str> = entries
        .iter()
        .filter_map(|e| e["request"]["ifNoneExist"].as_str())
        .collect();
    let system = "https://clinic.example/id/observation";
    assert_eq!(
        conditions,
        [
            format!("identifier={system}|M-1/item/1"),
            format!("identifier={system}|M-1"),
            format!(
                "target:Observation.identifier={system}|M-1&recorded=2026-11-24T12:00:00.000-05:00"
            ),
        ]
    );
    let target = &entries[2]["resource"]["target"][0]["reference"];
    assert!(target.as_str().is_some_and(|t| t.starts_with("urn:uuid:")));
    assert_eq!(*target, entries[1]["fullUrl"]);
    // It was there already: whether it is ours is looked at by itself.
    assert!(
        matches!(fates[..], [Fate::Done(_), Fate::Done(_), Fate::There]),
        "{fates:?}"
    );
}

#[tokio::test]
async fn a_target_that_has_a_name_there_is_called_and_looked_for_by_it() {
    let known = rows(&[("Patient", "PAT1"), ("Observation", "OBS1")]);
    let (bundle, fates) = sent(&known, ["201", "200", "201"]).await;
    let entry = &bundle["entry"][2];
    assert_eq!(
        entry["request"]["ifNoneExist"],
        "target=Observation/their-OBS1&recorded=2026-11-24T12:00:00.000-05:00"
    );
    assert_eq!(
        entry["resource"]["target"][0]["reference"],
        "Observation/their-OBS1"
    );
    assert!(matches!(
        fates[..],
        [Fate::Done(_), Fate::Done(_), Fate::Done(_)]
    ));
}
