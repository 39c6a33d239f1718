//! The one door to the kernel: futex(2), membarrier(2), sched_yield(2), the CPU of a thread.
//!
//! Nothing here decides anything; errors that cannot happen with these arguments are named
//! where they are ignored.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

/// A word that threads sleep on.
pub(crate) trait Word {
    /// Where the kernel looks: the address of 32 aligned bits.
    fn address(&self) -> *const u32;
}

impl Word for AtomicU32 {
    fn address(&self) -> *const u32 {
        self.as_ptr().cast_const()
    }
}

/// The low half.
impl Word for AtomicU64 {
    fn address(&self) -> *const u32 {
        let halves = self.as_ptr().cast_const().cast::<u32>();
        // The low half is the second one where the high half comes first.
        halves.wrapping_add(usize::from(cfg!(target_endian = "big")))
    }
}

/// Sleeps until a wake-up, unless the word is no longer `expected`; at most until `deadline`.
/// Returns early too: the caller looks again. `FUTEX_WAIT` compares and queues in one step
/// under the lock of its hash bucket (futex(2), kernel/futex/waitwake.c).
pub(crate) fn wait(word: &impl Word, expected: u32, deadline: Option<Instant>) {
    let timeout = match deadline.map(remaining) {
        None => None,
        Some(Some(left)) => Some(timespec(left)),
        Some(None) => return,
    };
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word outlives the call, since it is borrowed; the kernel only reads its 32
    // aligned bits. `timeout` is null or points to a timespec on this stack. EAGAIN, EINTR and
    // ETIMEDOUT all mean "look again"; EFAULT and EINVAL need arguments that these are not.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.address(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            timeout,
        );
    }
}

/// Wakes up to `count` of the threads that sleep on the word, in the order in which they came.
pub(crate) fn wake(word: &impl Word, count: u32) {
    wake_address(word.address(), count);
}

/// The same for a word that may be gone already.
pub(crate) fn wake_at(word: *const AtomicU32, count: u32) {
    wake_address(word.cast(), count);
}

fn wake_address(address: *const u32, count: u32) {
    // SAFETY: FUTEX_WAKE uses the address as a key and does not touch what is there
    // (kernel/futex/core.c: get_futex_key of a private futex). If the word is gone, it wakes
    // at worst a stranger who sleeps on what is there now, and looks again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            address,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            count.min(i32::MAX as u32),
        );
    }
}

/// The time that is left, `None` if there is none.
fn remaining(deadline: Instant) -> Option<Duration> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
}

fn timespec(duration: Duration) -> libc::timespec {
    // SAFETY: a timespec is integers (and padding on some targets): all zero is a value.
    let mut spec: libc::timespec = unsafe { std::mem::zeroed() };
    // 292 thousand million years are as good as for ever.
    spec.tv_sec = libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX);
    // The field's type differs from target to target; each holds what is below 10⁹.
    #[allow(clippy::cast_lossless)]
    {
        spec.tv_nsec = duration.subsec_nanos() as _;
    }
    spec
}

/// Gives the CPU to another thread that can run on it, if there is one.
pub(crate) fn yield_now() {
    // SAFETY: no arguments. Always succeeds on Linux (sched_yield(2)).
    unsafe {
        libc::sched_yield();
    }
}

/// The CPU that this thread was on at some time during the call, `None` if unknown.
pub(crate) fn current_cpu() -> Option<usize> {
    if cfg!(miri) {
        return None; // It has no such function, and would end the program.
    }
    // SAFETY: no arguments; answers from the vDSO or from rseq.
    let cpu = unsafe { libc::sched_getcpu() };
    usize::try_from(cpu).ok()
}

/// Declares that this process will use [`barrier_everywhere`]. False where the kernel is too
/// old (before 4.14), is built without membarrier, or a seccomp filter refuses it.
pub(crate) fn register_barrier() -> bool {
    // Miri has no membarrier either.
    !cfg!(miri) && membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
}

/// A full memory barrier on every CPU that runs a thread of this process now
/// (membarrier(2), `MEMBARRIER_CMD_PRIVATE_EXPEDITED`). False if it was refused.
pub(crate) fn barrier_everywhere() -> bool {
    membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: membarrier takes three integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
