//! Counts what came out of order: an older version of a record after a newer one.

use std::collections::HashMap;

/// The newest version of each record that took effect.
#[derive(Clone, Debug, Default)]
pub struct Order {
    newest: HashMap<String, u64>,
    violations: u64,
}

impl Order {
    /// Notes a version (`kind/id/version`) that took effect; whether it was in order.
    pub fn note(&mut self, record: &str) -> bool {
        let Some((name, version)) = record.rsplit_once('/') else {
            return true;
        };
        let Ok(version) = version.parse::<u64>() else {
            return true;
        };
        let newest = self.newest.entry(name.to_owned()).or_default();
        if version < *newest {
            self.violations += 1;
            return false;
        }
        *newest = version;
        true
    }

    /// How many came after a newer one.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.violations
    }
}
