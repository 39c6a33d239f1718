//! The BPF programs, a file per group of tracepoints.
//!
//! All of them are on *rare* events: a warm page-cache hit fires none. Each adds to cumulative
//! words in the slot of the thread that it concerns, and the thread reads them with plain loads.
#![no_std]
#![no_main]
// Every helper is a raw pointer into a map or the kernel; what makes each use sound is stated
// where it stands, and the verifier proves it again at load.
#![allow(unsafe_code)]
// The macros export each program as a symbol under its own name, which needs `pub`.
#![allow(unreachable_pub)]

mod block;
mod bracket;
mod globals;
mod interrupt;
mod kinds;
mod layout;
mod maps;
mod page_cache;
mod register;
mod sched;
mod slot;

/// The programs may call GPL-only helpers (`bpf_task_storage_get`, `bpf_probe_read_kernel`).
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier refuses a program that could panic, and bpf-linker drops this.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
