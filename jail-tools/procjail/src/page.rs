//! The page that a jail's processes and its supervisor share until the command runs: how far the
//! set-up got, what went wrong, and how the command ended. It can still be read when PID 1 was
//! killed in the middle of it.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicI32, AtomicI64, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use nix::errno::Errno;

use crate::signals::passed_on;
use crate::step::Step;
use crate::sys::{self, Exit, RawInfo};

/// What is in the page. Zero is "has not happened".
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The step that is being done, as its number.
    step: AtomicU32,
    /// Which of the step's objects, counted from 0.
    object: AtomicU32,
    /// What made a step fail.
    errno: AtomicI32,
    /// The failed step, as its number, and its object: PID 1 goes on after the command's failure.
    failed: AtomicU32,
    failed_object: AtomicU32,
    /// Steps that could not be done, and need not be: an errno each.
    missed: [AtomicI32; MISSED],
    /// The command, in the jail's numbers.
    command: AtomicI32,
    /// 1 when the four below are set.
    ended: AtomicU32,
    raw_status: AtomicI32,
    user_us: AtomicI64,
    system_us: AtomicI64,
    max_rss_kib: AtomicI64,
    /// The last process that was made in the jail, once the command has ended; 0: not looked for.
    last_made: AtomicI32,
    /// Children that PID 1 has reaped, the command included.
    reaped: AtomicU64,
    /// The most that were reaped at one wake-up.
    batch: AtomicU64,
    /// Signals that were passed on to the command.
    forwarded: AtomicU64,
    /// Signals that went on without their value: the queue was full.
    bare: AtomicU64,
    /// The last one passed on: number, then who sent it.
    last_signal: AtomicI32,
    last_pid: AtomicI32,
    last_uid: AtomicU32,
    /// When each step began, by its number (CLOCK_MONOTONIC).
    began_ns: [AtomicU64; Step::COUNT],
    /// How often the command was stopped or went on, above the 8 bits of the signal that stopped it
    /// last; those are 0 when it goes on.
    stops: AtomicU32,
}

/// Steps that may be missed.
pub(crate) const MISSED: usize = 1;

const _: () = assert!(size_of::<Page>() <= 4096);

/// The mapping, which a clone keeps in common.
#[derive(Debug)]
pub(crate) struct Shared(NonNull<Page>);

// SAFETY: everything in a page is atomic.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new() -> Result<Self, Errno> {
        // SAFETY: a new anonymous mapping touches nothing that is there.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Page>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        NonNull::new(address.cast()).map(Self).ok_or(Errno::ENOMEM)
    }

    pub(crate) fn page(&self) -> &Page {
        // SAFETY: the mapping is page-aligned, zeroed (which is a valid Page), as large as a Page, and
        // unmapped only by Drop.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this size; no reference outlives `self`.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Page>()) };
    }
}

/// A failed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) object: usize,
    pub(crate) errno: Errno,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) raw_status: i32,
    pub(crate) user_us: i64,
    pub(crate) system_us: i64,
    pub(crate) max_rss_kib: i64,
}

/// The last signal that was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastSignal {
    pub(crate) signo: i32,
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

impl Page {
    /// Notes what is about to be done.
    pub(crate) fn at(&self, step: Step, object: usize) {
        if self.step.load(Relaxed) != step as u32
            && let Some(began) = self.began_ns.get(step as usize)
        {
            began.store(sys::monotonic_ns(), Relaxed);
        }
        self.object.store(object as u32, Relaxed);
        self.step.store(step as u32, Release);
    }

    /// The steps that were begun and when, in order.
    pub(crate) fn began(&self) -> Vec<(Step, u64)> {
        let numbered = self.began_ns.iter().enumerate();
        let mut began: Vec<(Step, u64)> = numbered
            .filter_map(|(number, ns)| Some((Step::numbered(number as u32)?, ns.load(Relaxed))))
            .filter(|(_, ns)| *ns != 0)
            .collect();
        began.sort_by_key(|(_, ns)| *ns);
        began
    }

    /// What was being done last.
    pub(crate) fn step(&self) -> Option<Step> {
        Step::numbered(self.step.load(Acquire))
    }

