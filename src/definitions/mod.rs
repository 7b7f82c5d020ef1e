//! Definitions from disk for the validator: packages (`.tgz`, unpacked folders, or by name) and loose
//! files.
//!
//! The roof reads files; the validator gets what was read. A package by name is looked for among the
//! site's own, which are locked, then where FHIR's own tools keep theirs, and comes with all it needs.

pub(crate) mod folder;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use self::folder::{Folder, Name};
use crate::clock::Clock;
use crate::config::Config;
use crate::fhir::facts::Definitions;
use crate::fhir::package::{self, Caps, Package};
use crate::fhir::validate::{Options, Validator, rules};

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
            let site = Folder::open(Path::new(folder::DEFAULT))?;
            by_name(&name, &site, true, &mut options.packages)?;
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

/// The validator that a config asks for: the site's packages as they were locked, its limits; and whether all
/// rules that it has words on are known.
///
/// # Errors
/// A package that is missing, broken, or not what was locked; a rule that nobody knows, named.
pub(crate) fn validator(
    config: &Config,
    clock: Option<Arc<dyn Clock>>,
) -> anyhow::Result<Validator> {
    let own = &config.validation;
    let mut options = Options {
        vital_signs: own.vital_signs,
        known_extensions_only: own.known_extensions_only,
        limits: own.limits,
        clock,
        ..Options::default()
    };
    let site = Folder::open(&own.folder)?;
    for text in &own.packages {
        let name = Name::parse(text).context("validator.packages")?;
        by_name(&name, &site, false, &mut options.packages).context("validator.packages")?;
    }
    let validator = Validator::load(options);
    if let [first, ..] = validator.unusable() {
        anyhow::bail!(
            "validator.packages: {} definitions cannot be used, because what they are derived from is not \
             loaded, or because they would grow too large: {first} is one",
            validator.unusable().len()
        );
    }
    let said = std::iter::once(("validator.rules".to_owned(), &own.rulings));
    let by_partners = config
        .partners
        .iter()
        .map(|p| (format!("partners[{}].rules", p.id), &p.rulings));
    let unknown: Vec<String> = said
        .chain(by_partners)
        .flat_map(|(shown, rulings)| {
            let unknown = rulings.rules().filter(|id| !validator.has_rule(id));
            unknown
                .map(|id| format!("{shown}.{id}: no such rule"))
                .collect::<Vec<_>>()
        })
        .collect();
    if unknown.is_empty() {
        return Ok(validator);
    }
    anyhow::bail!(
        "{}\n(`fhir-gateway validate --rules` lists them)",
        unknown.join("\n")
    )
}

/// Whether a config's words can only be judged with the validator loaded.
pub(crate) fn needed(config: &Config) -> bool {
    let own = &config.validation;
    let partners = config.partners.iter().map(|p| &p.rulings);
    let plain = |id: &str| id == "dom-6" || rules::named(id).is_some();
    !own.packages.is_empty()
        || std::iter::once(&own.rulings)
            .chain(partners)
            .any(|rulings| !rulings.rules().all(plain))
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
fn by_name(name: &Name, site: &Folder, cache: bool, into: &mut Vec<Package>) -> anyhow::Result<()> {
    let mut open = vec![(name.clone(), None::<String>)];
    let mut found = Vec::new();
    while let Some((name, by)) = open.pop() {
        let known = |all: &[Package]| all.iter().any(|own| name.is_of(&own.name, &own.version));
        if known(into) || known(&found) {
            continue;
        }
        let package = if let Some(bytes) = site.read(&name)? {
            Package::read(&bytes, &Caps::default()).with_context(|| format!("reading {name}"))?
        } else if let Some(path) = folder::in_cache(&name).filter(|_| cache) {
            from_path(&path)?
        } else {
            let by = by
                .map(|by| format!(", needed by {by},"))
                .unwrap_or_default();
            anyhow::bail!(
                "{name}{by} is not in {}: `fhir-gateway packages add {name} --registry URL` fetches it",
                site.place(cache)
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
