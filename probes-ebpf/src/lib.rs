//! The wire format between the BPF programs and the process that reads them.
//!
//! It exists once: the programs (`main.rs`, built for the BPF target) and the `probes` crate
//! (built for the host) both use this file. Fixed-width integers only, explicit padding,
//! sizes and offsets asserted at compile time, and an ABI number that is checked at load.
#![no_std]

/// Raised whenever anything in this file changes its meaning or place. The object carries it in
/// the global `ABI`, and the loader refuses another one.
pub const ABI: u32 = 1;

/// Measured threads at once. The ledger map is this many slots long.
pub const SLOTS: u32 = 64;

/// Bytes of one slot: one thread's counters, on cache lines of their own.
pub const SLOT_BYTES: usize = 448;

/// Number of counter words in a slot.
pub const COUNTERS: usize = 32;

/// Indices of the counter words. All are cumulative and only ever grow.
///
/// They are written by programs that run in the context of the thread's own CPU, while it is
/// current or being switched: a plain load by the thread itself, afterwards, sees them.
pub mod counter {
    /// Raised with every change of any other counter: unchanged means that nothing happened.
    pub const SEQUENCE: usize = 0;
    /// Pages that this thread added to the page cache.
    pub const PAGES_ADDED: usize = 1;
    /// Those of them that lie in the range announced in [`super::Intent`].
    pub const PAGES_DEMANDED: usize = 2;
    /// Block requests that this thread started.
    pub const REQUESTS: usize = 3;
    /// Bytes of those requests.
    pub const REQUEST_BYTES: usize = 4;
    /// Asleep while a block request of its own was in flight, ns.
    pub const DEVICE_NS: usize = 5;
    /// Asleep otherwise, until `sched_waking`, ns.
    pub const BLOCKED_NS: usize = 6;
    /// From `sched_waking` to `sched_wakeup`, ns.
    pub const WAKEUP_NS: usize = 7;
    /// From `sched_wakeup` until it ran, ns.
    pub const RUNQUEUE_NS: usize = 8;
    /// Runnable, but switched away from, ns.
    pub const PREEMPTED_NS: usize = 9;
    /// Device interrupt handlers while it was current, ns.
    pub const HARDIRQ_NS: usize = 10;
    /// Local timer interrupts while it was current, ns.
    pub const TIMER_NS: usize = 11;
    /// Reschedule, call-function and irq-work vectors while it was current, ns.
    pub const IPI_NS: usize = 12;
    /// Softirqs while it was current, net of interrupts inside, ns.
    pub const SOFTIRQ_NS: usize = 13;
    /// Stolen by the hypervisor while it was current, ns.
    pub const STEAL_NS: usize = 14;
    /// Off the CPU, but the switch back was never seen, ns (an upper bound).
    pub const GAP_NS: usize = 15;
    /// Times of that.
    pub const GAPS: usize = 16;
    /// Interrupts while it was current: device, timer and IPI.
    pub const INTERRUPTS: usize = 17;
    /// Switches away, asleep.
    pub const SWITCHES_VOLUNTARY: usize = 18;
    /// Switches away, runnable.
    pub const SWITCHES_INVOLUNTARY: usize = 19;
    /// Page faults at user addresses.
    pub const FAULTS_USER: usize = 20;
    /// Page faults taken in the kernel (inside a copy).
    pub const FAULTS_KERNEL: usize = 21;
    /// Times that it came back on another CPU.
    pub const MIGRATIONS: usize = 22;
    /// Block requests that could not be remembered (the map was full).
    pub const REQUEST_DROPS: usize = 23;
    /// On the CPU while a block request of its own was in flight, net of everything above, ns.
    pub const INFLIGHT_NS: usize = 24;
    /// Local timer interrupts while it was current (those in [`TIMER_NS`]).
    pub const TIMERS: usize = 25;

    /// First and one past the last of the counters that hold net time other than
    /// [`INFLIGHT_NS`]: together they are what the rest of an interval is net of.
    pub const TIMES: core::ops::Range<usize> = DEVICE_NS..GAP_NS + 1;

    /// What a flight is net of: all of [`TIMES`] but steal, which arrives up to a tick late and
    /// would then eat the flight of another operation.
    // A BPF-to-BPF call would lose the verifier's knowledge of the pointer.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    #[must_use]
    pub fn flight_times_ns(counters: &[u64; super::COUNTERS]) -> u64 {
        let mut sum = 0;
        for index in TIMES {
            if index != STEAL_NS {
                sum += counters[index];
            }
        }
        sum
    }
}

/// One measured thread's page of the ledger.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// Cumulative counters, see [`counter`].
    pub counters: [u64; COUNTERS],
    /// The programs' own memory about the thread.
    pub state: SlotState,
    /// Written by other CPUs: the waker's, the one that took the completion.
    pub remote: SlotRemote,
}

