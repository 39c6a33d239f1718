//! Processes of a story, told by their executable.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Story;

/// How long something that must happen may take: far longer than it ever takes, so that a test
/// which runs out of it has found something.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so. A tenth of a trial's length between two looks.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "waited in vain until {what}");
        sleep(Duration::from_millis(2));
    }
}

/// One process of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Its first argument: `run`, `trial`, `keeper`.
    pub(crate) verb: String,
}

impl Story {
    /// All living processes of this story's binary. A zombie has no executable any more.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let binary = self.binary();
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == binary))
            .filter_map(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
                let verb = line.split(|b| *b == 0).nth(1)?;
                let verb = String::from_utf8_lossy(verb).into_owned();
                Some(Process { pid, verb })
            })
            .collect()
    }

    /// Waits until no process of this story is left.
    #[track_caller]
    pub(crate) fn wait_for_silence(&self) {
        wait_until("no process of the tool is left", || {
            self.processes().is_empty()
        });
    }
}

/// The values of a key (`prog_id`) in the descriptors of a process.
pub(crate) fn in_descriptors(pid: i32, key: &str) -> Vec<u32> {
    let dir = format!("/proc/{pid}/fdinfo");
    let Ok(entries) = fs::read_dir(Path::new(&dir)) else {
        return Vec::new();
    };
    let value = |text: String| {
        text.lines()
            .find_map(|l| l.strip_prefix(key)?.strip_prefix(':')?.trim().parse().ok())
    };
    let mut found: Vec<u32> = entries
        .flatten()
        .filter_map(|e| value(fs::read_to_string(e.path()).ok()?))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
