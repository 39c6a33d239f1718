//! A door to the kernel: a thread runs a program on itself, above all to take a slot of the ledger.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `BPF_PROG_TEST_RUN` of linux/bpf.h.
const BPF_PROG_TEST_RUN: libc::c_long = 10;

/// The `test` member of `union bpf_attr` in linux/bpf.h, up to `batch_size`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

/// Runs a raw-tracepoint program once, on the calling thread, and returns what it returned.
///
/// # Errors
/// bpf(2) fails (EPERM without `CAP_BPF` and `CAP_PERFMON`).
pub(crate) fn run_on_this_thread(program: BorrowedFd<'_>, arguments: &[u64]) -> io::Result<u32> {
    let mut attr = TestRun {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        ctx_in: arguments.as_ptr() as u64,
        ctx_size_in: size_of_val(arguments) as u32,
        ..TestRun::default()
    };
    // SAFETY: `attr` lives on this frame and the caller's `arguments` are borrowed until the call
    // returns, and their sizes are passed; the kernel copies them in and writes only `attr`.
    let status = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_TEST_RUN,
            &raw mut attr,
            size_of::<TestRun>(),
        )
    };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(attr.retval)
}

/// Runs the `register` program on the calling thread, which takes the slot with this number plus
/// 1, cleared; 0 leaves the slot that it has.
///
/// # Errors
/// bpf(2) fails (EPERM without `CAP_BPF` and `CAP_PERFMON`), or the program refuses the number.
pub fn register(program: BorrowedFd<'_>, slot_plus_1: u64) -> io::Result<()> {
    match run_on_this_thread(program, &[slot_plus_1])? {
        0 => Ok(()),
        1 => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no slot has this number",
        )),
        other => Err(io::Error::other(format!(
            "the register program returned {other}: no task storage"
        ))),
    }
}
