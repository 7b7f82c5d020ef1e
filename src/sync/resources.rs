//! A record's resources in the store: the rows that a version writes, and the members that it has no more.

use crate::sync::accept::{Acceptor, Work};
use crate::sync::ports::{CheckedPart, ResourceRow, StoreError};
use crate::sync::prepare;

impl Acceptor {
    /// Members that older versions made and this one lacks, entered in error (contracts section 5).
    pub(super) async fn retracted(&self, work: &Work<'_>) -> Result<Vec<CheckedPart>, StoreError> {
        let stored = self
            .house()
            .store
            .resources(&work.tenant.id, &work.version.kind, &work.version.id)
            .await?;
        Ok(stored
            .into_iter()
            .filter(|row| !work.parts.iter().any(|p| p.part == row.part))
            .filter_map(|row| {
                let value = serde_json::from_slice(&row.bytes).ok()?;
                let value = prepare::entered_in_error(value)?;
                // Whatever was let pass in it: it takes back what went out so.
                let validator = &self.house().validator;
                let (checked, _) = validator.certify_by(value, &[], &|_| true).ok()?;
                Some(CheckedPart {
                    part: row.part,
                    checked,
                })
            })
            .collect())
    }
}

/// The rows of sealed resources.
pub(super) fn rows(parts: &[CheckedPart]) -> Vec<ResourceRow> {
    parts.iter().filter_map(row).collect()
}

fn row(part: &CheckedPart) -> Option<ResourceRow> {
    let resource = part.checked.resource();
    Some(ResourceRow {
        resource_type: resource.get("resourceType")?.as_str()?.to_owned(),
        id: resource.get("id")?.as_str()?.to_owned(),
        part: part.part.clone(),
        profiles: part.checked.profiles().join(","),
        bytes: serde_json::to_vec(resource).ok()?,
    })
}
