//! The clinic: makes records under ids of its own, never used twice, sends each until it is answered, and
//! remembers what it was told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::check::Sent;
use crate::door::Door;

/// How long a submission is repeated before its sender gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Hours that everything happened before it was sent, so that a clock that is an hour slow does not make
/// it the future.
const AGO_H: i64 = 3;

/// One submission.
#[derive(Clone)]
pub(crate) struct Submission {
    kind: &'static str,
    id: String,
    version: u64,
    body: Vec<u8>,
    ends: bool,
    pharmacy: Option<&'static str>,
}

/// What is made up, and in which shares (per cent): orders, plans and panels, and measures for the rest.
/// An order is three resources at an EHR (the last of which names another), a plan three, a panel six, a
/// measure one.
#[derive(Clone, Copy)]
pub(crate) struct Mix {
    pub(crate) orders: u8,
    pub(crate) plans: u8,
    pub(crate) panels: u8,
    /// Of a hundred records, so many get a second version.
    pub(crate) changes: u8,
    /// Of a hundred changes of orders, so many are cancels.
    pub(crate) cancels: u8,
    /// Of a hundred orders, so many go to the pharmacy that does not know repeats.
    pub(crate) elsewhere: u8,
}

impl Default for Mix {
    fn default() -> Self {
        Mix {
            orders: 25,
            plans: 10,
            panels: 5,
            changes: 35,
            cancels: 50,
            elsewhere: 0,
        }
    }
}

impl Mix {
    /// Nothing but measures that never change.
    pub(crate) const MEASURES: Mix = Mix {
        orders: 0,
        plans: 0,
        panels: 0,
        changes: 0,
        cancels: 0,
        elsewhere: 0,
    };
    /// Nothing but new orders.
    pub(crate) const ORDERS: Mix = Mix {
        orders: 100,
        ..Mix::MEASURES
    };
}

struct Inner {
    door: Door,
    clock: Arc<System>,
    random: Mutex<fastrand::Rng>,
    patients: usize,
    sent: Mutex<BTreeMap<String, Sent>>,
    refused: Mutex<Vec<String>>,
    /// How long answers took.
    waits: Mutex<Vec<Duration>>,
    base: Value,
}

/// The clinic. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clinic(Arc<Inner>);

/// Records that are sent until told otherwise.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    senders: JoinSet<()>,
}

impl Traffic {
    /// Sends nothing new, and waits until all that was begun is answered.
    pub(crate) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.senders.join_next().await.is_some() {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fixture(kind: &str, name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(kind)
        .join(name)
        .join("record.json");
    let bytes = std::fs::read(path).expect("a fixture");
    serde_json::from_slice(&bytes).expect("JSON")
}

impl Clinic {
    pub(crate) fn new(door: Door, clock: Arc<System>, patients: usize, seed: u64) -> Self {
        let mut base = json!({});
        for (name, kind, case) in [
            ("order", "medication-request", "sertraline"),
            ("measure", "observation", "weight"),
            ("panel", "observation", "uds-negative"),
            ("plan", "care-plan", "anxiety-therapy-only"),
        ] {
            base[name] = fixture(kind, case)["record"].take();
        }
        Clinic(Arc::new(Inner {
            door,
            clock,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            patients,
            sent: Mutex::default(),
            refused: Mutex::default(),
            waits: Mutex::default(),
            base,
        }))
    }

    /// Everything that was sent.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        lock(&self.0.sent).values().cloned().collect()
    }

    /// What was refused, or never answered: neither should be.
    pub(crate) fn refused(&self) -> Vec<String> {
        lock(&self.0.refused).clone()
    }

    /// Acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        lock(&self.0.sent).values().filter(|s| s.answered).count()
    }

