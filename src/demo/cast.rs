//! Who plays: the people and templates of `fixtures/`, compiled in, with their days moved so that the
//! day on which the fixtures were written is today.
//!
//! Everybody here is invented. Whether a receiver may have a client's records is worked out here a
//! second time, from the consents themselves, so that the recount does not have to believe the gateway.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::civil;
use serde_json::{Value, json};

use crate::record::Kind;

/// The day on which the fixtures play.
const WRITTEN: civil::Date = civil::date(2026, 11, 24);

macro_rules! fixtures {
    ($($kind:literal: $($name:literal)+;)+) => {
        &[$($(($kind, $name, include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/fixtures/", $kind, "/", $name, "/record.json"
        ))),)+)+]
    };
}

/// (kind, name, text) of what is compiled in.
const FIXTURES: &[(&str, &str, &str)] = fixtures! {
    "client": "C-1001" "C-1002" "C-1003" "C-1004" "C-1005" "C-1006" "C-1007" "C-1008" "C-1009" "C-1010"
        "C-1011" "C-1012";
    "episode": "E-1001" "E-1002" "E-1003" "E-1004" "E-1005" "E-1006" "E-1007" "E-1008" "E-1009" "E-1010"
        "E-1011" "E-1012";
    "consent": "CO-1001" "CO-1002" "CO-1003" "CO-1004" "CO-1005" "CO-1006" "CO-1008" "CO-1010" "CO-1012"
        "CO-1101" "CO-1103" "CO-1104" "CO-1201" "CO-1202";
    "staff": "S-01" "S-02" "S-03" "S-04" "S-05" "S-06" "S-07" "S-08";
    "pharmacy": "PH-01" "PH-02" "PH-03";
    "laboratory": "L-01";
    "evaluation": "EV-1001" "EV-1002" "EV-1004" "EV-1007" "EV-1009" "EV-1011";
    "medication-request": "acamprosate-considering" "alprazolam-np-supervised"
        "buprenorphine-naloxone-weekly" "buprenorphine-proposed" "clonazepam-taper" "divalproex-completed"
        "fluoxetine-discontinued" "hydroxyzine-home-reported" "lithium" "lorazepam-prn" "methadone-otp"
        "naloxone-clinic-dispensed" "naltrexone-declined" "naltrexone-injection" "olanzapine-cancelled"
        "quetiapine-on-hold" "risperidone-entered-in-error" "schedule-five" "sertraline"
        "sertraline-solution";
    "care-plan": "alcohol-under-review" "anxiety-therapy-only" "bipolar-lithium" "depression"
        "draft-minimal" "full-opioid" "taper-family-revoked";
    "observation": "adherence" "c-ssrs" "ciwa-skipped" "cows" "gad7" "phq9" "phq9-skipped" "qtc"
        "side-effect" "uds-confirmed" "uds-declined" "uds-methadone-eddp" "uds-negative"
        "valproate-not-done" "alt-below-limit" "audit-c-total-only" "lithium-level";
};

/// The people, places and templates, by kind and name.
#[derive(Debug)]
pub struct Cast {
    all: BTreeMap<(&'static str, &'static str), Value>,
    today: civil::Date,
}

impl Cast {
    /// Reads what is compiled in and moves its days.
    ///
    /// # Errors
    /// A fixture is no JSON: a mistake at build time.
    pub fn on(today: civil::Date) -> anyhow::Result<Self> {
        let by = (today - WRITTEN).get_days();
        let mut all = BTreeMap::new();
        for (kind, name, text) in FIXTURES {
            let mut whole: Value = serde_json::from_str(text)
                .with_context(|| format!("the fixture {kind}/{name} is no JSON"))?;
            let mut record = whole["record"].take();
            move_days(&mut record, by);
            all.insert((*kind, *name), record);
        }
        Ok(Cast { all, today })
    }

    /// Today.
    #[must_use]
    pub fn today(&self) -> civil::Date {
        self.today
    }

    /// A fixture's record; `null` where there is none.
    #[must_use]
    pub fn get(&self, kind: Kind, name: &str) -> Value {
        self.all
            .iter()
            .find(|((k, n), _)| *k == kind.as_str() && *n == name)
            .map_or(Value::Null, |(_, record)| record.clone())
    }

    /// All of a kind, by name.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&'static str, &Value)> {
        self.all
            .iter()
            .filter(move |((k, _), _)| *k == kind.as_str())
            .map(|((_, name), record)| (*name, record))
    }

    /// The episode of a client: the fixtures number them alike.
    #[must_use]
    pub fn episode_of(&self, client: &str) -> String {
        client.replace("C-", "E-")
    }

    /// The client whom a record of the clinic is about, if it is about one.
    #[must_use]
    pub fn client_of(&self, record: &Value) -> Option<String> {
        if let Some(client) = record["client_no"].as_str() {
            return Some(client.to_owned());
        }
        if let Some(episode) = record["episode_id"].as_str() {
            return Some(episode.replace("E-", "C-"));
        }
        None
    }
}

