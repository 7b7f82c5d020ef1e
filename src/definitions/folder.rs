//! The folder of packages: `packages/NAME-VERSION.tgz` below it, and `packages.lock` beside them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Where packages are kept unless the command says otherwise.
pub(crate) const DEFAULT: &str = "fhir-profiles";

/// How many packages one folder may hold.
pub(crate) const PACKAGES_MAX: usize = 200;

/// Packages whose content is in the binary.
pub(crate) fn embedded(name: &str) -> bool {
    matches!(name, "hl7.fhir.r4.core" | "hl7.fhir.r4.expansions")
}

/// A package's name and version, each of plain characters only: both become parts of paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Name {
    pub(crate) fn new(name: &str, version: &str) -> anyhow::Result<Name> {
        let plain = |text: &str| {
            !text.is_empty()
                && text.len() <= 120
                && !text.starts_with('.')
                && !text.contains("..")
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'))
        };
        anyhow::ensure!(
            plain(name) && plain(version),
            "a package is named by letters, digits, dots and hyphens, and so is its version"
        );
        Ok(Name {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }

    /// Reads `NAME@VERSION` or `NAME#VERSION`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Name> {
        let (name, version) = text
            .split_once(['@', '#'])
            .with_context(|| format!("{text} is neither a file nor NAME@VERSION"))?;
        Name::new(name, version)
    }

    /// Whether a package of this name and version is the one meant.
    pub(crate) fn is_of(&self, name: &str, version: &str) -> bool {
        self.name == name && self.means(version)
    }

    /// Whether a version is the one meant, which may end with `.x`.
    pub(crate) fn means(&self, version: &str) -> bool {
        match self.version.strip_suffix(".x") {
            Some(begin) => version
                .strip_prefix(begin)
                .is_some_and(|rest| rest.starts_with('.')),
            None => self.version == version,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// A package as it was locked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    name: String,
    version: String,
    pub(crate) sha256: String,
    pub(crate) source: String,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    #[serde(default)]
    package: Vec<Entry>,
}

/// A folder of packages, as its lock file has it.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    entries: BTreeMap<Name, Entry>,
}

impl Folder {
    /// Reads the lock file; a folder without one holds nothing.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Folder> {
        let path = root.join("packages.lock");
        let lock = match std::fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Lock::default(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let mut entries = BTreeMap::new();
        for entry in lock.package {
            entries.insert(Name::new(&entry.name, &entry.version)?, entry);
        }
        Ok(Folder {
            root: root.to_owned(),
            entries,
        })
    }

    fn file(&self, name: &Name) -> PathBuf {
        let file = format!("{}-{}.tgz", name.name, name.version);
        self.root.join("packages").join(file)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Name, &Entry)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name.clone(), entry))
    }

    /// Where packages are looked for, in words.
    pub(crate) fn place(&self, cache: bool) -> String {
        let lock = self.root.join("packages.lock");
        match cache {
            true => format!("{}, nor in ~/.fhir/packages", lock.display()),
            false => lock.display().to_string(),
        }
    }

    /// The locked package that a name means; of several versions the greatest.
    fn find(&self, name: &Name) -> Option<&Name> {
        let fits = |own: &&Name| own.name == name.name && name.means(&own.version);
        self.entries
            .keys()
            .filter(fits)
            .max_by_key(|own| order(&own.version))
    }

    pub(crate) fn holds(&self, name: &Name) -> bool {
        self.find(name).is_some()
    }

    /// A package's bytes, if they are those that were locked.
    pub(crate) fn read(&self, name: &Name) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(own) = self.find(name) else {
            return Ok(None);
        };
        let path = self.file(own);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        anyhow::ensure!(
            self.entries
                .get(own)
                .is_some_and(|entry| entry.sha256 == sha256(&bytes)),
            "{} is not what was locked: its hash differs",
            path.display()
        );
        Ok(Some(bytes))
    }

    /// Keeps a package's bytes under its name, and its hash for the lock file.
    pub(crate) fn keep(
        &mut self,
        name: &Name,
        bytes: &[u8],
        source: &str,
        needs: &[(String, String)],
    ) -> anyhow::Result<String> {
        let sha256 = sha256(bytes);
        if let Some(entry) = self.entries.get(name) {
            anyhow::ensure!(
                entry.sha256 == sha256,
                "{name} is already locked with another hash: remove it from packages.lock first"
            );
        }
        let path = self.file(name);
        let folder = path.parent().unwrap_or(&self.root);
        let writing = || format!("writing {}", path.display());
        std::fs::create_dir_all(folder).with_context(writing)?;
        std::fs::write(&path, bytes).with_context(writing)?;
        let entry = Entry {
            name: name.name.clone(),
            version: name.version.clone(),
            sha256: sha256.clone(),
            source: source.to_owned(),
            dependencies: needs.iter().cloned().collect(),
        };
        self.entries.insert(name.clone(), entry);
        Ok(sha256)
    }

    /// Writes the lock file.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let lock = Lock {
            package: self.entries.values().cloned().collect(),
        };
        let path = self.root.join("packages.lock");
        let writing = || format!("writing {}", path.display());
        let text = toml::to_string_pretty(&lock).with_context(writing)?;
        let text = format!("# Written by `fhir-gateway packages add`.\n\n{text}");
        let beside = path.with_extension("lock.new");
        std::fs::write(&beside, text).with_context(writing)?;
        std::fs::rename(&beside, &path).with_context(writing)
    }
}

