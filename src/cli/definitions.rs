//! Definitions from disk for the validator: packages (`.tgz`, unpacked folders, or by name) and loose
//! files.
//!
//! The roof reads files; the validator gets what was read. A package by name is looked for among the
//! site's own, which are locked, then where FHIR's own tools keep theirs, and comes with all it needs.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::packages::folder::{self, Folder, Name};
use crate::fhir::facts::Definitions;
use crate::fhir::package::{self, Caps, Package};
use crate::fhir::validate::Options;

/// Reads packages and loose definitions.
///
/// # Errors
/// A file that cannot be read, named; a package that is none; a dependency that is not there.
pub(crate) fn read(packages: &[PathBuf], loose: &[PathBuf]) -> anyhow::Result<Options> {
    let mut options = Options::default();
    for path in packages {
        let name = path.display().to_string();
        if path.exists() {
            options.packages.push(from_path(path)?);
        } else {
            let name = Name::parse(&name).with_context(|| format!("{name} is not there"))?;
            by_name(&name, &mut options.packages)?;
        }
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

/// What the packages need and nobody brought: `NAME@VERSION, needed by NAME`.
pub(crate) fn missing(packages: &[Package]) -> Vec<String> {
    let mut out = Vec::new();
    for package in packages {
        for (name, version) in &package.dependencies {
            let here = packages.iter().any(|other| other.name == *name);
            if !here && !folder::embedded(name) {
                out.push(format!("{name}@{version}, needed by {}", package.name));
            }
        }
    }
    out.sort();
    out.dedup();
    out
}

fn from_path(path: &Path) -> anyhow::Result<Package> {
    let name = path.display();
    if path.is_dir() {
        let inner = path.join("package");
        let folder = if inner.is_dir() { &inner } else { path };
        let mut package = Package::default();
        let manifest = folder.join("package.json");
        if let Ok(bytes) = std::fs::read(&manifest) {
            let value = package::parse(&bytes)
                .with_context(|| format!("reading {}", manifest.display()))?;
            package.manifest(&value);
        }
        folder_of(folder, &mut package.definitions)?;
        return Ok(package);
    }
    let bytes = std::fs::read(path).with_context(|| format!("reading {name}"))?;
    Package::read(&bytes, &Caps::default()).with_context(|| format!("reading {name}"))
}

/// A package and all that it needs, what is needed first.
fn by_name(name: &Name, into: &mut Vec<Package>) -> anyhow::Result<()> {
    let site = Folder::open(Path::new(folder::DEFAULT))?;
    let mut open = vec![(name.clone(), None::<String>)];
    let mut found = Vec::new();
    while let Some((name, by)) = open.pop() {
        let known = |all: &[Package]| all.iter().any(|own| name.is_of(&own.name, &own.version));
        if known(into) || known(&found) {
            continue;
        }
        let package = if let Some(bytes) = site.read(&name)? {
            Package::read(&bytes, &Caps::default()).with_context(|| format!("reading {name}"))?
        } else if let Some(path) = folder::in_cache(&name) {
            from_path(&path)?
        } else {
            let by = by
                .map(|by| format!(", needed by {by},"))
                .unwrap_or_default();
            anyhow::bail!(
                "{name}{by} is not on this machine: `fhir-gateway packages add {name} --registry URL` \
                 fetches it"
            );
        };
        for (needed, version) in &package.dependencies {
            if !folder::embedded(needed) {
                open.push((Name::new(needed, version)?, Some(name.to_string())));
            }
        }
        found.push(package);
    }
    found.reverse();
    into.append(&mut found);
    Ok(())
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
