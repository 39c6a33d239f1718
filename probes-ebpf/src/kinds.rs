//! One program of each kind of attachment that a kernel can refuse as a whole (not compiled in,
//! or locked down). They do nothing: attaching one, for a moment, is the question.
//!
//! All go to `bpf_fentry_test1`, which the kernel has for such tests (net/bpf/test_run.c) and
//! calls for nothing else.

use aya_ebpf::macros::{fentry, fexit, kprobe};
use aya_ebpf::programs::{FEntryContext, FExitContext, ProbeContext};

/// Entry of a function, through a trampoline.
#[fentry]
pub fn kind_fentry(_: FEntryContext) -> i32 {
    0
}

/// Exit of a function, through a trampoline.
#[fexit]
pub fn kind_fexit(_: FExitContext) -> i32 {
    0
}

/// Entry of a function, through a breakpoint or ftrace.
#[kprobe]
pub fn kind_kprobe(_: ProbeContext) -> u32 {
    0
}
