//! An isolated partition of the unified hierarchy
//! (Linux, Documentation/admin-guide/cgroup-v2.rst, "cpuset.cpus.partition").

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::{Log, own_name, text};
use crate::apply::pin::affinity;
use crate::apply::tasks::intruders;
use crate::apply::write::{read, write};
use crate::cpu_list;
use crate::error::{Error, Result};
use crate::keeper::{Keeper, Undo};

/// Makes an isolated partition inside `base`. Gives the directory to join.
pub(super) fn shield(
    base: &Path,
    measured: &[u32],
    keeper: &mut Keeper,
    log: &mut Log,
) -> Result<PathBuf> {
    // First promised, last undone: tasks get their own affinities back when the CPUs are back.
    promise_affinities(measured, keeper)?;
    enable_cpuset(base, keeper, log)?;
    let dir = base.join(own_name(""));
    keeper.promise(Undo::RemoveCgroup { path: text(&dir) })?;
    keeper.promise(Undo::MoveTasks {
        from: text(&dir),
        to: own_cgroup(base)?,
        file: "cgroup.procs".into(),
    })?;
    fs::create_dir(&dir).map_err(|e| Error::on_path("mkdir", &dir, e))?;
    let cpus = cpu_list::format(measured);
    write(&dir.join("cpuset.cpus"), &cpus)?;
    log.took(format!("cgroup {} with CPU {cpus}", text(&dir)));
    let partition = dir.join("cpuset.cpus.partition");
    // Removing the cgroup gives its CPUs back too, but only some time after rmdir has returned.
    keeper.promise(Undo::Command {
        path: text(&partition),
        command: "member".into(),
    })?;
    let asked = format!("{} = isolated", text(&partition));
    log.optional(asked, become_isolated(&partition))?;
    Ok(dir)
}

/// The kernel accepts the word and then says, on reading, whether it holds: `isolated`, or
/// `isolated invalid (reason)`.
fn become_isolated(partition: &Path) -> Result<()> {
    write(partition, "isolated").map_err(|e| e.advise("isolated partitions need Linux 6.1"))?;
    let found = read(partition)?;
    if found == "isolated" {
        return Ok(());
    }
    let next = "other tasks can still run on the measured CPUs";
    Err(Error::NotTaken {
        object: text(partition),
        asked: "isolated".into(),
        found,
        next,
    })
}

fn enable_cpuset(base: &Path, keeper: &mut Keeper, log: &mut Log) -> Result<()> {
    let control = base.join("cgroup.subtree_control");
    if read(&control)?.split(' ').any(|c| c == "cpuset") {
        return Ok(());
    }
    keeper.promise(Undo::Command {
        path: text(&control),
        command: "-cpuset".into(),
    })?;
    write(&control, "+cpuset").map_err(|e| {
        e.advise("a cgroup that holds processes cannot hand out controllers, unless it is the root")
    })?;
    log.took(format!("{} + cpuset", text(&control)));
    Ok(())
}

/// A task that had a measured CPU in an affinity of its own loses it, for good before Linux 6.2.
fn promise_affinities(measured: &[u32], keeper: &mut Keeper) -> Result<()> {
    let Ok(everybody) = affinity(Pid::from_raw(1)) else {
        return Ok(());
    };
    for task in intruders(&all_threads(), measured) {
        if !task.stat.kernel_thread && task.cpus != everybody {
            let (tid, start_ticks) = task.identity();
            keeper.promise(Undo::Affinity {
                tid,
                start_ticks,
                cpus: task.cpus,
            })?;
        }
    }
    Ok(())
}

/// Ids of all threads of the machine, one a line.
fn all_threads() -> String {
    let numbered = |dir: PathBuf| {
        let names = fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.file_name());
        names
            .filter_map(|n| n.to_str()?.parse::<u32>().ok())
            .collect::<Vec<_>>()
    };
    let pids = numbered(PathBuf::from("/proc"));
    let tids = pids
        .into_iter()
        .flat_map(|pid| numbered(PathBuf::from(format!("/proc/{pid}/task"))));
    tids.map(|tid| tid.to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Where this process is: the place that its children came from, and go back to.
fn own_cgroup(base: &Path) -> Result<String> {
    let file = Path::new("/proc/self/cgroup");
    let path = unified_path(&read(file)?).map(str::to_owned);
    let mount = mount_of(base);
    Ok(path.map_or_else(
        || text(base),
        |path| text(&mount.join(path.trim_start_matches('/'))),
    ))
}

/// The line of the unified hierarchy is `0::PATH` (cgroups(7)).
fn unified_path(text: &str) -> Option<&str> {
    text.lines().find_map(|l| l.strip_prefix("0::"))
}

/// The hierarchy's root: the highest directory above `base` that is a cgroup.
fn mount_of(base: &Path) -> PathBuf {
    base.ancestors()
        .take_while(|d| d.join("cgroup.procs").exists())
        .last()
        .unwrap_or(base)
        .to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_line_is_the_one_without_a_number_of_its_own() {
        assert_eq!(
            unified_path("3:cpuset:/a\n0::/user.slice/x\n"),
            Some("/user.slice/x")
        );
        assert_eq!(unified_path("3:cpuset:/a\n"), None);
    }

    #[test]
    fn a_partition_that_the_kernel_calls_invalid_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let partition = dir.path().join("cpuset.cpus.partition");
        fs::write(&partition, "").unwrap();
        // A plain file keeps what was written, as a valid partition does.
        become_isolated(&partition).unwrap();
    }

    #[test]
    fn every_thread_of_ours_is_among_all_threads() {
        let me = std::process::id().to_string();
        assert!(all_threads().lines().any(|t| t == me));
    }

    #[test]
    fn the_mount_is_the_highest_cgroup() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("cg/a/b");
        fs::create_dir_all(&deep).unwrap();
        for d in [&deep, &dir.path().join("cg/a"), &dir.path().join("cg")] {
            fs::write(d.join("cgroup.procs"), "").unwrap();
        }
        assert_eq!(mount_of(&deep), dir.path().join("cg"));
    }
}
