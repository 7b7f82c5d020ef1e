//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::clock::Date;
use crate::issue::Issue;
use crate::record::dates::{in_order, not_future};
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

/// Which part of the programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// Intensive outpatient.
    IOP,
    /// After it.
    #[serde(rename = "aftercare")]
    Aftercare,
}

/// A stay in the programme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    /// The clinic's id.
    pub episode_id: String,
    /// Version, from 1.
    pub version: u64,
    /// Whose.
    pub client_no: String,
    /// Programme.
    pub program: Program,
    /// Admitted on.
    pub admit_date: Date,
    /// Stepped down on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_down_date: Option<Date>,
    /// Discharged on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discharge_date: Option<Date>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discharge_disposition: Option<String>,
    /// Whether its records fall under 42 CFR Part 2.
    pub part2_program: bool,
    /// ICD-10-CM code of what brought them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_problem: Option<String>,
    /// ASAM level, e.g. `2.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_of_care: Option<String>,
}

impl Mapping for Episode {
    const KIND: Kind = Kind::Episode;

    fn id(&self) -> &str {
        &self.episode_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        vec![Link {
            kind: Kind::Client,
            id: self.client_no.clone(),
            pointer: "/client_no".to_owned(),
            role: Role::Client,
        }]
    }

    fn rules(&self, context: &Context, env: &MapEnv) -> Vec<Issue> {
        let admit = ("/admit_date", Some(self.admit_date));
        let step = ("/step_down_date", self.step_down_date);
        let discharge = ("/discharge_date", self.discharge_date);
        let born = context.client.as_ref().map(|c| c.birth_date);
        [
            in_order(("/client_no", born), admit),
            in_order(admit, step),
            in_order(admit, discharge),
            in_order(step, discharge),
            not_future(discharge, env),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        super::to_fhir::to_fhir(self, context, env)
    }
}