/// A version to be ordered by: its numbers; a pre-release comes before its release.
pub(crate) fn order(version: &str) -> (Vec<u64>, bool) {
    let (numbers, release) = match version.split_once('-') {
        Some((numbers, _)) => (numbers, false),
        None => (version, true),
    };
    let numbers = numbers.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.collect(), release)
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A digest as hash files write it.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The folder where FHIR's own tools keep packages, unpacked.
#[expect(clippy::disallowed_methods, reason = "the roof may ask where home is")]
fn cache() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var("HOME").ok()?).join(".fhir/packages"))
}

/// The unpacked package that FHIR's own tools have of this name; of several versions the greatest.
pub(crate) fn in_cache(name: &Name) -> Option<PathBuf> {
    greatest(&cache()?, name)
}

fn greatest(cache: &Path, name: &Name) -> Option<PathBuf> {
    let folders = std::fs::read_dir(cache).ok()?.flatten();
    let found = folders.filter_map(|entry| {
        let path = entry.path();
        let version = entry
            .file_name()
            .to_str()?
            .split_once('#')
            .filter(|(own, _)| *own == name.name)?
            .1
            .to_owned();
        let whole = name.means(&version) && path.join("package/package.json").is_file();
        whole.then_some((order(&version), path))
    });
    found
        .max_by_key(|(order, _)| order.clone())
        .map(|(_, path)| path)
}

/// A package of that folder, packed again: the same files in the order of their names.
pub(crate) fn from_cache(name: &Name) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(found) = in_cache(name) else {
        return Ok(None);
    };
    let folder = found.join("package");
    let reading = || format!("reading {}", folder.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_file() && path.extension().is_some_and(|end| end == "json") {
            files.push(path);
        }
    }
    files.sort();
    let gz = flate2::GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), flate2::Compression::default());
    let mut tar = tar::Builder::new(gz);
    for path in files {
        let bytes = std::fs::read(&path).with_context(reading)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).unwrap_or(0));
        header.set_mode(0o644);
        let name = Path::new("package").join(path.file_name().unwrap_or_default());
        tar.append_data(&mut header, name, bytes.as_slice())
            .with_context(reading)?;
    }
    let gz = tar.into_inner().with_context(reading)?;
    Ok(Some(gz.finish().with_context(reading)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_ends_with_x_is_the_greatest_of_the_cache() {
        let cache = std::env::temp_dir().join(format!("fhir-cache-{}", std::process::id()));
        for version in ["1.2.3", "1.10.0-ballot", "1.10.0", "1.9.9", "2.0.0"] {
            let folder = cache.join(format!("an.example#{version}/package"));
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("package.json"), "{}").expect("a file");
        }
        std::fs::create_dir_all(cache.join("an.example#1.11.0")).expect("a folder");
        let found = |text: &str| {
            let path = greatest(&cache, &Name::parse(text).expect("a name"))?;
            Some(path.file_name()?.to_string_lossy().into_owned())
        };
        assert_eq!(
            found("an.example@1.x").as_deref(),
            Some("an.example#1.10.0")
        );
        assert_eq!(
            found("an.example@1.2.x").as_deref(),
            Some("an.example#1.2.3")
        );
        assert_eq!(
            found("an.example@1.10.0-ballot").as_deref(),
            Some("an.example#1.10.0-ballot")
        );
        assert_eq!(found("an.example@1.11.0"), None);
        assert_eq!(found("another@1.x"), None);
        std::fs::remove_dir_all(&cache).expect("removed");
    }
}
