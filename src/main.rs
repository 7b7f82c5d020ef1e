//! The binary: runs the command line and prints what went wrong with its causes.

use std::process::ExitCode;

/// A record is thousands of small pieces on its way through: the system's allocator takes a quarter of
/// the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fhir_gateway::cli::run().unwrap_or_else(|error| {
        eprintln!("fhir-gateway: {error:#}");
        ExitCode::from(2)
    })
}
