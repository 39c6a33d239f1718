//! Pinning of the calling thread: asked, and read back.
//!
//! Nothing has to be restored: an affinity is a property of the thread, and dies with it.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

use crate::cpu_list;
use crate::error::{Error, Result};

/// What the kernel says after a thread was pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinReadBack {
    /// CPUs that were asked for.
    pub asked: Vec<u32>,
    /// CPUs that the thread may now run on.
    pub allowed: Vec<u32>,
    /// CPU that it ran on when asked right afterwards.
    pub running_on: u32,
}

impl PinReadBack {
    /// Did it take? The kernel narrows a mask silently to the CPUs of the thread's cpuset.
    #[must_use]
    pub fn held(&self) -> bool {
        self.allowed == self.asked && self.allowed.contains(&self.running_on)
    }
}

/// Pins the calling thread to one CPU.
///
/// # Errors
/// `sched_setaffinity` fails: EINVAL if the CPU is off line or outside the thread's cpuset. The
/// read-back may still differ from what was asked: see [`PinReadBack::held`].
pub fn pin(cpu: u32) -> Result<PinReadBack> {
    // core_affinity 0.8 panics on a number beyond the `cpu_set_t`, and only says yes or no: the
    // call below, which is the same again, has the errno.
    if (cpu as usize) < CpuSet::count() {
        core_affinity::set_for_current(core_affinity::CoreId { id: cpu as usize });
    }
    confine(&[cpu])
}

/// Confines the calling thread to some CPUs.
///
/// # Errors
/// As [`pin`].
pub fn confine(cpus: &[u32]) -> Result<PinReadBack> {
    let me = Pid::from_raw(0);
    let mut asked = cpus.to_vec();
    asked.sort_unstable();
    asked.dedup();
    set_affinity(me, &asked).map_err(|errno| {
        Error::call(format!("sched_setaffinity to CPU {}", cpu_list::format(&asked)), "of this thread", errno.into())
            .advise("the CPU is off line or outside this process's cpuset: see /proc/self/status, Cpus_allowed_list")
    })?;
    let allowed = affinity(me)
        .map_err(|errno| Error::call("sched_getaffinity", "of this thread", errno.into()))?;
    let running_on = sched_getcpu()
        .map_err(|errno| Error::call("sched_getcpu", "of this thread", errno.into()))?;
    Ok(PinReadBack {
        asked,
        allowed,
        running_on: running_on as u32,
    })
}

/// CPUs that a thread may run on, ascending. EINVAL on a machine whose kernel supports more CPUs
/// than a `cpu_set_t` holds (1024).
pub(crate) fn affinity(thread: Pid) -> Result<Vec<u32>, Errno> {
    let set = sched_getaffinity(thread)?;
    Ok((0..CpuSet::count())
        .filter(|c| set.is_set(*c) == Ok(true))
        .map(|c| c as u32)
        .collect())
}

/// Sets the CPUs that a thread may run on.
pub(crate) fn set_affinity(thread: Pid, cpus: &[u32]) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu as usize)?;
    }
    sched_setaffinity(thread, &set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_reads_back_its_cpu() {
        std::thread::spawn(|| {
            let last = affinity(Pid::from_raw(0)).unwrap().pop().unwrap();
            let back = pin(last).unwrap();
            assert!(back.held(), "{back:?}");
            assert_eq!(back.running_on, last);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_an_error_that_names_the_call() {
        let text = pin(1023).unwrap_err().to_string();
        assert!(text.contains("sched_setaffinity to CPU 1023"), "{text}");
        assert!(pin(70_000).is_err());
    }

    #[test]
    fn a_mask_that_the_kernel_narrowed_has_not_held() {
        let back = PinReadBack {
            asked: vec![0, 1],
            allowed: vec![1],
            running_on: 1,
        };
        assert!(!back.held());
    }
}
