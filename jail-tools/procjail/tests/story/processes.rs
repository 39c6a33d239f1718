//! Processes as /proc tells of them.

use std::fs;
use std::os::fd::OwnedFd;

use super::door;

/// A process from its `stat` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) name: String,
    /// `T` stopped, `Z` a zombie.
    pub(crate) state: char,
    pub(crate) parent: i32,
}

impl Process {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses, and may have some itself.
        let (front, rest) = text.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        Some(Self {
            pid,
            name: front.split_once('(')?.1.to_owned(),
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
        })
    }

    /// Is it in a pid namespace below ours?
    pub(crate) fn is_jailed(&self) -> bool {
        numbers(self.pid).len() > 1
    }

    /// Is it PID 1 of a namespace below ours?
    pub(crate) fn is_pid_1(&self) -> bool {
        let numbers = numbers(self.pid);
        numbers.len() > 1 && numbers.last().is_some_and(|n| n == "1")
    }
}

/// `NSpid` has a number for each namespace that the process is in, the innermost last.
fn numbers(pid: i32) -> Vec<String> {
    let line = status(pid, "NSpid").unwrap_or_default();
    line.split_whitespace().map(str::to_owned).collect()
}

/// A line of a process's `status` file.
pub(crate) fn status(pid: i32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = text.lines();
    let value = lines.find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// Everything that runs.
pub(crate) fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .filter_map(Process::of)
        .collect()
}

/// By the kernel's own list where it has one (CONFIG_PROC_CHILDREN): a look at all processes takes
/// longer than a jail's set-up. Tests' processes have one thread.
pub(crate) fn children(of: i32) -> Vec<Process> {
    match fs::read_to_string(format!("/proc/{of}/task/{of}/children")) {
        Ok(listed) => listed
            .split_whitespace()
            .filter_map(|pid| Process::of(pid.parse().ok()?))
            .filter(|p| p.parent == of)
            .collect(),
        Err(_) => all().into_iter().filter(|p| p.parent == of).collect(),
    }
}

/// Children, their children, and so on.
pub(crate) fn descendants(of: i32) -> Vec<Process> {
    let (mut rest, mut found) = (all(), Vec::new());
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let (mine, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|p| p.parent == parent);
        parents.extend(mine.iter().map(|p| p.pid));
        found.extend(mine);
        rest = others;
    }
    found
}

/// A process that this test started, held so that a signal reaches no other.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) pid: i32,
    fd: OwnedFd,
}

impl Held {
    /// `None`: it is gone, or is not below `ancestor` any more.
    pub(crate) fn below(ancestor: i32, pid: i32) -> Option<Self> {
        let fd = door::pidfd_open(pid).ok()?;
        // Looked for again: the number may have become another's in between.
        let still = pid == ancestor || descendants(ancestor).iter().any(|p| p.pid == pid);
        still.then_some(Self { pid, fd })
    }

    /// A child that nobody has waited for: its number is its own.
    pub(crate) fn child(pid: i32) -> Self {
        let fd = door::pidfd_open(pid).expect("a child that was not waited for");
        Self { pid, fd }
    }

    /// False: it is gone.
    pub(crate) fn signal(&self, signal: i32) -> bool {
        door::pidfd_signal(&self.fd, signal).is_ok()
    }

    pub(crate) fn state(&self) -> Option<char> {
        Process::of(self.pid).map(|p| p.state)
    }
}
