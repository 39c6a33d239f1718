//! What a cgroup used, and which of its limits it met. A file that is not there gives no figure.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::{Cgroup, Version};

/// What the kernel counted in a jail's cgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Most memory at any time (v2 `memory.peak`, since Linux 5.19; v1 `memory.max_usage_in_bytes`).
    pub memory_peak_bytes: Option<u64>,
    /// How often a charge ran into the memory limit (v2 `max` of `memory.events`; v1 `memory.failcnt`).
    pub memory_limit_hits: Option<u64>,
    /// Processes that the kernel killed for memory.
    pub oom_kills: Option<u64>,
    /// Forks that the pids limit refused (`max` of `pids.events`).
    pub pids_refused: Option<u64>,
    /// Processor time (v2 `cpu.stat`), also of what nobody waited for.
    pub cpu_us: Option<u64>,
    /// How the processor quota was felt.
    pub throttled: Option<Throttled>,
}

/// Waiting for the next period of a processor quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Throttled {
    /// Periods that there were.
    pub periods: u64,
    /// Periods in which something had to wait.
    pub throttled: u64,
    /// How long, summed over processors.
    pub time_us: u64,
}

impl Account {
    /// Reads the files. Before the cgroup is removed.
    pub(crate) fn read(cgroup: &Cgroup) -> Self {
        let mut account = Self::default();
        if let Some(memory) = cgroup.with("memory") {
            let dir = &memory.dir;
            match memory.version {
                Version::V2 => {
                    account.memory_peak_bytes = number(dir, "memory.peak");
                    account.memory_limit_hits = field(dir, "memory.events", "max");
                    account.oom_kills = field(dir, "memory.events", "oom_kill");
                }
                Version::V1 => {
                    account.memory_peak_bytes = number(dir, "memory.max_usage_in_bytes");
                    account.memory_limit_hits = number(dir, "memory.failcnt");
                    account.oom_kills = field(dir, "memory.oom_control", "oom_kill");
                }
            }
        }
        if let Some(pids) = cgroup.with("pids") {
            account.pids_refused = field(&pids.dir, "pids.events", "max");
        }
        if let Some(v2) = cgroup.v2() {
            account.cpu_us = field(&v2.dir, "cpu.stat", "usage_usec");
        }
        if let Some(cpu) = cgroup.with("cpu") {
            account.throttled = throttled(&cpu.dir, cpu.version);
        }
        account
    }
}

fn throttled(dir: &Path, version: Version) -> Option<Throttled> {
    let time_us = match version {
        Version::V2 => field(dir, "cpu.stat", "throttled_usec")?,
        Version::V1 => field(dir, "cpu.stat", "throttled_time")? / 1000,
    };
    Some(Throttled {
        periods: field(dir, "cpu.stat", "nr_periods")?,
        throttled: field(dir, "cpu.stat", "nr_throttled")?,
        time_us,
    })
}

pub(super) fn number(dir: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(dir.join(file)).ok()?.trim().parse().ok()
}

/// The number behind a word at the beginning of a line.
pub(super) fn field(dir: &Path, file: &str, name: &str) -> Option<u64> {
    parse_field(&fs::read_to_string(dir.join(file)).ok()?, name)
}

fn parse_field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "low 0\nmax 3\noom 1\noom_kill 2\n";
        assert_eq!(parse_field(text, "oom_kill"), Some(2));
        assert_eq!(parse_field(text, "oom"), Some(1));
        assert_eq!(parse_field(text, "oo"), None);
        assert_eq!(parse_field("max max\n", "max"), None);
    }
}
