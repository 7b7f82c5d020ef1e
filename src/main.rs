//! The binary: runs the command line and prints what went wrong with its causes.

use std::process::ExitCode;

fn main() -> ExitCode {
    fhir_gateway::cli::run().unwrap_or_else(|error| {
        eprintln!("fhir-gateway: {error:#}");
        ExitCode::from(2)
    })
}
