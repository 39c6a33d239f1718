//! Which CPUs processes may use, and how far apart two are.

use analysis::quantile::Sorted;
use anyhow::{Context, Result};
use host::distance;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread.
const SELF: Pid = Pid::from_raw(0);

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

/// How far apart two CPUs are, ns.
pub(crate) fn one_way_ns(pair: (u32, u32)) -> Result<f64> {
    Sorted::of(&distance::one_way_ns(pair)?)
        .quantile(0.5)
        .context("a cache line was passed and no block ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::distance::allowed_cpus;

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
