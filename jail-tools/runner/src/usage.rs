//! The kernel's own accounting of a thread, which everybody may read: what there is instead of a
//! ledger page.
//!
//! It is read before and after an operation, outside the timed window, so that it does not
//! lengthen what it explains. The window of the looks is therefore a few µs wider than the
//! operation, and [`crate::infer`] decides how much of it can be the operation's.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::clock::now_ns;

/// Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat": time on the CPU, time on a
/// run queue, turns on this CPU. `thread-self` since Linux 3.17.
const SCHEDSTAT: &str = "/proc/thread-self/schedstat";

/// There exactly where the kernel counts what a thread reads from devices
/// (`CONFIG_TASK_IO_ACCOUNTING`); without, `ru_inblock` stays 0 (kernel/sys.c,
/// `task_io_get_inblock`).
const IO: &str = "/proc/thread-self/io";

/// Bytes of a block of `ru_inblock`: `read_bytes >> 9` in include/linux/task_io_accounting_ops.h.
pub const BLOCK_BYTES: u64 = 512;

/// What this kernel accounts for, of what not every kernel does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSight {
    /// Time on run queues, or why not.
    pub run_delay: Result<(), String>,
    /// Blocks read from devices, or why not.
    pub input: Result<(), String>,
}

impl UsageSight {
    /// Asks the running kernel.
    #[must_use]
    pub fn of_this_kernel() -> Self {
        let run_delay = File::open(SCHEDSTAT)
            .and_then(|file| run_delay_ns(&file))
            .map_err(|e| format!("{SCHEDSTAT}: {e}"))
            .and_then(|ns| {
                ns.map(|_| ()).ok_or_else(|| {
                    format!("{SCHEDSTAT} keeps no account (CONFIG_SCHED_INFO, or before Linux 5.14 delayacct)")
                })
            });
        let input = if Path::new(IO).exists() {
            Ok(())
        } else {
            Err(format!(
                "no {IO}: this kernel does not count what a thread reads (CONFIG_TASK_IO_ACCOUNTING)"
            ))
        };
        Self { run_delay, input }
    }
}

/// By how much a thread's account grew around one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageDiff {
    /// Switches away that the thread asked for (`ru_nvcsw`): it slept.
    pub switches_voluntary: u64,
    /// Switches away while it could have gone on (`ru_nivcsw`).
    pub switches_involuntary: u64,
    /// Page faults (`ru_minflt` and `ru_majflt`).
    pub faults: u64,
    /// Blocks of [`BLOCK_BYTES`] that it asked a device for (`ru_inblock`).
    pub input_blocks: Option<u64>,
    /// `CLOCK_MONOTONIC`, ns.
    pub wall_ns: u64,
    /// `CLOCK_THREAD_CPUTIME_ID`, ns.
    pub cpu_ns: u64,
    /// Time on run queues, ns.
    pub run_delay_ns: Option<u64>,
}

/// The calling thread's account at a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    counts: [u64; 4],
    run_delay_ns: Option<u64>,
    wall_ns: u64,
    cpu_ns: u64,
}

/// The account of the thread that opened it. Not for another thread: its file is this one's.
#[derive(Debug)]
pub struct UsageReader {
    schedstat: Option<File>,
    counts_input: bool,
    before: Account,
}

impl UsageReader {
    /// For the calling thread.
    #[must_use]
    pub fn open(sight: &UsageSight) -> Self {
        Self {
            schedstat: sight
                .run_delay
                .as_ref()
                .ok()
                .and_then(|()| File::open(SCHEDSTAT).ok()),
            counts_input: sight.input.is_ok(),
            before: Account::default(),
        }
    }

    /// The look before an operation: the two clocks last, nearest to it.
    #[inline]
    pub fn begin(&mut self) {
        let (counts, run_delay_ns) = (counts(), self.run_delay_ns());
        let (wall_ns, cpu_ns) = clocks();
        self.before = Account {
            counts,
            run_delay_ns,
            wall_ns,
            cpu_ns,
        };
    }