    /// How long the answers took since this was last asked, sorted.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let mut waits = std::mem::take(&mut *lock(&self.0.waits));
        waits.sort_unstable();
        waits
    }

    /// Sends all that the records lean on: staff, pharmacies, the patients with episode and evaluation.
    pub(crate) async fn open(&self) {
        let plain = |kind: &'static str, name: &str, id: String, record: Value| Submission {
            kind,
            id,
            version: 1,
            body: rename(record, name).to_string().into_bytes(),
            ends: false,
            pharmacy: None,
        };
        let mut all = Vec::new();
        for (kind, names) in [
            ("staff", &["S-01", "S-03", "S-04"][..]),
            ("pharmacy", &["PH-01", "PH-02"][..]),
        ] {
            for id in names {
                let record = fixture(kind, id)["record"].take();
                all.push(plain(kind, "", (*id).to_owned(), record));
            }
        }
        for n in 0..self.0.patients {
            let end = format!("-{n}");
            for (kind, id) in [
                ("client", "C-1007"),
                ("episode", "E-1007"),
                ("evaluation", "EV-1007"),
            ] {
                let record = fixture(kind, id)["record"].take();
                all.push(plain(kind, &end, format!("{id}{end}"), record));
            }
        }
        for one in all {
            self.hand_in(&one).await;
        }
    }

    /// A fresh record with what becomes of it, each version for itself.
    fn make(&self, mix: Mix) -> Vec<Submission> {
        let (id, patient, draw, changes, cancels, elsewhere) = {
            let mut random = lock(&self.0.random);
            let id = format!("{:032x}", random.u128(..));
            let patient = format!("-{}", random.usize(0..self.0.patients));
            let mut of = |percent: u8| random.u8(0..100) < percent;
            let rest = (of(mix.changes), of(mix.cancels), of(mix.elsewhere));
            let draw = random.u8(0..100);
            (id, patient, draw, rest.0, rest.1, rest.2)
        };
        let versions = 1..=u64::from(changes) + 1;
        if draw < mix.orders {
            let make = |v| self.order(&id, &patient, v, cancels, elsewhere);
            return versions.map(make).collect();
        }
        if draw < mix.orders + mix.plans {
            return versions.map(|v| self.plan(&id, &patient, v)).collect();
        }
        if draw < mix.orders + mix.plans + mix.panels {
            return versions.map(|v| self.panel(&id, &patient, v)).collect();
        }
        versions.map(|v| self.measure(&id, &patient, v)).collect()
    }

    fn moment(&self) -> jiff::ZonedDateTime {
        let now = jiff::Timestamp::from_microsecond(self.0.clock.now().micros()).expect("now");
        let zone = jiff::tz::TimeZone::get("America/New_York").expect("a zone");
        let ago = jiff::Span::new().hours(AGO_H);
        now.to_zoned_datetime(zone)
            .checked_sub(ago)
            .expect("earlier")
    }

    fn order(
        &self,
        id: &str,
        patient: &str,
        version: u64,
        cancels: bool,
        elsewhere: bool,
    ) -> Submission {
        let mut record = rename(self.0.base["order"].clone(), patient);
        let moment = self.moment();
        let date = moment.date();
        let (pharmacy, name) = if elsewhere {
            ("PH-02", crate::stage::UNKNOWING)
        } else {
            ("PH-01", crate::stage::PHARMACY)
        };
        record["order_no"] = json!(id);
        record["version"] = json!(version);
        record["pharmacy_id"] = json!(pharmacy);
        record["signed_at"] = json!(moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
        record["start_date"] = json!(date.to_string());
        let review = date.checked_add(jiff::Span::new().days(27)).expect("later");
        record["review_due"] = json!(review.to_string());
        let ends = version > 1 && cancels;
        if ends {
            record["state"] = json!("cancelled");
            record["state_reason"] = json!({"code": "client_choice"});
        } else if version > 1 {
            record["dose_amount"] = json!(2);
            record["qty"] = json!(60);
            record["sig_text"] = json!("Take 2 tablets by mouth once a day, in the morning.");
        }
        Submission {
            kind: "medication-request",
            id: id.to_owned(),
            version,
            body: record.to_string().into_bytes(),
            ends,
            pharmacy: Some(name),
        }
    }

    fn measure(&self, id: &str, patient: &str, version: u64) -> Submission {
        let mut record = self.0.base["measure"].clone();
        record["vital"]["value"] = json!(60 + version);
        self.observed(record, id, patient, version)
    }

    fn panel(&self, id: &str, patient: &str, version: u64) -> Submission {
        let mut record = self.0.base["panel"].clone();
        record["uds"]["observed"] = json!(version % 2 == 1);
        self.observed(record, id, patient, version)
    }

    fn observed(&self, record: Value, id: &str, patient: &str, version: u64) -> Submission {
        let mut record = rename(record, patient);
        record["measure_id"] = json!(id);
        record["version"] = json!(version);
        record["episode_id"] = json!(format!("E-1007{patient}"));
        let moment = self.moment().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        record["taken_at"] = json!(moment);
        if version > 1 {
            record["status"] = json!("corrected");
        }
        Submission {
            kind: "observation",
            id: id.to_owned(),
            version,
            body: record.to_string().into_bytes(),
            ends: false,
            pharmacy: None,
        }
    }

    fn plan(&self, id: &str, patient: &str, version: u64) -> Submission {
        let mut record = rename(self.0.base["plan"].clone(), patient);
        record["plan_id"] = json!(id);
        record["rev"] = json!(version);
        record["episode_id"] = json!(format!("E-1007{patient}"));
        record["evaluation_id"] = json!(format!("EV-1007{patient}"));
        record["assessment_text"] = json!(format!("Mild; therapy alone, seen {version} times."));
        Submission {
            kind: "care-plan",
            id: id.to_owned(),
            version,
            body: record.to_string().into_bytes(),
            ends: false,
            pharmacy: None,
        }
    }

    /// Sends records, so many senders at once, each with a pause between, until told to stop.
    pub(crate) fn traffic(&self, mix: Mix, senders: usize, pause: Duration) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let mut all = JoinSet::new();
        for _ in 0..senders {
            let (clinic, stop) = (self.clone(), stop.clone());
            all.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    for one in clinic.make(mix) {
                        clinic.hand_in(&one).await;
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
        Traffic { stop, senders: all }
    }

    /// Sends so many records, one after the other; their ids.
    pub(crate) async fn send(&self, mix: Mix, records: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..records {
            let all = self.make(mix);
            ids.push(all[0].id.clone());
            for one in all {
                self.hand_in(&one).await;
            }
        }
        ids
    }

    /// Sends measures of one patient, many at once.
    pub(crate) async fn flood(&self, patient: usize, records: usize, senders: usize) {
        let left = Arc::new(std::sync::atomic::AtomicUsize::new(records));
        let mut all = JoinSet::new();
        for _ in 0..senders {
            let (clinic, left) = (self.clone(), left.clone());
            all.spawn(async move {
                let take = |n: usize| n.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let id = format!("{:032x}", lock(&clinic.0.random).u128(..));
                    let one = clinic.measure(&id, &format!("-{patient}"), 1);
                    clinic.hand_in(&one).await;
                }
            });
        }
        while all.join_next().await.is_some() {}
    }

    /// Sends one submission until it is answered.
    async fn hand_in(&self, one: &Submission) {
        let name = (one.kind.to_owned(), one.id.clone(), one.version);
        let key = format!("{}/{}/{}", one.kind, one.id, one.version);
        lock(&self.0.sent).insert(
            key.clone(),
            Sent {
                name,
                answered: false,
                ends: one.ends,
                pharmacy: one.pharmacy.map(str::to_owned),
            },
        );
        let path = format!("/records/{}", one.kind);
        let begun = self.0.clock.monotonic();
        let mut wait = Duration::from_millis(20);
        loop {
            let asked = self.0.clock.monotonic();
            match self.0.door.submit(&path, &key, &one.body).await {
                Ok((202, _)) => {
                    let now = self.0.clock.monotonic();
                    lock(&self.0.waits).push(now.saturating_sub(asked));
                    if let Some(sent) = lock(&self.0.sent).get_mut(&key) {
                        sent.answered = true;
                    }
                    return;
                }
                Ok((status, body)) if status < 500 && !matches!(status, 408 | 429) => {
                    let body = String::from_utf8_lossy(&body).into_owned();
                    lock(&self.0.refused).push(format!("{key}: {status} {body}"));
                    return;
                }
                Ok(_) | Err(_) => {}
            }
            if self.0.clock.monotonic().saturating_sub(begun) > PATIENCE {
                lock(&self.0.refused).push(format!("{key} was never answered"));
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(200));
        }
    }
}

/// The same record of another patient: everything of `C-1007` gets the end.
fn rename(mut value: Value, end: &str) -> Value {
    match &mut value {
        Value::String(text) if matches!(text.as_str(), "C-1007" | "E-1007" | "EV-1007") => {
            text.push_str(end);
        }
        Value::Array(items) => {
            for item in items {
                *item = rename(item.take(), end);
            }
        }
        Value::Object(fields) => {
            for (_, field) in fields.iter_mut() {
                *field = rename(field.take(), end);
            }
        }
        _ => {}
    }
    value
}
