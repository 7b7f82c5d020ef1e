//! A folder that goes with its owner, unless it is to be looked at.

use std::path::{Path, PathBuf};

pub(crate) struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let end = fastrand::u64(..);
        let path = std::env::temp_dir().join(format!("gateway-faults-{name}-{end:x}"));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder { path, keep: false }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn keep(&mut self) {
        self.keep = true;
        println!("      everything is kept in {}", self.path.display());
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
