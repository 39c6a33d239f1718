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
use nix::sys::time::TimeSpec;
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

/// Voluntary and involuntary switches, faults, blocks read.
type Counts = [u64; 4];

/// What this kernel accounts for, of what not every kernel does. Switches and the thread's clock
/// are not in it: without them there is no account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSight {
    /// Time on run queues, or why not.
    pub run_delay: Result<(), String>,
    /// Blocks read from devices, or why not.
    pub input: Result<(), String>,
}

impl UsageSight {
    /// Asks the running kernel, by a look at each source.
    ///
    /// # Errors
    /// There is no account at all: the call that failed, and its errno. A sandbox can refuse it
    /// (seccomp), which no version of the kernel tells.
    pub fn of_this_kernel() -> Result<Self, String> {
        Self::judge(
            counts(),
            cpu_ns(),
            File::open(SCHEDSTAT).and_then(|file| run_delay_ns(&file)),
            Path::new(IO).exists(),
        )
    }

    /// From what the looks found.
    fn judge(
        counts: nix::Result<Counts>,
        cpu_ns: nix::Result<u64>,
        run_delay_ns: io::Result<Option<u64>>,
        counts_input: bool,
    ) -> Result<Self, String> {
        counts.map_err(|errno| format!("getrusage(RUSAGE_THREAD): {errno}"))?;
        cpu_ns.map_err(|errno| format!("clock_gettime(CLOCK_THREAD_CPUTIME_ID): {errno}"))?;
        let run_delay = match run_delay_ns {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(format!(
                "{SCHEDSTAT} keeps no account (CONFIG_SCHED_INFO, or before Linux 5.14 delayacct)"
            )),
            Err(e) => Err(format!("{SCHEDSTAT}: {e}")),
        };
        let input = counts_input.then_some(()).ok_or_else(|| {
            format!(
                "no {IO}: this kernel does not count what a thread reads (CONFIG_TASK_IO_ACCOUNTING)"
            )
        });
        Ok(Self { run_delay, input })
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    counts: Counts,
    run_delay_ns: Option<u64>,
    wall_ns: u64,
    cpu_ns: u64,
}

impl Account {
    /// `None` if one of the two calls failed: what was not read is not 0.
    #[inline]
    fn of(
        counts: nix::Result<Counts>,
        run_delay_ns: Option<u64>,
        wall_ns: u64,
        cpu_ns: nix::Result<u64>,
    ) -> Option<Self> {
        Some(Self {
            counts: counts.ok()?,
            run_delay_ns,
            wall_ns,
            cpu_ns: cpu_ns.ok()?,
        })
    }

