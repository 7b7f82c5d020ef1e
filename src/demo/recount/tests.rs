//! Planted losses, doubles and disorder: the recount has to find each, and nothing where all is well.

use jiff::civil;
use serde_json::{Value, json};

use super::*;
use crate::demo::site::{BASE, CLINIC, EHR, PHARMACY};

fn at(second: i64) -> Time {
    Time::from_micros(1_795_521_600_000_000 + second * 1_000_000)
}

fn taken(kind: Kind, id: &str, version: u64, second: i64, record: Value) -> Taken {
    Taken {
        kind,
        id: id.to_owned(),
        version,
        sent: at(second),
        at: at(second),
        record,
    }
}

fn line(partner: &str, record: &str, second: i64, outcome: &str) -> JournalLine {
    JournalLine {
        time: at(second).to_string(),
        partner: partner.to_owned(),
        record: Some(record.to_owned()),
        outcome: outcome.to_owned(),
        ..JournalLine::default()
    }
}

fn job(partner: &str, version: u64, purpose: &str, state: &str, message: &str) -> Job {
    Job {
        partner: partner.to_owned(),
        version,
        purpose: purpose.to_owned(),
        state: state.to_owned(),
        reason: Some("delivered".to_owned()),
        message: Some(message.to_owned()),
        ..Job::default()
    }
}

fn new_rx(message: &str) -> Script {
    Script {
        message: message.to_owned(),
        order_no: "RX-1".to_owned(),
        ask: Ask::NewRx,
    }
}

fn cancel(message: &str, of: &str, approved: bool) -> Script {
    Script {
        ask: Ask::Cancel {
            of: of.to_owned(),
            approved,
        },
        ..new_rx(message)
    }
}

fn kept(resource_type: &str, kind: &str, id: &str) -> Value {
    json!({
        "resourceType": resource_type,
        "identifier": [{"system": format!("{BASE}/id/{kind}"), "value": id}],
    })
}

fn told(id: &str, version: u64, value: &str, status: &str) -> Value {
    let value: Value = serde_json::from_str(value).expect("a number");
    json!({
        "kind": "observation", "id": id, "version": version,
        "record": {
            "client_no": "C-1", "taken_at": "2026-11-24T07:00:00Z", "status": status,
            "outside": {"value": {"quantity": {"value": value}}},
        },
    })
}

fn order() -> Value {
    json!({
        "order_no": "RX-1", "episode_id": "E-1", "state": "signed", "delivery": "pharmacy",
        "pharmacy_id": "PH-01", "qty": 30,
    })
}