    /// Notes that the step being done failed. The first failure stays.
    pub(crate) fn fail(&self, errno: Errno) {
        if self.failed.load(Acquire) == 0 {
            self.errno.store(errno as i32, Relaxed);
            self.failed_object.store(self.object.load(Relaxed), Relaxed);
            self.failed.store(self.step.load(Acquire), Release);
        }
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        let step = Step::numbered(self.failed.load(Acquire))?;
        Some(Failure {
            step,
            object: self.failed_object.load(Relaxed) as usize,
            errno: Errno::from_raw(self.errno.load(Relaxed)),
        })
    }

    /// Notes that a protection could not be had here.
    pub(crate) fn miss(&self, which: usize, errno: Errno) {
        if let Some(missed) = self.missed.get(which) {
            missed.store(errno as i32, Relaxed);
        }
    }

    pub(crate) fn missed(&self, which: usize) -> Option<Errno> {
        let errno = self.missed.get(which)?.load(Relaxed);
        (errno != 0).then(|| Errno::from_raw(errno))
    }

    pub(crate) fn set_command(&self, pid: i32) {
        self.command.store(pid, Release);
    }

    pub(crate) fn command(&self) -> Option<i32> {
        let pid = self.command.load(Acquire);
        (pid != 0).then_some(pid)
    }

    pub(crate) fn set_ended(&self, exit: &Exit) {
        let us = |t: libc::timeval| t.tv_sec * 1_000_000 + t.tv_usec;
        self.raw_status.store(exit.raw_status, Relaxed);
        self.user_us.store(us(exit.usage.ru_utime), Relaxed);
        self.system_us.store(us(exit.usage.ru_stime), Relaxed);
        self.max_rss_kib.store(exit.usage.ru_maxrss, Relaxed);
        self.ended.store(1, Release);
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        (self.ended.load(Acquire) == 1).then(|| Ended {
            raw_status: self.raw_status.load(Relaxed),
            user_us: self.user_us.load(Relaxed),
            system_us: self.system_us.load(Relaxed),
            max_rss_kib: self.max_rss_kib.load(Relaxed),
        })
    }

    pub(crate) fn set_last_made(&self, pid: i32) {
        self.last_made.store(pid, Release);
    }

    /// Was there no process in the jail but PID 1 and the command? False also if that is not known.
    pub(crate) fn was_alone(&self) -> bool {
        self.command()
            .is_some_and(|command| command == self.last_made.load(Acquire))
    }

    pub(crate) fn reaped(&self, in_one_batch: u64) {
        self.reaped.fetch_add(in_one_batch, Relaxed);
        self.batch.fetch_max(in_one_batch, Relaxed);
    }

    /// Children reaped in all, and the most at one wake-up.
    pub(crate) fn reaped_so_far(&self) -> (u64, u64) {
        (self.reaped.load(Relaxed), self.batch.load(Relaxed))
    }

    pub(crate) fn forwarded(&self, received: &RawInfo, with_value: bool) {
        let sent = passed_on(received, received.signo);
        self.last_pid.store(sent.pid, Relaxed);
        self.last_uid.store(sent.uid, Relaxed);
        self.last_signal.store(sent.signo, Release);
        self.forwarded.fetch_add(1, Relaxed);
        if !with_value {
            self.bare.fetch_add(1, Relaxed);
        }
    }

    /// Signals passed on, and those of them that lost their value.
    pub(crate) fn forwarded_so_far(&self) -> (u64, u64) {
        (self.forwarded.load(Relaxed), self.bare.load(Relaxed))
    }

    pub(crate) fn last_signal(&self) -> Option<LastSignal> {
        let signo = self.last_signal.load(Acquire);
        (signo != 0).then(|| LastSignal {
            signo,
            pid: self.last_pid.load(Relaxed),
            uid: self.last_uid.load(Relaxed),
        })
    }

    /// By this signal; 0: it goes on.
    pub(crate) fn set_stopped(&self, signo: i32) {
        let changes = self.stops.load(Relaxed) >> 8;
        let signo = signo.cast_unsigned() & 0xff;
        self.stops
            .store(changes.wrapping_add(1) << 8 | signo, Release);
    }

    /// How often the command was stopped or went on (it wraps), and what it is stopped by now.
    pub(crate) fn stopped(&self) -> (u32, Option<i32>) {
        let stops = self.stops.load(Acquire);
        let signo = (stops & 0xff).cast_signed();
        (stops >> 8, (signo != 0).then_some(signo))
    }
}
