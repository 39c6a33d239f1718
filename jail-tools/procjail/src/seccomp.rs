//! Which system calls a jail refuses, and the filter that does it. Pure.
//!
//! A list of what is denied, not of what is allowed: a jail runs other people's programs, and what
//! it must keep from them is the kernel's machinery, not calls that did not exist when it was written.
//!
//! The filter is compiled with this crate, by `compile` and not by seccompiler: that makes a list of
//! blocks, 409 instructions that the kernel compiles for each jail anew. The library is what the
//! tests hold this one to.

use std::borrow::Cow;

/// When a call is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// If `argument & mask == value`.
    Masked {
        argument: u8,
        mask: u32,
        value: u32,
    },
    /// If any bit of `mask` is set in the argument.
    AnyBit {
        argument: u8,
        mask: u32,
    },
    /// Always, and the answer is ENOSYS.
    NoSuchCall,
}

/// Every namespace of its own (include/uapi/linux/sched.h: `CLONE_NEW*`).
const NAMESPACES: u32 = 0x7e02_0000;

/// A file of this kind, by its mode.
const fn of_kind(argument: u8, kind: u32) -> When {
    When::Masked {
        argument,
        mask: libc::S_IFMT,
        value: kind,
    }
}

/// This request of an ioctl, an `int` to the kernel.
const fn request(number: u32) -> When {
    When::Masked {
        argument: 1,
        mask: u32::MAX,
        value: number,
    }
}

// Where the libc crate has these, their types differ by C library. include/uapi/asm-generic/ioctls.h.
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

/// Not in the libc crate for every C library. include/uapi/asm-generic/unistd.h, and
/// arch/x86/entry/syscalls/syscall_64.tbl.
const KEXEC_FILE_LOAD: i64 = if cfg!(target_arch = "x86_64") {
    320
} else {
    294
};

/// Linux 6.15: `open_tree` and `mount_setattr` in one call. One number everywhere, as of all calls
/// since 424 (scripts/syscall.tbl).
const OPEN_TREE_ATTR: i64 = 467;