    /// What it has grown by since.
    #[inline]
    fn since(&self, before: &Self, counts_input: bool) -> UsageDiff {
        let [voluntary, involuntary, faults, input] =
            std::array::from_fn(|i| self.counts[i].saturating_sub(before.counts[i]));
        UsageDiff {
            switches_voluntary: voluntary,
            switches_involuntary: involuntary,
            faults,
            input_blocks: counts_input.then_some(input),
            wall_ns: self.wall_ns.saturating_sub(before.wall_ns),
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            run_delay_ns: self
                .run_delay_ns
                .zip(before.run_delay_ns)
                .map(|(after, before)| after.saturating_sub(before)),
        }
    }
}

/// The account of the thread that opened it. Not for another thread: its file is this one's.
#[derive(Debug)]
pub struct UsageReader {
    schedstat: Option<File>,
    counts_input: bool,
    before: Option<Account>,
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
            before: None,
        }
    }

    /// The look before an operation: the two clocks last, nearest to it.
    #[inline]
    pub fn begin(&mut self) {
        let (counts, run_delay_ns) = (counts(), self.run_delay_ns());
        let (wall_ns, cpu_ns) = (now_ns(), cpu_ns());
        self.before = Account::of(counts, run_delay_ns, wall_ns, cpu_ns);
    }

    /// The look after it: the two clocks first, in the same order, so that the time between them
    /// cancels. `None` if either look failed.
    #[inline]
    #[must_use]
    pub fn end(&self) -> Option<UsageDiff> {
        let (wall_ns, cpu_ns) = (now_ns(), cpu_ns());
        let after = Account::of(counts(), self.run_delay_ns(), wall_ns, cpu_ns)?;
        Some(after.since(self.before.as_ref()?, self.counts_input))
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

/// A kernel without the account prints zeroes (`proc_pid_schedstat` in fs/proc/base.c). One with it
/// counts a turn when a thread comes onto a CPU (`sched_info_arrive`, kernel/sched/stats.h), so that
/// whoever reads its own has had one. The first field does not tell: it is brought up to date at
/// ticks and switches (`update_curr`), and can be 0 for a thread that is younger than a tick.
fn parse(bytes: &[u8]) -> Option<u64> {
    let mut fields = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    let mut number = || fields.next()?.parse::<u64>().ok();
    let (_on_cpu_ns, run_delay_ns, turns) = (number()?, number()?, number()?);
    (turns > 0).then_some(run_delay_ns)
}

/// The thread's own clock.
#[inline]
fn cpu_ns() -> nix::Result<u64> {
    let ns = |t: TimeSpec| t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned();
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(ns)
}

#[inline]
fn counts() -> nix::Result<Counts> {
    getrusage(UsageWho::RUSAGE_THREAD).map(|u| {
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
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::time::Duration;

    use nix::errno::Errno;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_second_field_is_the_wait_and_no_turn_on_a_cpu_is_no_account() {
        assert_eq!(parse(b"54511 59969 1\n"), Some(59_969));
        // Younger than a tick.
        assert_eq!(parse(b"0 5 1\n"), Some(5));
        assert_eq!(parse(b"0 0 1\n"), Some(0));
        assert_eq!(parse(b"0 0 0\n"), None);
        assert_eq!(parse(b"54511 59969\n"), None);
        assert_eq!(parse(b"54511 59969 -1\n"), None);
        assert_eq!(parse(b"54511\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn a_call_that_is_refused_is_named_and_there_is_no_account() {
        let judge = |counts, cpu_ns| UsageSight::judge(counts, cpu_ns, Ok(Some(5)), true);
        let everything = UsageSight {
            run_delay: Ok(()),
            input: Ok(()),
        };
        assert_eq!(judge(Ok([0; 4]), Ok(0)), Ok(everything));
        let why = judge(Err(Errno::EPERM), Ok(1)).unwrap_err();
        assert_eq!(
            why,
            "getrusage(RUSAGE_THREAD): EPERM: Operation not permitted"
        );
        let why = judge(Ok([1; 4]), Err(Errno::EINVAL)).unwrap_err();
        assert_eq!(
            why,
            "clock_gettime(CLOCK_THREAD_CPUTIME_ID): EINVAL: Invalid argument"
        );
    }

    #[test]
    fn what_not_every_kernel_keeps_is_told_by_itself() {
        let judge = |run_delay_ns, input| {
            let sight = UsageSight::judge(Ok([0; 4]), Ok(0), run_delay_ns, input).unwrap();
            (sight.run_delay, sight.input)
        };
        let (run_delay, input) = judge(Ok(None), false);
        assert!(run_delay.unwrap_err().contains("CONFIG_SCHED_INFO"));
        assert!(input.unwrap_err().contains("CONFIG_TASK_IO_ACCOUNTING"));
        let (run_delay, input) = judge(Err(Errno::EACCES.into()), true);
        assert!(run_delay.unwrap_err().contains("Permission denied"));
        assert_eq!(input, Ok(()));
    }

    #[test]
    fn a_look_that_failed_is_none_and_no_zeroes() {
        let look = |counts, cpu_ns| Account::of(counts, Some(3), 7, cpu_ns);
        assert_eq!(look(Err(Errno::EPERM), Ok(1)), None);
        assert_eq!(look(Ok([0; 4]), Err(Errno::EINVAL)), None);
        let account = look(Ok([1, 2, 3, 4]), Ok(5)).unwrap();
        assert_eq!(
            account.since(&account, true),
            UsageDiff {
                input_blocks: Some(0),
                run_delay_ns: Some(0),
                ..UsageDiff::default()
            }
        );
        // The same where only the look before failed.
        let reader = UsageReader::open(&UsageSight::of_this_kernel().unwrap());
        assert_eq!(reader.end(), None);
    }

    #[test]
    fn a_run_delay_that_one_look_lacks_is_missing() {
        let look = |run_delay_ns| Account::of(Ok([0; 4]), run_delay_ns, 7, Ok(5)).unwrap();
        for (before, after) in [(None, Some(9)), (Some(9), None), (None, None)] {
            let diff = look(after).since(&look(before), true);
            assert_eq!(diff.run_delay_ns, None);
        }
        assert_eq!(
            look(Some(9)).since(&look(Some(2)), true).run_delay_ns,
            Some(7)
        );
    }

    proptest! {
        #[test]
        fn no_content_of_the_file_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn a_sleep_is_a_voluntary_switch_off_the_cpu() {
        let sight = UsageSight::of_this_kernel().unwrap();
        let mut reader = UsageReader::open(&sight);
        reader.begin();
        std::thread::sleep(Duration::from_millis(20));
        let diff = reader.end().unwrap();
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
        let diff = reader.end().unwrap();
        assert_eq!((diff.run_delay_ns, diff.input_blocks), (None, None));
    }
}
