//! FHIR packages (`.tgz` with a `package/` folder) to facts, from bytes.
//!
//! An archive is foreign input: its sizes are capped before anything is kept, and links, absolute
//! paths and steps upwards are refused. This module opens no file.

use std::io::Read;

use serde_json::Value;

use super::facts::Definitions;
use crate::json::{self, Limits};

/// What a package may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Entries of the archive.
    pub entries: usize,
    /// Bytes of one file, unpacked.
    pub file_bytes: u64,
    /// Bytes of all files, unpacked.
    pub total_bytes: u64,
    /// How many times its own size an archive may unpack to, where that is more than [`RATIO_FROM`] bytes.
    pub ratio: u64,
}

/// Below so many unpacked bytes nobody asks how well they were packed.
pub const RATIO_FROM: u64 = 16 << 20;

impl Default for Caps {
    fn default() -> Self {
        Caps {
            // The largest of HL7's own (its terminology): 4,100 entries, 5 MB a file, 42 MB in all, 15 times its size.
            entries: 50_000,
            file_bytes: 24 << 20,
            total_bytes: 512 << 20,
            ratio: 40,
        }
    }
}

/// A package that was read.
#[derive(Debug, Default)]
pub struct Package {
    /// Name: `hl7.fhir.us.core`.
    pub name: String,
    /// Version.
    pub version: String,
    /// Names and versions of the packages that it needs.
    pub dependencies: Vec<(String, String)>,
    /// Its definitions.
    pub definitions: Definitions,
}

/// Why a package could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The archive is broken.
    #[error("not a readable .tgz archive")]
    Archive(#[source] std::io::Error),
    /// An entry that leaves the folder, or is a link.
    #[error("the archive holds a link or a path that leaves its folder")]
    Path,
    /// Beyond [`Caps`].
    #[error("the archive is larger than the limits allow: more than {0}")]
    TooLarge(String),
    /// A definition is not JSON.
    #[error("a definition in the archive is not readable JSON ({0})")]
    Json(String),
    /// There is no `package/package.json`.
    #[error("the archive holds no package/package.json: not a FHIR package")]
    NoManifest,
}

/// Limits for definitions: long and deep, but not without end.
pub const DEFINITION_LIMITS: Limits = Limits {
    bytes_max: 64 << 20,
    depth_max: 120,
    digits_max: 400,
    exponent_max: 400,
};

/// Calls `each` with the name (below `package/`) and the bytes of every JSON file of an archive.
///
/// # Errors
/// What is wrong with the archive.
pub fn files(
    tgz: &[u8],
    caps: &Caps,
    mut each: impl FnMut(&str, &[u8]) -> Result<(), PackageError>,
) -> Result<(), PackageError> {
    let own = u64::try_from(tgz.len()).unwrap_or(u64::MAX);
    let packed = RATIO_FROM.max(own.saturating_mul(caps.ratio));
    let most = caps.total_bytes.min(packed);
    let unpacked = flate2::read::GzDecoder::new(tgz).take(most + 1);
    let mut archive = tar::Archive::new(unpacked);
    let mut total = 0;
    let mut bytes = Vec::new();
    for (count, entry) in archive
        .entries()
        .map_err(PackageError::Archive)?
        .enumerate()
    {
        let mut entry = entry.map_err(PackageError::Archive)?;
        if count >= caps.entries {
            let words = format!("{} entries", caps.entries);
            return Err(PackageError::TooLarge(words));
        }
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(PackageError::Path);
        }
        let path = entry.path().map_err(PackageError::Archive)?.into_owned();
        let steps: Vec<String> = path
            .components()
            .filter_map(|step| match step {
                std::path::Component::CurDir => None,
                std::path::Component::Normal(name) => Some(Ok(name.to_string_lossy().into_owned())),
                _ => Some(Err(PackageError::Path)),
            })
            .collect::<Result<_, _>>()?;
        if !kind.is_file() {
            continue;
        }
        total += entry.size();
        if entry.size() > caps.file_bytes {
            let words = format!("{} bytes in one file", caps.file_bytes);
            return Err(PackageError::TooLarge(words));
        }
        if total > most {
            let words = match packed < caps.total_bytes {
                true => format!("{} times its own size", caps.ratio),
                false => format!("{} bytes in all", caps.total_bytes),
            };
            return Err(PackageError::TooLarge(words));
        }
        let [root, rest @ ..] = steps.as_slice() else {
            continue;
        };
        let name = rest.join("/");
        if root != "package" || !name.ends_with(".json") {
            continue;
        }
        bytes.clear();
        entry
            .read_to_end(&mut bytes)
            .map_err(PackageError::Archive)?;
        each(&name, &bytes)?;
    }
    Ok(())
}

/// Whether a file's name says that it holds nothing for a validator.
#[must_use]
pub fn passed_over(name: &str) -> bool {
    const OTHER: &[&str] = &[
        ".",
        "SearchParameter-",
        "OperationDefinition-",
        "CapabilityStatement-",
        "ConceptMap-",
        "StructureMap-",
        "NamingSystem-",
        "CompartmentDefinition-",
    ];
    name.contains('/') || OTHER.iter().any(|prefix| name.starts_with(prefix))
}

impl Package {
    /// Reads a package.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(tgz: &[u8], caps: &Caps) -> Result<Package, PackageError> {
        let mut package = Package::default();
        let mut manifest = false;
        files(tgz, caps, |name, bytes| {
            if passed_over(name) {
                return Ok(());
            }
            let value = parse(bytes)?;
            if name == "package.json" {
                manifest = true;
                package.manifest(&value);
            } else {
                package.definitions.add(&value);
            }
            Ok(())
        })?;
        if manifest {
            Ok(package)
        } else {
            Err(PackageError::NoManifest)
        }
    }

    /// Takes in a `package.json`.
    pub fn manifest(&mut self, value: &Value) {
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        self.name = text(value.get("name"));
        self.version = text(value.get("version"));
        let needs = value.get("dependencies").and_then(Value::as_object);
        self.dependencies = needs
            .into_iter()
            .flatten()
            .map(|(name, version)| (name.clone(), text(Some(version))))
            .collect();
    }
}

/// Reads one definition's bytes.
///
/// # Errors
/// [`PackageError::Json`] with the rule that was broken.
pub fn parse(bytes: &[u8]) -> Result<Value, PackageError> {
    json::read(bytes, &DEFINITION_LIMITS)
        .map(|document| document.value)
        .map_err(|issue| PackageError::Json(issue.rule.into_owned()))
}

#[cfg(test)]
mod tests;
