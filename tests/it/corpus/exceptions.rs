//! The exceptions that are known, each with its reason: a new one fails the test, one that is gone is
//! said aloud. One small file for each test, beside this one.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// The exceptions of one test.
pub(super) struct Exceptions {
    file: PathBuf,
    known: BTreeSet<String>,
    met: BTreeSet<String>,
}

impl Exceptions {
    /// What the file of a test says.
    pub(super) fn read(test: &str) -> Self {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/corpus")
            .join(format!("{test}.tsv"));
        let text = std::fs::read_to_string(&file).expect("the exceptions");
        Exceptions {
            file,
            known: text.lines().map(str::to_owned).collect(),
            met: BTreeSet::new(),
        }
    }

    /// An exception that was met.
    pub(super) fn met(&mut self, kind: &str, line: usize, why: &str) {
        self.met.insert(format!("{kind}\t{line:04}\t{why}"));
    }

    /// Fails if one is new; rewrites the file if it is asked to.
    #[expect(
        clippy::disallowed_methods,
        reason = "whether fixtures are written anew is said by the environment"
    )]
    pub(super) fn settle(self) {
        for line in &self.met {
            println!("exception: {line}");
        }
        if std::env::var("UPDATE_FIXTURES").is_ok_and(|v| v == "1") {
            let text: String = self.met.iter().map(|l| format!("{l}\n")).collect();
            std::fs::write(&self.file, text).expect("written");
            return;
        }
        // The reason's words may change; which resource it is may not.
        let which = |line: &str| line.split('\t').take(2).collect::<Vec<_>>().join(" ");
        let among =
            |line: &str, all: &BTreeSet<String>| all.iter().any(|l| which(l) == which(line));
        for line in self.known.iter().filter(|l| !among(l, &self.met)) {
            println!("no exception any more, take it out: {line}");
        }
        let new: Vec<_> = self.met.iter().filter(|l| !among(l, &self.known)).collect();
        assert!(new.is_empty(), "new exceptions: {new:#?}");
    }
}
