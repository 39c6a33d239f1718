//! Two cpusets of the v1 interface (cpuset(7)): the measured CPUs', and the rest's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Log, Unmoved, own_name, text};
use crate::apply::tasks::{Intruder, intruders};
use crate::apply::write::{read, write};
use crate::cpu_list;
use crate::error::{Error, Result};
use crate::keeper::{Keeper, Undo};

/// Passes over the tasks of the base set. Tasks that fork while being moved leave children
/// behind, each pass fewer.
const PASSES_MAX: u32 = 20;

/// Makes both sets inside `base` and moves the tasks of `base`. Gives the directory to join.
pub(super) fn shield(
    base: &Path,
    measured: &[u32],
    housekeeping: &[u32],
    keeper: &mut Keeper,
    log: &mut Log,
) -> Result<PathBuf> {
    let rest = make_set(base, &own_name("-rest"), housekeeping, keeper, log)?;
    let dir = make_set(base, &own_name(""), measured, keeper, log)?;
    let exclusive = dir.join("cpuset.cpu_exclusive");
    let refused_because =
        "another cpuset beside it uses these CPUs, or the one above is not exclusive itself";
    log.optional(
        format!("{} = 1", text(&exclusive)),
        write(&exclusive, "1").map_err(|e| e.advise(refused_because)),
    )?;
    move_tasks(base, &rest, measured, keeper, log)?;
    log.unmoved
        .extend(foreign_sets(base, &[&dir, &rest], measured));
    Ok(dir)
}

fn make_set(
    base: &Path,
    name: &str,
    cpus: &[u32],
    keeper: &mut Keeper,
    log: &mut Log,
) -> Result<PathBuf> {
    let dir = base.join(name);
    // A new set has no memory nodes, and without them no task can join it.
    let mems = read(&base.join("cpuset.mems"))?;
    keeper.promise(Undo::RemoveCgroup { path: text(&dir) })?;
    keeper.promise(Undo::MoveTasks {
        from: text(&dir),
        to: text(base),
        file: "tasks".into(),
    })?;
    fs::create_dir(&dir).map_err(|e| Error::on_path("mkdir", &dir, e))?;
    let cpus = cpu_list::format(cpus);
    write(&dir.join("cpuset.cpus"), &cpus)?;
    write(&dir.join("cpuset.mems"), &mems)?;
    let found = read(&dir.join("cpuset.cpus"))?;
    if found != cpus {
        let object = text(&dir.join("cpuset.cpus"));
        return Err(Error::NotTaken {
            object,
            asked: cpus,
            found,
            next: "a CPU went off line?",
        });
    }
    log.took(format!("cpuset {} with CPU {cpus}", text(&dir)));
    Ok(dir)
}