/// What the programs remember of a thread between events. Own context only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SlotState {
    /// When it was switched away; 0 while it runs.
    pub off_since_ns: u64,
    /// 1 if it was asleep then, 0 if runnable.
    pub off_asleep: u64,
    /// CPU that it last ran on, plus 1; 0 if none is known.
    pub cpu_plus_1: u64,
    /// Since when a block request of its own has been in flight.
    pub busy_since_ns: u64,
    /// Since when it has been on the CPU with such a request in flight; 0 if it is not, or is
    /// asleep.
    pub flight_since_ns: u64,
    /// Sum of the time counters at that moment.
    pub flight_times_ns: u64,
    /// Operation in which the last request was started, as in [`Intent::op`].
    pub flight_op: u64,
    /// Explicit padding up to the next cache line.
    pub reserved: u64,
}

/// Words that other CPUs write, on cache lines apart from the thread's own.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SlotRemote {
    /// `sched_waking`, ns; 0 if none since it was last switched in.
    pub waking_ns: u64,
    /// `sched_wakeup`, ns; 0 likewise.
    pub wakeup_ns: u64,
    /// Requests that completed.
    pub completed: u64,
    /// Issue to completion of those that completed while their operation went on, summed, ns.
    pub completed_ns: u64,
    /// When the last one completed, ns.
    pub completed_at_ns: u64,
    /// Requests that completed after their operation had returned.
    pub completed_late: u64,
    /// Issue to completion of those, summed, ns.
    pub completed_late_ns: u64,
    /// Requests whose completion never reached a probe: found when the kernel used the same
    /// `struct request` again.
    pub lost: u64,
    /// Explicit padding.
    pub reserved: [u64; 8],
}

/// What the measured thread announces before each operation: the only words that user space
/// writes. They live in a map of their own, so that the counters are mapped read-only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Intent {
    /// First byte of the range that the operation asks for.
    pub start: u64,
    /// Byte after its last one; equal to `start` if the operation has no range.
    pub end: u64,
    /// Number of the operation: a completion that finds another one is late.
    pub op: u64,
    /// Explicit padding to a cache line.
    pub reserved: [u64; 5],
}

/// Indices of the global losses, one per-CPU array of [`LOSSES`] words.
pub mod loss {
    /// Ring-buffer records that could not be reserved.
    pub const RING: usize = 0;
    /// Exits of a bracketed call without its start.
    pub const ORPHAN: usize = 1;
    /// Block requests that could not be remembered.
    pub const REQUEST: usize = 2;
    /// Bracketed calls that were recorded, to balance the books.
    pub const RECORDED: usize = 3;
    /// Block requests whose completion never reached a probe.
    pub const COMPLETION: usize = 4;
}

/// What the program `layout_of_task` is asked for: its argument 0.
pub mod layout {
    /// The 32 bits at an offset within the current `struct task_struct`.
    pub const FIELD: u64 = 0;
    /// The thread's id in the root PID namespace, as the kernel's own helper gives it.
    pub const PID: u64 = 1;
    /// The process's id there, likewise.
    pub const TGID: u64 = 2;
}

/// Words in the losses map.
pub const LOSSES: usize = 8;

/// Bytes of the bracketing mode's ring (a power of two and a multiple of the page size).
/// At 1.7 M records/s a ring of 16 MiB drained every few ms lost nothing.
pub const RING_BYTES: u32 = 32 * 1024 * 1024;

/// One bracketed system call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// CLOCK_MONOTONIC at the entry, ns.
    pub start_ns: u64,
    /// Entry to exit, ns.
    pub latency_ns: u64,
    /// What it returned.
    pub result: i64,
    /// First three arguments: for `pread64` the descriptor, the buffer and the length.
    pub args: [u64; 3],
    /// Fourth argument: for `pread64` the offset.
    pub offset: u64,
    /// Slot of the thread, from 0.
    pub slot: u32,
    /// Thread id in the root PID namespace.
    pub tid: u32,
    /// Number of the system call.
    pub syscall: u32,
    /// Explicit padding.
    pub reserved: u32,
    /// What each counter of the slot grew by in between.
    pub counters: [u64; COUNTERS],
}

const _: () = {
    assert!(size_of::<SlotState>() == 64);
    assert!(size_of::<SlotRemote>() == 128);
    assert!(size_of::<Slot>() == SLOT_BYTES);
    assert!(core::mem::offset_of!(Slot, state) == 256);
    assert!(core::mem::offset_of!(Slot, remote) == 320);
    // The kernel rounds an array's values up to 8 bytes and then maps them back to back.
    assert!(SLOT_BYTES.is_multiple_of(64));
    assert!(size_of::<Intent>() == 64);
    assert!(size_of::<Record>() == 328);
    assert!(core::mem::offset_of!(Record, counters) == 72);
    assert!(RING_BYTES.is_power_of_two());
};
