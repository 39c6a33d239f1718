//! A door to the kernel: the scheduling class of a measured thread.
#![allow(unsafe_code)]

use std::io;

use record::plan::SchedClass;

/// Sets the scheduling class of the calling thread.
///
/// # Errors
/// In words; EPERM without `CAP_SYS_NICE`.
pub fn set_class(class: SchedClass) -> Result<(), String> {
    let (policy, priority, name) = match class {
        SchedClass::Other => (libc::SCHED_OTHER, 0, "SCHED_OTHER"),
        SchedClass::Batch => (libc::SCHED_BATCH, 0, "SCHED_BATCH"),
        SchedClass::Fifo => (libc::SCHED_FIFO, 1, "SCHED_FIFO"),
    };
    let parameter = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the parameter lives until the call returns; 0 is the calling thread.
    let status = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
    if status == 0 {
        Ok(())
    } else {
        Err(format!(
            "sched_setscheduler({name}): {}; it needs CAP_SYS_NICE",
            io::Error::last_os_error()
        ))
    }
}