/// A client of a Part 2 programme with a consent, a plan of two versions, a signed order that was
/// filled, and a result of two reports: all as it should be.
fn well() -> Evidence {
    let episode = json!({"episode_id": "E-1", "client_no": "C-1", "part2_program": true});
    let consent = json!({
        "client_no": "C-1", "kind": "tpo_part2", "granted_to": ["treating_providers", "pharmacies"],
        "info_scope": ["careplan", "med_orders", "uds"], "purpose": ["treatment"],
        "signed_on": "2026-09-07",
    });
    let plan = json!({"plan_id": "P-1", "episode_id": "E-1"});
    let of = |jobs: Vec<Job>| Story {
        jobs,
        denials: Vec::new(),
    };
    let mut stories = BTreeMap::new();
    stories.insert(
        (Kind::CarePlan, "P-1".to_owned()),
        of(vec![
            job(EHR, 1, "copy", "done", "A1"),
            job(EHR, 2, "copy", "done", "A2"),
        ]),
    );
    stories.insert(
        (Kind::MedicationRequest, "RX-1".to_owned()),
        of(vec![
            job(EHR, 1, "copy", "done", "A3"),
            job(PHARMACY, 1, "newrx", "done", "M1"),
        ]),
    );
    stories.insert(
        (Kind::Observation, "in-1".to_owned()),
        of(vec![
            job(CLINIC, 1, "copy", "done", "W1"),
            job(CLINIC, 2, "copy", "done", "W2"),
        ]),
    );
    let results = vec![
        told("in-1", 1, "0.80", "preliminary"),
        told("in-1", 2, "1.40", "final"),
    ];
    let report = |version, value: &str, status: &str| Reported {
        client_no: "C-1".to_owned(),
        taken_at: "2026-11-24T07:00:00Z".to_owned(),
        version,
        status: status.to_owned(),
        value: value.to_owned(),
    };
    let mut fill = json!({"kind": "dispense", "id": "in-2", "version": 1});
    fill["record"] = json!({"order_no": "RX-1"});
    Evidence {
        taken: vec![
            taken(Kind::Episode, "E-1", 1, 0, episode),
            taken(Kind::Consent, "CO-1", 1, 1, consent),
            taken(Kind::CarePlan, "P-1", 1, 2, plan.clone()),
            taken(Kind::CarePlan, "P-1", 2, 4, plan),
            taken(Kind::MedicationRequest, "RX-1", 1, 5, order()),
        ],
        journal: vec![
            line(EHR, "care-plan/P-1/1", 3, "created-then-fault-reset"),
            line(EHR, "care-plan/P-1/2", 5, "updated"),
            line(EHR, "medication-request/RX-1/1", 6, "created"),
            line(CLINIC, "observation/in-1/1", 7, "accepted"),
            line(CLINIC, "observation/in-1/2", 8, "accepted"),
            line(CLINIC, "dispense/in-2/1", 9, "accepted"),
            line(EHR, "care-plan/P-1/2", 9, "fault-500"),
        ],
        kept: vec![
            kept("CarePlan", "care-plan", "P-1"),
            kept("Goal", "care-plan", "P-1/goal/g1"),
            {
                let mut copy = kept("MedicationRequest", "medication-request", "RX-1");
                copy["status"] = json!("active");
                copy
            },
        ],
        scripts: vec![new_rx("M1")],
        answered: vec![Answered {
            order_no: "RX-1".to_owned(),
            what: "dispense",
        }],
        reported: vec![report(1, "0.80", "preliminary"), report(2, "1.40", "final")],
        told: results.iter().cloned().chain([fill]).collect(),
        fed: results,
        stories,
        today: civil::date(2026, 11, 24),
    }
}

/// What is found after a change of what was well.
fn after(change: impl FnOnce(&mut Evidence)) -> Vec<(Wrong, String)> {
    let mut evidence = well();
    change(&mut evidence);
    let found = recount(&evidence);
    found.into_iter().map(|f| (f.wrong, f.what)).collect()
}

fn wrongs(found: &[(Wrong, String)]) -> Vec<Wrong> {
    found.iter().map(|(wrong, _)| *wrong).collect()
}

fn plan(evidence: &mut Evidence) -> &mut Story {
    evidence
        .stories
        .entry((Kind::CarePlan, "P-1".to_owned()))
        .or_default()
}

fn jobs_of_order(evidence: &mut Evidence) -> &mut Vec<Job> {
    let name = (Kind::MedicationRequest, "RX-1".to_owned());
    &mut evidence.stories.entry(name).or_default().jobs
}

#[test]
fn nothing_is_found_where_all_is_well() {
    assert_eq!(after(|_| {}), []);
}

#[test]
fn what_the_gateway_calls_done_and_the_ehr_never_got_is_lost() {
    let found = after(|e| {
        e.journal.remove(1);
    });
    assert_eq!(wrongs(&found), [Wrong::Lost]);
    assert!(found[0].1.contains("care-plan/P-1/2"), "{found:?}");
    // A request that failed before any effect is no arrival.
    let found = after(|e| e.journal[1].outcome = "fault-500".to_owned());
    assert_eq!(wrongs(&found), [Wrong::Lost]);
}

#[test]
fn what_nobody_speaks_of_is_lost_and_what_waits_is_not() {
    let found = after(|e| {
        plan(e).jobs.pop();
        e.journal.remove(1);
    });
    assert_eq!(wrongs(&found), [Wrong::Lost]);
    let waiting = after(|e| {
        plan(e).jobs[1].state = "waiting".to_owned();
        e.journal.remove(1);
    });
    assert_eq!(waiting, []);
    // The newest version cannot have been replaced by a newer one.
    let replaced = after(|e| {
        plan(e).jobs[1].state = "superseded".to_owned();
        e.journal.remove(1);
    });
    assert_eq!(wrongs(&replaced), [Wrong::Lost]);
}

#[test]
fn what_the_ehr_does_not_keep_any_more_is_lost() {
    let found = after(|e| {
        e.kept.retain(|r| r["resourceType"] != "MedicationRequest");
    });
    assert_eq!(wrongs(&found), [Wrong::Lost]);
}

