//! From a task to its slot, and what every program does when it finds one.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel};
use probes_ebpf::{Intent, Slot, counter};

use crate::globals::{STEAL_DELTA, STEAL_FIELD};
use crate::maps::{CpuState, INTENT, LEDGER, TASKS};

/// CLOCK_MONOTONIC, ns.
#[inline(always)]
pub(crate) fn now_ns() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// The task that runs on this CPU.
#[inline(always)]
pub(crate) fn current() -> *mut task_struct {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_current_task_btf() }
}

/// The slot with this number (plus 1).
#[inline(always)]
pub(crate) fn by_number(slot_plus_1: u64) -> Option<&'static mut Slot> {
    let index = slot_plus_1.checked_sub(1)? as u32;
    // SAFETY: the map outlives the program. A slot's own words are written only on the CPU of
    // its thread; the remote ones are single 64-bit stores.
    LEDGER.get_ptr_mut(index).map(|p| unsafe { &mut *p })
}

/// What the thread of this slot announced.
#[inline(always)]
pub(crate) fn intent(slot_plus_1: u64) -> Option<Intent> {
    let index = slot_plus_1.checked_sub(1)? as u32;
    // SAFETY: user space writes whole words; a torn range can only miscount a page.
    INTENT.get_ptr(index).map(|p| unsafe { *p })
}

/// Number of the task's slot, plus 1; 0 if it has none.
#[inline(always)]
pub(crate) fn number_of(task: *mut task_struct) -> u64 {
    TASKS.get(task).map_or(0, |t| t.slot_plus_1)
}

/// Slot of the current task, healed.
///
/// A thread that runs but is still marked as switched away was switched in without the probe
/// seeing it (this happens: on some guests `sched_switch` does not fire for some switches). The
/// time in between is booked as a gap, so that it is seen as unknown and not as its own.
#[inline(always)]
pub(crate) fn current_slot() -> Option<(u64, &'static mut Slot)> {
    let number = number_of(current());
    let slot = by_number(number)?;
    if slot.state.off_since_ns != 0 {
        slot.counters[counter::GAPS] += 1;
        slot.counters[counter::GAP_NS] += now_ns() - slot.state.off_since_ns;
        slot.state.off_since_ns = 0;
        slot.counters[counter::SEQUENCE] += 1;
    }
    Some((number, slot))
}

/// Is a block request of the thread's own in flight?
#[inline(always)]
pub(crate) fn in_flight(slot: &Slot) -> bool {
    slot.counters[counter::REQUESTS]
        > slot.remote.completed + slot.remote.completed_late + slot.remote.lost
}

/// Was the thread's last request started in the operation that it is still in? If not, nobody
/// waits for it here: it reads ahead for a later one.
#[inline(always)]
fn same_operation(number: u64, slot: &Slot) -> bool {
    intent(number).is_some_and(|i| i.op == slot.state.flight_op)
}

/// From now on the thread is on the CPU with a request of this operation in flight.
#[inline(always)]
pub(crate) fn flight_begins(number: u64, slot: &mut Slot, now_ns: u64) {
    if slot.state.flight_since_ns == 0 && same_operation(number, slot) {
        slot.state.flight_since_ns = now_ns;
        slot.state.flight_times_ns = counter::flight_times_ns(&slot.counters);
    }
}

/// It is not, or no longer: books what is net of every other cause.
///
/// On many machines a thread does not sleep for its device at all: the doorbell's exit to the
/// hypervisor takes so long that the completion's interrupt is there first, or the idle loop of
/// the wait polls. Without this, such a wait would look like the operation's own work.
#[inline(always)]
pub(crate) fn flight_ends(number: u64, slot: &mut Slot, at_ns: u64) {
    let since_ns = slot.state.flight_since_ns;
    if since_ns == 0 {
        return;
    }
    slot.state.flight_since_ns = 0;
    if same_operation(number, slot) {
        // Completed on another CPU while this one went on: it ended then.
        let end_ns = if in_flight(slot) {
            at_ns
        } else {
            at_ns.min(slot.remote.completed_at_ns)
        };
        let times_ns = counter::flight_times_ns(&slot.counters);
        let other_ns = times_ns - slot.state.flight_times_ns;
        slot.counters[counter::INFLIGHT_NS] +=
            end_ns.saturating_sub(since_ns).saturating_sub(other_ns);
    }
    slot.counters[counter::SEQUENCE] += 1;
}

/// Adds to a counter of the current task's slot, if it has one.
#[inline(always)]
pub(crate) fn count(index: usize, by: u64) {
    if let Some((_, slot)) = current_slot() {
        slot.counters[index] += by;
        slot.counters[counter::SEQUENCE] += 1;
    }
}

/// Reads the hypervisor's account of this CPU, and credits what it grew by since the last look.
///
/// `slot` is `None` to start afresh, when a measured thread is switched in.
#[inline(always)]
pub(crate) fn settle_steal(cpu: &mut CpuState, slot: Option<&mut Slot>) {
    if STEAL_DELTA.load() == 0 || cpu.run_queue == 0 {
        return;
    }
    let address = cpu.run_queue + STEAL_DELTA.load() + u64::from(STEAL_FIELD.load());
    // SAFETY: bpf_probe_read_kernel checks the address itself and fails on a bad one.
    let Ok(steal_ns) = (unsafe { bpf_probe_read_kernel(address as *const u64) }) else {
        return;
    };
    if let Some(slot) = slot {
        let grown_ns = steal_ns - cpu.steal_seen_ns;
        slot.counters[counter::STEAL_NS] += grown_ns;
        cpu.steal_total_ns += grown_ns;
    }
    cpu.steal_seen_ns = steal_ns;
}
