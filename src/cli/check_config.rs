//! `fhir-gateway check-config`: everything that is wrong with a file, at once, without the network.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::config::{Config, manual};
use crate::definitions;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file. Files that it names are looked for beside it.
    #[arg(required_unless_present = "print_default")]
    file: Option<PathBuf>,
    /// Prints the default config, which is the manual: every key, its default and what it means.
    #[arg(long, conflicts_with = "file")]
    print_default: bool,
}

/// Checks a config file. Exit code 0: it can be served; 2: it cannot.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.print_default {
        super::print(&manual())?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = args.file.as_ref().context("a file is needed")?;
    match Config::read(file) {
        Ok(config) => {
            if definitions::needed(&config)
                && let Err(error) = definitions::validator(&config, None)
            {
                eprintln!("error: {error:#}");
                return Ok(ExitCode::from(2));
            }
            for warning in &config.warnings {
                eprintln!("warning: {warning}");
            }
            super::print(&format!(
                "{}: good. {} tenants, {} partners, {} routes, {} tokens.\n",
                file.display(),
                config.tenants.len(),
                config.partners.len(),
                config.routes.len(),
                config.tokens.len()
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in &faults.0 {
                eprintln!("error: {fault}");
            }
            eprintln!("{}: {} wrong.", file.display(), faults.0.len());
            Ok(ExitCode::from(2))
        }
    }
}
