//! Planted bugs of this store: its functions with one of them in their text, in place of the sound ones.
//! Nothing is planted without the feature `faults`.

use super::connection::Connection;
use super::failure::Failure;
use crate::fault::{self, Mutant};

/// A bug: the file whose functions have it, what it takes the place of there, and what stands there then.
struct Bug {
    mutant: Mutant,
    functions: &'static str,
    sound: &'static str,
    planted: &'static str,
}

const LANES: &str = include_str!("sql/lanes.sql");
const WORK: &str = include_str!("sql/work.sql");

const BUGS: [Bug; 5] = [
    Bug {
        mutant: Mutant::NoLaneOrder,
        functions: LANES,
        sound: "ORDER BY j.rank, j.seq LIMIT 1",
        planted: "ORDER BY j.seq DESC LIMIT 1",
    },
    Bug {
        mutant: Mutant::DoubleClaim,
        functions: WORK,
        sound: "l.mode = 0 ORDER BY l.priority, l.head",
        planted: "l.mode <= 1",
    },
    Bug {
        mutant: Mutant::BreakerIgnored,
        functions: WORK,
        sound: "a.paused_until IS NOT NULL",
        planted: "false",
    },
    Bug {
        mutant: Mutant::SettleAfterLostLease,
        functions: WORK,
        sound: "IF NOT FOUND OR j.token <> (_r->>'token')::bigint OR j.lease_until IS NULL THEN",
        planted: "IF NOT FOUND THEN",
    },
    Bug {
        mutant: Mutant::ParkedDeleted,
        functions: WORK,
        sound: "_unsure => (w->>'unsure')::boolean, _reach => w->>'reach');",
        planted: "_unsure => (w->>'unsure')::boolean, _reach => w->>'reach');
    DELETE FROM job o WHERE o.tenant = j.tenant AND o.seq = j.seq AND o.state = 'parked';",
    },
];

/// Plants the bug that the process was started with, if it is one of these.
///
/// # Errors
/// The server does not take the functions.
pub(super) async fn plant(connection: &Connection) -> Result<(), Failure> {
    let Some(bug) = BUGS.iter().find(|bug| fault::mutant(bug.mutant)) else {
        return Ok(());
    };
    let functions = bug
        .functions
        .replace(bug.sound, bug.planted)
        .replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION");
    // Nodes that start at once take turns.
    let sql = format!("BEGIN; SELECT pg_advisory_xact_lock(1229934662, 0); {functions}; COMMIT");
    Ok(connection.client().batch_execute(&sql).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_changes_the_functions_that_it_is_of() {
        for bug in &BUGS {
            assert!(bug.functions.contains(bug.sound), "{}", bug.sound);
        }
    }
}
