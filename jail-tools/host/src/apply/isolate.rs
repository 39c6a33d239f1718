//! Shielding the measured CPUs (`--isolate`).
//!
//! With a v1 cpuset: one set for the measured CPUs, one beside it for the rest, and every task
//! that may move goes there. With the unified hierarchy: an isolated partition, which takes its
//! CPUs away from everybody else without moving a task. In both cases interrupts move too.
//!
//! Nothing here undoes anything: each change is promised to the [`Keeper`] first, which undoes
//! all of it when it is finished or when this process dies.

mod cpuset_v1;
mod partition_v2;

use std::path::{Path, PathBuf};

use record::manifest::HostChange;

use super::irq;
use super::write::write;
use crate::cpu_list;
use crate::decide::IsolationPlan;
use crate::error::{Error, Result};
use crate::keeper::Keeper;

/// Something that can still disturb the measured CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmoved {
    /// Tasks or an interrupt.
    pub what: String,
    /// Why it stays.
    pub why: String,
}

/// A shield in force. It stays until its keeper is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    join_dir: Option<PathBuf>,
    unmoved: Vec<Unmoved>,
}

/// What was done so far.
#[derive(Debug, Default)]
struct Log {
    changes: Vec<HostChange>,
    unmoved: Vec<Unmoved>,
}

impl Log {
    fn took(&mut self, asked: String) {
        self.changes.push(HostChange {
            asked,
            refused: None,
        });
    }

    /// A change that the shield is weaker without, but not useless.
    fn optional(&mut self, asked: String, result: Result<()>) -> Result<()> {
        match result {
            Err(error @ Error::Keeper { .. }) => return Err(error),
            Err(error) => self.changes.push(HostChange {
                asked,
                refused: Some(error.to_string()),
            }),
            Ok(()) => self.took(asked),
        }
        Ok(())
    }
}

impl Isolation {
    /// Carries out a plan and says what was changed, and what was refused.
    ///
    /// # Errors
    /// The shield could not be made at all. What was done until then is undone by the keeper.
    pub fn apply(plan: &IsolationPlan, keeper: &mut Keeper) -> Result<(Self, Vec<HostChange>)> {
        let mut log = Log::default();
        let (join_dir, measured, housekeeping) = match plan {
            IsolationPlan::None { .. } => {
                return Ok((
                    Self {
                        join_dir: None,
                        unmoved: Vec::new(),
                    },
                    Vec::new(),
                ));
            }
            IsolationPlan::CpusetV1 {
                base,
                measured,
                housekeeping,
            } => {
                let dir =
                    cpuset_v1::shield(Path::new(base), measured, housekeeping, keeper, &mut log)?;
                (dir, measured, housekeeping)
            }
            IsolationPlan::PartitionV2 {
                base,
                measured,
                housekeeping,
            } => (
                partition_v2::shield(Path::new(base), measured, keeper, &mut log)?,
                measured,
                housekeeping,
            ),
        };
        let (moved, unmoved) = irq::move_away(measured, housekeeping, keeper)?;
        log.took(format!(
            "{moved} interrupts moved from CPU {} to CPU {}",
            cpu_list::format(measured),
            cpu_list::format(housekeeping)
        ));
        log.unmoved.extend(unmoved);
        Ok((
            Self {
                join_dir: Some(join_dir),
                unmoved: log.unmoved,
            },
            log.changes,
        ))
    }

    /// The cgroup that measured processes must join, if there is a shield.
    #[must_use]
    pub fn join_dir(&self) -> Option<&Path> {
        self.join_dir.as_deref()
    }

    /// Puts a process, with all its threads, behind the shield. Does nothing without one.
    ///
    /// Join first and pin afterwards: joining resets the affinity (v1), and outside an isolated
    /// partition its CPUs cannot be asked for at all (v2).
    ///
    /// # Errors
    /// The kernel refuses to move the process.
    pub fn join(&self, pid: u32) -> Result<()> {
        // `cgroup.procs` moves whole processes in v1 and v2 alike.
        self.join_dir.as_ref().map_or(Ok(()), |dir| {
            write(&dir.join("cgroup.procs"), &pid.to_string())
        })
    }

    /// What could not be moved off the measured CPUs.
    #[must_use]
    pub fn unmoved(&self) -> &[Unmoved] {
        &self.unmoved
    }
}

/// Name of a cgroup of ours: it says whose it is, should one ever be left over.
fn own_name(suffix: &str) -> String {
    format!("jail-tools-{}{suffix}", std::process::id())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
