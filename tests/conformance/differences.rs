//! Where we judge otherwise than the Java validator, and why: `differences.toml`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

/// One reason and the cases it stands for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    suite: String,
    /// Why we judge otherwise, in a sentence or two.
    why: String,
    cases: Vec<String>,
}

#[derive(Default, Deserialize)]
struct File {
    #[serde(default)]
    reason: Vec<Reason>,
}

/// The file, and what a run met.
#[derive(Default)]
pub(crate) struct Differences {
    listed: BTreeMap<(String, String), String>,
    met: RefCell<BTreeSet<(String, String)>>,
    run: RefCell<BTreeSet<String>>,
    bare: RefCell<usize>,
}

impl Differences {
    pub(crate) fn read(path: &Path) -> Differences {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let file: File = toml::from_str(&text).expect("differences.toml");
        let mut out = Differences::default();
        for reason in file.reason {
            assert!(reason.why.len() > 20, "a reason says why");
            for case in reason.cases {
                let key = (reason.suite.clone(), case);
                out.listed.insert(key, reason.why.clone());
            }
        }
        out
    }

    /// A case that differs; whether the file says why.
    pub(crate) fn met(&self, suite: &str, case: &str) -> bool {
        let key = (suite.to_owned(), case.to_owned());
        let known = self.listed.contains_key(&key);
        if known {
            self.met.borrow_mut().insert(key);
        } else {
            *self.bare.borrow_mut() += 1;
        }
        known
    }

    /// A suite was run as a whole.
    pub(crate) fn ran(&self, suite: &str) {
        self.run.borrow_mut().insert(suite.to_owned());
    }

    pub(crate) fn explained(&self) -> usize {
        self.met.borrow().len()
    }

    /// How many differ without a reason, and what is listed but does not differ.
    pub(crate) fn left(&self) -> (usize, Vec<String>) {
        let met = self.met.borrow();
        let run = self.run.borrow();
        let stale = self
            .listed
            .keys()
            .filter(|key| run.contains(&key.0) && !met.contains(*key))
            .map(|(suite, case)| format!("{suite} {case} is explained away, but does not differ"))
            .collect();
        (*self.bare.borrow(), stale)
    }
}
