//! `fhir-gateway demo`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::demo::play::{self, Options, Played};

/// The exit code of a play in which an expectation did not hold.
const NOT_HELD: u8 = 1;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ends after the recount instead of staying up.
    #[arg(long)]
    once: bool,
    /// Prints one line of JSON at the end; what is said meanwhile goes to standard error.
    #[arg(long, requires = "once")]
    json: bool,
    /// Kills the gateway (SIGKILL) at so many random moments and starts it again.
    #[arg(long, value_name = "N", default_value_t = 0)]
    kill: u32,
    /// Writes every request that a partner or the clinic received, one JSON line each.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Keeps config, database and log in this folder, which must be empty or not there yet.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What chance is drawn from; the same seed plays the same records.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Plays a clinic's week. Exit code 0: every expectation held; 1: one did not; 2: it could not be played.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let options = Options {
        data: args.data,
        kill: args.kill,
        journal: args.journal,
        json: args.json,
        seed: args.seed,
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to run on")?
        .block_on(demo(&options, args.once))
}

async fn demo(options: &Options, once: bool) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    told_to_stop(&stop)?;
    let mut played = play::play(options, stop.clone()).await?;
    let held = played.outcome.held();
    if !once {
        invite(&played);
        stop.cancelled().await;
        played.say.line("");
    }
    let ended_well = played.gateway.stop().await;
    if !(held && ended_well) {
        played.site.keep();
        played.say.line(&format!(
            "Not every expectation held; everything is kept in {}",
            played.site.folder().display()
        ));
    }
    if options.json {
        played.say.json(&played.outcome.json().to_string())?;
    }
    Ok(if held && ended_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_HELD)
    })
}

/// Where to look, and how to get in.
fn invite(played: &Played) {
    let (say, site) = (&played.say, &played.site);
    say.line("");
    say.line("The gateway stays up until you press Ctrl-C. Look at it in a browser:");
    say.line("");
    say.line(&format!("  {}/status", site.gateway()));
    say.line("  name      anything");
    say.line(&format!("  password  {}", site.token("you")));
    say.line("");
    say.line(&format!(
        "or here: fhir-gateway status --url {} --token-file {}/status.token",
        site.gateway(),
        site.folder().display()
    ));
}

/// Listens for Ctrl-C, SIGTERM and a terminal that goes away.
fn told_to_stop(stop: &CancellationToken) -> anyhow::Result<()> {
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signal = signal(kind).context("no signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signal.recv().await;
            stop.cancel();
        });
    }
    Ok(())
}
