//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::clock::Date;
use crate::issue::Issue;
use crate::record::dates::{broken, not_future};
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

/// A merge: what was recorded of one client belongs to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientMerge {
    /// The clinic's id of the merge.
    pub merge_id: String,
    /// Version, from 1.
    pub version: u64,
    /// Who stays.
    pub survivor_client_no: String,
    /// Who was the same person.
    pub merged_client_no: String,
    /// When it was found.
    pub merged_on: Date,
}

impl Mapping for ClientMerge {
    const KIND: Kind = Kind::ClientMerge;

    fn id(&self) -> &str {
        &self.merge_id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn links(&self) -> Vec<Link> {
        // The survivor comes last, so that it is the one that stands in the context.
        [
            ("/merged_client_no", &self.merged_client_no),
            ("/survivor_client_no", &self.survivor_client_no),
        ]
        .into_iter()
        .map(|(pointer, id)| Link {
            kind: Kind::Client,
            id: id.clone(),
            pointer: pointer.to_owned(),
            role: Role::Client,
        })
        .collect()
    }

    fn rules(&self, _context: &Context, env: &MapEnv) -> Vec<Issue> {
        let itself = self.survivor_client_no == self.merged_client_no;
        [
            itself.then(|| {
                broken(
                    "merge-itself",
                    "/merged_client_no",
                    "nobody is merged into themselves",
                )
            }),
            not_future(("/merged_on", Some(self.merged_on)), env),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        super::to_fhir::to_fhir(self, context, env)
    }
}
