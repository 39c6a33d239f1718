//! Where threads run.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The CPUs that this thread may use.
pub(crate) fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("one's own affinity");
    (0..CpuSet::count())
        .filter(|cpu| allowed.is_set(*cpu) == Ok(true))
        .collect()
}

/// Binds the calling thread, and nobody else, to the CPU: there is nothing to restore.
pub(crate) fn pin(cpu: usize) {
    let mut only = CpuSet::new();
    only.set(cpu).expect("a CPU that there is");
    sched_setaffinity(Pid::from_raw(0), &only).expect("a CPU that was allowed");
}
