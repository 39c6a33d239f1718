//! How a change is undone. Every undo may run though its change was never made (the promise comes
//! first), and may run twice: it looks before it acts.

use std::fs;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::apply::pin::{affinity, set_affinity};
use crate::apply::write::{read, write};
use crate::cpu_list;

/// How long an undo waits for tasks that are dying (a killed process may have to write back a
/// core dump or wait for a device first).
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an undo waits for CPUs to come back to a task's cpuset.
const AFFINITY_PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// How one change is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Write this value to a setting, unless it reads so already.
    Write {
        /// The file.
        path: String,
        /// What it held before.
        value: String,
    },
    /// Write a command to a control file that does not read back what is written to it.
    Command {
        /// The file; if it is gone, so is what was changed.
        path: String,
        /// What to write.
        command: String,
    },
    /// Give an interrupt its affinity back.
    Interrupt {
        /// Its number.
        irq: u32,
        /// `smp_affinity_list` before.
        affinity: String,
        /// `effective_affinity_list` before, if the kernel told: the CPU that was really used.
        effective: Option<String>,
    },
    /// Give a task its affinity back, if it is still the same task.
    Affinity {
        /// Thread id.
        tid: i32,
        /// Start time by /proc, clock ticks after boot: tells a reused id apart.
        start_ticks: u64,
        /// Its CPUs before.
        cpus: Vec<u32>,
    },
    /// Move every task of a cgroup to another, until none is left.
    MoveTasks {
        /// The directory to empty.
        from: String,
        /// Where they go.
        to: String,
        /// The file that holds them: `tasks` (v1) or `cgroup.procs` (v2).
        file: String,
    },
    /// Remove a cgroup.
    RemoveCgroup {
        /// Its directory.
        path: String,
    },
}

/// Undoes all, the last one first. Gives what failed, in sentences.
pub(super) fn all(promised: &[Undo]) -> Vec<String> {
    promised
        .iter()
        .rev()
        .filter_map(|undo| undo.run().err())
        .collect()
}

impl Undo {
    fn run(&self) -> Result<(), String> {
        match self {
            Self::Write { path, value } => restore(path, value),
            Self::Command { path, command } => run_command(path, command),
            Self::Interrupt {
                irq,
                affinity,
                effective,
            } => restore_interrupt(*irq, affinity, effective.as_deref()),
            Self::Affinity {
                tid,
                start_ticks,
                cpus,
            } => restore_affinity(*tid, *start_ticks, cpus),
            Self::MoveTasks { from, to, file } => move_tasks(from, to, file),
            Self::RemoveCgroup { path } => remove_cgroup(path),
        }
    }
}

fn restore(path: &str, value: &str) -> Result<(), String> {
    let file = Path::new(path);
    if read(file).is_ok_and(|now| now == value) {
        return Ok(());
    }
    write(file, value).map_err(|e| format!("{e}; by hand: echo {value} > {path}"))
}

fn run_command(path: &str, command: &str) -> Result<(), String> {
    if !Path::new(path).exists() {
        return Ok(());
    }
    write(Path::new(path), command).map_err(|e| format!("{e}; by hand: echo {command} > {path}"))
}

fn restore_interrupt(irq: u32, affinity: &str, effective: Option<&str>) -> Result<(), String> {
    let dir = format!("/proc/irq/{irq}");
    // An interrupt that is gone went with its device.
    if !Path::new(&dir).exists() {
        return Ok(());
    }
    let mask = format!("{dir}/smp_affinity_list");
    let reads = |file: &str, text: &str| read(Path::new(file)).is_ok_and(|now| now == text);
    if reads(&mask, affinity) {
        return Ok(());
    }
    // The old mask alone would leave it where it was moved to, which the mask allows as well.
    // Going by way of the old CPU makes it stay there; where that is refused the mask still holds.
    if let Some(effective) =
        effective.filter(|e| !reads(&format!("{dir}/effective_affinity_list"), e))
    {
        let _ = write(Path::new(&mask), effective);
    }
    restore(&mask, affinity)
}

