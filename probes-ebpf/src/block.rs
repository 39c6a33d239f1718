//! Block requests of measured threads, from start to completion.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use probes_ebpf::{counter, loss};

use crate::globals::{HAVE_IO_START, REQUEST_DATA_LEN};
use crate::maps::{REQUESTS, Request, count_loss, cpu};
use crate::slot::{
    by_number, current, current_slot, flight_begins, flight_ends, in_flight, intent, now_ns,
    number_of,
};

/// `block_io_start(request *)`: in the context of the thread that submits.
#[btf_tracepoint]
pub fn block_io_start(ctx: BtfTracePointContext) -> i32 {
    started(ctx.arg(0));
    0
}

/// `block_rq_issue(request *)`: handed to the device, perhaps by a kworker.
#[btf_tracepoint]
pub fn block_rq_issue(ctx: BtfTracePointContext) -> i32 {
    let request: *const u8 = ctx.arg(0);
    match REQUESTS.get_ptr_mut(request as u64) {
        // SAFETY: an entry is removed only at completion, which comes after the issue.
        Some(entry) => unsafe { (*entry).since_ns = now_ns() },
        None if HAVE_IO_START.load() == 0 => started(request),
        None => {}
    }
    0
}

/// `block_rq_complete(request *, …)`: any CPU, any context, before the pages are unlocked.
#[btf_tracepoint]
pub fn block_rq_complete(ctx: BtfTracePointContext) -> i32 {
    let request: u64 = ctx.arg(0);
    let Some(entry) = REQUESTS.get_ptr(request) else {
        return 0;
    };
    // SAFETY: one request completes once at a time, so nobody else removes the entry.
    let entry = unsafe { *entry };
    let now_ns = now_ns();
    let late = intent(entry.slot_plus_1).is_none_or(|i| i.op != entry.op);
    if let Some(slot) = by_number(entry.slot_plus_1) {
        let remote = &mut slot.remote;
        if late {
            remote.completed_late += 1;
            remote.completed_late_ns += now_ns - entry.since_ns;
        } else {
            remote.completed += 1;
            remote.completed_ns += now_ns - entry.since_ns;
        }
        remote.completed_at_ns = now_ns;
        // In an interrupt of the thread's own CPU its own words are ours to write. The interrupt
        // itself is booked when it ends, so the flight ends where it began.
        if number_of(current()) == entry.slot_plus_1 && !in_flight(slot) {
            let began_ns = cpu().map_or(0, |c| c.irq_since_ns.max(c.softirq_since_ns));
            flight_ends(
                entry.slot_plus_1,
                slot,
                if began_ns == 0 { now_ns } else { began_ns },
            );
        }
    }
    let _ = REQUESTS.remove(request);
    0
}

/// The current thread starts a request.
#[inline(always)]
fn started(request: *const u8) {
    let Some((number, slot)) = current_slot() else {
        return;
    };
    if let Some(stale) = REQUESTS.get_ptr(request as u64) {
        // A request that starts cannot be in flight: its last completion was not seen. (On some
        // guests a program is, for a while, not run for a tracepoint that fires.)
        // SAFETY: nobody else removes the entry: the completion that would have is past.
        let owner = unsafe { (*stale).slot_plus_1 };
        count_loss(loss::COMPLETION);
        if owner == number {
            slot.remote.lost += 1;
        } else if let Some(other) = by_number(owner) {
            other.remote.lost += 1;
        }
    }
    let now_ns = now_ns();
    if !in_flight(slot) {
        // What the last flight left (it completed on another CPU, and nothing has happened here
        // since) is booked before a new one begins.
        flight_ends(number, slot, now_ns);
        slot.state.busy_since_ns = now_ns;
    }
    // SAFETY: the tracepoint's own request, at an offset from the kernel's own BTF.
    let bytes = unsafe { *request.add(REQUEST_DATA_LEN.load() as usize).cast::<u32>() };
    let op = intent(number).map_or(0, |i| i.op);
    let entry = Request {
        since_ns: now_ns,
        op,
        slot_plus_1: number,
    };
    if REQUESTS.insert(request as u64, entry, 0).is_err() {
        slot.counters[counter::REQUEST_DROPS] += 1;
        count_loss(loss::REQUEST);
        slot.counters[counter::SEQUENCE] += 1;
        return;
    }
    slot.counters[counter::REQUESTS] += 1;
    if slot.state.flight_op != op {
        // What reads ahead since an earlier operation is not what this one waits for.
        slot.state.flight_since_ns = 0;
        slot.state.flight_op = op;
    }
    flight_begins(number, slot, now_ns);
    slot.counters[counter::REQUEST_BYTES] += u64::from(bytes);
    slot.counters[counter::SEQUENCE] += 1;
}
