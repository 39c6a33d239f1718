//! A door to the kernel: a thread takes a slot of the ledger for itself.
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

/// Runs the `register` program on the calling thread, which takes the slot with this number plus
/// 1, cleared; 0 leaves the slot that it has.
///
/// # Errors
/// bpf(2) fails (EPERM without `CAP_BPF` and `CAP_PERFMON`), or the program refuses the number.
pub fn register(program: BorrowedFd<'_>, slot_plus_1: u64) -> io::Result<()> {
    let context = [slot_plus_1];
    let mut attr = TestRun {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        ctx_in: context.as_ptr() as u64,
        ctx_size_in: size_of_val(&context) as u32,
        ..TestRun::default()
    };
    // SAFETY: `attr` and `context` live on this frame until the call returns, and their sizes are
    // passed; the kernel copies them in and writes only `attr`.
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
    match attr.retval {
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