fn restore_affinity(tid: i32, start_ticks: u64, cpus: &[u32]) -> Result<(), String> {
    use crate::apply::tasks;

    let same = tasks::stat(tid).is_some_and(|s| s.start_ticks == start_ticks);
    let pid = Pid::from_raw(tid);
    if !same || affinity(pid).is_ok_and(|now| now == cpus) {
        return Ok(());
    }
    // CPUs may come back to the task's cpuset a moment after they were given back: until then
    // they are refused, or left out of the mask.
    let deadline = Instant::now() + AFFINITY_PATIENCE;
    loop {
        let found = match set_affinity(pid, cpus).and_then(|()| affinity(pid)) {
            Err(Errno::ESRCH) => return Ok(()),
            Ok(now) if now == cpus => return Ok(()),
            Ok(now) => format!("reads back CPU {}", cpu_list::format(&now)),
            Err(errno) => errno.to_string(),
        };
        if Instant::now() > deadline {
            let list = cpu_list::format(cpus);
            return Err(format!(
                "sched_setaffinity of task {tid} to CPU {list}: {found}; by hand: taskset -pc {list} {tid}"
            ));
        }
        sleep(PAUSE);
    }
}

fn move_tasks(from: &str, to: &str, file: &str) -> Result<(), String> {
    let (source, target) = (format!("{from}/{file}"), format!("{to}/{file}"));
    let deadline = Instant::now() + PATIENCE;
    let mut last = String::new();
    loop {
        let tasks = match fs::read_to_string(&source) {
            Ok(tasks) => tasks,
            // Removed, also while being read: nothing is left in it.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {
                return Ok(());
            }
            Err(e) => return Err(format!("read {source}: {e}")),
        };
        if tasks.trim().is_empty() {
            return Ok(());
        }
        for task in tasks.lines() {
            // A task that ends meanwhile is ESRCH; one that is being born moves in the next round.
            if let Err(e) = write(Path::new(&target), task) {
                last = e.to_string();
            }
        }
        if Instant::now() > deadline {
            return Err(format!(
                "tasks stay in {source} ({last}); by hand: for t in $(cat {source}); do echo $t > {target}; done"
            ));
        }
        sleep(PAUSE);
    }
}

fn remove_cgroup(path: &str) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            // A cgroup is busy until its last task has left the scheduler.
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                sleep(PAUSE);
            }
            Err(e) => return Err(format!("rmdir {path}: {e}; by hand: rmdir {path}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_undo(path: &Path, value: &str) -> Undo {
        Undo::Write {
            path: path.display().to_string(),
            value: value.into(),
        }
    }

    #[test]
    fn promises_are_undone_in_reverse_order() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("setting");
        fs::write(&file, "changed twice\n").unwrap();
        assert_eq!(
            all(&[write_undo(&file, "first"), write_undo(&file, "second")]),
            Vec::<String>::new()
        );
        assert!(fs::read_to_string(&file).unwrap().starts_with("first"));
    }

    #[test]
    fn a_failure_says_how_to_do_it_by_hand_and_does_not_stop_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let (file, gone) = (dir.path().join("setting"), dir.path().join("gone"));
        fs::write(&file, "x").unwrap();
        let failed = all(&[write_undo(&file, "1"), write_undo(&gone, "2")]);
        assert_eq!(failed.len(), 1);
        assert!(failed[0].contains("by hand: echo 2 > "), "{failed:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "1");
    }

    #[test]
    fn what_was_never_done_needs_no_undo() {
        let text = |s: &str| s.to_owned();
        for undo in [
            Undo::MoveTasks {
                from: text("/does/not/exist"),
                to: text("/neither"),
                file: text("tasks"),
            },
            Undo::RemoveCgroup {
                path: text("/does/not/exist"),
            },
            Undo::Command {
                path: text("/does/not/exist"),
                command: text("-cpuset"),
            },
            Undo::Interrupt {
                irq: 4_000_000,
                affinity: text("0"),
                effective: None,
            },
            Undo::Affinity {
                tid: std::process::id() as i32,
                start_ticks: 0,
                cpus: vec![0],
            },
        ] {
            assert_eq!(
                all(std::slice::from_ref(&undo)),
                Vec::<String>::new(),
                "{undo:?}"
            );
        }
    }

    #[test]
    fn a_promise_survives_the_pipe() {
        let undo = Undo::Interrupt {
            irq: 7,
            affinity: "0-1".into(),
            effective: Some("1".into()),
        };
        let line = serde_json::to_string(&undo).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Undo>(&line).unwrap(), undo);
    }
}