/// Moves every task of `base` that can run on a measured CPU to `rest`.
fn move_tasks(
    base: &Path,
    rest: &Path,
    measured: &[u32],
    keeper: &mut Keeper,
    log: &mut Log,
) -> Result<()> {
    let base_cpus = cpu_list::parse(
        &read(&base.join("cpuset.effective_cpus")).or_else(|_| read(&base.join("cpuset.cpus")))?,
    )
    .unwrap_or_default();
    let mut moved = BTreeSet::new();
    let mut refused: BTreeMap<(i32, u64), (Intruder, String)> = BTreeMap::new();
    for _ in 0..PASSES_MAX {
        let mut found = intruders(&read(&base.join("tasks"))?, measured);
        found.retain(|t| !refused.contains_key(&t.identity()));
        if found.is_empty() {
            break;
        }
        for task in found {
            // A kernel thread with an affinity of its own has it for a reason.
            if task.stat.kernel_thread && task.cpus != base_cpus {
                refused.insert(
                    task.identity(),
                    (task, "the kernel binds them to these CPUs".into()),
                );
                continue;
            }
            promise_task(&task, base, rest, &base_cpus, keeper)?;
            match write(&rest.join("tasks"), &task.tid.to_string()) {
                Ok(()) => _ = moved.insert(task.identity()),
                Err(Error::Call { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => {}
                Err(Error::Call { source, .. }) => {
                    refused.insert(
                        task.identity(),
                        (task, format!("moving them is refused: {source}")),
                    );
                }
                Err(error) => return Err(error),
            }
        }
    }
    log.took(format!("{} tasks moved to {}", moved.len(), text(rest)));
    log.unmoved.extend(summary(refused.into_values()));
    Ok(())
}

/// A task with an affinity of its own loses it when it is moved (for good before Linux 6.2), so
/// that is promised too. Undone in reverse: first moved back, then given its affinity.
fn promise_task(
    task: &Intruder,
    base: &Path,
    rest: &Path,
    base_cpus: &[u32],
    keeper: &mut Keeper,
) -> Result<()> {
    if task.cpus == base_cpus {
        return Ok(());
    }
    let (tid, start_ticks) = task.identity();
    keeper.promise(Undo::Affinity {
        tid,
        start_ticks,
        cpus: task.cpus.clone(),
    })?;
    keeper.promise(Undo::MoveTasks {
        from: text(rest),
        to: text(base),
        file: "tasks".into(),
    })
}

/// One line for each kind of task and reason, with a few names.
fn summary(refused: impl Iterator<Item = (Intruder, String)>) -> Vec<Unmoved> {
    const NAMES_MAX: usize = 6;
    let mut groups: BTreeMap<(bool, String), Vec<String>> = BTreeMap::new();
    for (task, why) in refused {
        groups
            .entry((task.stat.kernel_thread, why))
            .or_default()
            .push(task.stat.name);
    }
    let lines = groups.into_iter().map(|((kernel, why), mut names)| {
        let (count, kind) = (names.len(), if kernel { "kernel threads" } else { "tasks" });
        names.sort_unstable();
        names.dedup();
        let more = if names.len() > NAMES_MAX { ", …" } else { "" };
        names.truncate(NAMES_MAX);
        Unmoved {
            what: format!("{count} {kind} ({}{more})", names.join(", ")),
            why,
        }
    });
    lines.collect()
}

/// Other people's cpusets that use a measured CPU: their tasks are not ours to move.
fn foreign_sets(base: &Path, own: &[&PathBuf], measured: &[u32]) -> Vec<Unmoved> {
    let Ok(entries) = fs::read_dir(base) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for dir in entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.is_dir() && !own.contains(&p))
    {
        let cpus = read(&dir.join("cpuset.cpus"))
            .ok()
            .and_then(|t| cpu_list::parse(&t))
            .unwrap_or_default();
        let tasks = read(&dir.join("tasks")).map_or(0, |t| t.lines().count());
        if tasks > 0 && cpus.iter().any(|c| measured.contains(c)) {
            found.push(Unmoved {
                what: format!("{tasks} tasks in cpuset {}", text(&dir)),
                why: "they are in a cpuset of their own".into(),
            });
        }
        found.extend(foreign_sets(&dir, own, measured));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::tasks::Stat;

    fn refused(tid: i32, name: &str, kernel_thread: bool, why: &str) -> (Intruder, String) {
        let stat = Stat {
            name: name.into(),
            kernel_thread,
            start_ticks: 1,
        };
        (
            Intruder {
                tid,
                stat,
                cpus: vec![1],
            },
            why.into(),
        )
    }

    #[test]
    fn what_stays_is_grouped_by_kind_and_reason() {
        let lines = summary(
            [
                refused(1, "migration/1", true, "bound"),
                refused(2, "ksoftirqd/1", true, "bound"),
                refused(3, "kthreadd", true, "refused"),
            ]
            .into_iter(),
        );
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].what, "2 kernel threads (ksoftirqd/1, migration/1)");
        assert_eq!(lines[1].why, "refused");
    }
}
