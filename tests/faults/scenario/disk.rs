//! The disk: full, and forgetful.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Run;
use crate::check::{Evidence, Found, Sent, Wrong, check};
use crate::clinic::Mix;
use crate::look::Look;
use crate::stage::{EHR, Outcome, STRICT, Setup, Stage};

const SECOND: Duration = Duration::from_secs(1);
/// Megabytes of the small disk.
const DISK_MB: u64 = 48;

/// A small disk of its own, where this process may mount one; gone with its owner.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).ok()?;
        let size = format!("size={DISK_MB}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at);
        let mounted = mount.output().is_ok_and(|out| out.status.success());
        mounted.then_some(Disk(at))
    }

    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.0).expect("a disk");
        disk.f_bavail * disk.f_frsize
    }

    /// Puts so much onto it that this much is left.
    fn fill(&self, left: u64) {
        use std::io::Write;
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.0.join("ballast"))
            .expect("a file");
        let chunk = vec![7; 64 << 10];
        while self.free() > left {
            let some = chunk.len().min((self.free() - left) as usize);
            if file.write_all(&chunk[..some.max(1)]).is_err() {
                return;
            }
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("ballast")).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// F8: the disk fills up. First nothing more is taken in, and what was is delivered; then nothing can be
/// written at all, and the process lives; once there is room everything goes on.
pub(crate) async fn full(run: Run) -> Outcome {
    let at = std::env::temp_dir().join(format!("gateway-faults-disk-{:x}", fastrand::u64(..)));
    let Some(disk) = Disk::mount(at.clone()) else {
        let _ = std::fs::remove_dir(&at);
        return limited(run).await;
    };
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[EHR, STRICT],
        data: Some(disk.0.clone()),
        ..run.of_files().setup("full")
    })
    .await;
    stage.open().await;
    stage.drained(None, 10 * SECOND).await;
    stage.partner(EHR).down();
    stage.clinic.send(Mix::default(), 30).await;
    disk.fill(15 << 20);
    stage.faults += 1;
    // Space is looked at before each acceptance: from here on nothing is.
    let before = stage.clinic.acknowledged();
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 4, Duration::from_millis(20));
    tokio::time::sleep(SECOND).await;
    let taken = stage.clinic.acknowledged() - before;
    if taken > 0 {
        found.add(
            Wrong::Held,
            format!("{taken} were taken in with hardly any room"),
        );
    }
    stage.partner(EHR).up();
    if !stage.drained(None, 20 * SECOND).await {
        found.add(
            Wrong::Held,
            "what was accepted is not delivered with little room",
        );
    }
    // Now something is in flight when the last byte is gone.
    disk.empty();
    tokio::time::sleep(SECOND / 2).await;
    disk.fill(0);
    stage.faults += 1;
    tokio::time::sleep(2 * SECOND).await;
    if stage.ended() {
        found.add(Wrong::Held, "the gateway ended when the disk was full");
    }
    disk.empty();
    traffic.stop().await;
    let used = DISK_MB * (1 << 20) - disk.free();
    stage.note(format!(
        "a tmpfs of {DISK_MB} MiB, {} MiB used in the end",
        used >> 20
    ));
    stage.finish(run.rest(), found).await
}

/// The nearest thing where no disk can be mounted: a database that may not grow, until the next start.
async fn limited(run: Run) -> Outcome {
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[EHR, STRICT],
        ..run.of_files().setup("full")
    })
    .await;
    stage.note("no tmpfs can be mounted here: max_page_count instead".to_owned());
    stage.open().await;
    stage.kill();
    // 4 KiB each: the reserve of 16 MiB, and a little.
    let limit = ["--pages-max".to_owned(), "4600".to_owned()];
    stage.start(&limit).await;
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 4, Duration::from_millis(5));
    let look = stage.look();
    let mut before = 0;
    loop {
        tokio::time::sleep(2 * SECOND).await;
        let now = stage.clinic.acknowledged();
        if now == before {
            break;
        }
        before = now;
    }
    stage.faults += 1;
    if !stage.drained(None, 20 * SECOND).await {
        found.add(
            Wrong::Held,
            "what was accepted is not delivered with little room",
        );
    }
    drop(look);
    stage.kill();
    stage.start(&[]).await;
    traffic.stop().await;
    stage.finish(run.rest(), found).await
}