#[test]
fn a_denial_against_a_consent_is_a_loss_and_one_without_is_none() {
    let deny = |e: &mut Evidence| {
        let story = plan(e);
        story.jobs.pop();
        let why = "consent-scope".to_owned();
        story.denials.push((2, EHR.to_owned(), why, true));
        e.journal.remove(1);
    };
    assert_eq!(wrongs(&after(deny)), [Wrong::Lost]);
    let revoked = after(|e| {
        deny(e);
        let mut consent = e.taken[1].clone();
        consent.version = 2;
        consent.at = at(4);
        consent.sent = at(4);
        consent.record["revoked_on"] = json!("2026-11-24");
        e.taken.push(consent);
        // What was there before stays allowed; the order came within the time of a request.
    });
    assert_eq!(revoked, []);
}

#[test]
fn what_no_consent_covers_is_undue_and_a_cancel_is_not() {
    let uncover = |e: &mut Evidence| e.taken[1].record["info_scope"] = json!(["med_orders", "uds"]);
    let found = after(uncover);
    assert_eq!(wrongs(&found), [Wrong::Undue, Wrong::Undue]);
    let found = after(|e| {
        uncover(e);
        for job in &mut plan(e).jobs {
            job.purpose = "cancel".to_owned();
        }
    });
    assert_eq!(found, []);
    let late = after(|e| {
        let mut consent = e.taken[1].clone();
        consent.version = 2;
        consent.at = at(-60);
        consent.sent = at(-60);
        consent.record["revoked_on"] = json!("2026-11-24");
        e.taken.push(consent);
    });
    assert_eq!(wrongs(&late), [Wrong::Undue; 3]);
}

#[test]
fn what_was_never_accepted_is_undue() {
    let found = after(|e| {
        e.journal.push(line(EHR, "care-plan/P-1/3", 10, "updated"));
        e.journal
            .push(line(EHR, "observation/in-9/1", 10, "created"));
    });
    assert_eq!(wrongs(&found), [Wrong::Undue, Wrong::Undue]);
}

#[test]
fn two_resources_with_one_name_are_doubled() {
    let found = after(|e| e.kept.push(kept("Goal", "care-plan", "P-1/goal/g1")));
    assert_eq!(wrongs(&found), [Wrong::Doubled]);
    let signature = json!({
        "resourceType": "Provenance", "target": [{"reference": "MedicationRequest/e1"}],
        "recorded": "2026-11-24T07:00:00Z",
    });
    let found = after(|e| e.kept.extend([signature.clone(), signature]));
    assert_eq!(wrongs(&found), [Wrong::Doubled]);
}

#[test]
fn an_older_version_after_a_newer_one_is_disorder() {
    let found = after(|e| e.journal.swap(0, 1));
    assert_eq!(wrongs(&found), [Wrong::Disordered]);
    let found = after(|e| e.journal.swap(3, 4));
    assert_eq!(wrongs(&found), [Wrong::Disordered]);
}

#[test]
fn two_live_prescriptions_of_one_order_are_doubled() {
    let second = |e: &mut Evidence| {
        e.scripts.push(new_rx("M2"));
        jobs_of_order(e).push(job(PHARMACY, 1, "newrx", "done", "M2"));
    };
    assert_eq!(wrongs(&after(second)), [Wrong::Doubled]);
    let renewed = after(|e| {
        e.scripts.push(cancel("M3", "M1", true));
        jobs_of_order(e).push(job(PHARMACY, 1, "cancel", "done", "M3"));
        second(e);
    });
    assert_eq!(renewed, []);
    let denied = after(|e| {
        e.scripts.push(cancel("M3", "M1", false));
        jobs_of_order(e).push(job(PHARMACY, 1, "cancel", "done", "M3"));
        second(e);
    });
    assert_eq!(wrongs(&denied), [Wrong::Doubled]);
    let twice = after(|e| e.scripts.push(new_rx("M1")));
    assert!(wrongs(&twice).contains(&Wrong::Doubled), "{twice:?}");
}

