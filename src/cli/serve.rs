//! `fhir-gateway serve`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::app::{self, Drive};
#[cfg(not(feature = "faults"))]
use crate::clock::System;
use crate::config::Config;
use crate::telemetry;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config file; `check-config --print-default` prints one to begin with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Writes the address that is listened at into this file once it is (for port 0, and for scripts).
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
    /// Ends, too, when standard input does: for a program that starts the gateway and must leave nothing
    /// behind, however it ends itself.
    #[arg(long)]
    until_input_ends: bool,
    #[cfg(feature = "faults")]
    #[command(flatten)]
    faults: super::faults::FaultArgs,
}

/// Runs the gateway until SIGTERM or SIGINT, then drains.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match Config::read(&args.config) {
        Ok(config) => config,
        Err(faults) => {
            for fault in &faults.0 {
                eprintln!("error: {fault}");
            }
            return Ok(ExitCode::from(2));
        }
    };
    telemetry::start_log(config.log.json, &config.log.filter, std::io::stderr);
    for warning in &config.warnings {
        tracing::warn!(warning, "config");
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to run on")?
        .block_on(serve(&config, args))
}

async fn serve(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    // Before anything is started, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals")?;
    #[cfg(not(feature = "faults"))]
    let clock = std::sync::Arc::new(System::default());
    #[cfg(feature = "faults")]
    let clock = args.faults.arm()?;
    let running = app::start(config, clock, Drive::Workers).await?;
    if let Some(file) = &args.address_file {
        // Written beside and renamed, so that a reader never sees half of it.
        let beside = file.with_extension("tmp");
        std::fs::write(&beside, running.address.to_string())
            .and_then(|()| std::fs::rename(&beside, file))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let mut input = args.until_input_ends.then(input_ends);
    let mut pulse = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = ended(&mut input) => break,
            _ = pulse.tick() => {
                if running.is_broken() {
                    running.stop().await;
                    anyhow::bail!("a part of the gateway ended by itself; see the log");
                }
            }
        }
    }
    tracing::info!("stopping");
    running.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Told when standard input ends. Read by a thread of its own, which nobody waits for: a read cannot be
/// called off.
fn input_ends() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // An input that cannot be read has ended, too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = sender.send(());
    });
    receiver
}

/// Waits for the end of the input; for ever where nobody asked for it.
async fn ended(input: &mut Option<oneshot::Receiver<()>>) {
    match input {
        Some(input) => {
            let _ = input.await;
        }
        None => std::future::pending().await,
    }
}
