//! Definitions from disk for the validator: packages (`.tgz` or unpacked folders) and loose files.
//!
//! The roof reads files; the validator gets what was read.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::fhir::facts::Definitions;
use crate::fhir::package::{self, Caps, Package};
use crate::fhir::validate::Options;

/// Reads packages and loose definitions.
///
/// # Errors
/// A file that cannot be read, named; a package that is none.
pub(crate) fn read(packages: &[PathBuf], loose: &[PathBuf]) -> anyhow::Result<Options> {
    let mut options = Options::default();
    for path in packages {
        let name = path.display();
        if path.is_dir() {
            let inner = path.join("package");
            let mut package = Package::default();
            let folder = if inner.is_dir() { &inner } else { path };
            folder_of(folder, &mut package.definitions)?;
            options.packages.push(package);
            continue;
        }
        let bytes = std::fs::read(path).with_context(|| format!("reading {name}"))?;
        let package =
            Package::read(&bytes, &Caps::default()).with_context(|| format!("reading {name}"))?;
        options.packages.push(package);
    }
    for path in loose {
        if path.is_dir() {
            folder_of(path, &mut options.definitions)?;
        } else {
            file(path, &mut options.definitions)?;
        }
    }
    Ok(options)
}

/// All JSON files of a folder, by name.
fn folder_of(path: &Path, into: &mut Definitions) -> anyhow::Result<()> {
    let reading = || format!("reading {}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(reading)? {
        let entry = entry.with_context(reading)?.path();
        let name = entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".json") && !package::passed_over(&name) && entry.is_file() {
            files.push(entry);
        }
    }
    files.sort();
    files.iter().try_for_each(|entry| file(entry, into))
}

fn file(path: &Path, into: &mut Definitions) -> anyhow::Result<()> {
    let reading = || format!("reading {}", path.display());
    let bytes = std::fs::read(path).with_context(reading)?;
    into.add(&package::parse(&bytes).with_context(reading)?);
    Ok(())
}
