//! Several resources of a message in one request, at an EHR that takes transactions: what goes so, what goes
//! by itself, and what becomes of a transaction that is refused, unclear or half there already.

use std::sync::Arc;
use std::time::Duration;

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::ehr::Options;
use fhir_gateway::demo::sim::{EhrSim, Fault, Journal};
use fhir_gateway::record::Kind;
use serde_json::{Value, json};

use crate::support::{Gateway, Setup, fixture_whole};

struct Both {
    gateway: Gateway,
    ehr: EhrSim,
    journal: Journal,
}

/// A clinic whose records go to an EHR that takes transactions, or does not; chains it does not understand.
async fn both(transactions: bool) -> Both {
    between(transactions, false).await
}

/// The same at an EHR that understands chained searches.
async fn chained() -> Both {
    between(true, true).await
}

async fn between(transactions: bool, chains: bool) -> Both {
    let journal = Journal::new(Arc::new(System::default()));
    let options = Options {
        transactions,
        chains,
        ..Options::default()
    };
    let ehr = EhrSim::start("ehr", journal.clone(), options)
        .await
        .expect("an EHR");
    let gateway = Setup::new()
        .config(&format!(
            "[[partners]]\nid = \"ehr\"\nkind = \"ehr-fhir\"\nurl = \"{}\"\ncreate = \"conditional\"\n\
             transaction_entries_max = 50\nchained_search = {chains}\npatients = \"created\"\n\
             [[routes]]\nto = \"ehr\"\nkinds = [\"client\", \"care-plan\", \"observation\", \"medication-request\"]",
            ehr.url()
        ))
        .start()
        .await;
    Both {
        gateway,
        ehr,
        journal,
    }
}

impl Both {
    /// A record's context is there and delivered; nothing of it stands in the journal from here on.
    async fn leans_on(&self, whole: &Value) -> usize {
        self.gateway.submit_context(&whole["context"]).await;
        self.gateway.work().await;
        self.journal.lines().len()
    }

    async fn goes(&self, kind: &str, record: &Value) {
        let got = self.gateway.submit(kind, record).await;
        assert_eq!(got.status, 202, "{}", got.text());
        self.gateway.work().await;
    }

    /// What the EHR was asked since then: method, path and outcome.
    fn asked(&self, since: usize) -> Vec<String> {
        let lines = self.journal.lines();
        let said = |path: &str| path.split(['?', '/']).nth(2).unwrap_or("").to_owned();
        lines[since..]
            .iter()
            .map(|l| format!("{} {} {}", l.method, said(&l.path), l.outcome))
            .collect()
    }

    /// The newest job of a record: state, reason, and its attempts: how many effects each was of, and what it
    /// meant.
    async fn job(&self, path: &str) -> (String, String, Vec<(u64, String)>) {
        let story = self.gateway.get(path, "reader").await.json();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let jobs = story["jobs"].as_array().expect("jobs");
        let job = jobs
            .iter()
            .max_by_key(|j| j["version"].as_u64())
            .expect("a job");
        let tries = job["tries"].as_array().expect("attempts");
        let tries = tries
            .iter()
            .map(|t| (t["together"].as_u64().unwrap_or(0), text(&t["verdict"])))
            .collect();
        (text(&job["state"]), text(&job["reason"]), tries)
    }

    /// Every reference of ours at the EHR is to something that is there.
    fn is_whole(&self) {
        assert_eq!(self.ehr.duplicates(), 0);
        let kept = self.ehr.kept();
        let all = serde_json::to_string(&kept.iter().map(|k| &k.resource).collect::<Vec<_>>());
        let all = all.expect("JSON");
        assert!(
            !all.contains("urn:uuid:"),
            "a name that holds in a transaction only"
        );
    }

    /// One prescription is there, in this version, with one signature that is about it.
    fn is_there_once(&self, version: u64) {
        let orders = self.ehr.of_type("MedicationRequest");
        let signatures = self.ehr.of_type("Provenance");
        let [order] = orders.as_slice() else {
            panic!("{} prescriptions", orders.len());
        };
        let [signature] = signatures.as_slice() else {
            panic!("{} signatures", signatures.len());
        };
        assert_eq!(order.version, version);
        assert_eq!(
            signature.resource["target"][0]["reference"],
            format!("MedicationRequest/{}", order.id)
        );
        self.is_whole();
    }

