//! The measures of the play: vital signs every day, and what the weekday brings. Values are drawn from
//! the seed; shapes are the fixtures'.

use serde_json::{Value, json};

use super::{FIRST, LAST, Writer};
use crate::record::Kind;

const MEASURE: Kind = Kind::Observation;

/// Clients who give drug screens.
const SCREENED: [&str; 7] = [
    "C-1001", "C-1002", "C-1003", "C-1004", "C-1005", "C-1008", "C-1010",
];
const ANALYTES: [&str; 8] = [
    "amphetamines",
    "opiates",
    "oxycodone",
    "buprenorphine",
    "benzodiazepines",
    "cocaine",
    "cannabinoids",
    "fentanyl",
];

impl Writer<'_> {
    pub(super) fn measures(&mut self) {
        let clients: Vec<&'static str> = self.cast.of_kind(Kind::Client).map(|(n, _)| n).collect();
        for day in FIRST..=LAST {
            for (n, client) in clients.iter().enumerate() {
                self.vital(day, client, n);
            }
            match day {
                FIRST => self.first(),
                3 => self.second(),
                4 => self.third(),
                5 => self.fourth(),
                _ => self.last(),
            }
        }
        self.refused();
    }

    /// A measure of a client, its id made of day, client and a word.
    fn measure(&self, day: usize, client: &str, word: &str, minute: i64) -> Value {
        json!({
            "measure_id": format!("M-{day}-{}-{word}", client.trim_start_matches("C-")),
            "kind": "vital",
            "status": "final",
            "episode_id": self.cast.episode_of(client),
            "taken_at": self.moment(day, minute),
            "by_staff": "S-04",
        })
    }

    fn vital(&mut self, day: usize, client: &str, n: usize) {
        let mut record = self.measure(day, client, "vs", 10 + i64::try_from(n).unwrap_or(0));
        record["vital"] = match (day + n) % 4 {
            0 => json!({"sign": "heart_rate", "value": self.random.u32(58..96), "unit": "/min"}),
            1 => json!({"sign": "weight", "unit": "kg",
                "value": decimal(self.random.u32(520..1100), 1)}),
            2 => json!({"sign": "temperature", "unit": "[degF]",
                "value": decimal(self.random.u32(974..994), 1)}),
            _ => json!({"sign": "blood_pressure", "unit": "mm[Hg]",
                "systolic": self.random.u32(108..148), "diastolic": self.random.u32(64..92)}),
        };
        self.accept(day, MEASURE, record);
    }

    fn score(&mut self, day: usize, client: &str, instrument: &str, most: &[u32]) {
        let withdrawal = matches!(instrument, "COWS" | "CIWA");
        let points: Vec<u32> = most
            .iter()
            .map(|m| self.random.u32(0..=(*m).min(3)))
            .collect();
        let word = instrument.to_lowercase();
        let mut record = self.measure(day, client, &word, 30);
        let field = if withdrawal { "withdrawal" } else { "score" };
        record["kind"] = json!(field);
        if !withdrawal {
            record["by_client"] = json!(true);
        }
        let answers: Vec<Value> = (1..)
            .zip(&points)
            .map(|(item, points)| json!({"item": item, "points": points}))
            .collect();
        record[field] = json!({
            "instrument": instrument,
            "answers": answers,
            "total": points.iter().sum::<u32>(),
        });
        self.accept(day, MEASURE, record);
    }

    fn screen(&mut self, day: usize, client: &str) -> Value {
        let mut record = self.measure(day, client, "uds", 40);
        record["kind"] = json!("uds");
        let analytes: Vec<Value> = ANALYTES
            .iter()
            .map(|analyte| {
                let found = if self.random.u8(0..6) == 0 {
                    "POS"
                } else {
                    "NEG"
                };
                json!({"analyte": analyte, "screen": found})
            })
            .collect();
        record["uds"] = json!({
            "panel": "custom", "specimen": {"kind": "urine"}, "specimen_valid": true,
            "observed": false, "analytes": analytes,
        });
        self.accept(day, MEASURE, record.clone());
        record
    }

    /// A fixture's measure as one of this day.
    fn like(&self, template: &str, day: usize, minute: i64) -> Value {
        let mut record = self.cast.get(MEASURE, template);
        record["taken_at"] = json!(self.moment(day, minute));
        let late = self.moment(day, minute + 5);
        for pointer in [
            "/reported_at",
            "/uds/specimen/received_at",
            "/lab/specimen/received_at",
        ] {
            if let Some(moment) = record.pointer_mut(pointer) {
                *moment = json!(late);
            }
        }
        let analytes = record
            .pointer_mut("/uds/analytes")
            .and_then(Value::as_array_mut);
        for analyte in analytes.into_iter().flatten() {
            if let Some(moment) = analyte.pointer_mut("/confirm/done_at") {
                *moment = json!(late);
            }
        }
        record
    }

    fn first(&mut self) {
        for client in SCREENED {
            self.screen(FIRST, client);
        }
        for client in ["C-1001", "C-1004", "C-1007", "C-1009", "C-1011", "C-1012"] {
            self.score(FIRST, client, "PHQ9", &[3; 9]);
        }
        for client in ["C-1001", "C-1003", "C-1010"] {
            self.score(FIRST, client, "COWS", &[4, 4, 5, 5, 4, 4, 5, 4, 4, 4, 5]);
        }
    }

    fn second(&mut self) {
        for client in ["C-1002", "C-1007", "C-1009", "C-1011"] {
            self.score(3, client, "GAD7", &[3; 7]);
        }
        for client in ["C-1001", "C-1003", "C-1010"] {
            self.score(3, client, "COWS", &[4, 4, 5, 5, 4, 4, 5, 4, 4, 4, 5]);
        }
        for (n, template) in [
            "ciwa-skipped",
            "c-ssrs",
            "uds-declined",
            "adherence",
            "side-effect",
        ]
        .into_iter()
        .enumerate()
        {
            let record = self.like(template, 3, 50 + i64::try_from(n).unwrap_or(0));
            self.accept(3, MEASURE, record);
        }
    }

    fn third(&mut self) {
        for template in [
            "qtc",
            "alt-below-limit",
            "valproate-not-done",
            "audit-c-total-only",
        ] {
            let record = self.like(template, 4, 50);
            self.accept(4, MEASURE, record);
        }
        // First the level of another specimen, then the right one.
        let level = self.like("lithium-level", 4, 51);
        self.accept(4, MEASURE, level.clone());
        let mut corrected = level;
        corrected["status"] = json!("corrected");
        corrected["lab"]["value"] = json!(1.4);
        corrected["lab"]["flag"] = json!("H");
        corrected["note"] = json!("First reported for another specimen.");
        self.accept(4, MEASURE, corrected);
        for client in ["C-1001", "C-1009", "C-1012"] {
            self.score(4, client, "PHQ9", &[3; 9]);
        }
    }

    fn fourth(&mut self) {
        for client in SCREENED {
            let screen = self.screen(5, client);
            if matches!(client, "C-1001" | "C-1004") {
                // The confirmation comes back a day later.
                let mut confirmed = screen;
                confirmed["status"] = json!("amended");
                confirmed["uds"]["analytes"][3]["screen"] = json!("POS");
                confirmed["uds"]["analytes"][3]["confirm"] =
                    json!({"result": "POS", "method": "LC-MS/MS", "value": 72.5});
                self.accept(6, MEASURE, confirmed);
            }
        }
        let record = self.like("uds-confirmed", 5, 52);
        self.accept(5, MEASURE, record);
        let record = self.like("uds-methadone-eddp", 5, 52);
        self.accept(5, MEASURE, record);
    }

    fn last(&mut self) {
        for client in ["C-1001", "C-1004", "C-1007", "C-1009", "C-1011", "C-1012"] {
            self.score(6, client, "PHQ9", &[3; 9]);
        }
        for client in ["C-1002", "C-1007", "C-1011"] {
            self.score(6, client, "GAD7", &[3; 7]);
        }
        let record = self.like("phq9-skipped", 6, 55);
        self.accept(6, MEASURE, record);
        // Somebody else's pulse: taken back.
        let mut mistake = self.measure(FIRST, "C-1012", "vs", 21);
        mistake["vital"] = json!({"sign": "heart_rate", "value": 72, "unit": "/min"});
        mistake["status"] = json!("error");
        self.accept(6, MEASURE, mistake);
    }

    fn refused(&mut self) {
        let mut sum = self.like("gad7", 3, 60);
        sum["measure_id"] = json!("M-900");
        sum["score"]["total"] = json!(9);
        self.refuse(3, MEASURE, sum, "total-sum");
        let mut unit = self.measure(4, "C-1007", "bad", 60);
        unit["vital"] = json!({"sign": "weight", "value": 72, "unit": "stone"});
        self.refuse(4, MEASURE, unit, "unit-unknown");
        let mut unknown = self.measure(5, "C-1009", "odd", 60);
        unknown["vital"] = json!({"sign": "heart_rate", "value": 72, "unit": "/min"});
        unknown["mood"] = json!("better");
        self.refuse(5, MEASURE, unknown, "schema-additionalProperties");
    }
}

/// A decimal with its digits as they are, not by way of a float.
fn decimal(hundredths: u32, places: usize) -> Value {
    let text = hundredths.to_string();
    let (whole, fraction) = text.split_at(text.len().saturating_sub(places));
    serde_json::from_str(&format!("{whole}.{fraction}")).unwrap_or(Value::Null)
}