/// Moves every date and instant by whole days; birth dates stay.
fn move_days(value: &mut Value, by: i32) {
    match value {
        Value::Object(fields) => {
            for (name, child) in fields.iter_mut() {
                if name != "birth_date" {
                    move_days(child, by);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_days(item, by)),
        Value::String(text) => {
            if let Some(moved) = moved(text, by) {
                *text = moved;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text with its date moved, if it begins with one and is a date or an instant.
fn moved(text: &str, by: i32) -> Option<String> {
    let (date, rest) = text.split_at_checked(10)?;
    if !(rest.is_empty() || rest.starts_with('T')) || date.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let date: civil::Date = date.parse().ok()?;
    let moved = date.checked_add(jiff::Span::new().days(by)).ok()?;
    Some(format!("{moved}{rest}"))
}

/// What a receiver may have of a client today, from the newest versions of the client's episode and
/// consents. `names`: how consents may name the receiver (its party id and its class).
#[must_use]
pub fn may_have(episode: &Value, consents: &[&Value], names: &[&str], today: civil::Date) -> Scope {
    if episode["part2_program"] == json!(false) {
        return Scope::Everything;
    }
    let mut scopes = Vec::new();
    let today = today.to_string();
    for consent in consents {
        let text = |field: &str| consent[field].as_str().unwrap_or_default();
        let list = |field: &str| -> Vec<&str> {
            let items = consent[field].as_array().map(Vec::as_slice);
            items
                .unwrap_or_default()
                .iter()
                .filter_map(Value::as_str)
                .collect()
        };
        let sort = matches!(text("kind"), "tpo_part2" | "specific_release");
        let receiver = list("granted_to").iter().any(|g| names.contains(g));
        let begun = text("signed_on") <= today.as_str();
        let over = !text("expires_on").is_empty() && text("expires_on") < today.as_str();
        let revoked = !text("revoked_on").is_empty() && text("revoked_on") <= today.as_str();
        let purpose = list("purpose").contains(&"treatment");
        if sort && receiver && begun && !over && !revoked && purpose {
            scopes.extend(list("info_scope").into_iter().map(str::to_owned));
        }
    }
    Scope::These(scopes)
}

/// What of a client a receiver may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that a route brings: no Part 2 programme.
    Everything,
    /// What consents name, by their words; empty: nothing.
    These(Vec<String>),
}

impl Scope {
    /// Whether a record of this kind may go.
    #[must_use]
    pub fn covers(&self, kind: Kind, record: &Value) -> bool {
        let Scope::These(words) = self else {
            return true;
        };
        let word = match kind {
            Kind::MedicationRequest | Kind::Dispense | Kind::OrderEvent => "med_orders",
            Kind::CarePlan => "careplan",
            Kind::Evaluation => "evaluation",
            Kind::Episode => "attendance",
            Kind::Observation => match record["kind"].as_str().unwrap_or_default() {
                "score" | "withdrawal" => "scores",
                "lab" => "labs",
                "vital" => "vitals",
                "side_effect" | "adherence" => "monitoring",
                _ => "uds",
            },
            // Who somebody is goes with what they may have at all.
            _ => return true,
        };
        words.iter().any(|w| w == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_move_and_birth_dates_stay() {
        let mut record = json!({
            "birth_date": "1988-04-02",
            "signed_at": "2026-11-23T08:30:00-05:00",
            "signed_on": "2026-12-31",
            "note": "2026-11-23 is a day",
            "drug": {"ndc": "00000111122"},
        });
        move_days(&mut record, 2);
        assert_eq!(
            record,
            json!({
                "birth_date": "1988-04-02",
                "signed_at": "2026-11-25T08:30:00-05:00",
                "signed_on": "2027-01-02",
                "note": "2026-11-23 is a day",
                "drug": {"ndc": "00000111122"},
            })
        );
    }

    #[test]
    fn consents_are_read_here_too() {
        let part2 = json!({"part2_program": true});
        let today = civil::date(2026, 11, 24);
        let names = ["ehr-north", "treating_providers"];
        let consent = json!({
            "kind": "tpo_part2", "granted_to": ["treating_providers"], "info_scope": ["uds"],
            "purpose": ["treatment"], "signed_on": "2026-09-07",
        });
        let scope = may_have(&part2, &[&consent], &names, today);
        assert!(scope.covers(Kind::Observation, &json!({"kind": "uds"})));
        assert!(!scope.covers(Kind::MedicationRequest, &json!({})));
        let mut revoked = consent.clone();
        revoked["revoked_on"] = json!("2026-11-24");
        let mut expired = consent.clone();
        expired["expires_on"] = json!("2026-11-23");
        for over in [revoked, expired] {
            assert_eq!(
                may_have(&part2, &[&over], &names, today),
                Scope::These(vec![])
            );
        }
        let open = json!({"part2_program": false});
        assert_eq!(may_have(&open, &[], &names, today), Scope::Everything);
    }

    #[test]
    fn everybody_is_there() {
        let cast = Cast::on(civil::date(2027, 1, 15)).expect("fixtures");
        assert!(cast.of_kind(Kind::Client).count() >= 12);
        let plan = cast.get(Kind::CarePlan, "full-opioid");
        assert_eq!(plan["reviews"][1]["date"], "2027-01-07");
        assert_eq!(cast.client_of(&plan), Some("C-1001".to_owned()));
    }
}
