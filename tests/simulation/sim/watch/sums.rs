//! Invariant 2: nothing is lost or made twice in the counting.

use std::collections::BTreeMap;

use super::Inner;

/// The states, as the contracts count them.
const STATES: [&str; 7] = [
    "waiting",
    "sending",
    "asking",
    "parked",
    "done",
    "cancelled",
    "superseded",
];

impl Inner {
    /// What does not add up, if anything.
    pub(super) fn counted(&mut self) -> rusqlite::Result<Option<String>> {
        let counts = |sql: &str| -> rusqlite::Result<BTreeMap<(String, String), i64>> {
            self.db
                .prepare_cached(sql)?
                .query_map([], |r| Ok(((r.get(0)?, r.get(1)?), r.get(2)?)))?
                .collect()
        };
        let rows = counts("SELECT partner, state, count(*) FROM job GROUP BY 1, 2")?;
        let counters = counts("SELECT partner, state, n FROM count WHERE n <> 0")?;
        if rows != counters {
            return Ok(Some("the counters are not what the rows say".to_owned()));
        }
        if rows
            .keys()
            .any(|(_, state)| !STATES.contains(&state.as_str()))
        {
            return Ok(Some("a job is in none of the seven states".to_owned()));
        }
        let sum: i64 = rows.values().sum();
        if sum != self.made {
            return Ok(Some(format!(
                "{} jobs were made, {sum} are there",
                self.made
            )));
        }
        let raws: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM raw")?
            .query_row([], |r| r.get(0))?;
        if raws < self.raws {
            return Ok(Some("bytes that had come in are gone".to_owned()));
        }
        self.raws = raws;
        Ok(None)
    }
}
