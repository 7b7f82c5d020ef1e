//! The script: what the clinic's system sends, day by day, made from the cast and a seed.
//!
//! A step says what must come of it. Days follow each other; within a day the threads of different
//! clients run side by side, each in its own order. Everything is written before the play begins, so
//! that the same seed and the same day give the same records.

mod measures;
mod orders;
mod plans;
mod results;

use std::collections::BTreeMap;

use jiff::ZonedDateTime;
use serde_json::{Value, json};

pub use orders::PHARMACY as CONNECTED_PHARMACY;

use super::cast::Cast;
use crate::demo::sim::laboratory::Specimen;
use crate::record::Kind;

/// What must come of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// 202.
    Accepted,
    /// 4xx, with this rule among the issues.
    Refused(&'static str),
}

/// One record that the clinic's system sends.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// The record.
    pub record: Value,
    /// What must come of it.
    pub expect: Expect,
}

/// A day.
#[derive(Clone, Debug)]
pub struct Day {
    /// What it is called.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub says: &'static str,
    /// What is sent, a thread per client.
    pub threads: Vec<Vec<Step>>,
    /// What the laboratory reports, and whether the first report is sent twice.
    pub results: Vec<(Specimen, bool)>,
}

/// Names and sentences of the days.
const DAYS: [(&str, &str); 7] = [
    (
        "Monday, before eight",
        "the programme: staff, pharmacies, the laboratory",
    ),
    (
        "Monday",
        "12 clients with episodes, consents and evaluations",
    ),
    ("Tuesday", "prescriptions, screens, scores"),
    (
        "Wednesday",
        "the EHR is overloaded and stumbles; doses change",
    ),
    (
        "Thursday",
        "the pharmacy is down; the EHR drops a line after it stored",
    ),
    (
        "Friday",
        "the pharmacy is back; a consent is revoked, another given",
    ),
    ("Saturday", "corrections, reviews, the week's last measures"),
];

/// Orders that the gateway is meant to park: a person has to look at them.
pub const PARKS: [&str; 1] = ["RX-2026-00130"];

/// The first day with measures and orders.
const FIRST: usize = 2;
/// The last day.
const LAST: usize = DAYS.len() - 1;

/// Writes the days. `now`: in the zone of the clinic.
///
/// # Errors
/// A template that does not pass its own contract: a mistake at build time.
pub fn write(cast: &Cast, seed: u64, now: &ZonedDateTime) -> anyhow::Result<Vec<Day>> {
    let mut writer = Writer {
        cast,
        now: now.clone(),
        random: fastrand::Rng::with_seed(seed),
        versions: BTreeMap::new(),
        days: vec![BTreeMap::new(); DAYS.len()],
    };
    writer.programme();
    writer.admissions();
    writer.orders()?;
    writer.measures();
    writer.plans();
    Ok(writer.done())
}

struct Writer<'a> {
    cast: &'a Cast,
    now: ZonedDateTime,
    random: fastrand::Rng,
    versions: BTreeMap<(Kind, String), u64>,
    /// Steps by client (or `""`: the programme), per day.
    days: Vec<BTreeMap<String, Vec<Step>>>,
}

