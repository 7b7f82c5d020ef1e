//! The checkpoint: what stands in the log (WAL) is copied into the database beside the writer, so that no
//! commit has to wait for it.
//!
//! A log is begun anew only once all of it has been copied. While calls keep coming, a copy made beside
//! the writer never ends with all of it; so the writer copies the rest, which is short by then, between
//! two commits. Nobody waits for either to be told of a commit. If the thread is missing, slow or kept
//! from it, the writer copies all of it itself at [`MOST`]: the log cannot grow without end, unless
//! somebody reads an old moment for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::writer::tune;

/// Pages in the log from which it is copied: 8 MB.
const FROM: u32 = 2000;
/// Pages from which the writer copies all of it: 64 MB.
const MOST: u32 = 16_000;
/// Pages that are a short rest.
const SHORT: u32 = 200;
/// How often what came meanwhile is copied before the rest is left to the writer.
const ROUNDS: u32 = 3;

/// Checkpoints of a database, for its writer.
pub(super) struct Checkpoints {
    /// Pages in the log after the newest commit.
    pages: Arc<AtomicU32>,
    beside: Option<Beside>,
}

/// A thread that copies.
struct Beside {
    wake: Option<SyncSender<()>>,
    /// It has copied nearly all: the rest is the writer's.
    nearly: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Of the database of this connection, which makes none of its own from now on.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) fn of(writer: &mut Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let told = pages.clone();
        // It takes the place of SQLite's own, which copies within a commit.
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            told.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Checkpoints {
            pages,
            beside: None,
        })
    }

    /// Pages in the log.
    #[cfg(test)]
    pub(super) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// After a commit, when those who waited for it have been told.
    pub(super) fn committed(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < FROM {
            if let Some(beside) = &self.beside {
                // Said of a log that has been begun anew since.
                beside.nearly.store(false, Ordering::Relaxed);
            }
            return;
        }
        if self.beside.is_none() {
            self.beside = Beside::start(writer, self.pages.clone());
        }
        let rest_is_ours = match &self.beside {
            Some(beside) => beside.nearly.swap(false, Ordering::Acquire) || pages >= MOST,
            None => true,
        };
        if rest_is_ours {
            // What cannot be copied now stays in the log, and is tried again.
            drop(copy(writer));
        } else if let Some(wake) = self.beside.as_ref().and_then(|b| b.wake.as_ref()) {
            // It is at it already, if it cannot be woken.
            let _ = wake.try_send(());
        }
    }
}

impl Beside {
    /// Starts one; `None`: it cannot be had now.
    fn start(writer: &Connection, pages: Arc<AtomicU32>) -> Option<Self> {
        let connection = beside(writer).ok()?;
        let nearly = Arc::new(AtomicBool::new(false));
        let (wake, woken) = sync_channel(1);
        let tells = nearly.clone();
        let thread = std::thread::Builder::new()
            .name("store-copier".to_owned())
            .spawn(move || work(&connection, &woken, &pages, &tells))
            .ok()?;
        Some(Beside {
            wake: Some(wake),
            nearly,
            thread: Some(thread),
        })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A second connection, which waits for the disk as the writer's does.
fn beside(writer: &Connection) -> rusqlite::Result<Connection> {
    let path = writer.path().unwrap_or_default();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    tune(&mut connection)?;
    let synchronous: i64 = writer.pragma_query_value(None, "synchronous", |r| r.get(0))?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

fn work(connection: &Connection, woken: &Receiver<()>, pages: &AtomicU32, nearly: &AtomicBool) {
    while woken.recv().is_ok() {
        for _ in 0..ROUNDS {
            let Ok(copied) = copy(connection) else { break };
            let rest = pages.load(Ordering::Relaxed).saturating_sub(copied);
            if rest <= SHORT {
                break;
            }
        }
        nearly.store(true, Ordering::Release);
    }
}

/// Copies what nobody needs in the log, without waiting for anybody: how many of its pages are copied.
fn copy(connection: &Connection) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
        .query_row([], |r| r.get::<_, i64>(2))
        .map(|pages| u32::try_from(pages).unwrap_or(0))
}
