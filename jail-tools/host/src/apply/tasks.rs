//! Tasks of the machine: what has to move out of the way of a measurement, and what can.

use std::fs;

use nix::unistd::Pid;

use super::pin::affinity;

/// PF_KTHREAD in the kernel's include/linux/sched.h.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What /proc/TID/stat says of a task, as far as it is needed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) kernel_thread: bool,
    /// Clock ticks after boot.
    pub(crate) start_ticks: u64,
}

/// `None` if the task is gone.
pub(crate) fn stat(tid: i32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{tid}/stat")).ok()?)
}

/// proc_pid_stat(5): pid (comm) state ppid pgrp session tty tpgid **flags** … **starttime**.
fn parse(text: &str) -> Option<Stat> {
    // A name may hold anything, also spaces and parentheses: it ends at the last one.
    let (head, tail) = text.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    // The first field of `tail` is number 3.
    let flags: u64 = fields.get(9 - 3)?.parse().ok()?;
    Some(Stat {
        name: name.to_owned(),
        kernel_thread: flags & PF_KTHREAD != 0,
        start_ticks: fields.get(22 - 3)?.parse().ok()?,
    })
}

/// A task that can run on a measured CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intruder {
    pub(crate) tid: i32,
    pub(crate) stat: Stat,
    pub(crate) cpus: Vec<u32>,
}

impl Intruder {
    /// Its id with its start time, which together name a task for good.
    pub(crate) fn identity(&self) -> (i32, u64) {
        (self.tid, self.stat.start_ticks)
    }
}

/// The tasks among `tids` that can run on a measured CPU. Tasks that end meanwhile are left out.
pub(crate) fn intruders(tids: &str, measured: &[u32]) -> Vec<Intruder> {
    let tids = tids.lines().filter_map(|t| t.trim().parse::<i32>().ok());
    tids.filter_map(|tid| {
        let cpus = affinity(Pid::from_raw(tid)).ok()?;
        let stat = stat(tid)?;
        cpus.iter()
            .any(|c| measured.contains(c))
            .then_some(Intruder { tid, stat, cpus })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_may_hold_spaces_and_parentheses() {
        let text =
            "42 (a) (b c) S 1 42 42 0 -1 2129984 96 0 0 0 0 0 0 0 20 0 1 0 131671 3133440 363\n";
        assert_eq!(
            parse(text),
            Some(Stat {
                name: "a) (b c".into(),
                kernel_thread: true,
                start_ticks: 131_671
            })
        );
    }

    #[test]
    fn we_are_no_kernel_thread() {
        let me = stat(std::process::id() as i32).unwrap();
        assert!(!me.kernel_thread);
        assert!(me.start_ticks > 0);
    }

    #[test]
    fn only_tasks_that_can_run_on_a_measured_cpu_intrude() {
        let me = std::process::id();
        let allowed = affinity(Pid::from_raw(0)).unwrap();
        let found = intruders(&format!("{me}\n"), &allowed);
        assert_eq!(found.len(), 1);
        assert!(intruders(&format!("{me}\n"), &[1023]).is_empty());
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "[0-9() a-zA-Z-]{0,120}") {
            parse(&text);
        }
    }
}
