//! What decides whether this process can come to more privilege, and whether what it has reaches
//! as far as it seems.

use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};
use record::Fact;
use record::host_facts::Privilege;

use super::kernel;
use crate::tree::{Missing, Tree, flag, from_result};

const STATUS: &str = "/proc/self/status";
const EXE: &str = "/proc/self/exe";

pub(super) fn observe(tree: &Tree) -> Privilege {
    let executable = executable();
    Privilege {
        bounding: tree.fact(STATUS, "a status with CapBnd", |text| {
            let mask = text.lines().find_map(|l| l.strip_prefix("CapBnd:"))?.trim();
            u64::from_str_radix(mask, 16).ok().map(|_| mask.to_owned())
        }),
        no_new_privs: tree.fact(STATUS, "a status with NoNewPrivs", |text| {
            let value = text.lines().find_map(|l| l.strip_prefix("NoNewPrivs:"))?;
            flag(value.trim())
        }),
        initial_user_namespace: tree.fact("/proc/self/uid_map", "a map of users", is_initial),
        executable_nosuid: match &executable {
            Fact::Known { value, .. } => nosuid(value),
            Fact::Unavailable { why } => Fact::unavailable(why.clone()),
        },
        executable,
        tracepoint_numbers: tracepoint_numbers(tree),
    }
}

/// user_namespaces(7): the initial namespace maps every user to itself.
fn is_initial(map: &str) -> Option<bool> {
    let mut fields = map.split_whitespace().map(str::parse::<u64>);
    let mut number = || fields.next()?.ok();
    Some((number()?, number()?, number()?) == (0, 0, u64::from(u32::MAX)))
}

fn executable() -> Fact<String> {
    match std::env::current_exe() {
        Ok(path) => Fact::known(path.display().to_string(), EXE),
        Err(e) => Missing::from_io("readlink", EXE, &e).fact(),
    }
}

/// mount(2), `MS_NOSUID`: file capabilities are ignored too.
fn nosuid(path: &str) -> Fact<bool> {
    match statvfs(Path::new(path)) {
        Ok(s) => Fact::known(s.flags().contains(FsFlags::ST_NOSUID), "statvfs"),
        Err(errno) => Missing::from_io("statvfs", path, &errno.into()).fact(),
    }
}

/// A tracepoint that every kernel with tracepoints has: where it has a number, all have.
fn tracepoint_numbers(tree: &Tree) -> Fact<String> {
    let mount = match kernel::tracefs(tree) {
        Fact::Known { value, .. } => value,
        missing @ Fact::Unavailable { .. } => return missing,
    };
    let path = format!("{mount}/events/sched/sched_switch/id");
    from_result(tree.text(&path).map(|_| mount), &path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    #[test]
    fn the_initial_namespace_maps_everybody() {
        assert_eq!(is_initial("         0          0 4294967295"), Some(true));
        assert_eq!(is_initial("         0       1000          1"), Some(false));
        assert_eq!(is_initial(""), None);
    }

    #[test]
    fn numbers_need_a_mount_and_the_right_to_read_it() {
        let mounted = (
            "/proc/self/mountinfo",
            "3 2 0:9 / /sys/kernel/tracing rw - tracefs tracefs rw\n",
        );
        let id = ("/sys/kernel/tracing/events/sched/sched_switch/id", "372\n");
        let numbers = |files: &[(&str, &str)]| tracepoint_numbers(&Fake::with(files).tree());
        let found = numbers(&[mounted, id]);
        assert_eq!(
            found.value().map(String::as_str),
            Some("/sys/kernel/tracing")
        );
        assert!(
            numbers(&[mounted])
                .why()
                .is_some_and(|w| w.contains("sched_switch/id"))
        );
        assert!(numbers(&[]).why().is_some());
    }

    #[test]
    fn this_process_is_known_to_itself() {
        let p = observe(&Tree::host());
        assert!(p.executable.value().is_some_and(|e| e.contains("host")));
        assert!(p.executable_nosuid.value().is_some());
        assert!(p.no_new_privs.value().is_some() && p.bounding.value().is_some());
    }
}
