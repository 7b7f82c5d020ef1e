//! `fhir-gateway build-artefact`: for developers, makes `fhir-profiles/r4.jsonl.gz` again.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::fhir::artefact;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The package `hl7.fhir.r4.core`, as a `.tgz`.
    #[arg(long, value_name = "TGZ")]
    package: PathBuf,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Builds and writes the artefact; prints both hashes for `fhir-profiles/SOURCES.md`.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let tgz = std::fs::read(&args.package)
        .with_context(|| format!("reading {}", args.package.display()))?;
    let bytes = artefact::build(&tgz).context("building the artefact")?;
    std::fs::write(&args.out, &bytes).with_context(|| format!("writing {}", args.out.display()))?;
    println!("package  sha256 {}", hex(&tgz));
    println!("artefact sha256 {} ({} bytes)", hex(&bytes), bytes.len());
    Ok(ExitCode::SUCCESS)
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
