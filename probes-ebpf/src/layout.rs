//! Is the layout of the kernel's structures what user space thinks it is?
//!
//! The program is never attached: user space runs it on its own thread (`BPF_PROG_TEST_RUN`) and
//! compares what stands at an offset with what the kernel itself says of the same task.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_get_current_task;
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_probe_read_kernel};
use aya_ebpf::programs::RawTracePointContext;
use probes_ebpf::layout;

/// Argument 0: what to look at, of [`probes_ebpf::layout`]; argument 1: an offset within the
/// current `struct task_struct`. Returns 32 bits; 0, which no id or name begins with, if there
/// is nothing to be had.
///
/// By hand, as in `register`: the answer is the return value.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp")]
pub fn layout_of_task(ctx: *mut c_void) -> u32 {
    let ctx = RawTracePointContext::new(ctx);
    let what: u64 = ctx.arg(0);
    match what {
        layout::FIELD => {
            let offset: u64 = ctx.arg(1);
            // Its address as a number: a trusted pointer takes no offset that is not a constant.
            // SAFETY: the helper has no preconditions.
            let address = unsafe { bpf_get_current_task() }.wrapping_add(offset);
            // SAFETY: bpf_probe_read_kernel checks the address itself and fails on a bad one.
            unsafe { bpf_probe_read_kernel(address as *const u32) }.unwrap_or(0)
        }
        layout::PID => bpf_get_current_pid_tgid() as u32,
        layout::TGID => (bpf_get_current_pid_tgid() >> 32) as u32,
        _ => 0,
    }
}
