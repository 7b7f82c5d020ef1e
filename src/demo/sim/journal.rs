//! The journal of what partners and the clinic received: one line per request.
//!
//! Must never hold content of a record: ids, versions and outcomes only.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// One request that a simulated partner received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JournalLine {
    /// When, RFC 3339; filled by [`Journal::write`].
    pub time: String,
    /// Who received it.
    pub partner: String,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What it concerns, by our names: `Type system|value` of a resource, or the order of a prescription.
    pub ours: Option<String>,
    /// The record version that it brings, where it says so: `kind/id/version`.
    pub record: Option<String>,
    /// The message's id (SCRIPT MessageID, webhook), or the request's.
    pub message: Option<String>,
    /// The partner's own id of what it keeps.
    pub theirs: Option<String>,
    /// HTTP status that was answered; 0 where the connection was broken off.
    pub status: u16,
    /// What became of it: `created`, `updated`, `found`, `nothing`, `refused`, `accepted`, `repeat`…, or
    /// `fault-…` for a planted fault before any effect, `…-then-fault-…` for one after it.
    pub outcome: String,
}

/// Where the lines go: kept in memory, and into a file where there is one. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    kept: Mutex<(Vec<JournalLine>, Option<File>)>,
}

impl Journal {
    /// A journal in memory.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Journal {
            inner: Arc::new(Inner {
                clock,
                kept: Mutex::new((Vec::new(), None)),
            }),
        }
    }

    /// A journal in memory and in a file, which is emptied first.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn to_file(clock: Arc<dyn Clock>, path: &Path) -> std::io::Result<Self> {
        let file = File::create(path)?;
        let journal = Journal::new(clock);
        journal.lock().1 = Some(file);
        Ok(journal)
    }

    /// Adds a line, with the time of now.
    pub fn write(&self, mut line: JournalLine) {
        let now = self.inner.clock.now();
        line.time = jiff::Timestamp::from_microsecond(now.micros())
            .map(|t| t.to_string())
            .unwrap_or_default();
        let mut kept = self.lock();
        if let Some(file) = &mut kept.1
            && let Ok(mut text) = serde_json::to_vec(&line)
        {
            text.push(b'\n');
            // A full disk must not stop the demonstration; the lines in memory are still there.
            let _ = file.write_all(&text);
        }
        kept.0.push(line);
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<JournalLine> {
        self.lock().0.clone()
    }

    /// How many lines so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().0.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Vec<JournalLine>, Option<File>)> {
        self.inner
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
