//! The shape of a measure, typed. No rules, no mapping: see the neighbours.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{Date, Instant};
use crate::decimal::Decimal;
use crate::record::medication_request::YesNo;
use crate::record::observation::lists::{
    Absent, Action, AdherenceMethod, Finding, Flag, MeasureKind, SpecimenKind, Status,
};
use crate::record::observation::outside::Outside;
use crate::record::observation::{Analyte, Instrument, Panel, Test, Vital};

/// A moment, or a date of which the clinic or an EHR knew no time; keeps its text. An EHR may know no
/// more than a year or a month.
#[derive(Clone, PartialEq, Eq)]
pub struct When(String);

impl When {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or RFC 3339 with an offset; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = match text.len() {
            4 => Date::parse(&format!("{text}-01-01")).is_some(),
            7 => Date::parse(&format!("{text}-01")).is_some(),
            10 => Date::parse(text).is_some(),
            _ => Instant::parse(text).is_some(),
        };
        fits.then(|| When(text.to_owned()))
    }

    /// The text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The moment, if it says one.
    #[must_use]
    pub fn instant(&self) -> Option<Instant> {
        Instant::parse(&self.0)
    }

    /// The calendar date as written, if it says a day.
    #[must_use]
    pub fn day(&self) -> Option<Date> {
        Date::parse(self.0.get(..10)?)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("When(***)")
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        When::parse(&text).ok_or_else(|| serde::de::Error::custom("neither a date nor an instant"))
    }
}

/// A record part: a struct whose optional fields stay absent and whose unknown ones are refused.
macro_rules! part {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $ty:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$doc])*
            #[serde(default, skip_serializing_if = "crate::record::observation::model::Blank::blank")]
            pub $field: $ty,)+
        }
    };
}
pub(super) use part;

/// What is left out of the JSON: `None` and the empty list.
pub(super) trait Blank {
    /// Whether it is left out.
    fn blank(&self) -> bool;
}

impl<T> Blank for Option<T> {
    fn blank(&self) -> bool {
        self.is_none()
    }
}

impl<T> Blank for Vec<T> {
    fn blank(&self) -> bool {
        self.is_empty()
    }
}

/// A measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The clinic's id.
    pub measure_id: String,
    /// Version, from 1.
    pub version: u64,
    /// What was measured.
    pub kind: MeasureKind,
    /// Where it stands.
    pub status: Status,
    /// The client, where no episode says it (what an EHR or laboratory tells us).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_no: Option<String>,
    /// The stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode_id: Option<String>,
    /// The order it concerns: the drug of a level, a side effect, an adherence check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_no: Option<String>,
    /// When it was measured, or its specimen taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<When>,
    /// Until when, for what took a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_until: Option<When>,
    /// When it was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Instant>,
    /// Who measured: staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_staff: Option<String>,
    /// Who measured: a laboratory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_lab: Option<String>,
    /// The client said it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_client: Option<bool>,
    /// Why nothing was measured at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_taken: Option<Absent>,
    /// Words on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The drug screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uds: Option<Uds>,
    /// The level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lab: Option<Lab>,
    /// The questionnaire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// The vital sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vital: Option<VitalSign>,
    /// The side effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_effect: Option<SideEffect>,
    /// The adherence check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adherence: Option<Adherence>,
    /// The withdrawal score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<Score>,
    /// What an EHR or a laboratory told us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
}

part! {
    /// A specimen.
    Specimen {
        /// What it is.
        kind: Option<SpecimenKind>,
        /// The laboratory's number for it.
        accession: Option<String>,
        /// When the laboratory had it.
        received_at: Option<Instant>,
    }
}

/// A drug screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uds {
    /// Which panel.
    pub panel: Panel,
    /// The specimen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specimen: Option<Specimen>,
    /// Whether the specimen is valid (not diluted, not exchanged).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specimen_valid: Option<bool>,
    /// Its temperature, degrees Fahrenheit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temp_f: Option<Decimal>,
    /// Its creatinine, mg/dL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creatinine: Option<Decimal>,
    /// Whether somebody watched it being given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<bool>,
    /// What was looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub analytes: Vec<AnalyteResult>,
}

/// What was found of one analyte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyteResult {
    /// What was looked for.
    pub analyte: Analyte,
    /// What the screen says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Finding>,
    /// Why the screen says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Absent>,
    /// From where on it counts as found, ng/mL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<Decimal>,
    /// Whether that fits what is prescribed: yes, no; absent if nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistent_with_rx: Option<YesNo>,
    /// The confirmation of this screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirmation>,
}

/// The confirmation of a screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// What it says.
    pub result: Finding,
    /// By which method, in the laboratory's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How much, ng/mL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Instant>,
}

/// A laboratory value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lab {
    /// Which.
    pub test: Test,
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// `<`, `<=`, `>=`, `>`: the value is a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparator: Option<String>,
    /// UCUM code of value and range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Lower end of the reference range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ref_low: Option<Decimal>,
    /// Upper end of the reference range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ref_high: Option<Decimal>,
    /// How the value lies to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<Flag>,
    /// Whether it was taken right before a dose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trough: Option<bool>,
    /// Hours since the last dose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours_post_dose: Option<Decimal>,
    /// By which method, in the laboratory's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The specimen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specimen: Option<Specimen>,
}

/// A questionnaire, or a withdrawal score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Which.
    pub instrument: Instrument,
    /// Which edition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// The answers, by item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// The sum; absent if an item was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// What the sum means: `mild`, `severe`, `high`…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
}

/// The answer to one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Which item, from 1.
    pub item: u32,
    /// Points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<i64>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Absent>,
}

/// A vital sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitalSign {
    /// Which.
    pub sign: Vital,
    /// The value; not for blood pressure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// UCUM code of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Systolic blood pressure, `mm[Hg]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systolic: Option<Decimal>,
    /// Diastolic blood pressure, `mm[Hg]`; absent where it could not be heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diastolic: Option<Decimal>,
}

/// A side effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideEffect {
    /// In the client's or the nurse's words.
    pub term: String,
    /// 0 none to 3 severe.
    pub severity: u8,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<Date>,
    /// What was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}

/// How far a drug was taken as ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adherence {
    /// How it was found.
    pub method: AdherenceMethod,
    /// Doses that were due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doses_expected: Option<u32>,
    /// Doses that were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doses_taken: Option<u32>,
    /// Per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pct: Option<Decimal>,
    /// Over how many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_days: Option<u32>,
}