    /// The look after it: the two clocks first, in the same order, so that the time between them
    /// cancels.
    #[inline]
    #[must_use]
    pub fn end(&self) -> UsageDiff {
        let (wall_ns, cpu_ns) = clocks();
        let after = Account {
            run_delay_ns: self.run_delay_ns(),
            counts: counts(),
            wall_ns,
            cpu_ns,
        };
        let before = &self.before;
        let [voluntary, involuntary, faults, input] =
            std::array::from_fn(|i| after.counts[i].saturating_sub(before.counts[i]));
        UsageDiff {
            switches_voluntary: voluntary,
            switches_involuntary: involuntary,
            faults,
            input_blocks: self.counts_input.then_some(input),
            wall_ns: after.wall_ns.saturating_sub(before.wall_ns),
            cpu_ns: after.cpu_ns.saturating_sub(before.cpu_ns),
            run_delay_ns: after
                .run_delay_ns
                .zip(before.run_delay_ns)
                .map(|(after, before)| after.saturating_sub(before)),
        }
    }

    fn run_delay_ns(&self) -> Option<u64> {
        self.schedstat
            .as_ref()
            .and_then(|file| run_delay_ns(file).ok().flatten())
    }
}

/// The second field; `None` where the kernel keeps none of them.
fn run_delay_ns(file: &File) -> io::Result<Option<u64>> {
    // Three numbers of at most 20 digits.
    let mut bytes = [0; 64];
    let n = file.read_at(&mut bytes, 0)?;
    Ok(parse(&bytes[..n]))
}

/// A thread that reads its own account has been on the CPU: a first field of 0 is no account.
fn parse(bytes: &[u8]) -> Option<u64> {
    let mut fields = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    let mut number = || fields.next()?.parse::<u64>().ok();
    let (on_cpu_ns, run_delay_ns) = (number()?, number()?);
    (on_cpu_ns > 0).then_some(run_delay_ns)
}

#[inline]
fn clocks() -> (u64, u64) {
    // clock_gettime(2) fails only for a clock that does not exist.
    let cpu_ns = |t: nix::sys::time::TimeSpec| {
        t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned()
    };
    let wall_ns = now_ns();
    (
        wall_ns,
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0, cpu_ns),
    )
}

/// Voluntary and involuntary switches, faults, blocks read.
#[inline]
fn counts() -> [u64; 4] {
    // getrusage(2) fails only for a target that does not exist.
    getrusage(UsageWho::RUSAGE_THREAD).map_or([0; 4], |u| {
        [
            u.voluntary_context_switches(),
            u.involuntary_context_switches(),
            u.minor_page_faults() + u.major_page_faults(),
            u.block_reads(),
        ]
        .map(i64::cast_unsigned)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_second_field_is_the_wait_and_all_zeroes_are_no_account() {
        assert_eq!(parse(b"54511 59969 1\n"), Some(59_969));
        assert_eq!(parse(b"0 0 0\n"), None);
        assert_eq!(parse(b"54511\n"), None);
        assert_eq!(parse(b""), None);
    }

    proptest! {
        #[test]
        fn no_content_of_the_file_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn a_sleep_is_a_voluntary_switch_off_the_cpu() {
        let sight = UsageSight::of_this_kernel();
        let mut reader = UsageReader::open(&sight);
        reader.begin();
        std::thread::sleep(Duration::from_millis(20));
        let diff = reader.end();
        assert!(diff.switches_voluntary >= 1, "{diff:?}");
        assert!(
            diff.wall_ns >= 20_000_000 && diff.cpu_ns < diff.wall_ns / 2,
            "{diff:?}"
        );
        assert_eq!(diff.run_delay_ns.is_some(), sight.run_delay.is_ok());
        assert_eq!(diff.input_blocks.is_some(), sight.input.is_ok());
    }

    #[test]
    fn what_the_kernel_does_not_keep_is_missing_and_not_0() {
        let sight = UsageSight {
            run_delay: Err("a test".into()),
            input: Err("a test".into()),
        };
        let mut reader = UsageReader::open(&sight);
        reader.begin();
        let diff = reader.end();
        assert_eq!((diff.run_delay_ns, diff.input_blocks), (None, None));
    }
}
