//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::clock::Date;
use crate::issue::Issue;
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

/// Where a problem stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemStatus {
    /// It is there.
    Active,
    /// It is held back.
    InRemission,
    /// It is over.
    Resolved,
}

/// One problem that was found. Other records refer to it by [`Problem::part`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Its number within the evaluation, from 1, kept for good.
    pub no: u32,
    /// ICD-10-CM code, with its point.
    pub code: String,
    /// In the evaluator's words.
    pub text: String,
    /// Where it stands.
    pub status: ProblemStatus,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset_date: Option<Date>,
    /// Since when no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_date: Option<Date>,
}

impl Problem {
    /// The part that its Condition is: `problem/<no>`.
    #[must_use]
    pub fn part(&self) -> String {
        format!("problem/{}", self.no)
    }
}

/// What sort of substance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Substance {
    /// Alcohol.
    Alcohol,
    /// Opioids.
    Opioids,
    /// Benzodiazepines.
    Benzodiazepines,
    /// Stimulants.
    Stimulants,
    /// Cocaine.
    Cocaine,
    /// Cannabis.
    Cannabis,
    /// Hallucinogens.
    Hallucinogens,
    /// Inhalants.
    Inhalants,
    /// Nicotine.
    Nicotine,
    /// Another, named in the detail.
    Other,
}

/// How it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UseRoute {
    /// Swallowed.
    Oral,
    /// Under the tongue.
    Sublingual,
    /// Smoked or inhaled.
    Inhaled,
    /// By the nose.
    Intranasal,
    /// Injected.
    Injected,
    /// Another way.
    Other,
}

/// How often it was taken in the last 12 months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UseFrequency {
    /// Not at all.
    None,
    /// Less than once a month.
    LessThanMonthly,
    /// Every month.
    Monthly,
    /// Every week.
    Weekly,
    /// Every day.
    Daily,
}

/// What the client told of one substance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubstanceUse {
    /// Which.
    pub substance: Substance,
    /// Which exactly, where the list does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<UseRoute>,
    /// How often.
    pub frequency: UseFrequency,
    /// Age at first use, years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_at_first_use: Option<u32>,
    /// Last use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_use: Option<Date>,
    /// How many overdoses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdoses: Option<u32>,
    /// More, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The clinic's id.
    pub evaluation_id: String,
    /// Version, from 1.
    pub version: u64,
    /// The stay it opens.
    pub episode_id: String,
    /// The day of it.
    pub date: Date,
    /// Who evaluated.
    pub evaluator_staff_id: String,
    /// What was found.
    pub problems: Vec<Problem>,
    /// What the client told of substances.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub substance_history: Vec<SubstanceUse>,
    /// Whether medication is indicated.
    pub medication_indicated: bool,
    /// Why, or why not.
    pub medication_reason: String,
    /// The evaluation in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

impl Evaluation {
    /// The first problem with this ICD-10-CM code: what an order with this indication refers to.
    #[must_use]
    pub fn problem_by_code(&self, code: &str) -> Option<&Problem> {
        self.problems.iter().find(|p| p.code == code)
    }
}

impl Mapping for Evaluation {
    const KIND: Kind = Kind::Evaluation;

    fn id(&self) -> &str {
        &self.evaluation_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        vec![
            Link {
                kind: Kind::Episode,
                id: self.episode_id.clone(),
                pointer: "/episode_id".to_owned(),
                role: Role::Episode,
            },
            Link {
                kind: Kind::Staff,
                id: self.evaluator_staff_id.clone(),
                pointer: "/evaluator_staff_id".to_owned(),
                role: Role::Staff,
            },
        ]
    }

    fn rules(&self, context: &Context, env: &MapEnv) -> Vec<Issue> {
        super::rules::rules(self, context, env)
    }

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        super::to_fhir::to_fhir(self, context, env)
    }
}
