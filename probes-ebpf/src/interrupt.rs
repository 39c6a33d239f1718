//! Interrupts and softirqs while a measured thread is current, net of what nests inside.
//!
//! osnoise's rule: nested interference is subtracted, so that durations add up. Interrupt
//! handlers do not nest in each other (they run with interrupts disabled); they do nest in
//! softirqs, and steal nests in both.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use probes_ebpf::counter;

use crate::maps::cpu;
use crate::slot::{current_slot, now_ns, settle_steal};

#[inline(always)]
fn irq_begins() {
    let Some(cpu) = cpu() else { return };
    // Cleared even when the thread is not measured: a begin must never pair with another's end.
    cpu.irq_since_ns = 0;
    if let Some((_, slot)) = current_slot() {
        settle_steal(cpu, Some(slot));
        cpu.irq_since_ns = now_ns();
    }
}

#[inline(always)]
fn irq_ends(index: usize) {
    let Some(cpu) = cpu() else { return };
    let since_ns = cpu.irq_since_ns;
    cpu.irq_since_ns = 0;
    if since_ns == 0 {
        return;
    }
    let Some((_, slot)) = current_slot() else {
        return;
    };
    let steal_before_ns = cpu.steal_total_ns;
    settle_steal(cpu, Some(slot));
    let net_ns = (now_ns() - since_ns).saturating_sub(cpu.steal_total_ns - steal_before_ns);
    cpu.irq_total_ns += net_ns;
    slot.counters[index] += net_ns;
    slot.counters[counter::INTERRUPTS] += 1;
    if index == counter::TIMER_NS {
        slot.counters[counter::TIMERS] += 1;
    }
    slot.counters[counter::SEQUENCE] += 1;
}

/// Defines the programs of one interrupt's entry and exit tracepoints.
macro_rules! interrupt {
    ($entry:ident, $exit:ident, $counter:expr) => {
        /// Entry of this interrupt.
        #[btf_tracepoint]
        pub fn $entry(_: BtfTracePointContext) -> i32 {
            irq_begins();
            0
        }

        /// Exit of this interrupt.
        #[btf_tracepoint]
        pub fn $exit(_: BtfTracePointContext) -> i32 {
            irq_ends($counter);
            0
        }
    };
}

interrupt!(irq_handler_entry, irq_handler_exit, counter::HARDIRQ_NS);
interrupt!(local_timer_entry, local_timer_exit, counter::TIMER_NS);
interrupt!(reschedule_entry, reschedule_exit, counter::IPI_NS);
interrupt!(call_function_entry, call_function_exit, counter::IPI_NS);
interrupt!(
    call_function_single_entry,
    call_function_single_exit,
    counter::IPI_NS
);
interrupt!(irq_work_entry, irq_work_exit, counter::IPI_NS);

/// A softirq begins.
#[btf_tracepoint]
pub fn softirq_entry(_: BtfTracePointContext) -> i32 {
    let Some(cpu) = cpu() else { return 0 };
    cpu.softirq_since_ns = 0;
    if let Some((_, slot)) = current_slot() {
        settle_steal(cpu, Some(slot));
        cpu.softirq_irq_ns = cpu.irq_total_ns;
        cpu.softirq_steal_ns = cpu.steal_total_ns;
        cpu.softirq_since_ns = now_ns();
    }
    0
}

/// A softirq ends.
#[btf_tracepoint]
pub fn softirq_exit(_: BtfTracePointContext) -> i32 {
    let Some(cpu) = cpu() else { return 0 };
    let since_ns = cpu.softirq_since_ns;
    cpu.softirq_since_ns = 0;
    if since_ns == 0 {
        return 0;
    }
    let Some((_, slot)) = current_slot() else {
        return 0;
    };
    settle_steal(cpu, Some(slot));
    let irq_ns = cpu.irq_total_ns - cpu.softirq_irq_ns;
    let steal_ns = cpu.steal_total_ns - cpu.softirq_steal_ns;
    slot.counters[counter::SOFTIRQ_NS] += (now_ns() - since_ns).saturating_sub(irq_ns + steal_ns);
    slot.counters[counter::SEQUENCE] += 1;
    0
}