    /// Minutes later a record's job is done.
    async fn ends(&self, path: &str) {
        for _ in 0..4 {
            self.gateway.advance(Duration::from_secs(60));
            self.gateway.work().await;
        }
        let (state, reason, tries) = self.job(path).await;
        assert_eq!(state, "done", "{reason} {tries:?}");
    }
}

const PLAN: &str = "/records/care-plan/";

fn plan() -> (Value, String) {
    let whole = fixture_whole("care-plan", "anxiety-therapy-only");
    let id = whole["record"][Kind::CarePlan.id_field()].as_str();
    let path = format!("{PLAN}{}", id.expect("its id"));
    (whole, path)
}

/// A prescription with its signature.
fn prescription() -> (Value, String) {
    let whole = fixture_whole("medication-request", "sertraline");
    let id = whole["record"][Kind::MedicationRequest.id_field()].as_str();
    let path = format!("/records/medication-request/{}", id.expect("its id"));
    (whole, path)
}

fn verdicts(tries: &[(u64, &str)]) -> Vec<(u64, String)> {
    tries.iter().map(|(n, v)| (*n, (*v).to_owned())).collect()
}

#[tokio::test]
async fn a_plan_with_its_goals_goes_in_one_request() {
    let both = both(true).await;
    let (whole, path) = plan();
    let since = both.leans_on(&whole).await;
    both.goes("care-plan", &whole["record"]).await;
    assert_eq!(both.asked(since), ["POST  transaction"]);
    let (state, reason, tries) = both.job(&path).await;
    assert_eq!((state.as_str(), reason.as_str()), ("done", "delivered"));
    assert_eq!(tries.len(), 1);
    assert!(tries[0].0 > 2, "{tries:?}");
    both.is_whole();
    let plan = &both.ehr.of_type("CarePlan")[0].resource;
    let goals = both.ehr.of_type("Goal");
    assert!(!goals.is_empty());
    let named: Vec<&str> = plan["goal"]
        .as_array()
        .expect("goals")
        .iter()
        .filter_map(|g| g["reference"].as_str())
        .collect();
    for goal in &goals {
        assert!(
            named.contains(&format!("Goal/{}", goal.id).as_str()),
            "{named:?}"
        );
    }

    // What changed goes as updates, in one request, too.
    let since = both.journal.lines().len();
    let mut changed = whole["record"].clone();
    changed["rev"] = json!(2);
    changed["assessment_text"] = json!("Mild; getting better.");
    both.goes("care-plan", &changed).await;
    assert_eq!(both.asked(since), ["POST  transaction"]);
    assert_eq!(both.ehr.of_type("CarePlan")[0].version, 2);
}

#[tokio::test]
async fn what_cannot_be_found_again_yet_goes_by_itself() {
    let both = both(true).await;
    let (whole, _) = prescription();
    let since = both.leans_on(&whole).await;
    both.goes("medication-request", &whole["record"]).await;
    assert_eq!(
        both.asked(since),
        ["POST MedicationRequest created", "POST Provenance created"]
    );
    both.is_whole();
}

#[tokio::test]
async fn a_prescription_goes_with_its_signature_where_the_ehr_understands_chains() {
    let both = chained().await;
    let (whole, path) = prescription();
    let since = both.leans_on(&whole).await;
    both.goes("medication-request", &whole["record"]).await;
    assert_eq!(both.asked(since), ["POST  transaction"]);
    let (state, reason, tries) = both.job(&path).await;
    assert_eq!((state.as_str(), reason.as_str()), ("done", "delivered"));
    assert_eq!(tries, verdicts(&[(2, "accepted")]));
    both.is_there_once(1);
}

#[tokio::test]
async fn a_transaction_that_arrives_after_its_repeat_doubles_nothing() {
    // Unclear, asked about and sent again, one by one; or said to be refused, and sent again as it was.
    for (fault, second) in [
        (
            Fault::Reset,
            vec!["POST MedicationRequest created", "POST Provenance created"],
        ),
        (Fault::Unavailable, vec!["POST  transaction"]),
    ] {
        let both = chained().await;
        let (whole, path) = prescription();
        let since = both.leans_on(&whole).await;
        both.ehr.faults().writes([Some(fault)]);
        both.goes("medication-request", &whole["record"]).await;
        both.ends(&path).await;
        let asked = both.asked(since);
        let writes = asked.iter().filter(|l| l.starts_with("POST")).skip(1);
        assert_eq!(writes.collect::<Vec<_>>(), second, "{fault:?}");
        both.is_there_once(1);

        assert!(both.ehr.arrives_late(), "{fault:?}");
        let lines = both.journal.lines();
        let late = lines.last().expect("it arrived");
        assert_eq!(late.outcome, "transaction");
        // Both of them were in it.
        let brought = late.ours.as_deref().unwrap_or_default();
        assert!(
            brought.contains("MedicationRequest ") && brought.contains("Provenance "),
            "{brought}"
        );
        both.is_there_once(1);
    }
}