/// What is denied with EPERM, by name. Each would reach the kernel's machinery or the host, with
/// the capabilities that a user may add, or through a hole in one of them.
const TABLE: &[(&str, i64, When)] = &[
    // Mounts: what is masked or read-only stays so.
    ("mount", libc::SYS_mount, When::Always),
    ("umount2", libc::SYS_umount2, When::Always),
    ("pivot_root", libc::SYS_pivot_root, When::Always),
    ("move_mount", libc::SYS_move_mount, When::Always),
    ("open_tree", libc::SYS_open_tree, When::Always),
    ("open_tree_attr", OPEN_TREE_ATTR, When::Always),
    ("fsopen", libc::SYS_fsopen, When::Always),
    ("fsconfig", libc::SYS_fsconfig, When::Always),
    ("fsmount", libc::SYS_fsmount, When::Always),
    ("fspick", libc::SYS_fspick, When::Always),
    ("mount_setattr", libc::SYS_mount_setattr, When::Always),
    ("chroot", libc::SYS_chroot, When::Always),
    ("quotactl", libc::SYS_quotactl, When::Always),
    ("quotactl_fd", 443, When::Always),
    ("swapon", libc::SYS_swapon, When::Always),
    ("swapoff", libc::SYS_swapoff, When::Always),
    // Namespaces: a user namespace gives all capabilities over a new set of kernel code.
    ("setns", libc::SYS_setns, When::Always),
    (
        "unshare",
        libc::SYS_unshare,
        When::AnyBit {
            argument: 0,
            mask: NAMESPACES | 0x80,
        },
    ),
    (
        "clone",
        libc::SYS_clone,
        When::AnyBit {
            argument: 0,
            mask: NAMESPACES,
        },
    ),
    // Its flags stand in memory, where no filter looks; programs then use clone.
    ("clone3", libc::SYS_clone3, When::NoSuchCall),
    // The kernel itself.
    ("reboot", libc::SYS_reboot, When::Always),
    ("kexec_load", libc::SYS_kexec_load, When::Always),
    ("kexec_file_load", KEXEC_FILE_LOAD, When::Always),
    ("init_module", libc::SYS_init_module, When::Always),
    ("finit_module", libc::SYS_finit_module, When::Always),
    ("delete_module", libc::SYS_delete_module, When::Always),
    ("bpf", libc::SYS_bpf, When::Always),
    ("perf_event_open", libc::SYS_perf_event_open, When::Always),
    ("userfaultfd", libc::SYS_userfaultfd, When::Always),
    ("syslog", libc::SYS_syslog, When::Always),
    ("acct", libc::SYS_acct, When::Always),
    // io_uring makes calls that no filter sees.
    ("io_uring_setup", libc::SYS_io_uring_setup, When::Always),
    ("io_uring_enter", libc::SYS_io_uring_enter, When::Always),
    (
        "io_uring_register",
        libc::SYS_io_uring_register,
        When::Always,
    ),
    // Keys are not in any namespace.
    ("add_key", libc::SYS_add_key, When::Always),
    ("request_key", libc::SYS_request_key, When::Always),
    ("keyctl", libc::SYS_keyctl, When::Always),
    // The clocks are everybody's.
    ("settimeofday", libc::SYS_settimeofday, When::Always),
    ("clock_settime", libc::SYS_clock_settime, When::Always),
    ("clock_adjtime", libc::SYS_clock_adjtime, When::Always),
    ("adjtimex", libc::SYS_adjtimex, When::Always),
    // A file by handle is a file outside the root.
    (
        "open_by_handle_at",
        libc::SYS_open_by_handle_at,
        When::Always,
    ),
    // Devices.
    ("mknodat", libc::SYS_mknodat, of_kind(2, libc::S_IFCHR)),
    ("mknodat", libc::SYS_mknodat, of_kind(2, libc::S_IFBLK)),
    // Typing into the terminal that the jail was started from (TIOCSTI), or pasting (TIOCLINUX).
    ("ioctl", libc::SYS_ioctl, request(TIOCSTI)),
    ("ioctl", libc::SYS_ioctl, request(TIOCLINUX)),
    #[cfg(target_arch = "x86_64")]
    ("iopl", libc::SYS_iopl, When::Always),
    #[cfg(target_arch = "x86_64")]
    ("ioperm", libc::SYS_ioperm, When::Always),
    #[cfg(target_arch = "x86_64")]
    ("mknod", libc::SYS_mknod, of_kind(1, libc::S_IFCHR)),
    #[cfg(target_arch = "x86_64")]
    ("mknod", libc::SYS_mknod, of_kind(1, libc::S_IFBLK)),
];

/// Why there is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A call is to be allowed that is not denied.
    #[error("`{name}` is not among the system calls that a jail denies: {}", names().join(" "))]
    NotDenied {
        /// What was asked for.
        name: String,
    },
}

/// Names of what is denied.
#[must_use]
pub(crate) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The filter, without the calls in `allowed`.
///
/// `clone3` answers ENOSYS: its flags stand in memory, where a filter cannot look, and the C library
/// then falls back to `clone`. So do the numbers of the x32 ABI, which are another set of names for
/// the same calls. A program of another architecture is killed at its first call.
///
/// # Errors
/// A name in `allowed` that is not denied.
pub(crate) fn program(allowed: &[String]) -> Result<Cow<'static, [libc::sock_filter]>, Error> {
    if allowed.is_empty() {
        return Ok(Cow::Borrowed(DEFAULT.instructions()));
    }
    let known = names();
    if let Some(name) = allowed.iter().find(|a| !known.contains(&a.as_str())) {
        return Err(Error::NotDenied { name: name.clone() });
    }
    let is_allowed = |name: &str| allowed.iter().any(|a| a == name);
    let mut denied = 0;
    for (at, (name, ..)) in TABLE.iter().enumerate() {
        denied |= u128::from(!is_allowed(name)) << at;
    }
    Ok(Cow::Owned(compile(denied).instructions().to_vec()))
}

/// What every jail loads that allows nothing more: made when this is compiled.
static DEFAULT: Program = compile(u128::MAX);

mod compile;

use compile::{Program, compile};

#[cfg(test)]
mod tests;
