//! What /proc says of other processes. Parsing is apart from reading.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use serde::Serialize;

/// Memory of a process, from `smaps_rollup`.
#[expect(clippy::struct_field_names, reason = "a unit stands last")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    pub(crate) private_dirty_kib: u64,
    pub(crate) private_clean_kib: u64,
    pub(crate) pss_kib: u64,
    pub(crate) rss_kib: u64,
}

pub(crate) fn memory(pid: Pid) -> Result<Memory, String> {
    let text = read(&of(pid).join("smaps_rollup"))?;
    parse_memory(&text).ok_or_else(|| format!("smaps_rollup of {pid} lacks a field"))
}

/// Context switches of all threads of a process since it began, of either kind.
pub(crate) fn switches(pid: Pid) -> Result<u64, String> {
    let tasks = of(pid).join("task");
    let entries = fs::read_dir(&tasks).map_err(|e| format!("{}: {e}", tasks.display()))?;
    let mut sum = 0;
    for entry in entries {
        let path = entry.map_err(|e| e.to_string())?.path().join("status");
        let switches = parse_switches(&read(&path)?);
        sum += switches.ok_or_else(|| format!("{} lacks a field", path.display()))?;
    }
    Ok(sum)
}

/// Is it PID 1 of a namespace that is not ours?
pub(crate) fn is_pid1(pid: Pid) -> bool {
    read(&of(pid).join("status")).is_ok_and(|text| parse_is_pid1(&text))
}

/// The name that the kernel has for it.
pub(crate) fn comm(pid: Pid) -> Option<String> {
    let text = read(&of(pid).join("comm")).ok()?;
    Some(text.trim_end().to_owned())
}

/// A process and all that descend from it, parents first.
pub(crate) fn family(pid: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = all().collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        family.extend(children.map(|(child, _)| *child));
        next += 1;
    }
    family
}

/// Every process that is seen, with its parent. One that ends meanwhile is left out.
fn all() -> impl Iterator<Item = (Pid, Pid)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = read(&entry.path().join("stat")).ok()?;
        Some((Pid::from_raw(pid), Pid::from_raw(parse_parent(&stat)?)))
    })
}

fn of(pid: Pid) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The number after `name:`.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

fn parse_memory(text: &str) -> Option<Memory> {
    Some(Memory {
        private_dirty_kib: field(text, "Private_Dirty")?,
        private_clean_kib: field(text, "Private_Clean")?,
        pss_kib: field(text, "Pss")?,
        rss_kib: field(text, "Rss")?,
    })
}

fn parse_switches(text: &str) -> Option<u64> {
    Some(field(text, "voluntary_ctxt_switches")? + field(text, "nonvoluntary_ctxt_switches")?)
}

/// NSpid lists its numbers, ours first.
fn parse_is_pid1(status: &str) -> bool {
    let mut lines = status.lines();
    let numbers = lines.find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.map(|n| n.split_whitespace().collect::<Vec<_>>());
    numbers.is_some_and(|n| n.len() > 1 && n.last() == Some(&"1"))
}

/// The name, in brackets, can have anything in it.
fn parse_parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLLUP: &str = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:  1200 kB\nPss:   248 kB\n\
        Pss_Dirty:   96 kB\nPrivate_Clean:   8 kB\nPrivate_Dirty:   88 kB\n";

    #[test]
    fn memory_needs_all_of_its_fields() {
        let memory = parse_memory(ROLLUP).expect("all fields");
        assert_eq!((memory.rss_kib, memory.pss_kib), (1200, 248));
        assert_eq!(
            (memory.private_clean_kib, memory.private_dirty_kib),
            (8, 88)
        );
        assert_eq!(parse_memory(&ROLLUP.replace("Private_Dirty", "X")), None);
    }

    #[test]
    fn both_kinds_of_switches_count() {
        let text = "Name:\tinit\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(parse_switches(text), Some(7));
        assert_eq!(parse_switches("Name:\tinit\n"), None);
    }

    #[test]
    fn pid_1_of_another_namespace_is_told_from_ours() {
        assert!(parse_is_pid1("NSpid:\t4711\t1\n"));
        assert!(!parse_is_pid1("NSpid:\t1\n"));
        assert!(!parse_is_pid1("NSpid:\t4711\t11\n"));
        assert!(!parse_is_pid1(""));
    }

    #[test]
    fn a_name_with_brackets_hides_no_parent() {
        assert_eq!(parse_parent("12 (a) S 3) R 7 12 12"), Some(7));
        assert_eq!(parse_parent("12"), None);
    }

    #[test]
    fn we_are_in_our_own_family() {
        let me = nix::unistd::getpid();
        assert_eq!(family(me).first(), Some(&me));
    }
}
