//! `fhir-gateway packages`: FHIR packages of this site, kept in `fhir-profiles/` with a lock file.
//!
//! | what | file |
//! | --- | --- |
//! | the command | here |
//! | the folder, its lock file, and where else a package may stand | `crate::definitions::folder` |
//! | a registry, by npm's protocol | `registry` |
//!
//! A package is kept as it came, under its hash; one whose bytes changed since is refused.

mod registry;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use self::registry::Registry;
use crate::definitions::folder::{Folder, Name};
use crate::definitions::{self, folder};
use crate::fhir::package::{Caps, Package};
use crate::fhir::validate::Validator;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Takes a package and all that it needs into the folder, and locks their hashes.
    Add(Add),
    /// Shows the packages of the folder, and whether each is what was locked.
    List(List),
    /// Writes the JSON Schema of a resource type or of the type that a profile constrains.
    JsonSchema(JsonSchema),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// NAME@VERSION, or a package's .tgz file.
    #[arg(value_name = "NAME@VERSION|TGZ")]
    package: String,
    /// A FHIR package registry, for what is in no folder of this machine.
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// A file of PEM certificates that the registry's is signed by.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Where packages are kept.
    #[arg(long, value_name = "FOLDER", default_value = folder::DEFAULT)]
    folder: PathBuf,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Where packages are kept.
    #[arg(long, value_name = "FOLDER", default_value = folder::DEFAULT)]
    folder: PathBuf,
}

#[derive(Debug, clap::Args)]
struct JsonSchema {
    /// A resource type, or the address of a profile.
    #[arg(value_name = "TYPE|PROFILE")]
    profile: String,
    /// A package to load beside R4: a .tgz, a folder, or NAME@VERSION; may be repeated.
    #[arg(long, value_name = "TGZ|FOLDER|NAME@VERSION")]
    package: Vec<PathBuf>,
}

/// Who asks for the package that the command names.
const ASKED: &str = "you";

/// Runs the command.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Add(args) => add(&args),
        Command::List(args) => list(&args),
        Command::JsonSchema(args) => json_schema(&args),
    }
}

fn add(args: &Add) -> anyhow::Result<ExitCode> {
    let mut folder = Folder::open(&args.folder)?;
    let registry = match &args.registry {
        Some(url) => Some(Registry::new(url, args.ca_file.clone())?),
        None => None,
    };
    let mut open: Vec<(Name, String)> = Vec::new();
    let mut out = String::new();
    let file = PathBuf::from(&args.package);
    let take = |folder: &mut Folder, bytes: &[u8], source: &str, open: &mut Vec<_>| {
        let package =
            Package::read(bytes, &Caps::default()).with_context(|| format!("reading {source}"))?;
        let name = Name::new(&package.name, &package.version)
            .with_context(|| format!("the package from {source} names itself wrongly"))?;
        let needs = package.dependencies.iter();
        for (needed, version) in needs.filter(|(needed, _)| !folder::embedded(needed)) {
            let needed = Name::new(needed, version)
                .with_context(|| format!("{name} names a dependency wrongly"))?;
            open.push((needed, name.to_string()));
        }
        let sha = folder.keep(&name, bytes, source, &package.dependencies)?;
        anyhow::Ok(format!("{name}  sha256 {sha}  from {source}\n"))
    };
    if file.is_file() {
        let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        out += &take(&mut folder, &bytes, &args.package, &mut open)?;
    } else {
        open.push((Name::parse(&args.package)?, ASKED.to_owned()));
    }
    while let Some((name, by)) = open.pop() {
        if folder.holds(&name) {
            if by == ASKED {
                out += &format!("{name}  is here already\n");
            }
            continue;
        }
        anyhow::ensure!(
            folder.len() < folder::PACKAGES_MAX,
            "more than {} packages: something needs too much",
            folder::PACKAGES_MAX
        );
        let found = match &registry {
            Some(registry) => registry.fetch(&name).map(Some),
            None => folder::from_cache(&name)
                .map(|found| found.map(|bytes| (bytes, "cache".to_owned()))),
        };
        let found = found.with_context(|| format!("{name}, asked for by {by}"))?;
        let (bytes, source) = found.with_context(|| {
            format!(
                "{name}, asked for by {by}, is in no folder of this machine: \
                 name a registry (--registry), or add its .tgz first"
            )
        })?;
        out += &take(&mut folder, &bytes, &source, &mut open)?;
    }
    folder.save()?;
    super::print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn list(args: &List) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(&args.folder)?;
    let mut out = String::new();
    let mut whole = true;
    for (name, entry) in folder.all() {
        let state = match folder.read(&name) {
            Ok(_) => "whole".to_owned(),
            Err(error) => {
                whole = false;
                format!("{error:#}")
            }
        };
        out += &format!("{name}  {}  from {}  {state}\n", entry.sha256, entry.source);
    }
    super::print(&out)?;
    Ok(ExitCode::from(u8::from(!whole)))
}

fn json_schema(args: &JsonSchema) -> anyhow::Result<ExitCode> {
    let validator = Validator::load(definitions::read(&args.package, &[])?);
    let schema = validator.schema(&args.profile).with_context(|| {
        format!(
            "{} is neither a resource type nor a profile that was loaded",
            args.profile
        )
    })?;
    super::print(&format!("{schema:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}