#[tokio::test]
async fn an_unclear_prescription_is_asked_about_with_its_signature() {
    let both = chained().await;
    let (whole, path) = prescription();
    let since = both.leans_on(&whole).await;
    both.ehr.faults().writes([Some(Fault::ResetAfter)]);
    both.goes("medication-request", &whole["record"]).await;
    assert_eq!(both.job(&path).await.0, "asking");
    both.ends(&path).await;
    assert_eq!(both.job(&path).await.1, "found-there");
    assert_eq!(
        both.asked(since),
        [
            "POST  transaction-then-fault-reset",
            "GET MedicationRequest found",
            "GET Provenance found"
        ]
    );
    both.is_there_once(1);
}

#[tokio::test]
async fn a_signature_that_is_there_already_is_looked_at_by_what_its_prescription_is_called() {
    // As an attempt left it that nobody remembers: the prescription with its signature, or without.
    for signed in [true, false] {
        let other = chained().await;
        let (whole, path) = prescription();
        other.leans_on(&whole).await;
        other.goes("medication-request", &whole["record"]).await;
        let both = chained().await;
        both.leans_on(&whole).await;
        let mut order = other.ehr.of_type("MedicationRequest").remove(0).resource;
        let patient = both.ehr.of_type("Patient").remove(0).id;
        order["subject"]["reference"] = json!(format!("Patient/{patient}"));
        order["status"] = json!("draft");
        let order = both.ehr.put(order);
        if signed {
            let mut signature = other.ehr.of_type("Provenance").remove(0).resource;
            signature["target"][0]["reference"] = json!(format!("MedicationRequest/{order}"));
            both.ehr.put(signature);
        }
        let since = both.journal.lines().len();
        both.goes("medication-request", &whole["record"]).await;
        assert_eq!(both.job(&path).await.0, "done");
        let asked = both.asked(since);
        assert_eq!(asked[0], "POST  transaction");
        assert!(asked.contains(&"PUT MedicationRequest updated".to_owned()));
        let alone = asked.contains(&"POST Provenance there-already".to_owned());
        assert_eq!(alone, signed, "{asked:?}");
        assert!(!asked.iter().any(|l| l.starts_with("PUT Provenance")));
        both.is_there_once(2);
    }
}

#[tokio::test]
async fn a_transaction_that_is_refused_goes_one_by_one() {
    for fault in [
        Fault::Refused,
        Fault::Stale,
        Fault::Conflict,
        Fault::ErrorIn200,
    ] {
        let both = both(true).await;
        let (whole, path) = plan();
        both.leans_on(&whole).await;
        both.ehr.faults().writes([Some(fault)]);
        both.goes("care-plan", &whole["record"]).await;
        let (state, _, tries) = both.job(&path).await;
        assert_eq!(state, "done", "{fault:?}");
        assert_eq!(tries[0].1, "refused", "{fault:?}");
        assert!(
            tries[1..].iter().all(|t| *t == (1, "accepted".to_owned())),
            "{tries:?}"
        );
        both.is_whole();
    }
}

#[tokio::test]
async fn an_ehr_that_takes_none_gets_each_by_itself() {
    let both = both(false).await;
    let (whole, path) = plan();
    both.leans_on(&whole).await;
    both.goes("care-plan", &whole["record"]).await;
    assert_eq!(both.job(&path).await.0, "done");
    both.is_whole();
}

#[tokio::test]
async fn an_outage_holds_all_of_it_and_costs_nothing() {
    let both = both(true).await;
    let (whole, path) = plan();
    let since = both.leans_on(&whole).await;
    both.ehr.faults().writes([Some(Fault::Unavailable)]);
    both.goes("care-plan", &whole["record"]).await;
    assert_eq!(both.job(&path).await.0, "waiting");
    both.gateway.advance(Duration::from_secs(60));
    both.gateway.work().await;
    assert_eq!(both.job(&path).await.0, "done");
    let writes = both
        .asked(since)
        .into_iter()
        .filter(|l| l.starts_with("POST"))
        .count();
    assert_eq!(writes, 2);
    both.is_whole();
}

