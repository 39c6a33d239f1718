//! The kernel: release, command line, clock, and what it offers to an observer.

use record::Fact;

use crate::mountinfo;
use crate::tree::{Missing, Tree, from_result, nonempty};

/// What uname(2) and /proc/cmdline say.
pub(super) struct Kernel {
    pub(super) release: Fact<String>,
    pub(super) version: Fact<String>,
    pub(super) architecture: Fact<String>,
    pub(super) command_line: Fact<String>,
}

pub(super) fn observe(tree: &Tree) -> Kernel {
    let command_line = tree.fact("/proc/cmdline", "a command line", |t| Some(t.to_owned()));
    match nix::sys::utsname::uname() {
        Ok(name) => {
            let part = |s: &std::ffi::OsStr| Fact::known(s.to_string_lossy().into_owned(), "uname");
            Kernel {
                release: part(name.release()),
                version: part(name.version()),
                architecture: part(name.machine()),
                command_line,
            }
        }
        Err(errno) => {
            let missing = Missing::from_io("uname", "(this kernel)", &errno.into());
            Kernel {
                release: missing.fact(),
                version: missing.fact(),
                architecture: missing.fact(),
                command_line,
            }
        }
    }
}

pub(super) fn clocksource(tree: &Tree) -> Fact<String> {
    tree.fact(
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        "a clock source",
        nonempty,
    )
}

/// Names of the performance-monitoring units, hardware and software.
pub(super) fn pmus(tree: &Tree) -> Fact<Vec<String>> {
    const DIR: &str = "/sys/bus/event_source/devices";
    from_result(tree.names(DIR), DIR)
}

pub(super) fn btf_bytes(tree: &Tree) -> Fact<u64> {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    from_result(tree.len(PATH), PATH)
}

/// Where tracefs is mounted. `/sys/kernel/tracing` wins over the copy inside debugfs.
pub(super) fn tracefs(tree: &Tree) -> Fact<String> {
    const MOUNTS: &str = "/proc/self/mountinfo";
    let found = tree.text(MOUNTS).and_then(|text| {
        let mut points: Vec<String> = mountinfo::parse(&text)
            .into_iter()
            .filter(|m| m.filesystem == "tracefs")
            .map(|m| m.point)
            .collect();
        points.sort_by_key(|p| (p != "/sys/kernel/tracing", p.len()));
        points.into_iter().next().ok_or_else(|| {
            Missing::Absent(format!(
                "{MOUNTS} has no tracefs (as root: mount -t tracefs tracefs /sys/kernel/tracing)"
            ))
        })
    });
    from_result(found, MOUNTS)
}

pub(super) fn rt_runtime_us(tree: &Tree) -> Fact<i64> {
    tree.fact(
        "/proc/sys/kernel/sched_rt_runtime_us",
        "a number of microseconds",
        |t| t.parse().ok(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    #[test]
    fn tracefs_of_its_own_wins_over_the_one_in_debugfs() {
        let fake = Fake::with(&[(
            "/proc/self/mountinfo",
            "1 2 0:9 / /sys/kernel/debug/tracing rw - tracefs tracefs rw\n\
             3 2 0:9 / /sys/kernel/tracing rw - tracefs tracefs rw\n",
        )]);
        assert_eq!(
            tracefs(&fake.tree()).value().map(String::as_str),
            Some("/sys/kernel/tracing")
        );
    }

    #[test]
    fn tracefs_that_is_not_mounted_says_how_to_mount_it() {
        let fake = Fake::with(&[(
            "/proc/self/mountinfo",
            "3 2 0:9 / / rw - ext4 /dev/vda rw\n",
        )]);
        assert!(
            tracefs(&fake.tree())
                .why()
                .is_some_and(|w| w.contains("mount -t tracefs"))
        );
    }
}
