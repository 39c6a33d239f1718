//! Where a thread's time off the CPU went.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use probes_ebpf::{Slot, counter};

use crate::globals::{CFS_RQ_RQ, STEAL_DELTA, SWITCH_ARGS, TASK_CFS_RQ, TASK_STATE};
use crate::maps::{CpuState, cpu};
use crate::slot::{
    by_number, flight_begins, flight_ends, in_flight, now_ns, number_of, settle_steal,
};

/// `sched_switch(bool preempt, task *prev, task *next, unsigned prev_state)`.
#[btf_tracepoint]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let Some(cpu) = cpu() else { return 0 };
    let prev: *mut task_struct = ctx.arg(1);
    let number = number_of(prev);
    if let Some(slot) = by_number(number) {
        let preempted: u64 = ctx.arg(0);
        let runnable = preempted & 1 != 0 || previous_state(&ctx, prev) == 0;
        switched_away(cpu, number, slot, runnable);
    }
    let next: *mut task_struct = ctx.arg(2);
    let number = number_of(next);
    if let Some(slot) = by_number(number) {
        remember_run_queue(cpu, next);
        switched_in(cpu, number, slot);
    }
    0
}

/// The state that the previous task left in (0: runnable).
#[inline(always)]
fn previous_state(ctx: &BtfTracePointContext, prev: *mut task_struct) -> u32 {
    if SWITCH_ARGS.load() >= 4 {
        ctx.arg(3)
    } else {
        // SAFETY: a trusted task pointer at an offset from the kernel's own BTF.
        unsafe {
            *prev
                .cast::<u8>()
                .add(TASK_STATE.load() as usize)
                .cast::<u32>()
        }
    }
}

#[inline(always)]
fn switched_away(cpu: &mut CpuState, number: u64, slot: &mut Slot, runnable: bool) {
    settle_steal(cpu, Some(slot));
    let counted = if runnable {
        counter::SWITCHES_INVOLUNTARY
    } else {
        counter::SWITCHES_VOLUNTARY
    };
    slot.counters[counted] += 1;
    slot.state.off_asleep = u64::from(!runnable);
    let now_ns = now_ns();
    flight_ends(number, slot, now_ns);
    slot.state.off_since_ns = now_ns;
    slot.counters[counter::SEQUENCE] += 1;
}

#[inline(always)]
fn switched_in(cpu: &mut CpuState, number: u64, slot: &mut Slot) {
    let now_ns = now_ns();
    let off_ns = slot.state.off_since_ns;
    if off_ns != 0 {
        if slot.state.off_asleep == 0 {
            slot.counters[counter::PREEMPTED_NS] += now_ns - off_ns;
        } else {
            split_sleep(slot, off_ns, now_ns);
        }
    }
    slot.state.off_since_ns = 0;
    if in_flight(slot) {
        flight_begins(number, slot, now_ns);
    }
    slot.remote.waking_ns = 0;
    slot.remote.wakeup_ns = 0;
    // SAFETY: the helper has no preconditions.
    let cpu_plus_1 = u64::from(unsafe { bpf_get_smp_processor_id() }) + 1;
    if slot.state.cpu_plus_1 != cpu_plus_1 {
        if slot.state.cpu_plus_1 != 0 {
            slot.counters[counter::MIGRATIONS] += 1;
        }
        slot.state.cpu_plus_1 = cpu_plus_1;
    }
    settle_steal(cpu, None);
    slot.counters[counter::SEQUENCE] += 1;
}

/// Cuts a sleep into device or blocked, wake-up latency and run-queue wait.
///
/// A waker that was not seen leaves the whole sleep as blocked: nothing says when it ended.
#[inline(always)]
fn split_sleep(slot: &mut Slot, off_ns: u64, now_ns: u64) {
    let waking_ns = match slot.remote.waking_ns {
        0 => now_ns,
        at => at.max(off_ns).min(now_ns),
    };
    let wakeup_ns = slot.remote.wakeup_ns.max(waking_ns).min(now_ns);
    let device_ns = device_share(slot, off_ns, waking_ns);
    slot.counters[counter::DEVICE_NS] += device_ns;
    slot.counters[counter::BLOCKED_NS] += waking_ns - off_ns - device_ns;
    slot.counters[counter::WAKEUP_NS] += wakeup_ns - waking_ns;
    slot.counters[counter::RUNQUEUE_NS] += now_ns - wakeup_ns;
}

/// How much of the sleep overlaps with block requests of the thread's own. Several requests
/// count as one from the first start to the last completion.
#[inline(always)]
fn device_share(slot: &Slot, off_ns: u64, waking_ns: u64) -> u64 {
    if slot.state.busy_since_ns == 0 {
        return 0;
    }
    let end_ns = if in_flight(slot) {
        waking_ns
    } else {
        slot.remote.completed_at_ns.min(waking_ns)
    };
    let start_ns = slot.state.busy_since_ns.max(off_ns);
    end_ns.saturating_sub(start_ns)
}

/// Finds this CPU's run queue through the task that is switched in, once: beside it, in the
/// per-CPU section, stands the hypervisor's account.
#[inline(always)]
fn remember_run_queue(cpu: &mut CpuState, next: *mut task_struct) {
    if STEAL_DELTA.load() == 0 {
        return;
    }
    // SAFETY: a trusted task pointer; both fields are pointers at offsets from the kernel's own
    // BTF, and a load through a BTF pointer that is bad reads 0 instead of faulting.
    let cfs_rq = unsafe {
        *next
            .cast::<u8>()
            .add(TASK_CFS_RQ.load() as usize)
            .cast::<*const u8>()
    };
    // SAFETY: as above.
    cpu.run_queue = unsafe { *cfs_rq.add(CFS_RQ_RQ.load() as usize).cast::<*const u8>() } as u64;
}

/// `sched_waking(task *p)`: fires in the waker's context, when it decides.
#[btf_tracepoint]
pub fn sched_waking(ctx: BtfTracePointContext) -> i32 {
    if let Some(slot) = by_number(number_of(ctx.arg(0))) {
        slot.remote.waking_ns = now_ns();
        slot.remote.wakeup_ns = 0;
    }
    0
}

/// `sched_wakeup(task *p)`: the task is on a run queue.
#[btf_tracepoint]
pub fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    if let Some(slot) = by_number(number_of(ctx.arg(0))) {
        slot.remote.wakeup_ns = now_ns();
    }
    0
}