#[tokio::test]
async fn an_unclear_one_that_arrived_is_found_whole_and_not_sent_again() {
    for fault in [Fault::ResetAfter, Fault::ServerErrorAfter] {
        let both = both(true).await;
        let (whole, path) = plan();
        let since = both.leans_on(&whole).await;
        both.ehr.faults().writes([Some(fault)]);
        both.goes("care-plan", &whole["record"]).await;
        assert_eq!(both.job(&path).await.0, "asking", "{fault:?}");
        both.gateway.advance(Duration::from_secs(60));
        both.gateway.work().await;
        let (state, reason, tries) = both.job(&path).await;
        assert_eq!(
            (state.as_str(), reason.as_str()),
            ("done", "found-there"),
            "{tries:?}"
        );
        let writes = both
            .asked(since)
            .into_iter()
            .filter(|l| !l.starts_with("GET"))
            .count();
        assert_eq!(writes, 1, "{fault:?}");
        both.is_whole();
    }
}

#[tokio::test]
async fn an_unclear_one_that_did_not_arrive_goes_one_by_one() {
    let both = both(true).await;
    let (whole, path) = plan();
    both.leans_on(&whole).await;
    both.ehr.faults().writes([Some(Fault::Reset)]);
    both.goes("care-plan", &whole["record"]).await;
    for _ in 0..3 {
        both.gateway.advance(Duration::from_secs(60));
        both.gateway.work().await;
    }
    let (state, _, tries) = both.job(&path).await;
    assert_eq!(state, "done", "{tries:?}");
    assert!(
        tries[0].0 > 2 && tries[1..].iter().all(|t| t.0 == 1),
        "{tries:?}"
    );
    both.is_whole();
}

#[tokio::test]
async fn what_is_there_already_is_compared_by_itself() {
    let both = both(true).await;
    let (whole, path) = plan();
    both.leans_on(&whole).await;
    // As an attempt left it that nobody remembers: one goal of an older state.
    let other = self::both(true).await;
    other.leans_on(&whole).await;
    other.goes("care-plan", &whole["record"]).await;
    let mut goal = other.ehr.of_type("Goal").remove(0).resource;
    goal["lifecycleStatus"] = json!("proposed");
    goal["subject"] = both.ehr.of_type("Patient")[0].resource["id"]
        .as_str()
        .map(|id| json!({"reference": format!("Patient/{id}")}))
        .expect("a patient");
    both.ehr.put(goal);
    let since = both.journal.lines().len();
    both.goes("care-plan", &whole["record"]).await;
    let asked = both.asked(since);
    assert_eq!(asked[0], "POST  transaction");
    assert!(asked.contains(&"PUT Goal updated".to_owned()), "{asked:?}");
    let (state, _, tries) = both.job(&path).await;
    assert_eq!(state, "done", "{tries:?}");
    let all = both.ehr.of_type("Goal");
    assert!(
        all.iter()
            .all(|g| g.resource["lifecycleStatus"] != "proposed")
    );
    both.is_whole();
}

#[tokio::test]
async fn somebody_changed_a_copy_there_and_ours_is_written_over_it() {
    let both = both(true).await;
    let (whole, path) = plan();
    both.leans_on(&whole).await;
    both.goes("care-plan", &whole["record"]).await;
    let id = both.ehr.of_type("CarePlan")[0].id.clone();
    both.ehr
        .edit("CarePlan", &id, |plan| plan["title"] = json!("theirs"));
    let mut changed = whole["record"].clone();
    changed["rev"] = json!(2);
    changed["assessment_text"] = json!("Mild; getting better.");
    both.goes("care-plan", &changed).await;
    let (state, _, tries) = both.job(&path).await;
    assert_eq!(state, "done");
    assert_eq!(
        tries[0].1, "refused",
        "their version is not the one that we know"
    );
    assert_ne!(both.ehr.of_type("CarePlan")[0].resource["title"], "theirs");
    assert_eq!(verdicts(&[(1, "accepted")])[0], tries[1]);
    both.is_whole();
}
