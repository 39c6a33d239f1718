//! The bracketing mode: one record for each call of one system call by a registered task.
//!
//! For programs that are not ours, and to cross-check the ledger page. It makes every system
//! call of the machine dearer while it is attached, so it is attached only when asked for.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use probes_ebpf::{COUNTERS, Record, loss};

use crate::globals::{BRACKET_SYSCALL, REGS_ARG0, REGS_ARG1, REGS_ARG2, REGS_ARG3};
use crate::maps::{RECORDS, TASKS, Task, count_loss};
use crate::slot::{by_number, current, current_slot, now_ns};

/// `sys_enter(pt_regs *, long id)`.
#[btf_tracepoint]
pub fn sys_enter(ctx: BtfTracePointContext) -> i32 {
    let id: u64 = ctx.arg(1);
    if id != u64::from(BRACKET_SYSCALL.load()) {
        return 0;
    }
    let Some(task) = TASKS.get(current()) else {
        return 0;
    };
    let Some((_, slot)) = current_slot() else {
        return 0;
    };
    let regs: *const u8 = ctx.arg(0);
    // SAFETY (all four): the tracepoint's own pt_regs, at offsets from the kernel's own BTF.
    task.args[0] = unsafe { *regs.add(REGS_ARG0.load() as usize).cast::<u64>() };
    // SAFETY: as above.
    task.args[1] = unsafe { *regs.add(REGS_ARG1.load() as usize).cast::<u64>() };
    // SAFETY: as above.
    task.args[2] = unsafe { *regs.add(REGS_ARG2.load() as usize).cast::<u64>() };
    // SAFETY: as above.
    task.args[3] = unsafe { *regs.add(REGS_ARG3.load() as usize).cast::<u64>() };
    for index in 0..COUNTERS {
        task.counters[index] = slot.counters[index];
    }
    task.enter_ns = now_ns();
    0
}

/// `sys_exit(pt_regs *, long ret)`. The tracepoint does not carry the id, but a task is in one
/// system call at a time: what was entered is what exits.
#[btf_tracepoint]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let Some(task) = TASKS.get(current()) else {
        return 0;
    };
    if task.enter_ns == 0 {
        return 0;
    }
    let now_ns = now_ns();
    record(task, now_ns, ctx.arg(1));
    task.enter_ns = 0;
    0
}

#[inline(always)]
fn record(task: &mut Task, now_ns: u64, result: i64) {
    let Some(slot) = by_number(task.slot_plus_1) else {
        count_loss(loss::ORPHAN);
        return;
    };
    let Some(mut entry) = RECORDS.reserve::<Record>(0) else {
        count_loss(loss::RING);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: the reserved bytes are ours until they are submitted; every field is written.
    unsafe {
        (*record).start_ns = task.enter_ns;
        (*record).latency_ns = now_ns - task.enter_ns;
        (*record).result = result;
        (*record).args[0] = task.args[0];
        (*record).args[1] = task.args[1];
        (*record).args[2] = task.args[2];
        (*record).offset = task.args[3];
        (*record).slot = (task.slot_plus_1 - 1) as u32;
        (*record).tid = bpf_get_current_pid_tgid() as u32;
        (*record).syscall = BRACKET_SYSCALL.load();
        (*record).reserved = 0;
        for index in 0..COUNTERS {
            (*record).counters[index] = slot.counters[index] - task.counters[index];
        }
    }
    count_loss(loss::RECORDED);
    // Waking a polling consumer costs the producer microseconds; ours drains every few ms.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}
