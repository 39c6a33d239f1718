//! Whose limit it was when memory ran out. The kernel's log says it outright; where that cannot be
//! read, or was silent, the counters of the ancestors before and after do.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::account::{field, number};
use super::{Layout, Member, Version};

/// A process of the jail was killed for memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oom {
    /// How many were killed.
    pub kills: u64,
    /// The cgroup whose limit was hit: the jail's own, or one above it; `None` if it cannot be told.
    pub limit_of: Option<String>,
    /// From what that is known.
    pub known_from: &'static str,
    /// Who was killed, as far as the kernel's log can be read, in the first pid namespace's numbers.
    pub logged_pids: Vec<i32>,
}

/// The ancestors' counters at the beginning.
#[derive(Debug, Clone)]
pub(crate) struct OomWatch {
    version: Version,
    /// Where the hierarchy is mounted: paths are shown below it.
    mount: PathBuf,
    /// The jail's own directory first, each with its count.
    before: Vec<(PathBuf, Option<u64>)>,
}

impl OomWatch {
    /// Looks at a jail's memory cgroup and all above it.
    pub(crate) fn begin(member: &Member, layout: &Layout) -> Option<Self> {
        let mount = match member.version {
            Version::V2 => layout.v2.as_ref()?.mount.clone(),
            Version::V1 => layout.v1("memory")?.mount.clone(),
        };
        let above = member
            .dir
            .ancestors()
            .take_while(|dir| dir.starts_with(&mount));
        let before = above
            .map(|dir| (dir.to_owned(), hits(dir, member.version)))
            .collect();
        Some(Self {
            version: member.version,
            mount,
            before,
        })
    }

    /// What happened since.
    pub(crate) fn end(&self, kills: u64, log: Option<&KernelLog>) -> Option<Oom> {
        if kills == 0 {
            return None;
        }
        let own = self.shown(&self.before.first()?.0);
        let victims = log.map(|log| log.victims_in(&own)).unwrap_or_default();
        let logged_pids = victims.iter().map(|victim| victim.pid).collect();
        if let Some(first) = victims.into_iter().next() {
            return Some(Oom {
                kills,
                limit_of: Some(first.limit_of),
                known_from: "kernel log",
                logged_pids,
            });
        }
        let grew = self.before.iter().find(|(dir, before)| {
            matches!((before, hits(dir, self.version)), (Some(before), Some(now)) if now > *before)
        });
        Some(Oom {
            kills,
            logged_pids,
            limit_of: grew.map(|(dir, _)| self.shown(dir)),
            known_from: match (grew, self.version) {
                (None, _) => "no counter of an ancestor grew, and the kernel log was silent",
                (_, Version::V2) => "`oom` in memory.events.local",
                (_, Version::V1) => "growth of memory.failcnt (the nearest: inferred)",
            },
        })
    }

    /// A directory as the kernel names it: from the hierarchy's root.
    fn shown(&self, dir: &Path) -> String {
        let below = dir.strip_prefix(&self.mount).unwrap_or(dir);
        format!("/{}", below.display())
    }
}

/// How often a cgroup's own limit was hit. v2 counts the out-of-memory situations of this very cgroup
/// (`memory.events.local`); v1 the charges that failed at it.
fn hits(dir: &Path, version: Version) -> Option<u64> {
    match version {
        Version::V2 => field(dir, "memory.events.local", "oom"),
        Version::V1 => number(dir, "memory.failcnt"),
    }
}

/// The kernel's log from a moment on.
#[derive(Debug)]
pub(crate) struct KernelLog {
    lines: Vec<String>,
}

impl KernelLog {
    /// Opens it at its end. `None` where that is not allowed (`kernel.dmesg_restrict`).
    pub(crate) fn open() -> Option<File> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/kmsg")
            .ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        Some(file)
    }

    /// Reads what was written since. Each read is one record (Documentation/ABI/testing/dev-kmsg).
    pub(crate) fn since(file: &mut File) -> Self {
        let mut lines = Vec::new();
        let mut record = [0u8; 8192];
        loop {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(n) => lines.push(String::from_utf8_lossy(&record[..n]).into_owned()),
                // The log has run over what was to be read next, and goes on behind it.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(_) => break,
            }
        }
        Self { lines }
    }

    /// What was killed in cgroup `own`.
    fn victims_in(&self, own: &str) -> Vec<Victim> {
        let lines = self.lines.iter();
        lines.filter_map(|line| oom_line(line, own)).collect()
    }
}

/// A process that was killed for memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Victim {
    /// The cgroup whose limit was hit.
    limit_of: String,
    pid: i32,
}

/// `oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/a,task_memcg=/a/b,task=name,pid=7,uid=0`
/// (mm/oom_kill.c, `dump_oom_victim`; the paths are counted from the root of the hierarchy).
fn oom_line(line: &str, own: &str) -> Option<Victim> {
    let (_, fields) = line.split_once("oom-kill:")?;
    let value = |name: &str| {
        fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let task = value("task_memcg")?;
    let is_ours = task == own || task.starts_with(&format!("{own}/"));
    is_ours.then_some(())?;
    Some(Victim {
        limit_of: value("oom_memcg")?.to_owned(),
        // Behind the name, which may have anything in it.
        pid: fields
            .rsplit_once(",pid=")?
            .1
            .split(',')
            .next()?
            .parse()
            .ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "6,907,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),\
        cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/procjail-1-2,task=cat,pid=7,uid=0\n";

    #[test]
    fn the_log_names_the_ancestor() {
        let victim = Victim {
            limit_of: "/a".into(),
            pid: 7,
        };
        assert_eq!(oom_line(LINE, "/a/procjail-1-2"), Some(victim));
        assert_eq!(oom_line(LINE, "/a/procjail-1"), None);
        assert_eq!(oom_line("6,1,1,-;something else", "/a"), None);
    }
}