#[test]
fn a_prescription_that_is_not_there_or_was_not_taken_back_is_lost() {
    let found = after(|e| {
        e.scripts.clear();
    });
    assert_eq!(wrongs(&found), [Wrong::Lost, Wrong::Lost]);
    let waits = after(|e| {
        e.scripts.clear();
        jobs_of_order(e)[1].state = "waiting".to_owned();
    });
    assert_eq!(waits, []);
    let stopped = after(|e| {
        e.taken[4].record["state"] = json!("discontinued");
        e.kept[2]["status"] = json!("stopped");
    });
    assert_eq!(wrongs(&stopped), [Wrong::Lost]);
    let stale = after(|e| {
        let mut newer = e.taken[4].clone();
        newer.version = 2;
        newer.record["qty"] = json!(60);
        e.taken.push(newer);
        jobs_of_order(e).push(job(EHR, 2, "copy", "done", "A4"));
        e.journal
            .push(line(EHR, "medication-request/RX-1/2", 10, "updated"));
    });
    assert_eq!(wrongs(&stale), [Wrong::Lost]);
}

#[test]
fn what_is_not_for_the_pharmacy_and_what_no_story_has_is_undue() {
    let found = after(|e| e.taken[4].record["delivery"] = json!("otp"));
    assert_eq!(wrongs(&found), [Wrong::Undue]);
    let found = after(|e| {
        jobs_of_order(e).pop();
    });
    assert_eq!(wrongs(&found), [Wrong::Undue]);
    let early = after(|e| {
        e.scripts.insert(0, cancel("M0", "M1", true));
        jobs_of_order(e).push(job(PHARMACY, 1, "cancel", "done", "M0"));
    });
    assert_eq!(wrongs(&early), [Wrong::Disordered]);
}

#[test]
fn results_and_fills_reach_the_clinic_once() {
    let found = after(|e| {
        e.told.remove(1);
    });
    assert_eq!(wrongs(&found), [Wrong::Lost]);
    let found = after(|e| {
        e.told.retain(|t| t["kind"] != "dispense");
    });
    assert_eq!(wrongs(&found), [Wrong::Lost]);
    let found = after(|e| {
        let again = told("in-7", 2, "1.40", "final");
        e.told.push(again);
    });
    assert_eq!(wrongs(&found), [Wrong::Doubled]);
    let found = after(|e| {
        e.journal
            .push(line(CLINIC, "observation/in-1/2", 9, "accepted"));
    });
    assert_eq!(wrongs(&found), [Wrong::Doubled]);
    // Other digits are another result.
    let found = after(|e| e.told[1] = told("in-1", 2, "1.4", "final"));
    assert_eq!(wrongs(&found), [Wrong::Lost, Wrong::Undue]);
    let found = after(|e| {
        e.fed.remove(0);
    });
    assert_eq!(wrongs(&found), [Wrong::Lost]);
}

#[test]
fn a_report_that_was_replaced_on_its_way_is_accounted_for() {
    let found = after(|e| {
        e.told.remove(0);
        e.journal.remove(3);
        let name = (Kind::Observation, "in-1".to_owned());
        e.stories.entry(name).or_default().jobs[0].state = "superseded".to_owned();
    });
    assert_eq!(found, []);
}

#[test]
fn a_copy_that_says_something_else_is_no_delivery() {
    let found = after(|e| e.kept[2]["status"] = json!("draft"));
    assert_eq!(wrongs(&found), [Wrong::Lost]);
    let weight = |e: &mut Evidence, digits: &str| {
        let value: Value = serde_json::from_str(digits).expect("a number");
        let record = json!({
            "measure_id": "M-1", "client_no": "C-1", "kind": "outside",
            "vital": {"value": value},
        });
        e.taken.push(taken(Kind::Observation, "M-1", 1, 5, record));
        let story = Story {
            jobs: vec![job(EHR, 1, "copy", "done", "A9")],
            denials: Vec::new(),
        };
        e.stories
            .insert((Kind::Observation, "M-1".to_owned()), story);
        e.journal
            .push(line(EHR, "observation/M-1/1", 10, "created"));
        let mut copy = kept("Observation", "observation", "M-1");
        copy["valueQuantity"] = json!({"value": 72});
        copy["valueQuantity"]["value"] = serde_json::from_str("72.50").expect("a number");
        e.kept.push(copy);
    };
    assert_eq!(after(|e| weight(e, "72.50")), []);
    assert_eq!(wrongs(&after(|e| weight(e, "72.5"))), [Wrong::Lost]);
}
