//! The programs in the object: where each goes, and what can't be seen without it.

use record::ledger;

use crate::offsets::Offsets;

/// When a program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Rare events that feed the ledger page.
    Ledger,
    /// Every system call: only for the bracketing mode.
    Bracket,
}

/// One program.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Name of the program, and of its tracepoint.
    pub name: &'static str,
    /// When it is attached.
    pub group: Group,
    /// Parts of the ledger that are unavailable without it.
    pub causes: &'static [usize],
    /// What can't be seen without it.
    pub blind: &'static str,
}

const fn ledger(name: &'static str, causes: &'static [usize], blind: &'static str) -> Program {
    Program {
        name,
        group: Group::Ledger,
        causes,
        blind,
    }
}

const SLEEP: &[usize] = &[
    ledger::DEVICE,
    ledger::BLOCKED,
    ledger::WAKEUP,
    ledger::RUNQUEUE,
    ledger::PREEMPTED,
    ledger::GAP,
    ledger::INFLIGHT,
];

/// All programs. Exits stand before their entries: attached in this order, no entry can be seen
/// whose exit is not.
pub const PROGRAMS: &[Program] = &[
    ledger(
        "mm_filemap_add_to_page_cache",
        &[],
        "pages added to the page cache: hit or miss",
    ),
    ledger(
        "block_rq_complete",
        &[ledger::DEVICE, ledger::INFLIGHT],
        "completion of block requests: device time",
    ),
    ledger(
        "block_rq_issue",
        &[],
        "hand-over of block requests to the device",
    ),
    ledger(
        "block_io_start",
        &[],
        "start of block requests (before 6.5 block_rq_issue stands in)",
    ),
    ledger(
        "sched_waking",
        &[ledger::WAKEUP],
        "the waker's decision: wake-up latency",
    ),
    ledger(
        "sched_wakeup",
        &[ledger::WAKEUP],
        "arrival on the run queue: wake-up against run-queue wait",
    ),
    ledger("sched_switch", SLEEP, "all time off the CPU"),
    ledger("irq_handler_exit", &[ledger::HARDIRQ], "device interrupts"),
    ledger("irq_handler_entry", &[ledger::HARDIRQ], "device interrupts"),
    ledger("local_timer_exit", &[ledger::TIMER], "timer interrupts"),
    ledger("local_timer_entry", &[ledger::TIMER], "timer interrupts"),
    ledger("reschedule_exit", &[ledger::IPI], "reschedule IPIs"),
    ledger("reschedule_entry", &[ledger::IPI], "reschedule IPIs"),
    ledger("call_function_exit", &[ledger::IPI], "call-function IPIs"),
    ledger("call_function_entry", &[ledger::IPI], "call-function IPIs"),
    ledger(
        "call_function_single_exit",
        &[ledger::IPI],
        "call-function IPIs",
    ),
    ledger(
        "call_function_single_entry",
        &[ledger::IPI],
        "call-function IPIs",
    ),
    ledger("irq_work_exit", &[ledger::IPI], "irq-work IPIs"),
    ledger("irq_work_entry", &[ledger::IPI], "irq-work IPIs"),
    ledger("softirq_exit", &[ledger::SOFTIRQ], "softirqs"),
    ledger("softirq_entry", &[ledger::SOFTIRQ], "softirqs"),
    ledger("page_fault_user", &[], "page faults at user addresses"),
    ledger("page_fault_kernel", &[], "page faults inside the copy"),
    Program {
        name: "sys_exit",
        group: Group::Bracket,
        causes: &[],
        blind: "bracketed system calls",
    },
    Program {
        name: "sys_enter",
        group: Group::Bracket,
        causes: &[],
        blind: "bracketed system calls",
    },
];

/// Why a program cannot be used with these offsets, if it can't.
#[must_use]
pub fn missing_for(name: &str, offsets: &Offsets) -> Option<String> {
    let lacks = |what: &str| Some(format!("the kernel's BTF has no {what}"));
    match name {
        "mm_filemap_add_to_page_cache" => offsets.missing_for_page_cache().and_then(lacks),
        "block_io_start" | "block_rq_issue" if offsets.request_data_len.is_none() => {
            lacks("request.__data_len")
        }
        "sched_switch"
            if offsets.switch_args.is_some_and(|n| n < 4) && offsets.task_state.is_none() =>
        {
            lacks("task_struct.__state")
        }
        "sys_enter" if offsets.regs.is_none() => {
            lacks("argument registers in pt_regs that this tool knows")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_is_attached_before_its_entry() {
        for (i, p) in PROGRAMS.iter().enumerate() {
            if let Some(stem) = p.name.strip_suffix("_entry") {
                let exit = PROGRAMS
                    .iter()
                    .position(|q| q.name == format!("{stem}_exit"));
                assert!(exit.is_some_and(|e| e < i), "{}", p.name);
            }
        }
    }
}
