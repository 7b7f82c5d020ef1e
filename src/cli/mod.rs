//! The command line: one file per command, each with its arguments and a `run`.

mod artefact;
mod backup;
mod check_config;
mod demo;
mod door;
#[cfg(feature = "faults")]
mod faults;
mod fhirpath;
mod jobs;
mod lanes;
mod map;
mod packages;
mod partners;
mod serve;
mod status;
mod token;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Maps, validates and delivers a programme's records to EHRs and pharmacies.
#[derive(Debug, Parser)]
#[command(name = "fhir-gateway", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway.
    Serve(serve::Args),
    /// Tells everything that is wrong with a config file, at once and without the network.
    CheckConfig(check_config::Args),
    /// Copies the database of a gateway, running or not, to a file.
    Backup(backup::BackupArgs),
    /// Puts a backup back, so that nothing in it is sent twice.
    Restore(backup::RestoreArgs),
    /// Plays clinic days against simulated partners and recounts what arrived.
    Demo(demo::Args),
    /// Evaluates FHIRPath on resources.
    Fhirpath(fhirpath::Args),
    /// Finds, shows, retries, cancels and resolves jobs of a running gateway.
    Jobs(jobs::Args),
    /// Shows lines of jobs at a running gateway; holds and releases patients.
    Lanes(lanes::Args),
    /// Shows, pauses, drains, resumes and probes partners of a running gateway.
    Partners(partners::Args),
    /// Maps one record between the clinic's shape, FHIR and SCRIPT.
    Map(map::Args),
    /// Shows what is waiting, retrying, asking and parked at a running gateway.
    Status(status::Args),
    /// Makes a random token for a caller, and its hash for the config.
    Token(token::Args),
    /// Keeps FHIR packages of this site, and writes JSON Schemas.
    Packages(packages::Args),
    /// Validates FHIR resources against profiles.
    Validate(validate::Args),
    /// Makes the compact R4 artefact from a FHIR package.
    #[command(hide = true)]
    BuildArtefact(artefact::Args),
}

/// Reads the arguments of this process and runs the command. The exit code is the command's.
///
/// # Errors
/// What kept the command from doing its work; printed by `main` with its causes.
pub fn run() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Backup(args) => backup::back_up(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Demo(args) => demo::run(args),
        Command::Fhirpath(args) => fhirpath::run(&args),
        Command::Jobs(args) => jobs::run(&args),
        Command::Lanes(args) => lanes::run(&args),
        Command::Partners(args) => partners::run(&args),
        Command::Map(args) => map::run(args),
        Command::Status(args) => status::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Packages(args) => packages::run(args),
        Command::Validate(args) => validate::run(args),
        Command::BuildArtefact(args) => artefact::run(args),
    }
}

/// Writes to standard output; a reader that went away is no error.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}