/// F13: what was not yet safe on the disk is lost. The gateway is stopped at random moments, its files are
/// copied as they are, the copies are cut and torn behind what a commit made safe, and opened again. Records
/// come in bursts, one for each copy, so that the database does not grow while the copies are looked at.
///
/// This is not a disk that forgets: the copies come from the page cache, so that nothing is said about
/// whether a `fdatasync` reached the platter; what is said is that everything acknowledged lies before the
/// last commit record of the log, and that a log which ends anywhere opens as a whole number of commits.
pub(crate) async fn copies(run: Run) -> Outcome {
    let mut random = fastrand::Rng::with_seed(run.seed);
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[EHR, STRICT],
        ..run.of_files().setup("copies")
    })
    .await;
    stage.open().await;
    let mut opened = 0;
    for n in 0..run.of(4, 24) {
        let traffic = stage
            .clinic
            .traffic(Mix::default(), 6, Duration::from_millis(5));
        tokio::time::sleep(Duration::from_millis(random.u64(100..500))).await;
        stage.signal(0, "-STOP");
        let mut evidence = stage.evidence();
        let folder = stage.folder().join(format!("copy-{n}"));
        copy(&stage.database(), &folder);
        stage.signal(0, "-CONT");
        traffic.stop().await;
        stage.faults += 1;
        // As it was found: everything that anybody was told.
        let look = Look::alone(&folder.join("gateway.db"));
        look.expect("a copy").read(&mut evidence);
        found.extend(check(&evidence));
        let wal = std::fs::read(folder.join("kept-wal")).expect("a log");
        let safe = committed(&wal);
        let shm = std::fs::read(folder.join("kept-shm")).expect("its index");
        let filled = backfilled(&wal, &shm).min(wal.len());
        for _ in 0..run.of(3, 6) {
            let cut = random.usize(safe.min(wal.len())..=wal.len());
            recover(&folder, &wal, cut, &mut random);
            let mut after = stage_of(&folder);
            after.sent.clone_from(&evidence.sent);
            opened += 1;
            found.extend(check(&after));
            // And anywhere behind what is in the database already (that much of the log was synced before):
            // fewer commits, but whole ones, and the first ones.
            let cut = random.usize(filled..=wal.len());
            recover(&folder, &wal, cut, &mut random);
            let mut after = stage_of(&folder);
            let sent = |name: &crate::check::Name| Sent {
                name: name.clone(),
                answered: true,
                ends: false,
                pharmacy: None,
            };
            after.sent = after.stored.iter().map(sent).collect();
            opened += 1;
            found.extend(check(&after));
            prefix(&folder, &after.stored, &evidence.stored, &mut found);
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }
    stage.note(format!(
        "{opened} cut and torn copies were opened; they come from the page cache, not from a disk that forgets"
    ));
    stage.finish(run.rest(), found).await
}

/// How much of a log a checkpoint has begun to copy into the database: SQLite's index of the log says so
/// (walformat, `nBackfillAttempted` at byte 128, `nBackfill` at byte 96; the machine's byte order).
fn backfilled(wal: &[u8], shm: &[u8]) -> usize {
    let at = |bytes: &[u8], n: usize| -> Option<[u8; 4]> { bytes.get(n..n + 4)?.try_into().ok() };
    let frames = |n| at(shm, n).map_or(0, u32::from_ne_bytes);
    let page = at(wal, 8).map_or(0, u32::from_be_bytes);
    let frames = usize::try_from(frames(96).max(frames(128))).expect("a length");
    32 + frames * (24 + usize::try_from(page).expect("a length"))
}

/// Copies database and log; the log once more, to be cut from.
fn copy(database: &Path, folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let wal = database.with_extension("db-wal");
    let shm = database.with_extension("db-shm");
    for (from, to) in [
        (database, "gateway.db"),
        (database, "kept"),
        (&wal, "gateway.db-wal"),
        (&wal, "kept-wal"),
        (&shm, "kept-shm"),
    ] {
        std::fs::copy(from, folder.join(to)).expect("a copy");
    }
}

/// Puts the copy back as it was, with a log that ends at `cut` in something torn.
fn recover(folder: &Path, wal: &[u8], cut: usize, random: &mut fastrand::Rng) {
    std::fs::copy(folder.join("kept"), folder.join("gateway.db")).expect("a copy");
    let _ = std::fs::remove_file(folder.join("gateway.db-shm"));
    let mut bytes = wal[..cut].to_vec();
    // What the disk was writing when it stopped.
    bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(600));
    std::fs::write(folder.join("gateway.db-wal"), bytes).expect("a log");
}

fn stage_of(folder: &Path) -> Evidence {
    let mut evidence = Evidence {
        attempts_max: u64::MAX,
        ..Evidence::default()
    };
    let look = Look::alone(&folder.join("gateway.db"));
    look.expect("a database").read(&mut evidence);
    evidence
}

/// Where the log's last commit ends (SQLite's file format, section 4): frames of the header's salts, of
/// which one that ends a commit says how many pages the database has.
fn committed(wal: &[u8]) -> usize {
    let word = |at: usize| {
        wal.get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u32::from_be_bytes)
    };
    let frame = 24 + word(8) as usize;
    let mut end = 32;
    let mut at = 32;
    while at + frame <= wal.len() && (word(at + 8), word(at + 12)) == (word(16), word(20)) {
        at += frame;
        if word(at - frame + 4) > 0 {
            end = at;
        }
    }
    end
}

/// What is stored after a loss is what was stored first.
fn prefix(
    folder: &Path,
    stored: &BTreeSet<crate::check::Name>,
    all: &BTreeSet<crate::check::Name>,
    found: &mut Found,
) {
    let look = Look::alone(&folder.join("gateway.db")).expect("a database");
    let gap = look.number("SELECT ifnull(max(rowid), 0) - count(*) FROM version");
    if gap != 0 || !stored.is_subset(all) {
        found.add(
            Wrong::Lost,
            "a log that was cut lost something from its middle",
        );
    }
}