impl Writer<'_> {
    fn done(mut self) -> Vec<Day> {
        let days = std::mem::take(&mut self.days);
        (0..)
            .zip(DAYS)
            .zip(days)
            .map(|((day, (name, says)), threads)| Day {
                name,
                says,
                threads: threads.into_values().collect(),
                results: self.specimens(day),
            })
            .collect()
    }

    /// A record whose next version is accepted.
    fn accept(&mut self, day: usize, kind: Kind, record: Value) {
        self.step(day, kind, record, Expect::Accepted);
    }

    /// A record that is refused by this rule.
    fn refuse(&mut self, day: usize, kind: Kind, record: Value, rule: &'static str) {
        self.step(day, kind, record, Expect::Refused(rule));
    }

    fn step(&mut self, day: usize, kind: Kind, mut record: Value, expect: Expect) {
        let id_field = match kind {
            Kind::Laboratory => "lab_id",
            kind => kind.id_field(),
        };
        let id = record[id_field].as_str().unwrap_or_default().to_owned();
        let newest = self.versions.entry((kind, id.clone())).or_default();
        let version = *newest + 1;
        if expect == Expect::Accepted {
            *newest = version;
        }
        let version_field = match kind {
            Kind::CarePlan => "rev",
            _ => "version",
        };
        record[version_field] = json!(version);
        let client = self.cast.client_of(&record).unwrap_or_default();
        self.days[day].entry(client).or_default().push(Step {
            kind,
            id,
            version,
            record,
            expect,
        });
    }

    /// A moment of a day of the play, in the clinic's zone: the last day is now, each day twelve hours,
    /// so that nothing is older than a prescription may be when it is sent.
    fn moment(&self, day: usize, minute: i64) -> String {
        let back =
            i64::try_from(LAST.saturating_sub(day)).unwrap_or(0) * 12 * 60 + 90 - minute.min(80);
        let then = self
            .now
            .checked_sub(jiff::Span::new().minutes(back))
            .unwrap_or_else(|_| self.now.clone());
        then.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// A calendar day, so many days from today.
    fn date(&self, days: i32) -> String {
        let today = self.cast.today();
        today
            .checked_add(jiff::Span::new().days(days))
            .unwrap_or(today)
            .to_string()
    }

    fn programme(&mut self) {
        for kind in [Kind::Staff, Kind::Pharmacy, Kind::Laboratory] {
            let all: Vec<Value> = self.cast.of_kind(kind).map(|(_, r)| r.clone()).collect();
            for record in all {
                self.accept(0, kind, record);
            }
        }
    }

    fn admissions(&mut self) {
        for kind in [Kind::Client, Kind::Episode] {
            let all: Vec<Value> = self.cast.of_kind(kind).map(|(_, r)| r.clone()).collect();
            for record in all {
                self.accept(1, kind, record);
            }
        }
        let consents: Vec<Value> = self
            .cast
            .of_kind(Kind::Consent)
            .map(|(_, r)| r.clone())
            .collect();
        for mut consent in consents {
            if consent["revoked_on"].is_string() {
                // As it was signed; then as it was withdrawn.
                let mut signed = consent.clone();
                if let Some(fields) = signed.as_object_mut() {
                    fields.shift_remove("revoked_on");
                    fields.shift_remove("revoked_in_writing");
                }
                self.accept(1, Kind::Consent, signed);
            }
            self.accept(1, Kind::Consent, consent.take());
        }
        let evaluations: Vec<Value> = self
            .cast
            .of_kind(Kind::Evaluation)
            .map(|(_, r)| r.clone())
            .collect();
        for record in evaluations {
            self.accept(1, Kind::Evaluation, record);
        }
        // Nobody is admitted before they are born, and a registration number has its check digit.
        let mut unborn = self.cast.get(Kind::Client, "C-1011");
        unborn["birth_date"] = json!(self.date(30));
        self.refuse(1, Kind::Client, unborn, "date-not-future");
        let mut npi = self.cast.get(Kind::Staff, "S-08");
        npi["npi"] = json!("1003000176");
        self.refuse(0, Kind::Staff, npi, "npi-check-digit");
        let mut moved = self.cast.get(Kind::Client, "C-1007");
        moved["phone"] = json!("5185550177");
        self.accept(4, Kind::Client, moved);
        self.change_of_consents();
    }

    /// One client takes a consent back, another gives a new one: what was denied goes then.
    fn change_of_consents(&mut self) {
        let mut revoked = self.cast.get(Kind::Consent, "CO-1010");
        revoked["revoked_on"] = json!(self.date(0));
        revoked["revoked_in_writing"] = json!(true);
        self.accept(5, Kind::Consent, revoked);
        let mut given = self.cast.get(Kind::Consent, "CO-1001");
        given["consent_id"] = json!("CO-1009");
        given["client_no"] = json!("C-1008");
        given["signed_on"] = json!(self.date(0));
        self.accept(5, Kind::Consent, given);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Instant;
    use crate::record::{Context, MapEnv, Record, Role, contract};

    fn days(seed: u64) -> Vec<Day> {
        let now: ZonedDateTime = "2027-03-20T09:00:00-04:00[America/New_York]"
            .parse()
            .expect("a moment");
        let cast = Cast::on(now.date()).expect("fixtures");
        write(&cast, seed, &now).expect("a script")
    }

    #[test]
    fn the_script_has_what_a_week_has() {
        let days = days(1);
        let steps: Vec<&Step> = days
            .iter()
            .flat_map(|d| d.threads.iter().flatten())
            .collect();
        let accepted = steps
            .iter()
            .filter(|s| s.expect == Expect::Accepted)
            .count();
        assert!(accepted >= 200, "{accepted}");
        assert!(steps.len() - accepted >= 8);
        let kinds: std::collections::BTreeSet<&str> = steps
            .iter()
            .filter_map(|s| {
                s.record["kind"]
                    .as_str()
                    .filter(|_| s.kind == Kind::Observation)
            })
            .collect();
        for kind in [
            "uds",
            "score",
            "lab",
            "vital",
            "side_effect",
            "adherence",
            "withdrawal",
        ] {
            assert!(kinds.contains(kind), "{kind}");
        }
        let again: Vec<Value> = days_of(1);
        assert_eq!(again, days_of(1));
        assert_ne!(again, days_of(2));
    }

    fn days_of(seed: u64) -> Vec<Value> {
        let all = days(seed);
        all.into_iter()
            .flat_map(|d| d.threads.into_iter().flatten().map(|s| s.record))
            .collect()
    }

    #[test]
    fn each_step_is_accepted_or_refused_by_the_rule_that_it_names() {
        let zone = jiff::tz::TimeZone::get("America/New_York").expect("bundled");
        let env = MapEnv {
            now: Instant::parse("2027-03-20T13:00:00Z")
                .expect("valid")
                .time(),
            zone,
            ..MapEnv::example()
        };
        let mut known: BTreeMap<(Kind, String), Record> = BTreeMap::new();
        let mut wrong = Vec::new();
        for step in days(3).into_iter().flat_map(|d| d.threads).flatten() {
            let name = format!("{} {} v{}", step.kind, step.id, step.version);
            let found = match contract::parse(step.kind, &step.record) {
                Err(issues) => issues,
                Ok(record) => {
                    let context = context_of(&record, &known);
                    let found = record.rules(&context, &env);
                    if step.expect == Expect::Accepted {
                        known.insert((step.kind, step.id.clone()), record);
                    }
                    found
                }
            };
            let errors: Vec<_> = found.iter().filter(|i| i.is_error()).collect();
            let fine = match step.expect {
                // What SCRIPT cannot say is no rule of the record.
                Expect::Refused("script-required") => true,
                Expect::Accepted => errors.is_empty(),
                Expect::Refused(rule) => errors.iter().any(|i| i.rule == rule),
            };
            if !fine {
                wrong.push(format!("{name}: expected {:?}: {errors:?}", step.expect));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// What a record leans on, as the gateway would load it.
    fn context_of(record: &Record, known: &BTreeMap<(Kind, String), Record>) -> Context {
        let mut context = Context::default();
        let mut open = record.links();
        while let Some(link) = open.pop() {
            let found = known.get(&(link.kind, link.id.clone())).unwrap_or_else(|| {
                panic!(
                    "{} {}: {} is not there",
                    record.kind(),
                    record.id(),
                    link.id
                )
            });
            if link.role == Role::Episode {
                open.extend(found.links());
            }
            context.put(link.role, found.clone());
        }
        for other in known.values() {
            if let (Record::Consent(consent), Some(client)) = (other, &context.client)
                && consent.client_no == client.client_no
            {
                context.put(Role::Consent, other.clone());
            }
        }
        context
    }
}
