//! Frequencies: how often in how many days, and as FHIR `Timing`.

use serde_json::{Map, Value, json};

use super::Frequency;
use crate::decimal::Decimal;

/// Code system of the abbreviations that FHIR prefers.
pub(super) const GTS: &str = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation";

/// What a frequency is in FHIR: code of the abbreviation list (where there is one), times, period, unit
/// of the period, and the event of the day.
struct Line {
    frequency: Frequency,
    gts: Option<&'static str>,
    display: &'static str,
    repeat: Option<(u32, u32, &'static str)>,
    when: Option<&'static str>,
    in_days: Option<(u32, u32)>,
}

const fn line(
    frequency: Frequency,
    gts: Option<&'static str>,
    display: &'static str,
    repeat: Option<(u32, u32, &'static str)>,
    when: Option<&'static str>,
    in_days: Option<(u32, u32)>,
) -> Line {
    Line {
        frequency,
        gts,
        display,
        repeat,
        when,
        in_days,
    }
}

#[rustfmt::skip]
const LINES: &[Line] = &[
    line(Frequency::QD, Some("QD"), "once a day", Some((1, 1, "d")), None, Some((1, 1))),
    line(Frequency::BID, Some("BID"), "twice a day", Some((2, 1, "d")), None, Some((2, 1))),
    line(Frequency::TID, Some("TID"), "three times a day", Some((3, 1, "d")), None, Some((3, 1))),
    line(Frequency::QID, Some("QID"), "four times a day", Some((4, 1, "d")), None, Some((4, 1))),
    line(Frequency::QAM, Some("AM"), "every morning", Some((1, 1, "d")), Some("MORN"), Some((1, 1))),
    line(Frequency::QPM, None, "every evening", Some((1, 1, "d")), Some("EVE"), Some((1, 1))),
    line(Frequency::QHS, Some("BED"), "at bedtime", Some((1, 1, "d")), Some("HS"), Some((1, 1))),
    line(Frequency::QOD, Some("QOD"), "every other day", Some((1, 2, "d")), None, Some((1, 2))),
    line(Frequency::Q4H, Some("Q4H"), "every 4 hours", Some((1, 4, "h")), None, Some((6, 1))),
    line(Frequency::Q6H, Some("Q6H"), "every 6 hours", Some((1, 6, "h")), None, Some((4, 1))),
    line(Frequency::Q8H, None, "every 8 hours", Some((1, 8, "h")), None, Some((3, 1))),
    line(Frequency::Q12H, None, "every 12 hours", Some((1, 12, "h")), None, Some((2, 1))),
    line(Frequency::Weekly, None, "once a week", Some((1, 1, "wk")), None, Some((1, 7))),
    line(Frequency::Q4W, None, "every 4 weeks", Some((1, 4, "wk")), None, Some((1, 28))),
    line(Frequency::Monthly, None, "once a month", Some((1, 1, "mo")), None, None),
    line(Frequency::Once, None, "once", None, None, None),
    line(Frequency::Prn, None, "when needed", None, None, None),
    line(Frequency::Taper, None, "by the steps of a taper", None, None, None),
];

impl Frequency {
    fn line(self) -> Option<&'static Line> {
        LINES.iter().find(|l| l.frequency == self)
    }

    /// Times in days: (2, 1) is twice a day; `None` where no number of days holds a whole number of
    /// times.
    #[must_use]
    pub fn times_in_days(self) -> Option<(u32, u32)> {
        self.line().and_then(|l| l.in_days)
    }

    /// In words.
    #[must_use]
    pub fn display(self) -> &'static str {
        self.line().map_or("", |l| l.display)
    }

    /// `Timing.code`: the abbreviation that FHIR prefers where there is one, and the clinic's own.
    pub(super) fn timing_code(self, local_system: &str) -> Value {
        let mut codings = Vec::new();
        if let Some(gts) = self.line().and_then(|l| l.gts) {
            codings.push(json!({"system": GTS, "code": gts}));
        }
        codings.push(json!({
            "system": local_system, "code": self.as_str(), "display": self.display(),
        }));
        json!({"coding": codings, "text": self.display()})
    }

