//! What the machine says of a process and of its disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};

/// CPU that a process has used, and that of it by its thread of that name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) all: Duration,
    pub(crate) writer: Duration,
}

impl Cpu {
    /// Of a process, until now.
    pub(crate) fn of(pid: u32) -> Self {
        let mut cpu = Cpu::default();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
        for task in tasks.flatten() {
            // The first number of schedstat: nanoseconds on a CPU.
            let read = |name: &str| std::fs::read_to_string(task.path().join(name));
            let (Ok(stat), Ok(name)) = (read("schedstat"), read("comm")) else {
                continue;
            };
            let nanos = stat.split(' ').next().and_then(|n| n.parse().ok());
            let used = Duration::from_nanos(nanos.unwrap_or(0));
            cpu.all += used;
            if name.trim() == "store-writer" {
                cpu.writer += used;
            }
        }
        cpu
    }

    /// What was used since.
    pub(crate) fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            all: self.all.saturating_sub(earlier.all),
            writer: self.writer.saturating_sub(earlier.writer),
        }
    }
}

/// CPU that a process and its children have used, those that have ended too.
pub(crate) fn cpu_of_family(pid: u32) -> Duration {
    // A hundredth of a second each, everywhere on Linux.
    const TICK: Duration = Duration::from_millis(10);
    let mut ticks = 0;
    for process in std::fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else {
            continue;
        };
        // After the name, which may hold anything: state, parent, …; times are the 14th to 17th of all.
        let Some((before, after)) = stat.rsplit_once(") ") else {
            continue;
        };
        let fields: Vec<&str> = after.split(' ').collect();
        let number = |n: usize| {
            fields
                .get(n)
                .and_then(|f| f.parse::<u32>().ok())
                .unwrap_or(0)
        };
        let own = before.split(' ').next() == Some(&pid.to_string());
        if own || number(1) == pid {
            ticks += number(11) + number(12);
        }
        if own {
            ticks += number(13) + number(14);
        }
    }
    TICK * ticks
}

/// Resident memory of a process, in MB.
pub(crate) fn rss_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    let kb = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}

/// How often a second one page can be written to the disk of a folder and be there for good.
pub(crate) fn fdatasync_per_s(folder: &Path) -> f64 {
    let path = folder.join("fdatasync");
    let file = File::create(&path).expect("a file");
    let clock = System::default();
    let page = [7; 4096];
    file.write_all_at(&[0; 1 << 20], 0).expect("room");
    file.sync_all().expect("synced");
    let begun = clock.monotonic();
    let mut n = 0_u32;
    while clock.monotonic() - begun < Duration::from_secs(1) {
        file.write_all_at(&page, u64::from(n % 256) * 4096)
            .expect("written");
        file.sync_data().expect("synced");
        n += 1;
    }
    let took = clock.monotonic() - begun;
    let _ = std::fs::remove_file(path);
    f64::from(n) / took.as_secs_f64()
}
