//! A thread takes a slot, by itself.
//!
//! The program is never attached: a thread runs it on itself with `BPF_PROG_TEST_RUN`, so that
//! "the current task" is the one that asks. Unlike writing the task storage from user space this
//! needs no pidfd of a thread (`PIDFD_THREAD` is Linux 6.9).

use core::ffi::c_void;

use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::info;
use probes_ebpf::{COUNTERS, SLOTS};

use crate::maps::TASKS;
use crate::slot::{by_number, current};

/// Argument 0: the slot's number plus 1, or 0 to leave. Returns 0 if done, 1 for a number out of
/// range, 2 if the kernel has no room for the task's storage.
///
/// By hand and not by aya-ebpf's macro, which drops the return value and returns 0.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp")]
pub fn register(ctx: *mut c_void) -> u32 {
    let ctx = RawTracePointContext::new(ctx);
    let slot_plus_1: u64 = ctx.arg(0);
    if slot_plus_1 > u64::from(SLOTS) {
        return 1;
    }
    let Some(task) = TASKS.get_or_create(current()) else {
        return 2;
    };
    // Off first: no program may write while the slot is cleared.
    task.slot_plus_1 = 0;
    task.enter_ns = 0;
    if let Some(slot) = by_number(slot_plus_1) {
        // Field by field: LLVM would merge a whole-struct store into memset, which aya-ebpf runs
        // as a byte loop.
        for index in 0..COUNTERS {
            // SAFETY: `index` is in range, and the reference is to a live map value.
            unsafe { core::ptr::write_volatile(&raw mut slot.counters[index], 0) };
        }
        slot.state.off_since_ns = 0;
        slot.state.off_asleep = 0;
        slot.state.cpu_plus_1 = 0;
        slot.state.busy_since_ns = 0;
        slot.state.flight_since_ns = 0;
        slot.state.flight_times_ns = 0;
        slot.state.flight_op = 0;
        slot.remote.waking_ns = 0;
        slot.remote.wakeup_ns = 0;
        slot.remote.completed = 0;
        slot.remote.completed_ns = 0;
        slot.remote.completed_at_ns = 0;
        slot.remote.completed_late = 0;
        slot.remote.completed_late_ns = 0;
        slot.remote.lost = 0;
        task.slot_plus_1 = slot_plus_1;
    }
    info!(&ctx, "slot {} registered", slot_plus_1);
    0
}