    /// `Timing.repeat`, without bounds.
    pub(super) fn repeat(self) -> Map<String, Value> {
        let mut repeat = Map::new();
        let Some(line) = self.line() else {
            return repeat;
        };
        if self == Frequency::Once {
            repeat.insert("count".to_owned(), json!(1));
        }
        if let Some((times, period, unit)) = line.repeat {
            repeat.insert("frequency".to_owned(), json!(times));
            repeat.insert("period".to_owned(), json!(period));
            repeat.insert("periodUnit".to_owned(), json!(unit));
        }
        if let Some(when) = line.when {
            repeat.insert("when".to_owned(), json!([when]));
        }
        repeat
    }

    /// The frequency that a `Timing` states: by the clinic's code, by the abbreviation, or by
    /// `repeat`. `None` where the clinic has no word for it.
    pub(super) fn from_timing(timing: &Value, local_system: &str) -> Option<Self> {
        let codings = timing["code"]["coding"].as_array();
        let coded = |system: &str| {
            codings
                .into_iter()
                .flatten()
                .filter(|c| c["system"] == system)
                .find_map(|c| c["code"].as_str())
        };
        if let Some(code) = coded(local_system) {
            return Frequency::parse(code);
        }
        if let Some(code) = coded(GTS)
            && let Some(line) = LINES.iter().find(|l| l.gts == Some(code))
        {
            return Some(line.frequency);
        }
        let repeat = timing["repeat"].as_object()?;
        let known = [
            "frequency",
            "period",
            "periodUnit",
            "when",
            "count",
            "boundsPeriod",
            "boundsDuration",
            "boundsRange",
        ];
        if repeat.keys().any(|k| !known.contains(&k.as_str())) {
            return None;
        }
        let number = |key: &str| repeat.get(key).map(|v| v.to_string());
        if number("count").as_deref() == Some("1") && repeat.get("period").is_none() {
            return Some(Frequency::Once);
        }
        if repeat.contains_key("count") {
            return None;
        }
        let when: Vec<&str> = repeat
            .get("when")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let times = number("frequency").unwrap_or_else(|| "1".to_owned());
        let period = Decimal::parse(&number("period")?)?.whole()?;
        let unit = repeat.get("periodUnit")?.as_str()?;
        LINES
            .iter()
            .find(|l| {
                l.repeat.is_some_and(|(t, p, u)| {
                    t.to_string() == times && i64::from(p) == period && u == unit
                }) && l.when.as_slice() == when.as_slice()
            })
            .map(|l| l.frequency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frequency_has_a_line_and_comes_back_from_its_timing() {
        for frequency in Frequency::ALL.iter().copied() {
            assert!(frequency.line().is_some(), "{}", frequency.as_str());
            let timing =
                json!({"code": frequency.timing_code("local"), "repeat": frequency.repeat()});
            assert_eq!(Frequency::from_timing(&timing, "local"), Some(frequency));
        }
    }

    #[test]
    fn a_foreign_timing_is_read_by_its_repeat() {
        for (repeat, frequency) in [
            (
                json!({"frequency": 2, "period": 1, "periodUnit": "d"}),
                Some(Frequency::BID),
            ),
            (
                json!({"frequency": 1, "period": 1.0, "periodUnit": "d"}),
                Some(Frequency::QD),
            ),
            (
                json!({"period": 12, "periodUnit": "h"}),
                Some(Frequency::Q12H),
            ),
            (
                json!({"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}),
                Some(Frequency::QHS),
            ),
            (
                json!({"frequency": 5, "period": 1, "periodUnit": "d"}),
                None,
            ),
            (
                json!({"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon"]}),
                None,
            ),
            (
                json!({"count": 3, "frequency": 1, "period": 1, "periodUnit": "d"}),
                None,
            ),
        ] {
            assert_eq!(
                Frequency::from_timing(&json!({"repeat": repeat}), "local"),
                frequency
            );
        }
    }
}
