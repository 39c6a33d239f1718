//! Which CPUs processes may use.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread.
const SELF: Pid = Pid::from_raw(0);

/// CPUs of this process, ascending.
pub(crate) fn allowed_cpus() -> Result<Vec<u32>> {
    let set = sched_getaffinity(SELF).context("sched_getaffinity")?;
    let cpus = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true));
    Ok(cpus.map(|cpu| cpu as u32).collect())
}

/// The two CPUs that stand for all: the first and the last.
pub(crate) fn pair(cpus: &[u32]) -> Option<(u32, u32)> {
    let (first, last) = (*cpus.first()?, *cpus.last()?);
    (first != last).then_some((first, last))
}

/// Puts a process (of one thread) on one CPU. The kernel refuses what it does not do: a mask that
/// was set is the mask that holds, but for a cpuset, whose CPUs are all that are asked for here.
pub(crate) fn pin(pid: Pid, cpu: u32) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu as usize).context("a CPU's number")?;
    sched_setaffinity(pid, &set).with_context(|| format!("put {pid} on CPU {cpu}"))
}

/// Puts the calling thread on one CPU.
pub(crate) fn pin_self(cpu: u32) -> Result<()> {
    pin(SELF, cpu)
}

/// The calling thread's CPUs, which it has again when this is dropped.
pub(crate) struct Kept(CpuSet);

impl Kept {
    pub(crate) fn now() -> Result<Self> {
        Ok(Self(sched_getaffinity(SELF).context("sched_getaffinity")?))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // It was allowed before; should it not be any more, there is nothing to go back to.
        let _ = sched_setaffinity(SELF, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_is_no_pair() {
        assert_eq!(pair(&[3]), None);
        assert_eq!(pair(&[0, 1, 5]), Some((0, 5)));
        assert_eq!(pair(&[]), None);
    }

    #[test]
    fn a_thread_that_was_pinned_is_free_again() {
        let before = allowed_cpus().expect("a mask");
        let kept = Kept::now().expect("a mask");
        pin_self(before[0]).expect("an allowed CPU");
        assert_eq!(allowed_cpus().expect("a mask"), [before[0]]);
        drop(kept);
        assert_eq!(allowed_cpus().expect("a mask"), before);
    }
}
