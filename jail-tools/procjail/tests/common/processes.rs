//! Processes as /proc tells of them. A kernel need not have `children` files, so that a process's
//! children are looked for among all.

use std::fs;

/// A process from its `stat` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// `T` stopped, `Z` a zombie.
    pub(crate) state: char,
    pub(crate) parent: i32,
}

impl Process {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses, and may have some itself.
        let (_, rest) = text.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        Some(Self {
            pid,
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
        })
    }
}

pub(crate) fn children(of: i32) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Process::of)
        .filter(|p| p.parent == of)
        .collect()
}

/// The PID 1 of another PID namespace among a process's descendants.
pub(crate) fn first_process_below(pid: i32) -> Option<i32> {
    let mut below: Vec<i32> = children(pid).iter().map(|p| p.pid).collect();
    while let Some(candidate) = below.pop() {
        if is_first_process(candidate) {
            return Some(candidate);
        }
        below.extend(children(candidate).iter().map(|p| p.pid));
    }
    None
}

/// `NSpid` has a number for each namespace that it is in, the innermost last.
fn is_first_process(pid: i32) -> bool {
    status(pid, "NSpid").is_some_and(|pids| {
        let pids: Vec<&str> = pids.split_whitespace().collect();
        pids.len() > 1 && pids.last() == Some(&"1")
    })
}

/// A line of a process's `status` file.
pub(crate) fn status(pid: i32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = text.lines();
    let value = lines.find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}
