//! The way back: what the laboratory and the pharmacy sent and have their receipt for reached the clinic
//! once each, in order, and nothing else did.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Evidence, Found, Wrong, split, took_effect};
use crate::demo::sim::laboratory::Reported;
use crate::demo::site::CLINIC;
use crate::record::Kind;

pub(super) fn recount(evidence: &Evidence, found: &mut Found) {
    results(evidence, found);
    answers(evidence, found);
    once_and_in_order(evidence, found);
}

/// Whether a webhook message tells of this report.
fn tells(told: &Value, report: &Reported) -> bool {
    let record = &told["record"];
    let value: Value = serde_json::from_str(&report.value).unwrap_or(Value::Null);
    told["kind"] == Kind::Observation.as_str()
        && told["version"] == json!(report.version)
        && record["client_no"] == report.client_no.as_str()
        && record["taken_at"] == report.taken_at.as_str()
        && record["status"] == report.status.as_str()
        && record["outside"]["value"]["quantity"]["value"] == value
}

fn results(evidence: &Evidence, found: &mut Found) {
    for report in &evidence.reported {
        let times = evidence.told.iter().filter(|t| tells(t, report)).count();
        let name = format!(
            "the {} result of {} taken at {}",
            report.status, report.client_no, report.taken_at
        );
        match times {
            1 => {}
            // The clinic was told of a newer report before this one could leave.
            0 if replaced(evidence, report) => {}
            0 => found.add(Wrong::Lost, format!("{name} did not reach the clinic")),
            _ => found.add(
                Wrong::Doubled,
                format!("{name} reached the clinic {times} times"),
            ),
        }
    }
    for report in &evidence.reported {
        let times = evidence.fed.iter().filter(|f| tells(f, report)).count();
        if times != 1 {
            found.add(
                if times == 0 {
                    Wrong::Lost
                } else {
                    Wrong::Doubled
                },
                format!(
                    "the {} result of {} taken at {} stands {times} times in the clinic's feed",
                    report.status, report.client_no, report.taken_at
                ),
            );
        }
    }
    for told in evidence.told.iter().chain(&evidence.fed) {
        if told["kind"] == Kind::Observation.as_str()
            && !evidence.reported.iter().any(|r| tells(told, r))
        {
            found.add(
                Wrong::Undue,
                format!(
                    "the clinic was told of {}, which no laboratory sent",
                    told["id"]
                ),
            );
        }
    }
}

/// Whether the gateway says that a report was replaced by a newer one on its way to the clinic, and that
/// newer one reached it.
fn replaced(evidence: &Evidence, report: &Reported) -> bool {
    let fed = evidence.fed.iter().find(|fed| tells(fed, report));
    let Some(id) = fed.and_then(|fed| fed["id"].as_str()) else {
        return false;
    };
    let newer = evidence
        .told
        .iter()
        .any(|told| told["id"] == id && told["version"].as_u64().unwrap_or(0) > report.version);
    newer
        && evidence
            .jobs(Kind::Observation, id, CLINIC)
            .iter()
            .any(|j| j.version == report.version && j.state == "superseded" && j.reason.is_some())
}

/// What a webhook message tells of an order: `dispense`, or the event's word.
fn what(told: &Value) -> &str {
    if told["kind"] == Kind::Dispense.as_str() {
        return Kind::Dispense.as_str();
    }
    told["record"]["event"].as_str().unwrap_or_default()
}

/// What the pharmacy sent, by order and sort, against what the clinic was told.
fn answers(evidence: &Evidence, found: &mut Found) {
    let mut sent: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for answer in &evidence.answered {
        *sent.entry((&answer.order_no, answer.what)).or_default() += 1;
    }
    for ((order, sort), sent) in sent {
        let told = evidence
            .told
            .iter()
            .filter(|t| t["record"]["order_no"] == order && what(t) == sort)
            .count();
        let name = format!("of {sent} times {sort} for {order} the clinic was told {told}");
        if told < sent {
            found.add(Wrong::Lost, name);
        } else if told > sent {
            found.add(Wrong::Doubled, name);
        }
    }
}

fn once_and_in_order(evidence: &Evidence, found: &mut Found) {
    let mut newest: BTreeMap<(Kind, &str), u64> = BTreeMap::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for line in &evidence.journal {
        if line.partner != CLINIC || !took_effect(line) {
            continue;
        }
        let Some(record) = line.record.as_deref() else {
            continue;
        };
        if !seen.insert(record) {
            found.add(
                Wrong::Doubled,
                format!("the clinic took {record} under two message ids"),
            );
        }
        let Some((kind, id, version)) = split(record) else {
            continue;
        };
        let before = newest.entry((kind, id)).or_default();
        if version < *before {
            found.add(
                Wrong::Disordered,
                format!("{kind}/{id}: version {version} reached the clinic after {before}"),
            );
        }
        *before = version.max(*before);
    }
}
