//! `fhir-gateway backup` and `restore`: one moment of the database in a file, and back.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use crate::app;
use crate::clock::{Clock, System, Time};
use crate::config::Config;
use crate::store::sqlite;
use crate::sync::ports::Restored;

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// The gateway's config file: says where the database is.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the backup goes; must not exist. Only its owner may read it.
    #[arg(value_name = "TO")]
    to: PathBuf,
}

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// The gateway's config file: says where the database belongs.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The backup.
    #[arg(value_name = "FROM", required_unless_present = "mark_only")]
    from: Option<PathBuf>,
    /// The database was put back by other means (a disk's snapshot, a server's own tools): marks what in it
    /// may have been sent since, and nothing else.
    #[arg(long, conflicts_with_all = ["from", "replace"])]
    mark_only: bool,
    /// Moves the database that is there aside.
    #[arg(long)]
    replace: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Makes a backup.
pub(super) fn back_up(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let config = read(&args.config)?;
    sqlite::backup(file(&config)?, &args.to)?;
    let bytes = std::fs::metadata(&args.to).map_or(0, |m| m.len());
    super::print(&format!(
        "{}: {bytes} bytes, whole. It holds patients' records: keep it as safe as the database.\n",
        args.to.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup back.
pub(super) fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let config = read(&args.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let clock: Arc<dyn Clock> = Arc::new(System::default());
    let now = clock.now();
    let (restored, aside) = match &args.from {
        Some(from) => runtime.block_on(sqlite::restore(from, file(&config)?, args.replace, now))?,
        None => (runtime.block_on(mark(&config, &clock))?, None),
    };
    super::print(&if args.json {
        format!("{}\n", json!({"restored": restored, "moved_aside": aside}))
    } else {
        readable(&restored, aside.as_deref())
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn mark(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Restored> {
    let store = app::open_store(config, clock).await?;
    Ok(store.mark_restored(clock.now()).await?)
}

/// The database file; a server's database is backed up by the server's own tools.
fn file(config: &Config) -> anyhow::Result<&std::path::Path> {
    config.store.file().context(
        "the database is on a PostgreSQL server: back it up and put it back by the server's own tools \
         (pg_dump, base backups), and then run restore --mark-only",
    )
}

fn read(file: &std::path::Path) -> anyhow::Result<Config> {
    Config::read(file).with_context(|| format!("{} is not right", file.display()))
}

/// What was done, and what people have to do now.
fn readable(restored: &Restored, aside: Option<&std::path::Path>) -> String {
    let mut out = String::from("The backup is in its place; start the gateway.\n");
    if let Some(aside) = aside {
        let _ = writeln!(out, "What was there is now {}.", aside.display());
    }
    let newest = restored.newest.map_or_else(
        || "It holds no record".to_owned(),
        |t: Time| format!("Its newest record was accepted at {t}"),
    );
    let _ = writeln!(
        out,
        "{newest}: have the clinic's system hand in again whatever is later. What is there already is \
         recognised.\n\
         {} jobs had not ended and may have been sent since: their partners are asked first.\n\
         {} wait for a person, who asks the partner and presses \"they have it\" or \"they do not\".\n\
         New prescriptions that were signed before now are parked: ask the pharmacy, then press Retry or \
         Cancel.\n\
         {} replays were stopped, and {} proposals are no longer open: look what has arrived, and begin them \
         anew.\n\
         What partners sent since that backup has to be asked of them again.",
        restored.asking, restored.parked, restored.replays, restored.proposals
    );
    out
}
