//! The gateway as a child process: started, killed, started again on the same folder, ended.
//!
//! The child's standard input is a pipe that only this process holds: however this process ends, the
//! pipe closes, and the child with it (`serve --until-input-ends`). Must never end a process that it
//! did not start.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::demo::sim::door::Door;
use crate::demo::site::Site;

/// How long it may take to listen.
const START: Duration = Duration::from_secs(30);
/// How long it may take to end when asked.
const STOP: Duration = Duration::from_secs(15);

/// The child. Cheap to clone; the process ends at the latest with the last clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    program: PathBuf,
    folder: PathBuf,
    door: Door,
    clock: Arc<dyn Clock>,
    child: Mutex<Option<Child>>,
    kills: AtomicU64,
}

impl Gateway {
    /// The gateway of this site, not started yet. `door`: a caller that may look.
    ///
    /// # Errors
    /// This program's own file is not to be found.
    pub fn of(site: &Site, door: Door, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Ok(Gateway {
            inner: Arc::new(Inner {
                program: std::env::current_exe().context("where is this program?")?,
                folder: site.folder().to_owned(),
                door,
                clock,
                child: Mutex::new(None),
                kills: AtomicU64::new(0),
            }),
        })
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, ends at once, or does not answer in time.
    pub async fn start(&self) -> anyhow::Result<()> {
        let mut child = self.inner.child.lock().await;
        if child.is_none() {
            *child = Some(self.spawn()?);
        }
        let begun = self.inner.clock.monotonic();
        loop {
            if let Some(running) = child.as_mut()
                && let Some(status) = running.try_wait().context("the child is lost")?
            {
                *child = None;
                bail!(
                    "the gateway ended ({status}); its last words are in {}",
                    self.inner.folder.join("gateway.log").display()
                );
            }
            if self
                .inner
                .door
                .read("/ready")
                .await
                .is_some_and(|heard| heard.status == 200)
            {
                return Ok(());
            }
            if self.inner.clock.monotonic().saturating_sub(begun) > START {
                bail!("the gateway does not answer");
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let log = self.log()?;
        Command::new(&self.inner.program)
            .args(["serve", "--config", "gateway.toml", "--until-input-ends"])
            .current_dir(&self.inner.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C is for the play, which then ends its child.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("the gateway cannot be started")
    }

    fn log(&self) -> anyhow::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.inner.folder.join("gateway.log"))
            .context("cannot write the gateway's log")
    }

    /// Kills it (SIGKILL) and starts it again, without waiting until it answers.
    ///
    /// # Errors
    /// It cannot be started again.
    pub async fn kill(&self) -> anyhow::Result<()> {
        let mut child = self.inner.child.lock().await;
        let Some(mut running) = child.take() else {
            return Ok(());
        };
        running.kill().await.context("the child cannot be killed")?;
        self.inner.kills.fetch_add(1, Ordering::Relaxed);
        *child = Some(self.spawn()?);
        Ok(())
    }

    /// How often it was killed.
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.inner.kills.load(Ordering::Relaxed)
    }

    /// Whether it runs; if not, why the play cannot go on.
    ///
    /// # Errors
    /// It has ended by itself.
    pub async fn check(&self) -> anyhow::Result<()> {
        let mut child = self.inner.child.lock().await;
        match child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => Ok(()),
            Some(Ok(Some(status))) => bail!("the gateway ended by itself ({status})"),
            Some(Err(e)) => Err(e).context("the child is lost"),
            None => bail!("the gateway does not run"),
        }
    }

    /// Ends it: it drains, and is killed if that takes too long. Whether it ended well.
    pub async fn stop(&self) -> bool {
        let Some(mut running) = self.inner.child.lock().await.take() else {
            return true;
        };
        drop(running.stdin.take());
        match tokio::time::timeout(STOP, running.wait()).await {
            Ok(status) => status.is_ok_and(|s| s.success()),
            Err(_) => {
                // Ends with the drop, and is waited for here.
                let _ = running.kill().await;
                false
            }
        }
    }
}
